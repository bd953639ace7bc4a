package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.track.DirtyBitmap;

/** What others' clients make of our server: QEMU's, and those of libnbd. */
@Tag("e2e")
class NbdToolsTest {
    private static final long MIB = 1 << 20;

    @TempDir
    private Path directory;

    private final NbdServer server = new NbdServer();
    private final FakeDisk disk =
            new FakeDisk(16 * MIB).filled(0, MIB).filled(3 * MIB, 64 << 10).filled(15 * MIB, MIB);
    private Path socket;

    @BeforeEach
    void listen() throws IOException {
        Tool.need();
        socket = directory.resolve("nbd.sock");
        server.listen(UnixDomainSocketAddress.of(socket));
    }

    @AfterEach
    void end() {
        server.close();
        assertTrue(Files.notExists(socket));
    }

    private String uri(String name) {
        return "nbd+unix:///" + name + "?socket=" + socket;
    }

    private void qemuIo(String image, String... commands) throws Exception {
        String[] all = new String[4 + 2 * commands.length];
        all[0] = "qemu-io";
        all[1] = "-f";
        all[2] = "raw";
        for (int i = 0; i < commands.length; i++) {
            all[3 + 2 * i] = "-c";
            all[4 + 2 * i] = commands[i];
        }
        all[all.length - 1] = image;
        String said = Tool.run(all);
        assertTrue(!said.contains("ailed") && !said.contains("rror"), said);
    }

    private void equal(Path file) throws IOException {
        byte[] read = Files.readAllBytes(file);
        assertEquals(-1, disk.bytes().mismatch(MemorySegment.ofArray(read)));
    }

    /** {@code nbdinfo --map}, a line for each stretch: start, length, status. */
    private String map(String context, String name) throws Exception {
        return Tool.run("nbdinfo", "--map=" + context, uri(name))
                .lines()
                .map(l -> l.strip().replaceAll("\\s+", " "))
                .reduce("", (a, b) -> a + b + "\n");
    }

    @Test
    void nbdcopy_hasTheDisk() throws Exception {
        server.add(NbdExport.of("sda", disk).readOnly());
        Path copy = directory.resolve("copy");
        Tool.run("nbdcopy", uri("sda"), copy.toString());
        equal(copy);
        Files.delete(copy);
        Tool.run("nbdcopy", "--connections=1", "--request-size=33554432", "--no-extents", uri("sda"), copy.toString());
        equal(copy);
    }

    @Test
    void nbdcopy_writesTheDisk() throws Exception {
        server.add(NbdExport.of("", disk));
        Path file = directory.resolve("file");
        FakeDisk other = new FakeDisk(16 * MIB).filled(MIB, 5 * MIB).filled(9 * MIB, 4096);
        Files.write(file, other.bytes().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE));
        Tool.run("nbdcopy", "--flush", file.toString(), uri(""));
        assertEquals(-1, disk.bytes().mismatch(other.bytes()));
        assertTrue(disk.flushes.get() > 0);
    }

    @Test
    void tcp() throws Exception {
        server.add(NbdExport.of("a b/c", disk));
        InetSocketAddress at =
                (InetSocketAddress) server.listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        Path copy = directory.resolve("copy");
        Tool.run("nbdcopy", "nbd://localhost:" + at.getPort() + "/a%20b/c", copy.toString());
        equal(copy);
    }

    @Test
    void nbdinfo_tellsExportsFlagsAndSizes() throws Exception {
        server.add(NbdExport.of("", disk).description("the system"));
        server.add(NbdExport.of("data", new FakeDisk(MIB, true)));
        String all = Tool.run("nbdinfo", "--list", uri(""));
        assertTrue(all.contains("newstyle-fixed without TLS, using structured packets"), all);
        String system = all.substring(all.indexOf("export=\"\""), all.indexOf("export=\"data\""));
        String data = all.substring(all.indexOf("export=\"data\""));
        assertTrue(system.contains("description: the system"), all);
        assertTrue(system.contains("export-size: 16777216 (16M)"), all);
        for (String can : new String[] {
            "is_read_only: false",
            "can_cache: true",
            "can_df: true",
            "can_fast_zero: true",
            "can_flush: true",
            "can_fua: true",
            "can_multi_conn: true",
            "can_trim: true",
            "can_zero: true",
            "block_size_minimum: 512",
            "block_size_preferred: 4096",
            "block_size_maximum: 33554432"
        }) {
            assertTrue(system.contains(can), () -> can + ": " + all);
        }
        assertTrue(data.contains("is_read_only: true") && data.contains("can_trim: false"), all);
        assertTrue(data.contains("export-size: 1048576"), all);
        Tool.run(1, "nbdinfo", uri("none"));
    }

    @Test
    void nbdinfo_mapsTheDisk() throws Exception {
        server.add(NbdExport.of("sda", disk));
        assertEquals("""
                0 1048576 0 data
                1048576 2097152 3 hole,zero
                3145728 65536 0 data
                3211264 12517376 3 hole,zero
                15728640 1048576 0 data
                """, map("base:allocation", "sda"));
        assertEquals("0 16777216 1 local\n", map("qemu:allocation-depth", "sda"));
    }

    @Test
    void nbdinfo_mapsWhatHasChanged() throws Exception {
        DirtyBitmap changed = new DirtyBitmap("chk", disk.size(), 64 << 10);
        changed.set(2 << 16, 65537);
        changed.set(disk.size() - 1, 1);
        server.add(NbdExport.of("sda", disk).readOnly().bitmap(changed));
        assertEquals("""
                0 131072 0 clean
                131072 131072 1 dirty
                262144 16449536 0 clean
                16711680 65536 1 dirty
                """, map("qemu:dirty-bitmap:chk", "sda"));
        String contexts = Tool.run("nbdinfo", uri("sda"));
        assertTrue(contexts.contains("qemu:dirty-bitmap:chk"), contexts);
        Tool.run(1, "nbdinfo", "--map=qemu:dirty-bitmap:none", uri("sda"));
    }

    @Test
    void qemuIo_writesDiscardsZeroesAndFlushes() throws Exception {
        server.add(NbdExport.of("sda", disk));
        qemuIo(
                "nbd:unix:" + socket + ":exportname=sda",
                "write -P 17 0 1M",
                "write -P 18 1M 3M",
                "write -f -P 19 5M 512",
                "read -P 17 0 1M",
                "write -z 4k 8k",
                "write -z -u 1M 1M",
                "discard 2M 1M",
                "flush",
                "write -P 7 513 100", // QEMU does it as a sector
                "read -P 0 4k 8k",
                "read -P 0 1M 2M",
                "read -P 7 513 100",
                "read -P 18 3M 1M",
                "aio_write -P 20 8M 1M",
                "aio_write -P 21 9M 1M",
                "aio_flush",
                "read -P 20 8M 1M");
        assertTrue(disk.flushes.get() >= 2); // one of the forced unit access, too
        assertEquals(21, disk.bytes().get(java.lang.foreign.ValueLayout.JAVA_BYTE, 9 * MIB));
        assertEquals(2 * MIB, disk.status(MIB, 4 * MIB).length());
        assertTrue(disk.status(MIB, 4 * MIB).zero());
        assertTrue(disk.status(4096, 8192).data()); // without -u it stays allocated
    }

    @Test
    void qemuIo_isRefusedToWriteWhatIsReadOnly() throws Exception {
        server.add(NbdExport.of("sda", disk).readOnly());
        String said = Tool.run(1, "qemu-io", "-f", "raw", "-c", "write 0 512", uri("sda"));
        assertTrue(said.contains("read-only") || said.contains("Permission denied"), said);
        Tool.run("qemu-io", "-r", "-f", "raw", "-c", "read 0 512", uri("sda"));
    }

    @Test
    void qemuImg_comparesAndConverts() throws Exception {
        server.add(NbdExport.of("sda", disk));
        Path qcow2 = directory.resolve("copy.qcow2");
        Tool.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", uri("sda"), qcow2.toString());
        Tool.run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", uri("sda"), qcow2.toString());
        FakeDisk other = new FakeDisk(16 * MIB).filled(0, 16 * MIB);
        server.add(NbdExport.of("other", other));
        Tool.run("qemu-img", "convert", "-n", "-f", "qcow2", "-O", "raw", qcow2.toString(), uri("other"));
        assertEquals(-1, disk.bytes().mismatch(other.bytes()));
        assertTrue(other.status(MIB, MIB).zero());
    }
}
