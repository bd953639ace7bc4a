package serai.storage.qcow2;

/**
 * What follows from an image's header about sizes.
 *
 * @param clusterBits a cluster has 2 to this many bytes
 * @param l2Bits an L2 table, which fills a cluster, has 2 to this many entries
 * @param refcountOrder a refcount has 2 to this many bits
 * @param extended whether L2 entries have two words, the second with the state of 32 subclusters
 */
record Geometry(int clusterBits, int l2Bits, int refcountOrder, boolean extended) {
    static final int SUBCLUSTERS = 32;

    static Geometry of(Header h) {
        boolean extended = h.has(Header.EXTENDED_L2);
        return new Geometry(h.clusterBits, h.clusterBits - (extended ? 4 : 3), h.refcountOrder, extended);
    }

    long cluster() {
        return 1L << clusterBits;
    }

    /** Bytes of an L2 entry. */
    int l2EntryBytes() {
        return extended ? 16 : 8;
    }

    /** Bits of the least range that has a state of its own: a subcluster, or a cluster where there are none. */
    int granuleBits() {
        return extended ? clusterBits - 5 : clusterBits;
    }

    /** Refcounts in a block, which fills a cluster, are 2 to this many. */
    int blockBits() {
        return clusterBits + 3 - refcountOrder;
    }

    /** The highest refcount. */
    long maxRefcount() {
        return refcountOrder == 6 ? Long.MAX_VALUE : (1L << (1 << refcountOrder)) - 1;
    }

    /** Bytes of the disk that an L2 table maps. */
    long l2Reach() {
        return 1L << l2Bits + clusterBits;
    }

    /** Clusters that so many bytes fill. */
    long clusters(long bytes) {
        return bytes + cluster() - 1 >>> clusterBits;
    }

    /** Where the cluster of a position begins. */
    long down(long position) {
        return position & -cluster();
    }

    /** Where the next cluster begins, or the one of a position that begins one. */
    long up(long position) {
        return position + cluster() - 1 & -cluster();
    }
}
