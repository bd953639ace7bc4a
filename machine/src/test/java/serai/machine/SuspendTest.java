package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.machine.FakeEngine.hlt;
import static serai.machine.FakeEngine.in;
import static serai.machine.FakeEngine.out;
import static serai.machine.FakeEngine.store;

import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import serai.machine.FakeEngine.Instruction;
import serai.machine.acpi.Numa;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.CpuState;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;
import serai.machine.pm.PowerManagement;
import serai.machine.time.RealClock;
import serai.machine.time.VirtualClock;

/** S3 of the whole machine: ACPI 6.5, 16.1.4 and 16.3. */
@Timeout(60)
class SuspendTest {
    private static final long NEVER = Long.MAX_VALUE;
    private static final int WAK_STS = 1 << 15, RTC_STS = 1 << 10, PWRBTN_STS = 1 << 8;
    /** Instructions of the program below that fit before where it is woken. */
    private static final int VECTOR = 13;

    private final Arena arena = Arena.ofShared();

    @TempDir
    Path dir = Path.of("");

    @AfterEach
    void free() {
        arena.close();
    }

    /** Leaves a waking vector whose IP, and so the instruction that it stands for, is {@link #VECTOR}. */
    private static Instruction vector() {
        return c -> {
            c.host.memory().writeInt(Layout.ACPI_TABLES + 12, 0x9a000 + VECTOR);
            return null;
        };
    }

    private static Instruction suspend() {
        return out(Layout.PM_BASE + 4, 2, PowerManagement.SLEEP_S3 << 10 | 1 << 13 | 1);
    }

    /** Suspends at its end; woken, it reads PM1 status and ends. */
    private static Instruction[] program(Instruction... before) {
        List<Instruction> p = new ArrayList<>();
        p.add(vector());
        p.addAll(List.of(before));
        p.add(suspend());
        while (p.size() < VECTOR) {
            p.add(hlt());
        }
        p.add(in(Layout.PM_BASE, 2));
        p.add(out(TestPc.DEBUG_EXIT, 1, 5));
        return p.toArray(Instruction[]::new);
    }

    private static Instruction[] alarmInFiveSeconds() {
        return program(
                out(0x70, 2, 0x1001),
                out(0x70, 2, 0x0403),
                out(0x70, 2, 0x0305),
                out(0x70, 2, 0x220b),
                out(Layout.PM_BASE + 2, 2, RTC_STS),
                out(0x3ff, 1, 0x5a),
                out(0x70, 2, 0x7740));
    }

    /** PM1 status as the woken guest saw it. */
    private static int seen(TestPc pc) {
        String s = pc.engine.cpu().trace.getLast();
        return Integer.parseInt(s.substring(s.lastIndexOf(' ') + 1), 16);
    }

    @Test
    void deterministic_theClockJumpsToTheAlarm_theDevicesAreNewAndMemoryIsNot() {
        try (TestPc pc = new TestPc(alarmInFiveSeconds())) {
            pc.memory.writeInt(0x5000, 4711);
            long bar = pc.bar4(Layout.FIRST_DISK_SLOT);
            pc.host().mmioWrite(bar + 20, 1, 3);
            assertEquals(new Outcome.Suspended(), pc.machine.run(NEVER));
            assertTrue(pc.machine.asleep());
            assertEquals(0, pc.host().portRead(0x3ff, 1), "the serial port's scratch register");
            assertEquals(0, pc.config(Layout.FIRST_DISK_SLOT, 4) & 7, "nobody decodes");
            long instructions = pc.machine.instructions();
            assertEquals(new Outcome.Woken(), pc.machine.run(NEVER));
            assertFalse(pc.machine.asleep());
            assertEquals(instructions, pc.machine.instructions());
            assertEquals(5_000_000_000L, pc.machine.save().clockNanos());
            assertEquals(bar, pc.bar4(Layout.FIRST_DISK_SLOT), "as after power-on");
            assertEquals(0, pc.host().mmioRead(bar + 20, 1));
            assertEquals(4711, pc.memory.readInt(0x5000));
            pc.host().portWrite(0x70, 1, 0x40);
            assertEquals(0x77, pc.host().portRead(0x71, 1), "CMOS has a battery");
            assertEquals(new Outcome.DebugExit(11), pc.machine.run(NEVER));
            assertEquals(WAK_STS | RTC_STS, seen(pc));
        }
    }

    @Test
    void deterministic_recordedAndReplayed_wakesAtTheSameMoment() throws Exception {
        Path file = dir.resolve("inputs");
        MachineState recorded;
        try (TestPc pc = new TestPc(program());
                InputLog log = InputLog.record(file)) {
            pc.machine.inputLog(log);
            assertEquals(new Outcome.Suspended(), pc.machine.run(NEVER));
            Thread wakes = Thread.ofPlatform().start(pc.machine::wakeUp);
            assertEquals(new Outcome.Woken(), pc.machine.run(NEVER));
            wakes.join();
            assertEquals(new Outcome.DebugExit(11), pc.machine.run(NEVER));
            assertEquals(WAK_STS, seen(pc));
            recorded = pc.machine.save();
        }
        assertTrue(Files.readString(file).endsWith("@wake-up\n"));
        try (TestPc pc = new TestPc(program())) {
            pc.machine.inputLog(InputLog.replay(file));
            assertEquals(new Outcome.Suspended(), pc.machine.run(NEVER));
            pc.machine.wakeUp();
            assertEquals(new Outcome.Woken(), pc.machine.run(NEVER));
            assertEquals(new Outcome.DebugExit(11), pc.machine.run(NEVER));
            assertEquals(TestPc.text(recorded), TestPc.text(pc.machine.save()));
        }
        try (TestPc pc = new TestPc(program())) {
            pc.machine.inputLog(InputLog.replay(Files.writeString(dir.resolve("none"), "")));
            assertEquals(new Outcome.Suspended(), pc.machine.run(NEVER));
            assertEquals(new Outcome.NothingToWaitFor(), pc.machine.run(NEVER));
        }
    }

    @Test
    void deterministic_anAlarmThatWakesNobody_leavesTheHostItsTurn() {
        Instruction[] everySecond =
                program(out(0x70, 2, 0xff01), out(0x70, 2, 0xff03), out(0x70, 2, 0xff05), out(0x70, 2, 0x220b));
        try (TestPc pc = new TestPc(everySecond)) {
            assertEquals(new Outcome.Suspended(), pc.machine.run(NEVER));
            Thread stops = Thread.ofPlatform().start(pc.machine::stop);
            assertEquals(new Outcome.Stopped(), pc.machine.run(NEVER));
            join(stops);
            assertTrue(pc.machine.asleep());
            Thread wakes = Thread.ofPlatform().start(pc.machine::wakeUp);
            assertEquals(new Outcome.Woken(), pc.machine.run(NEVER));
            join(wakes);
        }
    }

    @Test
    void savedAsleep_wakesInAnotherMachine() {
        for (boolean realTime : new boolean[] {false, true}) {
            try (TestPc pc = new TestPc(alarmInFiveSeconds());
                    TestPc other = realTime
                            ? new TestPc(new RealClock(), null, alarmInFiveSeconds())
                            : new TestPc(alarmInFiveSeconds())) {
                assertEquals(new Outcome.Suspended(), pc.machine.run(NEVER));
                other.restoreFrom(pc, pc.machine.save());
                assertTrue(other.machine.asleep());
                if (realTime) {
                    other.machine.pressPowerButton();
                }
                assertEquals(new Outcome.Woken(), other.machine.run(NEVER));
                assertEquals(new Outcome.DebugExit(11), other.machine.run(NEVER));
                assertEquals(WAK_STS | (realTime ? PWRBTN_STS : RTC_STS), seen(other));
            }
        }
    }

    @Test
    void savedOnTheWayIntoSleep_fallsAsleepInTheOther() {
        try (TestPc pc = new TestPc(program());
                TestPc other = new TestPc(program())) {
            pc.host().portWrite(Layout.PM_BASE + 4, 2, PowerManagement.SLEEP_S3 << 10 | 1 << 13 | 1);
            other.restoreFrom(pc, pc.machine.save());
            assertEquals(new Outcome.Suspended(), other.machine.run(NEVER));
        }
    }

    @Test
    void realTime_sleepsUntilSomebodyWakesIt() {
        try (TestPc pc = new TestPc(new RealClock(), null, program())) {
            assertEquals(new Outcome.Suspended(), pc.machine.run(NEVER));
            pc.machine.stop();
            assertEquals(new Outcome.Stopped(), pc.machine.run(NEVER), "a debugger's interrupt, say");
            assertEquals(new Outcome.Stopped(), pc.machine.run(0), "no instruction more is wanted");
            assertTrue(pc.machine.asleep());
            Thread wakes = Thread.ofPlatform().start(pc.machine::pressPowerButton);
            assertEquals(new Outcome.Woken(), pc.machine.step(0));
            join(wakes);
            assertEquals(new Outcome.DebugExit(11), pc.machine.run(NEVER));
            assertEquals(WAK_STS | PWRBTN_STS, seen(pc));
        }
    }

    @Test
    void realTime_theAlarmWakes() {
        List<Instruction> p = new ArrayList<>(List.of(
                out(0x70, 2, 0xff01),
                out(0x70, 2, 0xff03),
                out(0x70, 2, 0xff05), // any second
                out(0x70, 2, 0x220b),
                out(Layout.PM_BASE + 2, 2, RTC_STS)));
        try (TestPc pc = new TestPc(new RealClock(), null, program(p.toArray(Instruction[]::new)))) {
            assertEquals(new Outcome.Suspended(), pc.machine.run(NEVER));
            assertEquals(new Outcome.Woken(), pc.machine.run(NEVER));
            assertTrue(pc.machine.save().clockNanos() >= 1_000_000_000L);
        }
    }

    private static void join(Thread t) {
        try {
            t.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void resetButton_endsTheSleepByAReset() {
        try (TestPc pc = new TestPc(program())) {
            pc.machine.run(NEVER);
            pc.machine.pressResetButton();
            assertEquals(new Outcome.Reset(), pc.machine.run(NEVER));
            pc.machine.reset();
            assertFalse(pc.machine.asleep());
        }
    }

    @Test
    void withoutAVector_firmwareWouldBoot() {
        try (TestPc pc = new TestPc(suspend(), hlt())) {
            pc.machine.run(NEVER);
            pc.machine.wakeUp();
            assertEquals(new Outcome.Reset(), pc.machine.run(NEVER));
        }
    }

    @Test
    void aDiskPluggedInWhileItSleeps_isToldOfWhenItIsAwake() {
        try (TestPc pc = new TestPc(program())) {
            pc.machine.run(NEVER);
            pc.hotPlug(0);
            pc.machine.wakeUp();
            assertEquals(new Outcome.Woken(), pc.machine.run(NEVER));
            assertEquals(1 << TestPc.HOT_SLOTS[0], pc.host().portRead(Layout.PCI_HOTPLUG_BASE, 4));
            assertTrue(pc.bar4(TestPc.HOT_SLOTS[0]) != 0);
        }
    }

    @Test
    void theOtherCpus_waitForAStartupIpi() {
        for (boolean realTime : new boolean[] {false, true}) {
            FakeEngine e = new FakeEngine(program(
                    store(Layout.LAPIC_BASE + 0x300, 4, 0xc4500), store(Layout.LAPIC_BASE + 0x300, 4, 0xc4600 | 12)));
            long ram = TestPc.RAM;
            GuestMemory memory = new GuestMemory(
                    List.of(new RamRegion(0, ram, arena.allocate(ram, 4096).address(), false, -1, 0)));
            MachineConfig config = new MachineConfig(
                    2,
                    2,
                    X86Model.v1(2),
                    realTime ? new RealClock() : new VirtualClock(TestPc.EPOCH, TestPc.NANOS_PER_INSTRUCTION),
                    () -> 1,
                    b -> {},
                    b -> {},
                    Numa.NONE,
                    false,
                    TestPc.DEBUG_EXIT);
            try (Machine m = new Machine(config, memory, e)) {
                m.reset();
                assertEquals(new Outcome.Suspended(), m.run(NEVER));
                m.wakeUp();
                assertEquals(new Outcome.Woken(), m.run(NEVER));
                assertEquals(
                        CpuState.Activity.WAIT_FOR_SIPI,
                        m.save().cpus().get(1).events().activity());
                assertEquals(0, m.turn());
                assertEquals(new Outcome.DebugExit(11), m.run(NEVER));
            }
        }
    }
}
