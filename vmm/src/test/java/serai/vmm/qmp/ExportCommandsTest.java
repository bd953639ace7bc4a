package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.machine.Layout;
import serai.storage.ImageFormat;
import serai.storage.nbd.NbdDisk;
import serai.storage.nbd.NbdUri;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PlugException;

/** Exports, and checkpoints to be exported, in QEMU's words, on a qcow2 and a raw disk of 1 MiB. */
final class ExportCommandsTest {
    private static final int MIB = 1 << 20;

    @TempDir
    Path directory;

    private BlockTable t = new BlockTable();
    private Path socket = Path.of("");
    private final LinkedBlockingQueue<String> deleted = new LinkedBlockingQueue<>();

    @BeforeEach
    void disks() throws Exception {
        socket = directory.resolve("nbd");
        t.qcow2("q", directory.resolve("q.qcow2"), MIB);
        Path raw = directory.resolve("r.raw");
        Files.write(raw, new byte[MIB]);
        t.open("r", raw, ImageFormat.RAW);
        t.nodes.exports().onDeleted(deleted::add);
    }

    @AfterEach
    void close() {
        t.close();
    }

    private void start() throws QmpException {
        t.done("nbd-server-start", "{'addr': {'type': 'unix', 'data': {'path': '" + socket + "'}}}");
    }

    private void export(String node, String more) throws QmpException {
        t.done("block-export-add", "{'type': 'nbd', 'id': 'e-%s', 'node-name': '%s'%s}".formatted(node, node, more));
    }

    private NbdDisk client(String name) throws IOException {
        return NbdDisk.connect(NbdUri.parse("nbd+unix:///" + name + "?socket=" + socket), NbdDisk.Options.DEFAULT);
    }

    private static byte[] all(NbdDisk d) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment m = arena.allocate(d.size(), 4096);
            d.read(0, m.address(), d.size());
            return m.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private String list() throws QmpException {
        return t.ask("query-block-exports", "{}").toString().replace('"', '\'');
    }

    @Test
    void whatTheGuestWrites_isRead_andAClientsWritesAreMarked() throws Exception {
        start();
        export("r", ", 'name': 'disk', 'writable': true");
        t.write("r", 4096, 512, 7);
        t.done("block-dirty-bitmap-add", "{'node': 'r', 'name': 'b', 'granularity': 512}");
        try (NbdDisk d = client("disk");
                Arena arena = Arena.ofConfined()) {
            assertEquals(7, all(d)[4096]);
            d.write(0, arena.allocate(1024, 512).fill((byte) 9).address(), 1024);
        }
        assertEquals("b 1024", t.bitmaps("r", "count"));
        assertEquals("[{'id':'e-r','type':'nbd','node-name':'r','shutting-down':false}]", list());
    }

    @Test
    void anExportInUse_goesOnlyTheHardWay() throws Exception {
        start();
        export("r", "");
        t.refused("Node r is in use by an export", "blockdev-del", "{'node-name': 'r'}");
        try (NbdDisk d = client("r")) {
            assertTrue(d.readOnly());
            t.refused(
                    "export 'e-r' still in use; mode 'hard' disconnects the clients",
                    "block-export-del",
                    "{'id': 'e-r', 'mode': 'safe'}");
            t.done("block-export-del", "{'id': 'e-r', 'mode': 'hard'}");
            assertThrows(IOException.class, () -> all(d));
        }
        assertEquals("e-r", deleted.poll(10, TimeUnit.SECONDS));
        assertEquals("[]", list());
        t.refused("Export 'e-r' is not found", "block-export-del", "{'id': 'e-r'}");
        export("r", "");
        t.done("nbd-server-stop", "{}");
        assertEquals("e-r", deleted.poll(10, TimeUnit.SECONDS));
        assertTrue(Files.notExists(socket));
        t.done("blockdev-del", "{'node-name': 'r'}");
        t.refused("NBD server not running", "nbd-server-stop", "{}");
        start();
        t.done("nbd-server-add", "{'device': 'q', 'name': 'old', 'writable': true}");
        assertEquals("[{'id':'old','type':'nbd','node-name':'q','shutting-down':false}]", list());
        t.done("nbd-server-remove", "{'name': 'old', 'mode': 'safe'}");
        assertEquals("[]", list());
    }

    @Test
    void whatCantBeIsRefused() throws Exception {
        t.refused("NBD server not running", "block-export-add", "{'type': 'nbd', 'id': 'e', 'node-name': 'r'}");
        String noTls = ": this NBD server has no TLS and lets in whoever connects; a tunnel such as ssh's takes it to"
                + " other hosts";
        for (String host : List.of("0.0.0.0", "192.0.2.1", "::")) {
            t.refused(
                    "host '" + host + "' is not of the loopback interface" + noTls,
                    "nbd-server-start",
                    "{'addr': {'type': 'inet', 'data': {'host': '" + host + "', 'port': '10809'}}}");
        }
        t.refused(
                "this NBD server has no TLS; it listens on Unix sockets and the loopback interface, and a tunnel such as"
                        + " ssh's takes it to other hosts",
                "nbd-server-start",
                "{'addr': {'type': 'unix', 'data': {'path': 'x'}}, 'tls-creds': 'c'}");
        start();
        t.refused(
                "NBD server already running",
                "nbd-server-start",
                "{'addr': {'type': 'unix', 'data': {'path': '" + socket + "2'}}}");
        export("r", "");
        t.refused(
                "Block export id 'e-r' is already in use",
                "block-export-add",
                "{'type': 'nbd', 'id': 'e-r', 'node-name': 'r'}");
        t.refused(
                "NBD server already has export named 'r'",
                "block-export-add",
                "{'type': 'nbd', 'id': 'e', 'node-name': 'r'}");
        t.refused(
                "Parameter 'type' does not accept value 'fuse': there is 'nbd'",
                "block-export-add",
                "{'type': 'fuse', 'id': 'e', 'node-name': 'r'}");
        t.refused(
                "Bitmap 'b' is not found",
                "block-export-add",
                "{'type': 'nbd', 'id': 'e', 'node-name': 'q', 'bitmaps': ['b']}");
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'b'}");
        t.refused(
                "Enabled bitmap 'b' incompatible with readonly export",
                "block-export-add",
                "{'type': 'nbd', 'id': 'e', 'node-name': 'q', 'bitmaps': ['b']}");
        assertEquals("[{'id':'e-r','type':'nbd','node-name':'r','shutting-down':false}]", list());
    }

    /** Two writers would not know of each other. */
    @Test
    void aDisk_hasADeviceOrAnExportThatWrites() throws Exception {
        start();
        export("r", ", 'writable': true");
        PlugException e = assertThrows(
                PlugException.class,
                () -> t.peripherals.addAtStart(Peripherals.VIRTIO_BLK, "d", Layout.FIRST_DISK_SLOT, "r"));
        assertEquals("Node r is in use by an export that writes to it", e.getMessage());
        t.done("block-export-del", "{'id': 'e-r'}");
        t.peripherals.addAtStart(Peripherals.VIRTIO_BLK, "d", Layout.FIRST_DISK_SLOT, "r");
        t.refused(
                "Conflicts with use by device 'd', which does not allow 'write' on r",
                "block-export-add",
                "{'type': 'nbd', 'id': 'e', 'node-name': 'd', 'writable': true}");
        export("d", ""); // by its device
    }

    @Test
    void anExportedBitmap_standsStill() throws Exception {
        start();
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'b', 'disabled': true, 'persistent': true}");
        export("q", ", 'bitmaps': ['b']");
        assertEquals("b true", t.bitmaps("q", "busy"));
        String busy = "Bitmap 'b' is currently in use by another operation and cannot be used";
        for (String c : List.of("clear", "remove", "enable", "disable")) {
            t.refused(busy, "block-dirty-bitmap-" + c, "{'node': 'q', 'name': 'b'}");
        }
        t.refused(
                busy,
                "block-export-add",
                "{'type': 'nbd', 'id': 'e', 'name': 'x', 'node-name': 'q', 'bitmaps': ['b']}");
        t.done("block-export-del", "{'id': 'e-q'}");
        assertEquals("b false", t.bitmaps("q", "busy"));
        t.done("block-dirty-bitmap-remove", "{'node': 'q', 'name': 'b'}");
    }

    // ---- checkpoints ----

    /** A writer goes over both disks again and again, with a number that grows: at a boundary all before a place has the new one. */
    @Test
    void checkpointsOfTwoDisks_areOfOneMoment_withTheirBitmaps() throws Exception {
        start();
        for (String n : List.of("q", "r")) {
            t.done("block-dirty-bitmap-add", "{'node': '" + n + "', 'name': 'b', 'granularity': 4096}");
        }
        AtomicBoolean stop = new AtomicBoolean();
        CountDownLatch some = new CountDownLatch(300);
        Thread writer = Thread.ofPlatform().start(() -> {
            try {
                for (int i = 0; !stop.get(); i++) {
                    for (String n : List.of("q", "r")) {
                        t.write(n, i % 256 * 4096L, 4096, i / 256 + 1);
                    }
                    some.countDown();
                }
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
        some.await();
        t.done(
                "transaction",
                "{'actions': [{'type': 'x-blockdev-checkpoint', 'data': {'node': 'q', 'node-name': 'cq', 'rotate': ['b']}},"
                        + "{'type': 'x-blockdev-checkpoint', 'data': {'node': 'r', 'node-name': 'cr', 'rotate': ['b']}}]}");
        t.refused("Node q is in use by checkpoint 'cq'", "blockdev-del", "{'node-name': 'q'}");
        export("cq", ", 'bitmaps': ['b']");
        export("cr", ", 'bitmaps': ['b']");
        Thread.sleep(50); // so that the disks go on changing
        byte[] q;
        byte[] r;
        try (NbdDisk a = client("cq");
                NbdDisk b = client("cr")) {
            q = all(a);
            r = all(b);
        }
        stop.set(true);
        writer.join();
        int differ = 0;
        int place = -1; // of the last write before the boundary
        for (int i = 0; i < 256; i++) {
            differ += q[i * 4096] == r[i * 4096] ? 0 : 1;
            place = place < 0 && q[i * 4096] != q[0] ? i : place;
            for (int k = 0; k < 4096; k++) {
                assertEquals(q[i * 4096], q[i * 4096 + k]);
                assertEquals(r[i * 4096], r[i * 4096 + k]);
            }
            assertEquals(place < 0 ? q[0] : q[0] - 1, q[i * 4096], "block " + i);
        }
        assertTrue(differ <= 1, differ + " blocks differ, and one may");
        assertEquals("b 1048576", t.bitmaps("cq", "count"));
        for (String n : List.of("cq", "cr")) {
            t.done("block-export-del", "{'id': 'e-" + n + "', 'mode': 'hard'}");
            t.done("blockdev-del", "{'node-name': '" + n + "'}");
        }
        assertEquals(2, t.nodes.list().size());
    }

    @Test
    void aRotatedBitmap_isKeptByTheImage_andMarkedAgainIfItsCheckpointWasNotClosed() throws Exception {
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'b', 'granularity': 4096, 'persistent': true}");
        t.write("q", 0, 4096, 1);
        t.done("x-blockdev-checkpoint", "{'node': 'q', 'node-name': 'c', 'rotate': ['b']}");
        t.write("q", 65_536, 4096, 1);
        assertEquals("b 4096 true", t.bitmaps("q", "count", "persistent"));
        assertEquals("b 4096 false", t.bitmaps("c", "count", "persistent"));
        t.done("blockdev-del", "{'node-name': 'c'}");
        reopen();
        assertEquals("b 4096", t.bitmaps("q", "count"));
        t.done("x-blockdev-checkpoint", "{'node': 'q', 'node-name': 'c', 'rotate': ['b']}");
        t.write("q", 0, 4096, 1);
        reopen();
        assertEquals("b 8192", t.bitmaps("q", "count"), "what the copy was for is not lost");
        t.done("x-blockdev-checkpoint", "{'node': 'q', 'node-name': 'c', 'rotate': ['b']}");
        t.done("block-dirty-bitmap-merge", "{'node': 'q', 'target': 'b', 'bitmaps': [{'node': 'c', 'name': 'b'}]}");
        assertEquals("b 8192", t.bitmaps("q", "count"));
    }

    private void reopen() throws Exception {
        t.close();
        t = new BlockTable();
        t.open("q", directory.resolve("q.qcow2"), ImageFormat.QCOW2);
    }

    @Test
    void aCheckpointThatFails_leavesNothing() throws Exception {
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'b', 'persistent': true}");
        t.write("q", 0, 4096, 1);
        String cant = "what a checkpoint keeps can't be written to directory " + directory.resolve("none") + ": ";
        QmpException e = assertThrows(
                QmpException.class,
                () -> t.ask(
                        "x-blockdev-checkpoint",
                        "{'node': 'q', 'node-name': 'c', 'directory': '%s', 'rotate': ['b']}"
                                .formatted(directory.resolve("none"))));
        assertTrue(String.valueOf(e.getMessage()).startsWith(cant), e.getMessage());
        t.refused(
                "Dirty bitmap 'x' not found",
                "transaction",
                "{'actions': [{'type': 'x-blockdev-checkpoint', 'data': {'node': 'q', 'node-name': 'c', 'rotate': ['b']}},"
                        + "{'type': 'x-blockdev-checkpoint', 'data': {'node': 'r', 'node-name': 'd', 'rotate': ['x']}}]}");
        t.refused(
                "there is a block node 'c' already",
                "transaction",
                "{'actions': [{'type': 'x-blockdev-checkpoint', 'data': {'node': 'q', 'node-name': 'c', 'rotate': ['b']}},"
                        + "{'type': 'x-blockdev-checkpoint', 'data': {'node': 'r', 'node-name': 'c'}}]}");
        assertEquals("b 65536 true true", t.bitmaps("q", "count", "recording", "persistent"));
        assertEquals(2, t.nodes.list().size());
        try (var files = Files.list(directory)) {
            assertEquals(2, files.count());
        }
        t.done("x-blockdev-checkpoint", "{'node': 'q', 'node-name': 'c', 'rotate': ['b']}");
        t.refused(
                "Node 'c' is a checkpoint, whose bitmaps do not change",
                "block-dirty-bitmap-clear",
                "{'node': 'c', 'name': 'b'}");
    }
}
