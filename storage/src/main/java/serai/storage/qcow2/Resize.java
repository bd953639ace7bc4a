package serai.storage.qcow2;

import java.io.IOException;
import java.util.Arrays;
import serai.storage.DiskException;

/** Changes the size that the header tells, and the L1 table where it gets too small. */
final class Resize {
    private Resize() {}

    /** Entries of L1 for a disk of that size. */
    static long l1Entries(Geometry g, long size) {
        return size / g.l2Reach() + (size % g.l2Reach() == 0 ? 0 : 1);
    }

    static void run(Metadata m, long size) throws IOException {
        long entries = l1Entries(m.g, size);
        if (entries > Header.MAX_L1_BYTES / 8) {
            throw new DiskException("%s can't have %d bytes: with clusters of %d bytes a disk has at most %d"
                    .formatted(m.file.path(), size, m.g.cluster(), Header.MAX_L1_BYTES / 8 * m.g.l2Reach()));
        }
        int then = (int) entries;
        while (true) {
            try {
                m.alone(() -> {
                    if (then > m.l2.l1().length) {
                        grow(m, then, size);
                    } else {
                        m.writeHeader(h -> h.size = size);
                    }
                });
                return;
            } catch (Refcounts.TableFull e) {
                m.growRefcountTable();
            }
        }
    }

    private static void grow(Metadata m, int entries, long size) throws IOException {
        long[] old = m.l2.l1();
        long oldOffset = m.l2.l1Offset();
        long[] table = Arrays.copyOf(old, entries);
        long at = writeL1(m, table);
        m.commitAlone();
        m.writeHeader(h -> {
            h.l1Offset = at;
            h.l1Entries = entries;
            h.size = size;
        });
        m.l2.replaceL1(at, table);
        m.free(oldOffset, clusters(m, old.length), false);
    }

    /** Writes an L1 table to a new place, with zeros up to its last cluster's end. */
    static long writeL1(Metadata m, long[] table) throws IOException {
        int clusters = clusters(m, table.length);
        if (clusters == 0) {
            return 0;
        }
        long at = m.allocateTable(clusters);
        long[] whole = Arrays.copyOf(table, clusters << m.g.clusterBits() - 3);
        L2Tables.writeTable(m.file, at, whole, 0, whole.length);
        return at;
    }

    /** Clusters of an L1 table. */
    static int clusters(Metadata m, int entries) {
        return (int) m.g.clusters(8L * entries);
    }
}
