package serai.storage.qcow2;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

/**
 * Makes an empty image: cluster 0 the header, 1 the refcount table, 2 the first refcount block, then the L1 table, and with it the further blocks
 * that count all this.
 */
final class Creator {
    private Creator() {}

    static void create(ImageFile file, Qcow2Options o, byte @Nullable [] passphrase) throws IOException {
        o.check();
        Header h = new Header();
        h.version = o.version();
        h.clusterBits = Integer.numberOfTrailingZeros(o.clusterSize());
        h.refcountOrder = Integer.numberOfTrailingZeros(o.refcountBits());
        h.size = o.size();
        if (o.extendedL2()) {
            h.incompatible |= Header.EXTENDED_L2;
        }
        if (o.zstd()) {
            h.incompatible |= Header.COMPRESSION;
            h.compressionType = 1;
        }
        if (o.lazyRefcounts()) {
            h.compatible |= Header.LAZY_REFCOUNTS;
        }
        h.backingFile = o.backingFile();
        h.backingFormat = o.backingFormat() == null ? null : o.backingFormat().word();
        if (o.dataFile() != null) {
            h.incompatible |= Header.DATA_FILE;
            h.dataFile = o.dataFile();
            h.autoclear |= o.rawData() ? Header.RAW_DATA : 0;
        }
        Geometry g = Geometry.of(h);
        long entries = Resize.l1Entries(g, o.size());
        if (entries > Header.MAX_L1_BYTES / 8) {
            throw new DiskException("with clusters of %d bytes a disk has at most %d bytes, and not %d"
                    .formatted(g.cluster(), Header.MAX_L1_BYTES / 8 * g.l2Reach(), o.size()));
        }
        h.l1Entries = (int) entries;
        int l1Clusters = (int) g.clusters(8 * entries);
        int cryptoClusters = 0;
        if (o.encryption() != null) {
            if (passphrase == null) {
                throw new DiskException("an encrypted image needs a passphrase (encrypt.key-secret)");
            }
            h.cryptMethod = Header.LUKS;
            cryptoClusters = (int) g.clusters(o.encryption().headerBytes());
        }
        int tables = l1Clusters + cryptoClusters;
        // header, table, L1, and as many blocks as count them and themselves
        int perBlock = 1 << g.blockBits();
        int tableClusters = 1;
        int blocks = 1;
        while ((long) blocks * perBlock < 1 + tableClusters + tables + blocks
                || (long) tableClusters << g.clusterBits() - 3 < blocks) {
            blocks = Math.ceilDiv(1 + tableClusters + tables + blocks, perBlock);
            tableClusters = Math.max(tableClusters, Math.ceilDiv(blocks, 1 << g.clusterBits() - 3));
        }
        h.refcountTableOffset = g.cluster();
        h.refcountTableClusters = tableClusters;
        long firstBlock = 1 + tableClusters;
        h.l1Offset = l1Clusters == 0 ? 0 : firstBlock + blocks << g.clusterBits();
        if (o.encryption() != null) {
            h.crypto = new Header.Place(
                    firstBlock + blocks + l1Clusters << g.clusterBits(),
                    o.encryption().headerBytes());
        }
        int all = 1 + tableClusters + blocks + tables;
        file.resize(0);
        file.resize((long) all << g.clusterBits());
        try (NativeBuffer b = NativeBuffer.confined((long) blocks << g.clusterBits())) {
            for (int c = 0; c < all; c++) {
                setOne(b, c, g);
            }
            file.write(firstBlock << g.clusterBits(), b.address(), (long) blocks << g.clusterBits());
        }
        long[] table = new long[tableClusters << g.clusterBits() - 3];
        for (int i = 0; i < blocks; i++) {
            table[i] = firstBlock + i << g.clusterBits();
        }
        if (o.encryption() != null && passphrase != null) {
            Encryption.create(file, h, o.encryption(), passphrase);
        }
        L2Tables.writeTable(file, h.refcountTableOffset, table, 0, table.length);
        file.flush();
        byte[] header = h.encode();
        try (NativeBuffer b = NativeBuffer.confined(header.length)) {
            b.segment().asByteBuffer().put(header);
            file.write(0, b.address(), header.length);
        }
        file.flush();
        if (o.preallocate()) {
            try (Qcow2Disk disk = Qcow2Disk.onNew(file)) {
                disk.preallocate();
            }
        }
    }

    /** A refcount of one in blocks that follow each other. */
    private static void setOne(NativeBuffer b, long index, Geometry g) {
        int order = g.refcountOrder();
        long bit = index << order;
        // big-endian if several bytes, the first in the lowest bits if several in a byte
        long at = order >= 3 ? (bit >> 3) + (1 << order - 3) - 1 : bit >> 3;
        byte old = b.segment().get(java.lang.foreign.ValueLayout.JAVA_BYTE, at);
        b.segment()
                .set(java.lang.foreign.ValueLayout.JAVA_BYTE, at, (byte) (old | 1 << (order >= 3 ? 0 : (int) bit & 7)));
    }
}
