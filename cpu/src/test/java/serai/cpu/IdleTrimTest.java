package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import serai.machine.Machine;
import serai.machine.MachineConfig;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.Engine;
import serai.machine.engine.Segment;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.RealClock;

/**
 * Translated code that is given back under running vCPUs: it is gone from memory, and they go on right. Each runs a routine of many pages,
 * writes to port 0xe9 and waits until it may run it again.
 */
final class IdleTrimTest {
    private static final int PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000;
    private static final int STACK = 0x9000, GO = 0xa000, START = 0x10000, ROUTINE = 0x20000;
    private static final long SIZE = 1 << 21;
    private static final int PRESENT_WRITABLE_USED = 0x63, LARGE = 0x80;
    private static final int INCREMENTS = 20_000;
    /** KiB that the routine takes at least, translated. */
    private static final long LEAST = INCREMENTS * 3 >> 10;

    private static final String PROGRAM = "e8fbff0000" // call ROUTINE
            + "49ffc4" // inc r12
            + "e6e9" // out 0xe9, al
            + "f390" // pause
            + "4c39242500a00000" // cmp [GO], r12
            + "72f4" // jb to the pause
            + "ebe8"; // jmp START

    private final CpuGroup group = new CpuGroup(TranslationMode.ON, CpuGroup.CODE_SIZE);
    private final Arena arena = Arena.ofShared();
    private final GuestMemory memory = new GuestMemory(
            List.of(new RamRegion(0, SIZE, arena.allocate(SIZE, 4096).address(), false, -1, 0)));
    private final Semaphore rounds = new Semaphore(0);

    private final class OfGroup implements Engine {
        @Override
        public String name() {
            return "java";
        }

        @Override
        public Vcpu createVcpu(VcpuHost host) {
            return new Cpu(host, group);
        }

        @Override
        public void close() {}
    }

    /** What the host does while the vCPUs run. */
    private interface Script {
        void play(Cpu boot) throws Exception;
    }

    /** Runs the vCPUs under a script, and compares how often they have been through the routine. */
    private void run(int vcpus, int expectedRounds, Script script) throws Exception {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        memory.writeLong(PML4, PDPT | PRESENT_WRITABLE_USED);
        memory.writeLong(PDPT, PD | PRESENT_WRITABLE_USED);
        memory.writeLong(PD, PRESENT_WRITABLE_USED | LARGE);
        memory.write(START, HexFormat.of().parseHex(PROGRAM));
        memory.write(ROUTINE, HexFormat.of().parseHex("48ffc0".repeat(INCREMENTS) + "c3")); // inc rax …; ret
        MachineConfig config = new MachineConfig(
                vcpus,
                vcpus,
                X86Model.v3(vcpus),
                new RealClock(),
                () -> 0,
                b -> {},
                b -> rounds.release(),
                Numa.NONE,
                false,
                0xf4);
        try (Machine machine = new Machine(config, memory, new OfGroup())) {
            for (int i = 0; i < vcpus; i++) {
                longMode((Cpu) machine.vcpu(i), START, STACK - i * 0x1000);
            }
            Thread guest = Thread.ofPlatform().start(() -> machine.run(Long.MAX_VALUE));
            try {
                script.play((Cpu) machine.vcpu());
            } finally {
                machine.stop();
                guest.join();
            }
            for (int i = 0; i < vcpus; i++) {
                Cpu cpu = (Cpu) machine.vcpu(i);
                assertEquals(expectedRounds, cpu.r[12], "rounds of vCPU " + i);
                assertEquals((long) expectedRounds * INCREMENTS, cpu.r[CpuRegisters.RAX], "increments of vCPU " + i);
            }
        } finally {
            arena.close();
        }
    }

    private static void longMode(Cpu cpu, long rip, long rsp) {
        cpu.cr3 = PML4;
        cpu.cr4 = CpuRegisters.CR4_PAE | CpuRegisters.CR4_OSFXSR;
        cpu.efer = CpuRegisters.EFER_LME | CpuRegisters.EFER_LMA;
        cpu.cr0 = CpuRegisters.CR0_PG | CpuRegisters.CR0_PE | CpuRegisters.CR0_ET;
        cpu.setSegment(CpuRegisters.CS, 8, 0, -1, 0x9b | Segment.L);
        cpu.waitForSipi = false;
        cpu.rip = rip;
        cpu.r[CpuRegisters.RSP] = rsp;
        cpu.flushTlb();
        cpu.modeChanged();
    }

    private TranslationCache cache(Cpu cpu) throws Exception {
        TranslationCache c = group.translationCache(cpu.features);
        assertNotNull(c);
        return c;
    }

    /** What this process has of the mapping of an address in its page table, in KiB. */
    private static long resident(long address) throws IOException {
        boolean found = false;
        for (String line : Files.readAllLines(Path.of("/proc/self/smaps"))) {
            if (found && line.startsWith("Rss:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
            if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                String[] ends = line.split("[- ]", 3);
                found = Long.parseUnsignedLong(ends[0], 16) <= address && address < Long.parseUnsignedLong(ends[1], 16);
            }
        }
        throw new AssertionError("no mapping of %#x".formatted(address));
    }

    private void givesBackAndGoesOn(int vcpus) throws Exception {
        run(vcpus, 2, boot -> {
            TranslationCache cache = cache(boot);
            long executable = cache.lookup(0);
            long writable = executable - cache.delta;
            rounds.acquire(vcpus);
            long before = resident(executable);
            assertTrue(cache.filled() >> 10 >= LEAST, "translated in full");
            assertTrue(before >= LEAST, before + " KiB");
            group.trim(0);
            // the vCPUs wait in a loop of some instructions, which are translated again at once
            long after = resident(executable);
            assertTrue(before - after >= LEAST - 8, "%d KiB before, %d after".formatted(before, after));
            assertTrue(resident(writable) <= after + 4, resident(writable) + " KiB writable");
            assertEquals(1, boot.stats().exits().get("code-evictions-idle"));
            memory.writeLong(GO, 1);
            rounds.acquire(vcpus);
            assertTrue(resident(executable) >= LEAST, "translated again");
        });
    }

    @Test
    @Timeout(60)
    void theCodeIsGoneFromMemoryAndTheGuestGoesOn() throws Exception {
        givesBackAndGoesOn(1);
    }

    @Test
    @Timeout(60)
    void theSameUnderTwoVcpus() throws Exception {
        givesBackAndGoesOn(2);
    }

    @Test
    @Timeout(60)
    void aTrimInTheMidstOfWorkHarmsNobody() throws Exception {
        int n = 100;
        run(2, n, boot -> {
            memory.writeLong(GO, n - 1);
            for (int i = 0; i < 2 * n; i++) {
                group.trim(0);
                rounds.acquire();
            }
        });
    }

    @Test
    @Timeout(60)
    void whatIsNotWorthItStays() throws Exception {
        run(1, 1, boot -> {
            rounds.acquire();
            group.trim(cache(boot).filled() + 4096);
            assertEquals(0, boot.stats().exits().get("code-evictions-idle"));
            assertTrue(cache(boot).filled() >> 10 >= LEAST);
        });
    }
}
