package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.Exit;
import serai.machine.memory.GuestMemory;

/**
 * Instruction breakpoints in code that has been translated and is hot: they stop exactly, and elsewhere code stays translated. The vCPU
 * counts an interpreted instruction as one, and translated code as one each time it is entered from Java.
 */
final class TranslatedBreakpointsTest {
    private static final int PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000;
    /** P, RW, A, D, PS. */
    private static final int ALL = 0x63, LARGE = 0x80;

    private static final int MAIN = 0x200000, STACK = 0x300000;
    /** A leaf in main's page and one in a page of its own. */
    private static final int NEAR = MAIN + 0x200, FAR = MAIN + 0x3000;
    /** In a leaf: the third of four instructions. */
    private static final int INSIDE = 8;

    private static final int ROUNDS = 1000;
    /** More than {@link #ROUNDS} rounds of translated code count, all of it translated anew; far less than one interpreted instruction in each. */
    private static final long FEW = 100;

    private final LongModeGuest guest = new LongModeGuest(new JavaEngine(TranslationMode.AUTO), X86Model.v2(1));
    private final GuestMemory memory = guest.memory;
    private final Cpu cpu = guest.cpu;

    @BeforeEach
    void setUp() {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        memory.writeLong(PML4, PDPT | ALL);
        memory.writeLong(PDPT, PD | ALL);
        memory.writeLong(PD, ALL | LARGE);
        memory.writeLong(PD + 8, MAIN | ALL | LARGE);
        guest.enter(PML4, 0, 0);
        for (int leaf : new int[] {NEAR, FAR}) {
            // four times lea rax, [rax + 1]; ret
            int at = leaf;
            for (int i = 0; i < 4; i++) {
                at = guest.write(at, 0x48, 0x8d, 0x40, 1);
            }
            guest.write(at, 0xc3);
        }
    }

    @AfterEach
    void close() {
        guest.close();
    }

    /** mov ecx, ROUNDS; 1: call leaf; dec ecx; jnz 1b; hlt. And from its beginning, hot. */
    private void heat(int leaf) {
        int d = leaf - (MAIN + 10);
        guest.write(
                MAIN, 0xb9, ROUNDS, ROUNDS >> 8, 0, 0, 0xe8, d, d >> 8, d >> 16, d >> 24, 0xff, 0xc9, 0x75, -9, 0xf4);
        start();
        toTheEnd();
        start();
    }

    private void start() {
        cpu.halted = false;
        cpu.rip = MAIN;
        cpu.r[CpuRegisters.RSP] = STACK;
        cpu.r[CpuRegisters.RAX] = 0;
    }

    /** What the vCPU counts up to the end, which is reached. */
    private long toTheEnd() {
        long before = cpu.instructions();
        assertEquals(Exit.HALTED_FOR_EVER, cpu.run(Long.MAX_VALUE));
        assertEquals(4L * ROUNDS, cpu.r[CpuRegisters.RAX]);
        return cpu.instructions() - before;
    }

    private void stopsInRound(int leaf, int round) {
        assertEquals(Exit.BREAKPOINT, cpu.run(Long.MAX_VALUE));
        assertEquals(leaf + INSIDE, cpu.rip);
        assertEquals(ROUNDS - round, cpu.r[CpuRegisters.RCX]);
        assertEquals(4L * round + INSIDE / 4, cpu.r[CpuRegisters.RAX]);
        cpu.passBreakpoint();
    }

    @ParameterizedTest
    @ValueSource(ints = {NEAR, FAR})
    void aBreakpointInHotCodeStopsEachTime_andWhenItIsGoneTheCodeIsTranslatedAgain(int leaf) {
        heat(leaf);
        assertTrue(cpu.stats().exits().getOrDefault("units", 0L) > 0);
        cpu.breakpoints(new long[] {leaf + INSIDE});
        for (int round = 0; round < 20; round++) {
            stopsInRound(leaf, round);
        }
        cpu.breakpoints(new long[0]);
        long counted = toTheEnd();
        assertTrue(counted < FEW, () -> counted + " counted");
    }

    @ParameterizedTest
    @ValueSource(ints = {NEAR, FAR})
    void aBreakpointInAnotherPageLeavesCodeTranslated(int leaf) {
        heat(leaf);
        cpu.breakpoints(new long[] {MAIN + 0x5000});
        long counted = toTheEnd();
        assertTrue(counted < FEW, () -> counted + " counted");
    }

    @Test
    void aBreakpointInTheLeafsPageLeavesItsCallerTranslated() {
        heat(FAR);
        cpu.breakpoints(new long[] {FAR + 0x800});
        long counted = toTheEnd();
        // the leaf's five instructions, and an entry for its caller
        assertTrue(counted > 5L * ROUNDS && counted < 7L * ROUNDS, () -> counted + " counted");
    }

    @ParameterizedTest
    @ValueSource(ints = {NEAR, FAR})
    void theGuestsOwnDebugRegistersStopInHotCode(int leaf) {
        heat(leaf);
        cpu.dr[0] = leaf + INSIDE;
        cpu.dr[5] = 1; // L0: execution
        cpu.debug().changed();
        // there is no IDT
        assertEquals(Exit.SHUTDOWN, cpu.run(Long.MAX_VALUE));
        assertEquals(1, cpu.dr[4] & 15);
        assertEquals(ROUNDS, cpu.r[CpuRegisters.RCX]);
        assertEquals(INSIDE / 4, cpu.r[CpuRegisters.RAX]);
        assertNotEquals(MAIN, cpu.rip);
    }

    @Test
    void aGuestThatSetsItsOwnPagesBreakpointInTranslatedCodeStopsThere() {
        // the first time round without: mov eax, NEAR + INSIDE; mov dr0, rax; mov eax, ebx; mov dr7, rax; jmp NEAR
        guest.write(
                MAIN,
                0xb8,
                NEAR + INSIDE,
                NEAR + INSIDE >> 8,
                NEAR >> 16,
                0,
                0x0f,
                0x23,
                0xc0,
                0x89,
                0xd8,
                0x0f,
                0x23,
                0xf8,
                0xe9);
        guest.write(MAIN + 14, NEAR - (MAIN + 18), NEAR - (MAIN + 18) >> 8, 0, 0);
        guest.write(NEAR + 16, 0xf4);
        start();
        cpu.r[CpuRegisters.RBX] = 0;
        assertEquals(Exit.HALTED_FOR_EVER, cpu.run(Long.MAX_VALUE));
        start();
        cpu.r[CpuRegisters.RBX] = 1;
        assertEquals(Exit.SHUTDOWN, cpu.run(Long.MAX_VALUE));
        assertEquals(1, cpu.dr[4] & 15);
        assertEquals(1 + INSIDE / 4, cpu.r[CpuRegisters.RAX]);
    }
}
