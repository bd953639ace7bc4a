package serai.machine.virtio;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import serai.machine.bus.MsiSink;
import serai.machine.disk.Demand;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskRequests;
import serai.machine.disk.GuestBuffers;
import serai.machine.disk.IoExecutor;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;

/**
 * The block device: virtio 1.2, 5.2.
 *
 * <pre>
 * request, readable:  0 type (4) | 4 reserved (4) | 8 sector (8) | data of a write, or ranges
 * request, writable:  data of a read | status (1): 0 done, 1 failed, 2 not supported
 * range:              0 sector (8) | 8 sectors (4) | 12 flags (4): 1 unmap
 * </pre>
 *
 * A request's work runs off the vCPU's thread, straight between disk and guest memory; a reset waits for what runs and drops what has not
 * begun. A chain comes back before it may be offered again, so there are never more requests than the queues have entries. The state holds the requests under way; a
 * machine restored from it does them again, which all kinds of them allow.
 */
public final class VirtioBlk extends VirtioDevice {
    /** Queues of one device at most. */
    public static final int MAX_QUEUES = 16;

    private static final int IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13;
    private static final byte OK = 0, FAILED = 1, UNSUPPORTED = 2;
    private static final long F_SEG_MAX = 1 << 2, F_RO = 1 << 5, F_BLK_SIZE = 1 << 6, F_FLUSH = 1 << 9, F_MQ = 1 << 12;
    private static final long F_DISCARD = 1 << 13, F_WRITE_ZEROES = 1 << 14;
    private static final int SECTOR = 512, SEG_MAX = 126, HEADER = 16, ID_BYTES = 20;
    /** Bytes of one request at most. */
    private static final long MAX_BYTES = 64 << 20;

    private static final int CONFIG_BYTES = 60, RANGE = 16, MAX_RANGES = 64, UNMAP = 1;
    /** Sectors of one range at most: 2 GiB. */
    private static final int MAX_RANGE = 1 << 22;

    /** A request under way; known by its queue and its chain's id. */
    private record Request(int queue, Chain chain) {
        @Override
        public boolean equals(@Nullable Object o) {
            return o instanceof Request r && r.queue == queue && r.chain.id() == chain.id();
        }

        @Override
        public int hashCode() {
            return queue << 16 | chain.id();
        }
    }

    private final Disk disk;
    private final DiskRequests<Request> underWay;

    private VirtioBlk(Disk disk, IoExecutor io, int queues) {
        super(2, 0x010000, queues);
        this.disk = disk;
        underWay = new DiskRequests<>(io, disk.gate(), () -> transport.mayAccessMemory());
    }

    /**
     * The device on PCI.
     *
     * @param queues 1 to {@value #MAX_QUEUES}; drivers use one for each vCPU
     */
    public static VirtioPci create(
            String name, Disk disk, IoExecutor io, int queues, GuestMemory memory, MsiSink sink) {
        if (queues < 1 || queues > MAX_QUEUES) {
            throw new IllegalArgumentException(queues + " queues");
        }
        return new VirtioPci(name, new VirtioBlk(disk, io, queues), memory, sink);
    }

    @Override
    long features() {
        return F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_MQ | (disk.readOnly() ? F_RO : F_DISCARD | F_WRITE_ZEROES);
    }

    /**
     * 5.2.4: 0 capacity in sectors (8), 12 seg_max (4), 20 blk_size (4), 34 num_queues (2), 36 max_discard_sectors (4), 40 max_discard_seg
     * (4), 44 discard_sector_alignment (4), 48 max_write_zeroes_sectors (4), 52 max_write_zeroes_seg (4), 56 write_zeroes_may_unmap (1).
     */
    @Override
    int configByte(int offset) {
        if (offset >= CONFIG_BYTES) {
            return 0;
        }
        ByteBuffer b = ByteBuffer.allocate(CONFIG_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        b.putLong(0, disk.sectors()).putInt(12, SEG_MAX).putInt(20, SECTOR).putShort(34, (short) queues());
        if (!disk.readOnly()) {
            b.putInt(36, MAX_RANGE).putInt(40, MAX_RANGES).putInt(44, 1);
            b.putInt(48, MAX_RANGE).putInt(52, MAX_RANGES).put(56, (byte) 1);
        }
        return b.get(offset) & 0xff;
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        drain(q, c -> start(new Request(q.index, c), 0));
    }

    private void start(Request r, long due) throws Virtqueue.Malformed {
        Chain c = r.chain;
        if (underWay.contains(r)) {
            throw new Virtqueue.Malformed("descriptor " + c.id() + " offered again while its request is under way");
        }
        if (c.readableBytes() < HEADER || c.writableBytes() < 1) {
            throw new Virtqueue.Malformed("a block request without header or status");
        }
        ByteBuffer header = ByteBuffer.wrap(c.read(memory, HEADER)).order(ByteOrder.LITTLE_ENDIAN);
        int type = header.getInt(0);
        long sector = header.getLong(8);
        switch (type) {
            case IN -> transfer(r, sector, Chain.slice(c.writable(), 0, c.writableBytes() - 1), true, due);
            case OUT -> transfer(r, sector, Chain.slice(c.readable(), HEADER, c.readableBytes() - HEADER), false, due);
            case FLUSH -> submit(r, Demand.Kind.FLUSH, 0, disk::flush, none(), due);
            case DISCARD, WRITE_ZEROES -> ranges(r, type, due);
            case GET_ID -> {
                byte[] id = Arrays.copyOf(disk.id().getBytes(StandardCharsets.US_ASCII), ID_BYTES);
                int room = (int) Math.min(ID_BYTES, c.writableBytes() - 1);
                finish(r, OK, c.write(memory, 0, Arrays.copyOf(id, room)));
            }
            default -> finish(r, UNSUPPORTED, 0);
        }
    }

    private GuestBuffers none() {
        return new GuestBuffers(memory, false);
    }

    private boolean inside(long sector, long sectors) {
        return sector >= 0 && sector <= disk.sectors() - sectors;
    }

    private void transfer(Request r, long sector, List<Chain.Buffer> data, boolean read, long due) {
        long bytes = data.stream().mapToLong(Chain.Buffer::length).sum();
        if (bytes % SECTOR != 0 || bytes > MAX_BYTES || !inside(sector, bytes / SECTOR) || !read && disk.readOnly()) {
            finish(r, FAILED, 0);
            return;
        }
        GuestBuffers buffers = new GuestBuffers(memory, read);
        data.forEach(b -> buffers.add(b.address(), b.length()));
        DiskRequests.Work work =
                read ? buffers.filling(disk, sector * SECTOR) : () -> buffers.transfer(disk, sector * SECTOR);
        submit(r, read ? Demand.Kind.READ : Demand.Kind.WRITE, bytes, work, buffers, due);
    }

    /** Discards or zeroes ranges: 5.2.6. */
    private void ranges(Request r, int type, long due) {
        long bytes = r.chain.readableBytes() - HEADER;
        if (bytes == 0 || bytes % RANGE != 0 || bytes > MAX_RANGES * RANGE || disk.readOnly()) {
            finish(r, disk.readOnly() ? FAILED : UNSUPPORTED, 0);
            return;
        }
        ByteBuffer b =
                ByteBuffer.wrap(r.chain.read(memory, HEADER + (int) bytes)).order(ByteOrder.LITTLE_ENDIAN);
        long zeroed = 0;
        for (int at = HEADER; at < b.capacity(); at += RANGE) {
            long sectors = b.getInt(at + 8) & 0xffffffffL;
            zeroed += type == DISCARD ? 0 : sectors * SECTOR;
            int flags = b.getInt(at + 12);
            if ((flags & ~UNMAP) != 0 || type == DISCARD && flags != 0) {
                finish(r, UNSUPPORTED, 0);
                return;
            }
            if (sectors > MAX_RANGE || !inside(b.getLong(at), sectors)) {
                finish(r, FAILED, 0);
                return;
            }
        }
        submit(r, type == DISCARD ? Demand.Kind.DISCARD : Demand.Kind.ZERO, zeroed, () -> clear(type, b), none(), due);
    }

    private void clear(int type, ByteBuffer b) throws IOException {
        for (int at = HEADER; at < b.capacity(); at += RANGE) {
            long offset = b.getLong(at) * SECTOR;
            long length = (b.getInt(at + 8) & 0xffffffffL) * SECTOR;
            if (type == DISCARD) {
                disk.discard(offset, length);
            } else {
                disk.zero(offset, length, (b.getInt(at + 12) & UNMAP) != 0);
            }
        }
    }

    private void submit(
            Request r, Demand.Kind kind, long bytes, DiskRequests.Work work, GuestBuffers buffers, long due) {
        underWay.submit(
                r,
                new Demand(kind, r.queue, bytes),
                work,
                failure -> {
                    try {
                        complete(r, failure, buffers);
                    } catch (GuestAddressException e) {
                        transport.broken(String.valueOf(e.getMessage()));
                    }
                },
                due);
    }

    private void complete(Request r, @Nullable IOException failure, GuestBuffers buffers) {
        int filled = (int) buffers.done();
        if (failure != null) {
            System.getLogger("serai.virtio")
                    .log(System.Logger.Level.WARNING, "disk {0}: {1}", disk.id(), failure.getMessage());
        }
        finish(r, failure == null ? OK : FAILED, filled);
        transport.usedBuffers(queue[r.queue]);
    }

    private void finish(Request r, byte status, int written) {
        r.chain.write(memory, r.chain.writableBytes() - 1, new byte[] {status});
        queue[r.queue].push(r.chain, written + 1);
    }

    @Override
    void reset() {
        underWay.abandon(r -> true);
    }

    @Override
    void reset(Virtqueue q) {
        underWay.abandon(r -> r.queue == q.index);
    }

    @Override
    void resume() {
        underWay.resume();
    }

    @Override
    long[] saveWork() {
        LongStream.Builder w = LongStream.builder();
        underWay.forEach((r, due) -> {
            w.add(r.queue).add(due);
            r.chain.save(w);
        });
        return w.build().toArray();
    }

    @Override
    void restoreWork(long[] work) throws Virtqueue.Malformed {
        PrimitiveIterator.OfLong from = Arrays.stream(work).iterator();
        while (from.hasNext()) {
            long q = from.nextLong();
            if (q < 0 || q >= queues() || !from.hasNext()) {
                throw new IllegalArgumentException("a request of queue " + q);
            }
            long due = DiskRequests.restored(from.nextLong());
            start(new Request((int) q, Chain.restore(from)), due);
        }
    }
}
