package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a guest gets of a disk with limits, by the counts of its own kernel (Documentation/block/stat.rst), over ten seconds, and its clock. The
 * figures are printed; they have to be within five per cent of the limit.
 */
@Tag("soak")
final class ThrottleRunTest {
    private static final int SECONDS = 10;

    @TempDir
    Path directory;

    private String disk(String name, String more) throws Exception {
        Path p = directory.resolve(name);
        try (RandomAccessFile f = new RandomAccessFile(p.toFile(), "rw")) {
            f.setLength(64 << 20);
        }
        return "disk=" + p + ",readonly=false,id=" + name + more;
    }

    /** Time in seconds, requests and bytes so far of some disks. */
    private record Sample(double seconds, long requests, long bytes) {
        static Sample of(Vmm v, String... devices) throws Exception {
            StringBuilder command = new StringBuilder("cat /proc/uptime");
            for (String d : devices) {
                command.append(" /sys/block/").append(d).append("/stat");
            }
            String[] lines = Tiny.shell(v, command.toString()).split("\n");
            long requests = 0;
            long bytes = 0;
            for (int i = 1; i < lines.length; i++) {
                String[] n = lines[i].strip().split("\\s+");
                requests += Long.parseLong(n[0]) + Long.parseLong(n[4]);
                bytes += 512 * (Long.parseLong(n[2]) + Long.parseLong(n[6]));
            }
            return new Sample(Double.parseDouble(lines[0].split(" ")[0]), requests, bytes);
        }
    }

    private static void measure(Vmm v, String what, double limit, boolean bytes, String... devices) throws Exception {
        Thread.sleep(2000); // what was saved up before is used up
        Sample before = Sample.of(v, devices);
        Thread.sleep(SECONDS * 1000L);
        Sample after = Sample.of(v, devices);
        long done = bytes ? after.bytes - before.bytes : after.requests - before.requests;
        double rate = done / (after.seconds - before.seconds);
        System.out.printf(
                "%-40s limit %9.0f/s  achieved %11.1f/s  %+.2f %%%n", what, limit, rate, 100 * (rate / limit - 1));
        assertTrue(Math.abs(rate / limit - 1) <= 0.05, what + ": " + rate + " of " + limit);
    }

    private static void limit(Qmp q, String device, String limits) throws Exception {
        String all = "'bps': 0, 'bps_rd': 0, 'bps_wr': 0, 'iops': 0, 'iops_rd': 0, 'iops_wr': 0";
        for (String l : limits.split(" ")) {
            String name = "'" + l.substring(0, l.indexOf('=')) + "': ";
            String value = l.substring(l.indexOf('=') + 1);
            all = all.contains(name + "0") ? all.replace(name + "0", name + value) : all + ", " + name + value;
        }
        assertEquals(
                "{}",
                q.execute("{'execute': 'block_set_io_throttle', 'arguments': {'id': '" + device + "', " + all + "}}")
                        .toString());
    }

    @Test
    void limitsAreHeld_andChangedWhileItRuns() throws Exception {
        Path socket = directory.resolve("qmp");
        try (Vmm v = Vmm.start(Tiny.words("qmp=" + socket, disk("a", ",iops=100"), disk("b", "")))) {
            Tiny.awaitShell(v);
            // reads without end, of 4 KiB each
            Tiny.shell(
                    v,
                    "for d in vda vdb; do echo 4 >/sys/block/$d/queue/read_ahead_kb; (while true; do dd if=/dev/$d"
                            + " of=/dev/null bs=4k; echo 3 >/proc/sys/vm/drop_caches; done) >/dev/null 2>&1 & done");
            try (Qmp q = new Qmp(socket)) {
                measure(v, "requests, from the command line", 100, false, "vda");
                limit(q, "a", "iops=40");
                measure(v, "requests, fewer while it runs", 40, false, "vda");
                limit(q, "a", "iops=150");
                measure(v, "requests, more while it runs", 150, false, "vda");
                limit(q, "a", "bps=262144");
                measure(v, "bytes", 262_144, true, "vda");
                limit(q, "a", "bps_rd=524288");
                measure(v, "bytes read", 524_288, true, "vda");
                limit(q, "a", "iops=120 group='g'");
                limit(q, "b", "iops=120 group='g'");
                measure(v, "requests of two disks of a group", 120, false, "vda", "vdb");
                q.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
        }
    }
}
