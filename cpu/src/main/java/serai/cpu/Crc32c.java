package serai.cpu;

/** CRC32: the Castagnoli polynomial 11EDC6F41 over bit-reflected data, without the inversions of the protocols that use it. */
final class Crc32c {
    private static final int REFLECTED = 0x82f63b78;
    /** By the distance of a byte from the end of the data: what it adds to the remainder. */
    private static final int[][] TABLES = new int[8][256];

    static {
        for (int i = 0; i < 256; i++) {
            int r = i;
            for (int bit = 0; bit < 8; bit++) {
                r = r >>> 1 ^ (r & 1) * REFLECTED;
            }
            TABLES[0][i] = r;
        }
        for (int t = 1; t < 8; t++) {
            for (int i = 0; i < 256; i++) {
                int r = TABLES[t - 1][i];
                TABLES[t][i] = r >>> 8 ^ TABLES[0][r & 0xff];
            }
        }
    }

    private Crc32c() {}

    /** The remainder after so many more bytes, the first of them in the low byte of {@code data}. */
    static long update(int crc, long data, int bytes) {
        long v = data ^ crc & 0xffffffffL;
        int r = bytes < 4 ? crc >>> bytes * 8 : 0;
        for (int i = 0; i < bytes; i++) {
            r ^= TABLES[bytes - 1 - i][(int) (v >>> i * 8) & 0xff];
        }
        return r & 0xffffffffL;
    }
}
