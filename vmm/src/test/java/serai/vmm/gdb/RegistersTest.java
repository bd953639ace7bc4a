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
    static CpuState state(long seed) {
        Random r = new Random(seed);
        long[] gpr = r.longs(16).toArray();
        Segment[] s = new Segment[8];
        for (int i = 0; i < 8; i++) {
            s[i] = new Segment(r.nextInt(0x10000), r.nextLong(), -1, 0x93);
        }
        byte[] xsave = new byte[CpuState.XSAVE_SIZE];
        r.nextBytes(xsave);
        xsave[26] = 0; // MXCSR has 16 bits
        xsave[27] = 0;
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
    void upperHalvesAreZeroWhereAvxIsNotPresent_andMakeItPresentWhenTheyGetAnother() {
        int ymm0h = 0;
        while (!Registers.targetXml()
                .contains("name=\"ymm0h\" bitsize=\"128\" type=\"uint128\" regnum=\"" + ymm0h + "\"")) {
            ymm0h++;
        }
        CpuState a = state(5);
        a.xsave()[512] = 3;
        String zero = "0".repeat(32);
        assertEquals(zero, Registers.read(a, ymm0h));
        assertEquals(3, Registers.write(a, ymm0h, zero).xsave()[512]);
        CpuState b = Registers.write(a, ymm0h, "1".repeat(32));
        assertEquals(7, b.xsave()[512]);
        assertEquals("1".repeat(32), Registers.read(b, ymm0h));
        assertEquals(zero, Registers.read(b, ymm0h + 1), "what lay there is not the component");
    }

    @Test
    void nonsenseIsRefused() {
        CpuState a = state(4);
        assertThrows(IllegalArgumentException.class, () -> Registers.write(a, 500, "00"));
        assertThrows(IllegalArgumentException.class, () -> Registers.write(a, 0, "00"));
        assertThrows(IllegalArgumentException.class, () -> Registers.write(a, 0, "zz00000000000000"));
    }
}
