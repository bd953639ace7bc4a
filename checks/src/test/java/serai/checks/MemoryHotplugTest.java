package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/**
 * A running stock Debian kernel gets memory and gives it back. Debian 12 leaves it to the administrator to put new memory to use; here the kernel's
 * command line says that it is, for what can be moved away again.
 */
@Tag("e2e")
final class MemoryHotplugTest {
    private static final long MIB = 1 << 20;
    /** About when the guest has booted and filled its memory it has done 1.8 thousand million instructions; then it turns in a loop. */
    private static final long SAVE_AT = 2_500_000_000L;

    private static final int FILES = 160;

    @TempDir
    Path directory;

    private List<String> words(String... more) throws InterruptedException {
        List<String> w = new ArrayList<>(List.of(
                "memory=256M,max=1G",
                "append=console=ttyS0 memhp_default_state=online_movable",
                "qmp=" + directory.resolve("qmp")));
        w.addAll(List.of(more));
        return Tiny.words(w.toArray(String[]::new));
    }

    private static long memTotal(Vmm v) throws Exception {
        String[] line = Tiny.shell(v, "grep MemTotal /proc/meminfo").split("\\s+");
        return Long.parseLong(line[1]) << 10;
    }

    private static JsonNode device(Qmp q) throws Exception {
        return q.execute("{'execute': 'query-memory-devices'}").path(0).path("data");
    }

    private static void request(Qmp q, long bytes) throws Exception {
        assertEquals(
                "{}",
                q.execute("{'execute': 'qom-set', 'arguments': {'path': '/machine/peripheral/virtiomem0', "
                                + "'property': 'requested-size', 'value': " + bytes + "}}")
                        .toString());
        JsonNode event;
        do {
            event = q.await("MEMORY_DEVICE_SIZE_CHANGE");
            assertEquals("virtiomem0", event.path("id").asString());
        } while (event.path("size").asLong() != bytes);
        assertEquals(bytes, device(q).path("size").asLong());
        assertEquals(bytes, device(q).path("requested-size").asLong());
        JsonNode summary = q.execute("{'execute': 'query-memory-size-summary'}");
        assertEquals(256 * MIB, summary.path("base-memory").asLong());
        assertEquals(bytes, summary.path("plugged-memory").asLong());
    }

    @Test
    void memoryGrows_isUsed_goesThroughASnapshot_andShrinks() throws Exception {
        Path snapshot = directory.resolve("snapshot");
        long before;
        String sum;
        try (Vmm v = Vmm.start(words("save-at=" + SAVE_AT, "snapshot=" + snapshot))) {
            Tiny.awaitShell(v);
            before = memTotal(v);
            try (Qmp q = new Qmp(directory.resolve("qmp"))) {
                assertEquals(0, device(q).path("size").asLong());
                assertEquals(768 * MIB, device(q).path("max-size").asLong());
                request(q, 256 * MIB);
            }
            assertEquals(256 * MIB, memTotal(v) - before);
            // more than the guest had before
            assertTrue(before < FILES * MIB + 16 * MIB, "it had " + before);
            Tiny.shell(v, "dd if=/dev/urandom of=/tmp/a bs=1M count=1 2>/dev/null; mount -t tmpfs -o size=400m t /mnt");
            sum = Tiny.shell(v, "md5sum < /tmp/a");
            Tiny.shell(v, "for i in $(seq " + FILES + "); do cp /tmp/a /mnt/$i; done");
            v.type("while :; do :; done\n");
            assertEquals(0, v.await(280).status());
        }
        try (Vmm v = Vmm.start(words("load=" + snapshot))) {
            v.type("\u0003\n");
            assertEquals(
                    FILES / 10 + " " + sum,
                    Tiny.shell(v, "for i in $(seq 10 10 " + FILES + "); do md5sum < /mnt/$i; done | sort | uniq -c"));
            assertEquals(256 * MIB, memTotal(v) - before);
            Tiny.shell(v, "umount /mnt");
            try (Qmp q = new Qmp(directory.resolve("qmp"))) {
                assertEquals(256 * MIB, device(q).path("size").asLong());
                request(q, 128 * MIB);
                assertEquals(128 * MIB, memTotal(v) - before);
                request(q, 0);
                assertEquals(0, memTotal(v) - before);
                q.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
        }
    }
}
