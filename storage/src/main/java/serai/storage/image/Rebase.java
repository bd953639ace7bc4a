package serai.storage.image;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/**
 * Readies an image for another backing file: what it reads from the old one, and would read otherwise from the new one, is written into it.
 * The disk reads the same before, after and at any moment between; only then, after a flush, may the header name the new backing file.
 */
public final class Rebase {
    private static final long CHUNK = 512 << 10;

    private final BlockDevice image;
    private final Padded below;
    private final int granule;
    private final long chunk;

    private Rebase(BlockDevice image, @Nullable BlockDevice below, int granule) {
        this.image = image;
        this.below = new Padded(below);
        this.granule = granule;
        chunk = Math.max(CHUNK, granule);
    }

    /**
     * Copies into the image, and flushes it.
     *
     * @param image with the old backing file
     * @param below the new one, or null for none
     * @param granule bytes of a cluster of {@code image}, a power of two
     * @throws IOException if one of them fails; the disk still reads the same
     */
    public static void run(BlockDevice image, @Nullable BlockDevice below, int granule, int threads, Progress progress)
            throws IOException {
        Rebase r = new Rebase(image, below, granule);
        Pieces pieces = new Pieces(image, granule, r.chunk);
        Workers.run(threads, pieces, 2 * r.chunk, r::piece, image.size(), progress);
        image.flush();
    }

    private void piece(Source.Piece p, NativeBuffer buffer) throws IOException {
        if (p.zero() && (isOwn(p.position(), p.length()) || below.isZero(p.position(), p.length()))) {
            return;
        }
        for (long done = 0; done < p.length(); done += chunk) {
            long at = p.position() + done;
            long n = Math.min(chunk, p.length() - done);
            if (!isOwn(at, n)) {
                image.read(at, buffer.address(), n);
                below.read(at, buffer, chunk, n);
                for (long in = 0; in < n; in += granule) {
                    granule(at, in, Math.min(granule, n - in), buffer);
                }
            }
        }
    }

    private void granule(long position, long in, long length, NativeBuffer buffer) throws IOException {
        long at = position + in;
        if (Memory.mismatch(buffer, in, chunk + in, length) < 0 || isOwn(at, length)) {
            return;
        }
        if (Memory.isZero(buffer, in, length)) {
            image.zero(at, length, true);
            if (isOwn(at, length)) {
                return;
            }
            // it reads as zeros where the old backing file ends, and version 2 of qcow2 can't note more than that
        }
        image.write(at, buffer.address() + in, length);
    }

    /** Whether all of it is the image's own already. */
    private boolean isOwn(long position, long length) throws IOException {
        for (long at = position; at < position + length; ) {
            Extent e = image.status(at, position + length - at);
            if (e.depth() != 0) {
                return false;
            }
            at += e.length();
        }
        return true;
    }
}
