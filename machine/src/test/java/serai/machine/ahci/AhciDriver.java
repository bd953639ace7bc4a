package serai.machine.ahci;

import serai.machine.memory.GuestMemory;

/**
 * A driver as small as one can be, which knows nothing but where its memory is: it goes on in a machine that was saved and restored.
 *
 * <pre>
 * area of a port:  0000 command list | 0400 receive area | 0800 tables of slots 0 to 7, 100 each | 1000 data, two pages
 * </pre>
 */
public final class AhciDriver {
    /** Bytes of a port's area. */
    public static final int AREA = 0x3000;
    /** Slots that it uses. */
    public static final int SLOTS = 8;

    public static final int CLB = 0, FB = 8, IS = 0x10, IE = 0x14, CMD = 0x18, TFD = 0x20, SIG = 0x24, SSTS = 0x28;
    public static final int SCTL = 0x2c, SERR = 0x30, SACT = 0x34, CI = 0x38;
    public static final int WRITE = 1 << 6, ATAPI = 1 << 5, CLEAR_BUSY = 1 << 10;
    private static final int FIS = 0x400, TABLES = 0x800, TABLE = 0x100, DATA = 0x1000;

    /** How the adapter's registers are reached. */
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

    /** On the adapter at {@code bar}, with {@link #AREA} bytes of guest memory at {@code area} for each port. */
    public AhciDriver(GuestMemory memory, Access access, long bar, long area) {
        this.memory = memory;
        this.access = access;
        this.bar = bar;
        this.area = area;
    }

    public int register(int at) {
        return (int) access.read(bar + at, 4);
    }

    public void register(int at, int value) {
        access.write(bar + at, 4, value & 0xffffffffL);
    }

    /** A port's register. */
    public int port(int port, int at) {
        return register(0x100 + port * 0x80 + at);
    }

    public void port(int port, int at, int value) {
        register(0x100 + port * 0x80 + at, value);
    }

    private long of(int port) {
        return area + (long) port * AREA;
    }

    /** A port's data. */
    public long data(int port) {
        return of(port) + DATA;
    }

    /** A FIS in its receive area: 0x20 PIO Setup, 0x40 registers, 0x58 Set Device Bits. */
    public long fis(int port, int at) {
        return of(port) + FIS + at;
    }

    public long header(int port, int slot) {
        return of(port) + slot * 32L;
    }

    public long table(int port, int slot) {
        return of(port) + TABLES + slot * TABLE;
    }

    /** Starts a port's list anew, with all interrupts. */
    public void start(int port) {
        port(port, CMD, 0);
        port(port, CLB, (int) of(port));
        port(port, CLB + 4, 0);
        port(port, FB, (int) of(port) + FIS);
        port(port, FB + 4, 0);
        port(port, SERR, -1);
        port(port, IS, -1);
        port(port, IE, -1);
        port(port, CMD, 0x10);
        port(port, CMD, 0x11);
        register(8, 1 << port);
        register(4, 2);
    }

    /** Puts a command into a slot: data at a page of the port's, in one buffer. */
    public void put(int port, int slot, int flags, int opcode, long lba, int count, int features, int bytes) {
        put(port, slot, flags, opcode, lba, count, features, new long[][] {{data(port), bytes}});
    }

    /** The same with buffers, each an address and a length. */
    public void put(int port, int slot, int flags, int opcode, long lba, int count, int features, long[][] buffers) {
        long header = header(port, slot);
        long table = table(port, slot);
        int n = buffers.length == 1 && buffers[0][1] == 0 ? 0 : buffers.length;
        memory.writeInt(header, 5 | flags | n << 16);
        memory.writeInt(header + 4, 0);
        memory.writeLong(header + 8, table);
        memory.zero(table, 0x80);
        memory.write(table, new byte[] {
            0x27,
            (byte) 0x80,
            (byte) opcode,
            (byte) features,
            (byte) lba,
            (byte) (lba >>> 8),
            (byte) (lba >>> 16),
            (byte) (0x40 | (isShort(opcode) ? lba >>> 24 & 0xf : 0)),
            (byte) (lba >>> 24),
            (byte) (lba >>> 32),
            (byte) (lba >>> 40),
            (byte) (features >>> 8),
            (byte) count,
            (byte) (count >>> 8)
        });
        for (int i = 0; i < n; i++) {
            memory.writeLong(table + 0x80 + i * 16, buffers[i][0]);
            memory.writeLong(table + 0x88 + i * 16, buffers[i][1] - 1 << 32);
        }
    }

    private static boolean isShort(int opcode) {
        return opcode == 0xc8 || opcode == 0xca || opcode == 0x20 || opcode == 0x30 || opcode == 0x40;
    }

    /** Puts a queued read or write into a slot. */
    public void putQueued(int port, int slot, boolean write, long lba, int count) {
        put(port, slot, write ? WRITE : 0, write ? 0x61 : 0x60, lba, slot << 3, count, count * 512);
    }

    /** Puts an ATAPI command into a slot, with data by DMA. */
    public void putPacket(int port, int slot, int bytes, int... packet) {
        put(port, slot, ATAPI, 0xa0, (long) bytes << 8, 0, 1, bytes);
        for (int i = 0; i < packet.length; i++) {
            memory.writeByte(table(port, slot) + 0x40 + i, packet[i]);
        }
    }

    /** Hands slots over, queued ones with their tags. */
    public void issue(int port, int slots, boolean queued) {
        if (queued) {
            port(port, SACT, slots);
        }
        port(port, CI, slots);
    }

    /** Puts a command into slot 0 and hands it over. */
    public void command(int port, int flags, int opcode, long lba, int count, int features, int bytes) {
        put(port, 0, flags, opcode, lba, count, features, bytes);
        issue(port, 1, false);
    }

    /** The same for an ATAPI command. */
    public void packet(int port, int bytes, int... packet) {
        putPacket(port, 0, bytes, packet);
        issue(port, 1, false);
    }

    /** How many bytes slot 0's command has transferred. */
    public int transferred(int port) {
        return memory.readInt(header(port, 0) + 4);
    }
}
