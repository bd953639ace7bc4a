package serai.storage.qcow2;

import java.util.Optional;

/**
 * What {@code image info} tells of an image beside its sizes.
 *
 * @param version 2 or 3
 * @param clusterSize bytes of a cluster
 * @param refcountBits bits of a refcount
 * @param lazyRefcounts whether another writer may leave refcounts behind
 * @param extendedL2 whether clusters have subclusters
 * @param zstd whether compressed clusters are zstd, else deflate
 * @param dirty whether its last writer has not ended
 * @param corrupt whether it is marked as damaged
 * @param encrypted whether it is encrypted by LUKS
 * @param dataFile the external data file's name
 * @param rawData whether that is a raw image by itself
 */
public record Qcow2Info(
        int version,
        long clusterSize,
        int refcountBits,
        boolean lazyRefcounts,
        boolean extendedL2,
        boolean zstd,
        boolean dirty,
        boolean corrupt,
        boolean encrypted,
        Optional<String> dataFile,
        boolean rawData) {
    static Qcow2Info of(Metadata m) {
        Header h = m.header;
        return new Qcow2Info(
                h.version,
                m.g.cluster(),
                1 << h.refcountOrder,
                (h.compatible & Header.LAZY_REFCOUNTS) != 0,
                h.has(Header.EXTENDED_L2),
                h.compressionType == 1,
                h.has(Header.DIRTY),
                h.has(Header.CORRUPT),
                h.cryptMethod == Header.LUKS,
                Optional.ofNullable(h.dataFile),
                (h.autoclear & Header.RAW_DATA) != 0);
    }
}
