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
import serai.machine.engine.CpuState;

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
}
