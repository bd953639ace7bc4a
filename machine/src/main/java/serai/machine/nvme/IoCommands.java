package serai.machine.nvme;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import serai.machine.disk.Demand;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskRequests;
import serai.machine.disk.GuestBuffers;
import serai.machine.memory.GuestMemory;

/** The NVM command set: NVMe 1.4, 6. Each command is checked here, with the machine lock, and done by the device's executor. */
final class IoCommands {
    private static final int FLUSH = 0, WRITE = 1, READ = 2, WRITE_ZEROES = 8, DATASET_MANAGEMENT = 9;
    private static final int EVERY_NAMESPACE = -1;
    private static final int FORCE_UNIT_ACCESS = 1 << 30, DEALLOCATE = 1 << 25;
    private static final int ATTRIBUTE_DEALLOCATE = 1 << 2;
    private static final int RANGE = 16;

    private final GuestMemory memory;
    private final Disk disk;
    private final AdminCommands admin;
    /** For the health log, in the order of {@link NvmeState#counters}: units of 512 bytes and commands. */
    final long[] counters = new long[4];

    /** Begins the work of a command. */
    @FunctionalInterface
    interface Start {
        /**
         * Begins it.
         *
         * @param bytes as {@link Demand} has them
         * @param buffers filled or taken by it
         * @param failed the status if it fails
         */
        void start(Demand.Kind kind, long bytes, DiskRequests.Work work, GuestBuffers buffers, int failed);
    }

    IoCommands(GuestMemory memory, Disk disk, AdminCommands admin) {
        this.memory = memory;
        this.disk = disk;
        this.admin = admin;
    }

    /** Does a command, or refuses it. */
    void execute(Command c, Start start) throws Status.Failure {
        if (c.flags() != 0) {
            throw new Status.Failure(Status.INVALID_FIELD);
        }
        int opcode = c.opcode();
        boolean known =
                switch (opcode) {
                    case FLUSH, WRITE, READ, WRITE_ZEROES, DATASET_MANAGEMENT -> true;
                    default -> false;
                };
        if (!known) {
            throw new Status.Failure(Status.INVALID_OPCODE);
        }
        if (c.namespace() != Nvme.NAMESPACE && !(opcode == FLUSH && c.namespace() == EVERY_NAMESPACE)) {
            throw new Status.Failure(Status.INVALID_NAMESPACE);
        }
        if (opcode != FLUSH && opcode != READ && disk.readOnly()) {
            throw new Status.Failure(Status.WRITE_PROTECTED);
        }
        switch (opcode) {
            case FLUSH -> start.start(Demand.Kind.FLUSH, 0, disk::flush, none(), Status.INTERNAL_ERROR);
            case READ, WRITE -> transfer(c, opcode == READ, start);
            case WRITE_ZEROES -> {
                long at = range(c.lba(), blocks(c));
                long bytes = (long) blocks(c) << Nvme.BLOCK_SHIFT;
                boolean free = (c.cdw(12) & DEALLOCATE) != 0;
                DiskRequests.Work work = () -> disk.zero(at, bytes, free);
                start.start(Demand.Kind.ZERO, bytes, durable(c, work), none(), Status.WRITE_FAULT);
            }
            default -> deallocate(c, start);
        }
    }

    private GuestBuffers none() {
        return new GuestBuffers(memory, false);
    }

    private static int blocks(Command c) {
        return (c.cdw(12) & 0xffff) + 1;
    }

    /** The offset of a range of blocks. */
    private long range(long lba, long blocks) throws Status.Failure {
        if (lba < 0 || lba > disk.sectors() - blocks) {
            throw new Status.Failure(Status.LBA_OUT_OF_RANGE);
        }
        return lba << Nvme.BLOCK_SHIFT;
    }

    private void transfer(Command c, boolean read, Start start) throws Status.Failure {
        int blocks = blocks(c);
        int bytes = blocks << Nvme.BLOCK_SHIFT;
        if (bytes > Prp.PAGE << Nvme.MAX_TRANSFER_SHIFT) {
            throw new Status.Failure(Status.INVALID_FIELD);
        }
        long at = range(c.lba(), blocks);
        GuestBuffers buffers = Prp.buffers(memory, c, bytes, read);
        counters[read ? 0 : 1] += blocks;
        counters[read ? 2 : 3]++;
        if (read) {
            start.start(Demand.Kind.READ, bytes, buffers.filling(disk, at), buffers, Status.UNRECOVERED_READ_ERROR);
        } else {
            DiskRequests.Work work = () -> buffers.transfer(disk, at);
            start.start(Demand.Kind.WRITE, bytes, durable(c, work), buffers, Status.WRITE_FAULT);
        }
    }

    /** With a flush behind it, where the command or the write cache's being off asks for that. */
    private DiskRequests.Work durable(Command c, DiskRequests.Work work) {
        if ((c.cdw(12) & FORCE_UNIT_ACCESS) == 0 && admin.writeCache()) {
            return work;
        }
        return () -> {
            work.run();
            disk.flush();
        };
    }

    /** Figure 352: up to 256 ranges of context (4), blocks (4), first block (8). */
    private void deallocate(Command c, Start start) throws Status.Failure {
        int n = (c.cdw(10) & 0xff) + 1;
        ByteBuffer b =
                ByteBuffer.wrap(Prp.buffers(memory, c, n * RANGE, false).get()).order(ByteOrder.LITTLE_ENDIAN);
        long[] at = new long[n];
        long[] bytes = new long[n];
        for (int i = 0; i < n; i++) {
            long blocks = b.getInt(i * RANGE + 4) & 0xffffffffL;
            at[i] = range(b.getLong(i * RANGE + 8), blocks);
            bytes[i] = blocks << Nvme.BLOCK_SHIFT;
        }
        boolean discard = (c.cdw(11) & ATTRIBUTE_DEALLOCATE) != 0; // the other attributes are hints
        start.start(
                Demand.Kind.DISCARD,
                0,
                () -> {
                    if (discard) {
                        discard(at, bytes);
                    }
                },
                none(),
                Status.WRITE_FAULT);
    }

    private void discard(long[] at, long[] bytes) throws IOException {
        for (int i = 0; i < at.length; i++) {
            disk.discard(at[i], bytes[i]);
        }
    }
}
