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
    static final long F_PACKED = 1L << 34;
    static final long F_RING_RESET = 1L << 40;
    static final long F_EVENT_IDX = 1L << 29;
    static final long F_INDIRECT = 1L << 28;
    static final int SIZE = 8;
    private static final long QUEUES = 0x10000, QUEUE_BYTES = 0x1000;

    /** One buffer of a chain. */
    record Part(long address, int length, boolean write) {}

    final GuestMemory memory;
    final PortBus ports = new PortBus();
    final MmioBus mmio = new MmioBus();
    final PciBus bus;
    final List<Integer> lines = new ArrayList<>();
    long bar;
    private final int[] available;
    private final int[] seen;
    int nextDescriptor;
    private boolean packed;
    /** Of packed rings: places without their wrap counters, and how many descriptors each buffer id has. */
    private final int[] place;

    private final int[] usedPlace;
    private final int[] slots = new int[SIZE];

    GuestDriver(GuestMemory memory, PciFunction<VirtioState> function) {
        this(memory, function, 4);
    }

    GuestDriver(GuestMemory memory, PciFunction<VirtioState> function, int queues) {
        available = new int[queues];
        seen = new int[queues];
        place = new int[queues];
        usedPlace = new int[queues];
        this.memory = memory;
        bus = new PciBus(ports, mmio, gsi -> high -> {
            if (high) {
                lines.add(gsi);
            }
        });
        bus.add(1, function);
        function.reset();
        bus.assignBars();
        ports.write(0xcf8, 4, 0x80000804);
        ports.write(0xcfc, 2, 6); // memory and bus master
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
        packed = (features & F_PACKED) != 0;
        nextDescriptor = 0;
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
            memory.zero(at, QUEUE_BYTES);
            available[q] = 0;
            seen[q] = 0;
            place[q] = 0;
            usedPlace[q] = 0;
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
        if (packed) {
            int id = putPacked(q, parts);
            notify(q);
            return id;
        }
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

    /** Makes a chain available in a packed ring; its buffer id. */
    int putPacked(int q, Part... parts) {
        int id = nextDescriptor++ % SIZE;
        slots[id] = parts.length;
        int first = place[q];
        for (int i = parts.length - 1; i >= 0; i--) {
            // the first descriptor last, as that one gives the chain to the device
            int at = first + i;
            long d = queue(q) + at % SIZE * 16L;
            memory.writeLong(d, parts[i].address);
            memory.writeInt(d + 8, parts[i].length);
            memory.writeShort(d + 12, id);
            memory.writeShort(
                    d + 14,
                    (i == parts.length - 1 ? 0 : 1) | (parts[i].write ? 2 : 0) | (at / SIZE % 2 == 0 ? 0x80 : 0x8000));
        }
        place[q] += parts.length;
        return id;
    }

    private List<Integer> usedPacked(int q) {
        List<Integer> out = new ArrayList<>();
        while (true) {
            long d = queue(q) + usedPlace[q] % SIZE * 16L;
            int bits = memory.readShort(d + 14) & 0x8080;
            if (bits != (usedPlace[q] / SIZE % 2 == 0 ? 0x8080 : 0) || usedPlace[q] == place[q]) {
                return out;
            }
            int id = memory.readShort(d + 12);
            out.add(id);
            out.add(memory.readInt(d + 8));
            usedPlace[q] += slots[id];
        }
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
        if (packed) {
            return usedPacked(q);
        }
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
