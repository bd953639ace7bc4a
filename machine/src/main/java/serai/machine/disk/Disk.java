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

    /** Writes. */
    void write(long offset, long host, int length) throws IOException;

    /** Makes what was written durable. */
    void flush() throws IOException;
}
