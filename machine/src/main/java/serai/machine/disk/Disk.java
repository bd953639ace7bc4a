package serai.machine.disk;

import java.io.IOException;

/**
 * A disk as the machine needs it. Transfers go straight to and from host memory. Calls come from an {@link IoExecutor}'s threads, several
 * at once.
 */
public interface Disk {
    /** Size in sectors of 512 bytes. */
    long sectors();

    /** Whether writes are refused. */
    boolean readOnly();

    /** An identification of at most 20 ASCII characters. */
    String id();

    /**
     * Reads.
     *
     * @param offset bytes from the start, a multiple of 512; the range lies inside the disk
     * @param host address of {@code length} bytes of host memory
     */
    void read(long offset, long host, int length) throws IOException;

    /**
     * Reads, if nothing has to be waited for; with the machine lock held.
     *
     * @return whether it has been read; if not, the memory may have been written in part, and {@link #read} is to be called
     */
    default boolean readNow(long offset, long host, int length) throws IOException {
        return false;
    }

    /** Writes. */
    void write(long offset, long host, int length) throws IOException;

    /** Makes what was written durable. */
    void flush() throws IOException;

    /**
     * The guest needs the content of a range no more: its space may be freed. What is read there afterwards is the old content or zeros.
     *
     * @param offset as for {@link #read}
     * @param length bytes, a multiple of 512
     */
    void discard(long offset, long length) throws IOException;

    /**
     * Makes a range read as zeros.
     *
     * @param mayFree whether its space may be freed
     */
    void zero(long offset, long length, boolean mayFree) throws IOException;

    /** What a device's requests for it pass. */
    default DiskGate gate() {
        return DiskGate.OPEN;
    }
}
