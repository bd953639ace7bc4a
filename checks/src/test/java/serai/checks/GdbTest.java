package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import serai.cpu.TranslationMode;

/** Stock gdb, unmodified, debugs a guest. */
@Tag("e2e")
final class GdbTest {
    private static final Pattern PORT = Pattern.compile("target remote :(\\d+)");

    private static String gdb(Path file, String port, String... commands) throws Exception {
        List<String> c = new ArrayList<>(List.of("gdb", "-nx", "-batch", "-ex", "set confirm off"));
        c.addAll(List.of("-ex", "file " + file, "-ex", "target remote :" + port));
        for (String x : commands) {
            c.addAll(List.of("-ex", x));
        }
        Process p = new ProcessBuilder(c).redirectErrorStream(true).start();
        p.getOutputStream().close();
        String out = new String(p.getInputStream().readAllBytes());
        p.waitFor();
        return out;
    }

    /**
     * What a session of gdb printed, and how the VM ended.
     *
     * @param gdb all that gdb printed
     * @param vm the end of the VM
     */
    private record Session(String gdb, Vmm.Result vm) {
        /** The guest has run to its end and said what it says without a debugger. */
        void endsWell(Guest guest) {
            assertTrue(gdb.contains("exited with code 041"), gdb);
            assertEquals(guest.transcript(), vm.out(), gdb);
            assertEquals(33, vm.status());
        }

        /** gdb has printed all of these, one after the other. */
        void shows(String... parts) {
            int at = 0;
            for (String part : parts) {
                int found = gdb.indexOf(part, at);
                assertTrue(found >= 0, () -> "'" + part + "' is not there, or not in its place: " + gdb);
                at = found + part.length();
            }
        }
    }

    private static Session debug(Guest guest, List<String> words, String... commands) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/gdb")), "capability: gdb");
        Path binary = Guests.binary(guest);
        List<String> all = new ArrayList<>(List.of(
                "kernel=" + binary,
                "engine=java",
                "memory=64M",
                "serial=null",
                "debugcon=stdio",
                "debug-exit=0xf4",
                "gdb=0",
                "timeout=120"));
        all.addAll(words);
        try (Vmm v = Vmm.start(all)) {
            Matcher m = PORT.matcher(v.awaitError(e -> PORT.matcher(e).find(), 60));
            assertTrue(m.find());
            String out = gdb(binary, m.group(1), commands);
            return new Session(out, v.await(60));
        }
    }

    @Test
    void breaksStepsReadsAndWrites() throws Exception {
        Guest guest = Guests.named("hello64");
        Session s = debug(
                guest,
                List.of(),
                "break main",
                "continue",
                "info registers rip cr0 efer",
                "x/i $rip",
                "stepi",
                "set $rax = 0x1234",
                "print/x $rax",
                "set {long}0x200000 = 0x1122334455667788",
                "x/gx 0x200000",
                "print $xmm0.v2_int64[0]",
                "set $ymm1.v4_int64[3] = 77",
                "print $ymm1.v4_int64[3]",
                "delete",
                "continue");
        s.shows("Breakpoint 1, ", "0x80010033", "$1 = 0x1234", "0x1122334455667788", "= 77");
        s.endsWell(guest);
    }

    @Test
    void aBreakpointIsHitEachTime_andCodeIsTranslatedWithoutIt() throws Exception {
        Guest guest = Guests.named("work");
        Session s = debug(
                guest,
                List.of("stats=true"),
                "break puts",
                "ignore 1 10",
                "continue",
                "info breakpoints",
                "delete",
                "continue");
        s.shows("Breakpoint 1, ", "breakpoint already hit 11 times");
        s.endsWell(guest);
        assertEquals(
                TranslationMode.obstacle().isEmpty() && TranslationMode.byDefault() != TranslationMode.OFF,
                s.vm().err().contains("serai: exits units "),
                s.vm().err());
    }

    @Test
    void aDebuggerThatDetachesLetsTheGuestGoOn() throws Exception {
        Guest guest = Guests.named("work");
        Session s = debug(guest, List.of(), "stepi", "stepi", "detach");
        assertEquals(guest.transcript(), s.vm().out());
        assertEquals(33, s.vm().status());
    }

    /** The same in real time and in deterministic mode. */
    private static List<List<String>> twoCpus() {
        return List.of(List.of("cpus=2"), List.of("cpus=2", "deterministic=1"));
    }

    @Test
    void vcpusAreThreads_withStatesOfTheirOwn() throws Exception {
        Guest guest = Guests.named("pair");
        for (List<String> words : twoCpus()) {
            Session s = debug(
                    guest,
                    words,
                    "info threads",
                    "hbreak add_other",
                    "continue",
                    "info threads",
                    "thread 1",
                    "delete",
                    "continue");
            s.shows(
                    "Thread 1 (vCPU 0: running)",
                    "Thread 2 (vCPU 1: waits for start-up)",
                    "Thread 2 hit Breakpoint 1",
                    "in add_other",
                    "Thread 1 (vCPU 0: running)",
                    "* 2    Thread 2 (vCPU 1: running)",
                    "[Switching to thread 1 (Thread 1)]");
            s.endsWell(guest);
        }
    }

    @Test
    void withTheSchedulerLockedOneVcpuStepsAndTheOtherStands() throws Exception {
        Guest guest = Guests.named("pair");
        for (List<String> words : twoCpus()) {
            Session s = debug(
                    guest,
                    words,
                    "break add_other",
                    "continue",
                    "thread 1",
                    "set $before = $rip",
                    "thread 2",
                    "set scheduler-locking on",
                    "stepi",
                    "stepi",
                    "stepi",
                    "print $rip == (long)add_other + 17",
                    "thread 1",
                    "print $rip == $before",
                    "set scheduler-locking off",
                    "delete",
                    "continue");
            s.shows("$1 = 1", "$2 = 1");
            s.endsWell(guest);
        }
    }

    @Test
    void aHardwareWatchpointStopsBehindTheInstructionThatWrites_onEveryVcpu() throws Exception {
        Guest guest = Guests.named("pair");
        for (List<String> words : twoCpus()) {
            Session s = debug(
                    guest,
                    words,
                    "watch *(long*)&sum",
                    "continue",
                    "print (long)$rip - (long)add_first",
                    "continue",
                    "print (long)$rip - (long)add_other",
                    "delete",
                    "rwatch *(long*)&turns",
                    "continue",
                    "delete",
                    "continue");
            s.shows(
                    "Thread 1 hit Hardware watchpoint 1",
                    "Old value = 0",
                    "New value = 1",
                    "$1 = 10",
                    "Thread 2 hit Hardware watchpoint 1",
                    "Old value = 1",
                    "New value = 3",
                    "$2 = 10",
                    "hit Hardware read watchpoint 2");
            s.endsWell(guest);
        }
    }

    @Test
    void stopsBehindAccessesToWhatIsWatched() throws Exception {
        Guest guest = Guests.named("watched");
        Session s = debug(
                guest,
                List.of(),
                "hbreak main",
                "continue",
                "delete",
                "watch *(long*)&watched",
                "continue", // the byte that a word is written over
                "x/i $pc",
                "continue", // one of the REP STOSB
                "print $rcx",
                "delete",
                "rwatch *(char*)((char*)&watched + 3)",
                "continue", // a read that reaches it
                "x/i $pc",
                "delete",
                "awatch *(int*)&also_watched",
                "continue",
                "continue",
                "x/i $pc",
                "delete",
                "continue");
        s.shows(
                "Hardware assisted breakpoint 1 at",
                "Hardware watchpoint 2: *(long*)&watched",
                "New value = 18", // 0x12
                "<after_write>",
                "$1 = 15",
                "Hardware read watchpoint 3",
                "<after_read>",
                "Hardware access (read/write) watchpoint 4",
                "Old value = 0",
                "New value = 1",
                "<after_update>");
        s.endsWell(guest);
    }

    // ---- back in time ----

    @Test
    void reverseStepsLeadToTheSameRegistersAndMemory() throws Exception {
        Guest guest = Guests.named("work");
        String[] look = {"print/x $rip", "print/x $rax", "print/x $rsp", "print/x $eflags", "x/4gx $rsp", "x/8gx &pml4"
        };
        List<String> commands = new ArrayList<>(List.of("break main", "continue", "stepi 300"));
        for (String way :
                List.of("", "stepi 200;reverse-stepi 200", "reverse-stepi 300;print $rip == (long)main;stepi 300")) {
            commands.addAll(way.isEmpty() ? List.of() : List.of(way.split(";")));
            commands.add("echo <\\n");
            commands.addAll(List.of(look));
            commands.add("echo >\\n");
        }
        commands.addAll(List.of("delete", "continue"));
        Session s = debug(guest, List.of("deterministic=1"), commands.toArray(String[]::new));
        String[] seen = s.gdb().split("<\n");
        assertEquals(4, seen.length, s.gdb());
        String first = numbersOff(between(seen[1], "", ">\n"));
        assertTrue(first.contains("0x"), s.gdb());
        assertEquals(first, numbersOff(between(seen[2], "", ">\n")), s.gdb());
        assertEquals(first, numbersOff(between(seen[3], "", ">\n")), s.gdb());
        s.shows("$9 = 1");
        s.endsWell(guest);
    }

    private static String between(String text, String from, String to) {
        int a = text.indexOf(from);
        int b = text.indexOf(to, a + from.length());
        assertTrue(a >= 0 && b >= 0, () -> "no '" + from + "' and '" + to + "' in: " + text);
        return text.substring(a + from.length(), b);
    }

    private static String numbersOff(String values) {
        return values.replaceAll("\\$\\d+ ", "");
    }

    @Test
    void reverseContinueStopsAtTheBreakpointPassedBefore_withOneVcpu() throws Exception {
        Guest guest = Guests.named("calls");
        Session s = debug(
                guest,
                List.of("deterministic=1"),
                "break main",
                "continue",
                "delete",
                "break puts",
                "continue",
                "print/x $rsi",
                "continue",
                "print/x $rsi",
                "reverse-continue",
                "print/x $rsi",
                "delete",
                "reverse-continue",
                "continue");
        s.shows("$1 = 0x", "$2 = 0x", "$3 = 0x", "No more reverse-execution history.");
        String first = between(s.gdb(), "$1 = ", "\n");
        assertEquals(first, between(s.gdb(), "$3 = ", "\n"));
        assertFalse(first.equals(between(s.gdb(), "$2 = ", "\n")), s.gdb());
        s.endsWell(guest);
    }

    @Test
    void reverseContinueWithTwoVcpus_isTheSameEachTime() throws Exception {
        Guest guest = Guests.named("pair");
        String before = "";
        for (int run = 0; run < 2; run++) {
            Session s = debug(
                    guest,
                    List.of("cpus=2", "deterministic=1"),
                    "break add_other",
                    "continue",
                    "continue",
                    "continue",
                    "print $rax",
                    "reverse-continue",
                    "print $rax",
                    "delete",
                    "watch *(long*)&sum",
                    "reverse-continue",
                    "x/i $pc",
                    "reverse-continue",
                    "reverse-continue",
                    "thread 2",
                    "reverse-stepi",
                    "info threads",
                    "delete",
                    "continue");
            s.shows(
                    "Thread 2 hit Breakpoint 1",
                    "$1 = 5",
                    "Thread 2 hit Breakpoint 1",
                    "$2 = 3",
                    "Thread 1 hit Hardware watchpoint 2",
                    "Old value = 6",
                    "New value = 3",
                    "<add_first+3>:\tadd",
                    "Thread 2 hit Hardware watchpoint 2",
                    "Old value = 3",
                    "New value = 1",
                    "Thread 1 hit Hardware watchpoint 2",
                    "Old value = 1",
                    "New value = 0");
            s.endsWell(guest);
            assertTrue(run == 0 || s.gdb().equals(before), s.gdb() + " and before: " + before);
            before = s.gdb();
        }
    }

    @Test
    void whatTheDebuggerChangesInThePastHoldsFromThereOn() throws Exception {
        Guest guest = Guests.named("pair");
        Session s = debug(
                guest,
                List.of("cpus=2", "deterministic=1"),
                "break add_other",
                "continue",
                "continue",
                "reverse-continue",
                "print *(long*)&sum",
                "set var *(long*)&sum = 1001",
                "continue",
                "print *(long*)&sum",
                "delete",
                "continue");
        s.shows("$1 = 1\n", "$2 = 1006\n");
        assertEquals("sum=000000000000526c\n", s.vm().out());
    }

    @Test
    void aGuestThatHasBrokenDownIsTakenBackToBeforeIt() throws Exception {
        Guest guest = Guests.named("triple");
        Session s =
                debug(guest, List.of("deterministic=1"), "continue", "reverse-stepi", "reverse-stepi", "stepi", "kill");
        s.shows("Program received signal SIGSEGV");
        assertFalse(s.gdb().contains("No more reverse-execution history"), s.gdb());
    }

    @Test
    void aMachineThatSleepsAndWakesKeepsItsBreakpoints_andThereIsNoWayBackAcross() throws Exception {
        Guest guest = Guests.named("suspend");
        Session s = debug(
                guest,
                List.of("deterministic=1"),
                "break awake",
                "continue",
                "reverse-continue",
                "continue",
                "continue",
                "delete",
                "continue");
        s.shows("Breakpoint 1, ", "No more reverse-execution history", "Breakpoint 1, ", "Breakpoint 1, ");
        s.endsWell(guest);
    }

    @Test
    void inRealTimeThereIsNoWayBack() throws Exception {
        Session s = debug(Guests.named("hello64"), List.of(), "stepi", "reverse-stepi", "continue");
        s.shows("Target remote does not support this command.");
    }

    @Test
    void monitorCommandsAndPhysicalMemory() throws Exception {
        Guest guest = Guests.named("hello64");
        Session s = debug(
                guest,
                List.of("deterministic=1"),
                "monitor help",
                "monitor info registers",
                "monitor info history",
                "monitor nonsense",
                "maintenance packet qqemu.PhyMemMode",
                "maintenance packet Qqemu.PhyMemMode:1",
                "x/gx 0x100000",
                "maintenance packet m10000000000,8",
                "maintenance packet Qqemu.PhyMemMode:0",
                "maintenance packet QNonStop:1",
                "continue");
        s.shows(
                "system_reset",
                "vCPU 0",
                "CR0",
                "1 checkpoint",
                "there is no command 'nonsense'",
                "received: \"0\"",
                "received: \"OK\"",
                "0x100000",
                "received: \"E14\"",
                "received: \"E.");
        s.endsWell(guest);
    }
}
