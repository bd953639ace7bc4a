package serai.machine.virtio;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import serai.machine.bus.MsiSink;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskRequests;
import serai.machine.disk.GuestBuffers;
import serai.machine.disk.IoExecutor;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.PciFunction;

/**
 * The block device: virtio 1.2, 5.2.
 *
 * <pre>
 * request, readable:  0 type (4) | 4 reserved (4) | 8 sector (8) | data of a write
 * request, writable:  data of a read | status (1): 0 done, 1 failed, 2 not supported
 * </pre>
 *
 * A request's work runs off the vCPU's thread, straight between disk and guest memory; a reset waits for what runs and drops what has not
 * begun. A chain comes back before it may be offered again, so there are never more requests than the queue has entries. The state holds the heads of requests under way; a
 * machine restored from it does them again, which reads, writes and flushes allow.
 */
public final class VirtioBlk extends VirtioDevice {
    private static final int IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8;
    private static final byte OK = 0, FAILED = 1, UNSUPPORTED = 2;
    private static final long F_SEG_MAX = 1 << 2, F_RO = 1 << 5, F_BLK_SIZE = 1 << 6, F_FLUSH = 1 << 9;
    private static final int SECTOR = 512, SEG_MAX = 126, HEADER = 16, ID_BYTES = 20;
    /** Bytes of one request at most. */
    private static final long MAX_BYTES = 64 << 20;

    private final Disk disk;
    /** Requests under way, by head. */
    private final DiskRequests<Integer> underWay;

    private VirtioBlk(Disk disk, IoExecutor io) {
        super(2, 0x010000, 1);
        this.disk = disk;
        underWay = new DiskRequests<>(io, () -> true);
    }

    /** The device on PCI. */
    public static PciFunction<VirtioState> create(
            String name, Disk disk, IoExecutor io, GuestMemory memory, MsiSink sink) {
        return new VirtioPci(name, new VirtioBlk(disk, io), memory, sink);
    }

    @Override
    long features() {
        return F_SEG_MAX | F_BLK_SIZE | F_FLUSH | (disk.readOnly() ? F_RO : 0);
    }

    /** Configuration (5.2.4): 0 capacity in sectors, 12 seg_max, 20 blk_size. */
    @Override
    int configByte(int offset) {
        if (offset < 8) {
            return (int) (disk.sectors() >>> offset * 8) & 0xff;
        }
        if (offset >= 12 && offset < 16) {
            return SEG_MAX >>> (offset - 12) * 8 & 0xff;
        }
        return offset >= 20 && offset < 24 ? SECTOR >>> (offset - 20) * 8 & 0xff : 0;
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        for (int i = 0; i < Virtqueue.MAX_SIZE; i++) {
            Chain c = q.pop();
            if (c == null) {
                break;
            }
            start(c, 0);
        }
        transport.usedBuffers(q);
    }

    private void start(Chain c, long due) throws Virtqueue.Malformed {
        if (underWay.contains(c.head())) {
            throw new Virtqueue.Malformed("descriptor " + c.head() + " offered again while its request is under way");
        }
        if (c.readableBytes() < HEADER || c.writableBytes() < 1) {
            throw new Virtqueue.Malformed("a block request without header or status");
        }
        byte[] header = c.read(memory, HEADER);
        int type = (int) le(header, 0, 4);
        long sector = le(header, 8, 8);
        switch (type) {
            case IN -> transfer(c, sector, Chain.slice(c.writable(), 0, c.writableBytes() - 1), true, due);
            case OUT -> transfer(c, sector, Chain.slice(c.readable(), HEADER, c.readableBytes() - HEADER), false, due);
            case FLUSH -> submit(c, disk::flush, new GuestBuffers(memory, false), due);
            case GET_ID -> {
                byte[] id = Arrays.copyOf(disk.id().getBytes(StandardCharsets.US_ASCII), ID_BYTES);
                int room = (int) Math.min(ID_BYTES, c.writableBytes() - 1);
                finish(c, OK, c.write(memory, 0, Arrays.copyOf(id, room)));
            }
            default -> finish(c, UNSUPPORTED, 0);
        }
    }

    private static long le(byte[] b, int at, int size) {
        long v = 0;
        for (int i = size - 1; i >= 0; i--) {
            v = v << 8 | b[at + i] & 0xff;
        }
        return v;
    }

    private void transfer(Chain c, long sector, List<Chain.Buffer> data, boolean read, long due) {
        long bytes = data.stream().mapToLong(Chain.Buffer::length).sum();
        if (bytes % SECTOR != 0
                || bytes > MAX_BYTES
                || sector < 0
                || sector > disk.sectors() - bytes / SECTOR
                || !read && disk.readOnly()) {
            finish(c, FAILED, 0);
            return;
        }
        GuestBuffers buffers = new GuestBuffers(memory, read);
        data.forEach(b -> buffers.add(b.address(), b.length()));
        submit(c, () -> buffers.transfer(disk, sector * SECTOR), buffers, due);
    }

    private void submit(Chain c, DiskRequests.Work work, GuestBuffers buffers, long due) {
        underWay.submit(
                c.head(),
                work,
                failure -> {
                    try {
                        complete(c, failure, buffers);
                    } catch (GuestAddressException e) {
                        transport.broken(String.valueOf(e.getMessage()));
                    }
                },
                due);
    }

    private void complete(Chain c, @Nullable IOException failure, GuestBuffers buffers) {
        int filled = (int) buffers.done();
        if (failure != null) {
            System.getLogger("serai.virtio")
                    .log(System.Logger.Level.WARNING, "disk {0}: {1}", disk.id(), failure.getMessage());
        }
        finish(c, failure == null ? OK : FAILED, filled);
        transport.usedBuffers(queue[0]);
    }

    private void finish(Chain c, byte status, int written) {
        c.write(memory, c.writableBytes() - 1, new byte[] {status});
        queue[0].push(c.head(), written + 1);
    }

    @Override
    void reset() {
        underWay.abandon(head -> true);
    }

    @Override
    long[] saveWork() {
        LongStream.Builder w = LongStream.builder();
        underWay.forEach((head, due) -> w.add(head).add(due));
        return w.build().toArray();
    }

    @Override
    void restoreWork(long[] work) throws Virtqueue.Malformed {
        for (int i = 0; i + 1 < work.length; i += 2) {
            start(queue[0].chain((int) work[i] & 0xffff), work[i + 1]);
        }
    }
}
