package serai.storage.qcow2;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import serai.storage.DiskException;

/**
 * Makes, applies and deletes internal snapshots. A snapshot is an L1 table of its own; data clusters that it shares with the disk or with other
 * snapshots are counted once for each.
 *
 * <p>A new snapshot takes over the tables that the disk had, and the disk gets copies of them whose data is not its own: so nothing is changed in
 * place ({@link Metadata#restructure}), and counts and COPIED agree whenever the writer ends. COPIED in a snapshot's own tables says nothing
 * ("This information is only accurate in L2 tables that are reachable from the active L1 table").
 */
final class Snapshots {
    private static final int MAX_NAME = 65535;

    private final Metadata m;
    private final Geometry g;
    /** Words of an L2 entry. */
    private final int step;

    Snapshots(Metadata m) {
        this.m = m;
        g = m.g;
        step = g.l2EntryBytes() / 8;
    }

    List<SnapshotInfo> list() throws IOException {
        List<SnapshotInfo> all = new ArrayList<>();
        for (SnapshotTable.Entry e : SnapshotTable.read(m)) {
            all.add(new SnapshotInfo(
                    e.id(),
                    e.name(),
                    Instant.ofEpochSecond(e.seconds() & 0xffffffffL, e.nanos() & 0xffffffffL),
                    e.guestNanos(),
                    e.vmState(),
                    e.diskSize()));
        }
        return all;
    }

    /** The tables of a snapshot take the place of the disk's, in memory; tells the size that the disk had, in bytes. */
    long show(String idOrName) throws IOException {
        SnapshotTable.Entry s = find(SnapshotTable.read(m), idOrName);
        long entries = s.diskSize() < 0 ? Long.MAX_VALUE : Resize.l1Entries(g, s.diskSize());
        if (entries > Header.MAX_L1_BYTES / 8) {
            throw new DiskException("%s is damaged: snapshot '%s' is of a disk of %s bytes"
                    .formatted(m.file.path(), idOrName, Long.toUnsignedString(s.diskSize())));
        }
        long[] l1 = L2Tables.readTable(m.file, s.l1Offset(), s.l1Entries());
        m.l2.replaceL1(s.l1Offset(), Arrays.copyOf(l1, (int) Math.max(l1.length, entries)));
        return s.diskSize();
    }

    /** A change of the snapshots, and of the disk's L1 table. */
    private abstract class Change implements Metadata.Structure {
        private long[] oldL1 = {};
        private long oldL1Offset;
        private long[] l1 = {};
        private long l1Offset;
        private List<SnapshotTable.Entry> all = List.of();
        private List<SnapshotTable.Entry> changed = List.of();
        private long oldTable;
        private long tableOffset;

        /**
         * Writes tables and counts what they refer to.
         *
         * @return the snapshots that there are then, or {@code all} if they stay
         */
        abstract List<SnapshotTable.Entry> change(List<SnapshotTable.Entry> all) throws IOException;

        /** Gives up what is not needed any more. */
        abstract void giveUp() throws IOException;

        /** The disk gets another L1 table. */
        final void active(long[] table) throws IOException {
            l1 = table;
            l1Offset = Resize.writeL1(m, table);
        }

        /** The disk's L1 table before the change. */
        final long[] oldL1() {
            return oldL1;
        }

        /** Gives up the place of the disk's L1 table before the change. */
        final void giveUpL1() {
            m.free(oldL1Offset, Resize.clusters(m, oldL1.length), false);
        }

        @Override
        public final void build() throws IOException {
            oldL1 = m.l2.l1();
            oldL1Offset = m.l2.l1Offset();
            all = List.copyOf(SnapshotTable.read(m));
            changed = change(all);
            oldTable = m.header.snapshotOffset;
            tableOffset = changed == all ? m.header.snapshotOffset : SnapshotTable.write(m, changed);
        }

        @Override
        public final void link(Header h) {
            h.l1Offset = l1Offset;
            h.l1Entries = l1.length;
            h.snapshotOffset = tableOffset;
            h.snapshotCount = changed.size();
        }

        @Override
        public final void linked() throws IOException {
            m.l2.replaceL1(l1Offset, l1);
            if (changed != all) {
                m.free(oldTable, (int) g.clusters(SnapshotTable.size(all)), false);
            }
            giveUp();
        }
    }

    private void run(Change change) throws IOException {
        if (m.external()) {
            throw new DiskException(
                    m.file.path() + " has its data in another file, which internal snapshots can't share");
        }
        m.restructure(change);
    }

    private SnapshotTable.Entry find(List<SnapshotTable.Entry> all, String idOrName) throws DiskException {
        return all.stream()
                .filter(e -> e.id().equals(idOrName))
                .findFirst()
                .or(() -> all.stream().filter(e -> e.name().equals(idOrName)).findFirst())
                .orElseThrow(() ->
                        new DiskException(m.file.path() + " has no snapshot with the name or ID '" + idOrName + "'"));
    }

    void create(String name) throws IOException {
        if (name.length() > MAX_NAME / 4) {
            throw new DiskException("a snapshot's name has at most " + MAX_NAME / 4 + " characters");
        }
        run(new Change() {
            @Override
            List<SnapshotTable.Entry> change(List<SnapshotTable.Entry> all) throws IOException {
                if (all.size() == Header.MAX_SNAPSHOTS) {
                    throw new DiskException(m.file.path() + " has " + all.size() + " snapshots, and can't have more");
                }
                long id = all.stream()
                                .map(SnapshotTable.Entry::id)
                                .filter(i -> i.matches("\\d{1,18}"))
                                .mapToLong(Long::parseLong)
                                .max()
                                .orElse(0)
                        + 1;
                Instant now = Instant.now();
                List<SnapshotTable.Entry> more = new ArrayList<>(all);
                more.add(new SnapshotTable.Entry(
                        m.l2.l1Offset(),
                        oldL1().length,
                        Long.toString(id),
                        name,
                        (int) now.getEpochSecond(),
                        now.getNano(),
                        0,
                        0,
                        m.header.size,
                        new byte[0]));
                active(share(oldL1()));
                return more;
            }

            @Override
            void giveUp() {
                // the snapshot has it
            }
        });
    }

    /** The disk becomes what it was; its size must be the same. */
    void apply(String idOrName) throws IOException {
        run(new Change() {
            @Override
            List<SnapshotTable.Entry> change(List<SnapshotTable.Entry> all) throws IOException {
                SnapshotTable.Entry s = find(all, idOrName);
                if (s.diskSize() != m.header.size) {
                    throw new DiskException("snapshot '%s' is of a disk of %d bytes, and this has %d; resize it first"
                            .formatted(idOrName, s.diskSize(), m.header.size));
                }
                long[] then = L2Tables.readTable(m.file, s.l1Offset(), s.l1Entries());
                active(Arrays.copyOf(share(then), Math.max(then.length, oldL1().length)));
                return all;
            }

            @Override
            void giveUp() throws IOException {
                giveUpL1();
                for (long entry : oldL1()) {
                    long table = entry & L2Entry.TABLE;
                    if (table != 0) {
                        forEach(readL2(table), cluster -> m.free(cluster << g.clusterBits(), 1, true));
                        m.free(table, 1, false);
                    }
                }
            }
        });
    }

    void delete(String idOrName) throws IOException {
        run(new Change() {
            /** What nobody refers to any more; it stays counted until the header says so. */
            private final Runs last = new Runs();

            @Override
            List<SnapshotTable.Entry> change(List<SnapshotTable.Entry> all) throws IOException {
                last.clear();
                SnapshotTable.Entry s = find(all, idOrName);
                for (long entry : L2Tables.readTable(m.file, s.l1Offset(), s.l1Entries())) {
                    long table = entry & L2Entry.TABLE;
                    if (table != 0) {
                        forEach(readL2(table), this::lower);
                        lower(table >>> g.clusterBits());
                        m.refcounts.spillIfFull();
                    }
                }
                for (int i = 0; i < Resize.clusters(m, s.l1Entries()); i++) {
                    lower((s.l1Offset() >>> g.clusterBits()) + i);
                }
                active(own());
                List<SnapshotTable.Entry> rest = new ArrayList<>(all);
                rest.remove(s);
                return rest;
            }

            private void lower(long cluster) throws IOException {
                if (m.refcounts.get(cluster) > 1) {
                    m.refcounts.add(cluster, -1);
                } else {
                    last.add(cluster);
                }
            }

            /** An L1 table for the disk whose tables tell what is its own now. */
            private long[] own() throws IOException {
                long[] l1 = oldL1().clone();
                for (int i = 0; i < l1.length; i++) {
                    long table = l1[i] & L2Entry.TABLE;
                    if (table == 0) {
                        continue;
                    }
                    long[] words = readL2(table);
                    boolean changed = false;
                    for (int w = 0; w < words.length; w += step) {
                        long e = words[w];
                        if ((e & L2Entry.COMPRESSED) == 0 && (e & L2Entry.OFFSET) != 0) {
                            boolean once = m.refcounts.get((e & L2Entry.OFFSET) >>> g.clusterBits()) == 1;
                            words[w] = once ? e | L2Entry.COPIED : e & ~L2Entry.COPIED;
                            changed |= words[w] != e;
                        }
                    }
                    if (changed) {
                        l1[i] = writeL2(words);
                        lower(table >>> g.clusterBits());
                    } else {
                        boolean once = m.refcounts.get(table >>> g.clusterBits()) == 1;
                        l1[i] = once ? table | L2Entry.COPIED : table;
                    }
                }
                return l1;
            }

            @Override
            void giveUp() {
                giveUpL1();
                last.forEach((cluster, count) -> m.free(cluster << g.clusterBits(), count, true));
            }
        });
    }

    /** Copies of the L2 tables of an L1 table, whose data is counted once more and is nobody's own. */
    private long[] share(long[] l1) throws IOException {
        long[] made = new long[l1.length];
        for (int i = 0; i < l1.length; i++) {
            long table = l1[i] & L2Entry.TABLE;
            if (table == 0) {
                continue;
            }
            long[] words = readL2(table);
            forEach(words, cluster -> m.refcounts.add(cluster, 1));
            for (int w = 0; w < words.length; w += step) {
                if ((words[w] & L2Entry.COMPRESSED) == 0) {
                    words[w] &= ~L2Entry.COPIED;
                }
            }
            made[i] = writeL2(words);
            m.refcounts.spillIfFull();
        }
        return made;
    }

    private long[] readL2(long table) throws IOException {
        return L2Tables.readTable(m.file, table, 1 << g.clusterBits() - 3);
    }

    /** Writes an L2 table to a new place, for the disk. */
    private long writeL2(long[] words) throws IOException {
        long at = m.allocateTable(1);
        L2Tables.writeTable(m.file, at, words, 0, words.length);
        return at | L2Entry.COPIED;
    }

    /** Takes a cluster of the file. */
    private interface Taker {
        void take(long cluster) throws IOException;
    }

    /** The clusters that an L2 table refers to, each as often as it does. */
    private void forEach(long[] words, Taker taker) throws IOException {
        for (int w = 0; w < words.length; w += step) {
            long e = words[w];
            if ((e & L2Entry.COMPRESSED) != 0) {
                long at = L2Entry.compressedOffset(e, g.clusterBits());
                long end = at + L2Entry.compressedBytes(e, g.clusterBits());
                for (long c = at >>> g.clusterBits(); c < g.up(end) >>> g.clusterBits(); c++) {
                    taker.take(c);
                }
            } else if ((e & L2Entry.OFFSET) != 0) {
                taker.take((e & L2Entry.OFFSET) >>> g.clusterBits());
            }
        }
    }
}
