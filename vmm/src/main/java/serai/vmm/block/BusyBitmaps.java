package serai.vmm.block;

import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;
import serai.storage.track.DirtyBitmap;

/**
 * The bitmaps that exports show, which nobody may change or take away meanwhile. Who asks, and then acts on the answer, holds its monitor:
 * so there is one {@link BlockTransaction} at a time. It is taken before the boundary of a disk, and may be held for ten seconds.
 */
final class BusyBitmaps {
    private final Set<DirtyBitmap> busy = Collections.newSetFromMap(new IdentityHashMap<>());
    /** For those who only want to tell, and do not wait for a transaction. */
    private volatile Set<DirtyBitmap> seen = Set.of();

    synchronized void take(Collection<DirtyBitmap> bitmaps) {
        busy.addAll(bitmaps);
        publish();
    }

    synchronized void release(Collection<DirtyBitmap> bitmaps) {
        busy.removeAll(bitmaps);
        publish();
    }

    private void publish() {
        Set<DirtyBitmap> copy = Collections.newSetFromMap(new IdentityHashMap<>());
        copy.addAll(busy);
        seen = copy;
    }

    boolean contains(DirtyBitmap bitmap) {
        return seen.contains(bitmap);
    }
}
