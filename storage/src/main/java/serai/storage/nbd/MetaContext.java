package serai.storage.nbd;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.track.DirtyBitmap;

/**
 * One thing that BLOCK_STATUS tells about the ranges of an export: a number of 32 bits each.
 *
 * <p>Source: proto, "Metadata querying", for {@code base:}; QEMU's docs/interop/nbd for {@code qemu:}.
 */
sealed interface MetaContext {
    String ALLOCATION = "base:allocation";
    String DEPTH = "qemu:allocation-depth";
    String DIRTY_BITMAP = "qemu:dirty-bitmap:";

    /**
     * A stretch of one status.
     *
     * @param length bytes, at least 1
     */
    record Stretch(long length, int status) {}

    /** As clients ask for it. */
    String name();

    /**
     * What a range begins with.
     *
     * @param length at least 1, and the most that is told
     */
    Stretch at(long position, long length) throws IOException;

    /** What is allocated, and what reads as zeros. */
    record Allocation(BlockDevice device) implements MetaContext {
        @Override
        public String name() {
            return ALLOCATION;
        }

        @Override
        public Stretch at(long position, long length) throws IOException {
            Extent e = device.status(position, length);
            return new Stretch(
                    Math.min(e.length(), length), (e.data() ? 0 : Nbd.STATE_HOLE) | (e.zero() ? Nbd.STATE_ZERO : 0));
        }
    }

    /** Which image of a backing chain decides: 1 is the topmost, 0 none of them. */
    record Depth(BlockDevice device) implements MetaContext {
        @Override
        public String name() {
            return DEPTH;
        }

        @Override
        public Stretch at(long position, long length) throws IOException {
            Extent e = device.status(position, length);
            return new Stretch(Math.min(e.length(), length), e.depth() == Extent.NOWHERE ? 0 : e.depth() + 1);
        }
    }

    /** What has changed: 1. */
    record Dirty(DirtyBitmap bitmap) implements MetaContext {
        @Override
        public String name() {
            return DIRTY_BITMAP + bitmap.name();
        }

        @Override
        public Stretch at(long position, long length) {
            if (position >= bitmap.size()) {
                return new Stretch(length, 1); // the disk has grown, and the bitmap does not know of it
            }
            // it may change between two looks: what it was at either
            long dirty = bitmap.nextDirty(position);
            if (dirty > position) {
                return new Stretch(Math.min(dirty - position, length), 0);
            }
            long least = Math.min(BlockDevice.SECTOR, length);
            return new Stretch(Math.clamp(bitmap.nextClean(position) - position, least, length), 1);
        }
    }

    /** All of an export. */
    static List<MetaContext> of(NbdExport export) {
        List<MetaContext> all = new ArrayList<>();
        all.add(new Allocation(export.device()));
        all.add(new Depth(export.device()));
        export.bitmaps().forEach(b -> all.add(new Dirty(b)));
        return all;
    }

    /** Whether a query of LIST_META_CONTEXT finds a context: by its name, by the namespace, or all bitmaps. */
    static boolean finds(String query, String name) {
        return switch (query) {
            case "base:", "qemu:", DIRTY_BITMAP -> name.startsWith(query);
            default -> name.equals(query);
        };
    }
}
