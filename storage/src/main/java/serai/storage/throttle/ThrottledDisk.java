package serai.storage.throttle;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import serai.storage.BlockDevice;
import serai.storage.Extent;

/**
 * A layer whose requests begin when a {@link Throttle} lets them; the thread waits. Zeroes count as writes of their length, discards as
 * writes of none, as in QEMU; flushes don't count.
 */
public final class ThrottledDisk implements BlockDevice {
    private final BlockDevice disk;
    private final Throttle.Flow flow;

    /** Over another disk, which is closed with it; the throttle may be that of others, too. */
    public ThrottledDisk(BlockDevice disk, Throttle throttle) {
        this.disk = disk;
        flow = throttle.flow();
    }

    private void await(Throttle.Direction direction, long bytes) throws IOException {
        CountDownLatch begun = new CountDownLatch(1);
        Runnable withdraw = flow.admit(direction, bytes, begun::countDown);
        try {
            begun.await();
        } catch (InterruptedException e) {
            withdraw.run();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while a limit of the disk was waited for", e);
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
        await(Throttle.Direction.READ, length);
        disk.read(position, hostAddress, length);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        await(Throttle.Direction.WRITE, length);
        disk.write(position, hostAddress, length);
    }

    @Override
    public void flush() throws IOException {
        disk.flush();
    }

    @Override
    public void discard(long position, long length) throws IOException {
        await(Throttle.Direction.WRITE, 0);
        disk.discard(position, length);
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        await(Throttle.Direction.WRITE, length);
        disk.zero(position, length, mayFree);
    }

    @Override
    public Extent status(long position, long length) throws IOException {
        return disk.status(position, length);
    }

    @Override
    public void resize(long size) throws IOException {
        disk.resize(size);
    }

    @Override
    public void close() throws IOException {
        disk.close();
    }
}
