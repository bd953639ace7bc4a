package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.EnumSet;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuState;

/** The extended state as bytes, and what CR0 and CR4 let through. */
final class FloatingStateTest {
    private static final byte[] MOVDQA = {0x66, 0x0f, 0x6f, (byte) 0xc1};
    private static final byte[] DIVPS = {0x0f, 0x5e, (byte) 0xc1};
    private static final byte[] PADDB_MMX = {0x0f, (byte) 0xfc, (byte) 0xc1};
    private static final byte[] FADD = {(byte) 0xd8, (byte) 0xc1};
    private static final byte[] FNSTSW = {(byte) 0xdf, (byte) 0xe0};
    private static final byte[] FWAIT = {(byte) 0x9b};

    private final OracleCpu oracle = new OracleCpu();
    private final Cpu cpu = oracle.ready();

    @Test
    void xsaveImage_restoredIntoAnotherCpu_isTheSame() {
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < CpuRegisters.SCRATCH; i++) {
            cpu.vec[i] = random.nextLong();
        }
        for (int i = 0; i < 8; i++) {
            cpu.fpu.significand[i] = random.nextLong();
            cpu.fpu.signExponent[i] = (short) random.nextInt();
        }
        cpu.fpu.top = 5;
        cpu.fpu.empty = 0x1c;
        cpu.fpu.statusWord = Fpu.C3 | Fpu.PE;
        cpu.fpu.lastIp = 0x1234_5678_9abcL;
        cpu.mxcsr = 0x7fa1;
        byte[] image = XsaveImage.save(cpu);
        assertEquals(CpuState.XSAVE_SIZE, image.length);
        Cpu other = new OracleCpu().ready();
        XsaveImage.restore(other, image);
        assertArrayEquals(image, XsaveImage.save(other));
        assertArrayEquals(cpu.vec, other.vec);
    }

    @Test
    void xsaveImage_componentsNotInXstateBv_getInitialValues() {
        byte[] image = XsaveImage.save(cpu);
        java.util.Arrays.fill(image, 0, 512, (byte) 0xff);
        java.util.Arrays.fill(image, 512, 520, (byte) 0);
        java.util.Arrays.fill(image, 24, 28, (byte) 0);
        XsaveImage.restore(cpu, image);
        assertEquals(0x37f, cpu.fpu.controlWord);
        assertEquals(0xff, cpu.fpu.empty);
        assertEquals(0x1f80, cpu.mxcsr);
        assertEquals(0, cpu.vec[0]);
    }

    @Test
    void xsaveImage_reservedBitsOfMxcsr_areRefused() {
        byte[] image = XsaveImage.save(cpu);
        image[26] = 1;
        assertThrows(IllegalArgumentException.class, () -> XsaveImage.restore(cpu, image));
        assertThrows(IllegalArgumentException.class, () -> XsaveImage.restore(cpu, new byte[512]));
    }

    @Test
    void sse_withoutOsfxsr_raisesUndefined() {
        cpu.cr4 &= ~CpuRegisters.CR4_OSFXSR;
        assertEquals(CpuSegments.UD, oracle.run(MOVDQA));
        assertEquals(-1, oracle.run(PADDB_MMX));
    }

    @Test
    void taskSwitched_raisesDeviceNotAvailable() {
        cpu.cr0 |= CpuRegisters.CR0_TS;
        assertEquals(7, oracle.run(MOVDQA));
        assertEquals(7, oracle.run(PADDB_MMX));
        assertEquals(7, oracle.run(FADD));
        assertEquals(7, oracle.run(FNSTSW));
        assertEquals(7, oracle.run(FWAIT));
        cpu.cr0 &= ~CpuRegisters.CR0_MP;
        assertEquals(-1, oracle.run(FWAIT));
    }

    @Test
    void emulation_raisesUndefinedForSseAndMmx_deviceNotAvailableForX87() {
        cpu.cr0 |= CpuRegisters.CR0_EM;
        assertEquals(CpuSegments.UD, oracle.run(MOVDQA));
        assertEquals(CpuSegments.UD, oracle.run(PADDB_MMX));
        assertEquals(7, oracle.run(FADD));
    }

    @Test
    void unmaskedSimdException_raisesXmOrUndefinedByOsxmmexcpt() {
        cpu.mxcsr = 0x1f80 & ~(SoftFloat.IE << 7);
        assertEquals(19, oracle.run(DIVPS));
        assertEquals(SoftFloat.IE, cpu.mxcsr & 0x3f);
        cpu.cr4 &= ~CpuRegisters.CR4_OSXMMEXCPT;
        assertEquals(CpuSegments.UD, oracle.run(DIVPS));
    }

    @Test
    void pendingX87Exception_isRaisedAtTheNextWaitingInstruction() {
        cpu.fpu.control(0x37e);
        cpu.fpu.empty = 0xff;
        assertEquals(-1, oracle.run(FADD));
        assertEquals(-1, oracle.run(FNSTSW));
        assertEquals(16, oracle.run(FWAIT));
        assertEquals(16, oracle.run(FADD));
        assertEquals(16, oracle.run(PADDB_MMX));
    }

    /** No row of the two tables is left to #UD for want of a node. */
    @Test
    void everyRow_hasANode() {
        Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
        for (InstructionRow row : InstructionTable.INSTANCE.rows()) {
            if (row.source().startsWith("instructions-base") || !row.vex().isEmpty()) {
                continue;
            }
            Decoded d = new Decoded();
            Decoder.Result result = Decoder.Result.UNDEFINED;
            // the generator makes the wrong form of a row on purpose, too, but rarely
            for (int i = 0; i < 8 && result != Decoder.Result.OK; i++) {
                byte[] code = OracleCases.make(row, OracleMode.LONG, i).code();
                result = decoder.decode(d, at -> at < code.length ? code[at] & 0xff : 0, 8, 8);
            }
            assertEquals(Decoder.Result.OK, result, row.source());
            assertEquals(false, NodeFactory.make(d) instanceof SystemNodes.Raise, row.source());
        }
    }
}
