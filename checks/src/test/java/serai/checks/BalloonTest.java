package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** A stock Debian kernel gives memory back to this host, by its balloon and by telling what is free, and has it again. */
@Tag("e2e")
final class BalloonTest {
    private static final long MIB = 1 << 20;
    private static final long MEMORY = 512 * MIB;

    @TempDir
    Path directory;

    /** Bytes of the guest's RAM that this host has for it. */
    private static long ram(Vmm v) throws Exception {
        long kib = 0;
        boolean ours = false;
        for (String line : Files.readAllLines(Path.of("/proc/" + v.pid() + "/smaps"))) {
            if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                ours = line.contains("/memfd:serai-ram");
            } else if (ours && line.startsWith("Rss:")) {
                kib += Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        return kib << 10;
    }

    private static void awaitRam(Vmm v, long atMost) throws Exception {
        for (int i = 0; ram(v) > atMost; i++) {
            assertTrue(i < 240, "still " + ram(v) / MIB + " MiB");
            Thread.sleep(250);
        }
    }

    private static void fill(Vmm v, int mib) throws Exception {
        Tiny.shell(v, "dd if=/dev/zero bs=1M count=" + mib + " 2>/dev/null | tr '\\0' 'x' >/mnt/x");
        assertEquals(mib + "x", Tiny.shell(v, "echo $(($(tr -d 'x' </mnt/x | wc -c) + $(wc -c </mnt/x) / 1048576))x"));
    }

    private static void balloon(Qmp q, long left) throws Exception {
        assertEquals(
                "{}",
                q.execute("{'execute': 'balloon', 'arguments': {'value': " + left + "}}")
                        .toString());
        while (q.await("BALLOON_CHANGE").path("actual").asLong() != left) {
            // it comes nearer
        }
        assertEquals(
                left, q.execute("{'execute': 'query-balloon'}").path("actual").asLong());
    }

    private static JsonNode statistics(Qmp q) throws Exception {
        return q.execute("{'execute': 'qom-get', 'arguments': {'path': '/machine/peripheral/balloon0', "
                + "'property': 'guest-stats'}}");
    }

    @Test
    void freePagesAndTheBalloonGoBackToTheHost_andMemoryWorksAgain() throws Exception {
        Path socket = directory.resolve("qmp");
        try (Vmm v = Vmm.start(Tiny.words("balloon=true", "qmp=" + socket))) {
            Tiny.awaitShell(v);
            Tiny.shell(v, "mount -t tmpfs -o size=450m t /mnt");
            fill(v, 300);
            long full = ram(v);
            assertTrue(full > 320 * MIB, full / MIB + " MiB");
            Tiny.shell(v, "rm /mnt/x");
            // the kernel tells some seconds later what it has in blocks of 2 MiB
            awaitRam(v, full - 250 * MIB);
            fill(v, 300);
            assertTrue(ram(v) > 320 * MIB);
            Tiny.shell(v, "rm /mnt/x");
            try (Qmp q = new Qmp(socket)) {
                balloon(q, 128 * MIB);
                assertTrue(ram(v) < 150 * MIB, ram(v) / MIB + " MiB");
                String[] line = Tiny.shell(v, "grep MemFree /proc/meminfo").split("\\s+");
                assertTrue(Long.parseLong(line[1]) << 10 < 128 * MIB, line[1]);
                q.execute("{'execute': 'qom-set', 'arguments': {'path': 'balloon0', "
                        + "'property': 'guest-stats-polling-interval', 'value': 1}}");
                JsonNode s = statistics(q);
                for (int i = 0; s.path("last-update").asLong() == 0; i++) {
                    assertTrue(i < 100, s.toString());
                    Thread.sleep(100);
                    s = statistics(q);
                }
                long free = s.path("stats").path("stat-free-memory").asLong();
                assertTrue(free > MIB && free < 128 * MIB, s.toString());
                balloon(q, MEMORY);
                fill(v, 300);
                q.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
        }
    }

    @Test
    void aSnapshotKeepsTheBalloon() throws Exception {
        Path socket = directory.resolve("qmp");
        Path snapshot = directory.resolve("snapshot");
        try (Vmm v =
                Vmm.start(Tiny.words("balloon=128M", "qmp=" + socket, "save-at=2500000000", "snapshot=" + snapshot))) {
            Tiny.awaitShell(v);
            try (Qmp q = new Qmp(socket)) {
                while (q.execute("{'execute': 'query-balloon'}").path("actual").asLong() != 128 * MIB) {
                    Thread.sleep(100);
                }
            }
            v.type("while :; do :; done\n");
            assertEquals(0, v.await(200).status());
        }
        try (Vmm v = Vmm.start(Tiny.words("load=" + snapshot, "qmp=" + socket))) {
            v.type("\u0003\n");
            Tiny.shell(v, "mount -t tmpfs -o size=450m t /mnt");
            try (Qmp q = new Qmp(socket)) {
                assertEquals(
                        128 * MIB,
                        q.execute("{'execute': 'query-balloon'}").path("actual").asLong());
                balloon(q, MEMORY);
                fill(v, 300);
                q.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
        }
    }

    private static String end(Vmm.Result r) {
        assertEquals(0, r.status(), r.err());
        return r.err()
                .lines()
                .filter(l -> l.startsWith("serai: final"))
                .findFirst()
                .orElseThrow(() -> new AssertionError(r.err()));
    }

    /** What the host wants is recorded, and a replayed run ends the same. */
    @Test
    @Tag("soak")
    void deterministically_replayed() throws Exception {
        Path socket = directory.resolve("qmp");
        Path inputs = directory.resolve("inputs");
        String[] both = {"deterministic=1", "hash-every=1000000000000", "balloon=true"};
        String recorded;
        try (Vmm v = Vmm.start(Tiny.words(both[0], both[1], both[2], "record=" + inputs, "qmp=" + socket))) {
            Tiny.awaitShell(v);
            try (Qmp q = new Qmp(socket)) {
                balloon(q, 400 * MIB);
                q.execute("{'execute': 'qom-set', 'arguments': {'path': 'balloon0', "
                        + "'property': 'guest-stats-polling-interval', 'value': 1}}");
                balloon(q, 500 * MIB);
            }
            v.type("poweroff -f\n");
            recorded = end(v.await(200));
        }
        assertEquals(recorded, end(Vmm.run(Tiny.words(both[0], both[1], both[2], "replay=" + inputs))));
    }
}
