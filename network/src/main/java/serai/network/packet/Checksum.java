package serai.network.packet;

import java.nio.ByteBuffer;

/** The Internet checksum: the ones' complement of the ones' complement sum of 16-bit words (RFC 1071). */
public final class Checksum {
    private Checksum() {}

    /**
     * Adds bytes to a sum.
     *
     * @param sum what is added to, not folded; 0 at first
     * @param length an odd one is as if a zero followed; then nothing may be added after it
     */
    public static long add(long sum, ByteBuffer b, int from, int length) {
        int end = from + length;
        int i = from;
        for (; i <= end - 8; i += 8) {
            long word = b.getLong(i);
            sum += (word >>> 32) + (word & 0xffff_ffffL);
        }
        for (; i <= end - 2; i += 2) {
            sum += b.getShort(i) & 0xffff;
        }
        return i < end ? sum + ((b.get(i) & 0xff) << 8) : sum;
    }

    /** Adds the 16-bit words of a number. */
    public static long add(long sum, long words) {
        return sum + (words >>> 32) + (words & 0xffff_ffffL);
    }

    /** A sum in 16 bits. */
    public static int fold(long sum) {
        long s = (sum >>> 32) + (sum & 0xffff_ffffL);
        s = (s >>> 32) + (s & 0xffff_ffffL);
        s = (s >>> 16) + (s & 0xffff);
        s = (s >>> 16) + (s & 0xffff);
        return (int) ((s >>> 16) + (s & 0xffff));
    }

    /** The checksum of what was summed up: of what holds its own checksum it is 0. */
    public static int of(long sum) {
        return ~fold(sum) & 0xffff;
    }
}
