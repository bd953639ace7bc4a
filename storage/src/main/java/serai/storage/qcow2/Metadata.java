package serai.storage.qcow2;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

/**
 * The metadata of an image and the order in which it reaches the file, so that the image is sound whenever its writer ends, and whichever
 * sectors were written since the last flush of the file.
 *
 * <h2>A commit</h2>
 *
 * What requests change stays in memory; clusters that an entry no longer refers to stay counted. A commit takes a copy of what was changed
 * at one moment, under the lock, and writes it, without it:
 *
 * <ol>
 *   <li>if there are new refcount blocks: all changed blocks, flush, and the refcount table's entries;
 *   <li>else the changed refcount blocks; with them L2 tables that no durable L1 entry refers to yet; flush. From here on all data that was
 *       written before the commit is durable, and what the next step refers to is counted;
 *   <li>the other L2 tables' slices and the L1 entries; flush. This is the moment at which the disk's content changes;
 *   <li>now what is no longer referred to is given free: its refcounts fall (the next commit writes that), and it can be used again once the
 *       requests are over that may have looked it up before ({@link Epochs}).
 * </ol>
 *
 * A crash between the steps leaves clusters that are counted and not used (leaks), and nothing else. Entries have 8 or 16 bytes and are
 * aligned, so no entry is torn. A flush of the disk is one flush of the file if only data was written, else two (QEMU's order needs two as well).
 *
 * <h2>Changes of the structure</h2>
 *
 * A snapshot changes which clusters are shared, and so counts and COPIED marks all over the image, which must agree at every moment. Such a
 * change ({@link #restructure}) is made with all else standing still: new tables, new refcount blocks and a new refcount table are written to
 * free places, then one write of the header's first sector refers to them instead of the old ones, which become free.
 */
final class Metadata {
    /** Space that was given up. */
    private record Freed(long cluster, int count, boolean punch) {}

    /** Requests that may have looked up what was freed are over two epochs after the stamp. */
    private record Limbo(Freed freed, long stamp) {}

    final ImageFile file;
    final ImageFile dataFile;
    final Header header;
    final Geometry g;
    final L2Tables l2;
    final Refcounts refcounts;
    /** Clusters of the file with the header and tables, which no data may be written to; guarded by the lock. */
    private final ClusterSet places = new ClusterSet();
    /** Where two tables were when the image was opened, or -1. */
    private final long overlap;

    final ReentrantLock lock = new ReentrantLock();
    final Epochs epochs = new Epochs();

    /** One commit at a time; taken before the lock. */
    private final ReentrantLock committing = new ReentrantLock(true);
    /** Commits begun and done, guarded by {@code lock}. */
    private long begun;

    private long done;
    private List<Freed> unlinked = new ArrayList<>();
    private final ArrayDeque<Limbo> limbo = new ArrayDeque<>();
    private boolean fresh;

    /** Why nothing more may be written; guarded by the lock. */
    private @Nullable IOException broken;

    /** Where the next compressed cluster begins, if there is room in that cluster of the file; guarded by the lock. */
    long compressedNext;

    /** Requests hold it shared; what needs them all to be over, alone. Taken first. */
    private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock();

    Metadata(ImageFile file, ImageFile dataFile, Header header, long l2CacheBytes) throws IOException {
        this.file = file;
        this.dataFile = dataFile;
        this.header = header;
        g = Geometry.of(header);
        l2 = new L2Tables(file, g, header.l1Offset, header.l1Entries, l2CacheBytes);
        refcounts = new Refcounts(
                file,
                g,
                header.refcountTableOffset,
                header.refcountTableClusters,
                Math.max(1 << 20, l2CacheBytes / 4),
                places);
        overlap = findPlaces();
    }

    /**
     * Looks for all tables.
     *
     * @return where two of them are, in bytes; -1 if each has a place of its own
     */
    private long findPlaces() {
        places.clear();
        places.add(0);
        long twice = addPlaces(l2.l1Offset(), g.clusters(8L * l2.l1().length));
        twice = Math.max(twice, addPlaces(refcounts.tableOffset(), refcounts.tableClusters()));
        if (header.snapshotCount > 0) {
            twice = Math.max(twice, addPlaces(header.snapshotOffset, 1));
        }
        for (long entry : refcounts.table()) {
            if ((entry & L2Entry.TABLE) != 0) {
                twice = Math.max(twice, addPlaces(entry & L2Entry.TABLE, 1));
            }
        }
        // that an L2 table maps several parts of the disk, counts and COPIED tell
        for (long entry : l2.l1()) {
            if ((entry & L2Entry.TABLE) != 0 && places.contains((entry & L2Entry.TABLE) >>> g.clusterBits())) {
                twice = entry & L2Entry.TABLE;
            }
        }
        for (long entry : l2.l1()) {
            if ((entry & L2Entry.TABLE) != 0) {
                places.add((entry & L2Entry.TABLE) >>> g.clusterBits());
            }
        }
        return twice;
    }

    private long addPlaces(long offset, long clusters) {
        long twice = -1;
        for (long i = 0; i < clusters; i++) {
            long c = (offset >>> g.clusterBits()) + i;
            if (!places.add(c)) {
                twice = c << g.clusterBits();
            }
        }
        return twice;
    }

    /**
     * Makes sure that each table has a place of its own: else one would be written over another.
     *
     * @throws DiskException if not
     */
    void checkPlaces() throws IOException {
        long twice = overlap;
        for (SnapshotTable.Entry s :
                header.snapshotCount == 0 ? List.<SnapshotTable.Entry>of() : SnapshotTable.read(this)) {
            for (long i = 0; i < g.clusters(8L * s.l1Entries()); i++) {
                if (places.contains((s.l1Offset() >>> g.clusterBits()) + i)) {
                    twice = s.l1Offset();
                }
            }
        }
        if (twice >= 0) {
            throw new DiskException("%s is damaged: two of its tables are both at %d; it can only be read"
                    .formatted(file.path(), twice));
        }
    }

    /**
     * Makes sure that no metadata is where data is to be written or given up; with the lock.
     *
     * @throws DiskException if there is, so that the image is damaged
     */
    void checkData(long offset, long bytes) throws DiskException {
        if (external()) {
            return;
        }
        for (long c = offset >>> g.clusterBits(); c <= offset + bytes - 1 >>> g.clusterBits(); c++) {
            if (places.contains(c)) {
                throw new DiskException(
                        "%s is damaged: it has data and its own tables both at %d; 'serai image check' tells more"
                                .formatted(file.path(), c << g.clusterBits()));
            }
        }
    }

    boolean external() {
        return dataFile != file;
    }

    /** A request begins; it may look up clusters until {@link #leave}. */
    int enter() {
        gate.readLock().lock();
        lock.lock();
        try {
            return epochs.enter();
        } finally {
            lock.unlock();
        }
    }

    /** A request begins, if it need not wait for that. */
    OptionalInt tryEnter() {
        if (!gate.readLock().tryLock()) {
            return OptionalInt.empty();
        }
        if (!lock.tryLock()) {
            gate.readLock().unlock();
            return OptionalInt.empty();
        }
        try {
            return OptionalInt.of(epochs.enter());
        } finally {
            lock.unlock();
        }
    }

    /** {@link #enter} for one that changes something: also data, as nobody may know whose it is. */
    int enterToWrite() throws IOException {
        gate.readLock().lock();
        lock.lock();
        boolean entered = false;
        try {
            checkWhole();
            int token = epochs.enter();
            entered = true;
            return token;
        } finally {
            lock.unlock();
            if (!entered) {
                gate.readLock().unlock();
            }
        }
    }

    /** A request is over. */
    void leave(int token) {
        epochs.leave(token);
        gate.readLock().unlock();
    }

    /** Clusters of the file for a table, which follow each other; with the lock. */
    long allocateTable(int clusters) throws IOException {
        long at = allocate(clusters, clusters);
        addPlaces(at, clusters);
        return at;
    }

    /** Clusters of the file for data, as many as follow each other and at most {@code wanted}; with the lock. */
    long allocateData(int wanted) throws IOException {
        return allocate(wanted, 1);
    }

    private long allocate(int wanted, int least) throws IOException {
        reclaim();
        long unused = refcounts.unused();
        long cluster = refcounts.allocate(wanted, least);
        fresh = cluster >= unused;
        long at = cluster << g.clusterBits();
        checkData(at, (long) refcounts.found << g.clusterBits()); // it was counted as free
        return at;
    }

    /** Whether what was allocated last reads as zeros, as nothing has ever been there; with the lock. */
    boolean fresh() {
        return fresh;
    }

    /** What an L2 or L1 entry referred to is given up; with the lock. Counted until the change is durable. */
    void free(long offset, int clusters, boolean punch) {
        if (compressedNext >= offset && compressedNext < offset + ((long) clusters << g.clusterBits())) {
            compressedNext = 0; // nothing more may come to a cluster that may be given free
        }
        for (int i = 0; i < clusters; i++) {
            places.remove((offset >>> g.clusterBits()) + i);
        }
        unlinked.add(new Freed(offset >>> g.clusterBits(), clusters, punch));
    }

    /** Gives free what no request can use any more; with the lock. */
    private void reclaim() throws IOException {
        while (!limbo.isEmpty() && epochs.passed(limbo.peek().stamp)) {
            Freed f = limbo.remove().freed;
            for (int i = 0; i < f.count; i++) {
                refcounts.add(f.cluster + i, -1);
            }
        }
    }

    /** Whether so much is to be written that it should be done soon; with the lock. */
    boolean full() {
        return l2.cache().isFull() || refcounts.cache().isFull();
    }

    /**
     * Makes durable all that has been written before it was called. Without the lock, and not inside a request.
     *
     * @throws IOException if the file fails; what was not written stays to be written
     */
    void flush() throws IOException {
        lock.lock();
        long mine;
        boolean clean;
        try {
            checkWhole();
            mine = begun;
            clean = !l2.isDirty() && !refcounts.isDirty() && unlinked.isEmpty() && begun == done;
        } finally {
            lock.unlock();
        }
        if (clean) {
            flushFiles();
            return;
        }
        committing.lock();
        try {
            if (done > mine) {
                return; // a commit that began after the call has done it
            }
            commit();
        } finally {
            committing.unlock();
        }
    }

    private void flushFiles() throws IOException {
        if (external()) {
            dataFile.flush();
        }
        file.flush();
    }

    private void commit() throws IOException {
        L2Tables.Changes tables;
        Refcounts.Changes counts;
        List<Freed> freed;
        lock.lock();
        try {
            checkWhole();
            begun++;
            tables = l2.take();
            counts = refcounts.take();
            freed = unlinked;
            unlinked = new ArrayList<>();
        } finally {
            lock.unlock();
        }
        boolean written = false;
        try {
            write(tables, counts);
            written = true;
        } finally {
            lock.lock();
            try {
                l2.done(tables, written);
                refcounts.done(counts, written);
                if (written) {
                    done = begun;
                } else {
                    freed.addAll(unlinked);
                    unlinked = freed;
                }
            } finally {
                lock.unlock();
            }
        }
        giveFree(freed);
    }

    private void write(L2Tables.Changes tables, Refcounts.Changes counts) throws IOException {
        if (!counts.blocks().isEmpty() || !tables.slices().isEmpty()) {
            markDirty(); // either may come alone: what slices give up is counted until the next commit
        }
        if (external()) {
            dataFile.flush();
        }
        SliceCache.write(file, counts.blocks());
        if (!counts.entries().isEmpty()) {
            file.flush();
            refcounts.writeTable(counts);
        }
        SliceCache.write(file, tables.ahead());
        file.flush();
        if (!tables.slices().isEmpty() || !tables.entries().isEmpty()) {
            SliceCache.write(file, tables.slices());
            l2.writeL1(tables);
            file.flush();
        }
    }

    private void giveFree(List<Freed> freed) throws IOException {
        if (freed.isEmpty()) {
            return;
        }
        List<Freed> joined = new ArrayList<>();
        freed.sort((a, b) -> Long.compare(a.cluster, b.cluster));
        for (Freed f : freed) {
            Freed last = joined.isEmpty() ? null : joined.getLast();
            if (last != null && last.cluster + last.count == f.cluster && last.punch == f.punch) {
                joined.set(joined.size() - 1, new Freed(last.cluster, last.count + f.count, f.punch));
            } else {
                joined.add(f);
            }
        }
        for (Freed f : joined) {
            if (f.punch) {
                try {
                    punchUnshared(f);
                } catch (IOException e) {
                    // the host's space stays in use until there is other data: no reason for a flush to fail
                    System.getLogger("serai.disk").log(System.Logger.Level.DEBUG, "{0}: {1}", file.path(), e);
                }
            }
        }
        lock.lock();
        try {
            joined.forEach(f -> limbo.add(new Limbo(f, epochs.stamp())));
            reclaim();
        } finally {
            lock.unlock();
        }
    }

    /** Frees the host's space of clusters that nobody else shares. */
    private void punchUnshared(Freed f) throws IOException {
        int from = 0;
        for (int i = 0; i <= f.count; i++) {
            boolean shared = i == f.count;
            if (!shared) {
                lock.lock();
                try {
                    shared = refcounts.get(f.cluster + i) > 1;
                } finally {
                    lock.unlock();
                }
            }
            if (shared) {
                if (i > from) {
                    file.punch(f.cluster + from << g.clusterBits(), (long) (i - from) << g.clusterBits());
                }
                from = i + 1;
            }
        }
    }

    /** Something that needs all requests and commits to stand still and the file to be up to date. */
    @FunctionalInterface
    interface Alone {
        void run() throws IOException;
    }

    /** Commits until nothing is left, with the lock held from the last one on, and does it. Not inside a request. */
    void alone(Alone what) throws IOException {
        gate.writeLock().lock();
        committing.lock();
        try {
            while (true) {
                commit();
                lock.lock();
                try {
                    reclaim(); // all of it, as there are no requests
                    if (!l2.isDirty() && !refcounts.isDirty() && unlinked.isEmpty()) {
                        what.run();
                        return;
                    }
                } finally {
                    lock.unlock();
                }
            }
        } finally {
            committing.unlock();
            gate.writeLock().unlock();
        }
    }

    /** A change of the image's structure: it shows by one write of the header. All of it with everything else standing still. */
    interface Structure {
        /** Writes tables to new places and counts what they refer to; no count falls to 0 here. */
        void build() throws IOException;

        /** Refers to what has been built. */
        void link(Header header);

        /** The header has been written: takes over the new tables, and gives up the old ones. */
        void linked() throws IOException;
    }

    /**
     * Does a change of the structure, or nothing of it if that throws. Not inside a request.
     *
     * @throws DiskException if the change can't be made
     */
    void restructure(Structure change) throws IOException {
        while (true) {
            try {
                alone(() -> restructureAlone(change));
                break;
            } catch (Refcounts.TableFull e) {
                growRefcountTable();
            }
        }
        finish(); // what it gave up gets free
    }

    private void restructureAlone(Structure change) throws IOException {
        refcounts.build();
        boolean built = false;
        try {
            markDirty(); // what is given up is counted for a moment
            change.build();
            refcounts.writeBuilt();
            file.flush();
            writeHeader(h -> {
                h.refcountTableOffset = refcounts.builtOffset;
                change.link(h);
            });
            built = true;
        } finally {
            if (!built) {
                refcounts.abandon();
                findPlaces();
            }
        }
        refcounts.adopt(at -> free(at, 1, false));
        change.linked();
    }

    /** Writes what {@code alone} has changed, in order; with the lock and inside {@link #alone}. */
    void commitAlone() throws IOException {
        L2Tables.Changes tables = l2.take();
        Refcounts.Changes counts = refcounts.take();
        boolean written = false;
        try {
            write(tables, counts);
            written = true;
        } finally {
            l2.done(tables, written);
            refcounts.done(counts, written);
        }
        List<Freed> freed = unlinked;
        unlinked = new ArrayList<>();
        giveFree(freed);
    }

    /**
     * Marks the image as one whose writer has not ended: the next one to open it looks for leaks then. Version 2 can't tell that.
     */
    void markDirty() throws IOException {
        if (header.version == 3 && !header.has(Header.DIRTY)) {
            mark(h -> h.incompatible |= Header.DIRTY);
        }
    }

    /** Commits all that is left and takes the mark off. No request may be under way. */
    void finish() throws IOException {
        alone(() -> {
            if (header.has(Header.DIRTY)) {
                mark(h -> h.incompatible &= ~Header.DIRTY);
            }
        });
    }

    /**
     * Changes where the header says that things are, and makes that durable; with the lock.
     *
     * @throws DiskException if it has no room for the change; nothing has changed then
     * @throws IOException if it could not be written: nobody knows which of both the file has, so nothing is written any more
     */
    void writeHeader(Consumer<Header> change) throws IOException {
        try {
            mark(change);
        } catch (DiskException e) {
            throw e;
        } catch (IOException e) {
            broken = e;
            throw e;
        }
    }

    /** Changes what may be in the header or not, and makes that durable. The header's first sector reaches the file whole. */
    void mark(Consumer<Header> change) throws IOException {
        checkWhole();
        Runnable back = header.saved();
        change.accept(header);
        boolean written = false;
        try {
            byte[] b = header.encode();
            int n = b.length;
            while (n > 512 && b[n - 1] == 0) {
                n--;
            }
            // what stood behind, a longer name, must not stay
            n = Math.min(b.length, Math.max(4096, n + 511 & -512));
            try (NativeBuffer buffer = NativeBuffer.confined(n)) {
                buffer.segment().asByteBuffer().put(b, 0, n);
                file.write(0, buffer.address(), n);
                file.flush();
            }
            written = true;
        } finally {
            if (!written) {
                back.run();
            }
        }
    }

    private void checkWhole() throws IOException {
        if (broken != null) {
            throw new IOException(
                    file.path()
                            + " can't be written any more until it is opened again: its header could not be written ("
                            + broken.getMessage() + ")",
                    broken);
        }
    }

    /** Makes the refcount table larger. Not inside a request. */
    void growRefcountTable() throws IOException {
        alone(() -> {
            long[] old = refcounts.table();
            int perCluster = 1 << g.clusterBits() - 3;
            int clusters = Math.ceilDiv(old.length + old.length / 2 + 1, perCluster);
            int blocks = refcounts.blocksFor(clusters);
            clusters = Math.max(clusters, Math.ceilDiv(old.length + blocks + 1, perCluster));
            blocks = refcounts.blocksFor(clusters);
            if ((long) clusters << g.clusterBits() > Math.max(g.cluster(), Header.MAX_REFTABLE_BYTES)) {
                throw new DiskException(file.path() + " can't grow any more: its clusters of " + g.cluster()
                        + " bytes are too small for so large a file");
            }
            long start = (long) old.length << g.blockBits();
            long[] table = Arrays.copyOf(old, clusters * perCluster);
            for (int i = 0; i < blocks; i++) {
                table[old.length + i] = start + clusters + i << g.clusterBits();
            }
            L2Tables.writeTable(file, start << g.clusterBits(), table, 0, table.length);
            long oldOffset = refcounts.tableOffset();
            refcounts.replaceTable(start << g.clusterBits(), table);
            addPlaces(start << g.clusterBits(), clusters + blocks);
            boolean linked = false;
            try {
                for (int i = 0; i < blocks; i++) {
                    refcounts.cache().putZeros(table[old.length + i], g.cluster());
                }
                for (long c = start; c < start + clusters + blocks; c++) {
                    refcounts.add(c, 1);
                }
                refcounts.spill();
                file.flush();
                int more = clusters;
                writeHeader(h -> {
                    h.refcountTableOffset = refcounts.tableOffset();
                    h.refcountTableClusters = more;
                });
                linked = true;
            } finally {
                if (!linked) {
                    for (int i = 0; i < blocks; i++) {
                        refcounts.cache().forget(table[old.length + i], g.cluster());
                    }
                    refcounts.replaceTable(oldOffset, old);
                    findPlaces();
                }
            }
            free(oldOffset, old.length / perCluster, false);
        });
    }
}
