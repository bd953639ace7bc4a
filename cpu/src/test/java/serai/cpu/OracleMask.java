package serai.cpu;

/** What of a case's outcome is not compared. */
final class OracleMask {
    /** Nothing at all. */
    boolean everything;
    /** RIP. */
    boolean rip;
    /** Which fault it is, if both sides have one. */
    boolean which;
    /** Flags, as bits of RFLAGS. */
    long flags;
    /** By general register: bits that are not compared. */
    final long[] gpr = new long[16];
    /** Bits of the x87 status word. */
    int fsw;
    /** The x87 registers and their state. */
    boolean x87;
    /** Vector registers, a bit each. */
    int vectors;
    /** How often a repeated instruction trapped. */
    boolean steps;
    /** The window: so many bytes from {@link #memoryAt}. */
    int memoryBytes;

    int memoryAt;
    /** Bases of FS and GS. */
    boolean bases;
    /** Vector registers and x87 registers may differ by what the manual allows an approximation. */
    boolean approximate;

    /** The sum over the pages outside the window. */
    boolean outside;

    void memory(long at, int bytes) {
        if (at >= 0 && at + bytes <= OracleMemory.WINDOW) {
            memoryAt = (int) at;
            memoryBytes = bytes;
        }
        outside |= at < 0 || at + bytes > OracleMemory.WINDOW || bytes == OracleMemory.WINDOW;
    }

    void register(int n, int bytes) {
        if (n >= 0 && n < 16) {
            gpr[n] |= bytes == 8 ? -1 : (1L << bytes * 8) - 1;
        }
    }
}
