package serai.storage.qcow2;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

/**
 * The L1 table, which is in memory, and the L2 tables, by slices ("Cluster mapping"). All of it is guarded by the image's lock.
 *
 * <p>An L2 table is <em>new</em> until a commit has written its L1 entry: no crash can show it before, so its slices are written with the
 * refcounts, ahead of the entry.
 */
final class L2Tables {
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.BIG_ENDIAN);

    private final ImageFile file;
    private final Geometry g;
    private final SliceCache slices;
    private final int perSliceBits;
    private long[] l1;
    private long l1Offset;
    /** Entries that a commit has to write. */
    private BitSet dirty = new BitSet();
    /** Entries whose L2 table no durable entry refers to. */
    private final BitSet fresh = new BitSet();

    L2Tables(ImageFile file, Geometry g, long l1Offset, int entries, long cacheBytes) throws IOException {
        this.file = file;
        this.g = g;
        this.l1Offset = l1Offset;
        slices = new SliceCache(file, g.clusterBits(), cacheBytes);
        perSliceBits = Long.numberOfTrailingZeros(slices.sliceBytes() / g.l2EntryBytes());
        l1 = readTable(file, l1Offset, entries);
    }

    /** Reads a table of words. */
    static long[] readTable(ImageFile file, long offset, int entries) throws IOException {
        long[] table = new long[entries];
        if (entries > 0) {
            try (NativeBuffer b = NativeBuffer.confined(8L * entries)) {
                file.read(offset, b.address(), 8L * entries);
                for (int i = 0; i < entries; i++) {
                    table[i] = b.segment().get(LONG, 8L * i);
                }
            }
        }
        return table;
    }

    /** Writes a table of words. */
    static void writeTable(ImageFile file, long offset, long[] table, int from, int to) throws IOException {
        try (NativeBuffer b = NativeBuffer.confined(Math.max(8, 8L * (to - from)))) {
            for (int i = from; i < to; i++) {
                b.segment().set(LONG, 8L * (i - from), table[i]);
            }
            file.write(offset + 8L * from, b.address(), 8L * (to - from));
        }
    }

    SliceCache cache() {
        return slices;
    }

    long[] l1() {
        return l1;
    }

    long l1Offset() {
        return l1Offset;
    }

    /** Another L1 table takes the place of this, which is already written. */
    void replaceL1(long offset, long[] table) {
        l1 = table;
        l1Offset = offset;
        dirty = new BitSet();
        fresh.clear();
        slices.trim();
    }

    private int l1Index(long position) {
        return (int) (position >>> g.l2Bits() + g.clusterBits());
    }

    /**
     * Where the L2 table of a position is, 0 if there is none.
     *
     * @throws DiskException if that is no place for a table
     */
    long table(long position) throws DiskException {
        long t = l1[l1Index(position)] & L2Entry.TABLE;
        if ((t & g.cluster() - 1) != 0) {
            throw damaged("an L2 table", t);
        }
        return t;
    }

    private DiskException damaged(String what, long at) {
        return new DiskException(
                "%s is damaged: %s at %d is not at a cluster's start; 'serai image check -r' may mend it"
                        .formatted(file.path(), what, at));
    }

    /** Whether the L2 table of a position may be written in place: nobody else, as a snapshot, uses it. */
    boolean tableIsOwn(long position) {
        return (l1[l1Index(position)] & L2Entry.COPIED) != 0;
    }

    /**
     * The slice with the entry of a position, which has a table.
     *
     * @param table of {@link #table}
     */
    SliceCache.Slice slice(long table, long position) throws IOException {
        return slices.get(table + (long) entryIndex(position) * g.l2EntryBytes());
    }

    /** Whether {@link #slice} need not read. */
    boolean hasSlice(long table, long position) {
        return slices.has(table + (long) entryIndex(position) * g.l2EntryBytes());
    }

    private int entryIndex(long position) {
        return (int) (position >>> g.clusterBits()) & (1 << g.l2Bits()) - 1;
    }

    /** Which entry of its slice a position has. */
    int inSlice(long position) {
        return entryIndex(position) & (1 << perSliceBits) - 1;
    }

    /** Entries of a slice from that of a position to the last. */
    int leftInSlice(long position) {
        return (1 << perSliceBits) - inSlice(position);
    }

    /** The entry of a slice. */
    long entry(SliceCache.Slice s, int index) {
        return g.extended() ? s.word(index << 1) : s.word(index);
    }

    /** The state of its subclusters; only with extended entries. */
    long bitmap(SliceCache.Slice s, int index) {
        return g.extended() ? s.word((index << 1) + 1) : 0;
    }

    /** Changes an entry. */
    void set(SliceCache.Slice s, int index, long entry, long bitmap) {
        if (g.extended()) {
            slices.set(s, index << 1, entry);
            slices.set(s, (index << 1) + 1, bitmap);
        } else {
            slices.set(s, index, entry);
        }
    }

    /** A position gets a new L2 table, of zeros. */
    void newTable(long position, long offset) {
        slices.putZeros(offset, g.cluster());
        link(position, offset);
    }

    /** A position gets a copy of its L2 table, which it shared. */
    void copyTable(long position, long from, long to) throws IOException {
        slices.putZeros(to, g.cluster());
        for (long at = 0; at < g.cluster(); at += slices.sliceBytes()) {
            slices.get(to + at).bytes.copyFrom(slices.get(from + at).bytes);
        }
        link(position, to);
    }

    private void link(long position, long offset) {
        int i = l1Index(position);
        l1[i] = offset | L2Entry.COPIED;
        dirty.set(i);
        fresh.set(i);
    }

    /** Sets an L1 entry whose table is durable. */
    void setL1(int index, long entry) {
        l1[index] = entry;
        dirty.set(index);
    }

    /** A position has no L2 table any more. */
    void unlink(long position) {
        int i = l1Index(position);
        l1[i] = 0;
        dirty.set(i);
        fresh.clear(i);
    }

    boolean isDirty() {
        return slices.isDirty() || !dirty.isEmpty();
    }

    /** What a commit writes: slices of new tables first, then those of the others, and the sectors of L1 that changed. */
    record Changes(
            List<SliceCache.Copy> ahead, List<SliceCache.Copy> slices, BitSet entries, long[] l1, BitSet fresh) {}

    /** Takes what is to be written. */
    Changes take() {
        Set<Long> freshTables = new HashSet<>();
        fresh.stream().forEach(i -> freshTables.add(l1[i] & L2Entry.TABLE));
        List<SliceCache.Copy> ahead = new ArrayList<>();
        List<SliceCache.Copy> others = new ArrayList<>();
        for (SliceCache.Copy c : slices.takeDirty()) {
            (freshTables.contains(g.down(c.slice().offset)) ? ahead : others).add(c);
        }
        long[] then = dirty.isEmpty() ? new long[0] : l1.clone();
        Changes c = new Changes(ahead, others, dirty, then, (BitSet) fresh.clone());
        dirty = new BitSet();
        return c;
    }

    /** A commit has written them, or they are to be written again. */
    void done(Changes c, boolean written) {
        slices.written(c.ahead, written);
        slices.written(c.slices, written);
        if (written) {
            // an entry changed again meanwhile refers to a table that is newer than what was written
            c.fresh.stream().filter(i -> l1[i] == c.l1[i]).forEach(fresh::clear);
        } else {
            dirty.or(c.entries);
        }
    }

    /** Writes the L1 entries of changes, whole sectors of them. */
    void writeL1(Changes c) throws IOException {
        int perSector = 512 / 8;
        for (int i = c.entries.nextSetBit(0); i >= 0; ) {
            int from = i & -perSector;
            int to = Math.min(from + perSector, c.l1.length);
            writeTable(file, l1Offset, c.l1, from, to);
            i = c.entries.nextSetBit(to);
        }
    }
}
