package serai.machine.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;
import serai.machine.net.NetBackend;
import serai.machine.net.NetBackend.Abilities;
import serai.machine.net.NetCounters;
import serai.machine.net.Offload;
import serai.machine.net.Offload.Segmentation;
import serai.machine.net.TestNetwork;

/** The network device, virtio 1.2, 5.1. */
class VirtioNetTest {
    private static final long VERSION_1 = GuestDriver.F_VERSION_1, PACKED = VERSION_1 | GuestDriver.F_PACKED;
    private static final long CSUM = 1, GUEST_CSUM = 2, GUEST_OFFLOADS = 4, GUEST_TSO4 = 1 << 7, GUEST_TSO6 = 1 << 8;
    private static final long HOST_TSO4 = 1 << 11, HOST_TSO6 = 1 << 12, MERGEABLE = 1 << 15, STATUS = 1 << 16;
    private static final long CTRL = 1 << 17, CTRL_RX = 1 << 18, CTRL_VLAN = 1 << 19, ANNOUNCE = 1 << 21;
    private static final long MQ = 1 << 22, CTRL_MAC = 1 << 23;
    private static final long MAC = 0x52_54_00_12_34_56L, OTHER = 0x52_54_00_aa_bb_ccL, BROADCAST = 0xffff_ffff_ffffL;
    private static final long DATA = 0x40000;
    private static final int HEADER = 12, NEEDS_RESET = 0x40;
    private static final byte[] ADDRESS = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

    private final GuestMemory memory = TestMemory.ram(1 << 21);
    private final TestNetwork net = new TestNetwork();
    private final VirtioNet nic = new VirtioNet(net, ADDRESS, 1500, 1, new ReentrantLock());
    private final VirtioPci pci = nic.onPci("virtio-net0", memory, (a, v) -> {});
    private final GuestDriver d = new GuestDriver(memory, pci, 3);

    private static GuestDriver.Part in(long address, int length) {
        return new GuestDriver.Part(address, length, true);
    }

    private static GuestDriver.Part out(long address, int length) {
        return new GuestDriver.Part(address, length, false);
    }

    private void start(long features) {
        assertTrue(d.initialize(features, 3));
    }

    private static byte[] frame(int length) {
        return TestNetwork.frame(MAC, OTHER, 0x88b5, length);
    }

    private void header(long at, int flags, int gso, int size, int start, int offset) {
        memory.zero(at, HEADER);
        memory.writeByte(at, flags);
        memory.writeByte(at + 1, gso);
        memory.writeShort(at + 4, size);
        memory.writeShort(at + 6, start);
        memory.writeShort(at + 8, offset);
    }

    /** Sends a frame behind the header that is at DATA. */
    private void send(byte[] frame) {
        memory.write(DATA + HEADER, frame);
        int id = d.submit(1, out(DATA, HEADER + frame.length));
        assertEquals(List.of(id, 0), d.used(1));
    }

    private byte[] received(long at, int length) {
        return memory.read(at + HEADER, length);
    }

    private long control(int kind, int command, byte... data) {
        memory.writeByte(DATA, kind);
        memory.writeByte(DATA + 1, command);
        memory.write(DATA + 2, data);
        memory.writeByte(DATA + 0x8000, 77);
        d.submit(2, out(DATA, 2), out(DATA + 2, data.length), in(DATA + 0x8000, 1));
        assertEquals(2, d.used(2).size());
        return memory.readByte(DATA + 0x8000);
    }

    @ParameterizedTest
    @ValueSource(longs = {VERSION_1, PACKED})
    void sec5_1_6_2_framesGoOut_asOneBufferOrMany(long features) {
        start(features);
        header(DATA, 0, 0, 0, 0, 0);
        send(frame(60));
        assertArrayEquals(frame(60), net.sent.getFirst().bytes());
        assertEquals(Offload.NONE, net.sent.getFirst().offload());
        byte[] f = frame(1514);
        memory.write(DATA + 0x1000, f);
        d.submit(1, out(DATA, 5), out(DATA + 5, 7), out(DATA + 0x1000, 1), out(DATA + 0x1001, 1513));
        assertArrayEquals(f, net.sent.get(1).bytes());
        assertEquals(new NetCounters(0, 0, 0, 2, 1574, 0), nic.counters());
        assertEquals(1, d.isr());
    }

    @Test
    void sec5_1_6_2_offloadsAreTold_andKeptApart() {
        start(VERSION_1 | CSUM | HOST_TSO4 | HOST_TSO6);
        byte[] f = TestNetwork.tcp4(OTHER, MAC, 1, 2, 3000);
        header(DATA, 1, 0, 0, 34, 16);
        send(f);
        send(f);
        header(DATA, 1, 1, 1448, 34, 16);
        send(f);
        header(DATA, 1, 4, 1428, 54, 16);
        send(f);
        List<Offload> seen = net.sent.stream().map(TestNetwork.Sent::offload).toList();
        Offload partial = new Offload(true, 34, 16, false, Segmentation.NONE, 0);
        assertEquals(
                List.of(
                        partial,
                        partial,
                        new Offload(true, 34, 16, false, Segmentation.TCP4, 1448),
                        new Offload(true, 54, 16, false, Segmentation.TCP6, 1428)),
                seen);
    }

    /** Flags, type, segment size, checksum's start and offset, in a frame of 100 bytes. */
    @ParameterizedTest
    @CsvSource({
        "1, 0, 0, 99, 0",
        "1, 0, 0, 65535, 65535",
        "1, 0, 0, 50, 49",
        "0, 1, 1448, 34, 16",
        "1, 1, 0, 34, 16",
        "1, 1, 1448, 81, 0",
        "1, 3, 1448, 34, 6",
        "1, 5, 1448, 34, 6",
        "1, 0x81, 1448, 34, 16",
        "1, 4, 1448, 34, 16",
        "1, 0xff, 1448, 34, 16",
    })
    void sec5_1_6_2_headersThatMakeNoSense_areDropped(String flags, String gso, int size, int start, int offset) {
        start(VERSION_1 | CSUM | HOST_TSO4);
        header(DATA, Integer.decode(flags), Integer.decode(gso), size, start, offset);
        send(frame(100));
        assertEquals(List.of(), net.sent);
        assertEquals(1, nic.counters().sentDrops());
        assertEquals(0, d.status() & NEEDS_RESET);
    }

    @Test
    void framesTooShortAndTooLong_areDropped() {
        start(VERSION_1);
        header(DATA, 0, 0, 0, 0, 0);
        send(new byte[13]);
        d.submit(1, out(DATA, 4));
        d.submit(1, in(DATA, 400));
        d.submit(1, out(DATA, HEADER + NetBackend.MAX_FRAME + 1));
        assertEquals(List.of(), net.sent);
        d.submit(1, out(DATA, HEADER + NetBackend.MAX_FRAME));
        assertEquals(NetBackend.MAX_FRAME, net.sent.getFirst().bytes().length);
        assertEquals(4, nic.counters().sentDrops());
        assertEquals(0, d.status() & NEEDS_RESET);
    }

    @Test
    void aBufferOutsideRam_stopsTheDevice_andNoFrameIsHalfSent() {
        start(VERSION_1);
        d.submit(1, out(DATA, HEADER + 50), out(1L << 40, 50));
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET);
        assertEquals(List.of(), net.sent);
        start(VERSION_1);
        d.submit(0, in((1 << 21) - 100, 2000));
        net.give(frame(200));
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET, "the host hears nothing of it");
        assertEquals(List.of(), d.used(0));
    }

    @ParameterizedTest
    @ValueSource(longs = {VERSION_1, PACKED})
    void sec5_1_6_4_framesComeIn_orWaitForBuffers(long features) {
        start(features);
        net.give(frame(60));
        net.give(frame(70));
        assertEquals(List.of(), d.used(0));
        int id = d.submit(0, in(DATA, HEADER), in(DATA + HEADER, 1600));
        assertEquals(List.of(id, 72), d.used(0));
        assertArrayEquals(frame(60), received(DATA, 60));
        assertArrayEquals(new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, memory.read(DATA, HEADER));
        id = d.submit(0, in(DATA, 1600));
        assertEquals(List.of(id, 82), d.used(0));
        int next = d.submit(0, in(DATA, 1600));
        assertEquals(List.of(), d.used(0));
        d.isr();
        net.give(frame(80));
        assertEquals(List.of(next, 92), d.used(0));
        assertEquals(1, d.isr());
        assertEquals(new NetCounters(3, 210, 0, 0, 0, 0), nic.counters());
    }

    @ParameterizedTest
    @ValueSource(longs = {VERSION_1, PACKED})
    void sec5_1_6_4_aFrameOverSeveralBuffers_isThereAsAWhole(long features) {
        start(features | MERGEABLE);
        for (int round = 0; round < 7; round++) {
            byte[] f = frame(1000 + round);
            net.give(f);
            for (int i = 0; i < 2; i++) {
                d.submit(0, in(DATA + i * 0x1000, 400));
                assertEquals(List.of(), d.used(0), "not half of it");
            }
            d.submit(0, in(DATA + 0x2000, 100), in(DATA + 0x2100, 200 + round));
            List<Integer> used = d.used(0);
            assertEquals(List.of(400, 400, 212 + round), List.of(used.get(1), used.get(3), used.get(5)));
            assertEquals(3, memory.readShort(DATA + 10), "buffers");
            ByteBuffer all = ByteBuffer.allocate(f.length);
            all.put(memory.read(DATA + HEADER, 388)).put(memory.read(DATA + 0x1000, 400));
            all.put(memory.read(DATA + 0x2000, 100)).put(memory.read(DATA + 0x2100, 112 + round));
            assertArrayEquals(f, all.array());
        }
        assertEquals(7, nic.counters().received());
    }

    @Test
    void aFrameThatNoRingCouldHold_isDropped() {
        start(VERSION_1 | MERGEABLE);
        for (int i = 0; i < GuestDriver.SIZE; i++) {
            d.submit(0, in(DATA + i * 0x100, 20));
        }
        net.give(frame(200));
        net.give(frame(60));
        assertEquals(1, nic.counters().receivedDrops());
        assertEquals(8, d.used(0).size(), "four buffers have the second");
        start(VERSION_1);
        d.submit(0, in(DATA, 200));
        net.give(frame(200));
        net.give(frame(188));
        assertEquals(2, nic.counters().receivedDrops());
        assertEquals(List.of(200), d.used(0).subList(1, 2));
    }

    @Test
    void aBufferWithoutRoomForAHeader_stopsTheDevice() {
        start(VERSION_1 | MERGEABLE);
        d.submit(0, in(DATA, 11));
        net.give(frame(60));
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET);
        start(VERSION_1 | MERGEABLE);
        net.give(frame(60));
        d.submit(0, out(DATA, 100));
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET, "the frame waited");
    }

    @Test
    void sec5_1_6_4_1_whatTheDriverCanDo_isToldToTheHost() {
        assertEquals(Abilities.NONE, net.abilities);
        start(VERSION_1 | GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | MERGEABLE);
        assertEquals(new Abilities(true, true, true), net.abilities);
        start(VERSION_1 | GUEST_TSO4);
        assertEquals(Abilities.NONE, net.abilities, "5.1.3.1: not without checksums");
        start(VERSION_1 | GUEST_CSUM | GUEST_TSO6 | CTRL | GUEST_OFFLOADS);
        assertEquals(new Abilities(true, false, true), net.abilities);
        assertEquals(
                1, control(5, 0, (byte) 0x82, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0));
        assertEquals(0, control(5, 0, (byte) 2, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0));
        assertEquals(new Abilities(true, false, false), net.abilities);
        d.common(20, 1, 0);
        assertEquals(Abilities.NONE, net.abilities);
    }

    @Test
    void sec5_1_6_4_offloadsOfTheHost_areInTheHeader() {
        start(VERSION_1 | GUEST_CSUM | GUEST_TSO4 | MERGEABLE);
        byte[] f = TestNetwork.tcp4(MAC, OTHER, 1, 2, 3000);
        d.submit(0, in(DATA, 5000));
        net.give(f, new Offload(true, 34, 16, false, Segmentation.TCP4, 1448));
        ByteBuffer h = ByteBuffer.wrap(memory.read(DATA, HEADER)).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(0x101, h.getShort(0));
        assertEquals(54, h.getShort(2));
        assertEquals(1448, h.getShort(4));
        assertEquals(34, h.getShort(6));
        assertEquals(16, h.getShort(8));
        d.submit(0, in(DATA, 5000));
        net.give(frame(60), new Offload(false, 0, 0, true, Segmentation.NONE, 0));
        assertEquals(2, memory.readShort(DATA));
        net.give(f, new Offload(true, 54, 16, false, Segmentation.TCP6, 1448));
        assertEquals(1, nic.counters().receivedDrops(), "it can't take such");
        start(VERSION_1);
        d.submit(0, in(DATA, 5000));
        net.give(frame(60), new Offload(true, 34, 16, false, Segmentation.NONE, 0));
        assertEquals(2, nic.counters().receivedDrops());
        net.give(frame(60), new Offload(false, 0, 0, true, Segmentation.NONE, 0));
        assertEquals(0, memory.readShort(DATA), "not negotiated");
        assertEquals(60 + HEADER, d.used(0).get(1));
    }

    @Test
    void sec5_1_4_configuration() {
        start(VERSION_1 | STATUS);
        for (int i = 0; i < 6; i++) {
            assertEquals(ADDRESS[i] & 0xff, d.mmio.read(d.bar + 0x2000 + i, 1));
        }
        assertEquals(1, d.mmio.read(d.bar + 0x2006, 2));
        assertEquals(1, d.mmio.read(d.bar + 0x2008, 2));
        assertEquals(1500, d.mmio.read(d.bar + 0x200a, 2));
        assertEquals(0x02000001, d.config(8));
        assertEquals(0x10411af4, d.config(0));
    }

    @Test
    void withoutALink_allIsDropped_andTheDriverIsTold() {
        start(VERSION_1 | STATUS);
        d.submit(0, in(DATA + 0x1000, 2000));
        d.isr();
        nic.setLink(false);
        assertFalse(nic.link());
        assertEquals(2, d.isr());
        assertEquals(0, d.mmio.read(d.bar + 0x2006, 2));
        header(DATA, 0, 0, 0, 0, 0);
        send(frame(60));
        net.give(frame(60));
        assertEquals(List.of(), net.sent);
        assertEquals(List.of(), d.used(0));
        assertEquals(new NetCounters(0, 0, 1, 0, 0, 1), nic.counters());
        d.common(20, 1, 0);
        assertEquals(0, d.mmio.read(d.bar + 0x2006, 2), "a reset does not plug it in");
        start(VERSION_1 | STATUS);
        nic.setLink(true);
        d.submit(0, in(DATA + 0x1000, 2000));
        net.give(frame(60));
        assertEquals(2, d.used(0).size());
    }

    @Test
    void sec5_1_6_5_4_announcements() {
        start(VERSION_1 | STATUS | CTRL | ANNOUNCE);
        nic.announce();
        assertEquals(2, d.isr());
        assertEquals(3, d.mmio.read(d.bar + 0x2006, 2));
        assertEquals(0, control(3, 0));
        assertEquals(1, d.mmio.read(d.bar + 0x2006, 2));
        start(VERSION_1 | STATUS | CTRL);
        nic.announce();
        assertEquals(1, d.mmio.read(d.bar + 0x2006, 2));
    }

    private static byte[] table(long[] unicast, long[] multicast) {
        ByteBuffer b =
                ByteBuffer.allocate(8 + 6 * (unicast.length + multicast.length)).order(ByteOrder.LITTLE_ENDIAN);
        for (long[] t : new long[][] {unicast, multicast}) {
            b.putInt(t.length);
            for (long a : t) {
                for (int i = 40; i >= 0; i -= 8) {
                    b.put((byte) (a >>> i));
                }
            }
        }
        return b.array();
    }

    private static final long[] NONE = {};

    /** Whether a frame for somebody comes in. */
    private boolean comes(long to) {
        return comes(TestNetwork.frame(to, OTHER, 0x88b5, 60));
    }

    private boolean comes(byte[] frame) {
        long before = nic.counters().received();
        long drops = nic.counters().receivedDrops();
        net.give(frame);
        boolean came = nic.counters().received() > before;
        assertEquals(came ? 0 : 1, nic.counters().receivedDrops() - drops);
        if (came) {
            d.used(0);
            d.submit(0, in(DATA + 0x10000, 2000));
        }
        return came;
    }

    @Test
    void sec5_1_6_5_1_filters() {
        start(VERSION_1 | CTRL | CTRL_RX | CTRL_MAC);
        d.submit(0, in(DATA + 0x10000, 2000));
        long group = 0x0100_5e00_0001L;
        assertTrue(comes(OTHER), "promiscuous at first");
        assertEquals(0, control(0, 0, (byte) 0));
        assertFalse(comes(OTHER));
        assertTrue(comes(MAC));
        assertTrue(comes(BROADCAST));
        assertFalse(comes(group));
        assertEquals(0, control(0, 1, (byte) 1));
        assertTrue(comes(group));
        assertEquals(0, control(0, 1, (byte) 0));
        assertEquals(0, control(1, 0, table(new long[] {OTHER}, new long[] {group})));
        assertTrue(comes(OTHER));
        assertTrue(comes(group));
        assertFalse(comes(group + 1));
        assertFalse(comes(OTHER + 1));
        long[] many = new long[200];
        Arrays.fill(many, group);
        assertEquals(0, control(1, 0, table(many, many)));
        assertTrue(comes(OTHER + 1), "too many to know");
        assertTrue(comes(group + 1));
        assertEquals(0, control(1, 0, table(NONE, NONE)));
        assertFalse(comes(OTHER));
        assertFalse(comes(group));
        assertEquals(0, control(1, 1, (byte) 2, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 1));
        assertTrue(comes(0x020000000001L));
        assertFalse(comes(MAC));
        assertEquals(2, nic.mac()[0]);
        d.common(20, 1, 0);
        assertArrayEquals(ADDRESS, nic.mac());
    }

    @Test
    void sec5_1_6_5_3_vlans() {
        start(VERSION_1 | CTRL | CTRL_RX | CTRL_VLAN);
        d.submit(0, in(DATA + 0x10000, 2000));
        byte[] tagged = TestNetwork.frame(MAC, OTHER, 0x8100, 64);
        tagged[14] = 0x1;
        tagged[15] = 0x23;
        assertEquals(0, control(0, 0, (byte) 0));
        assertFalse(comes(tagged));
        assertTrue(comes(MAC));
        assertEquals(0, control(2, 0, (byte) 0x23, (byte) 1));
        assertTrue(comes(tagged));
        assertEquals(0, control(2, 1, (byte) 0x23, (byte) 1));
        assertFalse(comes(tagged));
    }

    @Test
    void sec5_1_6_5_commandsThatAreNone_areRefused() {
        start(VERSION_1 | CTRL | CTRL_RX);
        assertEquals(1, control(0, 2, (byte) 1));
        assertEquals(1, control(0, 0));
        assertEquals(1, control(1, 0));
        assertEquals(1, control(1, 0, (byte) 1, (byte) 0, (byte) 0, (byte) 0, (byte) 1));
        assertEquals(1, control(1, 0, (byte) -1, (byte) -1, (byte) -1, (byte) -1, (byte) 1));
        assertEquals(1, control(1, 1, ADDRESS), "not negotiated");
        assertEquals(1, control(2, 0, (byte) 1, (byte) 0));
        assertEquals(1, control(3, 0));
        assertEquals(1, control(4, 0, (byte) 1, (byte) 0));
        assertEquals(1, control(5, 0, new byte[8]));
        assertEquals(1, control(99, 0));
        assertEquals(1, control(1, 0, new byte[8200]));
        assertEquals(0, d.status() & NEEDS_RESET);
    }

    @Test
    void sec5_1_6_5_5_aFlowStaysOnAQueue() {
        VirtioNet multi = new VirtioNet(net, ADDRESS, 0, 4, new ReentrantLock());
        GuestDriver m = new GuestDriver(memory, multi.onPci("virtio-net1", memory, (a, v) -> {}), 9);
        assertTrue(m.initialize(VERSION_1 | CTRL | MQ, 9));
        assertEquals(4, m.mmio.read(m.bar + 0x2008, 2));
        for (int q = 0; q < 8; q += 2) {
            for (int i = 0; i < GuestDriver.SIZE; i++) {
                m.descriptor(q, i, DATA + 0x1000 + (q * 8L + i) * 0x200, 0x200, 2, 0);
                m.offer(q, i);
            }
            m.notify(q);
        }
        net.give(TestNetwork.tcp4(MAC, OTHER, 1, 7, 10));
        net.give(TestNetwork.tcp4(MAC, OTHER, 2, 9, 10));
        assertEquals(4, m.used(0).size(), "one pair at first");
        for (byte n : new byte[] {0, 5, 100}) {
            memory.write(DATA, new byte[] {4, 0, n, 0});
            m.submit(8, out(DATA, 4), in(DATA + 8, 1));
            assertEquals(1, memory.readByte(DATA + 8));
        }
        memory.write(DATA, new byte[] {4, 0, 4, 0});
        m.submit(8, out(DATA, 4), in(DATA + 8, 1));
        assertEquals(0, memory.readByte(DATA + 8));
        Set<Integer> queues = new HashSet<>();
        for (int flow = 0; flow < 5; flow++) {
            int on = -1;
            for (int i = 0; i < 2; i++) {
                boolean back = i == 1;
                net.give(TestNetwork.tcp4(MAC, OTHER, back ? 80 : 1000 + flow, back ? 1000 + flow : 80, 10));
                for (int q = 0; q < 8; q += 2) {
                    if (!m.used(q).isEmpty()) {
                        assertTrue(on == -1 || on == q);
                        on = q;
                    }
                }
            }
            queues.add(on);
        }
        System.out.println("queues " + queues);
        assertTrue(queues.size() > 1);
        memory.zero(DATA, HEADER);
        m.submit(7, out(DATA, HEADER + 60));
        assertEquals(1, net.sent.size());
        assertTrue(m.initialize(VERSION_1 | CTRL | CTRL_RX, 9));
        memory.write(DATA, new byte[] {0, 0, 1});
        m.submit(2, out(DATA, 3), in(DATA + 8, 1));
        assertEquals(0, memory.readByte(DATA + 8), "without MQ the third is for control");
    }

    @ParameterizedTest
    @ValueSource(longs = {VERSION_1, PACKED})
    void saveInTheMiddle_theNewDeviceHasAllOfIt(long ring) {
        long features = ring | CTRL | CTRL_RX | CTRL_MAC | CTRL_VLAN | GUEST_CSUM | GUEST_TSO4 | MERGEABLE | STATUS;
        start(features);
        assertEquals(0, control(0, 0, (byte) 0));
        assertEquals(0, control(1, 1, (byte) 2, (byte) 0, (byte) 0, (byte) 0, (byte) 0, (byte) 1));
        assertEquals(0, control(1, 0, table(NONE, new long[] {0x0100_5e00_0001L})));
        byte[] f = TestNetwork.tcp4(0x020000000001L, OTHER, 1, 2, 1000);
        d.submit(0, in(DATA, 400));
        net.give(f, new Offload(true, 34, 16, false, Segmentation.TCP4, 500));
        assertEquals(List.of(), d.used(0));
        assertEquals(0, net.waiting.size(), "the device has it");
        VirtioState state = pci.save();

        TestNetwork otherNet = new TestNetwork();
        VirtioNet copy = new VirtioNet(otherNet, ADDRESS, 1500, 1, new ReentrantLock());
        VirtioPci other = copy.onPci("virtio-net0", memory, (a, v) -> {});
        GuestDriver e = new GuestDriver(memory, other, 3);
        other.restore(state);
        assertEquals(new Abilities(true, true, false), otherNet.abilities);
        assertArrayEquals(pci.save().work(), other.save().work());
        assertEquals(2, copy.mac()[0]);
        // the driver goes on, with the new device
        int place = d.nextDescriptor;
        if (ring == PACKED) {
            d.putPacked(0, in(DATA + 0x1000, 1000));
        } else {
            d.descriptor(0, place, DATA + 0x1000, 1000, 2, 0);
            d.offer(0, place);
        }
        e.notify(0);
        assertEquals(List.of(400, 12 + 1054 - 400), lengths(d.used(0)));
        assertEquals(2, memory.readShort(DATA + 10));
        assertEquals(0x101, memory.readShort(DATA));
        assertArrayEquals(Arrays.copyOf(f, 388), received(DATA, 388));

        long[] work = state.work().clone();
        for (int n = 0; n < work.length; n++) {
            long[] cut = Arrays.copyOf(work, n);
            assertThrows(IllegalArgumentException.class, () -> other.restore(with(state, cut)));
        }
        work[0] = 2;
        assertThrows(IllegalArgumentException.class, () -> other.restore(with(state, work)));
        work[0] = 1;
        work[3] = 2;
        assertThrows(IllegalArgumentException.class, () -> other.restore(with(state, work)));
    }

    private static List<Integer> lengths(List<Integer> used) {
        return List.of(used.get(1), used.get(3));
    }

    private static VirtioState with(VirtioState s, long[] work) {
        return new VirtioState(
                2,
                s.pci(),
                s.driverFeatures(),
                s.deviceSelect(),
                s.driverSelect(),
                s.queueSelect(),
                s.status(),
                s.configVector(),
                s.generation(),
                s.isr(),
                s.broken(),
                s.queues(),
                work);
    }

    @Test
    void aResetDropsTheFrameThatWaited() {
        start(VERSION_1);
        net.give(frame(60));
        d.submit(1, out(DATA, 0)); // pulls it
        start(VERSION_1);
        d.submit(0, in(DATA, 2000));
        assertEquals(List.of(), d.used(0));
        assertEquals(1, nic.counters().receivedDrops());
    }

    @Test
    void sec2_7_10_theDriverIsAskedToTellOfBuffers_whenFramesWait() {
        start(VERSION_1 | GuestDriver.F_EVENT_IDX | MERGEABLE);
        d.submit(0, in(DATA, 100));
        net.give(frame(200));
        assertEquals(1, memory.readShort(d.queue(0) + 0x804 + 8 * 8), "of the next one");
        assertEquals(0, memory.readShort(d.queue(0) + 0x802));
    }

    @Test
    void answersAreThereWhenTheyWereSent() {
        net.echoes = true;
        start(PACKED);
        int id = d.submit(0, in(DATA + 0x1000, 2000));
        header(DATA, 0, 0, 0, 0, 0);
        send(frame(99));
        assertEquals(List.of(id, 99 + HEADER), d.used(0));
        assertArrayEquals(frame(99), received(DATA + 0x1000, 99));
    }

    @Test
    void badSettingsAreRefused() {
        ReentrantLock lock = new ReentrantLock();
        assertThrows(IllegalArgumentException.class, () -> new VirtioNet(net, new byte[5], 0, 1, lock));
        assertThrows(
                IllegalArgumentException.class, () -> new VirtioNet(net, new byte[] {1, 0, 0, 0, 0, 0}, 0, 1, lock));
        assertThrows(IllegalArgumentException.class, () -> new VirtioNet(net, ADDRESS, 67, 1, lock));
        assertThrows(IllegalArgumentException.class, () -> new VirtioNet(net, ADDRESS, 65536, 1, lock));
        assertThrows(IllegalArgumentException.class, () -> new VirtioNet(net, ADDRESS, 0, 0, lock));
        assertThrows(IllegalArgumentException.class, () -> new VirtioNet(net, ADDRESS, 0, 9, lock));
    }

    @ParameterizedTest
    @ValueSource(longs = {VERSION_1, PACKED})
    void randomRingsNeitherHangNorThrow(long ring) {
        long seed = 20261130;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        net.echoes = true;
        for (int round = 0; round < 500; round++) {
            long features = ring
                    | random.nextLong() & 0xffffffL & ~(1L << 4 | 1 << 6 | 1 << 9 | 1 << 10 | 3 << 13 | 1 << 20 | MQ);
            features |= random.nextBoolean() ? GuestDriver.F_INDIRECT : 0;
            assertTrue(d.initialize(features, 3));
            for (int i = 0; i < 16; i++) {
                long at = DATA + random.nextInt(16) * 0x1000;
                header(
                        at,
                        random.nextInt(3),
                        random.nextInt(6),
                        random.nextInt(2000),
                        random.nextInt(100),
                        random.nextInt(60));
            }
            for (int q = 0; q < 3; q++) {
                for (int n = 0; n < 8; n++) {
                    boolean mad = random.nextInt(40) == 0;
                    long address = mad ? random.nextLong() : DATA + random.nextInt(16) * 0x1000;
                    int length = mad ? random.nextInt() : random.nextInt(3000);
                    int write = random.nextInt(20) == 0 ? 1 - (q & 1) : q & 1 ^ 1;
                    d.descriptor(q, n, address, length, 0, 0);
                    int more = random.nextInt(3) == 0 ? 1 : 0;
                    int flags = more | (q == 2 ? random.nextInt(3) : write * 2);
                    if (ring == PACKED) {
                        memory.writeShort(d.queue(q) + n * 16L + 12, n);
                        memory.writeShort(d.queue(q) + n * 16L + 14, flags | (random.nextInt(9) == 0 ? 0 : 0x80));
                    } else {
                        memory.writeShort(d.queue(q) + n * 16L + 12, flags);
                        memory.writeShort(d.queue(q) + n * 16L + 14, random.nextInt(10));
                    }
                }
                memory.writeShort(d.queue(q) + 0x402, random.nextInt(10));
                for (int n = 0; n < 8; n++) {
                    memory.writeShort(d.queue(q) + 0x404 + n * 2L, random.nextInt(8));
                }
            }
            for (int i = 0; i < 6; i++) {
                d.notify(random.nextInt(3));
                net.give(frame(14 + random.nextInt(2000)));
            }
            nic.setLink(random.nextInt(4) != 0);
        }
        System.out.println(nic.counters());
        assertTrue(nic.counters().received() > 100);
        assertTrue(nic.counters().sent() > 100);
    }
}
