package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A stock Debian kernel suspends to RAM and goes on where it was. */
final class SuspendTest {
    private static final String SUSPEND = "echo mem > /sys/power/state";

    @TempDir
    Path directory = Path.of("");

    private Path disk() throws Exception {
        Path p = directory.resolve("d.raw");
        try (RandomAccessFile f = new RandomAccessFile(p.toFile(), "rw")) {
            f.setLength(16 << 20);
            f.write("from the host".getBytes(StandardCharsets.US_ASCII));
        }
        return p;
    }

    private List<String> words(Path socket, String... more) throws Exception {
        List<String> w = new ArrayList<>(List.of("qmp=" + socket, "cpus=2", "disk=" + disk()));
        w.addAll(List.of(more));
        return w;
    }

    private static String status(Qmp q) throws Exception {
        return q.execute("{'execute': 'query-status'}").path("status").asString();
    }

    private static int exits(String output) {
        return output.split("PM: suspend exit", -1).length;
    }

    /** Suspends, has the guest woken, and looks whether all is there again. */
    private static void suspend(Vmm v, Qmp q, String command, String wake) throws Exception {
        int before = exits(v.awaitOutput(o -> true, 1));
        v.type(command + "\n");
        q.await("SUSPEND");
        if (!wake.isEmpty()) {
            assertEquals("suspended", status(q));
            q.execute("{'execute': '" + wake + "'}");
        }
        q.await("WAKEUP");
        v.awaitOutput(
                o -> exits(o) > before, 60); // what is typed before that may fall into a FIFO that the driver clears
        assertEquals("from the host", Tiny.shell(v, "dd if=/dev/vda bs=13 count=1 iflag=direct 2>/dev/null"));
        assertEquals("0-1", Tiny.shell(v, "cat /sys/devices/system/cpu/online"));
        assertEquals(
                "2", Tiny.shell(v, "for c in 1 2; do taskset $c sh -c 'grep -c processor /proc/cpuinfo'; done | uniq"));
        assertEquals("running", status(q));
    }

    private void threeTimes(List<String> words, Path socket) throws Exception {
        try (Vmm v = Vmm.start(words)) {
            Tiny.awaitShell(v);
            try (Qmp q = new Qmp(socket)) {
                assertTrue(q.execute("{'execute': 'system_wakeup'}").toString().contains("not in suspended state"));
                Tiny.shell(v, "echo kept > /tmp/x; hwclock -w; date +%s > /tmp/t");
                suspend(v, q, "echo +600 > /sys/class/rtc/rtc0/wakealarm; " + SUSPEND, "system_wakeup");
                suspend(v, q, "echo 0 > /sys/class/rtc/rtc0/wakealarm; " + SUSPEND, "system_powerdown");
                suspend(v, q, "echo +3 > /sys/class/rtc/rtc0/wakealarm; " + SUSPEND, "");
                assertEquals("kept", Tiny.shell(v, "cat /tmp/x"));
                assertEquals(
                        "3",
                        Tiny.shell(v, "cat /sys/power/suspend_stats/success; cat /sys/power/suspend_stats/fail")
                                .lines()
                                .findFirst()
                                .orElse(""));
                // the clock has gone on while it slept
                assertEquals(
                        "right",
                        Tiny.shell(
                                v,
                                "n=$(date +%s); d=$((n - $(cat /sys/class/rtc/rtc0/since_epoch))); "
                                        + "[ $d -ge -2 -a $d -le 2 -a $n -ge $(($(cat /tmp/t) + 3)) ] && echo right"));
                v.type("poweroff -f\n");
            }
            assertEquals(0, v.await(60).status());
        }
    }

    @Test
    @Tag("e2e")
    void byTheSocket_theButtonAndTheAlarm_with2Cpus() throws Exception {
        Path socket = directory.resolve("qmp");
        threeTimes(Tiny.words(words(socket).toArray(String[]::new)), socket);
    }

    @Test
    @Tag("soak")
    void theSameWithTrixiesKernel() throws Exception {
        Path socket = directory.resolve("qmp");
        threeTimes(Tiny.image("tiny:trixie", words(socket).toArray(String[]::new)), socket);
    }

    @Test
    @Tag("soak")
    void hibernation_endsTheMachine_andAnotherGoesOnFromTheDisk() throws Exception {
        Path socket = directory.resolve("qmp");
        Path swap = directory.resolve("swap.raw");
        try (RandomAccessFile f = new RandomAccessFile(swap.toFile(), "rw")) {
            f.setLength(1 << 30);
        }
        String[] words = {"qmp=" + socket, "cpus=2", "disk=" + swap};
        String resume = "cat /sys/block/vda/dev > /sys/power/resume";
        try (Vmm v = Vmm.start(Tiny.words(words))) {
            Tiny.awaitShell(v);
            try (Qmp q = new Qmp(socket)) {
                Tiny.shell(v, "echo kept > /tmp/x; mkswap /dev/vda; swapon /dev/vda; " + resume);
                assertTrue(Tiny.shell(v, "cat /sys/power/disk").contains("[platform]"));
                v.type("echo disk > /sys/power/state\n");
                q.await("SUSPEND_DISK");
            }
            assertEquals(0, v.await(120).status());
        }
        try (Vmm v = Vmm.start(Tiny.words(words))) {
            Tiny.awaitShell(v);
            v.type(resume + "\n");
            v.awaitOutput(o -> o.contains("PM: hibernation: hibernation exit"), 120);
            assertEquals("kept", Tiny.shell(v, "cat /tmp/x"));
            assertEquals("0-1", Tiny.shell(v, "cat /sys/devices/system/cpu/online"));
            v.type("poweroff -f\n");
            assertEquals(0, v.await(60).status());
        }
    }

    @Test
    @Tag("soak")
    void deterministic_theAlarmTakesNoTimeOfTheHosts() throws Exception {
        Path socket = directory.resolve("qmp");
        try (Vmm v = Vmm.start(Tiny.words(words(socket, "deterministic=1").toArray(String[]::new)))) {
            Tiny.awaitShell(v);
            try (Qmp q = new Qmp(socket)) {
                suspend(v, q, "echo +80000 > /sys/class/rtc/rtc0/wakealarm; " + SUSPEND, "");
                v.type("poweroff -f\n");
            }
            assertEquals(0, v.await(60).status());
        }
    }

    // ---- a small guest that nothing of its own wakes ----

    private static List<String> asleep(String... more) {
        List<String> w = new ArrayList<>(List.of(
                "engine=java", "serial=null", "debugcon=stdio", "debug-exit=0xf4", "memory=64M", "timeout=120"));
        w.addAll(List.of(more));
        return w;
    }

    private static String kernel() {
        return "kernel=" + Guests.binary(Guests.named("asleep"));
    }

    private static void awaitSuspended(Qmp q) throws Exception {
        while (!status(q).equals("suspended")) {
            Thread.sleep(20);
        }
    }

    private static void awake(Vmm v) throws Exception {
        Vmm.Result r = v.await(60);
        assertEquals(33, r.status(), r.err());
        assertTrue(r.out().endsWith("awake\n"), r.out());
    }

    @Test
    @Tag("e2e")
    void savedAsleep_isWokenInAnotherProcess() throws Exception {
        Path socket = directory.resolve("qmp");
        String snapshot = "snapshot=" + directory.resolve("snapshot");
        Vmm.Result saved = Vmm.run(asleep(kernel(), "save-after=1", snapshot));
        assertEquals(0, saved.status(), saved.err());
        try (Vmm v = Vmm.start(asleep("load=" + directory.resolve("snapshot"), "qmp=" + socket))) {
            v.awaitError(e -> e.contains("engine java"), 60);
            try (Qmp q = connect(socket)) {
                awaitSuspended(q);
                q.execute("{'execute': 'system_wakeup'}");
                awake(v);
            }
        }
    }

    /** The socket is there before the guest runs, but not before the process is. */
    private static Qmp connect(Path socket) throws Exception {
        for (int i = 0; ; i++) {
            try {
                return new Qmp(socket);
            } catch (java.io.IOException e) {
                if (i == 500) {
                    throw e;
                }
                Thread.sleep(20);
            }
        }
    }

    @Test
    @Tag("e2e")
    void theResetButtonAndStop_workWhileItSleeps() throws Exception {
        Path socket = directory.resolve("qmp");
        try (Vmm v = Vmm.start(asleep(kernel(), "qmp=" + socket))) {
            v.awaitOutput(o -> o.contains("asleep"), 60);
            try (Qmp q = connect(socket)) {
                awaitSuspended(q);
                q.execute("{'execute': 'system_reset'}");
                assertEquals(
                        "host-qmp-system-reset", q.await("RESET").path("reason").asString());
                v.awaitOutput(o -> o.contains("asleep\nasleep"), 60);
                awaitSuspended(q);
                q.execute("{'execute': 'stop'}");
                assertEquals("paused", status(q));
                q.execute("{'execute': 'system_wakeup'}");
                assertEquals("paused", status(q));
                q.execute("{'execute': 'cont'}");
                q.await("WAKEUP");
                awake(v);
            }
        }
    }

    @Test
    @Tag("e2e")
    void aDebugger_interruptsAMachineThatSleeps() throws Exception {
        for (String mode : List.of("no-reboot=false", "deterministic=1")) {
            Path socket = directory.resolve("qmp-" + mode.length());
            try (Vmm v = Vmm.start(asleep(kernel(), "gdb=0", "qmp=" + socket, mode))) {
                String said = v.awaitError(e -> e.contains("target remote"), 60);
                int port = Integer.parseInt(
                        said.substring(said.lastIndexOf(':') + 1).strip());
                try (Qmp q = connect(socket);
                        Socket gdb = new Socket(InetAddress.getLoopbackAddress(), port)) {
                    send(gdb, "+$c#63");
                    awaitSuspended(q);
                    send(gdb, "\003");
                    awaitReply(gdb, "$T02");
                    send(gdb, "+$c#63");
                    assertEquals("suspended", status(q));
                    q.execute("{'execute': 'system_wakeup'}");
                    awaitReply(gdb, "$W21"); // exited with 33
                    awake(v);
                }
            }
        }
    }

    private static void send(Socket gdb, String text) throws Exception {
        gdb.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
    }

    private static void awaitReply(Socket gdb, String text) throws Exception {
        gdb.setSoTimeout(60_000);
        StringBuilder said = new StringBuilder();
        while (said.indexOf(text) < 0) {
            int c = gdb.getInputStream().read();
            assertTrue(c >= 0, said::toString);
            said.append((char) c);
        }
    }
}
