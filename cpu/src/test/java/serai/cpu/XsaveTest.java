package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.EnumSet;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuState;

/** XSAVE and what switches AVX on: SDM vol. 1, chapter 13. RDI points to the area. */
final class XsaveTest {
    private static final byte[] XSAVE = {0x48, 0x0f, (byte) 0xae, 0x27};
    private static final byte[] XRSTOR = {0x48, 0x0f, (byte) 0xae, 0x2f};
    private static final byte[] XSAVEOPT = {0x48, 0x0f, (byte) 0xae, 0x37};
    private static final byte[] XSAVEC = {0x48, 0x0f, (byte) 0xc7, 0x27};
    private static final byte[] XGETBV = {0x0f, 0x01, (byte) 0xd0};
    private static final byte[] XSETBV = {0x0f, 0x01, (byte) 0xd1};
    private static final byte[] VPXOR = {(byte) 0xc5, (byte) 0xf5, (byte) 0xef, (byte) 0xc2};
    private static final byte[] VZEROUPPER = {(byte) 0xc5, (byte) 0xf8, 0x77};
    private static final long AREA = OracleMemory.DATA + 0x400;
    private static final int XSTATE_BV = 512, XCOMP_BV = 520, AVX = 576;
    private static final long MARK = 0x5555555555555555L;

    private final OracleCpu oracle = new OracleCpu();
    private final Cpu cpu = oracle.ready();

    @BeforeEach
    void markTheArea() {
        for (int i = 0; i < 1024; i += 8) {
            put(i, i >= XSTATE_BV && i < AVX ? 0 : MARK);
        }
        cpu.r[CpuRegisters.RDI] = AREA;
        components(7);
        SplittableRandom random = new SplittableRandom(3);
        for (int i = 0; i < 16; i++) {
            for (int j = 0; j < 4; j++) {
                cpu.vec[i * 8 + j] = random.nextLong() | 1;
            }
        }
    }

    private void components(long mask) {
        cpu.r[CpuRegisters.RAX] = mask;
        cpu.r[CpuRegisters.RDX] = 0;
    }

    private void put(int at, long v) {
        cpu.store64(AREA + at, v);
    }

    private long get(int at) {
        return cpu.load64(AREA + at);
    }

    private void clearUpperHalves() {
        assertEquals(-1, oracle.run(VZEROUPPER));
    }

    @Test
    void avx_needsOsxsaveAndBothBitsOfXcr0_thenTaskSwitchedClear() {
        cpu.cr0 |= CpuRegisters.CR0_TS;
        assertEquals(CpuSegments.NM, oracle.run(VPXOR));
        cpu.xcr0 = 3;
        assertEquals(CpuSegments.UD, oracle.run(VPXOR));
        cpu.xcr0 = 7;
        cpu.cr4 &= ~CpuRegisters.CR4_OSXSAVE;
        assertEquals(CpuSegments.UD, oracle.run(VPXOR));
        assertEquals(CpuSegments.UD, oracle.run(XSAVE));
        assertEquals(CpuSegments.UD, oracle.run(XGETBV));
    }

    @Test
    void avx_isIndependentOfEmulationAndOsfxsr() {
        cpu.cr0 |= CpuRegisters.CR0_EM;
        cpu.cr4 &= ~CpuRegisters.CR4_OSFXSR;
        assertEquals(-1, oracle.run(VPXOR));
    }

    @Test
    void vex_inRealAddressMode_raisesUndefined_inProtected16BitCodeIsThere() {
        Decoded d = new Decoded();
        Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
        assertEquals(Decoder.Result.OK, decoder.decode(d, i -> VPXOR[i] & 0xff, 2, 2));
        Node node = NodeFactory.make(d);
        node.execute(cpu);
        cpu.cr0 &= ~CpuRegisters.CR0_PE;
        assertThrows(CpuException.class, () -> node.execute(cpu));
        assertEquals(CpuSegments.UD, cpu.faultVector);
    }

    @Test
    void vzeroupper_outside64BitMode_leavesTheRegistersThatAreNotThere() {
        Decoded d = new Decoded();
        new Decoder(EnumSet.allOf(CpuFeature.class)).decode(d, i -> VZEROUPPER[i] & 0xff, 4, 4);
        long kept = cpu.vec[8 * 8 + 2];
        NodeFactory.make(d).execute(cpu);
        assertEquals(0, cpu.vec[7 * 8 + 2]);
        assertEquals(kept, cpu.vec[8 * 8 + 2]);
    }

    @Test
    void xsave_writesWhatIsAskedFor_andKeepsTheOtherBits() {
        components(2);
        put(XSTATE_BV, 4);
        assertEquals(-1, oracle.run(XSAVE));
        assertEquals(MARK, get(0), "x87");
        assertEquals(0x0000ffff_00001f80L, get(24), "MXCSR and its mask");
        assertEquals(cpu.vec[0], get(160));
        assertEquals(MARK, get(416), "what is software's");
        assertEquals(MARK, get(AVX));
        assertEquals(6, get(XSTATE_BV));
        assertEquals(0, get(XCOMP_BV));
    }

    @Test
    void xsave_writesInitialValues_xsaveoptDoesNot() {
        clearUpperHalves();
        put(XSTATE_BV, 7);
        assertEquals(-1, oracle.run(XSAVEOPT));
        assertEquals(MARK, get(AVX));
        assertEquals(0, get(XSTATE_BV) & 4);
        assertEquals(-1, oracle.run(XSAVE));
        assertEquals(0, get(AVX));
        assertEquals(0, get(XSTATE_BV) & 4);
    }

    @Test
    void xsavec_tellsTheFormat_andMxcsrCountsAsSse() {
        java.util.Arrays.fill(cpu.vec, 0);
        cpu.mxcsr = 0x1fa0;
        components(6);
        put(XSTATE_BV, 0);
        assertEquals(-1, oracle.run(XSAVEC));
        assertEquals(2, get(XSTATE_BV));
        assertEquals(Long.MIN_VALUE | 6, get(XCOMP_BV));
        assertEquals(0x0000ffff_00001fa0L, get(24));
        assertEquals(0, get(160));
        assertEquals(MARK, get(AVX));
    }

    @Test
    void xrstor_ofEachFormat_bringsBackWhatWasSaved() {
        for (byte[] save : new byte[][] {XSAVE, XSAVEOPT, XSAVEC}) {
            put(XSTATE_BV, 0);
            put(XCOMP_BV, 0);
            cpu.mxcsr = 0x1fbf;
            cpu.fpu.controlWord = 0x27f;
            long[] before = cpu.vec.clone();
            assertEquals(-1, oracle.run(save));
            java.util.Arrays.fill(cpu.vec, 7);
            cpu.mxcsr = 0x1f80;
            cpu.fpu.initialize();
            assertEquals(-1, oracle.run(XRSTOR));
            for (int i = 0; i < 16; i++) {
                for (int j = 0; j < 4; j++) {
                    assertEquals(before[i * 8 + j], cpu.vec[i * 8 + j]);
                }
            }
            assertEquals(0x1fbf, cpu.mxcsr);
            assertEquals(0x27f, cpu.fpu.controlWord);
        }
    }

    @Test
    void xrstor_ofComponentsThatAreNotPresent_givesInitialValues() {
        cpu.fpu.controlWord = 0x27f;
        put(24, 0x1f81);
        assertEquals(-1, oracle.run(XRSTOR));
        assertEquals(0, cpu.vec[8]);
        assertEquals(0, cpu.vec[10]);
        assertEquals(0x37f, cpu.fpu.controlWord);
        assertEquals(0x1f81, cpu.mxcsr, "in standard format MXCSR comes from memory all the same");
        put(XCOMP_BV, Long.MIN_VALUE | 7);
        assertEquals(-1, oracle.run(XRSTOR));
        assertEquals(0x1f80, cpu.mxcsr);
    }

    @Test
    void xrstor_refusesWrongHeaders_beforeAnythingChanges() {
        long before = cpu.vec[0];
        put(24, 0x1f80);
        long[][] headers = {
            {8, 0, 0}, // a component that XCR0 lacks
            {0, 1, 0}, // neither format
            {0, 0, 1}, // reserved
            {4, Long.MIN_VALUE | 3, 0}, // present and not in the format
            {0, Long.MIN_VALUE | 8, 0},
            {0, Long.MIN_VALUE | 7, 1},
        };
        for (long[] h : headers) {
            put(XSTATE_BV, h[0]);
            put(XCOMP_BV, h[1]);
            put(XCOMP_BV + 8, h[2]);
            assertEquals(CpuSegments.GP, oracle.run(XRSTOR), java.util.Arrays.toString(h));
            put(XCOMP_BV + 8, 0);
        }
        put(XSTATE_BV, 7);
        put(XCOMP_BV, 0);
        put(24, 0x10000);
        assertEquals(CpuSegments.GP, oracle.run(XRSTOR), "MXCSR");
        cpu.r[CpuRegisters.RDI] += 32;
        assertEquals(CpuSegments.GP, oracle.run(XRSTOR), "alignment");
        assertEquals(CpuSegments.GP, oracle.run(XSAVE), "alignment");
        assertEquals(before, cpu.vec[0]);
    }

    @Test
    void xsetbv_isPrivilegedAndTakesWhatIsThere() {
        cpu.r[CpuRegisters.RCX] = 0;
        components(3);
        assertEquals(CpuSegments.GP, oracle.run(XSETBV), "ring 3");
        cpu.cpl = 0;
        for (long bad : new long[] {0, 2, 5, 0xf, 0x100000007L}) {
            cpu.r[CpuRegisters.RAX] = bad & 0xffffffffL;
            cpu.r[CpuRegisters.RDX] = bad >>> 32;
            assertEquals(CpuSegments.GP, oracle.run(XSETBV), Long.toHexString(bad));
        }
        components(3);
        assertEquals(-1, oracle.run(XSETBV));
        assertEquals(3, cpu.xcr0);
        cpu.r[CpuRegisters.RCX] = 1;
        assertEquals(CpuSegments.GP, oracle.run(XSETBV), "there is no XCR1");
    }

    @Test
    void xgetbv_tellsXcr0_andWhatIsInUse() {
        cpu.r[CpuRegisters.RCX] = 0;
        assertEquals(-1, oracle.run(XGETBV));
        assertEquals(7, cpu.r[CpuRegisters.RAX]);
        clearUpperHalves();
        cpu.r[CpuRegisters.RCX] = 1;
        assertEquals(-1, oracle.run(XGETBV));
        assertEquals(2, cpu.r[CpuRegisters.RAX] & 6);
        cpu.r[CpuRegisters.RCX] = 2;
        assertEquals(CpuSegments.GP, oracle.run(XGETBV));
    }

    @Test
    void cpuid_sizesFollowXcr0() {
        for (long[] wanted : new long[][] {{7, 832}, {3, 576}, {1, 576}}) {
            cpu.xcr0 = wanted[0];
            for (int subleaf = 0; subleaf < 2; subleaf++) {
                cpu.r[CpuRegisters.RAX] = 0xd;
                cpu.r[CpuRegisters.RCX] = subleaf;
                cpu.control().cpuid();
                assertEquals(wanted[1], cpu.r[CpuRegisters.RBX]);
            }
        }
    }

    @Test
    void state_carriesXcr0_andRefusesOneThatTheModelCannotHave() {
        cpu.xcr0 = 3;
        CpuState s = cpu.control().save(0);
        assertEquals(3, s.xcr0());
        Cpu other = new OracleCpu().ready();
        other.control().restore(s);
        assertEquals(3, other.xcr0);
        cpu.xcr0 = 0xe7;
        CpuState beyond = cpu.control().save(0);
        assertThrows(IllegalArgumentException.class, () -> other.control().restore(beyond));
    }
}
