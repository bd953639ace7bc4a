package serai.machine.hotplug;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.machine.FakeEngine.hlt;
import static serai.machine.FakeEngine.jump;
import static serai.machine.FakeEngine.out;
import static serai.machine.FakeEngine.rdtsc;
import static serai.machine.FakeEngine.store;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import serai.machine.CpuSockets;
import serai.machine.Layout;
import serai.machine.MachineState;
import serai.machine.Outcome;
import serai.machine.Schedule;
import serai.machine.TestPc;
import serai.machine.engine.CpuState;
import serai.machine.engine.VcpuHost;
import serai.machine.pm.PowerManagement;
import serai.machine.time.RealClock;

/** vCPU hot-plug from the guest's side: the registers as the DSDT's methods use them, and what a vCPU does that comes and goes. */
@Timeout(60)
class CpuHotplugTest {
    private static final int SELECTOR = Layout.CPU_HOTPLUG_BASE, FLAGS = SELECTOR + 4, COMMAND = SELECTOR + 5;
    private static final int DATA = SELECTOR + 8;
    private static final int PRESENT = 1, CAME = 2, WANTED = 4, EJECT = 8;
    private static final int GPE = Layout.PM_BASE + 0x20;
    private static final long ICR = Layout.LAPIC_BASE + 0x300;
    private static final int INIT_OTHERS = 0xc4500, STARTUP_OTHERS = 0xc4600;

    private static int flags(VcpuHost h, int cpu) {
        h.portWrite(SELECTOR, 4, cpu);
        return h.portRead(FLAGS, 1);
    }

    /** The next vCPU with an event. */
    private static int next(VcpuHost h) {
        h.portWrite(COMMAND, 1, 0);
        return h.portRead(DATA, 4);
    }

    @Test
    void plugging_raisesTheEvent_andTheVcpuIsFoundByItsFlags() {
        try (TestPc pc = TestPc.withRoomForCpus()) {
            VcpuHost h = pc.host();
            assertEquals(List.of(PRESENT, 0, 0), List.of(flags(h, 0), flags(h, 1), flags(h, 2)));
            pc.machine.sockets().plug(2);
            assertEquals(1 << Layout.GPE_CPU_HOTPLUG, h.portRead(GPE, 2));
            h.portWrite(SELECTOR, 4, 0);
            assertEquals(2, next(h));
            assertEquals(PRESENT | CAME, h.portRead(FLAGS, 1));
            h.portWrite(FLAGS, 1, CAME);
            assertEquals(PRESENT, h.portRead(FLAGS, 1));
            h.portWrite(SELECTOR, 4, 1);
            assertEquals(1, next(h), "no event: the selector stays");
            h.portWrite(COMMAND, 1, 3);
            assertEquals(1, h.portRead(DATA, 4), "the APIC id");
            assertThrows(
                    IllegalArgumentException.class, () -> pc.machine.sockets().plug(2));
            assertThrows(
                    IllegalArgumentException.class, () -> pc.machine.sockets().plug(3));
        }
    }

    @Test
    void removal_isAskedForAndEndsWithTheGuestsEject() {
        try (TestPc pc = TestPc.withRoomForCpus()) {
            List<Integer> ejected = new ArrayList<>();
            listen(pc, ejected, new ArrayList<>());
            VcpuHost h = pc.host();
            pc.machine.sockets().plug(1);
            h.portWrite(FLAGS, 1, CAME);
            pc.machine.sockets().askBack(1);
            assertEquals(1, next(h));
            assertEquals(PRESENT | CAME | WANTED, h.portRead(FLAGS, 1));
            h.portWrite(FLAGS, 1, CAME | WANTED); // one at a time
            assertEquals(PRESENT | WANTED, h.portRead(FLAGS, 1));
            h.portWrite(FLAGS, 1, WANTED);
            assertEquals(PRESENT, h.portRead(FLAGS, 1));
            h.portWrite(FLAGS, 1, EJECT);
            assertEquals(0, h.portRead(FLAGS, 1));
            assertEquals(List.of(1), ejected);
            h.portWrite(FLAGS, 1, EJECT);
            assertEquals(List.of(1), ejected, "it is out already");
            pc.machine.sockets().plug(1);
            assertEquals(PRESENT | CAME, h.portRead(FLAGS, 1));
        }
    }

    @Test
    void theBootCpuStays_andWhatIsBeyondTheLastTakesNothing() {
        try (TestPc pc = TestPc.withRoomForCpus()) {
            VcpuHost h = pc.host();
            pc.ejectCpu(0);
            assertEquals(PRESENT, flags(h, 0));
            assertThrows(
                    IllegalArgumentException.class, () -> pc.machine.sockets().askBack(0));
            assertThrows(
                    IllegalArgumentException.class, () -> pc.machine.sockets().askBack(1));
            for (int cpu : new int[] {TestPc.MAX_CPUS, -1}) {
                assertEquals(0, flags(h, cpu));
                h.portWrite(FLAGS, 1, EJECT);
                h.portWrite(COMMAND, 1, 3);
                assertEquals(0, h.portRead(DATA, 4));
            }
            h.portWrite(SELECTOR, 4, 0);
            h.portWrite(SELECTOR, 2, 1); // not as a whole
            assertEquals(PRESENT, h.portRead(FLAGS, 1));
            assertEquals(0, h.portRead(SELECTOR, 4));
        }
    }

    @Test
    void aMachineWithoutRoom_hasNoRegisters() {
        try (TestPc pc = new TestPc()) {
            assertEquals(0xff, pc.host().portRead(FLAGS, 1));
            assertThrows(
                    IllegalArgumentException.class, () -> pc.machine.sockets().plug(1));
            assertEquals(1, pc.machine.sockets().present());
        }
    }

    @Test
    void whatTheGuestSaysByOst_isToldAndARefusalEndsTheRequest() {
        try (TestPc pc = TestPc.withRoomForCpus()) {
            List<CpuHotplug.Report> said = new ArrayList<>();
            listen(pc, new ArrayList<>(), said);
            pc.machine.sockets().plug(1);
            pc.machine.sockets().askBack(1);
            say(pc.host(), 1, 3, 0x84);
            assertFalse(said.getLast().refusesEjection(), "it is on its way");
            say(pc.host(), 1, 3, 1);
            assertEquals(new CpuHotplug.Report(1, 3, 1), said.getLast());
            assertTrue(said.getLast().refusesEjection());
            assertEquals(
                    List.of(new CpuHotplug.Report(0, 0, 0), new CpuHotplug.Report(1, 3, 1)),
                    pc.machine.sockets().reports());
            pc.machine.reset();
            assertTrue(pc.machine.sockets().present(1), "it was refused");
        }
    }

    private static void say(VcpuHost h, int cpu, int event, int status) {
        h.portWrite(SELECTOR, 4, cpu);
        h.portWrite(COMMAND, 1, 1);
        h.portWrite(DATA, 4, event);
        h.portWrite(COMMAND, 1, 2);
        h.portWrite(DATA, 4, status);
    }

    private static void listen(TestPc pc, List<Integer> ejected, List<CpuHotplug.Report> said) {
        pc.machine.sockets().listener(new CpuSockets.Listener() {
            @Override
            public void ejected(int cpu) {
                ejected.add(cpu);
            }

            @Override
            public void reported(CpuHotplug.Report report) {
                said.add(report);
            }
        });
    }

    @Test
    void aReset_keepsWhatIsPlugged_takesOutWhatTheGuestWasAskedFor_andTheTablesTellSo() {
        try (TestPc pc = TestPc.withRoomForCpus()) {
            assertEquals(List.of(1, 2, 2), madtFlags(pc));
            pc.machine.sockets().plug(1);
            pc.machine.sockets().plug(2);
            pc.machine.sockets().askBack(2);
            pc.machine.reset();
            assertEquals(List.of(1, 1, 2), madtFlags(pc));
            assertEquals(List.of(PRESENT, 0), List.of(flags(pc.host(), 1), flags(pc.host(), 2)));
        }
    }

    /** The flags of the local APICs, which are first in the MADT; enabled is bit 0, online capable bit 1 (ACPI 6.5, table 5.22). */
    private static List<Integer> madtFlags(TestPc pc) {
        long xsdt = pc.memory.readLong(Layout.ACPI_RSDP + 24);
        long madt = 0;
        for (int i = 36; i < pc.memory.readInt(xsdt + 4); i += 8) {
            long t = pc.memory.readLong(xsdt + i);
            madt = pc.memory.readInt(t) == 0x43495041 ? t : madt; // APIC
        }
        List<Integer> flags = new ArrayList<>();
        for (long at = madt + 44; pc.memory.readShort(at) == 0x800; at += 8) {
            assertEquals(flags.size() * 0x101, pc.memory.readShort(at + 2), "UID and APIC id");
            flags.add(pc.memory.readInt(at + 4));
        }
        return flags;
    }

    @Test
    void inS3_whatTheGuestWasNotToldOfWaits() {
        try (TestPc pc =
                TestPc.withRoomForCpus(out(Layout.PM_BASE + 4, 2, 1 << 13 | PowerManagement.SLEEP_S3 << 10), hlt())) {
            pc.machine.sockets().plug(1);
            assertEquals(new Outcome.Suspended(), pc.machine.run(100));
            pc.machine.sockets().plug(2);
            assertEquals(0b111, pc.machine.sockets().present());
            assertEquals(List.of(PRESENT | CAME, PRESENT | CAME), List.of(flags(pc.host(), 1), flags(pc.host(), 2)));
        }
    }

    // ---- vCPUs that come and go ----

    @Test
    void anAbsentVcpu_takesNoMessageAndNoTurn_untilItIsPluggedAndStarted() {
        try (TestPc pc = TestPc.withRoomForCpus(
                store(ICR, 4, INIT_OTHERS), store(ICR, 4, STARTUP_OTHERS | 3), jump(0), rdtsc(), jump(3))) {
            pc.machine.run(20_000);
            assertEquals(List.of(20_000L, 0L, 0L), counts(pc));
            pc.machine.sockets().plug(2);
            pc.machine.run(60_000);
            assertEquals(0, counts(pc).get(1));
            assertTrue(counts(pc).get(2) >= 15_000, () -> "shares the turns: " + counts(pc));
        }
    }

    private static List<Long> counts(TestPc pc) {
        return List.of(pc.engine.cpu(0).count, pc.engine.cpu(1).count, pc.engine.cpu(2).count);
    }

    /** vCPU 1 runs in a loop; vCPU 0 ejects it while it does. */
    @Test
    void anEjectedVcpu_stops_andComesBackAsAfterPowerOn() {
        try (TestPc pc = TestPc.withRoomForCpus(
                store(ICR, 4, STARTUP_OTHERS | 4), out(SELECTOR, 4, 1), jump(2), out(FLAGS, 1, EJECT), jump(4))) {
            pc.machine.sockets().plug(1);
            pc.machine.run(20_000);
            long ran = counts(pc).get(1);
            assertTrue(ran > 0);
            pc.ejectCpu(1);
            pc.machine.run(40_000);
            assertEquals(ran, counts(pc).get(1), "it runs on");
            assertEquals(CpuState.Activity.WAIT_FOR_SIPI, activity(pc));
            pc.machine.sockets().plug(1);
            pc.machine.run(60_000);
            assertEquals(ran, counts(pc).get(1), "it was not started");
            assertEquals(60_000, pc.machine.instructions());
        }
    }

    private static CpuState.Activity activity(TestPc pc) {
        return pc.machine.vcpu(1).save().events().activity();
    }

    @Test
    void aVcpuThatEjectsItself_isGoneAtOnce() {
        for (boolean real : new boolean[] {false, true}) {
            // the other one pulls itself out and would end the machine; the boot CPU waits until its flag is gone
            var program = new serai.machine.FakeEngine.Instruction[] {
                store(ICR, 4, STARTUP_OTHERS | 4),
                c -> (c.host.portRead(FLAGS, 1) & PRESENT) != 0 || c.host.portRead(DATA, 4) != 1
                        ? null
                        : serai.machine.engine.Exit.SHUTDOWN,
                jump(1),
                hlt(),
                out(SELECTOR, 4, 1),
                out(FLAGS, 1, EJECT),
                out(TestPc.DEBUG_EXIT, 1, 1)
            };
            try (TestPc pc =
                    real ? TestPc.withRoomForCpus(new RealClock(), program) : TestPc.withRoomForCpus(program)) {
                pc.machine.sockets().plug(1);
                assertEquals(new Outcome.TripleFault(0), pc.machine.run(Long.MAX_VALUE));
                assertEquals(2, pc.engine.cpu(1).count);
                assertEquals(CpuState.Activity.WAIT_FOR_SIPI, activity(pc));
            }
        }
    }

    @Test
    void inRealTime_aPluggedVcpuRuns_andStopsWhenEjected() throws InterruptedException {
        try (TestPc pc = TestPc.withRoomForCpus(
                new RealClock(), store(ICR, 4, STARTUP_OTHERS | 3), jump(0), hlt(), rdtscQuietly(), jump(3))) {
            Thread runs = Thread.ofPlatform().start(() -> pc.machine.run(Long.MAX_VALUE));
            for (int i = 0; i < 50; i++) {
                pc.machine.sockets().plug(1);
                long before = pc.engine.cpu(1).count;
                while (pc.engine.cpu(1).count == before) {
                    Thread.onSpinWait();
                }
                pc.ejectCpu(1);
            }
            pc.machine.stop();
            runs.join();
            assertEquals(CpuState.Activity.WAIT_FOR_SIPI, activity(pc));
            assertEquals(1, pc.machine.sockets().present());
        }
    }

    private static serai.machine.FakeEngine.Instruction rdtscQuietly() {
        return c -> {
            c.host.tsc();
            return null;
        };
    }

    @Test
    void aRunForAbsentVcpusAlone_stops() {
        try (TestPc pc = TestPc.withRoomForCpus(
                store(ICR, 4, STARTUP_OTHERS | 2), jump(1), out(SELECTOR, 4, 1), out(FLAGS, 1, EJECT), jump(4))) {
            assertEquals(new Outcome.Stopped(), pc.machine.run(10, new Schedule(1, -1)));
            pc.machine.sockets().plug(1);
            pc.machine.run(100);
            assertEquals(new Outcome.Stopped(), pc.machine.run(Long.MAX_VALUE, new Schedule(1, -1)));
            assertEquals(1, pc.machine.sockets().present());
        }
    }

    @Test
    void aSavedMachineKnowsWhoIsThere_andOneOfOtherRoomRefuses() {
        var program = new serai.machine.FakeEngine.Instruction[] {store(ICR, 4, STARTUP_OTHERS | 1), jump(1)};
        try (TestPc one = TestPc.withRoomForCpus(program);
                TestPc other = TestPc.withRoomForCpus(program);
                TestPc fixed = new TestPc(program)) {
            one.machine.sockets().plug(2);
            one.machine.run(12_000);
            MachineState state = one.machine.save();
            other.machine.sockets().plug(1);
            other.machine.run(3_000);
            other.restoreFrom(one, state);
            assertEquals(0b101, other.machine.sockets().present());
            one.machine.run(40_000);
            other.machine.run(40_000);
            assertEquals(TestPc.text(one.machine.save()), TestPc.text(other.machine.save()));
            assertEquals(counts(one), counts(other));
            assertThrows(IllegalArgumentException.class, () -> fixed.machine.restore(state));
        }
    }
}
