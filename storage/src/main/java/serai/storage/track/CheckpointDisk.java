package serai.storage.track;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/**
 * A disk as it was at a checkpoint, for reading, while the disk itself goes on changing: before a cluster of 64 KiB is changed for the
 * first time it is copied aside.
 *
 * <h2>Why a read needs no lock</h2>
 *
 * A cluster is marked as copied before the write that it was copied for begins. A read that finds it not copied reads it from the disk,
 * and looks again: if it is still not copied, no write had begun, and what was read is what was there at the checkpoint. Otherwise the
 * copy is read. Copies of one cluster exclude each other ({@link Claims}), and a write waits for the copy under way of what it overwrites.
 *
 * <p>A copy that fails, as its file system is full, is the checkpoint's loss and not the guest's: the write goes on, and the checkpoint
 * can't be read any more.
 */
public final class CheckpointDisk implements BlockDevice {
    private static final long CLUSTER = 1 << 16;
    /** Bytes copied at once, without others waiting for them in vain. */
    private static final long STEP = 1 << 18;

    private final BlockDevice disk;
    private final long size;
    private final CopyStore store;
    private final List<DirtyBitmap> bitmaps;
    private final Consumer<CheckpointDisk> forget;
    private final DirtyBitmap copied;
    private final Claims claims = new Claims();
    private final Queue<NativeBuffer> buffers = new ConcurrentLinkedQueue<>();
    private volatile @Nullable IOException lost;
    private final AtomicBoolean closed = new AtomicBoolean();
    /** Threads in here, and one more until it is closed: whose last goes frees all. */
    private final AtomicInteger users = new AtomicInteger(1);

    CheckpointDisk(BlockDevice disk, CopyStore store, List<DirtyBitmap> bitmaps, Consumer<CheckpointDisk> forget) {
        this.disk = disk;
        this.store = store;
        this.bitmaps = List.copyOf(bitmaps);
        this.forget = forget;
        size = disk.size();
        copied = new DirtyBitmap("copied", size, Math.max(CLUSTER, Long.highestOneBit(size >>> 30)));
    }

    /** The bitmaps that it is exported with. */
    public List<DirtyBitmap> bitmaps() {
        return bitmaps;
    }

    /** The bitmap of that name. */
    public Optional<DirtyBitmap> bitmap(String name) {
        return bitmaps.stream().filter(b -> b.name().equals(name)).findFirst();
    }

    /** Bytes that its copies have allocated. */
    public long allocated() throws IOException {
        use();
        try {
            return store.allocated();
        } finally {
            leave();
        }
    }

    // ---- copying ----

    /** Copies what of a range has not been copied; the caller changes it afterwards. */
    void beforeChange(long position, long length) {
        long end = Math.min(size, position + length);
        if (position >= end || lost != null || !enter()) {
            return;
        }
        try {
            long granularity = copied.granularity();
            long to = Math.min(size, (end - 1 | granularity - 1) + 1);
            long at = copied.nextClean(position & -granularity);
            while (at < to) {
                copy(at, Math.min(to, copied.nextDirty(at)));
                at = copied.nextClean(at);
            }
        } catch (IOException | OutOfMemoryError e) {
            lose(e);
        } finally {
            leave();
        }
    }

    private void lose(Throwable cause) {
        lost = new DiskException(
                "the checkpoint is lost, as a block could not be copied: " + cause.getMessage(), cause);
        System.getLogger("serai.disk").log(System.Logger.Level.WARNING, lost.getMessage());
    }

    /** Copies clusters from {@code from} on, and not past {@code to}: as many as are done in one step, unless another has done it. */
    private void copy(long from, long to) throws IOException {
        try (Claims.Claim _ = claims.take(from, to)) {
            if (copied.dirty(from)) {
                return;
            }
            long end = Math.min(to, copied.nextDirty(from));
            long granularity = copied.granularity();
            // not copied and claimed: nobody changes it, so what it is stays so
            Extent extent = disk.status(from, end - from);
            long until = from + extent.length();
            if (extent.zero()) {
                long whole = until >= end ? end : until & -granularity;
                if (whole > from) {
                    copied.set(from, whole - from); // the store reads as zeros where nothing was written
                    return;
                }
            }
            long n = Math.min(Math.min(end, (until - 1 | granularity - 1) + 1) - from, Math.max(STEP, granularity));
            NativeBuffer buffer = buffers.poll();
            if (buffer == null) {
                buffer = new NativeBuffer(Math.max(STEP, granularity));
            }
            try {
                disk.read(from, buffer.address(), n);
                store.write(from, buffer.address(), n);
            } finally {
                buffers.add(buffer);
            }
            copied.set(from, n);
        }
    }

    // ---- the disk as it was ----

    @Override
    public long size() {
        return size;
    }

    @Override
    public boolean readOnly() {
        return true;
    }

    /** @throws IOException also if the checkpoint is lost or closed */
    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        use();
        try {
            long end = position + length;
            for (long at = position; at < end; ) {
                long n;
                if (copied.dirty(at)) {
                    n = Math.min(end, copied.nextClean(at)) - at;
                    store.read(at, hostAddress + (at - position), n);
                } else {
                    n = Math.min(end, copied.nextDirty(at)) - at;
                    try {
                        disk.read(at, hostAddress + (at - position), n);
                    } catch (IOException e) {
                        if (copied.nextDirty(at) >= at + n) {
                            throw e;
                        } // it was copied, and then cut off from the disk
                    }
                    n = Math.min(at + n, copied.nextDirty(at)) - at;
                }
                at += n;
            }
            checkLost();
        } finally {
            leave();
        }
    }

    @Override
    public Extent status(long position, long length) throws IOException {
        use();
        try {
            while (true) {
                checkLost();
                long n = Math.min(length, size - position);
                if (copied.dirty(position)) {
                    return store.status(position, Math.min(n, copied.nextClean(position) - position));
                }
                n = Math.min(n, copied.nextDirty(position) - position);
                Extent e;
                try {
                    e = disk.status(position, n);
                } catch (IOException x) {
                    if (copied.dirty(position)) {
                        continue;
                    }
                    throw x;
                }
                n = Math.min(e.length(), copied.nextDirty(position) - position);
                if (n > 0) {
                    checkLost();
                    return new Extent(n, e.zero(), e.data(), false, e.depth(), Extent.NOWHERE);
                }
            }
        } finally {
            leave();
        }
    }

    private void checkLost() throws IOException {
        IOException e = lost;
        if (e != null) {
            throw new DiskException(String.valueOf(e.getMessage()), e);
        }
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        throw new IOException("a checkpoint is for reading");
    }

    @Override
    public void flush() {}

    @Override
    public void discard(long position, long length) throws IOException {
        throw new IOException("a checkpoint is for reading");
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        throw new IOException("a checkpoint is for reading");
    }

    // ---- its end ----

    private boolean enter() {
        return users.updateAndGet(n -> n == 0 ? 0 : n + 1) != 0;
    }

    private void use() throws IOException {
        if (!enter()) {
            throw new IOException("the checkpoint is closed");
        }
    }

    private void leave() {
        if (users.decrementAndGet() == 0) {
            store.close();
            buffers.forEach(NativeBuffer::close);
            buffers.clear();
        }
    }

    /** Ends it; what reads it under way ends first. Does nothing the second time. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            forget.accept(this);
            leave();
        }
    }
}
