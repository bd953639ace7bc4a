package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
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

    @Test
    void breaksStepsReadsAndWrites() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/gdb")), "capability: gdb");
        Guest guest = Guests.named("hello64");
        Path binary = Guests.binary(guest);
        try (Vmm v = Vmm.start(List.of(
                "kernel=" + binary,
                "engine=java",
                "memory=64M",
                "serial=null",
                "debugcon=stdio",
                "debug-exit=0xf4",
                "gdb=0",
                "timeout=60"))) {
            Matcher m = PORT.matcher(v.awaitError(e -> PORT.matcher(e).find(), 20));
            assertTrue(m.find());
            String out = gdb(
                    binary,
                    m.group(1),
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
            assertTrue(out.contains("Breakpoint 1, "), out);
            assertTrue(out.contains("0x80010033"), out);
            assertTrue(out.contains("$1 = 0x1234"), out);
            assertTrue(out.contains("0x1122334455667788"), out);
            assertTrue(out.contains("= 77"), out);
            assertTrue(out.contains("exited with code 041"), out);
            Vmm.Result r = v.await(20);
            assertEquals(guest.transcript(), r.out());
            assertEquals(33, r.status());
        }
    }

    @Test
    void stopsBehindAccessesToWhatIsWatched() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/gdb")), "capability: gdb");
        Guest guest = Guests.named("watched");
        Path binary = Guests.binary(guest);
        try (Vmm v = Vmm.start(List.of(
                "kernel=" + binary,
                "engine=java",
                "memory=64M",
                "serial=null",
                "debugcon=stdio",
                "debug-exit=0xf4",
                "gdb=0",
                "timeout=60"))) {
            Matcher m = PORT.matcher(v.awaitError(e -> PORT.matcher(e).find(), 20));
            assertTrue(m.find());
            String out = gdb(
                    binary,
                    m.group(1),
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
            assertTrue(out.contains("Hardware assisted breakpoint 1 at"), out);
            assertTrue(out.contains("Hardware watchpoint 2: *(long*)&watched"), out);
            assertTrue(out.contains("New value = 18"), out); // 0x12
            assertTrue(out.contains("<after_write>"), out);
            assertTrue(out.contains("$1 = 15"), out);
            assertTrue(out.contains("Hardware read watchpoint 3"), out);
            assertTrue(out.contains("<after_read>"), out);
            assertTrue(out.contains("Hardware access (read/write) watchpoint 4"), out);
            assertTrue(out.contains("Old value = 0"), out);
            assertTrue(out.contains("New value = 1"), out);
            assertTrue(out.contains("<after_update>"), out);
            assertTrue(out.contains("exited with code 041"), out);
            Vmm.Result r = v.await(20);
            assertEquals(guest.transcript(), r.out());
            assertEquals(33, r.status());
        }
    }

    @Test
    void aDebuggerThatDetachesLetsTheGuestGoOn() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/gdb")), "capability: gdb");
        Guest guest = Guests.named("work");
        try (Vmm v = Vmm.start(List.of(
                "kernel=" + Guests.binary(guest),
                "engine=java",
                "memory=64M",
                "serial=null",
                "debugcon=stdio",
                "debug-exit=0xf4",
                "gdb=0",
                "timeout=60"))) {
            Matcher m = PORT.matcher(v.awaitError(e -> PORT.matcher(e).find(), 20));
            assertTrue(m.find());
            gdb(Guests.binary(guest), m.group(1), "stepi", "stepi", "detach");
            Vmm.Result r = v.await(30);
            assertEquals(guest.transcript(), r.out());
            assertEquals(33, r.status());
        }
    }
}
