package serai.machine.e1000;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.locks.ReentrantLock;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.machine.bus.MmioBus;
import serai.machine.bus.PortBus;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;
import serai.machine.net.NetCounters;
import serai.machine.net.Offload;
import serai.machine.net.Offload.Segmentation;
import serai.machine.net.TestNetwork;
import serai.machine.pci.PciBus;
import serai.machine.time.FakeClock;
import serai.machine.time.Timers;

/** The 82540EM, by the Software Developer's Manual. */
class E1000Test {
    private static final long MAC = 0x52_54_00_12_34_56L, OTHER = 0x52_54_00_aa_bb_ccL, BROADCAST = 0xffff_ffff_ffffL;
    private static final byte[] ADDRESS = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    private static final long AREA = 0x100000, DATA = 0x140000;
    private static final int STRIP_CRC = 1 << 26, BROADCASTS = 1 << 15, LONG = 1 << 5;
    private static final int RXT0 = 0x80, LSC = 4, TXDW = 1, TXQE = 2;
    private static final int DATA_TYPE = 1 << 20;

    /** An adapter on a bus, with a driver. */
    private static final class Fixture {
        final GuestMemory memory;
        final TestNetwork net = new TestNetwork();
        final FakeClock clock = new FakeClock();
        final Timers timers = new Timers(clock);
        final List<Boolean> line = new ArrayList<>();
        final PortBus ports = new PortBus();
        final MmioBus mmio = new MmioBus();
        final E1000 nic;
        final E1000Driver driver;

        Fixture(GuestMemory memory) {
            this.memory = memory;
            nic = new E1000("e1000-0", net, ADDRESS, memory, timers, new ReentrantLock());
            PciBus bus = new PciBus(ports, mmio, gsi -> line::add);
            bus.add(1, nic);
            nic.reset();
            bus.assignBars();
            config(4, 7);
            E1000Driver.Access access = new E1000Driver.Access() {
                @Override
                public long read(long address, int size) {
                    return mmio.read(address, size);
                }

                @Override
                public void write(long address, int size, long value) {
                    mmio.write(address, size, value);
                }
            };
            driver = new E1000Driver(memory, access, config(0x10) & 0xfffffff0L, AREA);
        }

        void config(int offset, int value) {
            ports.write(0xcf8, 4, 0x80000800 | offset);
            ports.write(0xcfc, 4, value);
        }

        int config(int offset) {
            ports.write(0xcf8, 4, 0x80000800 | offset);
            return ports.read(0xcfc, 4);
        }

        boolean high() {
            return !line.isEmpty() && line.getLast();
        }
    }

    private final Fixture f = new Fixture(TestMemory.ram(2 << 20));
    private final GuestMemory memory = f.memory;
    private final TestNetwork net = f.net;
    private final E1000 nic = f.nic;
    private final E1000Driver d = f.driver;

    private static byte[] frame(int length) {
        return TestNetwork.frame(MAC, OTHER, 0x88b5, length);
    }

    private byte[] take() {
        return Objects.requireNonNull(d.take(), "no frame");
    }

    // ---- what it is, and its chips ----

    @Test
    void identity() {
        assertEquals(0x100e8086, f.config(0));
        assertEquals(0x02000003, f.config(8));
        assertEquals(1, f.config(0x14) & 3, "BAR 1: ports");
        assertEquals(0x283, d.register(8), "link, full duplex, 1000 Mbit/s");
        assertEquals(0x12005452, d.register(0x5400));
        assertEquals(0x80005634, d.register(0x5404));
    }

    private int eerd(int word) {
        d.register(0x14, word << 8 | 1);
        int v = d.register(0x14);
        assertEquals(0x10 | word << 8, v & 0xffff);
        return v >>> 16;
    }

    private int pins(int v) {
        d.register(0x10, v);
        return d.register(0x10);
    }

    /** As drivers for the Microwire interface do it: a command bit by bit, then 16 clocks. */
    private int clocked(int word) {
        assertEquals(0x80, pins(0x40) & 0x80, "granted");
        pins(0x42);
        for (int i = 8; i >= 0; i--) {
            int in = ((6 << 6 | word) >>> i & 1) << 2;
            pins(0x42 | in);
            pins(0x43 | in);
            pins(0x42 | in);
        }
        assertEquals(0, d.register(0x10) & 8, "the zero before the data");
        int v = 0;
        for (int i = 0; i < 16; i++) {
            v = v << 1 | pins(0x43) >>> 3 & 1;
            pins(0x42);
        }
        pins(0);
        return v;
    }

    @Test
    void eeprom_eitherWay() {
        int sum = 0;
        for (int w = 0; w < 64; w++) {
            assertEquals(eerd(w), clocked(w), "word " + w);
            sum += eerd(w);
        }
        assertEquals(0xbaba, sum & 0xffff);
        assertEquals(0x5452, eerd(0));
        assertEquals(0x1200, eerd(1));
        assertEquals(0x5634, eerd(2));
        assertEquals(0x100e, eerd(0xd));
        assertEquals(0, eerd(200));
    }

    private int phy(int register) {
        d.register(0x20, 2 << 26 | 1 << 21 | register << 16);
        assertEquals(1 << 28, d.register(0x20) & 5 << 28);
        return d.register(0x20) & 0xffff;
    }

    @Test
    void mdic() {
        assertEquals(0x796d, phy(1), "link, agreed");
        assertEquals(0x0141, phy(2));
        assertEquals(0x0c20, phy(3));
        d.register(0xd0, LSC | 1 << 9);
        d.register(0x20, 1 << 29 | 1 << 26 | 1 << 21 | 0x1340);
        assertEquals(0x1140, phy(0), "the restart bit clears itself");
        assertEquals(LSC | 1 << 9, d.register(0xc0));
        d.register(0x20, 2 << 26 | 2 << 21);
        assertEquals(5 << 28, d.register(0x20) & 5 << 28, "no other");
        nic.setLink(false);
        assertEquals(0x7949, phy(1));
        assertEquals(0x281, d.register(8));
        assertEquals(LSC, d.register(0xc0));
    }

    @Test
    void registersByPorts_andAReset() {
        int ports = f.config(0x14) & ~3;
        d.register(0x5200, 0x1234);
        f.ports.write(ports, 4, 0x5200);
        assertEquals(0x5200, f.ports.read(ports, 4));
        assertEquals(0x1234, f.ports.read(ports + 4, 4));
        f.ports.write(ports, 4, 0);
        f.ports.write(ports + 4, 4, 1 << 26);
        assertEquals(0, d.register(0x5200));
        assertEquals(7, f.config(4) & 7);
    }

    // ---- interrupts ----

    @Test
    void interrupts() {
        d.register(0xd0, LSC | TXDW);
        assertFalse(f.high());
        d.register(0xc8, LSC | RXT0);
        assertTrue(f.high());
        assertEquals(LSC | TXDW, d.register(0xd0));
        assertEquals(LSC | RXT0, d.register(0xc0));
        assertFalse(f.high());
        assertEquals(0, d.register(0xc0));
        d.register(0xc8, LSC);
        d.register(0xd8, LSC);
        assertFalse(f.high(), "masked");
        d.register(0xd0, LSC);
        assertTrue(f.high());
        d.register(0xc0, LSC);
        assertFalse(f.high(), "written");
    }

    @Test
    void throttling() {
        f.clock.set(1_000_000);
        d.register(0xc4, 100); // 25.6 microseconds
        d.register(0xd0, RXT0);
        d.register(0xc8, RXT0);
        assertTrue(f.high());
        d.register(0xc0);
        d.register(0xc8, RXT0);
        assertFalse(f.high());
        f.clock.advance(f.timers, 25_599);
        assertFalse(f.high());
        f.clock.advance(f.timers, 1);
        assertTrue(f.high());
        d.register(0xc0);
        d.register(0xc8, RXT0);
        d.register(0xc4, 0);
        assertTrue(f.high());
    }

    // ---- frames of the guest ----

    @Test
    void sec3_3_3_legacyDescriptors() {
        d.start(0);
        d.send(frame(100));
        assertArrayEquals(frame(100), net.sent.getFirst().bytes());
        assertEquals(Offload.NONE, net.sent.getFirst().offload());
        assertEquals(1, memory.readByte(d.transmit(0) + 12), "done");
        assertEquals(1, d.register(0x3810));
        assertTrue(f.high());
        assertEquals(TXDW | TXQE, d.register(0xc0));
        memory.write(DATA, frame(60));
        d.put(DATA, 10 | 2 << 24, 0);
        d.put(DATA + 10, 4, 0);
        assertEquals(1, net.sent.size(), "its end is not there");
        assertEquals(1, d.register(0x3810));
        d.put(DATA + 14, 46 | E1000Driver.SEND << 24, 0);
        assertArrayEquals(frame(60), net.sent.get(1).bytes());
        assertEquals(0, memory.readByte(d.transmit(1) + 12), "not asked for");
        for (int i = 0; i < 20; i++) {
            d.send(frame(14 + i));
        }
        assertEquals(22, net.sent.size());
        assertEquals(22, nic.counters().sent());
        d.register(0x400, 0xa);
        d.send(frame(20));
        assertArrayEquals(Arrays.copyOf(frame(20), 60), net.sent.get(22).bytes(), "padded");
        d.put(DATA, 60 | (E1000Driver.SEND & ~2) << 24, 0);
        assertArrayEquals(
                Arrays.copyOf(frame(60), 56), Arrays.copyOf(net.sent.get(23).bytes(), 56));
        d.register(0x400, 0);
        d.send(frame(60));
        assertEquals(24, net.sent.size(), "off");
        d.register(0x400, 2);
        assertEquals(25, net.sent.size());
    }

    @Test
    void sec3_3_3_legacyChecksum_isLeftToTheHost() {
        d.start(0);
        memory.write(DATA, TestNetwork.tcp4(OTHER, MAC, 1, 2, 46));
        d.put(DATA, 100 | 50 << 16 | (E1000Driver.SEND | E1000Driver.CHECKSUM) << 24, 34 << 8);
        assertEquals(
                new Offload(true, 34, 16, false, Segmentation.NONE, 0),
                net.sent.getFirst().offload());
    }

    private void context(int start, int place, int end, int command, int payload, int headers, int size) {
        context(14, 24, 33, start, place, end, command, payload, headers, size);
    }

    private void context(
            int ip,
            int ipPlace,
            int ipEnd,
            int start,
            int place,
            int end,
            int command,
            int payload,
            int headers,
            int size) {
        long places =
                ip | ipPlace << 8 | (long) ipEnd << 16 | (long) start << 32 | (long) place << 40 | (long) end << 48;
        d.put(places, payload | (command | E1000Driver.EXTENDED | 8) << 24, headers << 8 | size << 16);
    }

    private void data(long at, int length, int command, int options) {
        d.put(at, length | DATA_TYPE | (command | E1000Driver.EXTENDED | E1000Driver.SEND) << 24, options << 8);
    }

    @Test
    void sec3_6_checksumsByContext() {
        d.start(0);
        byte[] tcp = TestNetwork.tcp4(OTHER, MAC, 1, 2, 46);
        memory.write(DATA, tcp);
        context(34, 50, 0, 3, 0, 0, 0);
        assertEquals(1, memory.readByte(d.transmit(0) + 12), "done");
        data(DATA, 100, 0, 3);
        TestNetwork.Sent s = net.sent.getFirst();
        assertEquals(new Offload(true, 34, 16, false, Segmentation.NONE, 0), s.offload());
        assertEquals(0xffff, Checksum.fold(Checksum.sum(ByteBuffer.wrap(s.bytes()), 14, 34)), "IP's is there");
        data(DATA, 100, 0, 0);
        assertArrayEquals(tcp, net.sent.get(1).bytes());
        assertEquals(Offload.NONE, net.sent.get(1).offload());
        context(34, 50, 79, 3, 0, 0, 0);
        data(DATA, 100, 0, 2);
        s = net.sent.get(2);
        assertEquals(Offload.NONE, s.offload(), "one that ends earlier is computed");
        assertEquals(0xffff, Checksum.fold(Checksum.sum(ByteBuffer.wrap(s.bytes()), 34, 80)));
        assertEquals(s.bytes()[90], tcp[90]);
    }

    @Test
    void sec3_5_segmentation_goesToTheHostAsOneFrame() {
        d.start(0);
        byte[] tcp = TestNetwork.tcp4(OTHER, MAC, 1, 2, 4000);
        ByteBuffer b = ByteBuffer.wrap(tcp);
        b.putShort(16, (short) 0);
        // the pseudo header's, without a length
        int pseudo = Checksum.fold(Checksum.sum(b, 26, 34) + 6);
        b.putShort(50, (short) pseudo);
        memory.write(DATA, tcp);
        context(34, 50, 0, 7, 4000, 54, 1448);
        d.put(DATA, 54 | DATA_TYPE | (E1000Driver.SEGMENT | E1000Driver.EXTENDED | 2) << 24, 3 << 8);
        data(DATA + 54, 4000, E1000Driver.SEGMENT, 3);
        TestNetwork.Sent s = net.sent.getFirst();
        assertEquals(new Offload(true, 34, 16, false, Segmentation.TCP4, 1448), s.offload());
        ByteBuffer out = ByteBuffer.wrap(s.bytes());
        assertEquals(4040, out.getShort(16));
        assertEquals(0xffff, Checksum.fold(Checksum.sum(out, 14, 34)));
        assertEquals(Checksum.fold(pseudo + 4020), out.getShort(50) & 0xffff);
        assertEquals(3, d.register(0x4080), "segments");
        assertEquals(4000 + 3 * 58, d.register(0x4090));
        assertEquals(1, d.register(0x40f8));
        // what is one segment
        data(DATA, 1000, E1000Driver.SEGMENT, 3);
        assertEquals(
                new Offload(true, 34, 16, false, Segmentation.NONE, 0),
                net.sent.get(1).offload());
    }

    @Test
    void sec3_5_segmentationOfIpv6() {
        d.start(0);
        byte[] tcp = TestNetwork.frame(OTHER, MAC, 0x86dd, 14 + 60 + 3000);
        memory.write(DATA, tcp);
        context(14, 0, 0, 54, 70, 0, 5, 3000, 74, 1428);
        data(DATA, tcp.length, E1000Driver.SEGMENT, 2);
        TestNetwork.Sent s = net.sent.getFirst();
        assertEquals(new Offload(true, 54, 16, false, Segmentation.TCP6, 1428), s.offload());
        assertEquals(3020, ByteBuffer.wrap(s.bytes()).getShort(18));
    }

    /** IP's start, TCP's start, place, command, headers, segment size. */
    @ParameterizedTest
    @CsvSource({
        "14, 34, 50, 6, 54, 1448",
        "14, 34, 50, 7, 54, 0",
        "14, 30, 50, 7, 54, 1448",
        "0, 34, 50, 7, 54, 1448",
        "14, 34, 33, 7, 54, 1448",
        "14, 34, 255, 7, 54, 1448",
        "14, 34, 50, 7, 53, 1448",
        "14, 34, 50, 7, 200, 1448",
        "14, 34, 50, 5, 54, 1448",
        "200, 34, 50, 7, 54, 1448",
        "14, 255, 255, 7, 255, 1448",
    })
    void contextsThatMakeNoSense_dropTheFrame(int ip, int tcp, int place, int command, int headers, int size) {
        d.start(0);
        context(ip, 24, 33, tcp, place, 0, command, 100, headers, size);
        data(DATA, 200, E1000Driver.SEGMENT, 3);
        assertEquals(List.of(), net.sent);
        assertEquals(1, nic.counters().sentDrops());
        context(255, 254, 65535, 255, 255, 65535, 3, 0, 0, 0);
        data(DATA, 200, 0, 3);
        context(0, 199, 0, 0, 199, 2, 3, 0, 0, 0);
        data(DATA, 200, 0, 3);
        assertEquals(2, net.sent.size(), "without segmentation only the checksum is not there");
    }

    @Test
    void framesTooLongAndTooShort_areDropped() {
        d.start(0);
        for (int length : new int[] {0, 13, 0xfffff, 65_554}) {
            data(DATA, length, 0, 0);
        }
        d.put(DATA, 15 | (E1000Driver.SEND & ~2) << 24, 0);
        data(DATA, 65_553, E1000Driver.VLAN, 0);
        assertEquals(1, net.sent.size(), "without VLAN mode the last can go");
        d.register(0, 1 << 30);
        data(DATA, 65_553, E1000Driver.VLAN, 0);
        assertEquals(1, net.sent.size());
        assertEquals(6, nic.counters().sentDrops());
    }

    @Test
    void aRingOrBufferOutsideRam_stopsTheAdapterUntilItIsReset() {
        d.start(STRIP_CRC);
        data(1L << 40, 100, 0, 0);
        d.send(frame(60));
        assertEquals(List.of(), net.sent);
        net.give(frame(60));
        assertNull(d.take());
        d.start(STRIP_CRC);
        d.register(0x2804, 77);
        net.give(frame(60));
        d.send(frame(60));
        assertEquals(List.of(), net.sent);
        d.start(STRIP_CRC);
        d.send(frame(60));
        assertEquals(1, net.sent.size());
        d.register(0x3818, 0xffff);
        d.register(0x3808, 0);
        d.register(0x2818, 0xffff);
        d.register(0x2808, -1);
        net.give(frame(60));
        d.register(0x3818, 3);
        assertEquals(1, net.sent.size(), "rings that are none");
    }

    @Test
    void vlanTags_goInAndOut() {
        d.start(STRIP_CRC | 1 << 18);
        d.register(0, 1 << 30);
        memory.write(DATA, frame(100));
        d.put(DATA, 100 | (E1000Driver.SEND | E1000Driver.VLAN) << 24, 0x5123 << 16);
        byte[] tagged = net.sent.getFirst().bytes();
        assertEquals(104, tagged.length);
        assertEquals(0x81005123, ByteBuffer.wrap(tagged).getInt(12));
        assertArrayEquals(Arrays.copyOfRange(frame(100), 12, 100), Arrays.copyOfRange(tagged, 16, 104));
        net.give(tagged);
        assertNull(d.take(), "not in the VLAN filter");
        d.register(0x5600 + (0x123 >> 5) * 4, 1 << (0x123 & 31));
        net.give(tagged);
        long at = d.receive(0);
        assertEquals(0x5123, memory.readShort(at + 14));
        assertEquals(8, memory.readByte(at + 12) & 8);
        assertArrayEquals(frame(100), take());
        d.register(0, 0);
        net.give(tagged);
        assertArrayEquals(tagged, take());
    }

    // ---- frames for the guest ----

    @Test
    void sec3_2_framesComeIn_withTheirChecksum() {
        d.start(0);
        net.give(frame(100));
        assertEquals(RXT0, d.register(0xc0));
        byte[] got = take();
        assertEquals(104, got.length);
        assertArrayEquals(frame(100), Arrays.copyOf(got, 100));
        CRC32 crc = new CRC32();
        crc.update(got);
        assertEquals(0x2144df1cL, crc.getValue(), "the residue of a right one");
        net.give(frame(30));
        assertArrayEquals(Arrays.copyOf(frame(30), 60), Arrays.copyOf(take(), 60), "padded");
        assertEquals(new NetCounters(2, 130, 0, 0, 0, 0), nic.counters());
    }

    @Test
    void sec3_2_framesWaitForRoom_andAreThereAsAWhole() {
        d.start(STRIP_CRC | LONG | 3 << 16); // buffers of 256 bytes
        byte[] large = frame(1000);
        for (int i = 0; i < 3; i++) {
            net.give(large);
        }
        assertEquals(1, net.waiting.size(), "one waits in the adapter");
        assertArrayEquals(large, take());
        assertArrayEquals(large, take());
        assertArrayEquals(large, take());
        assertNull(d.take());
        net.give(frame(2000));
        net.give(frame(60));
        assertArrayEquals(frame(60), take(), "the one before is more than the ring");
        assertEquals(1, nic.counters().receivedDrops());
        assertEquals(1, d.register(0x4010));
    }

    @Test
    void sec3_2_longFrames_ifTheyAreAllowed() {
        d.start(STRIP_CRC);
        net.give(frame(1518));
        net.give(frame(1519));
        assertArrayEquals(frame(1518), take());
        assertNull(d.take());
        d.register(0x100, 2 | STRIP_CRC | LONG);
        net.give(frame(9000));
        assertArrayEquals(frame(9000), take());
        net.give(new byte[16381]);
        net.give(new byte[13]);
        assertNull(d.take());
        assertEquals(2, d.register(0x40ac));
        assertEquals(1, d.register(0x40a4));
        d.start(STRIP_CRC);
        d.register(0x100, 0);
        net.give(frame(60));
        assertEquals(1, net.waiting.size(), "off");
    }

    private boolean comes(long to) {
        net.give(TestNetwork.frame(to, OTHER, 0x88b5, 60));
        return d.take() != null;
    }

    @Test
    void sec3_2_filters() {
        d.start(STRIP_CRC);
        assertTrue(comes(MAC));
        assertFalse(comes(OTHER));
        assertFalse(comes(BROADCAST));
        d.register(0x100, 2 | BROADCASTS);
        assertTrue(comes(BROADCAST));
        d.register(0x100, 2 | 1 << 3);
        assertTrue(comes(OTHER));
        assertFalse(comes(BROADCAST));
        d.register(0x100, 2 | 1 << 4);
        assertTrue(comes(BROADCAST));
        assertTrue(comes(0x0100_5e00_0001L));
        assertFalse(comes(OTHER));
        d.register(0x100, 2);
        assertFalse(comes(0x0100_5e00_0001L));
        d.register(0x5478, 0xaa005452);
        d.register(0x547c, 0x8000ccbb);
        assertTrue(comes(OTHER));
        d.register(0x547c, 0xccbb);
        assertFalse(comes(OTHER));
        // bits 47 to 36 of 01:00:5e:00:12:34: 341
        for (int[] shift : new int[][] {{0, 0x341}, {1, 0x682}, {2, 0xd04}, {3, 0x412}}) {
            d.register(0x100, 2 | shift[0] << 12);
            d.register(0x5200 + (shift[1] >> 5) * 4, 1 << (shift[1] & 31));
            assertTrue(comes(0x0100_5e00_1234L));
            d.register(0x5200 + (shift[1] >> 5) * 4, 0);
            assertFalse(comes(0x0100_5e00_1234L));
        }
    }

    /** A TCP segment with its checksums. */
    private static byte[] right() {
        byte[] t = TestNetwork.tcp4(MAC, OTHER, 1, 2, 101);
        ByteBuffer b = ByteBuffer.wrap(t);
        b.putShort(24, (short) ~Checksum.fold(Checksum.sum(b, 14, 34)));
        b.putShort(50, (short) ~Checksum.fold(Checksum.sum(b, 26, 34) + 6 + 121 + Checksum.sum(b, 34, t.length)));
        return t;
    }

    /** Status and errors. */
    private int checked(byte[] frame, Offload o) {
        net.give(frame, o);
        int at = (d.register(0x2818) + 1) % E1000Driver.SIZE;
        int v = memory.readShort(d.receive(at) + 12);
        assertNotNull(d.take());
        return v & ~3;
    }

    @Test
    void sec3_2_checksumsAreLookedAt() {
        d.start(STRIP_CRC);
        assertEquals(4, checked(right(), Offload.NONE), "not asked for");
        d.register(0x5000, 0x300);
        assertEquals(0x60, checked(right(), Offload.NONE));
        byte[] bad = right();
        bad[80]++;
        assertEquals(0x2060, checked(bad, Offload.NONE));
        Offload verified = new Offload(false, 0, 0, true, Segmentation.NONE, 0);
        assertEquals(0x60, checked(bad, verified), "the host has");
        bad = right();
        bad[22]++;
        assertEquals(0x4060, checked(bad, Offload.NONE));
        assertEquals(4, checked(frame(60), Offload.NONE));
        bad = right();
        bad[17]++;
        assertEquals(4, checked(bad, Offload.NONE), "longer than the frame");
        bad[14] = 0x4f;
        assertEquals(4, checked(Arrays.copyOf(bad, 60), Offload.NONE));
        d.register(0x5000, 0x22);
        net.give(right());
        int at = d.register(0x2810) + 7 & 7;
        ByteBuffer b = ByteBuffer.wrap(right());
        assertEquals(
                Checksum.fold(Checksum.sum(b, 34, b.capacity())), memory.readShort(d.receive(at) + 10), "the packet's");
    }

    @Test
    void framesOfAKindThatItCanNotTake_areDropped() {
        d.start(STRIP_CRC);
        net.give(frame(60), new Offload(true, 34, 16, false, Segmentation.NONE, 0));
        net.give(frame(60), new Offload(false, 34, 16, false, Segmentation.TCP4, 100));
        assertNull(d.take());
        assertEquals(2, nic.counters().receivedDrops());
    }

    @Test
    void withoutALink_allIsDropped() {
        d.start(STRIP_CRC);
        d.register(0xc0);
        nic.setLink(false);
        assertTrue(f.high());
        assertEquals(LSC, d.register(0xc0));
        d.send(frame(60));
        net.give(frame(60));
        assertEquals(List.of(), net.sent);
        assertNull(d.take());
        assertEquals(new NetCounters(0, 0, 1, 0, 0, 1), nic.counters());
        nic.setLink(true);
        net.give(frame(60));
        assertNotNull(d.take());
    }

    @Test
    void statistics_areClearedAsTheyAreRead() {
        d.start(STRIP_CRC | BROADCASTS);
        net.give(frame(60));
        net.give(TestNetwork.frame(BROADCAST, OTHER, 0x88b5, 1000));
        take();
        take();
        assertEquals(2, d.register(0x4074));
        assertEquals(0, d.register(0x4074));
        assertEquals(1, d.register(0x4078));
        assertEquals(1, d.register(0x405c));
        assertEquals(1, d.register(0x406c), "512 to 1023 bytes");
        assertEquals(1068, d.register(0x4088));
        assertEquals(1068, d.register(0x4088));
        assertEquals(0, d.register(0x408c));
        assertEquals(0, d.register(0x4088));
    }

    // ---- state ----

    @Test
    void saveInTheMiddle_theNewOneHasAllOfIt() {
        d.start(STRIP_CRC | 3 << 16);
        d.register(0x10, 0x42);
        for (int i = 0; i < 3; i++) {
            net.give(frame(1000 + i));
        }
        context(34, 50, 0, 3, 0, 0, 0);
        memory.write(DATA, frame(100));
        d.put(DATA, 40 | DATA_TYPE | (E1000Driver.EXTENDED | 2) << 24, 2 << 8);
        E1000State state = nic.save();
        assertEquals(1001, state.waiting().length);
        E1000Test.Fixture other = new Fixture(memory);
        other.nic.restore(state);
        assertTrue(other.high());
        assertEquals(text(state), text(other.nic.save()));
        assertArrayEquals(frame(1000), other.driver.take());
        assertArrayEquals(frame(1001), other.driver.take());
        assertNull(other.driver.take(), "the third is still outside");
        other.driver.put(DATA + 40, 60 | DATA_TYPE | (E1000Driver.EXTENDED | E1000Driver.SEND) << 24, 0);
        TestNetwork.Sent s = other.net.sent.getFirst();
        assertArrayEquals(frame(100), s.bytes());
        assertEquals(new Offload(true, 34, 16, false, Segmentation.NONE, 0), s.offload());
        assertThrows(IllegalArgumentException.class, () -> nic.restore(with(state, 2, state.registers(), state.phy())));
        assertThrows(IllegalArgumentException.class, () -> nic.restore(with(state, 1, new int[1], state.phy())));
        assertThrows(IllegalArgumentException.class, () -> nic.restore(with(state, 1, state.registers(), new int[31])));
    }

    private static String text(E1000State s) {
        return Arrays.toString(s.registers())
                + Arrays.toString(s.statistics())
                + Arrays.toString(s.phy())
                + Arrays.toString(s.eeprom())
                + Arrays.toString(s.checksumContext())
                + s.causes()
                + s.mask()
                + s.asserted()
                + s.throttle()
                + Arrays.toString(s.waiting());
    }

    private static E1000State with(E1000State s, int version, int[] registers, int[] phy) {
        return new E1000State(
                version,
                s.pci(),
                registers,
                s.statistics(),
                phy,
                s.eeprom(),
                s.checksumContext(),
                s.segmentContext(),
                s.ioAddress(),
                s.causes(),
                s.mask(),
                s.asserted(),
                s.lastInterrupt(),
                s.throttle(),
                s.link(),
                s.broken(),
                s.waiting(),
                s.verified());
    }

    @Test
    void withoutBusMastering_nothingIsReadOrWritten() {
        d.start(STRIP_CRC);
        f.config(4, 3);
        d.send(frame(60));
        net.give(frame(60));
        assertEquals(List.of(), net.sent);
        assertNull(d.take());
        f.config(4, 7);
        assertEquals(1, net.sent.size());
        assertNotNull(d.take());
    }

    @Test
    void randomRingsNeitherHangNorThrow() {
        long seed = 20261130;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        net.echoes = true;
        for (int round = 0; round < 300; round++) {
            d.start(random.nextInt() & ~2);
            d.register(0, random.nextInt() & ~(1 << 26));
            for (int i = 0; i < 60; i++) {
                switch (random.nextInt(6)) {
                    case 0 -> d.register(random.nextInt(0x6000) & ~3, random.nextInt());
                    case 1 -> d.register(random.nextInt(0x6000) & ~3);
                    case 2 -> net.give(frame(14 + random.nextInt(3000)));
                    case 3 -> d.take();
                    case 4 -> nic.setLink(random.nextInt(4) != 0);
                    default -> {
                        boolean mad = random.nextInt(20) == 0;
                        int lower = mad ? random.nextInt() : random.nextInt(2000) | random.nextInt(256) << 24;
                        lower |= random.nextBoolean() ? 0xb << 24 : DATA_TYPE;
                        d.put(mad ? random.nextLong() : DATA, lower, random.nextInt());
                    }
                }
            }
        }
        System.out.println(nic.counters());
        assertTrue(nic.counters().sent() > 100);
        assertTrue(nic.counters().received() > 100);
    }
}
