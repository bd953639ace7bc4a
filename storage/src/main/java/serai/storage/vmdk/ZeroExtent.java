package serai.storage.vmdk;

import serai.storage.Extent;

/** Zeros. */
record ZeroExtent(long bytes) implements VmdkExtent {
    @Override
    public Extent look(long position, long length) {
        return Extent.zeros(length);
    }

    @Override
    public void fetch(Extent found, long position, long hostAddress, long length) {
        throw new IllegalStateException("no data is here");
    }

    @Override
    public Extent refine(Extent found) {
        return found;
    }

    @Override
    public void close() {}
}
