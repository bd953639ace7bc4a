package serai.storage.track;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;

/**
 * A layer that marks what changes in bitmaps, and keeps what open checkpoints need before it changes.
 *
 * <h2>Boundaries</h2>
 *
 * What changes the disk (a write, zeroes, a discard) holds a lock shared from before its mark until it is over. A <em>boundary</em> is a
 * moment at which one thread has that lock alone, of all disks that it names: each write is then either over, its marks in the bitmaps
 * as they were, or has not begun, and will mark in the bitmaps as they are afterwards. None is in between, so none is in neither, and no
 * block is half written when a checkpoint begins to see it. Bitmaps are added, cleared, exchanged and removed only there.
 *
 * <p>That makes it all one whether a write is marked before or after it is done, as far as the bitmaps are read at boundaries. It is
 * marked before: a mark that fails, as memory is out, then refuses the write; and a write that fails is marked, too, as it may have changed a part.
 * A crash loses the bitmaps with the marks; those that an image keeps are marked as in use in it, and count for nothing after a crash.
 *
 * <p>A boundary waits for the slowest write that is under way, and all other writes of its disks wait with it. So it waits for half a
 * second at most at once, lets all go on, and tries again; after ten seconds it is given up.
 */
public final class TrackedDisk implements BlockDevice {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Duration HOLD = Duration.ofMillis(500);
    private static final AtomicLong SERIALS = new AtomicLong();

    /** What is done at a boundary; it should be quick. */
    @FunctionalInterface
    public interface Moment<T> {
        /** Does it. */
        T get() throws IOException;
    }

    private final BlockDevice disk;
    /** Boundaries lock disks in this order. */
    private final long serial = SERIALS.getAndIncrement();

    private final ReentrantReadWriteLock changes = new ReentrantReadWriteLock();
    private final Object lists = new Object();
    private volatile List<DirtyBitmap> bitmaps = List.of();
    private volatile List<CheckpointDisk> checkpoints = List.of();

    /** Over another disk, which is closed with it; with no bitmap. */
    public TrackedDisk(BlockDevice disk) {
        this.disk = disk;
    }

    /**
     * Does something while no write is under way on any of some disks. What it throws leaves the disks as it made them.
     *
     * @throws DiskException if a write was under way for ten seconds; nothing was done then
     */
    public static <T> T atBoundary(Collection<TrackedDisk> disks, Moment<T> moment) throws IOException {
        return atBoundary(disks, PATIENCE, moment);
    }

    static <T> T atBoundary(Collection<TrackedDisk> disks, Duration patience, Moment<T> moment) throws IOException {
        List<TrackedDisk> ordered = disks.stream()
                .distinct()
                .sorted(Comparator.comparingLong(d -> d.serial))
                .toList();
        long end = System.nanoTime() + patience.toNanos();
        while (true) {
            List<TrackedDisk> locked = new ArrayList<>();
            try {
                if (lockAll(ordered, locked, Math.min(end, System.nanoTime() + HOLD.toNanos()))) {
                    return moment.get();
                }
            } finally {
                locked.forEach(d -> d.changes.writeLock().unlock());
            }
            if (System.nanoTime() >= end) {
                throw new DiskException("a write to the disk has been under way for " + patience.toSeconds()
                        + " seconds, so there is no moment without one");
            }
        }
    }

    private static boolean lockAll(List<TrackedDisk> disks, List<TrackedDisk> locked, long until) throws IOException {
        try {
            for (TrackedDisk d : disks) {
                if (!d.changes.writeLock().tryLock(until - System.nanoTime(), TimeUnit.NANOSECONDS)) {
                    return false;
                }
                locked.add(d);
            }
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while writes were waited for", e);
        }
    }

    /** Its bitmaps, in the order they were added. */
    public List<DirtyBitmap> bitmaps() {
        return bitmaps;
    }

    /** The bitmap of that name. */
    public Optional<DirtyBitmap> bitmap(String name) {
        return bitmaps.stream().filter(b -> b.name().equals(name)).findFirst();
    }

    /**
     * Adds a bitmap, at a boundary.
     *
     * @throws DiskException if there is one of that name, or it is for a disk of another size
     */
    public void add(DirtyBitmap bitmap) throws IOException {
        atBoundary(List.of(this), () -> {
            if (bitmap(bitmap.name()).isPresent()) {
                throw new DiskException("the disk has a bitmap '" + bitmap.name() + "' already");
            }
            if (bitmap.size() != size()) {
                throw new DiskException(
                        "%s is for a disk of %d bytes, and this one has %d".formatted(bitmap, bitmap.size(), size()));
            }
            synchronized (lists) {
                List<DirtyBitmap> all = new ArrayList<>(bitmaps);
                all.add(bitmap);
                bitmaps = List.copyOf(all);
            }
            return bitmap;
        });
    }

    /**
     * Takes a bitmap off, at a boundary; it has all writes that were begun before.
     *
     * @throws DiskException if there is none of that name
     */
    public DirtyBitmap remove(String name) throws IOException {
        return atBoundary(List.of(this), () -> {
            DirtyBitmap gone = existing(name);
            synchronized (lists) {
                bitmaps = bitmaps.stream().filter(b -> b != gone).toList();
            }
            return gone;
        });
    }

    /**
     * Exchanges a bitmap, at a boundary, for a clean one of the same name, granularity and state. The old one changes no more: it has
     * the writes before the boundary, and the new one those after it. If what the old one is for goes wrong, it can be merged into the
     * new one.
     *
     * @return the old one
     * @throws DiskException if there is none of that name
     */
    public DirtyBitmap rotate(String name) throws IOException {
        return atBoundary(List.of(this), () -> {
            DirtyBitmap old = existing(name);
            DirtyBitmap fresh = new DirtyBitmap(name, old.size(), old.granularity());
            if (!old.enabled()) {
                fresh.disable();
            }
            synchronized (lists) {
                bitmaps = bitmaps.stream().map(b -> b == old ? fresh : b).toList();
            }
            old.disable();
            return old;
        });
    }

    private DirtyBitmap existing(String name) throws DiskException {
        return bitmap(name).orElseThrow(() -> new DiskException("the disk has no bitmap '" + name + "'"));
    }

    /**
     * Begins to keep what the disk holds now, at a boundary.
     *
     * @param directory for the file that old blocks are copied to; it has no name there, and is at most as long as the disk
     * @param bitmaps what the checkpoint is exported with; they should change no more
     * @return the disk as it is now, for reading; to be closed
     * @throws DiskException if there can be no file in the directory
     */
    public CheckpointDisk checkpoint(Path directory, List<DirtyBitmap> bitmaps) throws IOException {
        CopyStore store = CopyStore.in(directory);
        try {
            return atBoundary(List.of(this), () -> checkpoint(store, bitmaps));
        } catch (IOException e) {
            store.close();
            throw e;
        }
    }

    /**
     * The same, for who is at a boundary and has a store: making that may wait for a file system.
     *
     * @param store is closed with the result
     */
    public CheckpointDisk checkpoint(CopyStore store, List<DirtyBitmap> bitmaps) {
        CheckpointDisk c = new CheckpointDisk(disk, store, bitmaps, this::forget);
        synchronized (lists) {
            List<CheckpointDisk> all = new ArrayList<>(checkpoints);
            all.add(c);
            checkpoints = List.copyOf(all);
        }
        return c;
    }

    private void forget(CheckpointDisk gone) {
        synchronized (lists) {
            checkpoints = checkpoints.stream().filter(c -> c != gone).toList();
        }
    }

    /** With the lock shared, or alone. */
    private void changing(long position, long length) {
        for (DirtyBitmap b : bitmaps) {
            b.record(position, length);
        }
        for (CheckpointDisk c : checkpoints) {
            c.beforeChange(position, length);
        }
    }

    @Override
    public long size() {
        return disk.size();
    }

    @Override
    public boolean readOnly() {
        return disk.readOnly();
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        disk.read(position, hostAddress, length);
    }

    @Override
    public boolean readNow(long position, long hostAddress, long length) throws IOException {
        return disk.readNow(position, hostAddress, length);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        changes.readLock().lock();
        try {
            BlockDevice.check(disk, position, length);
            changing(position, length);
            disk.write(position, hostAddress, length);
        } finally {
            changes.readLock().unlock();
        }
    }

    @Override
    public void flush() throws IOException {
        disk.flush();
    }

    @Override
    public void discard(long position, long length) throws IOException {
        changes.readLock().lock();
        try {
            BlockDevice.check(disk, position, length);
            changing(position, length);
            disk.discard(position, length);
        } finally {
            changes.readLock().unlock();
        }
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        changes.readLock().lock();
        try {
            BlockDevice.check(disk, position, length);
            changing(position, length);
            disk.zero(position, length, mayFree);
        } finally {
            changes.readLock().unlock();
        }
    }

    @Override
    public Extent status(long position, long length) throws IOException {
        return disk.status(position, length);
    }

    /**
     * Changes the size, at a boundary. What is added is marked: a copy that was made before the disk was cut off there has other bytes.
     */
    @Override
    public void resize(long bytes) throws IOException {
        atBoundary(List.of(this), () -> {
            long old = size();
            for (DirtyBitmap b : bitmaps) {
                b.checkFits(bytes);
            }
            if (bytes < old) {
                for (CheckpointDisk c : checkpoints) {
                    c.beforeChange(bytes, old - bytes);
                }
            }
            disk.resize(bytes);
            for (DirtyBitmap b : bitmaps) {
                b.resize(bytes);
                b.record(Math.min(old, bytes), Math.max(0, bytes - old));
            }
            return bytes;
        });
    }

    @Override
    public void close() throws IOException {
        checkpoints.forEach(CheckpointDisk::close);
        disk.close();
    }
}
