package serai.storage.qcow2;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongConsumer;
import serai.storage.DiskException;

/**
 * Checks that all clusters in use are counted as often as they are used, and that COPIED tells which are used once; and mends that. An
 * <em>error</em> is what would lose data (counted too seldom, a wrong COPIED, a place outside of the file or off a cluster's start), a
 * <em>leak</em> what only wastes space.
 */
final class Check {
    /** L1 entries that are walked at most, of all snapshots together: a check ends whatever an image says. */
    private static final long MAX_WALK = 1L << 27;

    private static final int MAX_MESSAGES = 100;

    private final Metadata m;
    private final Geometry g;
    private final UseCounts used = new UseCounts();
    private final boolean mendErrors;
    private final boolean mendLeaks;
    private final long fileClusters;
    private final Set<Long> damagedBlocks = new HashSet<>();
    private final List<String> messages = new ArrayList<>();
    private final LongConsumer progress;
    /** L2 tables of the active L1 table that it has more than once. */
    private final Set<Long> severalParts = new HashSet<>();

    private long walked;
    private long errors;
    private long leaks;
    private long errorsMended;
    private long leaksMended;
    private long data;
    private long compressedData;
    private long fragments;
    private long lastHost = -1;

    private Check(Metadata m, boolean mendErrors, boolean mendLeaks, LongConsumer progress) throws IOException {
        this.m = m;
        this.mendErrors = mendErrors;
        this.mendLeaks = mendLeaks;
        this.progress = progress;
        g = m.g;
        fileClusters = g.clusters(m.file.size());
    }

    /** Puts right what a writer that did not end has left. */
    static void repair(Metadata m) throws IOException {
        run(m, true, true, n -> {});
    }

    /**
     * Checks with nothing else going on.
     *
     * @param progress takes how many of 1,000 parts are done
     */
    static CheckResult run(Metadata m, boolean mendErrors, boolean mendLeaks, LongConsumer progress)
            throws IOException {
        Check c = new Check(m, mendErrors, mendLeaks, progress);
        CheckResult[] result = new CheckResult[1];
        if (mendErrors || mendLeaks) {
            m.alone(() -> result[0] = c.check());
        } else {
            m.lock.lock();
            try {
                result[0] = c.check();
            } finally {
                m.lock.unlock();
            }
        }
        return result[0];
    }

    private void error(String what, Object... arguments) {
        errors++;
        say("ERROR " + what.formatted(arguments));
    }

    private void say(String what) {
        if (messages.size() < MAX_MESSAGES) {
            messages.add(what);
        }
    }

    private CheckResult check() throws IOException {
        if (mendErrors || mendLeaks) {
            m.checkPlaces(); // what would be mended is not all that is written then
        }
        use("the header", 0, 1);
        useTable();
        walk(m.l2.l1(), m.header.l1Offset, "the L1 table", true);
        List<SnapshotTable.Entry> snapshots = SnapshotTable.read(m);
        if (!snapshots.isEmpty()) {
            useBytes("the snapshot table", m.header.snapshotOffset, SnapshotTable.size(snapshots));
        }
        for (SnapshotTable.Entry s : snapshots) {
            walk(L2Tables.readTable(m.file, s.l1Offset(), s.l1Entries()), s.l1Offset(), "a snapshot's L1 table", false);
        }
        if (m.header.crypto != null) {
            useBytes("the encryption header", m.header.crypto.offset(), m.header.crypto.length());
        }
        BitmapDirectoryWalk.use(m, this::useBytes);
        compareCounts();
        compareCopied();
        if (mendErrors || mendLeaks) {
            m.commitAlone();
            boolean sound = errors == errorsMended;
            long bits = Header.DIRTY | Header.CORRUPT;
            if (sound && (m.header.incompatible & bits) != 0) {
                m.mark(h -> h.incompatible &= ~bits);
            }
        }
        return new CheckResult(
                List.copyOf(messages),
                errors,
                leaks,
                errorsMended,
                leaksMended,
                used.end() << g.clusterBits(),
                g.clusters(m.header.size),
                data,
                compressedData,
                fragments);
    }

    private boolean use(String what, long offset, long clusters) {
        if ((offset & g.cluster() - 1) != 0 || offset < 0) {
            error("%s is at %s, which is not at a cluster's start", what, Long.toUnsignedString(offset));
            return false;
        }
        long first = offset >>> g.clusterBits();
        if (first + clusters > Math.max(1, fileClusters)) {
            error("%s is at %d, outside of the file", what, offset);
            return false;
        }
        used.add(first, clusters);
        return true;
    }

    private void useBytes(String what, long offset, long bytes) {
        use(what, offset, g.clusters(bytes));
    }

    private void useTable() {
        long[] table = m.refcounts.table();
        use("the refcount table", m.refcounts.tableOffset(), m.refcounts.tableClusters());
        for (int i = 0; i < table.length; i++) {
            if (table[i] != 0 && !use("a refcount block", table[i], 1)) {
                damagedBlocks.add((long) i);
            }
        }
    }

    private void walk(long[] l1, long offset, String what, boolean active) throws IOException {
        useBytes(what, offset, 8L * l1.length);
        walked += l1.length;
        if (walked > MAX_WALK) {
            throw new DiskException(m.file.path() + " has snapshots with more L1 entries than can be checked");
        }
        Set<Long> seen = new HashSet<>();
        for (int i = 0; i < l1.length; i++) {
            long table = l1[i] & L2Entry.TABLE;
            if (table != 0 && use("an L2 table", table, 1)) {
                if (!seen.add(table)) {
                    error("the L2 table at %d maps several parts of the disk", table);
                    if (active) {
                        severalParts.add(table);
                    }
                } else if (m.file.nextData(table) < table + g.cluster()) { // a hole in the file maps nothing
                    walkL2(table, active);
                }
            }
            if (active && l1.length > 0 && (i & 63) == 0) {
                progress.accept(900L * i / l1.length);
            }
        }
    }

    private void walkL2(long table, boolean active) throws IOException {
        int step = g.l2EntryBytes() / 8;
        long[] words = L2Tables.readTable(m.file, table, 1 << g.clusterBits() - 3);
        for (int i = 0; i < words.length; i += step) {
            long entry = words[i];
            if ((entry & L2Entry.COMPRESSED) != 0) {
                long at = L2Entry.compressedOffset(entry, g.clusterBits());
                long end = at + L2Entry.compressedBytes(entry, g.clusterBits());
                // its last sector may be cut off by the file's end
                if (at >>> g.clusterBits() >= fileClusters) {
                    error("compressed data is at %d, outside of the file", at);
                } else {
                    long first = at >>> g.clusterBits();
                    used.add(first, Math.min(fileClusters, g.up(end) >>> g.clusterBits()) - first);
                }
                if ((entry & L2Entry.COPIED) != 0) {
                    error("compressed data at %d is marked as used once", at);
                }
                if (active) {
                    data++;
                    compressedData++;
                    fragments++;
                }
            } else if ((entry & L2Entry.OFFSET) != 0) {
                long at = entry & L2Entry.OFFSET;
                if (!m.external()) {
                    use("data", at, 1);
                }
                if (active) {
                    data++;
                    if (lastHost >= 0 && at != lastHost + g.cluster()) {
                        fragments++;
                    }
                    lastHost = at;
                }
            }
        }
    }

    // ---- comparing, and mending ----

    private void compareCounts() throws IOException {
        if (mendErrors) {
            addBlocks();
        }
        long end = Math.max(used.end(), fileClusters);
        long perBlock = 1L << g.blockBits();
        // what is counted past the file's end by blocks for that alone wastes nothing, and may be endless
        for (long b = 0; b * perBlock < end; b++) {
            boolean missing =
                    b >= m.refcounts.table().length || m.refcounts.table()[(int) b] == 0 || damagedBlocks.contains(b);
            long to = missing ? Math.min((b + 1) * perBlock, used.end()) : (b + 1) * perBlock;
            for (long c = b * perBlock; c < to; c++) {
                compare(c, missing);
            }
        }
        progress.accept(1000);
    }

    private void compare(long cluster, boolean missing) throws IOException {
        long counted = missing ? 0 : m.refcounts.get(cluster);
        int real = used.get(cluster);
        if (counted == real) {
            return;
        }
        boolean leak = Long.compareUnsigned(counted, real) > 0;
        if (leak) {
            leaks++;
            say("Leaked cluster %d refcount=%s reference=%d".formatted(cluster, Long.toUnsignedString(counted), real));
        } else {
            error("cluster %d refcount=%d reference=%d", cluster, counted, real);
        }
        if (leak ? mendLeaks : mendErrors) {
            if (real > g.maxRefcount()) {
                return;
            }
            m.refcounts.put(cluster, real);
            if (leak) {
                leaksMended++;
            } else {
                errorsMended++;
            }
        }
    }

    /** Blocks that are missing or damaged, for clusters that are in use, get a place behind all that is. */
    private void addBlocks() throws IOException {
        for (long b : damagedBlocks) {
            m.refcounts.setBlock((int) b, 0);
            errorsMended++;
        }
        damagedBlocks.clear();
        boolean again = true;
        while (again) {
            again = false;
            long last = (used.end() - 1) >>> g.blockBits();
            if (last >= m.refcounts.table().length) {
                throw new DiskException(m.file.path() + " is damaged: its refcount table is too small for it");
            }
            for (int b = 0; b <= last; b++) {
                if (m.refcounts.table()[b] == 0 && anyUsed((long) b << g.blockBits(), 1L << g.blockBits())) {
                    long at = used.end();
                    used.add(at, 1);
                    m.refcounts.setBlock(b, at << g.clusterBits());
                    again = true;
                }
            }
        }
    }

    private boolean anyUsed(long from, long count) {
        for (long c = from; c < from + count && c < used.end(); c++) {
            if (used.get(c) != 0) {
                return true;
            }
        }
        return false;
    }

    private void compareCopied() throws IOException {
        long[] l1 = m.l2.l1();
        for (int i = 0; i < l1.length; i++) {
            long table = l1[i] & L2Entry.TABLE;
            if (table == 0
                    || (table & g.cluster() - 1) != 0
                    || table >>> g.clusterBits() >= fileClusters
                    || severalParts.contains(table)
                    || m.file.nextData(table) >= table + g.cluster()) {
                continue;
            }
            long position = (long) i << g.l2Bits() + g.clusterBits();
            boolean once = used.get(table >>> g.clusterBits()) == 1;
            if (once != ((l1[i] & L2Entry.COPIED) != 0)) {
                error("the L2 table at %d is used %s and marked otherwise", table, once ? "once" : "several times");
                if (mendErrors) {
                    m.l2.setL1(i, once ? table | L2Entry.COPIED : table);
                    errorsMended++;
                }
            }
            for (int e = 0; e < 1 << g.l2Bits(); e++) {
                long at = position + ((long) e << g.clusterBits());
                SliceCache.Slice s = m.l2.slice(table, at);
                int index = m.l2.inSlice(at);
                long entry = m.l2.entry(s, index);
                long host = entry & L2Entry.OFFSET;
                if ((entry & L2Entry.COMPRESSED) != 0 || host == 0 || m.external() || (host & g.cluster() - 1) != 0) {
                    continue;
                }
                boolean one = used.get(host >>> g.clusterBits()) == 1;
                if (one != ((entry & L2Entry.COPIED) != 0)) {
                    error("the data at %d is used %s and marked otherwise", host, one ? "once" : "several times");
                    if (mendErrors) {
                        m.l2.set(s, index, entry ^ L2Entry.COPIED, m.l2.bitmap(s, index));
                        errorsMended++;
                    }
                }
            }
        }
    }
}
