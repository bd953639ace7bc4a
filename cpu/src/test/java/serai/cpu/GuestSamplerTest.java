package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import serai.linux.MachineCode;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.Exit;
import serai.machine.engine.Segment;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.VirtualClock;

/** Samples of a vCPU that runs in a circle of 64-bit code: where they lie, and whose time they are. */
final class GuestSamplerTest {
    private static final int PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000;
    /** P, RW, A, D. */
    private static final int ALL = 0x63;

    private static final int LARGE = 0x80;
    private static final long SIZE = 0x400000;
    private static final int MAIN = 0x200000, LEAF = MAIN + 0x100, FAR_LEAF = MAIN + 0x3000, STACK = 0x300000;
    /** IMULs in a leaf, which is one unit: some 100 cycles without a poll. */
    private static final int LENGTH = TranslationUnit.MAX - 1;

    private static final int SAMPLES = 30;

    private final Arena arena = Arena.ofShared();
    private final GuestMemory memory = new GuestMemory(
            List.of(new RamRegion(0, SIZE, arena.allocate(SIZE, 4096).address(), false, -1, 0)));
    private final List<Machine> machines = new ArrayList<>();
    private final Map<Long, Integer> translated = new HashMap<>();
    private final Map<Long, Integer> interpreted = new HashMap<>();

    GuestSamplerTest() {
        assumeTrue(MachineCode.x86(), "capability: x86-64");
        memory.writeLong(PML4, PDPT | ALL);
        memory.writeLong(PDPT, PD | ALL);
        memory.writeLong(PD, ALL | LARGE);
        memory.writeLong(PD + 8, MAIN | ALL | LARGE);
        write(MAIN, 0x31, 0xc0); // xor eax, eax
        leaf(LEAF);
        leaf(FAR_LEAF);
    }

    @AfterEach
    void close() {
        machines.forEach(Machine::close);
        arena.close();
    }

    private int write(int at, int... bytes) {
        for (int b : bytes) {
            memory.writeByte(at++, (byte) b);
        }
        return at;
    }

    private void leaf(int at) {
        for (int i = 0; i < LENGTH; i++) {
            at = write(at, 0x48, 0x6b, 0xc0, 3); // imul rax, rax, 3
        }
        write(at, 0xc3);
    }

    /** main: call to; jmp main. */
    private void calls(int to) {
        int d = to - (MAIN + 5);
        write(MAIN, 0xe8, d, d >> 8, d >> 16, d >> 24, 0xeb, -7);
    }

    /** Runs until so many samples have come. */
    private void run(TranslationMode mode) {
        run(mode, MAIN);
    }

    private void run(TranslationMode mode, int begin) {
        Machine machine = new Machine(
                new MachineConfig(
                        1,
                        1,
                        X86Model.v2(1),
                        new VirtualClock(1_800_000_000, 1),
                        () -> 0,
                        b -> {},
                        b -> {},
                        Numa.NONE,
                        false,
                        0xf4),
                memory,
                new JavaEngine(mode));
        machines.add(machine);
        Cpu cpu = (Cpu) machine.vcpu();
        cpu.cr3 = PML4;
        cpu.cr4 = CpuRegisters.CR4_PAE;
        cpu.efer = CpuRegisters.EFER_LME | CpuRegisters.EFER_LMA;
        cpu.cr0 |= CpuRegisters.CR0_PG | CpuRegisters.CR0_PE;
        cpu.setSegment(CpuSegments.CS, 8, 0, -1, 0x9b | Segment.L);
        cpu.r[CpuRegisters.RSP] = STACK;
        cpu.rip = begin;
        cpu.flushTlb();
        cpu.modeChanged();
        int[] count = {0};
        cpu.profile((linear, inTranslatedCode) -> {
            (inTranslatedCode ? translated : interpreted).merge(linear, 1, Integer::sum);
            if (++count[0] == SAMPLES) {
                cpu.kick();
            }
        });
        assertEquals(Exit.KICKED, cpu.run(Long.MAX_VALUE));
    }

    private static int of(Map<Long, Integer> samples, long address) {
        return samples.getOrDefault(address, 0);
    }

    @Test
    void aFunctionThatPollsNowhereHasItsTime() {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        for (int leaf : new int[] {LEAF, FAR_LEAF}) {
            translated.clear();
            calls(leaf);
            run(TranslationMode.ON);
            // what something leads to: main, behind the call, the leaf
            assertTrue(
                    Set.of((long) MAIN, MAIN + 5L, (long) leaf).containsAll(translated.keySet()), translated::toString);
            assertTrue(of(translated, leaf) > of(translated, MAIN) + of(translated, MAIN + 5), translated::toString);
        }
    }

    @Test
    void aStringInstructionHasTheTimeOfItsRoutine() {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        // main: mov edi, STACK; mov ecx, 0x10000; rep stosb; jmp main
        write(MAIN, 0xbf, 0, 0, 0x30, 0, 0xb9, 0, 0, 1, 0, 0xf3, 0xaa, 0xeb, -14);
        run(TranslationMode.ON);
        assertEquals(Set.of((long) MAIN), translated.keySet());
    }

    @Test
    void anInstructionThatLooksForItselfHasTheTimeOfThatRoutine() {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        // at first, in another page: mov edi, STACK; mov ecx, 64; rep stosb; mov esi, STACK + 0xfc0; jmp MAIN
        int begin = FAR_LEAF + 0x400;
        int at = write(begin, 0xbf, 0, 0, 0x30, 0, 0xb9, 64, 0, 0, 0, 0xf3, 0xaa, 0xbe, 0xc0, 0x0f, 0x30, 0, 0xe9);
        int d = MAIN - (at + 4);
        write(at, d, d >> 8, d >> 16, d >> 24);
        at = MAIN;
        for (int i = 0; i < 8; i++) {
            // mov rdx, [rsi]; mov rcx, [rsi + 0x80], which is in the next page
            at = write(at, 0x48, 0x8b, 0x16, 0x48, 0x8b, 0x8e, 0x80, 0, 0, 0);
        }
        write(at, 0xeb, MAIN - (at + 2));
        run(TranslationMode.ON, begin);
        assertEquals(Set.of((long) MAIN), translated.keySet());
    }

    @Test
    void interpretedCodeCountsForTheBlockThatIsNext() {
        calls(LEAF);
        run(TranslationMode.OFF);
        assertEquals(Map.of(), translated);
        assertTrue(
                Set.of((long) MAIN, MAIN + 5L, (long) LEAF).containsAll(interpreted.keySet()), interpreted::toString);
    }
}
