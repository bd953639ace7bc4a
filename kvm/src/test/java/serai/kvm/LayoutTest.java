package serai.kvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import serai.linux.SharedMapping;
import serai.machine.engine.CpuState;
import serai.machine.engine.Segment;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** What needs no KVM: layouts and tables. */
class LayoutTest {
    private static XsaveLayout amd() {
        XsaveLayout l = new XsaveLayout(4096); // Zen 4
        l.component(2, 256, 576);
        l.component(5, 64, 832);
        l.component(6, 512, 896);
        l.component(7, 1024, 1408);
        l.component(9, 8, 2432);
        return l;
    }

    private static byte[] record(long bv) {
        byte[] x = new byte[CpuState.XSAVE_SIZE];
        for (int i = 0; i < x.length; i++) {
            x[i] = (byte) (i * 31 >>> 3);
        }
        for (int i = 416; i < 576; i++) {
            x[i] = 0;
        }
        for (int i = 960; i < 1088; i++) {
            x[i] = 0; // MPX is not carried
        }
        MemorySegment s = MemorySegment.ofArray(x);
        s.set(ValueLayout.JAVA_INT_UNALIGNED, 28, 0xffff);
        s.set(ValueLayout.JAVA_LONG_UNALIGNED, 512, bv);
        return x;
    }

    @Test
    void xsave_componentsFindTheirPlacesOnAnotherVendorsCpu() {
        byte[] in = record(0x2e7);
        in[832] = 0;
        byte[] r = in.clone();
        for (int i = 832; i < 960; i++) {
            r[i] = 0;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(4096, 64);
            amd().toHost(r, host);
            assertEquals(r[1152], host.get(ValueLayout.JAVA_BYTE, 896));
            assertEquals(r[2688], host.get(ValueLayout.JAVA_BYTE, 2432));
            assertArrayEquals(r, amd().toRecord(host));
        }
    }

    @Test
    void xsave_absentComponentsAreInitial() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(4096, 64);
            byte[] out = amd().toRecord(host);
            MemorySegment s = MemorySegment.ofArray(out);
            assertEquals(0x37f, s.get(ValueLayout.JAVA_SHORT_UNALIGNED, 0));
            assertEquals(0x1f80, s.get(ValueLayout.JAVA_INT_UNALIGNED, 24));
            assertEquals(3, s.get(ValueLayout.JAVA_LONG_UNALIGNED, 512));
            amd().toHost(new byte[CpuState.XSAVE_SIZE], host);
            assertEquals(0x1f80, host.get(ValueLayout.JAVA_INT, 24));
        }
    }

    @Test
    void xsave_componentsThatTheHostLacksAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(4096, 64);
            XsaveLayout sse = new XsaveLayout(4096);
            assertThrows(IllegalArgumentException.class, () -> sse.toHost(record(7), host));
            assertThrows(IllegalArgumentException.class, () -> sse.toHost(new byte[512], host));
        }
    }

    @Test
    void cpuid_listsRangesAndSubleaves() {
        List<CpuidTable.Entry> t = CpuidTable.of(new FakeModel(), 0);
        assertTrue(t.size() < CpuidTable.LIMIT);
        assertEquals(3, t.stream().filter(e -> e.leaf() == 4).count()); // two caches and the end
        assertEquals(3, t.stream().filter(e -> e.leaf() == 0xb).count());
        assertTrue(t.stream().anyMatch(e -> e.leaf() == 0x40000010 && e.value().eax() == 1_000_000));
        assertTrue(t.stream().anyMatch(e -> e.leaf() == 0x80000008));
        assertEquals(t.size(), t.stream().distinct().count());
    }

    @Test
    void segments_areMadeEnterable() {
        Segment none = new Segment(0, 0, 0, 0);
        assertEquals(Segment.P | 11, StateTransfer.enterable(CpuState.TR, none).attributes());
        Segment available = new Segment(8, 1, 0x67, Segment.P | 9);
        assertEquals(
                Segment.P | 11, StateTransfer.enterable(CpuState.TR, available).attributes());
        Segment code = new Segment(8, 0, -1, Segment.P | Segment.S | Segment.L | Segment.G | 10);
        assertEquals(
                code.attributes() | 1,
                StateTransfer.enterable(CpuState.CS, code).attributes());
        assertEquals(none, StateTransfer.enterable(CpuState.LDTR, none));
        assertEquals(none, StateTransfer.enterable(CpuState.FS, none));
    }

    @Test
    void pageWalk_knowsEachPagingMode() throws Exception {
        try (SharedMapping ram = SharedMapping.create("walk", 1 << 20)) {
            GuestMemory m = new GuestMemory(List.of(new RamRegion(0, 1 << 20, ram.address(), false, ram.fd(), 0)));
            long pg = 1L << 31;
            // 32-bit: a table and a 4-MiB page
            m.writeInt(0x1000, 0x2003);
            m.writeInt(0x1004, 0x00c00083);
            m.writeInt(0x2000 + 4 * 5, 0x77001);
            assertEquals(0x77123, PageWalk.translate(m, pg, 0x1000, 0x10, 0, 0x5123));
            assertEquals(0xc12345, PageWalk.translate(m, pg, 0x1000, 0x10, 0, 0x412345));
            assertEquals(-1, PageWalk.translate(m, pg, 0x1000, 0x10, 0, 0x6000));
            // PAE: the pointer table on a 32-byte boundary
            m.writeLong(0x3020 + 8 * 3, 0x4001);
            m.writeLong(0x4000 + 8 * 511, 0x5003);
            m.writeLong(0x5000 + 8 * 511, 0x8000_0000_0006_6003L);
            assertEquals(0x66fff, PageWalk.translate(m, pg, 0x3020, 0x20, 0, 0xffffffffL));
            // 5 levels
            m.writeLong(0x6000, 0x7003);
            m.writeLong(0x7000, 0x8003);
            m.writeLong(0x8000, 0x40000083);
            assertEquals(0x40000abcL, PageWalk.translate(m, pg, 0x6000, 0x1020, 0x400, 0xabc));
            // a table outside memory
            m.writeLong(0x8008, 0x7f000003);
            assertEquals(-1, PageWalk.translate(m, pg, 0x6000, 0x1020, 0x400, 0x40000000));
        }
    }
}
