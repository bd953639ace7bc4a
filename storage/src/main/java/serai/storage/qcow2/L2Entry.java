package serai.storage.qcow2;

/**
 * An L2 entry ("Cluster mapping"), and with extended L2 entries its second word:
 *
 * <pre>
 *  63 COPIED: its refcount is exactly one, so it may be written in place
 *  62 COMPRESSED
 *  standard cluster:    9–55 offset in the file, 0 if none; 0 reads as zeros (version 3, without extended entries)
 *  compressed cluster:  0–(x-1) offset in bytes; x–61 further sectors of 512 bytes; x = 62 - (cluster_bits - 8)
 *  second word:         0–31 subcluster allocated, 32–63 subcluster reads as zeros
 * </pre>
 */
final class L2Entry {
    static final long COPIED = 1L << 63;
    static final long COMPRESSED = 1L << 62;
    static final long ZERO = 1;
    static final long OFFSET = 0x00ff_ffff_ffff_fe00L;

    /** Of an L1 entry, which has an L2 table's offset; and of refcount table entries. */
    static final long TABLE = OFFSET;

    private L2Entry() {}

    /** Where a compressed cluster's bytes begin. */
    static long compressedOffset(long entry, int clusterBits) {
        return entry & (1L << 62 - (clusterBits - 8)) - 1;
    }

    /** How many bytes it may take, up to the end of its last sector. */
    static long compressedBytes(long entry, int clusterBits) {
        int x = 62 - (clusterBits - 8);
        long sectors = (entry & COMPRESSED - 1) >>> x;
        return (sectors + 1) * 512 - (compressedOffset(entry, clusterBits) & 511);
    }

    /** The entry of a compressed cluster. */
    static long compressed(long offset, long bytes, int clusterBits) {
        long sectors = (offset + bytes - 1 >>> 9) - (offset >>> 9);
        return COMPRESSED | offset | sectors << 62 - (clusterBits - 8);
    }
}
