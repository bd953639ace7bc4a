package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.Exit;
import serai.machine.memory.GuestMemory;

/** What INVLPG leaves alone: Linux has one for each page that a program writes first after a fork. */
final class InvalidatedPageTest {
    private static final int PML4 = 0x1000,
            PDPT = 0x2000,
            PD = 0x3000,
            PT = 0x4000,
            HIGH_PDPT = 0x5000,
            HIGH_PD = 0x6000;
    /** P, RW, A, D. */
    private static final int ALL = 0x63, LARGE = 0x80;
    /** Where Linux maps all memory, by large pages. */
    private static final long HIGH = 0xffff_8880_0000_0000L;

    private static final int MAIN = 0x200000, FAR = 0x203000, DATA = 0x280000, STACK = 0x300000;
    private static final int ROUNDS = 1000;

    private final LongModeGuest guest = new LongModeGuest(new JavaEngine(TranslationMode.AUTO), X86Model.v2(1));
    private final GuestMemory memory = guest.memory;
    private final Cpu cpu = guest.cpu;

    @BeforeEach
    void setUp() {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        memory.writeLong(PML4, PDPT | ALL);
        memory.writeLong(PDPT, PD | ALL);
        memory.writeLong(PD, ALL | LARGE);
        memory.writeLong(PD + 8, PT | ALL);
        for (int i = 0; i < 512; i++) {
            memory.writeLong(PT + 8 * i, MAIN + i * 4096L | ALL);
        }
        memory.writeLong(PML4 + 8 * (HIGH >>> 39 & 511), HIGH_PDPT | ALL);
        memory.writeLong(HIGH_PDPT, HIGH_PD | ALL);
        memory.writeLong(HIGH_PD + 8, MAIN | ALL | LARGE);
        guest.enter(PML4, 0, 0);
    }

    @AfterEach
    void close() {
        guest.close();
    }

    private long unknownJumps() {
        return cpu.stats().exits().getOrDefault("exit-jump", 0L);
    }

    @Test
    void theWaysIntoOtherPagesAreStillKnown_alsoWhereTheTlbHadALargePageBefore() {
        int d = FAR - (MAIN + 16);
        guest.write(
                MAIN,
                0xb9, // mov ecx, ROUNDS
                ROUNDS,
                ROUNDS >> 8,
                0,
                0,
                0x49, // 1: mov rdx, [r8]: in the entry of FAR's page
                0x8b,
                0x10,
                0x0f, // invlpg [rdi]
                0x01,
                0x3f,
                0xe8, // call FAR
                d,
                d >> 8,
                d >> 16,
                d >> 24,
                0xff, // dec ecx
                0xc9,
                0x75, // jnz 1b
                -15,
                0xf4);
        guest.write(FAR, 0x48, 0xff, 0xc0, 0xc3); // inc rax; ret
        cpu.rip = MAIN;
        cpu.r[CpuRegisters.RSP] = STACK;
        cpu.r[CpuRegisters.RDI] = DATA;
        cpu.r[8] = HIGH + FAR;
        assertEquals(Exit.HALTED_FOR_EVER, cpu.run(Long.MAX_VALUE));
        assertEquals(ROUNDS, cpu.r[CpuRegisters.RAX]);
        assertTrue(unknownJumps() < ROUNDS / 10, () -> unknownJumps() + " jumps to what was not known");
    }
}
