package serai.machine.virtio;

import java.util.ArrayList;
import java.util.List;
import serai.machine.bus.MmioBus;
import serai.machine.bus.PortBus;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.PciBus;
import serai.machine.pci.PciFunction;

/** The guest's side of a virtio device on PCI, as small as a driver can be: one device in slot 1, queues at fixed addresses. */
final class GuestDriver {
    static final long F_VERSION_1 = 1L << 32;
    static final long F_EVENT_IDX = 1L << 29;
    static final long F_INDIRECT = 1L << 28;
    private static final int SIZE = 8;
    private static final long QUEUES = 0x10000, QUEUE_BYTES = 0x1000;

    /** One buffer of a chain. */
    record Part(long address, int length, boolean write) {}

    final GuestMemory memory;
    final PortBus ports = new PortBus();
    final MmioBus mmio = new MmioBus();
    final PciBus bus;
    final List<Integer> lines = new ArrayList<>();
    long bar;
    private final int[] available = new int[4];
    private final int[] seen = new int[4];
    private int nextDescriptor;

    GuestDriver(GuestMemory memory, PciFunction<VirtioState> function) {
        this.memory = memory;
        bus = new PciBus(ports, mmio, gsi -> high -> {
            if (high) {
                lines.add(gsi);
            }
        });
        bus.add(1, function);
        function.reset();
        bus.assignBars();
        bar = config(0x20) & ~15L | (long) config(0x24) << 32;
    }

    int config(int offset) {
        ports.write(0xcf8, 4, 0x80000800 | offset);
        return ports.read(0xcfc, 4);
    }

    long common(int at, int size) {
        return mmio.read(bar + at, size);
    }

    void common(int at, int size, long v) {
        mmio.write(bar + at, size, v);
    }

    /** The steps of 3.1.1; returns whether FEATURES_OK stayed set. */
    boolean initialize(long features, int queues) {
        common(20, 1, 0);
        common(20, 1, 1);
        common(20, 1, 3);
        for (int w = 0; w < 2; w++) {
            common(8, 4, w);
            common(12, 4, features >>> w * 32 & 0xffffffffL);
        }
        common(20, 1, 11);
        if ((common(20, 1) & 8) == 0) {
            return false;
        }
        for (int q = 0; q < queues; q++) {
            common(22, 2, q);
            common(24, 2, SIZE);
            long at = QUEUES + q * QUEUE_BYTES;
            common(32, 8, at);
            common(40, 4, at + 0x400);
            common(44, 4, 0);
            common(48, 4, at + 0x800);
            common(52, 4, 0);
            common(28, 2, 1);
        }
        common(20, 1, 15);
        return true;
    }

    long queue(int q) {
        return QUEUES + q * QUEUE_BYTES;
    }

    void descriptor(int q, int n, long address, int length, int flags, int next) {
        long d = queue(q) + n * 16L;
        memory.writeLong(d, address);
        memory.writeInt(d + 8, length);
        memory.writeShort(d + 12, flags);
        memory.writeShort(d + 14, next);
    }

    /** Makes a chain available and notifies; its head. */
    int submit(int q, Part... parts) {
        int head = nextDescriptor;
        for (int i = 0; i < parts.length; i++) {
            boolean last = i == parts.length - 1;
            int n = (head + i) % SIZE;
            descriptor(
                    q,
                    n,
                    parts[i].address,
                    parts[i].length,
                    (last ? 0 : 1) | (parts[i].write ? 2 : 0),
                    last ? 0 : (n + 1) % SIZE);
        }
        nextDescriptor = (head + parts.length) % SIZE;
        offer(q, head);
        notify(q);
        return head;
    }

    void offer(int q, int head) {
        memory.writeShort(queue(q) + 0x400 + 4 + available[q] % SIZE * 2L, head);
        available[q]++;
        memory.writeShort(queue(q) + 0x402, available[q] & 0xffff);
    }

    void notify(int q) {
        mmio.write(bar + 0x3000 + q * 4L, 2, q);
    }

    /** Chains used since the last call: id, length, id, length, … */
    List<Integer> used(int q) {
        List<Integer> out = new ArrayList<>();
        int now = memory.readShort(queue(q) + 0x802);
        while ((seen[q] & 0xffff) != now) {
            long e = queue(q) + 0x804 + seen[q] % SIZE * 8L;
            out.add(memory.readInt(e));
            out.add(memory.readInt(e + 4));
            seen[q]++;
        }
        return out;
    }

    int isr() {
        return (int) mmio.read(bar + 0x1000, 1);
    }

    int status() {
        return (int) common(20, 1);
    }
}
