package serai.storage;

import java.io.IOException;

/** A disk: transfers straight to and from host memory, from several threads at once. */
public interface BlockDevice extends AutoCloseable {
    /** Bytes, a multiple of 512. */
    long size();

    /** Whether writes are refused. */
    boolean readOnly();

    /**
     * Reads {@code length} bytes at {@code position} into host memory.
     *
     * @throws IOException if the device fails; the memory may have been written in part
     */
    void read(long position, long hostAddress, long length) throws IOException;

    /** Writes. */
    void write(long position, long hostAddress, long length) throws IOException;

    /** Makes all that has been written durable. */
    void flush() throws IOException;

    /** Frees the space of a range where that can be done. What is read there afterwards is the old content or zeros. */
    void discard(long position, long length) throws IOException;

    /**
     * Makes a range read as zeros.
     *
     * @param mayFree whether its space may be freed
     */
    void zero(long position, long length, boolean mayFree) throws IOException;

    @Override
    void close() throws IOException;
}
