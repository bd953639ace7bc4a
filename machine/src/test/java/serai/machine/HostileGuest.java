package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import serai.machine.ahci.AhciDriver;
import serai.machine.e1000.E1000Driver;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestAddressException;
import serai.machine.net.Offload;
import serai.machine.net.TestNetwork;
import serai.machine.nvme.NvmeDriver;
import serai.machine.virtio.VirtioBalloon;
import serai.machine.virtio.VirtioVsock;

/**
 * A guest that does what bytes say: each few of them are an access, most to one part of the machine, some anywhere. What fuzzers and
 * random sweeps drive.
 */
public final class HostileGuest {
    /** Where its rings and buffers are. */
    private static final long RINGS = 0x10000;

    private static final int MAX_OPERATIONS = 2000;

    private final byte[] bytes;
    private int at;
    /** Where the driver of a packed ring stands: the slot, and the bits that make a descriptor available. */
    private int packedSlot;

    private int packedBits;

    private HostileGuest(byte[] bytes) {
        this.bytes = bytes;
    }

    /** Runs the guest in a machine of its own; then a reset has to make all as new, whatever it did. */
    public static void run(Part part, byte[] bytes) {
        try (TestPc pc = TestPc.withAll();
                TestPc fresh = TestPc.withAll()) {
            HostileGuest g = new HostileGuest(bytes);
            for (int i = 0; i < MAX_OPERATIONS && g.at < bytes.length; i++) {
                g.operation(part, pc);
            }
            // what is the host's is left by a reset
            pc.console(c -> c.hostOpen(0, true));
            pc.console(c -> c.hostOpen(1, true));
            pc.console(c -> c.resize(0, 0));
            pc.requestMemory(0);
            pc.balloon(b -> b.want(0));
            pc.tray(true, true, true);
            pc.tray(false, false, true);
            pc.link(true);
            pc.machine.reset();
            fresh.plugAs(pc);
            fresh.plugCpusAs(pc);
            fresh.engine.cpu().count = pc.engine.cpu().count;
            fresh.machine.reset();
            for (int port = 0; port < 2; port++) {
                byte[] typed = new byte[pc.consoleDevice.pending(port)];
                int p = port;
                fresh.console(c -> c.input(p, typed));
            }
            assertEquals(devices(fresh), devices(pc), "a reset does not make it new");
        }
    }

    /** By name. The clock's battery and the user's typing outlive a reset. */
    private static String devices(TestPc pc) {
        List<MachineState.DeviceState> l = pc.machine.save().devices().stream()
                .filter(d -> !d.name().equals("rtc")
                        && !d.name().equals("serial-input")
                        && !d.name().equals("uart0"))
                .sorted(java.util.Comparator.comparing(MachineState.DeviceState::name))
                .toList();
        return TestPc.text(l);
    }

    private int next() {
        return at < bytes.length ? bytes[at++] & 0xff : 0;
    }

    private long next(int n) {
        long v = 0;
        for (int i = 0; i < n; i++) {
            v = v << 8 | next();
        }
        return v;
    }

    /** Of any size, small ones and the extremes often. */
    private long value() {
        return switch (next() & 7) {
            case 0 -> next(8);
            case 1 -> 0;
            case 2 -> -1L >>> next();
            case 3 -> 1L << next();
            case 4 -> RINGS + (next(2) & 0xffff);
            case 5 -> next(4);
            default -> next();
        };
    }

    private static long mask(int size) {
        return size == 8 ? -1L : (1L << size * 8) - 1;
    }

    private void port(VcpuHost h, int port) {
        int how = next();
        int size = 1 << (how & 3) % 3;
        if ((how & 4) != 0) {
            h.portRead(port & 0xffff, size);
        } else {
            h.portWrite(port & 0xffff, size, (int) (value() & mask(size)));
        }
    }

    /** Within a page, as CPUs split accesses there; else at any alignment. */
    private void memory(VcpuHost h, long address) {
        int how = next();
        int size = 1 << (how & 3);
        long a = (address & 0xfff) > 0x1000 - size ? (address & -0x1000) + 0x1000 - size : address;
        if ((how & 4) != 0) {
            long v = h.mmioRead(a, size);
            assertEquals(v & mask(size), v, "zero-extended");
        } else {
            h.mmioWrite(a, size, value() & mask(size));
        }
    }

    private void operation(Part part, TestPc pc) {
        VcpuHost h = pc.host();
        switch (next() & 15) {
            case 0 -> {
                pc.engine.cpu().count += 1L << (next() & 31);
                pc.runDue();
            }
            case 1 -> h.interrupts().acknowledge();
            case 2 -> port(h, (int) next(2));
            case 3 -> anywhere(pc);
            default -> part(part, pc);
        }
    }

    private void anywhere(TestPc pc) {
        switch (next() & 3) {
            case 0 -> memory(pc.host(), Layout.PCI_WINDOW_32 + (next(4) & 0x3fffffff));
            case 1 -> memory(pc.host(), Layout.PCI_WINDOW_64 - 8 + next(2));
            case 2 -> memory(pc.host(), next(8));
            default -> msr(pc, (int) (next() < 128 ? 0x800 + next() : next(4)));
        }
    }

    private void msr(TestPc pc, int index) {
        if (!pc.host().ownsMsr(index)) {
            return;
        }
        try {
            pc.host().writeMsr(index, value());
            pc.host().readMsr(index);
        } catch (GeneralProtection e) {
            // as it may
        }
    }

    private void part(Part part, TestPc pc) {
        VcpuHost h = pc.host();
        switch (part) {
            case LOCAL_APIC -> {
                int what = next();
                if (what < 40) {
                    h.mmioWrite(Layout.LAPIC_BASE + 0xf0, 4, 0x1ff); // on, else little happens
                    h.mmioWrite(Layout.LAPIC_BASE + 0x320 + (next() % 4) * 16L, 4, next() | (next() & 15) << 8);
                    h.mmioWrite(Layout.LAPIC_BASE + 0x300, 4, 0x40000 | (next() & 15) << 8 | next());
                } else if (what < 200) {
                    memory(h, Layout.LAPIC_BASE + ((what & 1) != 0 ? (next() & 0x7f) * 16L : next(2) & 0xfff));
                } else {
                    msr(pc, what < 210 ? 0x1b : what < 220 ? 0x6e0 : 0x800 + (next() & 0x7f));
                    h.interrupts().taskPriority(next() & 15);
                    h.interrupts().takeInit();
                    h.interrupts().takeNmi();
                    h.interrupts().takeStartup();
                }
            }
            case IO_APIC -> {
                h.mmioWrite(Layout.IOAPIC_BASE, 4, next() & 0x7f);
                memory(h, Layout.IOAPIC_BASE + ((next() & 3) == 0 ? next(2) & 0xfff : 0x10));
            }
            case PIC ->
                port(
                        h,
                        List.of(0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x1f, 0x9f)
                                .get(next() & 7));
            case PIT ->
                port(h, List.of(0x40, 0x41, 0x42, 0x43, 0x43, 0x61, 0x3f, 0x60).get(next() & 7));
            case HPET -> hpet(h);
            case RTC -> port(h, 0x6f + (next() & 3));
            case PM -> {
                if ((next() & 15) == 0) {
                    sleep(pc);
                } else {
                    port(h, Layout.PM_BASE - 3 + next() % (0x24 + 6));
                }
            }
            case UART -> {
                int what = next();
                port(h, 0x3f5 + (what & 15) % 12);
                if (what > 200) {
                    pc.machine.serialInput(new byte[next() & 63]);
                }
            }
            case DEBUG ->
                port(
                        h,
                        List.of(0xe9, TestPc.DEBUG_EXIT, 0x60, 0x64, 0xcf9, 0xcf8, 0xe8, 0xf2)
                                .get(next() & 7));
            case PCI -> pci(h);
            case VIRTIO_CONSOLE -> console(pc);
            case VIRTIO_RNG -> virtio(pc, Layout.RNG_SLOT);
            case VIRTIO_BLK -> virtio(pc, Layout.FIRST_DISK_SLOT);
            case PCI_HOTPLUG -> hotplug(pc);
            case VIRTIO_MEM -> memoryDevice(pc);
            case CPU_HOTPLUG -> cpus(pc);
            case VIRTIO_BALLOON -> balloon(pc);
            case VIRTIO_VSOCK -> sockets(pc);
            case VIRTIO9P -> virtio(pc, TestPc.SHARE_SLOT);
            case NVME -> nvme(pc);
            case AHCI -> ahci(pc);
            case VIRTIO_NET -> net(pc);
            case E1000 -> e1000(pc);
            case MSIX -> memory(h, (pc.config(1 + next() % 5, 0x14) & 0xfffffff0L) + (next(2) & 0xfff));
            case PORTS -> port(h, (int) next(2));
            case MEMORY -> anywhere(pc);
            case ALL -> part(Part.values()[next() % Part.SINGLE], pc);
        }
    }

    /** Suspends with whatever vector, and is woken or not. */
    private void sleep(TestPc pc) {
        pc.memory.writeInt(Layout.ACPI_TABLES + 12, (int) value());
        pc.memory.writeLong(Layout.ACPI_TABLES + 24, value());
        pc.memory.writeInt(Layout.ACPI_TABLES + 36, next() & 1);
        pc.host().portWrite(Layout.PM_BASE + 4, 2, 3 << 10 | 1 << 13 | 1);
        pc.machine.run(0);
        if ((next() & 1) == 0) {
            pc.machine.pressPowerButton();
        }
        pc.machine.run(0);
    }

    /** Mostly running, and with comparators soon reached. */
    private void hpet(VcpuHost h) {
        switch (next() & 7) {
            case 0 -> h.mmioWrite(Layout.HPET_BASE + 0x10, 4, next() & 3);
            case 1 -> {
                long timer = Layout.HPET_BASE + 0x100 + (next() & 7) * 0x20;
                h.mmioWrite(timer, 4, (next() & 3) << 13 | (20 + (next() & 3)) << 9 | next() | (next() & 1) << 8);
                h.mmioWrite(timer + 8, 4, value() & 0xffffffffL);
            }
            case 2 -> {
                long timer = Layout.HPET_BASE + 0x100 + (next() & 7) * 0x20;
                h.mmioWrite(timer + 8, 8, h.mmioRead(Layout.HPET_BASE + 0xf0, 8) + next());
            }
            case 3 -> h.mmioWrite(Layout.HPET_BASE + 0x20, 4, next());
            case 4 -> memory(h, Layout.HPET_BASE + 0xf0);
            default -> memory(h, Layout.HPET_BASE + (next(2) & 0x3ff));
        }
    }

    private void hotplug(TestPc pc) {
        int n = next() % TestPc.HOT_SLOTS.length;
        int slot = TestPc.HOT_SLOTS[n];
        switch (next() & 7) {
            case 0 -> pc.hotPlug(n);
            case 1 -> {
                if ((next() & 1) == 0) {
                    pc.machine.requestUnplug(slot);
                } else {
                    pc.machine.pull(slot);
                }
            }
            case 2 -> pc.host().portWrite(Layout.PCI_HOTPLUG_BASE + 8, 4, (int) value());
            case 3 -> port(pc.host(), Layout.PCI_HOTPLUG_BASE - 2 + next() % 0x1c);
            case 4 -> {
                // as firmware would: a place for its registers
                long config = Layout.ECAM_BASE + ((long) slot << 15);
                pc.host().mmioWrite(config + 0x20, 8, Layout.PCI_WINDOW_64 + 0x100000L * slot);
                pc.host().mmioWrite(config + 4, 2, 7);
            }
            default -> virtio(pc, slot);
        }
    }

    private void cpus(TestPc pc) {
        int cpu = 1 + next() % (TestPc.MAX_CPUS - 1);
        switch (next() & 7) {
            case 0 -> pc.plugCpu(cpu);
            case 1 -> pc.askForCpu(cpu);
            case 2 -> pc.host().portWrite(Layout.CPU_HOTPLUG_BASE, 4, (next() & 7) == 0 ? (int) value() : next() & 3);
            case 3 -> pc.host().portWrite(Layout.CPU_HOTPLUG_BASE + 4, 1, 1 << (next() & 3));
            case 4 -> pc.host().portWrite(Layout.CPU_HOTPLUG_BASE + 5, 1, next() & 3);
            case 5 -> pc.host().portWrite(Layout.CPU_HOTPLUG_BASE + 8, 4, (int) value());
            case 6 ->
                pc.host().mmioWrite(Layout.LAPIC_BASE + 0x300, 4, 0xc4000 | (next() & 7) << 8 | next()); // to others
            default -> port(pc.host(), Layout.CPU_HOTPLUG_BASE - 2 + (next() & 15));
        }
    }

    /** The rings of queues 0 and 1 serve all others, too. */
    private void console(TestPc pc) {
        switch (next() & 15) {
            case 0 -> pc.console(c -> c.input(next() & 1, new byte[next() & 63]));
            case 1 -> pc.console(c -> c.hostOpen(next() & 1, (next() & 1) != 0));
            case 2 -> pc.console(c -> c.ready(next() & 1));
            case 3 -> pc.console(c -> c.resize(next(), next()));
            case 4, 5, 6 -> {
                // a control message
                pc.memory.writeInt(RINGS + 0x4000, (next() & 15) == 0 ? (int) value() : next() & 1);
                pc.memory.writeShort(RINGS + 0x4004, (next() & 15) == 0 ? (int) value() & 0xffff : next() & 7);
                pc.memory.writeShort(RINGS + 0x4006, next() & 1);
                pc.host().mmioWrite(pc.bar4(Layout.CONSOLE_SLOT) + 0x3000 + (next() & 7) * 4, 2, 0);
            }
            default -> virtio(pc, Layout.CONSOLE_SLOT);
        }
    }

    /** Requests, right ones for the most part, what the host wants, and what is in the memory. */
    private void memoryDevice(TestPc pc) {
        int what = next() & 15;
        if (what < 2) {
            pc.requestMemory(next() % (TestPc.BLOCKS + 1));
        } else if (what < 4) {
            memoryBlock(pc, what == 2);
        } else if (what > 10) {
            virtio(pc, Layout.MEMORY_SLOT);
        } else {
            long request = RINGS + 0x4000 + (next() & 3) * 0x100L;
            int wrong = next();
            pc.memory.writeLong(request, wrong < 20 ? value() : next() & 3);
            pc.memory.writeLong(
                    request + 8,
                    wrong >= 20 && wrong < 40
                            ? value()
                            : Layout.pluggableRam(TestPc.RAM) + (next() % (TestPc.BLOCKS + 2) - 1) * TestPc.BLOCK);
            pc.memory.writeLong(request + 16, wrong >= 40 && wrong < 60 ? value() : next() % 5);
            long[][] chain = {{request, 24, 1}, {request + 32, 10, 2}};
            for (int i = 0; i < 2; i++) {
                pc.memory.writeLong(RINGS + i * 16, chain[i][0]);
                pc.memory.writeInt(RINGS + i * 16 + 8, (int) chain[i][1]);
                pc.memory.writeShort(RINGS + i * 16 + 12, (int) chain[i][2]);
                pc.memory.writeShort(RINGS + i * 16 + 14, 1);
            }
            if (wrong >= 60 && wrong < 80) {
                descriptor(pc, RINGS + (wrong & 1) * 16L);
            }
            offer(pc, 0);
            pc.host().mmioWrite(pc.bar4(Layout.MEMORY_SLOT) + 0x3000, 2, 0);
        }
    }

    /** Numbers of pages that hold nothing of the driver's, for the most part, and free pages; the rings serve more than one queue. */
    private void balloon(TestPc pc) {
        long bar = pc.bar4(Layout.BALLOON_SLOT);
        int what = next() & 15;
        if (what < 2) {
            pc.balloon(b -> b.want(next(4)));
        } else if (what < 4) {
            pc.balloon(VirtioBalloon::requestStatistics);
        } else if (what == 4) {
            memory(pc.host(), bar + 0x2000 + (next() & 15));
        } else if (what > 10) {
            virtio(pc, Layout.BALLOON_SLOT);
        } else {
            long numbers = RINGS + 0x4000;
            int count = 1 + (next() & 7);
            for (int i = 0; i < count; i++) {
                pc.memory.writeInt(numbers + i * 4L, seldom(8) ? (int) value() : 0x80 + (next() & 15));
            }
            boolean reports = seldom(2);
            pc.memory.writeLong(RINGS, reports ? 0x80000 + (seldom(4) ? value() : next() * 0x100L) : numbers);
            pc.memory.writeInt(RINGS + 8, reports ? (seldom(8) ? (int) value() : next() * 0x100) : count * 4);
            pc.memory.writeShort(RINGS + 12, reports ? 2 : 0);
            offer(pc, 0);
            pc.host().mmioWrite(bar + 0x3000 + (next() % 6) * 4L, 2, 0);
        }
    }

    /** Packets, sound ones for the most part, and what the host does with connections; queue 0's ring has the guest's buffers. */
    private void sockets(TestPc pc) {
        pc.takesConnections = true;
        long bar = pc.bar4(TestPc.VSOCK_SLOT);
        switch (next() & 15) {
            case 0 -> pc.connect(next() & 3);
            case 1 -> pc.connection(next(), c -> c.send(new byte[Math.min(c.room(), next() * 4)]));
            case 2 -> pc.connection(next(), VirtioVsock.Connection::accept);
            case 3 -> pc.connection(next(), seldom(2) ? VirtioVsock.Connection::finish : VirtioVsock.Connection::reset);
            case 4, 5, 6 -> {
                // a buffer for a packet
                pc.memory.writeLong(RINGS + 16, RINGS + 0x8000);
                pc.memory.writeInt(RINGS + 24, seldom(16) ? (int) value() : 45 + next() * 4);
                pc.memory.writeShort(RINGS + 28, 2);
                offer(pc, 1);
                pc.host().mmioWrite(bar + 0x3000, 2, 0);
            }
            case 7, 8 -> virtio(pc, TestPc.VSOCK_SLOT);
            default -> {
                long packet = RINGS + 0x4000;
                int length = seldom(4) ? next() * 4 : 0;
                pc.memory.writeLong(packet, seldom(32) ? value() : 3);
                pc.memory.writeLong(packet + 8, seldom(32) ? value() : 2);
                pc.memory.writeInt(packet + 16, next() & 3);
                pc.memory.writeInt(packet + 20, seldom(2) ? 1 << 30 | next() & 3 : next() & 3);
                pc.memory.writeInt(packet + 24, seldom(32) ? (int) value() : length);
                pc.memory.writeShort(packet + 28, seldom(32) ? next() : 1);
                pc.memory.writeShort(packet + 30, seldom(16) ? next() : 1 + (next() & 7) % 7);
                pc.memory.writeInt(packet + 32, next() & 3);
                pc.memory.writeInt(packet + 36, seldom(4) ? (int) value() : 4096);
                pc.memory.writeInt(packet + 40, seldom(4) ? (int) value() : 0);
                long ring = RINGS + 0x1000;
                pc.memory.writeLong(ring, packet);
                pc.memory.writeInt(ring + 8, seldom(32) ? (int) value() : 44 + length);
                pc.memory.writeShort(ring + 12, 0);
                int index = pc.memory.readShort(ring + 0x402);
                pc.memory.writeShort(ring + 0x404 + index % 32 * 2L, 0);
                pc.memory.writeShort(ring + 0x402, index + 1 & 0xffff);
                pc.host().mmioWrite(bar + 0x3004, 2, 0);
            }
        }
    }

    /** A word of a block, if it is there; then all of it can be written and read. */
    private void memoryBlock(TestPc pc, boolean write) {
        long at = Layout.pluggableRam(TestPc.RAM) + next() % TestPc.BLOCKS * TestPc.BLOCK + (next() & 0x7f) * 8L;
        if (pc.memory.host(at) == 0) {
            assertThrows(GuestAddressException.class, () -> pc.memory.readLong(at));
        } else if (write) {
            pc.memory.writeLong(at, value());
        } else {
            pc.memory.readLong(at);
        }
    }

    private void nvme(TestPc pc) {
        NvmeDriver d = pc.nvme();
        switch (next() & 15) {
            case 0 -> d.enable();
            case 1, 2 -> pc.startNvme();
            case 3 -> memory(pc.host(), pc.bar(TestPc.NVME_SLOT, 0x10) + (next() & 0x3f));
            case 4 -> memory(pc.host(), pc.bar(TestPc.NVME_SLOT, 0x10) - 4 + (next(2) & 0x2007));
            case 5 -> d.register(0x1000 + (next() & 0x3f) * 4, next());
            case 6 -> d.take(next() & 1);
            case 7 -> d.register(0x14, next() << 16 | next() << 8 | 1);
            case 8 ->
                pc.host()
                        .mmioWrite(
                                Layout.ECAM_BASE + ((long) TestPc.NVME_SLOT << 15) + ((next() & 1) == 0 ? 4 : 0x42),
                                2,
                                next() << 8 | next() & 7);
            case 9 -> pc.memory.writeLong(d.data(next() % 4) + (next() & 0xff) * 8, address(pc));
            case 10 -> {
                // a list in the list's own page
                pc.memory.writeLong(d.data(0) + 0xff8, d.data(0));
                d.command(1, 2, 1, d.data(1), d.data(0) + 0xff8, next(), 0, next());
            }
            default -> {
                int wrong = next();
                d.put(
                        next() & 1,
                        wrong < 200 ? List.of(0, 1, 2, 4, 5, 6, 8, 9, 10, 12).get(next() % 10) : next(),
                        wrong < 240 ? 1 : (int) value(),
                        address(pc),
                        address(pc),
                        (next() & 3) == 0 ? (int) value() : next(),
                        (next() & 3) == 0 ? (int) value() : next() & 7,
                        (next() & 3) == 0 ? (int) value() : next() & 15);
                d.ring(0);
                d.ring(1);
            }
        }
    }

    private long address(TestPc pc) {
        return (next() & 7) == 0 ? value() : pc.nvme().data(next() % 4) + ((next() & 7) == 0 ? next(2) & 0xfff : 0);
    }

    /** Whether a byte of the input says so: one time in so many. */
    private boolean seldom(int n) {
        return next() % n == 0;
    }

    private void ahci(TestPc pc) {
        AhciDriver d = pc.ahci();
        int port = next() & 1;
        switch (next() & 15) {
            case 0, 1 -> pc.startAhci(port);
            case 2 -> memory(pc.host(), abar(pc) + (next() & 0x2f));
            case 3 -> memory(pc.host(), abar(pc) + 0x100 + port * 0x80 + (next() & 0x7f));
            case 4 -> d.port(port, AhciDriver.SCTL, seldom(4) ? (int) value() : 1 - (next() & 1));
            case 5 -> d.register(4, seldom(8) ? 3 : 2);
            case 6 ->
                pc.host()
                        .mmioWrite(
                                Layout.ECAM_BASE
                                        + ((long) Layout.AHCI_SLOT << 15)
                                        + (seldom(2) ? 4 : 0x40 + (next() & 15)),
                                2,
                                next() << 8 | next() & 7);
            case 7 -> pc.tray(seldom(2), seldom(2), seldom(2));
            case 8 -> d.port(port, AhciDriver.CMD, seldom(8) ? (int) value() : next() & 0x11);
            case 9 -> {
                // anything in a header or a table
                long at = seldom(2) ? d.header(port, next() & 7) + (next() & 12) : d.table(port, next() & 7) + next();
                pc.memory.writeInt(at, (int) value());
            }
            case 10 -> {
                // a soft reset, or half of one
                int slot = next() & 7;
                d.put(port, slot, seldom(2) ? AhciDriver.CLEAR_BUSY : 0, 0, 0, 0, 0, 0);
                pc.memory.writeByte(d.table(port, slot) + 1, 0);
                pc.memory.writeByte(d.table(port, slot) + 15, next() & 4);
                d.issue(port, 1 << slot, false);
            }
            case 11 -> ahciTransfer(d, port);
            default -> ahciCommand(pc, d, port);
        }
    }

    private static long abar(TestPc pc) {
        return pc.config(Layout.AHCI_SLOT, 0x24) & 0xfffffff0L;
    }

    private void ahciTransfer(AhciDriver d, int port) {
        for (int n = next() & 3; n >= 0; n--) {
            int slot = next() & 7;
            if (seldom(4)) {
                d.put(port, slot, 0, seldom(2) ? 0x25 : 0x35, next() & 63, next() & 15, 0, 0x2000);
            } else {
                d.putQueued(port, slot, seldom(2), next() & 63, 1 + (next() & 7));
                d.issue(port, 1 << slot, true);
            }
        }
        d.issue(port, next(), seldom(4));
    }

    /** Mostly sound ones, of ATA and ATAPI. */
    private void ahciCommand(TestPc pc, AhciDriver d, int port) {
        int slot = next() & 7;
        if (port == 1 && !seldom(8)) {
            int opcode = seldom(8)
                    ? next()
                    : List.of(
                                    0, 3, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x28, 0x2b, 0x43, 0x46, 0x4a, 0x51, 0x52, 0x5a,
                                    0xa8, 0xad, 0xbb, 0xbd, 0xbe)
                            .get(next() % 20);
            int[] packet = {opcode, next() & 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
            for (int i = 2; i < 12; i++) {
                packet[i] = seldom(3) ? next() : 0;
            }
            packet[8] |= next() & 15;
            d.putPacket(port, slot, 1 + (next() & 0x1fff), packet);
        } else {
            int opcode = seldom(8)
                    ? next()
                    : List.of(0x25, 0x35, 0xc8, 0xca, 0x20, 0x30, 0xec, 0xa1, 6, 0xe7, 0xea, 0x2f, 0xef, 0xc6, 0x42, 8)
                            .get(next() % 16);
            pc.memory.writeLong(d.data(port), (long) (next() & 7) << 48 | next() & 63);
            d.put(
                    port,
                    slot,
                    opcode == 0x35 || opcode == 0xca ? AhciDriver.WRITE : 0,
                    opcode,
                    seldom(8) ? value() : next() & 63,
                    seldom(8) ? (int) value() : next() & 15,
                    seldom(2) ? 1 : next(),
                    1 + (next() & 31) * 256);
        }
        if (seldom(8)) {
            // more buffers than there are
            pc.memory.writeShort(d.header(port, slot) + 2, (int) value() & 0xffff);
        }
        d.issue(port, 1 << slot, seldom(8));
    }

    /** A frame of the host, to the interface, a group or anybody, or one of those bytes. */
    private byte[] frame() {
        byte[] f = seldom(4)
                ? TestNetwork.tcp4(0x525400123456L, 0x525400aabbccL, next() & 7, next() & 7, (int) next(2) & 0x7ff)
                : TestNetwork.frame(
                        seldom(4) ? value() : 0x525400123456L, 0x525400aabbccL, 0x8100, 14 + ((int) next(2) & 0x7ff));
        if (seldom(4)) {
            f[next() % f.length] = (byte) next();
        }
        return f;
    }

    private static final int NET_FEATURES = 1 | 2 | 4 | 1 << 5 | 3 << 7 | 3 << 11 | 0xf << 15 | 1 << 19 | 7 << 21;

    /** Frames both ways, sound ones for the most part, and commands. */
    private void net(TestPc pc) {
        pc.network.echoes = true;
        int what = next() & 15;
        if (what < 3) {
            int flags = next() & 3;
            Offload o = flags == 0
                    ? new Offload(true, 34, 16, false, Offload.Segmentation.TCP4, next())
                    : new Offload(flags == 1, next(), next(), flags == 2, Offload.Segmentation.NONE, 0);
            pc.network.give(frame(), seldom(2) ? o : Offload.NONE);
        } else if (what == 3) {
            pc.link(!seldom(4));
        } else if (what > 11) {
            virtio(pc, TestPc.NET_SLOT);
        } else {
            // receive, transmit, control of two pairs; the rings are shared
            int queue = seldom(3) ? 4 : next() & 3;
            long ring = RINGS + (queue & 1) * 0x1000L;
            int n = next() & 7;
            long data = RINGS + 0x4000 + n * 0x400L;
            int length = 12 + (next() & 0xff) * 4;
            if (queue == 4) {
                pc.memory.writeLong(data, value());
                pc.memory.writeShort(data, next() % 6 | (next() & 1) << 8);
                pc.memory.writeByte(data + 2, next() & 3);
            } else {
                pc.memory.writeLong(data, next() & 1 | (next() % 5) << 8);
                pc.memory.writeInt(data + 4, next() | 34 << 16);
                pc.memory.writeInt(data + 8, seldom(4) ? (int) value() : 16);
            }
            int write = queue == 4 || (queue & 1) != 0 ? 0 : 2;
            long[][] chain = {{data, queue == 4 ? 2 + next() : 12, write | 1}, {data + 12, length, write}};
            if (queue == 4) {
                chain[1] = new long[] {data + 0x200, 1, 2};
            }
            for (int i = 0; i < 2; i++) {
                long d = ring + (n * 2L + i) * 16;
                pc.memory.writeLong(d, chain[i][0]);
                pc.memory.writeInt(d + 8, (int) chain[i][1]);
                pc.memory.writeShort(d + 12, (int) chain[i][2]);
                pc.memory.writeShort(d + 14, n * 2 + i + 1);
            }
            if (seldom(8)) {
                descriptor(pc, ring + (n * 2L + (next() & 1)) * 16);
            }
            offer(pc, ring, n * 2);
            pc.host().mmioWrite(pc.bar4(TestPc.NET_SLOT) + 0x3000 + queue * 4, 2, 0);
        }
    }

    private void e1000(TestPc pc) {
        pc.e1000Network.echoes = true;
        E1000Driver d = pc.e1000();
        switch (next() & 15) {
            case 0, 1 -> pc.startE1000(seldom(2) ? (int) value() : 0x8018 | (next() & 3) << 16);
            case 2 -> memory(pc.host(), (pc.config(TestPc.E1000_SLOT, 0x10) & 0xfffffff0L) + (next(3) & 0x1ffff));
            case 3 -> d.register((int) next(2) & 0x5ffc, (int) value());
            case 4 ->
                d.register(List.of(0, 0x10, 0x14, 0x20, 0xc4, 0xc8, 0xd0, 0xd8).get(next() & 7), (int) value());
            case 5 ->
                d.register(
                        List.of(0x100, 0x400, 0x2808, 0x2810, 0x2818, 0x3808, 0x3810, 0x3818)
                                .get(next() & 7),
                        seldom(2) ? (int) value() : next());
            case 6 -> port(pc.host(), (pc.config(TestPc.E1000_SLOT, 0x14) & 0xfffc) + (next() & 15));
            case 7 -> pc.link(!seldom(4));
            case 8, 9 ->
                pc.e1000Network.give(
                        frame(),
                        seldom(2) ? new Offload(false, 0, 0, true, Offload.Segmentation.NONE, 0) : Offload.NONE);
            case 10 -> d.register(0x2818, next() & 7);
            case 11 -> pc.memory.writeLong(seldom(2) ? d.receive(next() & 7) : d.transmit(next() & 7), value());
            case 12 -> {
                // a context of segmentation or of checksums
                long places = 14 | 24 << 8 | 33 << 16 | 34L << 32 | 50L << 40;
                int lower = next() | (next() & 7 | E1000Driver.EXTENDED | 8) << 24;
                d.put(seldom(4) ? value() : places, seldom(8) ? (int) value() : lower, 54 << 8 | next() << 16);
            }
            default -> {
                int length = seldom(8) ? (int) value() & 0xfffff : 60 + next();
                int command = (next() & 0x65 | E1000Driver.SEND) << 24;
                long at = seldom(16) ? value() : d.outgoing(next() & 7);
                d.put(at, length | command | (next() & 1) << 20, (seldom(8) ? (int) value() : next()) << 8);
            }
        }
    }

    private void pci(VcpuHost h) {
        int slot = List.of(0, 1, 2, 3, 4, 31, 5, 30).get(next() & 7);
        if ((next() & 1) == 0) {
            h.portWrite(0xcf8, 4, 0x80000000 | slot << 11 | next());
            port(h, 0xcf6 + next() % 12);
        } else {
            memory(h, Layout.ECAM_BASE + ((long) slot << 15) + ((next() & 15) == 0 ? next(2) & 0x7fff : next()));
        }
    }

    private void virtio(TestPc pc, int slot) {
        VcpuHost h = pc.host();
        long bar = pc.bar4(slot);
        switch (next() & 15) {
            case 0 -> initialize(h, bar, slot);
            case 1, 13 -> request(pc, bar);
            case 14 -> packedRequest(pc, bar);
            case 2 -> memory(h, bar + (next() & 63));
            case 3 -> memory(h, bar - 4 + (next(2) & 0x7fff));
            case 4 -> memory(h, (pc.config(slot, 0x14) & 0xfffffff0L) + (next(2) & 0xfff));
            case 5 -> h.mmioWrite(Layout.ECAM_BASE + ((long) slot << 15) + 0x42, 2, next() << 8); // MSI-X
            case 6 -> {
                // reset, requests under way or not
                if (next() < 128) {
                    h.mmioWrite(bar + 20, 1, 0);
                } else {
                    h.mmioWrite(bar + 22, 2, 0);
                    h.mmioWrite(bar + 58, 2, 1);
                }
            }
            case 7, 8, 9 -> h.mmioWrite(bar + 0x3000 + (next() & 1) * 4L, 2, 0);
            case 10 -> {
                // more of it available
                long ring = RINGS + (next() & 1) * 0x1000;
                int index = pc.memory.readShort(ring + 0x402);
                int more = next();
                pc.memory.writeShort(ring + 0x402, index + (more < 200 ? more & 15 : more * 257) & 0xffff);
                h.mmioWrite(bar + 0x3000, 2, 0);
            }
            case 11 -> pc.memory.writeShort(RINGS + 0x400 + (next(2) & 0x3ff), (int) value() & 0xffff);
            case 12 -> {
                // a request
                pc.memory.writeInt(RINGS + 0x4000 + (next() & 15) * 0x100L, next() % 10);
                pc.memory.writeLong(RINGS + 0x4008 + (next() & 15) * 0x100L, value());
            }
            default -> descriptor(pc, RINGS + (next() & 1) * 0x1000 + (next() & 31) * 16L);
        }
    }

    /** A sound request of a disk, but for one thing at times. */
    private void request(TestPc pc, long bar) {
        int n = next() & 7;
        long data = RINGS + 0x4000 + n * 0x400L;
        boolean write = (next() & 1) != 0;
        pc.memory.writeInt(data, write ? 1 : next() % 10);
        pc.memory.writeLong(data + 8, (next() & 15) == 0 ? value() : next() & 63);
        long[][] chain = {{data, 16, 1}, {data + 32, 512, write ? 1 : 3}, {data + 16, 1, 2}};
        for (int i = 0; i < 3; i++) {
            long d = RINGS + (n * 3L + i) * 16;
            pc.memory.writeLong(d, chain[i][0]);
            pc.memory.writeInt(d + 8, (int) chain[i][1]);
            pc.memory.writeShort(d + 12, (int) chain[i][2]);
            pc.memory.writeShort(d + 14, n * 3 + i + 1);
        }
        int wrong = next();
        if (wrong < 40) {
            descriptor(pc, RINGS + (n * 3L + wrong % 3) * 16);
        }
        offer(pc, n * 3);
        pc.host().mmioWrite(bar + 0x3000, 2, 0);
    }

    private static void offer(TestPc pc, int head) {
        offer(pc, RINGS, head);
    }

    private static void offer(TestPc pc, long ring, int head) {
        int index = pc.memory.readShort(ring + 0x402);
        for (int size = 8; size <= 256; size *= 2) { // whatever the size of the queue
            pc.memory.writeShort(ring + 0x404 + index % size * 2L, head);
        }
        pc.memory.writeShort(ring + 0x402, index + 1 & 0xffff);
    }

    /** The same in a packed ring of 32. */
    private void packedRequest(TestPc pc, long bar) {
        int n = next() & 7;
        long data = RINGS + 0x4000 + n * 0x400L;
        boolean write = (next() & 1) != 0;
        pc.memory.writeInt(data, write ? 1 : next() % 15);
        pc.memory.writeLong(data + 8, (next() & 15) == 0 ? value() : next() & 63);
        long[][] chain = {{data, 16, 1}, {data + 32, 512, write ? 1 : 3}, {data + 16, 1, 2}};
        int wrong = next();
        for (int i = 0; i < 3; i++) {
            long d = RINGS + packedSlot * 16L;
            pc.memory.writeLong(d, chain[i][0]);
            pc.memory.writeInt(d + 8, (int) chain[i][1]);
            pc.memory.writeShort(d + 12, n);
            if (wrong < 40 && wrong % 3 == i) {
                descriptor(pc, d);
            }
            int flags =
                    wrong >= 40 && wrong < 60 && wrong % 3 == i ? next(2) == 0 ? 0 : (int) value() : (int) chain[i][2];
            pc.memory.writeShort(d + 14, flags & 0x7f7f | packedBits);
            if (++packedSlot == 32) {
                packedSlot = 0;
                packedBits ^= 0x8080;
            }
        }
        pc.host().mmioWrite(bar + 0x3000, 2, 0);
    }

    private void descriptor(TestPc pc, long d) {
        int what = next();
        pc.memory.writeLong(d, (what & 1) != 0 ? RINGS + 0x4000 + (next() & 15) * 0x100L : value());
        pc.memory.writeInt(d + 8, (what & 2) != 0 ? 1 << (next() & 15) : (int) value());
        pc.memory.writeShort(d + 12, next() & 7);
        pc.memory.writeShort(d + 14, (what & 4) != 0 ? next() & 31 : (int) value() & 0xffff);
    }

    /** The device's own that the driver accepts. */
    private int features(int slot, int how) {
        return switch (slot) {
            case Layout.CONSOLE_SLOT -> how >>> 4 & 2;
            case Layout.BALLOON_SLOT -> (how & 0x10) != 0 ? 0x26 : 0x36;
            case TestPc.NET_SLOT -> NET_FEATURES & (seldom(2) ? -1 : (int) next(4));
            default -> 0;
        };
    }

    private void initialize(VcpuHost h, long bar, int slot) {
        h.mmioWrite(Layout.ECAM_BASE + ((long) slot << 15) + 4, 2, next() < 240 ? 6 : next() & 7);
        int how = next() < 128 ? next() & 0x13 : next();
        h.mmioWrite(bar + 20, 1, 0);
        h.mmioWrite(bar + 20, 1, 3);
        h.mmioWrite(bar + 8, 4, 0);
        h.mmioWrite(bar + 12, 4, (long) (how & 3) << 28 | features(slot, how));
        h.mmioWrite(bar + 8, 4, 1);
        int kind = next();
        packedSlot = 0;
        packedBits = 0x80;
        h.mmioWrite(bar + 12, 4, 1 | (kind < 100 ? 4 : 0) | 1 << 8);
        h.mmioWrite(bar + 20, 1, 11);
        for (int q = 0; q < 6; q++) {
            h.mmioWrite(bar + 22, 2, q);
            int size = next();
            h.mmioWrite(bar + 24, 2, size < 200 ? 32 : 1L << (size & 15));
            long ring = RINGS + (q & 1) * 0x1000L;
            h.mmioWrite(bar + 32, 8, (how & 4) != 0 ? value() : ring);
            h.mmioWrite(bar + 40, 8, (how & 8) != 0 ? value() : ring + 0x400);
            h.mmioWrite(bar + 48, 8, (how & 0x10) != 0 ? value() : ring + 0x800);
            h.mmioWrite(bar + 28, 2, 1);
        }
        h.mmioWrite(bar + 20, 1, 15);
    }
}
