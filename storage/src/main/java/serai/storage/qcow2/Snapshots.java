package serai.storage.qcow2;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import serai.storage.DiskException;
import serai.storage.NativeBuffer;

/**
 * Makes, applies and deletes internal snapshots. A snapshot is an L1 table of its own; L2 tables and data clusters that it shares are counted
 * once more, and COPIED is taken off them.
 *
 * <p>No order of writes keeps count and COPIED in step at every moment, so the image is marked dirty first: who opens it after a crash counts
 * again, whichever of the two states the header and the snapshot table show then. Each changes by one write of the header's first sector. All is
 * done with everything else standing still.
 */
final class Snapshots {
    private static final int MAX_NAME = 65535;

    private final Metadata m;
    private final Geometry g;

    Snapshots(Metadata m) {
        this.m = m;
        g = m.g;
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

    private interface Change {
        void run(List<SnapshotTable.Entry> snapshots) throws IOException;
    }

    /** Does a change, again with a larger refcount table if it has to be. */
    private void change(Change c) throws IOException {
        if (m.external()) {
            throw new DiskException(
                    m.file.path() + " has its data in another file, which internal snapshots can't share");
        }
        while (true) {
            try {
                m.alone(() -> {
                    m.markDirty();
                    c.run(SnapshotTable.read(m));
                });
                m.finish();
                return;
            } catch (Refcounts.TableFull e) {
                undo();
                m.growRefcountTable();
            } catch (DiskException e) {
                undo();
                m.finish();
                throw e;
            }
        }
    }

    /** What was done of a change, none of which the header shows yet, is undone by counting again. */
    private void undo() throws IOException {
        Check.repair(m);
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
        change(all -> {
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
            long[] l1 = m.l2.l1();
            int clusters = (int) g.clusters(8L * l1.length);
            long at = clusters == 0 ? 0 : m.allocateTable(clusters);
            // the copies of L1, the active one as well, have no COPIED
            count(l1, 1);
            setCopied();
            writeL1(at, l1, clusters);
            Instant now = Instant.now();
            List<SnapshotTable.Entry> more = new ArrayList<>(all);
            more.add(new SnapshotTable.Entry(
                    at,
                    l1.length,
                    Long.toString(id),
                    name,
                    (int) now.getEpochSecond(),
                    now.getNano(),
                    0,
                    0,
                    m.header.size,
                    new byte[0]));
            writeTable(more);
        });
    }

    /** The disk becomes what it was; its size must be the same. */
    void apply(String idOrName) throws IOException {
        change(all -> {
            SnapshotTable.Entry s = find(all, idOrName);
            if (s.diskSize() != m.header.size) {
                throw new DiskException("snapshot '%s' is of a disk of %d bytes, and this has %d; resize it first"
                        .formatted(idOrName, s.diskSize(), m.header.size));
            }
            long[] then = L2Tables.readTable(m.file, s.l1Offset(), s.l1Entries());
            long[] now = m.l2.l1();
            if (then.length > now.length) {
                Resize.growL1(m, then.length);
                now = m.l2.l1();
            }
            count(then, 1);
            m.commitAlone(); // counted before it is referred to
            long[] made = new long[now.length];
            for (int i = 0; i < then.length; i++) {
                made[i] = then[i] & L2Entry.TABLE;
            }
            long[] old = now.clone();
            int clusters = (int) g.clusters(8L * made.length);
            long at = clusters == 0 ? 0 : m.allocateTable(clusters);
            writeL1(at, made, clusters);
            m.commitAlone();
            long oldAt = m.l2.l1Offset();
            m.l2.replaceL1(at, made);
            m.header.l1Offset = at;
            m.writeHeader();
            m.file.flush();
            count(old, -1);
            if (clusters > 0) {
                m.free(oldAt, clusters, false);
            }
            m.commitAlone();
            setCopied();
            m.commitAlone();
        });
    }

    void delete(String idOrName) throws IOException {
        change(all -> {
            SnapshotTable.Entry s = find(all, idOrName);
            long[] l1 = L2Tables.readTable(m.file, s.l1Offset(), s.l1Entries());
            List<SnapshotTable.Entry> rest = new ArrayList<>(all);
            rest.remove(s);
            writeTable(rest);
            count(l1, -1);
            int clusters = (int) g.clusters(8L * s.l1Entries());
            if (clusters > 0) {
                m.free(s.l1Offset(), clusters, true);
            }
            m.commitAlone();
            setCopied();
            m.commitAlone();
        });
    }

    private void writeL1(long at, long[] l1, int clusters) throws IOException {
        long[] plain = new long[clusters << g.clusterBits() - 3];
        for (int i = 0; i < l1.length; i++) {
            plain[i] = l1[i] & L2Entry.TABLE;
        }
        L2Tables.writeTable(m.file, at, plain, 0, plain.length);
    }

    /** The table of snapshots goes to another place, and the header refers to that. */
    private void writeTable(List<SnapshotTable.Entry> entries) throws IOException {
        long oldAt = m.header.snapshotOffset;
        long oldBytes = m.header.snapshotCount == 0 ? 0 : SnapshotTable.size(SnapshotTable.read(m));
        byte[] b = SnapshotTable.encode(entries);
        int clusters = (int) g.clusters(b.length);
        long at = clusters == 0 ? 0 : m.allocateTable(clusters);
        if (clusters > 0) {
            byte[] whole = Arrays.copyOf(b, clusters << g.clusterBits());
            try (NativeBuffer n = NativeBuffer.confined(whole.length)) {
                n.segment().asByteBuffer().put(whole);
                m.file.write(at, n.address(), whole.length);
            }
        }
        m.commitAlone();
        m.header.snapshotOffset = at;
        m.header.snapshotCount = entries.size();
        m.writeHeader();
        m.file.flush();
        if (oldBytes > 0) {
            m.free(oldAt, (int) g.clusters(oldBytes), false);
            m.commitAlone();
        }
    }

    /** Counts all that an L1 table refers to once more, or once less. */
    private void count(long[] l1, int delta) throws IOException {
        for (long entry : l1) {
            long table = entry & L2Entry.TABLE;
            if (table == 0) {
                continue;
            }
            long[] words = L2Tables.readTable(m.file, table, 1 << g.clusterBits() - 3);
            for (int i = 0; i < words.length; i += g.l2EntryBytes() / 8) {
                long e = words[i];
                if ((e & L2Entry.COMPRESSED) != 0) {
                    long at = L2Entry.compressedOffset(e, g.clusterBits());
                    long end = at + L2Entry.compressedBytes(e, g.clusterBits());
                    change(g.down(at), (int) (g.up(end) - g.down(at) >>> g.clusterBits()), delta);
                } else if ((e & L2Entry.OFFSET) != 0) {
                    change(e & L2Entry.OFFSET, 1, delta);
                }
            }
            change(table, 1, delta);
        }
    }

    private void change(long offset, int clusters, int delta) throws IOException {
        if (delta < 0) {
            m.free(offset, clusters, true);
        } else {
            for (int i = 0; i < clusters; i++) {
                m.refcounts.add((offset >>> g.clusterBits()) + i, delta);
            }
        }
    }

    /** COPIED of the active tables becomes what the counts say. */
    private void setCopied() throws IOException {
        long[] l1 = m.l2.l1();
        for (int i = 0; i < l1.length; i++) {
            long table = l1[i] & L2Entry.TABLE;
            if (table == 0) {
                continue;
            }
            boolean one = m.refcounts.get(table >>> g.clusterBits()) == 1;
            if (one != ((l1[i] & L2Entry.COPIED) != 0)) {
                m.l2.setL1(i, one ? table | L2Entry.COPIED : table);
            }
            long position = (long) i << g.l2Bits() + g.clusterBits();
            for (int e = 0; e < 1 << g.l2Bits(); e++) {
                long at = position + ((long) e << g.clusterBits());
                SliceCache.Slice s = m.l2.slice(table, at);
                int index = m.l2.inSlice(at);
                long entry = m.l2.entry(s, index);
                if ((entry & L2Entry.COMPRESSED) != 0 || (entry & L2Entry.OFFSET) == 0) {
                    continue;
                }
                boolean once = m.refcounts.get((entry & L2Entry.OFFSET) >>> g.clusterBits()) == 1;
                if (once != ((entry & L2Entry.COPIED) != 0)) {
                    m.l2.set(s, index, entry ^ L2Entry.COPIED, m.l2.bitmap(s, index));
                }
            }
        }
    }
}
