package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.machine.FakeEngine.exit;
import static serai.machine.FakeEngine.hlt;
import static serai.machine.FakeEngine.in;
import static serai.machine.FakeEngine.jump;
import static serai.machine.FakeEngine.load;
import static serai.machine.FakeEngine.out;
import static serai.machine.FakeEngine.rdtsc;
import static serai.machine.FakeEngine.sti;
import static serai.machine.FakeEngine.store;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import serai.machine.FakeEngine.Instruction;
import serai.machine.engine.Exit;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.HostBridge;
import serai.machine.time.RealClock;

@Timeout(60)
class MachineTest {
    private static final long NEVER = Long.MAX_VALUE;

    @TempDir
    Path dir = Path.of("");

    private static Outcome outcome(Instruction... program) {
        try (TestPc pc = new TestPc(program)) {
            return pc.machine.run(NEVER);
        }
    }

    private static byte[] ascii(String s) {
        return s.getBytes(StandardCharsets.US_ASCII);
    }

    // ---- how a run ends ----

    @Test
    void sleepTypeS5InPm1aControl_powersOff() {
        assertEquals(new Outcome.PowerOff(), outcome(out(Layout.PM_BASE + 4, 2, 5 << 10 | 1 << 13)));
        assertEquals(new Outcome.PowerOff(), outcome(out(Layout.PM_BASE + 5, 1, 5 << 2 | 1 << 5)), "by a byte");
        assertEquals(
                new Outcome.HaltedForEver(0),
                outcome(out(Layout.PM_BASE + 4, 2, 1 << 10 | 1 << 13)),
                "S1 is not there");
    }

    @Test
    void resetRegisterKeyboardControllerAndPort92_reset() {
        assertEquals(new Outcome.Reset(), outcome(out(0xcf9, 1, 6)));
        assertEquals(new Outcome.Reset(), outcome(out(0x64, 1, 0xfe)));
        assertEquals(new Outcome.Reset(), outcome(out(0x92, 1, 1)));
        assertEquals(
                new Outcome.HaltedForEver(0),
                outcome(out(0xcf9, 1, 2), out(0x64, 1, 0xd1), out(0x92, 1, 2)),
                "none does");
    }

    @Test
    void resetRegisterOfTheFadt_resets() {
        try (TestPc pc = new TestPc(c -> {
            // ACPI 6.5, 4.8.3.6: the register and the value are in the FADT, the first of the tables
            GuestMemory m = c.host.memory();
            long fadt = m.readLong(m.readLong(Layout.ACPI_RSDP + 24) + 36);
            assertEquals(0x50434146, m.readInt(fadt), "FACP");
            assertEquals(1 << 10, m.readInt(fadt + 112) & 1 << 10, "RESET_REG_SUP");
            c.host.portWrite((int) m.readLong(fadt + 120), 1, m.readByte(fadt + 128));
            return null;
        })) {
            assertEquals(new Outcome.Reset(), pc.machine.run(NEVER));
        }
    }

    @Test
    void sleepTypeS4InPm1aControl_isToldApart() {
        assertEquals(new Outcome.Hibernated(), outcome(out(Layout.PM_BASE + 4, 2, 4 << 10 | 1 << 13)));
    }

    @Test
    void debugExit_endsWithAnOddStatus() {
        assertEquals(new Outcome.DebugExit(7), outcome(out(TestPc.DEBUG_EXIT, 1, 3)));
        assertEquals(new Outcome.DebugExit(0x1ff), outcome(out(TestPc.DEBUG_EXIT, 4, -1)));
        assertEquals(
                new Outcome.DebugExit(1),
                outcome(out(TestPc.DEBUG_EXIT, 1, 0), out(0xcf9, 1, 6)),
                "the first request counts");
    }

    @Test
    void engineExits_haveTheirOutcomes() {
        assertEquals(new Outcome.HaltedForEver(0), outcome(hlt()), "interrupts are off");
        assertEquals(new Outcome.TripleFault(0), outcome(exit(Exit.SHUTDOWN)));
        assertEquals(new Outcome.Breakpoint(0), outcome(exit(Exit.BREAKPOINT)));
        assertEquals(new Outcome.Failed("the program says so", 0), outcome(exit(Exit.FAILED)));
    }

    @Test
    void stopBeforeRun_isNotLost() {
        try (TestPc pc = new TestPc(jump(0))) {
            pc.machine.stop();
            assertEquals(new Outcome.Stopped(), pc.machine.run(NEVER));
            assertEquals(new Outcome.Stopped(), pc.machine.run(1000), "once");
        }
    }

    @Test
    void run_stopsAtTheInstruction() {
        try (TestPc pc = new TestPc(sti(), out(0x21, 1, 0xfe), jump(0))) {
            for (long n : new long[] {1, 2, 777, 778, 100_000}) {
                assertEquals(new Outcome.Stopped(), pc.machine.run(n));
                assertEquals(n, pc.engine.cpu().count);
            }
        }
    }

    @Test
    void powerButton_setsItsStatusAndTheSci() {
        try (TestPc pc = new TestPc(out(Layout.PM_BASE + 2, 2, 0x100), in(Layout.PM_BASE, 2))) {
            pc.machine.pressPowerButton();
            pc.machine.run(NEVER);
            assertEquals(List.of("1 in 600: 100"), pc.engine.cpu().trace);
        }
    }

    @Test
    void reset_isAsNew() {
        Instruction[] disturbs = {
            out(0x43, 1, 0x34),
            out(0x40, 1, 1),
            out(0x40, 1, 1),
            out(0x3fc, 1, 8),
            out(0x3f9, 1, 2),
            out(0x70, 1, 0xb),
            out(0x71, 1, 0x42),
            out(0x602, 2, 0x101),
            store(Layout.IOAPIC_BASE, 4, 0x10),
            store(Layout.IOAPIC_BASE + 0x10, 4, 0x30),
            store(Layout.LAPIC_BASE + 0xf0, 4, 0x1ff),
            store(Layout.ECAM_BASE + (3 << 15) + 0x20, 4, 0xd0000000L),
            out(0xcf8, 4, 0x80001800)
        };
        try (TestPc used = new TestPc(disturbs);
                TestPc fresh = new TestPc(disturbs)) {
            used.machine.run(NEVER);
            used.machine.pressPowerButton();
            fresh.engine.cpu().count = used.engine.cpu().count;
            used.machine.reset();
            fresh.machine.reset();
            assertEquals(
                    TestPc.text(fresh.machine.save().devices()),
                    TestPc.text(used.machine.save().devices()));
        }
    }

    // ---- time and waiting ----

    /** The 8259s from vector 0x20 on, with these lines unmasked. */
    private static List<Instruction> pic(int lines) {
        return new ArrayList<>(List.of(
                out(0x20, 1, 0x11),
                out(0x21, 1, 0x20),
                out(0x21, 1, 4),
                out(0x21, 1, 1),
                out(0x21, 1, ~lines),
                store(Layout.LAPIC_BASE + 0xf0, 4, 0x1ff),
                store(Layout.LAPIC_BASE + 0x350, 4, 0x700)));
    }

    private static Instruction[] program(List<Instruction> first, Instruction... more) {
        first.addAll(List.of(more));
        return first.toArray(Instruction[]::new);
    }

    @Test
    void deterministic_haltGoesOnAtTheNextTimer() {
        Instruction[] p = program(
                pic(1), out(0x43, 1, 0x30), out(0x40, 1, 0), out(0x40, 1, 0x10), sti(), hlt(), rdtsc(), sti(), hlt());
        try (TestPc pc = new TestPc(p)) {
            // mode 0, 4,096 ticks of 838 ns; then nothing is armed, and only input could wake it
            pc.machine.inputLog(emptyReplay());
            assertEquals(new Outcome.NothingToWaitFor(), pc.machine.run(NEVER));
            assertEquals("12 interrupt 20", pc.engine.cpu().trace.getFirst());
            long tsc = Long.parseLong(pc.engine.cpu().trace.getLast().split(": ", -1)[1], 16);
            assertEquals(4096 * 1_000_000_000L / 1_193_182 + 100, tsc, 20);
        }
    }

    private InputLog emptyReplay() {
        try {
            return InputLog.replay(Files.createFile(dir.resolve("nothing")));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void deterministic_aDeadlinePastAllTimesDoesNotComeAtOnceNorHang() {
        Instruction[] p = program(
                pic(0),
                store(Layout.LAPIC_BASE + 0x320, 4, 2 << 17 | 0x40),
                c -> {
                    try {
                        c.host.writeMsr(0x6e0, Long.MAX_VALUE - 5);
                    } catch (serai.machine.engine.GeneralProtection e) {
                        throw new AssertionError(e);
                    }
                    return null;
                },
                out(0x70, 1, 0xb),
                out(0x71, 1, 0x12), // the RTC's update interrupt, masked
                sti(),
                hlt(),
                rdtsc());
        try (TestPc pc = new TestPc(p)) {
            Thread waits = new Thread(() -> pc.machine.run(NEVER));
            waits.start();
            sleep(100);
            pc.machine.stop();
            join(waits);
            assertEquals(List.of(), pc.engine.cpu().trace);
        }
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void join(Thread t) {
        try {
            t.join(30_000);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertFalse(t.isAlive(), "it hangs");
    }

    @Test
    void deterministic_waitsForInputWhenNothingIsArmed() {
        Instruction[] p = program(
                pic(0x10),
                out(0x3fc, 1, 8),
                out(0x3f9, 1, 1),
                sti(),
                hlt(),
                in(0x3f8, 1),
                out(TestPc.DEBUG_EXIT, 1, 0));
        try (TestPc pc = new TestPc(p)) {
            List<Outcome> o = new ArrayList<>();
            Thread waits = new Thread(() -> o.add(pc.machine.run(NEVER)));
            waits.start();
            while (!pc.engine.cpu().halted()) {
                sleep(1);
            }
            pc.machine.serialInput(new byte[0]);
            pc.machine.serialInput(ascii("x"));
            join(waits);
            assertEquals(List.of(new Outcome.DebugExit(1)), o);
            assertEquals(List.of("11 interrupt 24", "11 in 3f8: 78"), pc.engine.cpu().trace);
        }
    }

    @Test
    void realTime_haltWakesByTimerAndInputAndStop() {
        Instruction[] p = program(
                pic(0x11),
                out(0x43, 1, 0x30),
                out(0x40, 1, 0),
                out(0x40, 1, 1),
                out(0x3fc, 1, 8),
                out(0x3f9, 1, 1),
                sti(),
                hlt(),
                out(0x20, 1, 0x20),
                sti(),
                hlt(),
                out(0x20, 1, 0x20),
                in(0x3f8, 1),
                sti(),
                hlt());
        try (TestPc pc = new TestPc(new RealClock(), null, p)) {
            List<Outcome> o = new ArrayList<>();
            Thread runs = new Thread(() -> o.add(pc.machine.run(NEVER)));
            runs.start();
            sleep(50);
            pc.machine.serialInput(ascii("y"));
            sleep(50);
            pc.machine.stop();
            join(runs);
            assertEquals(List.of(new Outcome.Stopped()), o);
            List<String> seen = pc.engine.cpu().trace.stream()
                    .map(s -> s.substring(s.indexOf(' ') + 1))
                    .toList();
            assertEquals(List.of("interrupt 20", "interrupt 24", "in 3f8: 79"), seen);
        }
    }

    @Test
    void realTime_timersThatAreAlwaysDueLeaveTheCpuItsTurn() {
        List<Instruction> p = new ArrayList<>(List.of(
                out(0x43, 1, 0x14), // the 8254 at its full rate: a period of 838 ns
                out(0x40, 1, 1),
                store(Layout.LAPIC_BASE + 0xf0, 4, 0x1ff),
                store(Layout.LAPIC_BASE + 0x3e0, 4, 0xb),
                store(Layout.LAPIC_BASE + 0x320, 4, 1 << 17 | 0x40),
                store(Layout.LAPIC_BASE + 0x380, 4, 1))); // the local APIC's: 40 ns
        for (int i = 0; i < 2000; i++) {
            p.add(in(0x61, 1));
        }
        p.add(out(0x604, 2, 5 << 10 | 1 << 13));
        try (TestPc pc = new TestPc(new RealClock(), null, p.toArray(Instruction[]::new))) {
            assertEquals(new Outcome.PowerOff(), pc.machine.run(NEVER));
        }
    }

    // ---- recorded input ----

    /** Reads what comes and the time; the RTC's update timer runs beside it, masked, so that time passes while it waits. */
    private static Instruction[] reader(boolean timer) {
        return program(
                pic(0x10),
                out(0x3fc, 1, 8),
                out(0x3f9, 1, 1),
                out(0x70, 1, 0xb),
                out(0x71, 1, timer ? 0x12 : 2),
                sti(),
                hlt(),
                rdtsc(),
                in(0x3f8, 1),
                out(0x20, 1, 0x20),
                c -> {
                    if (c.trace.getLast().endsWith("in 3f8: 71")) { // q
                        c.host.portWrite(TestPc.DEBUG_EXIT, 1, 0);
                    }
                    return null;
                },
                jump(11));
    }

    @Test
    void inputLog_aReplayedRunIsTheRecordedOne() throws Exception {
        for (boolean timer : new boolean[] {false, true}) {
            Path file = dir.resolve("input-" + timer);
            List<String> recorded;
            long end;
            try (TestPc pc = new TestPc(reader(timer));
                    InputLog log = InputLog.record(file)) {
                pc.machine.inputLog(log);
                Thread runs = new Thread(() -> pc.machine.run(NEVER));
                runs.start();
                for (String s : List.of("a", "bcd", "efghijklmnoprstuvwxyz", "q")) {
                    sleep(20);
                    pc.machine.serialInput(ascii(s));
                }
                join(runs);
                recorded = pc.engine.cpu().trace;
                end = pc.machine.save().clockNanos();
            }
            assertTrue(recorded.getLast().endsWith("in 3f8: 71"), recorded::toString);
            try (TestPc pc = new TestPc(reader(timer))) {
                pc.machine.inputLog(InputLog.replay(file));
                pc.machine.serialInput(ascii("live input is ignored"));
                assertEquals(new Outcome.DebugExit(1), pc.machine.run(NEVER));
                assertEquals(recorded, pc.engine.cpu().trace);
                assertEquals(end, pc.machine.save().clockNanos());
            }
        }
    }

    @Test
    void inputLog_holdsWhatTheHostDoes() throws Exception {
        Path file = dir.resolve("events");
        MachineState recorded;
        try (TestPc pc = new TestPc(sti(), hlt());
                InputLog log = InputLog.record(file)) {
            pc.machine.inputLog(log);
            pc.machine.onHostEvent(e -> pc.hotPlug(Integer.parseInt(e.substring("plug ".length()))));
            Thread runs = new Thread(() -> pc.machine.run(NEVER));
            runs.start();
            sleep(20);
            pc.machine.pressPowerButton();
            sleep(20);
            pc.machine.hostEvent("plug 0");
            pc.machine.pressResetButton();
            join(runs);
            recorded = pc.machine.save();
        }
        assertEquals(
                List.of("@power-button", "@plug 0", "@reset-button"),
                Files.readAllLines(file).stream()
                        .map(l -> l.substring(l.indexOf('@')))
                        .toList());
        try (TestPc pc = new TestPc(sti(), hlt())) {
            pc.machine.onHostEvent(e -> pc.hotPlug(Integer.parseInt(e.substring("plug ".length()))));
            pc.machine.inputLog(InputLog.replay(file));
            pc.machine.hostEvent("a live event is ignored");
            assertEquals(new Outcome.Reset(), pc.machine.run(NEVER));
            assertEquals(TestPc.text(recorded), TestPc.text(pc.machine.save()));
            assertTrue(pc.hotPlugged(0));
            assertEquals(0x100, pc.host().portRead(Layout.PM_BASE, 2));
        }
    }

    @Test
    void inputLog_refusesWhatIsNone() throws IOException {
        for (String s :
                List.of("x", "5", "5 ", "5 6", "5 x 00", "6 0 0", "-1 0 00", "5 -1 00", "7 0 00\n6 0 00", "5 0 zz")) {
            Path f = Files.writeString(dir.resolve("log"), s + "\n");
            assertThrows(IOException.class, () -> InputLog.replay(f), s);
        }
    }

    // ---- the whole state ----

    /** A guest that has something under way in every device at most points. */
    private static Instruction[] busy() {
        return program(
                busyStart(),
                out(0x43, 1, 0x34),
                out(0x40, 1, 0x20),
                out(0x40, 1, 0),
                out(0x3fa, 1, 1),
                out(0x3fc, 1, 8),
                out(0x3f9, 1, 3),
                out(0x70, 1, 0xa),
                out(0x71, 1, 0x23),
                out(0x70, 1, 0xb),
                out(0x71, 1, 0x72),
                store(Layout.LAPIC_BASE + 0x320, 4, 1 << 17 | 0x40),
                store(Layout.LAPIC_BASE + 0x380, 4, 777),
                sti(),
                load(Layout.LAPIC_BASE + 0x390, 4),
                in(0x40, 1),
                in(0x3fd, 1),
                in(0x3f8, 1),
                in(0x3fa, 1),
                out(0x3f8, 1, 'z'),
                out(0x70, 1, 0xc),
                in(0x71, 1),
                in(0x608, 4),
                out(0x20, 1, 0x20),
                store(Layout.LAPIC_BASE + 0xb0, 4, 0),
                sti(),
                hlt(),
                rdtsc(),
                jump(36));
    }

    /** The PIC set up, and the looks at the serial port after which what is typed comes. */
    private static List<Instruction> busyStart() {
        List<Instruction> l = new ArrayList<>(pic(0x11));
        l.addAll(java.util.Collections.nCopies(16, in(0x3fd, 1)));
        return l;
    }

    @Test
    void savedAtAnyInstruction_theRestoredMachineRunsTheSame() {
        long end = 400;
        List<String> trace;
        String last;
        try (TestPc whole = new TestPc(busy())) {
            whole.machine.serialInput(ascii("more than the sixteen bytes of the FIFO"));
            assertEquals(new Outcome.Stopped(), whole.machine.run(end));
            trace = whole.engine.cpu().trace;
            last = TestPc.text(whole.machine.save());
        }
        assertTrue(trace.stream().anyMatch(s -> s.endsWith("interrupt 20")), trace::toString);
        assertTrue(trace.stream().anyMatch(s -> s.endsWith("interrupt 24")), trace::toString);
        assertTrue(trace.stream().anyMatch(s -> s.endsWith("interrupt 40")), trace::toString);
        for (long at = 1; at < end; at += 3) {
            try (TestPc first = new TestPc(busy());
                    TestPc second = new TestPc(busy())) {
                first.machine.serialInput(ascii("more than the sixteen bytes of the FIFO"));
                assertEquals(new Outcome.Stopped(), first.machine.run(at));
                second.restoreFrom(first, first.machine.save());
                assertEquals(new Outcome.Stopped(), second.machine.run(end));
                List<String> both = new ArrayList<>(first.engine.cpu().trace);
                both.addAll(second.engine.cpu().trace);
                assertEquals(trace, both, "saved at " + at);
                assertEquals(last, TestPc.text(second.machine.save()), "saved at " + at);
            }
        }
    }

    @Test
    void restore_refusesAStateOfAnotherMachine() {
        try (TestPc pc = new TestPc()) {
            MachineState s = pc.machine.save();
            List<MachineState.DeviceState> fewer =
                    s.devices().subList(1, s.devices().size());
            List<MachineState.DeviceState> twice = new ArrayList<>(s.devices());
            twice.set(0, twice.getLast());
            List<MachineState.DeviceState> wrong = new ArrayList<>(s.devices());
            wrong.set(
                    0,
                    new MachineState.DeviceState(
                            wrong.getFirst().name(), wrong.get(1).state()));
            for (MachineState bad : List.of(
                    new MachineState(2, s.type(), s.memory(), 0, 0, 0, 0, 0, s.cpus(), s.devices()),
                    new MachineState(3, s.type(), s.memory(), 0, 0, 0, 1, 0, s.cpus(), s.devices()),
                    new MachineState(3, s.type(), s.memory(), 0, 0, 0, 0, -1, s.cpus(), s.devices()),
                    new MachineState(3, "pc-0.9", s.memory(), 0, 0, 0, 0, 0, s.cpus(), s.devices()),
                    new MachineState(3, s.type(), s.memory() + 1, 0, 0, 0, 0, 0, s.cpus(), s.devices()),
                    new MachineState(3, s.type(), s.memory(), 0, 0, 0, 0, 0, List.of(), s.devices()),
                    new MachineState(3, s.type(), s.memory(), 0, 0, 0, 0, 0, s.cpus(), fewer),
                    new MachineState(3, s.type(), s.memory(), 0, 0, 0, 0, 0, s.cpus(), twice),
                    new MachineState(3, s.type(), s.memory(), 0, 0, 0, 0, 0, s.cpus(), wrong))) {
                assertThrows(IllegalArgumentException.class, () -> pc.machine.restore(bad));
            }
            pc.machine.restore(s);
            assertEquals(TestPc.text(s), TestPc.text(pc.machine.save()));
        }
    }

    // ---- parts ----

    @Test
    void deviceNames_areUniqueAndTellTheirStates() {
        try (TestPc pc = new TestPc()) {
            List<String> names = pc.machine.save().devices().stream()
                    .map(MachineState.DeviceState::name)
                    .toList();
            assertEquals(
                    List.of(
                            "lapic0",
                            "ioapic",
                            "pic",
                            "pit",
                            "rtc",
                            "pm",
                            "uart0",
                            "serial-input",
                            "pci0",
                            "pci-hotplug",
                            "host-bridge",
                            "lpc",
                            "virtio-console0",
                            "virtio-rng0",
                            "virtio-blk0",
                            "virtio-blk1",
                            "nvme0"),
                    names);
            for (MachineState.DeviceState d : pc.machine.save().devices()) {
                assertEquals(d.state().getClass(), pc.machine.stateType(d.name()));
            }
            assertEquals(null, pc.machine.stateType("floppy"));
            assertThrows(IllegalArgumentException.class, () -> pc.machine.plug(0, new HostBridge()));
        }
    }

    @Test
    void outputAndUnclaimedAccesses() {
        try (TestPc pc =
                new TestPc(out(0x3f8, 1, 'h'), out(0xe9, 1, 'd'), in(0xe9, 1), in(0x1234, 2), load(0xc1234567L, 2))) {
            pc.machine.run(NEVER);
            assertEquals("h", pc.serial.toString(StandardCharsets.US_ASCII));
            assertEquals("d", pc.console.toString(StandardCharsets.US_ASCII));
            assertEquals(List.of("2 in e9: e9", "3 in 1234: ffff", "4 load c1234567: ffff"), pc.engine.cpu().trace);
            assertEquals(1, pc.machine.unclaimedAccesses());
        }
    }

    @Test
    void wideAccesses_reachDevicesOfEightBitsByteByByte() {
        try (TestPc pc = new TestPc(
                out(0x70, 2, 0x5a50), out(0x70, 1, 0x50), in(0x71, 1), out(0x3fe, 2, 0x7700), in(0x3fc, 4))) {
            pc.machine.run(NEVER);
            assertEquals(List.of("2 in 71: 5a", "4 in 3fc: 77b06000"), pc.engine.cpu().trace);
        }
    }
}
