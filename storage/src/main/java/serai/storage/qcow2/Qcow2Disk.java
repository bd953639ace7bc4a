package serai.storage.qcow2;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.Condition;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;
import serai.storage.luks.LuksVolume;
import serai.storage.luks.SectorCipher;
import serai.storage.track.DirtyBitmap;

/**
 * A qcow2 image, versions 2 and 3 ("The QCOW2 image format", QEMU's docs/interop/qcow2.txt). {@link Metadata} says how it stays sound.
 *
 * <p>A request looks clusters up under the image's lock and transfers data without it. Of writes to what is not allocated only one at a time
 * works on a cluster; it writes the data, and what of the cluster was there before, and then lets the L2 entry refer to it. So others see
 * either state.
 */
public final class Qcow2Disk implements BlockDevice {
    /** What is assembled in memory to be written at once, in bytes. */
    private static final int MERGE = 256 << 10;

    /** L2 tables that are kept in memory at most, unless asked otherwise: what maps 256 GiB by clusters of 64 KiB. */
    public static final long CACHE = 32 << 20;

    /** How often the refcount table grows for one request at most: a request has 4 GiB, a new table counts half as much again. */
    private static final int MAX_GROWTH = 64;

    /** Clusters of the disk that a request is about to map. */
    private record Pending(long first, long last) {}

    private final ImageFile file;
    private final ImageFile dataFile;
    private final @Nullable BlockDevice backing;
    private final @Nullable LuksVolume volume;
    private final @Nullable SectorCipher cipher;
    private final Metadata m;
    private final Geometry g;
    private final Clusters clusters;
    private final CompressedClusters compressed;
    private final PersistentBitmaps bitmaps;
    private final boolean readOnly;
    /** It leaves the image as it is, but for what the check mends. */
    private final boolean forCheck;

    private final List<Pending> pending = new ArrayList<>();
    private final Condition pendingDone;
    private volatile long size;
    private boolean closed;
    /** The file stays open when it is closed. */
    private boolean keepFile;

    private Qcow2Disk(
            ImageFile file,
            ImageFile dataFile,
            Header header,
            @Nullable BlockDevice backing,
            @Nullable LuksVolume volume,
            boolean readOnly,
            boolean forCheck)
            throws IOException {
        this.forCheck = forCheck;
        this.file = file;
        this.dataFile = dataFile;
        this.backing = backing;
        this.volume = volume;
        cipher = volume == null ? null : volume.cipher();
        this.readOnly = readOnly;
        m = new Metadata(file, dataFile, header, CACHE);
        g = m.g;
        clusters = new Clusters(m);
        compressed = new CompressedClusters(m);
        bitmaps = new PersistentBitmaps(m, !forCheck);
        pendingDone = m.lock.newCondition();
        size = header.size + SECTOR - 1 & -SECTOR;
    }

    /**
     * Opens one; the file is closed with it.
     *
     * @throws DiskException if it is refused; then the file stays open
     */
    public static Qcow2Disk open(ImageFile file, Opening opening) throws IOException {
        Header header = Header.read(file);
        boolean readOnly = !file.writable();
        if (header.has(Header.CORRUPT) && !readOnly && !opening.check()) {
            throw new DiskException(
                    file.path() + " is marked as damaged and can only be read; 'serai image check -r all' may mend it");
        }
        List<AutoCloseable> opened = new ArrayList<>();
        boolean done = false;
        try {
            ImageFile data = file;
            if (header.has(Header.DATA_FILE)) {
                data = opening.file(file, String.valueOf(header.dataFile), "data file");
                opened.add(data);
            }
            BlockDevice backing = null;
            if (header.backingFile != null && !opening.check()) {
                backing = opening.image(file, header.backingFile, header.backingFormat(), "backing file");
                opened.add(backing);
            }
            LuksVolume volume = null;
            if (header.cryptMethod == Header.LUKS && !opening.check()) {
                volume = Encryption.open(file, header, opening);
                opened.add(volume);
            }
            Qcow2Disk disk = new Qcow2Disk(file, data, header, backing, volume, readOnly, opening.check());
            if (!readOnly && !opening.check()) {
                disk.takeOver();
            }
            done = true;
            return disk;
        } finally {
            if (!done) {
                for (AutoCloseable c : opened) {
                    try {
                        c.close();
                    } catch (Exception e) {
                        System.getLogger("serai.disk").log(System.Logger.Level.WARNING, "{0}", e);
                    }
                }
            }
        }
    }

    /**
     * Makes a new image in a file that is open for writing; what it held is lost.
     *
     * @throws DiskException if the options don't go together
     */
    public static void create(ImageFile file, Qcow2Options options) throws IOException {
        Creator.create(file, options, null);
    }

    /** The same for options with encryption; the passphrase opens it later. */
    public static void create(ImageFile file, Qcow2Options options, byte[] passphrase) throws IOException {
        Creator.create(file, options, passphrase);
    }

    /** One that has just been made, in a file that stays open. */
    static Qcow2Disk onNew(ImageFile file) throws IOException {
        Header header = Header.read(file);
        if (header.has(Header.DATA_FILE) || header.cryptMethod != Header.NO_CRYPT) {
            throw new DiskException(
                    "clusters of an external data file or of an encrypted image can't be allocated in advance");
        }
        Qcow2Disk disk = new Qcow2Disk(file, file, header, null, null, false, false);
        disk.keepFile = true;
        return disk;
    }

    /** Allocates all clusters of a new image; they read as zeros, as nothing has been there. */
    void preallocate() throws IOException {
        each(0, g.up(size), (at, left) -> {
            m.lock.lock();
            try {
                int count = clusters.needNew(at, (int) Math.min(1 << 20, left >>> g.clusterBits()));
                long host = m.allocateData(count);
                count = m.refcounts.found;
                long bytes = (long) count << g.clusterBits();
                clusters.link(at, count, host, at, at + bytes, true);
                file.resize(Math.max(file.size(), host + bytes));
                return bytes;
            } finally {
                m.lock.unlock();
            }
        });
    }

    /**
     * Checks the image, with nothing else going on.
     *
     * @param progress takes how many of 1,000 parts are done
     */
    public CheckResult check(boolean mendErrors, boolean mendLeaks, LongConsumer progress) throws IOException {
        return Check.run(m, mendErrors, mendLeaks, progress);
    }

    /** What the last writer may have left is put right. */
    private void takeOver() throws IOException {
        m.checkPlaces();
        if (m.header.has(Header.DIRTY)) {
            Check.repair(m);
        }
        bitmaps.takeOver();
    }

    Metadata metadata() {
        return m;
    }

    /** What the image lies upon; null if it has no backing file. */
    public @Nullable BlockDevice backing() {
        return backing;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    // ---- reading ----

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        int token = m.enter();
        try {
            readMapped(position, hostAddress, length);
        } finally {
            m.leave(token);
        }
    }

    /** Reads any bytes, also past the disk's end in its last cluster; inside a request. */
    private void readMapped(long position, long address, long length) throws IOException {
        long done = 0;
        while (done < length) {
            Mapping map;
            m.lock.lock();
            try {
                map = clusters.at(position + done, length - done);
            } finally {
                m.lock.unlock();
            }
            readPiece(map, position + done, address + done);
            done += map.length();
        }
    }

    /** Of clusters that are in the file as they are, or hold zeros, and whose entries are in memory. */
    @Override
    public boolean readNow(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        OptionalInt token = cipher == null ? m.tryEnter() : OptionalInt.empty();
        if (token.isEmpty()) {
            return false;
        }
        try {
            long done = 0;
            while (done < length) {
                Mapping map = mappingNow(position + done, length - done);
                if (map == null || !readPieceNow(map, hostAddress + done)) {
                    return false;
                }
                done += map.length();
            }
            return true;
        } finally {
            m.leave(token.getAsInt());
        }
    }

    private @Nullable Mapping mappingNow(long position, long length) throws IOException {
        if (!m.lock.tryLock()) {
            return null;
        }
        try {
            return clusters.inMemory(position) ? clusters.at(position, length) : null;
        } finally {
            m.lock.unlock();
        }
    }

    private boolean readPieceNow(Mapping map, long address) {
        return switch (map.kind()) {
            case DATA -> dataFile.readNow(map.host(), address, map.length());
            case ZERO, ZERO_ALLOCATED -> {
                NativeBuffer.at(address, map.length()).fill((byte) 0);
                yield true;
            }
            case UNALLOCATED, UNALLOCATED_ALLOCATED, COMPRESSED -> false;
        };
    }

    private void readPiece(Mapping map, long position, long address) throws IOException {
        long n = map.length();
        switch (map.kind()) {
            case DATA -> {
                dataFile.read(map.host(), address, n);
                if (cipher != null) {
                    cipher.decrypt(map.host() >> 9, address, address, n);
                }
            }
            case ZERO, ZERO_ALLOCATED -> NativeBuffer.at(address, n).fill((byte) 0);
            case UNALLOCATED, UNALLOCATED_ALLOCATED -> {
                long below = backing == null ? 0 : Math.clamp(backing.size() - position, 0, n);
                if (backing != null && below > 0) {
                    backing.read(position, address, below);
                }
                NativeBuffer.at(address + below, n - below).fill((byte) 0);
            }
            case COMPRESSED -> {
                byte[] content = compressed.read(map.entry());
                MemorySegment.copy(
                        content,
                        (int) (position & g.cluster() - 1),
                        NativeBuffer.at(address, n),
                        ValueLayout.JAVA_BYTE,
                        0,
                        (int) n);
            }
        }
    }

    @Override
    public Extent status(long position, long length) throws IOException {
        BlockDevice.check(this, position, length);
        Mapping map;
        int token = m.enter();
        try {
            m.lock.lock();
            try {
                map = clusters.at(position, length);
            } finally {
                m.lock.unlock();
            }
        } finally {
            m.leave(token);
        }
        long n = map.length();
        return switch (map.kind()) {
            case DATA -> new Extent(n, false, true, false, 0, cipher == null ? map.host() : Extent.NOWHERE);
            case ZERO -> Extent.zeros(n);
            case ZERO_ALLOCATED -> new Extent(n, true, true, false, 0, map.host() + (position & g.cluster() - 1));
            case COMPRESSED -> new Extent(n, false, true, true, 0, Extent.NOWHERE);
            case UNALLOCATED, UNALLOCATED_ALLOCATED -> {
                if (backing == null || position >= backing.size()) {
                    yield Extent.nowhere(n);
                }
                yield backing.status(position, Math.min(n, backing.size() - position))
                        .below();
            }
        };
    }

    // ---- writing ----

    private void writable() throws IOException {
        if (readOnly || forCheck) {
            throw new IOException(file.path() + " is open for reading only");
        }
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        writable();
        BlockDevice.check(this, position, length);
        bitmaps.mark(position, length);
        each(position, length, (at, left) -> writeSome(at, hostAddress + (at - position), left));
    }

    /** Does a part of a request, and tells how many bytes. */
    @FunctionalInterface
    private interface Part {
        long run(long position, long left) throws IOException;
    }

    /** Does a request part by part, with what has to be done outside of requests between. */
    private void each(long position, long length, Part part) throws IOException {
        long done = 0;
        int grown = 0;
        while (done < length) {
            boolean grow = false;
            boolean full = false;
            int token = m.enterToWrite();
            try {
                done += part.run(position + done, length - done);
                m.lock.lock();
                try {
                    full = m.full();
                } finally {
                    m.lock.unlock();
                }
            } catch (Refcounts.TableFull e) {
                if (++grown > MAX_GROWTH) {
                    throw new IOException(file.path() + " is damaged: its refcount table never suffices", e);
                }
                grow = true;
            } finally {
                m.leave(token);
            }
            if (grow) {
                m.growRefcountTable();
            } else if (full) {
                m.flush();
            }
        }
    }

    /**
     * A write to clusters that are to be mapped.
     *
     * @param host where they begin in the file
     * @param count how many
     * @param made whether they were allocated for it
     * @param whole whether all of the first and the last is written, and not only the granules that are touched
     * @param zeros whether what of them is not written reads as zeros
     * @param fresh whether the file reads as zeros there
     * @param length bytes that are written
     */
    private record Plan(long host, int count, boolean made, boolean whole, boolean zeros, boolean fresh, long length) {}

    private long writeSome(long position, long address, long length) throws IOException {
        long start = g.down(position);
        Mapping map;
        Plan plan = null;
        m.lock.lock();
        try {
            map = settled(position, length);
            if (map.kind() != Mapping.Kind.DATA || !map.own()) {
                plan = map.kind().hasCluster() && map.own() ? fillOwn(map, position) : allocate(position, length);
                pending.add(new Pending(start, start + ((long) plan.count << g.clusterBits())));
            } else {
                m.checkData(map.host(), map.length());
            }
        } finally {
            m.lock.unlock();
        }
        if (plan == null) {
            writeData(map.host(), address, map.length());
            return map.length();
        }
        writeNew(plan, start, position, address);
        return plan.length;
    }

    /** The cluster is there and this disk's alone, and what is read there comes from elsewhere. */
    private Plan fillOwn(Mapping map, long position) throws IOException {
        m.checkData(map.entry() & L2Entry.OFFSET, 1);
        long n = Math.min(map.length(), g.down(position) + g.cluster() - position);
        return new Plan(map.entry() & L2Entry.OFFSET, 1, false, !g.extended(), readsZero(position), false, n);
    }

    private Plan allocate(long position, long length) throws IOException {
        long start = g.down(position);
        int wanted = (int) Math.min(1 << 20, g.clusters(position + length - start));
        int count = clusters.needNew(start, wanted);
        long host = start;
        boolean fresh = false;
        if (!m.external()) {
            host = m.allocateData(count);
            count = m.refcounts.found;
            fresh = m.fresh();
        }
        long last = start + ((long) (count - 1) << g.clusterBits());
        long n = Math.min(length, last + g.cluster() - position);
        boolean data = hasData(start) || count > 1 && hasData(last);
        boolean zeros = !data && readsZero(position) && readsZero(position + n - 1);
        return new Plan(host, count, !m.external(), !g.extended() || data, zeros, fresh, n);
    }

    /** What a position is mapped to, when nobody is about to change it; with the lock. */
    private Mapping settled(long position, long length) throws IOException {
        while (true) {
            Mapping map = clusters.at(position, length);
            if (map.kind() == Mapping.Kind.DATA && map.own() || !isPending(position, position + length)) {
                return map;
            }
            pendingDone.awaitUninterruptibly();
        }
    }

    private boolean isPending(long from, long to) {
        for (Pending p : pending) {
            if (p.first < to && from < p.last) {
                return true;
            }
        }
        return false;
    }

    private boolean hasData(long start) throws IOException {
        Mapping map = clusters.at(start, g.cluster());
        long at = start;
        while (!map.kind().equals(Mapping.Kind.DATA) && !map.kind().equals(Mapping.Kind.COMPRESSED)) {
            at += map.length();
            if (at >= start + g.cluster()) {
                return false;
            }
            map = clusters.at(at, start + g.cluster() - at);
        }
        return true;
    }

    /** Whether a granule that has no data reads as zeros; with the lock. */
    private boolean readsZero(long position) throws IOException {
        return readsZero(clusters.at(position, 1), position);
    }

    private boolean readsZero(Mapping map, long position) {
        return map.kind().isZero()
                || map.kind().isUnallocated() && (backing == null || g.down(position) >= backing.size());
    }

    private void writeNew(Plan plan, long start, long position, long address) throws IOException {
        boolean done = false;
        long length = plan.length;
        long end = position + length;
        long granule = 1L << g.granuleBits();
        long from = plan.whole ? start : position & -granule;
        long to = plan.whole ? start + ((long) plan.count << g.clusterBits()) : end + granule - 1 & -granule;
        try {
            long host = plan.host + (from - start);
            if (from == position && to == end || plan.zeros && plan.fresh && cipher == null) {
                writeData(plan.host + (position - start), address, length);
            } else if (to - from <= MERGE) {
                try (NativeBuffer b = NativeBuffer.confined(to - from)) {
                    fill(plan, from, b.address(), position - from);
                    MemorySegment.copy(NativeBuffer.at(address, length), 0, b.segment(), position - from, length);
                    fill(plan, end, b.address() + (end - from), to - end);
                    writeData(host, b.address(), to - from);
                }
            } else {
                writeFill(plan, from, host, position - from);
                writeData(host + (position - from), address, length);
                writeFill(plan, end, host + (end - from), to - end);
            }
            done = true;
        } finally {
            m.lock.lock();
            try {
                if (done) {
                    clusters.link(start, plan.count, plan.host, from, to, plan.whole);
                } else if (plan.made) {
                    m.free(plan.host, plan.count, false);
                }
            } finally {
                pending.remove(new Pending(start, start + ((long) plan.count << g.clusterBits())));
                pendingDone.signalAll();
                m.lock.unlock();
            }
        }
    }

    /** What a cluster's part held, to memory that is zero. */
    private void fill(Plan plan, long position, long to, long length) throws IOException {
        if (!plan.zeros && length > 0) {
            readMapped(position, to, length);
        }
    }

    private void writeFill(Plan plan, long position, long host, long length) throws IOException {
        if (length == 0) {
            return;
        }
        if (plan.zeros && cipher == null) {
            dataFile.zero(host, length);
            return;
        }
        try (NativeBuffer b = NativeBuffer.confined(length)) {
            fill(plan, position, b.address(), length);
            writeData(host, b.address(), length);
        }
    }

    private void writeData(long host, long address, long length) throws IOException {
        if (cipher == null) {
            dataFile.write(host, address, length);
            return;
        }
        try (NativeBuffer b = NativeBuffer.confined(Math.min(length, MERGE))) {
            for (long at = 0; at < length; at += MERGE) {
                long n = Math.min(MERGE, length - at);
                cipher.encrypt(host + at >> 9, address + at, b.address(), n);
                dataFile.write(host + at, b.address(), n);
            }
        }
    }

    /**
     * Writes a cluster compressed, if it gets smaller so; else as it is.
     *
     * @param position a cluster's start
     * @param length a cluster's bytes, or those to the end of the disk
     */
    public void writeCompressed(long position, long hostAddress, long length) throws IOException {
        writable();
        BlockDevice.check(this, position, length);
        if ((position & g.cluster() - 1) != 0 || length != Math.min(g.cluster(), size - position)) {
            throw new IOException("bytes %d+%d are not a cluster".formatted(position, length));
        }
        byte[] packed = m.external() || cipher != null ? new byte[0] : compressed.pack(hostAddress, length);
        if (packed.length == 0) {
            write(position, hostAddress, length);
            return;
        }
        bitmaps.mark(position, length);
        each(position, length, (at, left) -> {
            Pending mine = new Pending(position, position + g.cluster());
            long entry = 0;
            m.lock.lock();
            try {
                while (isPending(mine.first, mine.last)) {
                    pendingDone.awaitUninterruptibly();
                }
                clusters.needNew(position, 1); // the table is there, and own
                entry = compressed.allocate(packed.length);
                pending.add(mine);
            } finally {
                m.lock.unlock();
            }
            boolean done = false;
            try {
                compressed.write(entry, packed);
                done = true;
            } finally {
                m.lock.lock();
                try {
                    if (done) {
                        clusters.linkCompressed(position, entry);
                    } else {
                        clusters.freeData(entry, false);
                    }
                } finally {
                    pending.remove(mine);
                    pendingDone.signalAll();
                    m.lock.unlock();
                }
            }
            return length;
        });
    }

    // ---- discarding and zeroing ----

    @Override
    public void discard(long position, long length) throws IOException {
        writable();
        BlockDevice.check(this, position, length);
        long from = g.up(position);
        long to = position + length == size ? g.up(size) : g.down(position + length);
        if (from < to) {
            // a backing file must not show through, and version 2 has nothing to cover it with
            boolean zero = backing != null;
            if (!zero || m.header.version == 3) {
                bitmaps.mark(position, length);
                clear(from, to - from, zero, true);
            }
        }
    }

    /** Gives up all that the disk has of its own: it reads as its backing file again, or as zeros. Snapshots keep what is theirs. */
    public void makeEmpty() throws IOException {
        writable();
        bitmaps.mark(0, size);
        clear(0, g.up(size), false, true);
    }

    private void clear(long from, long length, boolean zero, boolean mayFree) throws IOException {
        each(from, length, (at, left) -> {
            long n;
            m.lock.lock();
            try {
                long most = Math.min(left, (long) m.l2.leftInSlice(at) << g.clusterBits());
                while (isPending(at, at + most)) {
                    pendingDone.awaitUninterruptibly();
                }
                n = (long) clusters.clear(at, (int) (most >>> g.clusterBits()), zero, mayFree) << g.clusterBits();
            } finally {
                m.lock.unlock();
            }
            if (m.external()) {
                long end = Math.min(at + n, dataFile.size());
                if (end > at) {
                    if (mayFree) {
                        dataFile.punch(at, end - at);
                    } else {
                        dataFile.zero(at, end - at);
                    }
                }
            }
            return n;
        });
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        writable();
        BlockDevice.check(this, position, length);
        long end = position + length;
        long from = g.up(position);
        long to = end == size ? g.up(size) : g.down(end);
        bitmaps.mark(position, length);
        boolean marks = m.header.version == 3 || backing == null && mayFree;
        if (from >= to || !marks) {
            zeroPart(position, length);
            return;
        }
        zeroPart(position, from - position);
        clear(from, to - from, m.header.version == 3, mayFree);
        if (to < end) {
            zeroPart(to, end - to);
        }
    }

    /** Zeroes less than clusters, or where clusters can't be marked so: writes zeros where something else is read. */
    private void zeroPart(long position, long length) throws IOException {
        if (length <= 0) {
            return;
        }
        try (NativeBuffer zeros = NativeBuffer.confined(Math.min(length, 1 << 20))) {
            each(position, length, (at, left) -> {
                long marked = markSubclusters(at, left);
                if (marked > 0) {
                    if (rawData()) {
                        dataFile.zero(at, marked);
                    }
                    return marked;
                }
                Mapping map;
                m.lock.lock();
                try {
                    map = settled(at, left);
                } finally {
                    m.lock.unlock();
                }
                if (readsZero(map, at)) {
                    return map.length();
                }
                return writeSome(at, zeros.address(), Math.min(left, Math.min(1 << 20, map.length())));
            });
        }
    }

    /** Marks whole subclusters of one cluster as zeros, from a position on, where the cluster can have marks; returns how many bytes. */
    private long markSubclusters(long position, long length) throws IOException {
        long sub = 1L << g.granuleBits();
        long n = Math.min(length, g.down(position) + g.cluster() - position) & -sub;
        if (!g.extended() || (position & sub - 1) != 0 || n == 0) {
            return 0;
        }
        m.lock.lock();
        try {
            while (isPending(position, position + n)) {
                pendingDone.awaitUninterruptibly();
            }
            // only now: what was pending may have been a compressed write
            if (clusters.at(position, n).kind() == Mapping.Kind.COMPRESSED) {
                return 0;
            }
            clusters.zeroSubclusters(position, n);
            return n;
        } finally {
            m.lock.unlock();
        }
    }

    /** Whether the data file is a raw image of the disk: then it has to hold the zeros, too, that are marked as such. */
    private boolean rawData() {
        return m.external() && (m.header.autoclear & Header.RAW_DATA) != 0;
    }

    // ---- the whole ----

    @Override
    public void flush() throws IOException {
        if (!readOnly) {
            m.flush();
        }
    }

    @Override
    public void resize(long bytes) throws IOException {
        writable();
        if (bytes < 0 || bytes % SECTOR != 0) {
            throw new DiskException("a disk has a multiple of " + SECTOR + " bytes, and not " + bytes);
        }
        if (m.header.version == 2 && m.header.snapshotCount > 0) {
            throw new DiskException(
                    file.path() + " has snapshots, and version 2 of qcow2 can't note the size that they had");
        }
        long old = size;
        if (bytes < old) {
            long edge = Math.min(old, g.up(bytes));
            zeroPart(bytes, edge - bytes);
            if (edge < old) {
                clear(edge, g.up(old) - edge, false, true);
            }
        }
        Resize.run(m, bytes);
        if (rawData()) {
            dataFile.resize(bytes);
        }
        size = bytes;
        bitmaps.resize(bytes);
        if (bytes > old) {
            // what another writer left in the last cluster behind the end when it made the disk smaller, and what the
            // backing file has
            long below = backing == null ? 0 : Math.min(bytes, backing.size() + SECTOR - 1 & -SECTOR);
            zero(old, Math.max(below, Math.min(bytes, g.up(old))) - old, true);
        }
    }

    /** Its internal snapshots, in the order of the image. */
    public List<SnapshotInfo> snapshots() throws IOException {
        m.lock.lock();
        try {
            return new Snapshots(m).list();
        } finally {
            m.lock.unlock();
        }
    }

    /**
     * Makes an internal snapshot of what the disk is now. Requests wait meanwhile.
     *
     * @throws DiskException if the image can't have (more) snapshots
     */
    public void createSnapshot(String name) throws IOException {
        writable();
        new Snapshots(m).create(name);
    }

    /**
     * The disk becomes what it was when a snapshot was made, which stays.
     *
     * @param idOrName an ID, else a name, the first of those that have it
     * @throws DiskException if there is none, or it is of a disk of another size
     */
    public void applySnapshot(String idOrName) throws IOException {
        writable();
        new Snapshots(m).apply(idOrName);
        bitmaps.mark(0, size); // nobody knows what of it is other than before
    }

    /**
     * This disk, which is open for reading, shows what it was when a snapshot was made. Not while it is in use.
     *
     * @throws DiskException if there is none
     */
    public void showSnapshot(String idOrName) throws IOException {
        if (!readOnly) {
            throw new IllegalStateException("open for writing");
        }
        m.lock.lock();
        try {
            size = new Snapshots(m).show(idOrName) + SECTOR - 1 & -SECTOR;
        } finally {
            m.lock.unlock();
        }
    }

    /**
     * Deletes a snapshot; what it alone had becomes free.
     *
     * @throws DiskException if there is none
     */
    public void deleteSnapshot(String idOrName) throws IOException {
        writable();
        new Snapshots(m).delete(idOrName);
    }

    /** The bitmaps that the image keeps, as far as they tell something; writes are marked in those that are enabled. */
    public List<DirtyBitmap> bitmaps() {
        return bitmaps.list();
    }

    /** All bitmaps of the image. */
    public List<BitmapInfo> bitmapInfos() {
        return bitmaps.infos();
    }

    /**
     * The image is to keep a bitmap, from when it is closed on.
     *
     * @throws DiskException if it has one of that name, or is of version 2
     */
    public void addBitmap(DirtyBitmap bitmap) throws IOException {
        writable();
        bitmaps.add(bitmap);
    }

    /**
     * The image is to keep a bitmap no more.
     *
     * @throws DiskException if it has none of that name
     */
    public void removeBitmap(String name) throws IOException {
        writable();
        bitmaps.remove(name);
    }

    /** The backing file's name, as it stands in the image. */
    public Optional<String> backingName() {
        return Optional.ofNullable(m.header.backingFile);
    }

    /** The backing file's format, as it stands in the image. */
    public Optional<ImageFormat> backingFormat() throws IOException {
        return m.header.backingFormat();
    }

    /** What is to be seen of it from outside. */
    public Qcow2Info info() {
        return Qcow2Info.of(m);
    }

    /**
     * Writes another backing file into the header, and nothing else: what the disk reads as changes with it, when it is opened next.
     *
     * @param name as the image is to have it, or null for none
     * @param format its format, or null for none
     * @throws DiskException if the name is too long for the header
     */
    public void changeBacking(@Nullable String name, @Nullable ImageFormat format) throws IOException {
        if (readOnly) {
            writable();
        }
        if (name != null && rawData()) {
            throw new DiskException(
                    file.path() + " has a raw data file with all of the disk, and can't have a backing file");
        }
        m.alone(() -> {
            m.writeHeader(h -> {
                h.backingFile = name;
                h.backingFormat = format == null ? null : format.word();
            });
        });
    }

    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try (ImageFile f = keepFile ? null : file;
                ImageFile d = m.external() ? dataFile : null;
                BlockDevice b = backing;
                LuksVolume v = volume) {
            if (!readOnly && !forCheck) {
                bitmaps.store();
                m.finish();
            }
        }
    }
}
