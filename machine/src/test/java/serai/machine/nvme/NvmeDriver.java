package serai.machine.nvme;

import serai.machine.memory.GuestMemory;

/**
 * A driver as small as one can be. All that it knows is in guest memory, so that it goes on in a machine that was saved and restored.
 *
 * <pre>
 * area:  0000 admin queues | 0800 what the driver knows | 2000 I/O queues | 4000 data
 * </pre>
 */
public final class NvmeDriver {
    /** Entries of each queue. */
    public static final int SIZE = 16;

    public static final int FLUSH = 0, WRITE = 1, READ = 2, WRITE_ZEROES = 8, DATASET_MANAGEMENT = 9;
    private static final int QUEUES = 0x2000, COMPLETIONS = 0x1000, KNOWN = 0x800, DATA = 0x4000;

    /** How the controller's registers are reached. */
    public interface Access {
        /** A load. */
        long read(long address, int size);

        /** A store. */
        void write(long address, int size, long value);
    }

    private final GuestMemory memory;
    private final Access access;
    private final long bar;
    private final long area;

    /** On the controller at {@code bar}, with eight pages of guest memory at {@code area}. */
    public NvmeDriver(GuestMemory memory, Access access, long bar, long area) {
        this.memory = memory;
        this.access = access;
        this.bar = bar;
        this.area = area;
    }

    /** A page for data, 0 to 3. */
    public long data(int page) {
        return area + DATA + page * 0x1000L;
    }

    public int register(int at) {
        return (int) access.read(bar + at, 4);
    }

    public void register(int at, int value) {
        access.write(bar + at, 4, value & 0xffffffffL);
    }

    /** Enables the controller with empty admin queues. */
    public void enable() {
        register(0x14, 0);
        memory.zero(area, DATA);
        register(0x24, SIZE - 1 << 16 | SIZE - 1);
        access.write(bar + 0x28, 8, area);
        access.write(bar + 0x30, 8, area + COMPLETIONS);
        register(0x14, 0x460001);
    }

    /** Enables it and makes queue pair 1, with MSI-X vector 1. */
    public void start() {
        enable();
        command(0, 5, 0, area + QUEUES + COMPLETIONS, 0, SIZE - 1 << 16 | 1, 1 << 16 | 3, 0);
        command(0, 1, 0, area + QUEUES, 0, SIZE - 1 << 16 | 1, 1 << 16 | 1, 0);
        take(0);
    }

    private long known(int queue, int what) {
        return area + KNOWN + queue * 16 + what * 2;
    }

    private long submissions(int queue) {
        return area + queue * QUEUES;
    }

    /** Puts a command into queue 0 or 1 without telling the controller. */
    public int put(int queue, int opcode, int namespace, long prp1, long prp2, int cdw10, int cdw11, int cdw12) {
        int tail = memory.readShort(known(queue, 0)) % SIZE;
        int id = memory.readShort(known(queue, 3));
        long at = submissions(queue) + tail * 64L;
        memory.zero(at, 64);
        memory.writeInt(at, opcode | id << 16);
        memory.writeInt(at + 4, namespace);
        memory.writeLong(at + 24, prp1);
        memory.writeLong(at + 32, prp2);
        memory.writeInt(at + 40, cdw10);
        memory.writeInt(at + 44, cdw11);
        memory.writeInt(at + 48, cdw12);
        memory.writeShort(known(queue, 0), (tail + 1) % SIZE);
        memory.writeShort(known(queue, 3), id + 1 & 0xffff);
        return id;
    }

    /** Tells the controller of what was put. */
    public void ring(int queue) {
        register(0x1000 + queue * 8, memory.readShort(known(queue, 0)));
    }

    /** Puts a command into queue 0 or 1 and tells the controller; its id. */
    public int command(int queue, int opcode, int namespace, long prp1, long prp2, int cdw10, int cdw11, int cdw12) {
        int id = put(queue, opcode, namespace, prp1, prp2, cdw10, cdw11, cdw12);
        ring(queue);
        return id;
    }

    /** Reads or writes blocks, at a page of data and those behind it. */
    public int transfer(int opcode, int page, long lba, int blocks) {
        return command(1, opcode, 1, data(page), data(page + 1), (int) lba, (int) (lba >>> 32), blocks - 1);
    }

    /** Takes what has completed and tells the controller so; the quadwords of the last one, or -1. */
    public long[] take(int queue) {
        long[] last = {-1, -1};
        int head = memory.readShort(known(queue, 1)) % SIZE;
        int phase = memory.readShort(known(queue, 2)) & 1;
        for (int n = 0; n < SIZE; n++) {
            long at = submissions(queue) + COMPLETIONS + head * 16L;
            if ((memory.readInt(at + 12) >>> 16 & 1) == phase) {
                break; // the phase that is known is that of the last round, at first 0
            }
            last = new long[] {memory.readLong(at), memory.readLong(at + 8)};
            head = (head + 1) % SIZE;
            phase ^= head == 0 ? 1 : 0;
        }
        memory.writeShort(known(queue, 1), head);
        memory.writeShort(known(queue, 2), phase);
        register(0x1004 + queue * 8, head);
        return last;
    }

    /** Type and code of a completion's status. */
    public static int status(long[] completion) {
        return (int) (completion[1] >>> 49) & 0x7ff;
    }

    /** The command that a completion is for. */
    public static int id(long[] completion) {
        return (int) (completion[1] >>> 32) & 0xffff;
    }
}
