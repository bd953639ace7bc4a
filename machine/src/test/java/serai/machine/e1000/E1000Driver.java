package serai.machine.e1000;

import java.io.ByteArrayOutputStream;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;

/**
 * A driver as small as one can be, which knows nothing but where its memory is: it goes on in a machine that was saved and restored.
 *
 * <pre>
 * area:   0000 receive ring | 0400 transmit ring | 1000 receive buffers, 800 each | 5000 transmit buffers, 800 each
 * </pre>
 */
public final class E1000Driver {
    /** Bytes of its memory. */
    public static final int AREA = 0x9000;
    /** Descriptors of a ring. */
    public static final int SIZE = 8;

    /** Command bits of a descriptor: end, FCS, report; the others by themselves. */
    public static final int SEND = 0xb, CHECKSUM = 4, SEGMENT = 4, EXTENDED = 0x20, VLAN = 0x40;

    private static final int BUFFERS = 0x1000, OUTGOING = 0x5000, BUFFER = 0x800;

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

    /** On the adapter at {@code bar}, with {@link #AREA} bytes of guest memory at {@code area}. */
    public E1000Driver(GuestMemory memory, Access access, long bar, long area) {
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

    /** Resets the adapter, and gives it rings; {@code rctl} beside the enable bit. */
    public void start(int rctl) {
        register(0, 1 << 26);
        memory.zero(area, AREA);
        for (int i = 0; i < SIZE; i++) {
            memory.writeLong(receive(i), buffer(i));
        }
        ring(0x2800, area);
        register(0x2818, SIZE - 1);
        ring(0x3800, area + 0x400);
        register(0x100, 2 | rctl);
        register(0x400, 2);
        register(0xd0, 0x97);
    }

    private void ring(int first, long at) {
        register(first, (int) at);
        register(first + 4, (int) (at >>> 32));
        register(first + 8, SIZE * 16);
        register(first + 0x10, 0);
        register(first + 0x18, 0);
    }

    /** The receive descriptor of an index. */
    public long receive(int i) {
        return area + i * 16L;
    }

    public long transmit(int i) {
        return area + 0x400 + i * 16L;
    }

    public long buffer(int i) {
        return area + BUFFERS + (long) i * BUFFER;
    }

    public long outgoing(int i) {
        return area + OUTGOING + (long) i * BUFFER;
    }

    /** Puts a descriptor at the tail of the transmit ring: its two upper double words. */
    public void put(long address, int lower, int upper) {
        int tail = register(0x3818) % SIZE;
        memory.writeLong(transmit(tail), address);
        memory.writeInt(transmit(tail) + 8, lower);
        memory.writeInt(transmit(tail) + 12, upper);
        register(0x3818, (tail + 1) % SIZE);
    }

    /** Sends a frame of up to 2 KiB in one legacy descriptor. */
    public void send(byte[] frame) {
        long at = outgoing(register(0x3818) % SIZE);
        memory.write(at, frame);
        put(at, frame.length | SEND << 24, 0);
    }

    /** The next frame that has come, as it is in memory, and gives its descriptors back; null if there is none. */
    public byte @Nullable [] take() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int at = (register(0x2818) + 1) % SIZE;
        for (int i = 0; i < SIZE; i++) {
            long d = receive(at);
            int status = memory.readByte(d + 12);
            if ((status & 1) == 0) {
                return null;
            }
            out.writeBytes(memory.read(memory.readLong(d), memory.readShort(d + 8)));
            memory.writeByte(d + 12, 0);
            register(0x2818, at);
            if ((status & 2) != 0) {
                return out.toByteArray();
            }
            at = (at + 1) % SIZE;
        }
        return null;
    }
}
