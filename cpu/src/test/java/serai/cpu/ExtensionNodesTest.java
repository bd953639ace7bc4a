package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Set;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuFeature;

/** What the comparison with the native processor can't tell: random numbers, segment bases, absent features. */
class ExtensionNodesTest {
    private static final int NONE = -1;
    private final OracleCpu oracle = new OracleCpu();

    private static byte[] hex(String s) {
        return HexFormat.of().parseHex(s);
    }

    /** The mnemonic that bytes decode to on a CPU with these features, or the empty string. */
    private static String decoded(String code, int codeSize, Set<CpuFeature> features) {
        byte[] bytes = hex(code);
        Decoded d = new Decoded();
        Decoder.Result r =
                new Decoder(features).decode(d, i -> i < bytes.length ? bytes[i] & 0xff : 0, codeSize, codeSize);
        return r == Decoder.Result.OK ? d.row.mnemonic() : "";
    }

    @Test
    void rdrandAndRdseed_takeTheHostsNumbersAndSetCarryAlone() {
        for (String code : new String[] {"48 0fc7f1", "48 0fc7f9"}) {
            Cpu c = oracle.ready();
            c.arithmeticFlags(CpuRegisters.ARITHMETIC & ~CpuRegisters.CF);
            c.r[CpuRegisters.RCX] = -1;
            assertEquals(NONE, oracle.run(hex(code.replace(" ", ""))));
            assertEquals(4, c.r[CpuRegisters.RCX]);
            assertEquals(CpuRegisters.CF, c.flags() & CpuRegisters.ARITHMETIC);
        }
    }

    @Test
    void fsAndGsBase_readAndWrite() {
        Cpu c = oracle.ready();
        c.r[CpuRegisters.RAX] = 0x7fff12345678L;
        assertEquals(NONE, oracle.run(hex("f3480faed0"))); // WRFSBASE RAX
        assertEquals(0x7fff12345678L, c.base[CpuRegisters.FS]);
        assertEquals(NONE, oracle.run(hex("f30faed8"))); // WRGSBASE EAX
        assertEquals(0x12345678L, c.base[CpuRegisters.GS]);
        assertEquals(NONE, oracle.run(hex("f3480faec1"))); // RDFSBASE RCX
        assertEquals(0x7fff12345678L, c.r[CpuRegisters.RCX]);
        assertEquals(NONE, oracle.run(hex("f30faec1"))); // RDFSBASE ECX
        assertEquals(0x12345678L, c.r[CpuRegisters.RCX]);
    }

    @Test
    void fsBase_nonCanonicalIsGpAndWithoutCr4IsUd() {
        Cpu c = oracle.ready();
        c.r[CpuRegisters.RAX] = 1L << 47;
        assertEquals(CpuSegments.GP, oracle.run(hex("f3480faed0")));
        c = oracle.ready();
        c.cr4 &= ~CpuRegisters.CR4_FSGSBASE;
        assertEquals(CpuSegments.UD, oracle.run(hex("f3480faed0")));
    }

    @Test
    void withoutTheFeature_anInstructionIsWhatItWasBefore() {
        Set<CpuFeature> none = EnumSet.noneOf(CpuFeature.class);
        Set<CpuFeature> all = EnumSet.allOf(CpuFeature.class);
        assertEquals("TZCNT", decoded("f30fbcc1", 8, all));
        assertEquals("BSF", decoded("f30fbcc1", 8, none));
        assertEquals("LZCNT", decoded("f30fbdc1", 8, all));
        assertEquals("BSR", decoded("f30fbdc1", 8, none));
        assertEquals("NOP", decoded("0f0d08", 8, none));
        for (String code :
                new String[] {"f30fb8c1", "0f38f000", "f20f38f0c1", "660f3817c1", "0fc7f0", "0f38c8c1", "480fc708"}) {
            assertNotEquals("", decoded(code, 8, all), code);
            assertEquals("", decoded(code, 8, none), code);
        }
        assertEquals("", decoded("9f", 8, none));
        assertEquals("LAHF", decoded("9f", 4, none));
    }

    @Test
    void vex_isLdsOrLesOutside64BitModeUnlessModIs3() {
        Set<CpuFeature> all = EnumSet.allOf(CpuFeature.class);
        assertEquals("LES", decoded("c400", 4, all));
        assertEquals("LDS", decoded("c500", 4, all));
        assertEquals("ANDN", decoded("c4e270f2c2", 4, all));
        assertEquals("ANDN", decoded("c4e270f2c2", 8, all));
        assertEquals("", decoded("66c4e270f2c2", 8, all));
        assertEquals("", decoded("48c4e270f2c2", 8, all));
        assertEquals("", decoded("c4e274f2c2", 8, all), "L");
    }
}
