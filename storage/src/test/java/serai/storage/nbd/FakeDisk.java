package serai.storage.nbd;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/** A disk in memory, which knows for each sector whether it is allocated; it can be made to fail and to wait. What is no range of it is a fault of
 * whoever asks. */
final class FakeDisk implements BlockDevice {
    static final int BLOCK = 512;

    private final NativeBuffer memory;
    private final long size;
    private final BitSet allocated = new BitSet();
    private final boolean readOnly;
    final AtomicInteger flushes = new AtomicInteger();
    final AtomicInteger inside = new AtomicInteger();
    final AtomicInteger mostInside = new AtomicInteger();
    volatile boolean failing;
    volatile boolean closed;
    /** Transfers wait for it. */
    volatile CountDownLatch gate = new CountDownLatch(0);

    FakeDisk(long size) {
        this(size, false);
    }

    FakeDisk(long size, boolean readOnly) {
        this.size = size;
        this.readOnly = readOnly;
        memory = new NativeBuffer(size);
    }

    /** What it holds. */
    MemorySegment bytes() {
        return memory.segment();
    }

    /** Fills a range with what depends on the position, from outside. */
    FakeDisk filled(long position, long length) {
        for (long i = position; i < position + length; i += 8) {
            bytes().set(java.lang.foreign.ValueLayout.JAVA_LONG, i, i * 0x9e3779b97f4a7c15L + 1);
        }
        mark(position, length, true);
        return this;
    }

    private synchronized void mark(long position, long length, boolean data) {
        allocated.set((int) (position / BLOCK), (int) ((position + length + BLOCK - 1) / BLOCK), data);
    }

    private void enter(long position, long length) throws IOException {
        try {
            BlockDevice.check(this, position, length);
        } catch (IOException e) {
            throw new AssertionError("nobody may ask a disk for that", e);
        }
        mostInside.accumulateAndGet(inside.incrementAndGet(), Math::max);
        try {
            gate.await();
        } catch (InterruptedException e) {
            throw new IOException(e);
        } finally {
            inside.decrementAndGet();
        }
        if (closed) {
            throw new IllegalStateException("used after it was closed");
        }
        if (failing) {
            throw new IOException("the disk at /secret/path fails");
        }
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        enter(position, length);
        MemorySegment.copy(bytes(), position, NativeBuffer.at(hostAddress, length), 0, length);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        enter(position, length);
        MemorySegment.copy(NativeBuffer.at(hostAddress, length), 0, bytes(), position, length);
        mark(position, length, true);
    }

    @Override
    public void flush() throws IOException {
        enter(0, 0);
        flushes.incrementAndGet();
    }

    @Override
    public void discard(long position, long length) throws IOException {
        zero(position, length, true);
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        enter(position, length);
        bytes().asSlice(position, length).fill((byte) 0);
        if (!mayFree) {
            mark(position, length, true);
        } else {
            long from = (position + BLOCK - 1) & -BLOCK;
            long to = (position + length) & -BLOCK;
            if (from < to) {
                mark(from, to - from, false);
            }
        }
    }

    @Override
    public synchronized Extent status(long position, long length) throws IOException {
        enter(0, 0);
        int block = (int) (position / BLOCK);
        boolean data = allocated.get(block);
        int end = data ? allocated.nextClearBit(block) : allocated.nextSetBit(block);
        long to = end < 0 ? size : (long) end * BLOCK;
        long n = Math.min(length, to - position);
        return data ? Extent.data(n, position) : Extent.zeros(n);
    }

    @Override
    public void close() {
        closed = true;
    }

    /** Gives its memory back, when nobody looks at it any more. */
    void free() {
        memory.close();
    }
}
