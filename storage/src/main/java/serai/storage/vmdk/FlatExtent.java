package serai.storage.vmdk;

import java.io.IOException;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.imported.ImportedImage;

/**
 * Bytes of a file.
 *
 * @param start where they begin
 */
record FlatExtent(ImageFile file, long start, long bytes) implements VmdkExtent {
    /**
     * By its line in the descriptor.
     *
     * @throws DiskException if the file is too short
     */
    static FlatExtent of(ImageFile file, Descriptor.Line line) throws IOException {
        long start = line.offset() * SparseHeader.BYTES;
        long bytes = line.sectors() * SparseHeader.BYTES;
        if (file.size() < start + bytes) {
            throw SparseHeader.bad(
                    file, "this extent is to have %d bytes and has %d".formatted(start + bytes, file.size()));
        }
        return new FlatExtent(file, start, bytes);
    }

    @Override
    public Extent look(long position, long length) {
        return Extent.data(length, start + position);
    }

    @Override
    public void fetch(Extent found, long position, long hostAddress, long length) throws IOException {
        file.read(start + position, hostAddress, length);
    }

    @Override
    public Extent refine(Extent found) throws IOException {
        return ImportedImage.holes(file, found);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
