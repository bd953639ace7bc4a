package serai.cpu;

/** What code segment a case runs in. */
enum OracleMode {
    LONG(8),
    CODE32(4),
    CODE16(2);

    /** Bytes of an address by default, as {@link Decoded#codeSize}. */
    final int size;

    OracleMode(int size) {
        this.size = size;
    }

    /** Whether a row is valid in it. */
    boolean has(InstructionRow row) {
        return !row.has(this == LONG ? "i64" : "o64");
    }
}
