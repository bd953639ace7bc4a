package serai.cpu;

/**
 * What both sides of the comparison have in linear memory: two pages to write and one to read at {@link #DATA}, two
 * pages of code at {@link #CODE}, nothing before or after them. All below 4 GiB, for 32-bit code.
 */
final class OracleMemory {
    static final int PAGE = 4096;
    static final long DATA = 0x10000000L;
    /** Bytes that may be written; a read-only page of zeros follows. */
    static final int WRITABLE = 2 * PAGE;
    /** Bytes that may be read. */
    static final int READABLE = 3 * PAGE;

    static final long CODE = 0x20000000L;
    static final int CODE_SIZE = 2 * PAGE;
    /** Where an instruction stands if its case has no liking for a page's end. */
    static final long CODE_START = CODE + 0x800;
    /** What the code pages are filled with: INT3. */
    static final byte FILLER = (byte) 0xcc;

    /** Bytes of the data pages that are sent, filled and compared whole; of the others a sum is compared. */
    static final int WINDOW = 1024;
    /** The window's usual place: half in one page, half in the next. */
    static final long WINDOW_START = DATA + PAGE - WINDOW / 2;

    private OracleMemory() {}

    /** The sum that stands for the data pages outside the window, which the caller has zeroed there. */
    static long sum(byte[] pages) {
        long sum = 0;
        for (int i = 0; i < pages.length / 8; i++) {
            sum += XsaveImage.get64(pages, i * 8) * (i + 1);
        }
        return sum;
    }
}
