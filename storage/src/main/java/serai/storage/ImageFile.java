package serai.storage;

import java.io.IOException;
import java.nio.file.Path;

/**
 * The file that an image format lies in (QEMU's protocol layer): bytes at positions, to and from host memory, from several threads at
 * once. What lies past its end reads as zeros, and writing there makes it grow.
 *
 * <p>What has been written is durable after {@link #flush} only; until then any 512-byte sectors of it may be there after a crash, and
 * others not, in whatever order they were written.
 */
public interface ImageFile extends AutoCloseable {
    /** What it was opened by; for messages, and to resolve the relative names in it. */
    Path path();

    /** Bytes in it. */
    long size() throws IOException;

    /** Whether it was opened for writing. */
    boolean writable();

    /** Reads {@code length} bytes at {@code position} to {@code hostAddress}. */
    void read(long position, long hostAddress, long length) throws IOException;

    /**
     * Reads, if nothing has to be waited for; see {@link BlockDevice#readNow}.
     *
     * @return whether it has been read
     */
    default boolean readNow(long position, long hostAddress, long length) {
        return false;
    }

    /** Writes. */
    void write(long position, long hostAddress, long length) throws IOException;

    /** Makes all that has been written durable. */
    void flush() throws IOException;

    /** Sets its size; what is added reads as zeros. */
    void resize(long size) throws IOException;

    /** Frees the space of a range, which reads as zeros then; writes zeros where space can't be freed. The size stays. */
    void punch(long position, long length) throws IOException;

    /** Makes a range read as zeros and keeps its space allocated where that can be done. The size stays, or grows to hold the range. */
    void zero(long position, long length) throws IOException;

    /** Bytes that the host has allocated for it. */
    long allocated() throws IOException;

    /**
     * Where the next byte at or after {@code position} is that may be other than zero, at most {@code size()}.
     *
     * @param position below {@code size()}
     */
    long nextData(long position) throws IOException;

    /** Where the next hole at or after {@code position} begins, at most {@code size()}; holes read as zeros. */
    long nextHole(long position) throws IOException;

    @Override
    void close() throws IOException;
}
