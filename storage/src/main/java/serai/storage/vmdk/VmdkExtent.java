package serai.storage.vmdk;

import java.io.IOException;
import serai.storage.Extent;

/** A part of a disk. Positions are bytes from its own start. */
sealed interface VmdkExtent extends AutoCloseable permits FlatExtent, SparseExtent, ZeroExtent {
    /** Bytes of the disk that it has. */
    long bytes();

    /** What is there, as {@link serai.storage.imported.ImportedImage#look}. */
    Extent look(long position, long length) throws IOException;

    /** Reads what is data. */
    void fetch(Extent found, long position, long hostAddress, long length) throws IOException;

    /** What is known beside of data. */
    Extent refine(Extent found) throws IOException;

    /** Closes its file. */
    @Override
    void close() throws IOException;
}
