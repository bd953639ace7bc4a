package serai.network.wire;

import java.nio.ByteBuffer;

/** The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words. */
public final class InternetChecksum {
    private InternetChecksum() {}

    /**
     * Adds bytes to a sum; an odd one at the end counts as the upper half of a word.
     *
     * @param b big-endian
     * @param sum of what came before: an even number of bytes; 0 at first
     * @return not folded, for {@link #finish} or for more
     */
    public static long add(ByteBuffer b, int from, int length, long sum) {
        int at = from;
        int end = from + length;
        // 2^32 is 1 modulo 2^16-1: so words of 32 bits may be added as well, and 64 bits hold the sums of billions of
        // them
        for (; at + 8 <= end; at += 8) {
            long v = b.getLong(at);
            sum += (v >>> 32) + (v & 0xffffffffL);
        }
        for (; at + 2 <= end; at += 2) {
            sum += b.getShort(at) & 0xffff;
        }
        if (at < end) {
            sum += (b.get(at) & 0xff) << 8;
        }
        return sum;
    }

    /** The sum in 16 bits. */
    public static int fold(long sum) {
        long s = (sum >>> 32) + (sum & 0xffffffffL);
        while (s >>> 16 != 0) {
            s = (s >>> 16) + (s & 0xffff);
        }
        return (int) s;
    }

    /** The checksum of what has been added, 16 bits. */
    public static int finish(long sum) {
        return ~fold(sum) & 0xffff;
    }
}
