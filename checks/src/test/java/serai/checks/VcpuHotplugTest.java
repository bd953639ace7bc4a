package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** vCPUs come into and go out of a running stock Debian kernel, in real time and in deterministic mode. */
@Tag("e2e")
final class VcpuHotplugTest {
    /** Runs on one vCPU until it has counted, and says which that was. */
    private static final String WORK =
            "taskset %x sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; cut -d\" \" -f39 /proc/self/stat'";

    @TempDir
    Path directory;

    /**
     * Plugs a vCPU and has the guest use it.
     *
     * @return its number in the guest: Linux 6.1 counts them as they come, 6.12 as they are in the MADT
     */
    private static int plug(Vmm v, Qmp q, int socket) throws Exception {
        JsonNode places = q.execute("{'execute': 'query-hotpluggable-cpus'}");
        String type = places.get(0).path("type").asString();
        assertEquals(
                "{}",
                q.execute("{'execute': 'device_add', 'arguments': {'driver': '" + type + "', 'id': 'vcpu" + socket
                                + "', 'socket-id': " + socket + ", 'core-id': 0, 'thread-id': 0}}")
                        .toString());
        String online = Tiny.awaitShell(v, "grep -l 0 /sys/devices/system/cpu/cpu*/online 2>/dev/null", "/online");
        assertEquals("", Tiny.shell(v, "echo 1 > " + online)); // as udev does in a larger guest
        return Integer.parseInt(online.replaceAll("\\D", ""));
    }

    /** The shell, with the kernel's messages in its log alone. */
    private static void awaitQuietShell(Vmm v) throws Exception {
        Tiny.awaitShell(v);
        Tiny.shell(v, "dmesg -n 1");
    }

    private static String directory(int cpu) {
        return "/sys/devices/system/cpu/cpu" + cpu;
    }

    private static List<Integer> present(Qmp q) throws Exception {
        List<Integer> all = new ArrayList<>();
        q.execute("{'execute': 'query-cpus-fast'}")
                .forEach(c -> all.add(c.path("cpu-index").asInt()));
        return all;
    }

    private static void worksOn(Vmm v, int cpu) throws Exception {
        assertEquals(Integer.toString(cpu), Tiny.shell(v, WORK.formatted(1 << cpu)));
    }

    private void inAGuest(String image) throws Exception {
        Path socket = directory.resolve("qmp");
        try (Vmm v = Vmm.start(Tiny.image(image, "cpus=1,max=4", "qmp=" + socket))) {
            awaitQuietShell(v);
            try (Qmp q = new Qmp(socket)) {
                assertEquals(List.of(0), present(q));
                assertEquals("0-3", Tiny.shell(v, "cat /sys/devices/system/cpu/possible"));
                int second = plug(v, q, 2); // not in their order
                int first = plug(v, q, 1);
                assertEquals("3", Tiny.shell(v, "nproc"));
                worksOn(v, first);
                worksOn(v, second);
                worksOn(v, 0);
                assertEquals(List.of(0, 1, 2), present(q));
                q.execute("{'execute': 'device_del', 'arguments': {'id': 'vcpu2'}}");
                JsonNode gone = q.await("DEVICE_DELETED");
                assertEquals("vcpu2", gone.path("device").asString());
                JsonNode said = q.await("ACPI_DEVICE_OST").path("info");
                while (said.path("source").asInt() != 3 || said.path("status").asInt() != 0) {
                    said = q.await("ACPI_DEVICE_OST").path("info"); // it tells first that it has begun
                }
                assertEquals("2", said.path("slot").asString());
                assertEquals("2", Tiny.shell(v, "nproc"));
                assertEquals("gone", Tiny.shell(v, "ls -d " + directory(second) + " 2>/dev/null || echo gone"));
                assertEquals(List.of(0, 1), present(q));
                worksOn(v, first);
                assertEquals(second, plug(v, q, 2), "comes again");
                worksOn(v, second);
                assertEquals("3", Tiny.shell(v, "nproc"));
                String kernel = Tiny.shell(v, "dmesg | grep -iE 'eject|call trace|warning|bug:' | grep -v spec");
                assertEquals("", kernel);
                v.type("poweroff -f\n");
            }
            assertEquals(0, v.await(60).status());
        }
    }

    @Test
    void comeAndGo() throws Exception {
        inAGuest("tiny");
    }

    @Test
    @Tag("soak")
    void comeAndGo_inDebian13() throws Exception {
        inAGuest("tiny:trixie");
    }

    /** Recorded with a vCPU that comes and works, replayed to the same end, saved in between; and what was saved goes on. */
    @Test
    void deterministically_replayedSavedAndRestored() throws Exception {
        Path socket = directory.resolve("qmp");
        Path inputs = directory.resolve("inputs");
        Path snapshot = directory.resolve("snapshot");
        String recorded;
        try (Vmm v = Vmm.start(words("record=" + inputs, "qmp=" + socket))) {
            awaitQuietShell(v);
            try (Qmp q = new Qmp(socket)) {
                assertEquals(1, plug(v, q, 1));
            }
            for (int i = 0; i < 20; i++) {
                worksOn(v, 1);
            }
            v.type("poweroff -f\n");
            Vmm.Result r = v.await(120);
            assertEquals(0, r.status(), r.err());
            recorded = end(r);
        }
        Vmm.Result replayed = Vmm.run(words("replay=" + inputs));
        assertEquals(0, replayed.status(), replayed.err());
        assertEquals(recorded, end(replayed));
        // about where it works on the new vCPU
        Matcher m = Pattern.compile("instructions (\\d+)").matcher(recorded);
        assertTrue(m.find(), recorded);
        long at = Long.parseLong(m.group(1)) - 30_000_000;
        Vmm.Result saved = Vmm.run(words("replay=" + inputs, "save-at=" + at, "snapshot=" + snapshot));
        assertEquals(0, saved.status(), saved.err());
        goesOn(snapshot, socket);
    }

    private static void goesOn(Path snapshot, Path socket) throws Exception {
        try (Vmm v = Vmm.start(List.of(
                "engine=java",
                "load=" + snapshot,
                "cpus=1,max=2",
                "deterministic=1",
                "qmp=" + socket,
                "timeout=200"))) {
            v.type("\n");
            v.awaitOutput(o -> o.contains("~ # "), 60);
            assertEquals("2", Tiny.shell(v, "nproc"));
            worksOn(v, 1);
            try (Qmp q = new Qmp(socket)) {
                assertEquals(List.of(0, 1), present(q));
                // ids are the user's, not the snapshot's
                q.execute("{'execute': 'device_del', 'arguments': {'id': '/machine/unattached/device[1]'}}");
                q.await("DEVICE_DELETED");
                assertEquals("1", Tiny.shell(v, "nproc"));
                assertEquals(List.of(0), present(q));
                q.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
        }
    }

    private static List<String> words(String... more) throws Exception {
        List<String> w = Tiny.words("cpus=1,max=2", "deterministic=1", "hash-every=1000000000000");
        w.addAll(List.of(more));
        return w;
    }

    private static String end(Vmm.Result r) {
        return r.err()
                .lines()
                .filter(l -> l.startsWith("serai: final"))
                .findFirst()
                .orElseThrow(() -> new AssertionError(r.err()));
    }
}
