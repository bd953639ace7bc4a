package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import serai.machine.engine.Exit;

/** Code of 64 and of 32 bits in turn, and segments that change under it: what is hot in one mode is not run in another. */
final class TranslatedModesTest {
    private static final int CODE = (int) OracleMemory.CODE_START;
    private static final int OTHER = CODE + 0x200;
    private static final int DATA = (int) OracleMemory.DATA;
    private static final int STACK = DATA + 0x1800;
    private static final int ROUNDS = 1000;

    /** What a vCPU counts for {@link #ROUNDS} rounds of translated code at most: each time Java enters it counts as one. */
    private static final long FEW = 100;

    private OracleCpu oracle = new OracleCpu();
    private Cpu cpu = oracle.cpu;

    private void begin(TranslationMode mode) {
        assumeTrue(mode == TranslationMode.OFF || TranslationMode.obstacle().isEmpty(), "capability: translation");
        oracle = new OracleCpu(new OracleCpu.Quiet(), mode, CpuGroup.CODE_SIZE);
        cpu = oracle.cpu;
    }

    private void write(int at, int... bytes) {
        for (int i = 0; i < bytes.length; i++) {
            oracle.memory.writeByte(at + i, (byte) bytes[i]);
        }
    }

    private static int[] code(Object... parts) {
        return Arrays.stream(parts)
                .flatMapToInt(p -> p instanceof Integer i ? IntStream.of(i) : IntStream.of((int[]) p))
                .toArray();
    }

    private static int[] word(int v) {
        return new int[] {v & 0xff, v >> 8 & 0xff, v >> 16 & 0xff, v >> 24 & 0xff};
    }

    /** Ring 3 at CODE, with a code segment and data segments. */
    private void start(int cs, int data) {
        oracle.ready();
        segment(CpuRegisters.CS, cs);
        segment(CpuRegisters.DS, data);
        segment(CpuRegisters.ES, data);
        cpu.rip = CODE;
        cpu.r[CpuRegisters.RSP] = STACK;
        cpu.modeChanged();
    }

    private void segment(int s, int selector) {
        cpu.setSegment(s, selector, OracleSegments.descriptor(selector));
    }

    /** Runs to INT 80, or to a fault: its vector. */
    private int run() {
        assertEquals(Exit.HALTED_FOR_EVER, cpu.run(Long.MAX_VALUE), cpu.failure());
        cpu.halted = false;
        return (int) (cpu.rip - OracleCpu.SYSTEM - OracleCpu.HANDLERS) >>> 4;
    }

    private void runToTheEnd() {
        assertEquals(OracleCpu.INT80, run());
    }

    @ParameterizedTest
    @EnumSource(
            value = TranslationMode.class,
            names = {"OFF", "ON"})
    void theSameBytesAreOtherInstructionsInTheOtherSizeOfCode(TranslationMode mode) {
        begin(mode);
        // mov ecx, ROUNDS; 1: inc rax, or dec eax and inc eax; sub ecx, 1; jnz 1b; int 80
        write(CODE, code(0xb9, word(ROUNDS), 0x48, 0xff, 0xc0, 0x83, 0xe9, 1, 0x75, 0xf8, 0xcd, OracleCpu.INT80));
        for (int i = 0; i < 4; i++) {
            boolean wide = i % 2 == 0;
            start(wide ? OracleSegments.USER_CS : OracleSegments.USER_CS32, OracleSegments.USER_DS);
            cpu.r[CpuRegisters.RAX] = 7L << 32 | 5;
            long before = cpu.instructions();
            runToTheEnd();
            assertEquals(wide ? 7L << 32 | 5 + ROUNDS : 5, cpu.r[CpuRegisters.RAX]);
            assertTrue(mode == TranslationMode.OFF || cpu.instructions() - before < FEW, "it is not translated");
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = TranslationMode.class,
            names = {"OFF", "ON"})
    void farTransfersLeadToTheOtherSizeOfCodeAndBackAllTheTime(TranslationMode mode) {
        begin(mode);
        int back = CODE + 18;
        write(
                CODE,
                code(
                        0xb9, // mov ecx, ROUNDS
                        word(ROUNDS),
                        0x6a, // 1: push USER_CS32
                        OracleSegments.USER_CS32,
                        0x53, // push rbx
                        0x48, // retfq
                        0xcb,
                        new int[] {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90},
                        0x48, // inc rdx
                        0xff,
                        0xc2,
                        0xff, // dec ecx
                        0xc9,
                        0x75, // jnz 1b
                        0xec,
                        0xcd,
                        OracleCpu.INT80));
        // dec eax; inc eax twice; jmp USER_CS:back
        write(OTHER, code(0x48, 0x40, 0x40, 0xea, word(back), OracleSegments.USER_CS, 0));
        start(OracleSegments.USER_CS, OracleSegments.USER_DS);
        cpu.r[CpuRegisters.RBX] = OTHER;
        cpu.r[CpuRegisters.RDX] = -1;
        runToTheEnd();
        assertEquals(ROUNDS, cpu.r[CpuRegisters.RAX]);
        assertEquals(ROUNDS - 1, cpu.r[CpuRegisters.RDX]);
    }

    @ParameterizedTest
    @EnumSource(
            value = TranslationMode.class,
            names = {"OFF", "ON"})
    void sysretAndIretLeadTo32BitCode(TranslationMode mode) {
        begin(mode);
        // 1: dec eax; jnz 1b; int 80, where 64-bit code would have a REX prefix
        write(OTHER, code(0x48, 0x75, 0xfd, 0xcd, OracleCpu.INT80));
        for (int i = 0; i < 4; i++) {
            boolean iret = i % 2 == 0;
            write(CODE, iret ? code(0x48, 0xcf) : code(0x0f, 0x07));
            start(OracleSegments.USER_CS, OracleSegments.USER_DS);
            segment(CpuRegisters.CS, OracleSegments.KERNEL_CS);
            cpu.cpl = 0;
            cpu.modeChanged();
            cpu.r[CpuRegisters.RAX] = ROUNDS;
            cpu.r[CpuRegisters.RCX] = OTHER;
            cpu.r[11] = 0x202;
            long[] frame = {OTHER, OracleSegments.USER_CS32, 0x202, STACK, OracleSegments.USER_DS};
            for (int w = 0; w < frame.length; w++) {
                oracle.memory.writeLong(STACK + 8 * w, frame[w]);
            }
            long before = cpu.instructions();
            runToTheEnd();
            assertEquals(0, cpu.r[CpuRegisters.RAX]);
            assertTrue(mode == TranslationMode.OFF || cpu.instructions() - before < FEW, "it is not translated");
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = TranslationMode.class,
            names = {"OFF", "ON"})
    void aSegmentThatIsLoadedUnderRunningCodeCountsFromTheNextInstructionOn(TranslationMode mode) {
        begin(mode);
        // mov ecx, 2; 1: add eax, [ebx]; mov ds, edx; mov ebx, esi; dec ecx; jnz 1b; int 80
        write(CODE, code(0xb9, word(2), 0x03, 0x03, 0x8e, 0xda, 0x89, 0xf3, 0x49, 0x75, 0xf7, 0xcd, OracleCpu.INT80));
        int[][] cases = {
            {OracleSegments.USER_DS, DATA + 0x10, 6},
            {OracleSegments.DATA_LIMITED, 0x10, 6},
            {OracleSegments.THREAD, 0x10, 503},
            {OracleSegments.USER_DS, DATA + 0x10, 6}
        };
        for (int round = 0; round < 3; round++) {
            for (int[] c : cases) {
                start(OracleSegments.USER_CS32, OracleSegments.USER_DS);
                oracle.memory.writeInt(DATA + 0x10, 3);
                oracle.memory.writeInt((int) OracleSegments.base(OracleSegments.THREAD) + 0x10, 500);
                cpu.r[CpuRegisters.RBX] = DATA + 0x10;
                cpu.r[CpuRegisters.RDX] = c[0];
                cpu.r[CpuRegisters.RSI] = c[1];
                runToTheEnd();
                assertEquals(c[2], cpu.r[CpuRegisters.RAX], "selector " + c[0]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = TranslationMode.class,
            names = {"OFF", "ON"})
    void hotCodeFaultsAtTheLimitThatASegmentHasGot(TranslationMode mode) {
        begin(mode);
        // mov eax, gs:[ebx]; mov eax, [ebx]; int 80
        write(CODE, code(0x65, 0x8b, 0x03, 0x8b, 0x03, 0xcd, OracleCpu.INT80));
        for (int round = 0; round < 3; round++) {
            start(OracleSegments.USER_CS32, OracleSegments.USER_DS);
            segment(CpuRegisters.GS, OracleSegments.USER_DS);
            cpu.r[CpuRegisters.RBX] = DATA;
            runToTheEnd();
            start(OracleSegments.USER_CS32, OracleSegments.USER_DS);
            segment(CpuRegisters.GS, OracleSegments.DATA_LIMITED);
            cpu.r[CpuRegisters.RBX] = DATA;
            assertEquals(CpuSegments.GP, run());
            assertEquals(CODE, frameRip());
            start(OracleSegments.USER_CS32, OracleSegments.DATA_LIMITED);
            segment(CpuRegisters.GS, OracleSegments.USER_DS);
            cpu.r[CpuRegisters.RBX] = DATA;
            assertEquals(CpuSegments.GP, run());
            assertEquals(CODE + 3, frameRip());
        }
    }

    /** Of the last event. */
    private long frameRip() {
        return oracle.memory.readLong(OracleCpu.STACK - 40);
    }

    @Test
    void codeBehindALimitOrOnASmallStackIsInterpreted() {
        begin(TranslationMode.ON);
        // mov ecx, ROUNDS; 1: dec ecx; jnz 1b; int 80
        write(CODE, code(0xb9, word(ROUNDS), 0x49, 0x75, 0xfd, 0xcd, OracleCpu.INT80));
        int[][] others = {
            {CpuRegisters.SS, OracleSegments.STACK16},
            {CpuRegisters.DS, OracleSegments.READ_ONLY},
            {CpuRegisters.ES, OracleSegments.DATA_LIMITED},
            {CpuRegisters.DS, OracleSegments.FLAT_CODE32}
        };
        for (int[] o : others) {
            start(OracleSegments.USER_CS32, OracleSegments.USER_DS);
            segment(o[0], o[1]);
            cpu.modeChanged();
            long before = cpu.instructions();
            runToTheEnd();
            assertTrue(cpu.instructions() - before > ROUNDS, "selector " + o[1]);
        }
    }
}
