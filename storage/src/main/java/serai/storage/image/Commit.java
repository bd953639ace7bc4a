package serai.storage.image;

import java.io.IOException;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/**
 * Writes what the upper images of a chain have into a lower one. The disk, as the topmost image shows it, reads the same at any moment; the
 * lower one is half one and half the other until the end. The upper images may be emptied after it.
 */
public final class Commit {
    private static final long CHUNK = 512 << 10;

    private final BlockDevice top;
    private final BlockDevice base;
    private final int depth;

    private Commit(BlockDevice top, BlockDevice base, int depth) {
        this.top = top;
        this.base = base;
        this.depth = depth;
    }

    /**
     * Copies into the lower image, which gets the size of the disk if it is smaller, and flushes it.
     *
     * @param top the topmost image
     * @param base the lower one, open for writing: the one that {@code top} reads from
     * @param depth how many images below {@code top} it is, at least 1
     * @throws DiskException if {@code base} would have to grow and can't
     * @throws IOException if one of them fails
     */
    public static void run(BlockDevice top, BlockDevice base, int depth, int threads, Progress progress)
            throws IOException {
        if (base.size() < top.size()) {
            base.resize(top.size());
        }
        Commit c = new Commit(top, base, depth);
        Pieces pieces = new Pieces(top, BlockDevice.SECTOR, CHUNK);
        Workers.run(threads, pieces, CHUNK, c::piece, top.size(), progress);
        base.flush();
    }

    private void piece(Source.Piece p, NativeBuffer buffer) throws IOException {
        if (p.depth() >= depth) {
            return; // it is there, or below
        }
        if (!p.zero()) {
            top.read(p.position(), buffer.address(), p.length());
            base.write(p.position(), buffer.address(), p.length());
            return;
        }
        // also what is in no image: one between may be shorter than the lower one
        for (long at = p.position(); at < p.position() + p.length(); ) {
            Extent e = base.status(at, p.position() + p.length() - at);
            if (!e.zero()) {
                base.zero(at, e.length(), true);
            }
            at += e.length();
        }
    }
}
