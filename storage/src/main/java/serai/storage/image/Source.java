package serai.storage.image;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** What {@link Workers} take their work from; by several threads. */
interface Source {
    /**
     * A piece of a disk.
     *
     * @param zero whether the disk's status says that it reads as zeros
     * @param depth of the extent that it is in; that of the first if there are several
     */
    record Piece(long position, long length, boolean zero, int depth) {}

    /** The next, or null after the last. */
    @Nullable
    Piece next() throws IOException;

    /** There are no more from now on. */
    void stop();
}
