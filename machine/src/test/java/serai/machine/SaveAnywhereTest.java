package serai.machine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.machine.ahci.AhciDriver;
import serai.machine.e1000.E1000Driver;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.Msr;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.RamRegion;
import serai.machine.net.Offload;
import serai.machine.net.TestNetwork;
import serai.machine.virtio.VirtioBalloon;

/**
 * Whatever a guest does with a device: a machine saved in the midst of it and restored elsewhere goes on as the one that was not.
 *
 * <p>A random sequence of operations runs on one machine; at a random point it is saved and restored into a second, fresh or used; the
 * rest runs on both. Every value read, every interrupt, memory, disks and the states in the end have to be the same.
 */
class SaveAnywhereTest {
    private static final int ROUNDS = Integer.getInteger("serai.test.rounds", 40);
    private static final int OPERATIONS = 120;

    /** Something a guest, its time or its user does; gives what the guest sees of it. */
    @FunctionalInterface
    private interface Operation {
        long on(TestPc pc);
    }

    @ParameterizedTest
    @EnumSource
    void aRestoredMachineGoesOnAlike(Part part) {
        long seed = Long.getLong("serai.test.seed", 20261124 + part.ordinal());
        System.out.println(part + ": seed " + seed);
        Random random = new Random(seed);
        for (int round = 0; round < ROUNDS; round++) {
            List<Operation> all = new ArrayList<>(wiring(random));
            for (int i = 0; i < OPERATIONS; i++) {
                all.add(operation(part, random));
            }
            int cut = random.nextInt(all.size());
            String where = part + ", round " + round + ", saved after " + cut;
            try (TestPc one = TestPc.withAll();
                    TestPc other = TestPc.withAll()) {
                for (Operation o : all.subList(0, cut)) {
                    o.on(one);
                }
                if (random.nextBoolean()) {
                    // a machine that has been used for something else
                    wiring(random).forEach(o -> o.on(other));
                    for (int i = 0; i < OPERATIONS; i++) {
                        operation(part, random).on(other);
                    }
                }
                MachineState state = one.machine.save();
                other.restoreFrom(one, state);
                assertEquals("", difference(TestPc.text(state), TestPc.text(other.machine.save())), where);
                for (int i = cut; i < all.size(); i++) {
                    String at = where + ", operation " + i;
                    assertEquals(all.get(i).on(one), all.get(i).on(other), at);
                    VcpuHost a = one.host();
                    VcpuHost b = other.host();
                    assertEquals(a.interrupts().pending(), b.interrupts().pending(), at);
                    assertEquals(
                            a.interrupts().externalPending(), b.interrupts().externalPending(), at);
                }
                assertEquals("", difference(TestPc.text(one.machine.save()), TestPc.text(other.machine.save())), where);
                assertEquals(places(one), places(other), where);
                for (RamRegion r : one.memory.present()) {
                    int bytes = (int) r.size();
                    assertArrayEquals(one.memory.read(r.base(), bytes), other.memory.read(r.base(), bytes), where);
                }
                assertEquals(one.network.digest, other.network.digest, where);
                assertEquals(one.e1000Network.digest, other.e1000Network.digest, where);
                for (int d = 0; d < one.disks.length; d++) {
                    assertArrayEquals(one.disks[d].bytes, other.disks[d].bytes, where);
                }
            }
        }
    }

    private static List<Long> places(TestPc pc) {
        return pc.memory.present().stream()
                .flatMap(r -> Stream.of(r.base(), r.size()))
                .toList();
    }

    /** The lines that only one of them has. */
    private static String difference(String a, String b) {
        List<String> left = new ArrayList<>(a.lines().toList());
        List<String> right = new ArrayList<>(b.lines().toList());
        left.removeAll(b.lines().collect(Collectors.toSet()));
        right.removeAll(a.lines().collect(Collectors.toSet()));
        return left.isEmpty() && right.isEmpty() ? "" : left + " became " + right;
    }

    /** Interrupts have a way to the CPU: the I/O APIC's inputs unmasked to vectors of their own, most of the time. */
    private static List<Operation> wiring(Random random) {
        List<Operation> l = new ArrayList<>();
        if (random.nextInt(4) != 0) {
            l.add(store(Layout.LAPIC_BASE + 0xf0, 4, 0x1ff));
            for (int n = 0; n < 24; n++) {
                int low = 0x30 + n | (random.nextInt(3) == 0 ? 0x8000 : 0);
                l.add(store(Layout.IOAPIC_BASE, 4, 0x10 + n * 2));
                l.add(store(Layout.IOAPIC_BASE + 0x10, 4, low));
            }
        }
        if (random.nextBoolean()) {
            // the 8259s, at LINT0
            int[][] writes = {
                {0x20, 0x11},
                {0x21, 0x20},
                {0x21, 4},
                {0x21, 1},
                {0xa0, 0x11},
                {0xa1, 0x28},
                {0xa1, 2},
                {0xa1, 1},
                {0x21, 0},
                {0xa1, 0}
            };
            for (int[] w : writes) {
                l.add(out(w[0], 1, w[1]));
            }
            l.add(store(Layout.LAPIC_BASE + 0x350, 4, 0x700));
        }
        return l;
    }

    private static Operation out(int port, int size, int value) {
        return pc -> {
            pc.host().portWrite(port, size, value);
            return 0;
        };
    }

    private static Operation in(int port, int size) {
        return pc -> pc.host().portRead(port, size);
    }

    private static Operation store(long address, int size, long value) {
        return pc -> {
            pc.host().mmioWrite(address, size, value);
            return 0;
        };
    }

    private static Operation load(long address, int size) {
        return pc -> pc.host().mmioRead(address, size);
    }

    private static Operation operation(Part part, Random random) {
        return switch (random.nextInt(8)) {
            case 0 -> pc -> pc.host().interrupts().acknowledge();
            case 1 -> store(Layout.LAPIC_BASE + 0xb0, 4, 0); // end of interrupt
            case 2 -> time(random);
            default -> part == Part.ALL ? of(Part.values()[random.nextInt(Part.SINGLE)], random) : of(part, random);
        };
    }

    /** Time goes on, a little or far, and what is due is run or is late. */
    private static Operation time(Random random) {
        long instructions = 1L << random.nextInt(30);
        boolean late = random.nextInt(4) == 0;
        return pc -> {
            pc.engine.cpu().count += instructions;
            if (!late) {
                pc.runDue();
            }
            return pc.machine.timers().next();
        };
    }

    private static int value(Random random) {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt();
            case 1 -> 1 << random.nextInt(32);
            case 2 -> random.nextInt(16);
            default -> random.nextInt(256);
        };
    }

    private static Operation port(Random random, int... ports) {
        int port = ports[random.nextInt(ports.length)];
        int size = 1 << (random.nextInt(4) == 0 ? random.nextInt(3) : 0);
        return random.nextInt(3) == 0 ? in(port, size) : out(port, size, value(random));
    }

    private static Operation of(Part part, Random random) {
        return switch (part) {
            case LOCAL_APIC -> localApic(random);
            case IO_APIC ->
                switch (random.nextInt(4)) {
                    case 0, 1 -> store(Layout.IOAPIC_BASE, 4, random.nextInt(0x42));
                    case 2 -> store(Layout.IOAPIC_BASE + 0x10, 4, value(random) & 0xffffffffL);
                    default -> load(Layout.IOAPIC_BASE + 0x10, 4);
                };
            case PIC -> port(random, 0x20, 0x21, 0xa0, 0xa1, 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1);
            case PIT -> port(random, 0x40, 0x41, 0x42, 0x43, 0x43, 0x61);
            case HPET -> hpet(random);
            case RTC -> rtc(random);
            case PM -> pm(random);
            case UART -> {
                byte[] typed = new byte[random.nextInt(40)];
                random.nextBytes(typed);
                yield switch (random.nextInt(8)) {
                    case 0 ->
                        pc -> {
                            pc.machine.serialInput(typed);
                            return pc.machine.serialInputPending();
                        };
                    case 1 -> out(0x3fc, 1, 8 | random.nextInt(4)); // OUT2
                    case 2 -> out(0x3fa, 1, random.nextInt(256) | 1); // FIFOs
                    default -> port(random, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff);
                };
            }
            case DEBUG -> port(random, 0xe9, TestPc.DEBUG_EXIT, 0x60, 0x64, 0xcf9);
            case PCI -> pci(random);
            case MSIX -> msix(random);
            case VIRTIO_CONSOLE -> console(random);
            case VIRTIO_RNG -> virtio(random, Layout.RNG_SLOT);
            case VIRTIO_BLK -> virtio(random, Layout.FIRST_DISK_SLOT + random.nextInt(2));
            case VIRTIO_MEM -> memoryDevice(random);
            case PCI_HOTPLUG -> hotplug(random);
            case CPU_HOTPLUG -> cpus(random);
            case VIRTIO_BALLOON -> balloon(random);
            case VIRTIO9P -> virtio(random, TestPc.SHARE_SLOT);
            case VIRTIO_VSOCK -> virtio(random, TestPc.VSOCK_SLOT); // whose host refuses: connections are not saved
            case NVME -> nvme(random);
            case AHCI -> ahci(random);
            case VIRTIO_NET -> net(random);
            case E1000 -> e1000(random);
            case PORTS -> port(random, random.nextInt(0x10000), random.nextInt(0x1000));
            case MEMORY -> {
                long at = (random.nextBoolean() ? Layout.PCI_WINDOW_32 : Layout.PCI_WINDOW_64)
                        + random.nextInt(0x20000) * 4L;
                yield random.nextBoolean() ? load(at, 4) : store(at, 4, value(random) & 0xffffffffL);
            }
            case ALL -> throw new AssertionError();
        };
    }

    private static Operation hpet(Random random) {
        long timer = Layout.HPET_BASE + 0x100 + random.nextInt(8) * 0x20L;
        return switch (random.nextInt(10)) {
            case 0 -> store(Layout.HPET_BASE + 0x10, 4, random.nextInt(8) == 0 ? 0 : 1 + random.nextInt(2) * 2);
            case 1, 2 -> store(timer, 4, random.nextInt(1 << 15) & ~(16 << 9) | 20 << 9);
            case 3 -> store(timer + 8, 4, random.nextInt(1 << random.nextInt(31)));
            case 4 -> {
                int ahead = random.nextInt(1 << random.nextInt(20));
                yield pc -> {
                    long now = pc.host().mmioRead(Layout.HPET_BASE + 0xf0, 8);
                    pc.host().mmioWrite(timer + 8, 8, now + ahead);
                    return now;
                };
            }
            case 5 -> store(timer + 0x10, 8, Layout.LAPIC_BASE << 32 | 0x60 + random.nextInt(8));
            case 6 -> store(Layout.HPET_BASE + 0x20, 4, random.nextInt(256));
            case 7 -> random.nextBoolean() ? port(random, 0x40, 0x43) : rtc(random); // whose lines it may have
            case 8 -> load(timer + random.nextInt(3) * 8L, 8);
            default -> random.nextInt(4) == 0 ? store(Layout.HPET_BASE + 0xf0, 8, random.nextLong()) : time(random);
        };
    }

    private static Operation nvme(Random random) {
        int queue = random.nextInt(4) == 0 ? 0 : 1;
        int page = random.nextInt(4);
        int lba = random.nextInt(48);
        int blocks = 1 + random.nextInt(8);
        return switch (random.nextInt(16)) {
            case 0, 1 ->
                pc -> {
                    pc.startNvme();
                    return 0;
                };
            case 2 ->
                pc -> {
                    pc.nvme().command(0, random(page, lba), 1, pc.nvme().data(page), 0, lba, blocks, 0);
                    return 0;
                };
            case 3 ->
                pc -> {
                    pc.nvme().command(0, 0xc, 0, 0, 0, 0, 0, 0); // wait for an event
                    return 0;
                };
            case 4 -> {
                int v = value(random) & 0x1f;
                yield pc -> {
                    pc.nvme().register(0x1000 + queue * 4, v);
                    return pc.nvme().register(0x1c);
                };
            }
            case 5 -> {
                int at = random.nextInt(16) * 4;
                int v = value(random);
                boolean write = random.nextInt(4) == 0;
                yield pc -> {
                    if (write) {
                        pc.nvme().register(at, v);
                    }
                    return pc.nvme().register(at);
                };
            }
            case 6 ->
                pc -> {
                    // shuts down
                    pc.nvme().register(0x14, 0x464001);
                    return pc.nvme().register(0x1c);
                };
            case 7 -> store(Layout.ECAM_BASE + ((long) TestPc.NVME_SLOT << 15) + 4, 2, random.nextInt(4) == 0 ? 2 : 6);
            case 8 -> time(random);
            case 9, 10, 11 ->
                pc -> {
                    long[] last = pc.nvme().take(queue);
                    return last[0] * 31 + last[1];
                };
            default -> {
                int opcode = List.of(0, 1, 1, 1, 2, 2, 2, 8, 9).get(random.nextInt(9));
                // several may be under way with the same blocks and the same pages, for which hardware promises no
                // order; here there is one
                yield pc -> {
                    if (opcode == 9) {
                        pc.memory.writeLong(pc.nvme().data(page), (long) blocks << 32);
                        pc.memory.writeLong(pc.nvme().data(page) + 8, lba);
                        pc.nvme().command(1, 9, 1, pc.nvme().data(page), 0, 0, 4, 0);
                    } else {
                        pc.nvme().transfer(opcode, page, lba, blocks);
                    }
                    return 0;
                };
            }
        };
    }

    private static Operation ahci(Random random) {
        int port = random.nextInt(2);
        int slot = random.nextInt(AhciDriver.SLOTS);
        int lba = random.nextInt(48);
        int count = 1 + random.nextInt(8);
        boolean a = random.nextBoolean();
        boolean b = random.nextBoolean();
        return switch (random.nextInt(20)) {
            case 0, 1, 2 ->
                pc -> {
                    pc.startAhci(port);
                    return pc.ahci().port(port, AhciDriver.CMD);
                };
            case 3 -> {
                int at = random.nextInt(16) * 4;
                int v = value(random);
                boolean write = random.nextInt(3) == 0;
                yield pc -> {
                    if (write) {
                        pc.ahci().port(port, at, v);
                    }
                    return pc.ahci().port(port, at);
                };
            }
            case 4 -> {
                int at = random.nextInt(5) * 4;
                int v = random.nextInt(8) == 0 ? 3 : 2;
                yield pc -> {
                    pc.ahci().register(at, v);
                    return pc.ahci().register(at);
                };
            }
            case 5 -> store(Layout.ECAM_BASE + ((long) Layout.AHCI_SLOT << 15) + 4, 2, random.nextInt(4) == 0 ? 2 : 6);
            case 6 -> {
                long msi = Layout.ECAM_BASE + ((long) Layout.AHCI_SLOT << 15) + 0x40;
                yield pc -> {
                    pc.host().mmioWrite(msi + 4, 4, Layout.LAPIC_BASE);
                    pc.host().mmioWrite(msi + 0xc, 4, 0x61);
                    pc.host().mmioWrite(msi + 2, 2, a ? 1 : 0);
                    return pc.host().mmioRead(msi, 4);
                };
            }
            case 7 ->
                pc -> {
                    pc.ahci().port(port, AhciDriver.SCTL, 1);
                    pc.ahci().port(port, AhciDriver.SCTL, a ? 1 : 0);
                    return pc.ahci().port(port, AhciDriver.TFD);
                };
            case 8 ->
                pc -> {
                    pc.tray(a, b, count > 2);
                    return pc.drive.isOpen() ? 1 : 0;
                };
            case 9, 10, 11 ->
                pc -> {
                    pc.ahci().putQueued(0, slot, a, lba, count);
                    pc.ahci().issue(0, 1 << slot, true);
                    return pc.ahci().port(0, AhciDriver.SACT);
                };
            case 12, 13 -> time(random);
            case 14, 15 -> {
                int opcode = List.of(0x25, 0x35, 0xca, 0xc8, 0x20, 0xec, 6, 0xea, 0x2f, 0xef)
                        .get(random.nextInt(10));
                int features = List.of(1, 2, 0x82, 3).get(random.nextInt(4));
                yield pc -> {
                    pc.memory.writeLong(pc.ahci().data(0), lba | (long) count << 48);
                    pc.ahci().put(0, slot, 0, opcode, lba, count, features, count * 512);
                    pc.ahci().issue(0, 1 << slot, false);
                    return pc.ahci().port(0, AhciDriver.CI);
                };
            }
            default -> {
                int[] packet = new int[12];
                packet[0] = List.of(0, 3, 0x1b, 0x1e, 0x25, 0x28, 0x28, 0x28, 0x43, 0x4a, 0x5a, 0xbe)
                        .get(random.nextInt(12));
                packet[1] = packet[0] == 0x4a ? 1 : 0;
                packet[4] = packet[0] == 0x4a ? 0x10 : random.nextInt(4);
                packet[5] = lba / 4;
                packet[8] = count;
                yield pc -> {
                    pc.ahci().putPacket(1, slot, 0x2000, packet);
                    pc.ahci().issue(1, 1 << slot, false);
                    return pc.ahci().port(1, AhciDriver.TFD);
                };
            }
        };
    }

    private static byte[] frame(Random random) {
        long mac = 0x525400123456L;
        byte[] f = random.nextBoolean()
                ? TestNetwork.tcp4(mac, 0x525400aabbccL, random.nextInt(8), random.nextInt(8), random.nextInt(1400))
                : TestNetwork.frame(mac, 0x525400aabbccL, 0x88b5, 14 + random.nextInt(1500));
        if (random.nextInt(4) == 0) {
            f[0] = 1;
        }
        return f;
    }

    private static final Offload VERIFIED = new Offload(false, 0, 0, true, Offload.Segmentation.NONE, 0);

    private static Operation net(Random random) {
        byte[] frame = frame(random);
        boolean link = random.nextInt(4) != 0;
        Offload o = random.nextBoolean()
                ? Offload.NONE
                : random.nextBoolean() ? VERIFIED : new Offload(true, 34, 16, false, Offload.Segmentation.NONE, 0);
        return switch (random.nextInt(8)) {
            case 0, 1 ->
                pc -> {
                    pc.network.give(frame, o);
                    return pc.network.waiting.size();
                };
            case 2 ->
                pc -> {
                    pc.link(link);
                    return pc.network.digest;
                };
            default -> virtio(random, TestPc.NET_SLOT);
        };
    }

    private static Operation e1000(Random random) {
        byte[] frame = frame(random);
        boolean link = random.nextInt(8) != 0;
        int v = value(random);
        int at = List.of(
                        0, 8, 0x10, 0x14, 0x20, 0xc0, 0xc4, 0xc8, 0xd0, 0xd8, 0x2810, 0x3810, 0x4074, 0x4088, 0x408c,
                        0x5000)
                .get(random.nextInt(16));
        boolean write = random.nextInt(3) == 0;
        int size = random.nextInt(4);
        int part = random.nextInt(frame.length + 1);
        return switch (random.nextInt(12)) {
            case 0 ->
                pc -> {
                    pc.startE1000(0x8018 | size << 16);
                    return pc.e1000().register(0x100);
                };
            case 1, 2, 3 ->
                pc -> {
                    pc.e1000Network.give(frame, size == 0 ? VERIFIED : Offload.NONE);
                    return pc.e1000Network.waiting.size();
                };
            case 4 ->
                pc -> {
                    pc.link(link);
                    return pc.e1000().register(8);
                };
            case 5, 6 ->
                pc -> {
                    byte[] got = pc.e1000().take();
                    return got == null ? -1 : Arrays.hashCode(got);
                };
            case 7 ->
                pc -> {
                    // a frame in two parts, with time between them for all that may happen, and its checksum
                    long out = pc.e1000().outgoing(0);
                    pc.memory.write(out, frame);
                    pc.e1000().put(34L << 32 | 50L << 40, (0x28 | size) << 24, 0);
                    pc.e1000().put(out, part | 1 << 20 | (E1000Driver.EXTENDED | 2) << 24, 2 << 8);
                    return pc.e1000Network.digest;
                };
            case 8 ->
                pc -> {
                    long out = pc.e1000().outgoing(0);
                    pc.e1000()
                            .put(
                                    out + part,
                                    frame.length - part | 1 << 20 | (E1000Driver.EXTENDED | E1000Driver.SEND) << 24,
                                    0);
                    return pc.e1000Network.digest;
                };
            case 9 -> store(Layout.ECAM_BASE + ((long) TestPc.E1000_SLOT << 15) + 4, 2, random.nextInt(4) == 0 ? 3 : 7);
            default ->
                pc -> {
                    if (write) {
                        pc.e1000().register(at, v);
                    }
                    return pc.e1000().register(at);
                };
        };
    }

    private static Operation console(Random random) {
        int port = random.nextInt(2);
        byte[] typed = new byte[random.nextInt(20)];
        boolean open = random.nextBoolean();
        return switch (random.nextInt(10)) {
            case 0 ->
                pc -> {
                    pc.console(c -> c.input(port, typed));
                    return pc.consoleDevice.pending(port);
                };
            case 1 ->
                pc -> {
                    pc.console(c -> c.hostOpen(port, open));
                    return pc.consoleDevice.pending(port);
                };
            case 2 ->
                pc -> {
                    pc.console(c -> c.ready(port));
                    return 0;
                };
            case 3 ->
                pc -> {
                    pc.console(c -> c.resize(80 + typed.length, 25));
                    return 0;
                };
            case 4 -> {
                // the driver's message: event and value lie behind what is a disk's type and here the port
                int event = List.of(0, 3, 6).get(random.nextInt(3));
                int value = random.nextInt(4) == 0 ? 0 : 1;
                yield pc -> {
                    for (int n = 0; n < CHAINS; n++) {
                        pc.memory.writeInt(ring(Layout.CONSOLE_SLOT, 3) + 0x1004 + n * 0x400L, event | value << 16);
                    }
                    return submit(Layout.CONSOLE_SLOT, 3, port, 0, true).on(pc);
                };
            }
            default -> virtio(random, Layout.CONSOLE_SLOT);
        };
    }

    /** What the host wants, the driver's requests, and the memory that is there. */
    private static Operation memoryDevice(Random random) {
        int n = random.nextInt(TestPc.BLOCKS + 1);
        long at = Layout.pluggableRam(TestPc.RAM) + n % TestPc.BLOCKS * TestPc.BLOCK + random.nextInt(16) * 1024L;
        return switch (random.nextInt(8)) {
            case 0 ->
                pc -> {
                    pc.requestMemory(n);
                    return 0;
                };
            case 1 ->
                pc -> {
                    if (pc.memory.host(at) == 0) {
                        return -1;
                    }
                    long v = pc.memory.readLong(at);
                    pc.memory.writeLong(at, v + n);
                    return v;
                };
            case 2 -> pc -> pc.host().mmioRead(pc.bar4(Layout.MEMORY_SLOT) + 0x2028, 8); // the plugged size
            default -> virtio(random, Layout.MEMORY_SLOT);
        };
    }

    /** What the host wants, the configuration, and chains for each queue: page numbers and, as they are written to, free pages. */
    private static Operation balloon(Random random) {
        int n = random.nextInt(1 << random.nextInt(31));
        int at = random.nextInt(16);
        return switch (random.nextInt(8)) {
            case 0 ->
                pc -> {
                    pc.balloon(b -> b.want(n));
                    return 0;
                };
            case 1 ->
                pc -> {
                    pc.balloon(VirtioBalloon::requestStatistics);
                    return 0;
                };
            case 2 ->
                pc -> {
                    pc.host().mmioWrite(pc.bar4(Layout.BALLOON_SLOT) + 0x2000 + at, 4, n);
                    return 0;
                };
            case 3 -> pc -> pc.host().mmioRead(pc.bar4(Layout.BALLOON_SLOT) + 0x2000 + at, 4);
            default -> virtio(random, Layout.BALLOON_SLOT);
        };
    }

    /** What the host does, what the DSDT's methods do, and messages to CPUs that may be there. */
    private static Operation cpus(Random random) {
        int cpu = 1 + random.nextInt(TestPc.MAX_CPUS - 1);
        int base = Layout.CPU_HOTPLUG_BASE;
        return switch (random.nextInt(10)) {
            case 0, 1 ->
                pc -> {
                    pc.plugCpu(cpu);
                    return 0;
                };
            case 2 ->
                pc -> {
                    pc.askForCpu(cpu);
                    return 0;
                };
            case 3 -> out(base, 4, random.nextInt(TestPc.MAX_CPUS + 1));
            case 4 -> out(base + 4, 1, 1 << random.nextInt(4));
            case 5 -> out(base + 5, 1, random.nextInt(4));
            case 6 -> out(base + 8, 4, value(random));
            case 7 -> in(base + 8, 4);
            case 8 -> store(Layout.LAPIC_BASE + 0x300, 4, 0xc4000 | random.nextInt(8) << 8 | random.nextInt(256));
            default -> port(random, base, base + 4, base + 5, base + 8);
        };
    }

    /** What the host does, what the DSDT's methods do, and the slots' functions. */
    private static Operation hotplug(Random random) {
        int n = random.nextInt(TestPc.HOT_SLOTS.length);
        int slot = TestPc.HOT_SLOTS[n];
        return switch (random.nextInt(12)) {
            case 0, 1 ->
                pc -> {
                    pc.hotPlug(n);
                    return 0;
                };
            case 2 ->
                pc -> {
                    pc.machine.requestUnplug(slot);
                    return 0;
                };
            case 3 -> out(Layout.PCI_HOTPLUG_BASE + 8, 4, 1 << slot);
            case 4 -> in(Layout.PCI_HOTPLUG_BASE, 4);
            case 5 -> in(Layout.PCI_HOTPLUG_BASE + 4, 4);
            case 6 ->
                port(
                        random,
                        Layout.PCI_HOTPLUG_BASE,
                        Layout.PCI_HOTPLUG_BASE + 0x14,
                        Layout.PCI_HOTPLUG_BASE + 4,
                        Layout.PCI_HOTPLUG_BASE + 12);
            case 7 -> store(Layout.ECAM_BASE + ((long) slot << 15) + 0x20, 8, Layout.PCI_WINDOW_64 + 0x100000L * slot);
            case 8 -> store(Layout.ECAM_BASE + ((long) slot << 15) + 4, 2, random.nextInt(8));
            case 9 -> pm(random);
            case 10 ->
                pc -> {
                    pc.machine.pull(slot);
                    return 0;
                };
            default -> virtio(random, slot);
        };
    }

    private static Operation localApic(Random random) {
        int register = random.nextInt(8) == 0
                ? random.nextInt(64)
                : List.of(
                                2, 8, 0xa, 0xb, 0xd, 0xe, 0xf, 0x10, 0x20, 0x28, 0x30, 0x31, 0x32, 0x35, 0x36, 0x37,
                                0x38, 0x39, 0x3e)
                        .get(random.nextInt(19));
        long v = value(random) & 0xffffffffL;
        return switch (random.nextInt(12)) {
            case 0 -> store(Layout.LAPIC_BASE + 0x320, 4, 0x40 | random.nextInt(3) << 17); // the timer, in each mode
            case 1 -> store(Layout.LAPIC_BASE + 0x380, 4, random.nextInt(1 << random.nextInt(31)));
            case 2 -> msr(Msr.TSC_DEADLINE, random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(1 << 30));
            case 3 -> store(Layout.LAPIC_BASE + 0x300, 4, 0x40000 | 0x10 + random.nextInt(240)); // to itself
            case 4 ->
                random.nextInt(6) != 0
                        ? load(Layout.LAPIC_BASE + register * 16L, 4)
                        : msr(Msr.APIC_BASE, 0xfee00100L | random.nextInt(4) << 10);
            case 5 -> msr(0x800 + register, v);
            case 6 ->
                switch (random.nextInt(3)) {
                    case 0 -> pc -> pc.host().interrupts().takeNmi() ? 1 : 0;
                    case 1 -> pc -> pc.host().interrupts().takeInit() ? 1 : 0;
                    default -> pc -> pc.host().interrupts().takeStartup();
                };
            case 7, 8 -> load(Layout.LAPIC_BASE + register * 16L, 4);
            default -> store(Layout.LAPIC_BASE + register * 16L, 4, v);
        };
    }

    private static Operation msr(int index, long value) {
        return pc -> {
            try {
                pc.host().writeMsr(index, value);
                return pc.host().readMsr(index);
            } catch (GeneralProtection e) {
                return -1;
            }
        };
    }

    private static Operation rtc(Random random) {
        int index = List.of(0, 1, 2, 3, 4, 5, 7, 8, 9, 0xa, 0xb, 0xb, 0xc, 0xc, 0x32, 0x50)
                .get(random.nextInt(16));
        int v = index == 0xb ? random.nextInt(256) & (random.nextInt(4) == 0 ? 0xff : 0x7f) : value(random);
        boolean write = random.nextBoolean();
        return pc -> {
            pc.host().portWrite(0x70, 1, index);
            if (write) {
                pc.host().portWrite(0x71, 1, v);
                return 0;
            }
            return pc.host().portRead(0x71, 1);
        };
    }

    private static Operation pm(Random random) {
        int port = Layout.PM_BASE + List.of(0, 2, 4, 8, 0x20, 0x22).get(random.nextInt(6));
        return switch (random.nextInt(8)) {
            case 5 ->
                pc -> {
                    pc.memory.writeInt(Layout.ACPI_TABLES + 12, 0x9a000);
                    pc.host().portWrite(Layout.PM_BASE + 4, 2, 3 << 10 | 1 << 13 | 1);
                    return 0;
                };
            case 6 -> SaveAnywhereTest::sleep;
            case 7 -> rtc(random);
            case 0 ->
                pc -> {
                    pc.machine.pressPowerButton();
                    return 0;
                };
            case 1 -> out(Layout.PM_BASE + 2, 2, 0x101);
            case 2 ->
                pc -> {
                    pc.engine.cpu().count += 30_000_000_000L; // half a turn of the PM timer takes ten minutes
                    return 0;
                };
            case 3 -> in(port, 2);
            default -> out(port, 2, value(random));
        };
    }

    /** Falls asleep, or wakes if something wakes it. */
    private static long sleep(TestPc pc) {
        if (!pc.machine.asleep()) {
            return 0;
        }
        Outcome o;
        do {
            o = pc.machine.run(0);
            // what was asked for before is not in the state: whoever runs a machine takes it first
        } while (o instanceof Outcome.PowerOff || o instanceof Outcome.Hibernated);
        return o.toString().hashCode();
    }

    private static final int[] SLOTS = {0, 1, 2, 3, 4, 31};

    private static Operation pci(Random random) {
        int slot = SLOTS[random.nextInt(SLOTS.length)];
        long at = Layout.ECAM_BASE + ((long) slot << 15) + random.nextInt(64) * 4L;
        return switch (random.nextInt(7)) {
            case 0 -> load(at, 4);
            case 1 -> store(at, 4, value(random) & 0xffffffffL);
            case 2 -> out(0xcf8, 4, 0x80000000 | slot << 11 | random.nextInt(256));
            case 3 -> port(random, 0xcfc, 0xcfd, 0xcfe, 0xcff);
            case 4 -> store(Layout.ECAM_BASE + ((long) slot << 15) + 4, 2, random.nextInt(8) | random.nextInt(2) << 10);
            case 5 -> {
                // BARs that may collide with those of another function
                long bar = Layout.PCI_WINDOW_64 + random.nextInt(4) * 0x4000L;
                yield pc -> {
                    pc.host().mmioWrite(Layout.ECAM_BASE + ((long) slot << 15) + 0x20, 4, bar & 0xffffffffL);
                    pc.host().mmioWrite(Layout.ECAM_BASE + ((long) slot << 15) + 0x24, 4, bar >>> 32);
                    return pc.host().mmioRead(bar, 4);
                };
            }
            default -> load(Layout.PCI_WINDOW_64 + random.nextInt(0x4000) * 4L, 4);
        };
    }

    private static Operation msix(Random random) {
        int slot = 1 + random.nextInt(4);
        long config = Layout.ECAM_BASE + ((long) slot << 15);
        int vector = random.nextInt(3);
        return switch (random.nextInt(6)) {
            case 0 -> store(config + 0x42, 2, random.nextInt(4) << 14); // enable, mask all
            case 1 ->
                pc -> {
                    long bar = pc.config(slot, 0x14) & 0xfffffff0L;
                    pc.host().mmioWrite(bar + vector * 16L, 8, Layout.LAPIC_BASE);
                    pc.host().mmioWrite(bar + vector * 16L + 8, 8, (long) random(slot, vector) << 32 | 0x50 + vector);
                    return pc.host().mmioRead(bar + 0x800, 8);
                };
            case 2 -> {
                int masked = random.nextInt(2);
                yield pc -> {
                    long bar = pc.config(slot, 0x14) & 0xfffffff0L;
                    pc.host().mmioWrite(bar + vector * 16L + 12, 4, masked);
                    return pc.host().mmioRead(bar + 0x800, 8);
                };
            }
            case 3 ->
                pc -> {
                    long bar = pc.bar4(slot);
                    pc.host().mmioWrite(bar + 22, 2, 0);
                    pc.host().mmioWrite(bar + 26, 2, vector);
                    return pc.host().mmioRead(bar + 26, 2);
                };
            default -> virtio(random, slot);
        };
    }

    private static int random(int slot, int vector) {
        return slot * 7 + vector & 1;
    }

    // ---- virtio: the smallest driver ----

    private static final int SIZE = 32, CHAINS = 8;
    /** Those of two ports and of control messages. */
    private static final int CONSOLE_QUEUES = 6;
    /** Those of one pair and of control messages. */
    private static final int NET_QUEUES = 3;

    /** How many of a device's queues are used. */
    private static int queues(int slot) {
        return switch (slot) {
            case Layout.CONSOLE_SLOT -> CONSOLE_QUEUES;
            case Layout.BALLOON_SLOT -> 5;
            case TestPc.NET_SLOT -> NET_QUEUES;
            case TestPc.VSOCK_SLOT -> 3;
            default -> 1;
        };
    }

    /** Of the device type itself, what the driver accepts. */
    private static int features(int slot, boolean some) {
        return switch (slot) {
            case Layout.CONSOLE_SLOT -> some ? 2 : 0;
            case Layout.BALLOON_SLOT -> some ? 0x36 : 0x26;
            case TestPc.NET_SLOT -> some ? 0xaf8003 : 0xaf0003;
            default -> 0;
        };
    }

    private static long ring(int slot, int queue) {
        if (slot == Layout.BALLOON_SLOT || slot == TestPc.VSOCK_SLOT || slot == TestPc.SHARE_SLOT) {
            return 0x100000 + queue * 0x4000L; // not both at once, or what is there is none of the other's
        }
        if (slot == TestPc.NET_SLOT) {
            return TestPc.NET_AREA + queue % NET_QUEUES * 0x4000L;
        }
        return queue < 2 ? 0x10000L + slot * 0x8000L + queue * 0x4000L : 0xb0000L + queue * 0x4000L;
    }

    private static Operation virtio(Random random, int slot) {
        int queue = random.nextInt(queues(slot));
        return switch (random.nextInt(16)) {
            case 0, 1 -> initialize(slot, random.nextInt(4) != 0, random.nextBoolean(), random.nextBoolean());
            case 2 -> pc -> pc.host().mmioRead(pc.bar4(slot) + 0x1000, 1); // ISR
            case 3 -> {
                int at = random.nextInt(64);
                int size = 1 << random.nextInt(4);
                yield pc -> pc.host().mmioRead(pc.bar4(slot) + at, size);
            }
            case 4 -> {
                if (random.nextInt(4) != 0) {
                    yield time(random);
                }
                int at = random.nextInt(64);
                long v = value(random) & 0xffff;
                boolean master = random.nextBoolean();
                yield pc -> {
                    if (master) {
                        pc.host().mmioWrite(Layout.ECAM_BASE + ((long) slot << 15) + 4, 2, 2 | v & 4);
                    } else {
                        pc.host().mmioWrite(pc.bar4(slot) + at, 2, v);
                    }
                    return 0;
                };
            }
            case 5 -> {
                int flags = random.nextInt(2);
                yield pc -> {
                    pc.memory.writeShort(ring(slot, queue) + 0x400, flags); // available: no interrupt
                    return 0;
                };
            }
            default -> submit(slot, queue, random.nextInt(6), random.nextInt(32), random.nextInt(4) != 0);
        };
    }

    private static Operation initialize(int slot, boolean complete, boolean events, boolean packed) {
        return pc -> {
            pc.host().mmioWrite(Layout.ECAM_BASE + ((long) slot << 15) + 4, 2, 6);
            VcpuHost h = pc.host();
            long bar = pc.bar4(slot);
            for (int status : new int[] {0, 1, 3}) {
                h.mmioWrite(bar + 20, 1, status);
            }
            h.mmioWrite(bar + 8, 4, 0);
            h.mmioWrite(bar + 12, 4, (events ? 1L << 29 : 0) | features(slot, !(events && packed)));
            h.mmioWrite(bar + 8, 4, 1);
            h.mmioWrite(bar + 12, 4, 1 | (packed ? 4 : 0) | 1 << 8);
            h.mmioWrite(bar + 20, 1, 11);
            int queues = (int) h.mmioRead(bar + 18, 2);
            for (int q = 0; q < Math.min(queues(slot), queues); q++) {
                h.mmioWrite(bar + 22, 2, q);
                h.mmioWrite(bar + 24, 2, SIZE);
                pc.memory.zero(ring(slot, q), 0x1000);
                pc.memory.writeShort(ring(slot, q) + PACKED, packed ? 1 : 0);
                h.mmioWrite(bar + 32, 8, ring(slot, q));
                h.mmioWrite(bar + 40, 8, ring(slot, q) + 0x400);
                h.mmioWrite(bar + 48, 8, ring(slot, q) + 0x800);
                h.mmioWrite(bar + 28, 2, 1);
            }
            if (complete) {
                h.mmioWrite(bar + 20, 1, 15);
            }
            return h.mmioRead(bar + 20, 1);
        };
    }

    /** A request of the disk's shape, which the other devices take as buffers. Reads and writes keep to sectors of their own. */
    private static Operation submit(int slot, int queue, int type, int sector, boolean notify) {
        return pc -> {
            long ring = ring(slot, queue);
            if (pc.memory.readShort(ring + PACKED) != 0) {
                return submitPacked(pc, slot, queue, type, sector, notify);
            }
            int available = pc.memory.readShort(ring + 0x402);
            int used = pc.memory.readShort(ring + 0x802);
            // the driver's own: which chains are under way, and how far it has seen the used ring
            int seen = pc.memory.readShort(ring + 0xff0);
            int busy = pc.memory.readShort(ring + 0xff2);
            for (; seen != used; seen = seen + 1 & 0xffff) {
                busy &= ~(1 << pc.memory.readInt(ring + 0x804 + seen % SIZE * 8L) / 3);
            }
            int n = Integer.numberOfTrailingZeros(~busy);
            if (n < CHAINS) {
                busy |= 1 << n;
                long data = ring + 0x1000 + n * 0x400L;
                request(pc, slot, data, type, sector, available);
                descriptor(pc, ring, n * 3, data, header(slot), 1);
                long[] middle = middle(slot, queue, data, type, sector);
                descriptor(pc, ring, n * 3 + 1, middle[0], (int) middle[1], (int) middle[2]);
                descriptor(pc, ring, n * 3 + 2, data + 24, 1, 2);
                pc.memory.writeShort(ring + 0x404 + available % SIZE * 2L, n * 3);
                pc.memory.writeShort(ring + 0x402, available + 1 & 0xffff);
            }
            pc.memory.writeShort(ring + 0xff0, seen);
            pc.memory.writeShort(ring + 0xff2, busy);
            if (notify) {
                pc.host().mmioWrite(pc.bar4(slot) + 0x3000 + queue * 4L, 2, queue);
            }
            return used;
        };
    }

    private static int header(int slot) {
        return slot == Layout.MEMORY_SLOT ? 24 : 16;
    }

    private static void request(TestPc pc, int slot, long data, int type, int sector, int seed) {
        if (slot == Layout.BALLOON_SLOT) {
            // page numbers, or tags of statistics; and something in those pages
            pc.memory.writeLong(data, GIVEN / 4096 + type | (GIVEN / 4096 + sector % 8) << 32);
            pc.memory.writeLong(data + 8, (long) sector << 32);
            pc.memory.writeLong(GIVEN + sector * 0x3f8L, seed);
            return;
        }
        if (slot == TestPc.VSOCK_SLOT) {
            // a packet of 44 bytes, of which the first 16 are in the first descriptor
            pc.memory.writeLong(data, 3);
            pc.memory.writeLong(data + 8, type == 4 ? 7 : 2);
            pc.memory.writeLong(data + 32, sector | (long) seed << 32);
            pc.memory.writeLong(data + 40, 1L << 32 | (1L + type) << 48);
            pc.memory.writeLong(data + 48, 0);
            pc.memory.writeInt(data + 56, 0);
            return;
        }
        if (slot == Layout.MEMORY_SLOT) {
            // type, address, blocks: some beyond the ends of the region
            pc.memory.writeLong(data, type);
            pc.memory.writeLong(
                    data + 8, Layout.pluggableRam(TestPc.RAM) + (sector % (TestPc.BLOCKS + 2) - 1) * TestPc.BLOCK);
            pc.memory.writeLong(data + 16, 1 + sector / 8);
            return;
        }
        pc.memory.writeInt(data, type == 5 ? 8 : type);
        pc.memory.writeLong(data + 8, type == 1 ? 32 + sector : sector);
        if (type == 1) {
            for (int i = 0; i < 512; i += 8) {
                pc.memory.writeLong(data + 32 + i, seed * 77L + i);
            }
        }
    }

    /** Where the pages are that go into the balloon. */
    private static final long GIVEN = 0x118000;

    /** A chain's second buffer: where, how long, and whether it goes on and is written to. */
    private static long[] middle(int slot, int queue, long data, int type, int sector) {
        if (slot == Layout.BALLOON_SLOT && queue > 2) {
            return new long[] {GIVEN + sector * 0x100L, 0x2000, 3};
        }
        if (slot == TestPc.VSOCK_SLOT && queue == 1) {
            return new long[] {data + 32, 28, 1};
        }
        boolean write = type == 1 && slot != Layout.MEMORY_SLOT;
        return new long[] {data + 32, type == 5 ? 20 : 512, write ? 1 : 3};
    }

    /** Where the driver of a packed ring keeps: that it is one, its place, that of the device, which chains are under way. */
    private static final int PACKED = 0xff4, PLACE = 0xff6, DEVICE_PLACE = 0xff8, BUSY = 0xffa;

    private static final int WRAP = 0x8000;

    private static int advance(int place, int slots) {
        int at = (place & ~WRAP) + slots;
        return at < SIZE ? place & WRAP | at : place & WRAP ^ WRAP | at - SIZE;
    }

    private static long submitPacked(TestPc pc, int slot, int queue, int type, int sector, boolean notify) {
        long ring = ring(slot, queue);
        int place = pc.memory.readShort(
                ring + PLACE); // bit 15: the wrap counter's complement, so that zero is the beginning
        int device = pc.memory.readShort(ring + DEVICE_PLACE);
        int busy = pc.memory.readShort(ring + BUSY);
        long used = 0;
        for (int i = 0; i < SIZE; i++) {
            long d = ring + (device & ~WRAP) * 16L;
            int bits = pc.memory.readShort(d + 14) & 0x8080;
            if (bits != ((device & WRAP) == 0 ? 0x8080 : 0) || busy == 0) {
                break;
            }
            busy &= ~(1 << pc.memory.readShort(d + 12));
            used = used * 31 + pc.memory.readLong(d + 8);
            device = advance(device, 3);
        }
        int n = Integer.numberOfTrailingZeros(~busy);
        if (n < CHAINS) {
            busy |= 1 << n;
            long data = ring + 0x1000 + n * 0x400L;
            request(pc, slot, data, type, sector, place);
            long[][] parts = {{data, header(slot), 1}, middle(slot, queue, data, type, sector), {data + 24, 1, 2}};
            int first = place;
            for (int i = 0; i < 3; i++) {
                long d = ring + (place & ~WRAP) * 16L;
                pc.memory.writeLong(d, parts[i][0]);
                pc.memory.writeInt(d + 8, (int) parts[i][1]);
                pc.memory.writeShort(d + 12, n);
                int bits = (place & WRAP) == 0 ? 0x80 : 0x8000;
                if (i > 0) {
                    pc.memory.writeShort(d + 14, (int) parts[i][2] | bits);
                }
                place = advance(place, 1);
            }
            pc.memory.writeShort(
                    ring + (first & ~WRAP) * 16L + 14, (int) parts[0][2] | ((first & WRAP) == 0 ? 0x80 : 0x8000));
        }
        pc.memory.writeShort(ring + PLACE, place);
        pc.memory.writeShort(ring + DEVICE_PLACE, device);
        pc.memory.writeShort(ring + BUSY, busy);
        if (notify) {
            pc.host().mmioWrite(pc.bar4(slot) + 0x3000 + queue * 4L, 2, queue);
        }
        return used;
    }

    private static void descriptor(TestPc pc, long ring, int n, long address, int length, int flags) {
        pc.memory.writeLong(ring + n * 16L, address);
        pc.memory.writeInt(ring + n * 16L + 8, length);
        pc.memory.writeShort(ring + n * 16L + 12, flags);
        pc.memory.writeShort(ring + n * 16L + 14, n + 1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theMemoryDriverInThisTestPlugsAndUnplugs(boolean packed) {
        try (TestPc pc = TestPc.withAll()) {
            initialize(Layout.MEMORY_SLOT, true, false, packed).on(pc);
            pc.requestMemory(5);
            submit(Layout.MEMORY_SLOT, 0, 0, 10, true).on(pc);
            assertEquals(
                    List.of(0L, TestPc.RAM, Layout.pluggableRam(TestPc.RAM) + 9 * TestPc.BLOCK, 2 * TestPc.BLOCK),
                    places(pc));
            submit(Layout.MEMORY_SLOT, 0, 2, 0, true).on(pc);
            assertEquals(List.of(0L, TestPc.RAM), places(pc));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theNetworkDriversInThisTestMoveFrames(boolean packed) {
        try (TestPc pc = TestPc.withAll()) {
            initialize(TestPc.NET_SLOT, true, false, packed).on(pc);
            submit(TestPc.NET_SLOT, 0, 0, 0, true).on(pc);
            pc.network.give(TestNetwork.frame(0x525400123456L, 2, 0x88b5, 60));
            assertEquals(0x52, pc.memory.readByte(ring(TestPc.NET_SLOT, 0) + 0x1000 + 32 + 12));
            submit(TestPc.NET_SLOT, 1, 1, 5, true).on(pc);
            assertEquals(516, pc.network.sent.getFirst().bytes().length);
            pc.startE1000(0x8018);
            pc.e1000Network.give(TestNetwork.frame(0x525400123456L, 2, 0x88b5, 60));
            assertEquals(64, Objects.requireNonNull(pc.e1000().take()).length);
            pc.e1000().send(new byte[99]);
            assertEquals(99, pc.e1000Network.sent.getFirst().bytes().length);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theDriverInThisTestGetsItsRequestsDone(boolean packed) {
        try (TestPc pc = new TestPc()) {
            pc.disks[0].bytes[5 * 512] = 42;
            initialize(3, true, false, packed).on(pc);
            submit(3, 0, 0, 5, true).on(pc);
            pc.engine.cpu().count += 1_000_000;
            pc.runDue();
            assertEquals(42, pc.memory.readByte(ring(3, 0) + 0x1000 + 32));
            submit(3, 0, 1, 1, true).on(pc);
            pc.engine.cpu().count += 1_000_000;
            pc.runDue();
            assertEquals(packed ? 3 * 77 : 77, pc.disks[0].bytes[33 * 512] & 0xff);
            submit(3, 0, 4, 0, false).on(pc);
            int busy = pc.memory.readShort(ring(3, 0) + (packed ? BUSY : 0xff2));
            assertEquals(1, Integer.bitCount(busy), "the others have come back");
        }
    }
}
