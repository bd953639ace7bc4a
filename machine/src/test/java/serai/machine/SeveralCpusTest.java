package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.machine.FakeEngine.hlt;
import static serai.machine.FakeEngine.jump;
import static serai.machine.FakeEngine.out;
import static serai.machine.FakeEngine.rdtsc;
import static serai.machine.FakeEngine.store;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.time.Clock;
import serai.machine.time.RealClock;
import serai.machine.time.VirtualClock;

/** Machines with several CPUs: who starts, who has the turn, when all of them are done. */
class SeveralCpusTest {
    private static final long ICR = Layout.LAPIC_BASE + 0x300;
    private static final int INIT_OTHERS = 0xc4500, STARTUP_OTHERS = 0xc4600, NMI_OTHERS = 0xc4400;
    private static final int RAM = 0x120000;

    private final Arena arena = Arena.ofShared();

    @AfterEach
    void free() {
        arena.close();
    }

    private Machine machine(int cpus, Clock clock, FakeEngine engine) {
        GuestMemory memory = new GuestMemory(
                List.of(new RamRegion(0, RAM, arena.allocate(RAM, 4096).address(), false, -1, 0)));
        Machine m = new Machine(
                new MachineConfig(
                        cpus,
                        cpus,
                        X86Model.v1(cpus),
                        clock,
                        () -> 1,
                        b -> {},
                        b -> {},
                        Numa.NONE,
                        false,
                        TestPc.DEBUG_EXIT),
                memory,
                engine);
        m.reset();
        return m;
    }

    private static VirtualClock virtual() {
        return new VirtualClock(TestPc.EPOCH, TestPc.NANOS_PER_INSTRUCTION);
    }

    @Test
    void startupIpi_startsTheOthersAtItsVector() {
        FakeEngine e = new FakeEngine(
                store(ICR, 4, INIT_OTHERS), store(ICR, 4, STARTUP_OTHERS | 3), hlt(), rdtsc(), out(0xf4, 1, 5));
        try (Machine m = machine(3, virtual(), e)) {
            assertEquals(new Outcome.DebugExit(11), m.run(Long.MAX_VALUE));
            assertTrue(e.cpu(0).halted());
            // the second CPU has the turn first and ends the machine
            assertEquals(2, e.cpu(1).count);
            assertEquals(0, e.cpu(2).count);
        }
    }

    @Test
    void startupIpi_isIgnoredByARunningCpu() {
        FakeEngine e = new FakeEngine(
                store(ICR, 4, STARTUP_OTHERS | 4),
                store(ICR, 4, STARTUP_OTHERS | 4),
                store(ICR, 4, STARTUP_OTHERS | 4),
                hlt(),
                rdtsc(),
                hlt());
        try (Machine m = machine(2, virtual(), e)) {
            // it runs two instructions once; nobody has interrupts on
            assertEquals(new Outcome.HaltedForEver(0), m.run(Long.MAX_VALUE));
            assertEquals(2, e.cpu(1).count);
        }
    }

    @Test
    void allHaltedForEverOrNeverStarted_endsTheRun() {
        for (boolean real : new boolean[] {false, true}) {
            FakeEngine e = new FakeEngine(rdtsc(), hlt());
            try (Machine m = machine(4, real ? new RealClock() : virtual(), e)) {
                assertEquals(Outcome.HaltedForEver.class, m.run(Long.MAX_VALUE).getClass());
            }
        }
    }

    @Test
    void turns_areOfFiveThousandInstructions() {
        FakeEngine e = new FakeEngine(store(ICR, 4, STARTUP_OTHERS | 1), jump(1));
        try (Machine m = machine(2, virtual(), e)) {
            m.run(5_000);
            assertEquals(List.of(5_000L, 0L), List.of(e.cpu(0).count, e.cpu(1).count));
            assertEquals(1, m.turn());
            m.run(7_000);
            assertEquals(List.of(5_000L, 2_000L), List.of(e.cpu(0).count, e.cpu(1).count));
            m.run(12_000);
            assertEquals(List.of(7_000L, 5_000L), List.of(e.cpu(0).count, e.cpu(1).count));
        }
    }

    @Test
    void savedWithinATurn_theRestoredMachineGoesOnWithTheRestOfIt() {
        FakeEngine e = new FakeEngine(store(ICR, 4, STARTUP_OTHERS | 1), jump(1));
        FakeEngine f = new FakeEngine(store(ICR, 4, STARTUP_OTHERS | 1), jump(1));
        try (Machine m = machine(2, virtual(), e);
                Machine n = machine(2, virtual(), f)) {
            m.run(7_000);
            n.restore(m.save());
            m.run(11_000);
            n.run(11_000);
            assertEquals(TestPc.text(m.save()), TestPc.text(n.save()));
            assertEquals(List.of(6_000L, 5_000L), List.of(f.cpu(0).count, f.cpu(1).count));
        }
    }

    @Test
    void theClockCountsTheInstructionsOfAll() {
        FakeEngine e = new FakeEngine(store(ICR, 4, STARTUP_OTHERS | 2), hlt(), rdtsc(), hlt());
        try (Machine m = machine(2, virtual(), e)) {
            m.run(Long.MAX_VALUE);
            // two instructions of the other one came before
            assertEquals(
                    "0 tsc: %x".formatted(2 * TestPc.NANOS_PER_INSTRUCTION),
                    e.cpu(1).trace.getFirst());
        }
    }

    @Test
    void stop_bringsAllBack() throws InterruptedException {
        AtomicLong executed = new AtomicLong();
        FakeEngine e = new FakeEngine(
                store(ICR, 4, STARTUP_OTHERS | 1),
                c -> {
                    executed.incrementAndGet();
                    return null;
                },
                jump(1));
        try (Machine m = machine(4, new RealClock(), e)) {
            for (int i = 0; i < 20; i++) {
                Thread stopper = Thread.startVirtualThread(() -> {
                    long from = executed.get();
                    while (executed.get() < from + 1000) {
                        Thread.onSpinWait();
                    }
                    m.stop();
                });
                assertEquals(new Outcome.Stopped(), m.run(Long.MAX_VALUE));
                stopper.join();
                long now = executed.get();
                m.save();
                assertEquals(now, executed.get(), "a CPU runs on");
            }
        }
    }

    @Test
    void whatEndsOneEndsAll() {
        FakeEngine e = new FakeEngine(store(ICR, 4, STARTUP_OTHERS | 3), rdtsc(), jump(1), out(0xf4, 1, 1), jump(1));
        try (Machine m = machine(3, new RealClock(), e)) {
            assertEquals(new Outcome.DebugExit(3), m.run(Long.MAX_VALUE));
        }
    }

    @Test
    void step_runsOneCpuWhileTheOthersStand() {
        FakeEngine e = new FakeEngine(store(ICR, 4, STARTUP_OTHERS | 1), rdtsc(), jump(1));
        try (Machine m = machine(2, new RealClock(), e)) {
            m.step(0);
            assertEquals(List.of(1L, 0L), List.of(e.cpu(0).count, e.cpu(1).count));
            m.step(1);
            m.step(1);
            assertEquals(List.of(1L, 2L), List.of(e.cpu(0).count, e.cpu(1).count));
        }
    }

    @Test
    void anNmiDoesNotWakeACpuThatWaitsForItsStart() {
        FakeEngine e = new FakeEngine(store(ICR, 4, NMI_OTHERS), hlt());
        try (Machine m = machine(2, new RealClock(), e)) {
            assertEquals(Outcome.HaltedForEver.class, m.run(Long.MAX_VALUE).getClass());
        }
    }

    @Test
    void aRebootStartsTheBootCpuAlone() {
        FakeEngine e = new FakeEngine(store(ICR, 4, STARTUP_OTHERS | 1), jump(1));
        try (Machine m = machine(2, virtual(), e)) {
            var start = m.vcpu().save();
            m.run(12_000);
            long before = m.instructions();
            m.reset();
            m.start(start);
            assertEquals(before, m.instructions());
            m.run(before + 1);
            assertEquals(0, m.turn());
            assertEquals(
                    serai.machine.engine.CpuState.Activity.WAIT_FOR_SIPI,
                    m.vcpu(1).save().events().activity());
        }
    }
}
