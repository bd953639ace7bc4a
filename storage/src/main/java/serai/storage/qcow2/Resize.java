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
        while (true) {
            try {
                m.alone(() -> {
                    if (entries > m.l2.l1().length) {
                        growL1(m, (int) entries);
                    }
                    m.header.size = size;
                    m.writeHeader();
                    m.file.flush();
                });
                return;
            } catch (Refcounts.TableFull e) {
                m.growRefcountTable();
            }
        }
    }

    /** With all else standing still. */
    static void growL1(Metadata m, int entries) throws IOException {
        long[] old = m.l2.l1();
        long oldOffset = m.l2.l1Offset();
        int clusters = (int) m.g.clusters(8L * entries);
        long at = m.allocateTable(clusters);
        long[] table = Arrays.copyOf(old, entries);
        L2Tables.writeTable(
                m.file,
                at,
                Arrays.copyOf(table, clusters << m.g.clusterBits() - 3),
                0,
                clusters << m.g.clusterBits() - 3);
        m.commitAlone();
        m.l2.replaceL1(at, table);
        m.header.l1Offset = at;
        m.header.l1Entries = entries;
        m.writeHeader();
        m.file.flush();
        if (old.length > 0) {
            m.free(oldOffset, (int) m.g.clusters(8L * old.length), false);
        }
    }
}
