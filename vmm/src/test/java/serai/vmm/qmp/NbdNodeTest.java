package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.ImageFormat;
import serai.vmm.block.Troubles;
import tools.jackson.databind.JsonNode;

/** {@code blockdev-add} with driver {@code nbd}: a VM's disk that another VM exports. */
@Timeout(120)
final class NbdNodeTest {
    @TempDir
    Path directory;

    private final BlockTable server = new BlockTable();
    private final BlockTable client = new BlockTable(new Troubles() {
        @Override
        public void stop(Object cause) {}

        @Override
        public void release(Object cause) {}

        @Override
        public void tell(Failure failure) {}

        @Override
        public void locked(Runnable action) {
            action.run();
        }
    });

    @BeforeEach
    void serve() throws Exception {
        Path file = directory.resolve("r.raw");
        Files.write(file, new byte[1 << 20]);
        server.open("r", file, ImageFormat.RAW);
        offer();
    }

    private void offer() throws QmpException {
        server.done(
                "nbd-server-start", "{'addr': {'type': 'unix', 'data': {'path': '" + directory.resolve("nbd") + "'}}}");
        server.done("block-export-add", "{'type': 'nbd', 'id': 'e', 'node-name': 'r', 'writable': true}");
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    private String add(String export) {
        return "{'driver': 'nbd', 'node-name': 'n', 'server': {'type': 'unix', 'path': '%s'}, 'export': '%s'}"
                .formatted(directory.resolve("nbd"), export);
    }

    private int read(BlockTable t, String node, long position) throws Exception {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment m = arena.allocate(512, 512);
            t.disk(node).read(position, m.address(), 512);
            return m.get(ValueLayout.JAVA_BYTE, 0);
        }
    }

    @Test
    void itIsTheServersDisk_andSaysWhereItIs() throws Exception {
        client.done("blockdev-add", add("r"));
        client.write("n", 4096, 512, 7);
        assertEquals(7, read(server, "r", 4096));
        JsonNode n = client.ask("query-named-block-nodes", "{}").get(0);
        assertEquals("nbd", n.path("drv").asString(""));
        assertEquals(
                "nbd+unix:///r?socket=" + directory.resolve("nbd"),
                n.path("file").asString(""));
        assertEquals(1 << 20, n.path("image").path("virtual-size").asInt());
        client.refused(
                "disk nbd+unix:///r?socket=" + directory.resolve("nbd")
                        + " is no file with a directory: give one for the checkpoint",
                "x-blockdev-checkpoint",
                "{'node': 'n', 'node-name': 'c'}");
        client.done("x-blockdev-checkpoint", "{'node': 'n', 'node-name': 'c', 'directory': '" + directory + "'}");
        client.write("n", 4096, 512, 8);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment m = arena.allocate(512, 512);
            client.nodes.find("c").image().read(4096, m.address(), 512);
            assertEquals(7, m.get(ValueLayout.JAVA_BYTE, 0));
        }
    }

    /** A server that is gone for a while is waited for, and nothing fails. */
    @Test
    void aServerMayComeBack() throws Exception {
        client.done("blockdev-add", add("r"));
        client.write("n", 0, 512, 7);
        client.disk("n").flush();
        server.done("nbd-server-stop", "{}");
        int[] got = new int[1];
        Thread reader = Thread.ofPlatform().start(() -> {
            try {
                got[0] = read(client, "n", 0);
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
        offer();
        reader.join();
        assertEquals(7, got[0]);
    }

    @Test
    void whatCantBeIsRefused() throws Exception {
        server.refused(
                "a disk of an NBD server depends on the time that passes: not with deterministic",
                "blockdev-add",
                add("r"));
        client.refused(
                "an NBD server listens on 'unix' or 'inet'",
                "blockdev-add",
                "{'driver': 'nbd', 'node-name': 'n', 'server': {'type': 'vsock', 'cid': '3', 'port': '1'}}");
        client.refused("Parameter 'server' is missing", "blockdev-add", "{'driver': 'nbd', 'node-name': 'n'}");
        assertEquals(0, client.nodes.list().size());
    }
}
