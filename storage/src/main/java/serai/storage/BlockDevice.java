package serai.storage;

import java.io.IOException;

/**
 * A disk, or a layer of one: transfers straight to and from host memory, from several threads at once. Positions and lengths are
 * multiples of 512 and lie inside the disk; a device refuses others with an {@link IOException}.
 *
 * <p>What has been written is durable after the {@link #flush} that began after it. A range that is written, discarded or zeroed while
 * it is read or written by another thread has, sector by sector, what one or the other makes of it.
 */
public interface BlockDevice extends AutoCloseable {
    /** Bytes in a sector, the least that is transferred. */
    int SECTOR = 512;

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

    /**
     * Reads, if that takes no longer than copying: nothing is waited for, be it storage, a network or other threads. Who must not wait may try
     * this before.
     *
     * @return whether it has been read; if not, the memory may have been written in part, and {@link #read} tells what is wrong, if anything
     */
    default boolean readNow(long position, long hostAddress, long length) throws IOException {
        return false;
    }

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

    /**
     * What the disk is at a position. Never more than is asked for, and the least is what one look tells: call again for the rest.
     *
     * @param length at least 1
     */
    default Extent status(long position, long length) throws IOException {
        return Extent.data(length, Extent.NOWHERE);
    }

    /**
     * Changes the size; what is added reads as zeros, what is cut off is lost.
     *
     * @param size bytes, a multiple of 512
     * @throws DiskException if this disk has a size that can't be changed
     */
    default void resize(long size) throws IOException {
        throw new DiskException("this disk can't be resized");
    }

    @Override
    void close() throws IOException;

    /**
     * Refuses a range that is not of whole sectors inside the disk.
     *
     * @throws IOException with the range
     */
    static void check(BlockDevice device, long position, long length) throws IOException {
        if (position < 0
                || length < 0
                || length > device.size() - position
                || ((position | length) & SECTOR - 1) != 0) {
            throw new IOException("bytes %d+%d are not whole sectors of this disk".formatted(position, length));
        }
    }
}
