package serai.storage.image;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.Extent;

/**
 * Cuts a disk into pieces, from its beginning to its end, for several threads to take in turn. A piece lies in one extent, but begins and
 * ends at a granule: what is of two extents inside a granule is a piece of data.
 */
final class Pieces implements Source {
    /** Bytes of a piece that reads as zeros at most, so that there are enough for all threads. */
    private static final long MAX_ZERO = 256 << 20;

    private final BlockDevice disk;
    private final long end;
    private final long granule;
    private final long most;
    private long position;
    private Extent extent = Extent.zeros(1);
    private long extentEnd;
    private boolean stopped;

    /**
     * Of a disk.
     *
     * @param granule bytes, a power of two and at least a sector
     * @param most bytes of a piece of data, a power of two and at least a granule; no piece of data crosses a multiple of it
     */
    Pieces(BlockDevice disk, long granule, long most) {
        this.disk = disk;
        this.granule = granule;
        this.most = most;
        end = disk.size();
    }

    @Override
    public synchronized @Nullable Piece next() throws IOException {
        if (stopped || position >= end) {
            return null;
        }
        if (extentEnd <= position) {
            extent = disk.status(position, end - position);
            extentEnd = position + extent.length();
        }
        long alike = extentEnd == end ? end : extentEnd & -granule;
        boolean zero = extent.zero() && alike > position;
        long to = zero
                ? Math.min(alike, position + MAX_ZERO & -granule)
                : Math.min(Math.min(end, extentEnd + granule - 1 & -granule), (position & -most) + most);
        Piece piece = new Piece(position, to - position, zero, extent.depth());
        position = to;
        return piece;
    }

    @Override
    public synchronized void stop() {
        stopped = true;
    }
}
