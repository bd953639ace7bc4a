package serai.vmm.gdb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;

final class RegistersTest {
    private static CpuState state(long seed) {
        Random r = new Random(seed);
        long[] gpr = r.longs(16).toArray();
        Segment[] s = new Segment[8];
        for (int i = 0; i < 8; i++) {
            s[i] = new Segment(r.nextInt(0x10000), r.nextLong(), -1, 0x93);
        }
        byte[] xsave = new byte[CpuState.XSAVE_SIZE];
        r.nextBytes(xsave);
        return new CpuState(
                1,
                gpr,
                r.nextLong(),
                0x246,
                s,
                0,
                0,
                0,
                0,
                r.longs(5).toArray(),
                new long[6],
                3,
                xsave,
                new long[] {Msr.EFER & 0xffffffffL, 0xd01},
                0,
                new byte[0],
                CpuState.Events.NONE,
                0x30000,
                5);
    }

    @Test
    void everyRegisterComesBackAsWritten() {
        CpuState a = state(1);
        String all = Registers.read(a);
        CpuState b = Registers.write(a, all);
        assertEquals(all, Registers.read(b));
        for (int i = 0; i < Registers.count(); i++) {
            String one = Registers.read(a, i);
            assertEquals(one, Registers.read(Registers.write(a, i, one), i), "register " + i);
        }
    }

    @Test
    void theGeneralRegistersComeInGdbsOrder() {
        CpuState a = state(2);
        int[] order = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};
        for (int i = 0; i < 16; i++) {
            assertEquals(HexFormat.of().toHexDigits(Long.reverseBytes(a.gpr()[order[i]])), Registers.read(a, i));
        }
    }

    @Test
    void theDescriptionNumbersRegistersAsTheyAreSent() {
        String xml = Registers.targetXml();
        for (int i = 0; i < Registers.count(); i++) {
            assertTrue(xml.contains("regnum=\"" + i + "\""));
        }
        assertEquals("", Registers.read(state(3), Registers.count()));
    }

    @Test
    void nonsenseIsRefused() {
        CpuState a = state(4);
        assertThrows(IllegalArgumentException.class, () -> Registers.write(a, 500, "00"));
        assertThrows(IllegalArgumentException.class, () -> Registers.write(a, 0, "00"));
        assertThrows(IllegalArgumentException.class, () -> Registers.write(a, 0, "zz00000000000000"));
    }
}
