package serai.storage.image;

import java.io.IOException;
import serai.storage.BlockDevice;
import serai.storage.Extent;

/** What the stretches of a disk are. */
public final class DiskMap {
    /** Takes one stretch after another. */
    @FunctionalInterface
    public interface Taker {
        /** One, as long as it goes on alike. */
        void take(long position, Extent extent) throws IOException;
    }

    private DiskMap() {}

    /**
     * Tells the stretches of a part of a disk, in order.
     *
     * @throws IOException if the disk fails
     */
    public static void walk(BlockDevice disk, long position, long length, Taker taker) throws IOException {
        long end = position + length;
        long start = position;
        Extent extent = null;
        for (long at = position; at < end; ) {
            Extent next = disk.status(at, end - at);
            if (extent != null && extent.continuedBy(next)) {
                extent = extent.withLength(extent.length() + next.length());
            } else {
                if (extent != null) {
                    taker.take(start, extent);
                }
                start = at;
                extent = next;
            }
            at += next.length();
        }
        if (extent != null) {
            taker.take(start, extent);
        }
    }
}
