package serai.cpu;

import serai.machine.memory.GuestMemory;

/**
 * The bytes of an instruction as the decoder takes them, picked out of two longs: fetched one by one from a {@link Decoder.Bytes}, for each may
 * raise a fault and none is to be asked for without need, or at once from memory. Of an instruction that ends too late the rest reads as
 * zeros, and {@link #over} tells: an exception would cost more than many instructions.
 */
final class InstructionBytes {
    /** SDM vol. 2, 2.3.11. */
    static final int MAX_LENGTH = 15;

    private Decoder.Bytes source = offset -> 0;
    /** The first eight bytes, the first of them lowest. */
    private long low;
    /** The next eight. */
    private long high;
    /** How many of them are there. */
    private int filled;
    /** How many may be asked for. */
    private int limit;

    private boolean over;
    private int at;

    /** Starts an instruction whose bytes come from a source. */
    void from(Decoder.Bytes source) {
        this.source = source;
        clear();
        limit = MAX_LENGTH;
    }

    /**
     * Starts an instruction whose bytes are in memory.
     *
     * @param host host address of the first
     * @param available how many may be read
     */
    void from(long host, int available) {
        clear();
        if (available > MAX_LENGTH) {
            low = GuestMemory.getLong(host);
            high = GuestMemory.getLong(host + 8);
            filled = MAX_LENGTH;
        } else {
            while (filled < available) {
                put(GuestMemory.getByte(host + filled));
            }
        }
        limit = filled;
    }

    private void clear() {
        low = 0;
        high = 0;
        filled = 0;
        over = false;
        at = 0;
    }

    /** Whether more bytes were taken than there may be. */
    boolean over() {
        return over;
    }

    /** How many have been taken. */
    int taken() {
        return at;
    }

    /** The next byte, 0 to 255. */
    int next() {
        int i = at;
        if (i >= filled && !fetch()) {
            return 0;
        }
        at = i + 1;
        return (int) ((i < 8 ? low : high) >>> i * 8) & 0xff; // a shift count is modulo 64
    }

    /** Gives the last byte back. */
    void back() {
        at--;
    }

    /** The next 1, 2, 4 or 8 bytes, sign-extended. */
    long signed(int size) {
        int i = at;
        while (i + size > filled) {
            if (!fetch()) {
                return 0;
            }
        }
        at = i + size;
        int shift = i * 8 & 63;
        long v = i >= 8 ? high >>> shift : shift == 0 ? low : low >>> shift | high << 64 - shift;
        int unused = 64 - size * 8;
        return v << unused >> unused;
    }

    /** The next 1, 2, 4 or 8 bytes, zero-extended. */
    long unsigned(int size) {
        int unused = 64 - size * 8;
        return signed(size) << unused >>> unused;
    }

    /** One more byte, if there may be. */
    private boolean fetch() {
        if (filled >= limit) {
            over = true;
            return false;
        }
        put(source.at(filled));
        return true;
    }

    private void put(int b) {
        long v = (b & 0xffL) << filled * 8;
        if (filled < 8) {
            low |= v;
        } else {
            high |= v;
        }
        filled++;
    }
}
