package serai.storage.nbd;

import java.util.BitSet;

/** A bitmap as it is. */
record FakeRanges(String name, BitSet dirty, long granularity, long size) implements DirtyRanges {
    @Override
    public long nextDirty(long from) {
        return next(from, dirty.nextSetBit((int) (from / granularity)));
    }

    @Override
    public long nextClean(long from) {
        return next(from, dirty.nextClearBit((int) (from / granularity)));
    }

    private long next(long from, int bit) {
        return bit < 0 ? size : Math.min(size, Math.max(from, bit * granularity));
    }
}
