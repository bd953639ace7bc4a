package serai.machine.e1000;

import java.nio.ByteBuffer;

/** The Internet checksum (RFC 1071). Buffers are big-endian. */
final class Checksum {
    /** The sum of the bytes from {@code from} to {@code to}, as if a zero followed; fits into 48 bits for all that is a frame. */
    static long sum(ByteBuffer b, int from, int to) {
        long sum = 0;
        int at = from;
        for (; at + 8 <= to; at += 8) {
            long v = b.getLong(at);
            sum += (v >>> 32) + (v & 0xffffffffL);
        }
        for (; at + 2 <= to; at += 2) {
            sum += b.getShort(at) & 0xffff;
        }
        return at < to ? sum + ((b.get(at) & 0xff) << 8) : sum;
    }

    /** A sum in 16 bits, end-around. */
    static int fold(long sum) {
        long s = (sum >>> 32) + (sum & 0xffffffffL);
        s = (s >>> 16) + (s & 0xffff);
        s = (s >>> 16) + (s & 0xffff);
        return (int) ((s >>> 16) + (s & 0xffff));
    }

    private Checksum() {}
}
