package serai.machine.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;
import serai.machine.Layout;
import serai.machine.TestPc;
import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;

/** ACPI 6.5, 5.2.10: the environment at the waking vector. */
class WakeUpTest {
    private static final long FACS = Layout.ACPI_TABLES;
    private static final long CR0_PE = 1, CR0_PG = 1L << 31;
    private static final int CS = 1;

    private static @org.jspecify.annotations.Nullable CpuState woken(long vector, long wide, int flags) {
        try (TestPc pc = new TestPc()) {
            assertEquals(2, pc.memory.readInt(FACS + 20), "64BIT_WAKE_SUPPORTED_F");
            pc.memory.writeInt(FACS + 12, (int) vector);
            pc.memory.writeLong(FACS + 24, wide);
            pc.memory.writeInt(FACS + 36, flags);
            CpuState s = WakeUp.cpu(pc.memory);
            if (s != null && (s.cr()[0] & CR0_PG) != 0) {
                assertEquals(wide, walk(pc, s.cr()[2], wide), "mapped one to one");
            }
            return s;
        }
    }

    private static long walk(TestPc pc, long cr3, long linear) {
        long e = cr3;
        for (int shift = 39; shift > 12; shift -= 9) {
            e = pc.memory.readLong((e & -4096L) + (linear >>> shift & 511) * 8);
            assertEquals(3, e & 3);
            if (shift < 39 && (e & 0x80) != 0) {
                return (e & -(1L << shift)) + (linear & (1L << shift) - 1);
            }
        }
        return -1;
    }

    private static CpuState some(@org.jspecify.annotations.Nullable CpuState s) {
        assertNotNull(s);
        assertEquals(0, s.rflags() & 1 << 9, "interrupts are off");
        assertEquals(Msr.MTRR_DEF_TYPE_WB, s.msr(Msr.MTRR_DEF_TYPE, 0), "memory is cached, as firmware leaves it");
        return s;
    }

    @Test
    void firmwareWakingVector_isEnteredInRealMode() {
        CpuState s = some(woken(0x9a123, 0, 0));
        assertEquals(0, s.cr()[0] & (CR0_PE | CR0_PG));
        assertEquals(0x9a12, s.segments()[CS].selector());
        assertEquals(0x9a120, s.segments()[CS].base());
        assertEquals(3, s.rip());
        assertEquals(0xffff, s.segments()[CS].limit());
        assertEquals(0x3ff, s.idtLimit());
    }

    @Test
    void xFirmwareWakingVector_isEnteredInFlatProtectedMode() {
        CpuState s = some(woken(0x9a123, 0x8000_1000L, 0));
        assertEquals(CR0_PE, s.cr()[0] & (CR0_PE | CR0_PG));
        assertEquals(0x8000_1000L, s.rip());
        assertEquals(0, s.segments()[CS].base());
        assertEquals(-1, s.segments()[CS].limit());
        assertEquals(Segment.DB, s.segments()[CS].attributes() & (Segment.DB | Segment.L));
    }

    @Test
    void xFirmwareWakingVector_with64BitWake_isEnteredInLongMode() {
        for (long at : new long[] {0x10_0000, 0x8000_1000L, 0x1_2345_6000L, 0x7fff_ffff_f000L}) {
            CpuState s = some(woken(0, at, 1));
            assertEquals(CR0_PE | CR0_PG, s.cr()[0] & (CR0_PE | CR0_PG));
            assertEquals(at, s.rip());
            assertEquals(0x500, s.msr(Msr.EFER, 0) & 0x500);
            assertEquals(Segment.L, s.segments()[CS].attributes() & (Segment.DB | Segment.L));
        }
    }

    @Test
    void vectorsThatCantBeReached_areNone() {
        assertNull(woken(0, 0, 0));
        assertNull(woken(0x10_0000, 0, 0), "not in real mode");
        assertNull(woken(0xffff_ffffL, 0, 0));
        assertNull(woken(0x9a120, 1L << 32, 0), "not without paging");
        assertNull(woken(0x9a120, 1L << 47, 1), "not canonical");
        assertNull(woken(0x9a120, -1, 1));
    }
}
