package serai.storage.qcow2;

import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;

/**
 * Which clusters of the file are in use, and by how many ("Host cluster management"): the refcount table, in memory, its blocks by
 * slices, and the search for free clusters. All of it is guarded by the image's lock.
 *
 * <p>A block that is missing stands for zeros, so the clusters that it would count are free: a new block takes the first of them.
 */
final class Refcounts {
    /** The refcount table has no room for a block: it has to grow, which {@link Metadata} does with nothing else going on. */
    static final class TableFull extends IOException {
        private static final long serialVersionUID = 1L;

        TableFull() {
            super("the refcount table is full");
        }
    }

    /** Clusters behind the end of the file that a crash may have left counted, with room to spare; a search for a free one ends there. */
    private static final long PAST_END = 1 << 20;

    private final ImageFile file;
    private final Geometry g;
    private final SliceCache slices;
    /** Clusters that hold metadata; new blocks are added. */
    private final ClusterSet places;

    private long tableOffset;
    private long[] table;
    /** Table entries that a commit has to write; their blocks are new. */
    private BitSet dirty = new BitSet();
    /** No cluster below is free. */
    private long firstFree;
    /** The highest cluster that may be in use. */
    private long end;

    /** From this cluster on the file has never held anything. */
    private long unused;

    /** The table that the file has, while another is being built in {@link #table}; see {@link #build}. */
    private long @Nullable [] built;
    /** Blocks of the table that is being built that are other ones than the file's. */
    private BitSet moved = new BitSet();

    Refcounts(ImageFile file, Geometry g, long tableOffset, int tableClusters, long cacheBytes, ClusterSet places)
            throws IOException {
        this.places = places;
        this.file = file;
        this.g = g;
        this.tableOffset = tableOffset;
        slices = new SliceCache(file, g.clusterBits(), cacheBytes);
        table = L2Tables.readTable(file, tableOffset, tableClusters << g.clusterBits() - 3);
        end = g.clusters(file.size());
        unused = end;
    }

    /** The first cluster from which on the file has never held anything, also not for a change that was abandoned. */
    long unused() {
        return unused;
    }

    SliceCache cache() {
        return slices;
    }

    long[] table() {
        return table;
    }

    long tableOffset() {
        return tableOffset;
    }

    int tableClusters() {
        return table.length >> g.clusterBits() - 3;
    }

    /** Another table takes the place of this, which is already written, as all blocks are. */
    void replaceTable(long offset, long[] entries) {
        table = entries;
        tableOffset = offset;
        dirty = new BitSet();
        firstFree = 0;
        end = Math.max(end, (offset >> g.clusterBits()) + tableClusters());
        slices.trim();
    }

    private long block(long cluster) throws DiskException {
        long b = cluster >>> g.blockBits();
        long at = b < table.length ? table[(int) b] & L2Entry.TABLE : 0;
        if ((at & g.cluster() - 1) != 0 || at >>> g.clusterBits() > end + PAST_END) {
            throw new DiskException(
                    "%s is damaged: a refcount block at %d is at no cluster's start, or far behind its end; 'serai image check -r' may mend it"
                            .formatted(file.path(), at));
        }
        return at;
    }

    /** The refcount of a cluster, by its number. */
    long get(long cluster) throws IOException {
        long block = block(cluster);
        if (block == 0) {
            return 0;
        }
        long index = cluster & (1L << g.blockBits()) - 1;
        SliceCache.Slice s = slices.get(block + byteOf(index));
        return read(s, index, g.refcountOrder());
    }

    private long byteOf(long index) {
        return index << g.refcountOrder() >>> 3;
    }

    private long read(SliceCache.Slice s, long index, int order) {
        int at = (int) byteOf(index) & slices.sliceBytes() - 1;
        return switch (order) {
            case 6 -> s.word(at >> 3);
            case 5 ->
                (s.octet(at) & 0xffL) << 24
                        | (s.octet(at + 1) & 0xff) << 16
                        | (s.octet(at + 2) & 0xff) << 8
                        | s.octet(at + 3) & 0xff;
            case 4 -> (s.octet(at) & 0xff) << 8 | s.octet(at + 1) & 0xff;
            case 3 -> s.octet(at) & 0xff;
            // several in a byte: the first in the lowest bits
            default -> (s.octet(at) & 0xff) >> ((int) (index << order) & 7) & (1 << (1 << order)) - 1;
        };
    }

    private void write(SliceCache.Slice s, long index, long value) {
        int order = g.refcountOrder();
        int at = (int) byteOf(index) & slices.sliceBytes() - 1;
        switch (order) {
            case 6 -> slices.set(s, at >> 3, value);
            case 5, 4, 3 -> {
                int n = 1 << order - 3;
                for (int i = 0; i < n; i++) {
                    slices.set(s, at + i, (byte) (value >>> 8 * (n - 1 - i)));
                }
            }
            default -> {
                int shift = (int) (index << order) & 7;
                int mask = (1 << (1 << order)) - 1 << shift;
                slices.set(s, at, (byte) (s.octet(at) & ~mask | (int) value << shift));
            }
        }
    }

    /**
     * Changes the refcount of a cluster.
     *
     * @return what it is now
     * @throws DiskException if it would leave its range: below zero the image is damaged, above no more can share the cluster
     */
    long add(long cluster, int delta) throws IOException {
        long block = block(cluster);
        if (block == 0) {
            if (delta < 0) {
                throw countedAsFree(cluster);
            }
            if (cluster > end + PAST_END) {
                throw new DiskException(
                        "%s is damaged: it refers to cluster %d, far behind its end; 'serai image check -r all' may mend it"
                                .formatted(file.path(), cluster));
            }
            block = newBlock(cluster);
        } else if (isToBeMoved(cluster)) {
            block = move(cluster);
        }
        long index = cluster & (1L << g.blockBits()) - 1;
        SliceCache.Slice s = slices.get(block + byteOf(index));
        long value = read(s, index, g.refcountOrder()) + delta;
        if (value < 0) {
            throw countedAsFree(cluster);
        }
        if (value > g.maxRefcount()) {
            throw new DiskException("%s can't share a cluster more than %d times: its refcounts have %d bits"
                    .formatted(file.path(), g.maxRefcount(), 1 << g.refcountOrder()));
        }
        write(s, index, value);
        unused = Math.max(unused, cluster + 1);
        if (value == 0) {
            firstFree = Math.min(firstFree, cluster);
        }
        return value;
    }

    private DiskException countedAsFree(long cluster) {
        return new DiskException(
                "%s is damaged: cluster %d is in use and counted as free; 'serai image check -r' may mend it"
                        .formatted(file.path(), cluster));
    }

    /** Sets the refcount of a cluster whose block is there. */
    void put(long cluster, long value) throws IOException {
        long block = block(cluster);
        if (block == 0) {
            if (value == 0) {
                return;
            }
            throw new DiskException(file.path() + " is damaged: cluster " + cluster + " has no refcount block");
        }
        long index = cluster & (1L << g.blockBits()) - 1;
        write(slices.get(block + byteOf(index)), index, value);
        firstFree = 0;
    }

    // ---- counts that change at once, with a header that refers to another table ----

    /**
     * From here on blocks are changed in copies, which a new table refers to; the file keeps the counts that it has. Nothing may be waiting to
     * be written. Clusters that get free are not used again before it is over: counts don't fall to 0 meanwhile.
     */
    void build() {
        built = table;
        table = table.clone();
        moved = new BitSet();
    }

    /** Writes what has been built to places that are counted in it; the header may refer to the table, once the file is flushed. */
    void writeBuilt() throws IOException {
        int clusters = tableClusters();
        long at = allocate(clusters, clusters);
        for (int i = 0; i < clusters; i++) {
            places.add(at + i);
        }
        builtOffset = at << g.clusterBits();
        spill();
        L2Tables.writeTable(file, builtOffset, table, 0, table.length);
    }

    /** Where the table is that has been written. */
    long builtOffset;

    /** Writes blocks of what is being built, if there are many. */
    void spillIfFull() throws IOException {
        if (slices.isFull()) {
            spill();
        }
    }

    /** Writes all blocks that have changed, with no order kept. */
    void spill() throws IOException {
        List<SliceCache.Copy> copies = slices.takeDirty();
        boolean written = false;
        try {
            SliceCache.write(file, copies);
            written = true;
        } finally {
            slices.written(copies, written);
        }
    }

    /** Nothing has been built after all. */
    void abandon() {
        long[] old = Objects.requireNonNull(built);
        moved.stream().forEach(b -> slices.forget(table[b], g.cluster()));
        table = old;
        built = null;
        dirty = new BitSet();
        firstFree = 0;
    }

    /** The header refers to what has been built. Takes the clusters of the old table and of its blocks that were copied. */
    void adopt(LongConsumer given) {
        long[] old = Objects.requireNonNull(built);
        moved.stream().filter(b -> old[b] != 0).forEach(b -> {
            slices.forget(old[b], g.cluster());
            given.accept(old[b]);
        });
        for (long c = 0; c < tableClusters(); c++) {
            given.accept(tableOffset + (c << g.clusterBits()));
        }
        tableOffset = builtOffset;
        built = null;
        dirty = new BitSet();
        firstFree = 0;
    }

    private boolean isToBeMoved(long cluster) {
        int b = (int) (cluster >>> g.blockBits());
        return built != null && table[b] != 0 && !moved.get(b);
    }

    /** Copies the block that counts a cluster. */
    private long move(long cluster) throws IOException {
        int b = (int) (cluster >>> g.blockBits());
        long from = block(cluster);
        moved.set(b); // the search may find a cluster that this block counts
        long free = firstFree;
        while (block(free) == 0 || get(free) != 0) {
            if (block(free) == 0) {
                newBlock(free);
            } else {
                checkEnd(free);
                free = nextFree(free);
            }
        }
        firstFree = free + 1;
        end = Math.max(end, free + 1);
        places.add(free);
        long to = free << g.clusterBits();
        slices.putZeros(to, g.cluster());
        for (long at = 0; at < g.cluster(); at += slices.sliceBytes()) {
            slices.get(to + at).bytes.copyFrom(slices.get(from + at).bytes);
        }
        table[b] = to;
        add(free, 1); // may move another one
        return to;
    }

    /** Copies the blocks that count a range; tells whether there were any. */
    private boolean moveAll(long cluster, int count) throws IOException {
        boolean any = false;
        long last = cluster + count - 1 >>> g.blockBits();
        for (long b = cluster >>> g.blockBits(); b <= last; b++) {
            if (isToBeMoved(b << g.blockBits())) {
                move(b << g.blockBits());
                any = true;
            }
        }
        return any;
    }

    private void checkEnd(long cluster) throws DiskException {
        if (cluster > end + PAST_END) {
            throw new DiskException(
                    "%s is damaged: it counts clusters as in use that lie far behind its end; 'serai image check -r all' may mend it"
                            .formatted(file.path()));
        }
    }

    /** A block gets another place, of zeros, or none: repair. */
    void setBlock(int block, long offset) {
        table[block] = offset;
        dirty.set(block);
        if (offset != 0) {
            places.add(offset >>> g.clusterBits());
            slices.putZeros(offset, g.cluster());
            unused = Math.max(unused, (offset >>> g.clusterBits()) + 1);
        }
    }

    /** Makes the block that counts a cluster, in the first cluster that it counts. */
    private long newBlock(long cluster) throws IOException {
        int b = Math.toIntExact(cluster >>> g.blockBits());
        if (b >= table.length) {
            throw new TableFull();
        }
        if (b == 0) {
            throw countedAsFree(0); // the header, where the block would go
        }
        long first = (long) b << g.blockBits();
        long at = first << g.clusterBits();
        slices.putZeros(at, g.cluster());
        table[b] = at;
        dirty.set(b);
        moved.set(b);
        places.add(first);
        unused = Math.max(unused, first + 1);
        write(slices.get(at), 0, 1);
        return at;
    }

    /**
     * Finds free clusters that follow each other and counts them once.
     *
     * @param wanted at least 1
     * @param least how many of them there have to be
     * @return the number of the first, and in {@link #found} how many there are
     * @throws TableFull if the refcount table has to grow first; nothing has changed
     */
    long allocate(int wanted, int least) throws IOException {
        if (least > 1 << g.blockBits() - 1) {
            return allocateArea(least);
        }
        long at = firstFree;
        boolean skipped = false;
        while (true) {
            long block = block(at);
            if (block == 0) {
                // all that it would count is free, but its own place
                newBlock(at);
                continue;
            }
            checkEnd(at);
            if (get(at) != 0) {
                at = nextFree(at);
                if (!skipped) {
                    firstFree = at;
                }
                continue;
            }
            int n = 1;
            while (n < wanted && block(at + n) != 0 && get(at + n) == 0) {
                n++;
            }
            if (n < least && block(at + n) == 0) {
                newBlock(at + n); // takes the cluster at + n, so the search begins after it
                at += n;
                skipped = true;
                continue;
            }
            if (n < least) {
                at += n;
                skipped = true;
                continue;
            }
            if (moveAll(at, n)) {
                continue; // the copies may have taken some of them
            }
            for (int i = 0; i < n; i++) {
                add(at + i, 1);
            }
            end = Math.max(end, at + n);
            if (!skipped) {
                firstFree = at + n;
            }
            found = n;
            return at;
        }
    }

    /**
     * Clusters that follow each other, more than blocks, each in its own first cluster, leave room for: behind all that is counted yet,
     * and the blocks behind them.
     */
    private long allocateArea(int wanted) throws IOException {
        int b = table.length;
        while (b > 0 && table[b - 1] == 0) {
            b--;
        }
        long start = (long) b << g.blockBits();
        int blocks = blocksFor(wanted);
        if (b + blocks > table.length) {
            throw new TableFull();
        }
        for (int i = 0; i < blocks; i++) {
            long at = start + wanted + i << g.clusterBits();
            slices.putZeros(at, g.cluster());
            table[b + i] = at;
            places.add(at >>> g.clusterBits());
            dirty.set(b + i);
            moved.set(b + i);
        }
        for (long c = start; c < start + wanted + blocks; c++) {
            add(c, 1);
        }
        end = Math.max(end, start + wanted + blocks);
        found = wanted;
        return start;
    }

    /** Blocks that count so many clusters and themselves, at the start of what the first of them counts. */
    int blocksFor(int clusters) {
        int perBlock = 1 << g.blockBits();
        int blocks = 0;
        while ((long) blocks * perBlock < (long) clusters + blocks) {
            blocks = Math.ceilDiv(clusters + blocks, perBlock);
        }
        return blocks;
    }

    /** How many clusters {@link #allocate} found. */
    int found;

    /** The first cluster after one in use that may be free: within its slice it is. */
    private long nextFree(long cluster) throws IOException {
        long c = cluster + 1;
        long end = (cluster >>> g.blockBits()) + 1 << g.blockBits();
        while (c < end && get(c) != 0) {
            c++;
        }
        return c;
    }

    boolean isDirty() {
        return slices.isDirty() || !dirty.isEmpty();
    }

    /** What a commit writes: blocks, then the table's entries for new ones. */
    record Changes(List<SliceCache.Copy> blocks, BitSet entries, long[] table) {}

    Changes take() {
        Changes c =
                new Changes(new ArrayList<>(slices.takeDirty()), dirty, dirty.isEmpty() ? new long[0] : table.clone());
        dirty = new BitSet();
        return c;
    }

    void done(Changes c, boolean written) {
        slices.written(c.blocks, written);
        if (!written) {
            dirty.or(c.entries);
        }
    }

    /** Writes the table's entries of changes, whole sectors of them. */
    void writeTable(Changes c) throws IOException {
        int perSector = 512 / 8;
        for (int i = c.entries.nextSetBit(0); i >= 0; ) {
            int from = i & -perSector;
            L2Tables.writeTable(file, tableOffset, c.table, from, from + perSector);
            i = c.entries.nextSetBit(from + perSector);
        }
    }
}
