package serai.storage.qcow2;

/**
 * What a stretch of the disk is mapped to.
 *
 * @param kind the same for all of it
 * @param entry the L2 entry of its first cluster
 * @param host where its bytes stand, if {@link Kind#DATA} (contiguous), or where its cluster begins, if one is allocated; else 0
 * @param length bytes; of compressed data never past the cluster
 * @param own whether the cluster, and the L2 table, are this disk's alone, to be written in place
 */
record Mapping(Kind kind, long entry, long host, long length, boolean own) {
    /** How a granule (a cluster, or a subcluster) gets its content. */
    enum Kind {
        /** From the backing file, or zeros if there is none. */
        UNALLOCATED,
        /** Zeros, and no cluster. */
        ZERO,
        /** Zeros, with a cluster that holds something else. */
        ZERO_ALLOCATED,
        /** From the backing file although the cluster of which it is a subcluster is allocated. */
        UNALLOCATED_ALLOCATED,
        DATA,
        COMPRESSED;

        boolean hasCluster() {
            return this == ZERO_ALLOCATED || this == UNALLOCATED_ALLOCATED || this == DATA;
        }

        boolean isZero() {
            return this == ZERO || this == ZERO_ALLOCATED;
        }

        boolean isUnallocated() {
            return this == UNALLOCATED || this == UNALLOCATED_ALLOCATED;
        }
    }
}
