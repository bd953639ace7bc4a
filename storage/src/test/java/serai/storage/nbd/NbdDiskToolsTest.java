package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/** Our client with others' servers: qemu-nbd, and nbdkit for what QEMU's does not do. */
@Tag("e2e")
@Timeout(120)
class NbdDiskToolsTest {
    private static final long MIB = 1 << 20;

    @TempDir
    private Path directory;

    private Path socket;
    private final List<Process> servers = new ArrayList<>();

    @BeforeEach
    void tools() {
        Tool.need();
        socket = directory.resolve("s");
    }

    @AfterEach
    void end() throws InterruptedException {
        for (Process p : servers) {
            p.destroy();
            // QEMU's forgets the signal if it comes while a client's end is being dealt with
            if (!p.waitFor(5, TimeUnit.SECONDS)) {
                p.destroyForcibly().waitFor();
            }
        }
    }

    /** Starts a server and waits until it listens. */
    private Process start(String... command) throws IOException, InterruptedException {
        Files.deleteIfExists(socket);
        Process p = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("log").toFile())
                .start();
        servers.add(p);
        while (!listens()) {
            assertTrue(p.isAlive(), () -> "has ended: " + String.join(" ", command));
            Thread.sleep(5);
        }
        return p;
    }

    private Process qemuNbd(Path image, String format, String... more) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(
                List.of("qemu-nbd", "-k", socket.toString(), "-x", "sda", "-t", "-e", "8", "-f", format));
        command.addAll(List.of(more));
        command.add(image.toString());
        return start(command.toArray(String[]::new));
    }

    /** A socket is there a moment before somebody listens. */
    private boolean listens() {
        try (SocketChannel c = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return c.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            return false;
        }
    }

    private NbdDisk connect(NbdDisk.Options options) throws IOException {
        return NbdDisk.connect(new NbdUri.Unix(socket, "sda"), options);
    }

    private Path qcow2(String size) throws Exception {
        Path image = directory.resolve("disk.qcow2");
        Tool.run("qemu-img", "create", "-q", "-f", "qcow2", image.toString(), size);
        return image;
    }

    private static void load(NbdDisk d, int threads, long each, long seed) throws Exception {
        System.out.println("seed " + seed);
        try (ExecutorService pool = Executors.newCachedThreadPool()) {
            List<Future<?>> all = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int mine = t;
                all.add(pool.submit(() -> {
                    new ModelLoad(d, mine * each, each, new Random(seed + mine)).run(200);
                    return null;
                }));
            }
            for (Future<?> f : all) {
                f.get(100, TimeUnit.SECONDS);
            }
        }
    }

    @Test
    void qemuNbd_underRandomLoad() throws Exception {
        Path image = qcow2("8M");
        qemuNbd(image, "qcow2", "--discard=unmap");
        try (NbdDisk d = connect(NbdDisk.Options.DEFAULT.connections(4))) {
            assertEquals(8 * MIB, d.size());
            load(d, 4, 2 * MIB, 20261207);
            d.flush();
        }
        end();
        Tool.run("qemu-img", "check", image.toString());
    }

    @Test
    void qemuNbd_tellsWhatIsAllocated() throws Exception {
        Path image = qcow2("8G");
        Tool.run("qemu-io", "-c", "write 1M 64k", "-c", "write -z 2M 1M", "-c", "write 7G 1M", image.toString());
        qemuNbd(image, "qcow2", "-r");
        try (NbdDisk d = connect(NbdDisk.Options.DEFAULT)) {
            assertTrue(d.readOnly());
            StringBuilder map = new StringBuilder();
            for (long at = 0; at < d.size(); ) {
                Extent e = d.status(at, d.size() - at);
                long from = at;
                at += e.length();
                while (at < d.size()) { // one look may tell less than all
                    Extent more = d.status(at, d.size() - at);
                    if (more.zero() != e.zero() || more.data() != e.data()) {
                        break;
                    }
                    at += more.length();
                }
                map.append("%d+%d%s%s\n".formatted(from, at - from, e.zero() ? " zero" : "", e.data() ? " data" : ""));
            }
            assertEquals("""
                    0+1048576 zero
                    1048576+65536 data
                    1114112+7515078656 zero
                    7516192768+1048576 data
                    7517241344+1072693248 zero
                    """, map.toString());
        }
    }

    @Test
    void qemuNbd_hasWhatWeWrite() throws Exception {
        Path image = directory.resolve("raw");
        Files.write(image, new byte[(int) (40 * MIB)]);
        qemuNbd(image, "raw");
        FakeDisk expected = new FakeDisk(40 * MIB).filled(0, 40 * MIB);
        try (NbdDisk d = connect(NbdDisk.Options.DEFAULT);
                NativeBuffer b = new NativeBuffer(40 * MIB)) {
            d.write(0, expected.bytes().address(), 40 * MIB); // in two requests
            d.flush();
            assertEquals(
                    -1, expected.bytes().mismatch(java.lang.foreign.MemorySegment.ofArray(Files.readAllBytes(image))));
            d.read(0, b.address(), 40 * MIB);
            assertEquals(-1, expected.bytes().mismatch(b.segment()));
        }
    }

    @Test
    void qemuNbd_thatIsKilledAndStartedAgain() throws Exception {
        Path image = directory.resolve("raw");
        Files.write(image, new byte[(int) MIB]);
        Process first = qemuNbd(image, "raw");
        try (NbdDisk d = connect(NbdDisk.Options.DEFAULT.retry(Duration.ofSeconds(60)));
                NativeBuffer b = new NativeBuffer(512)) {
            b.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 9);
            d.write(0, b.address(), 512);
            first.destroyForcibly().waitFor();
            qemuNbd(image, "raw");
            d.read(0, b.address(), 512);
            assertEquals(9, b.segment().get(ValueLayout.JAVA_BYTE, 0));
            assertThrows(IOException.class, d::flush); // the page cache has it, but who knows
            d.flush();
        }
        DiskException e = assertThrows(
                DiskException.class, () -> NbdDisk.connect(new NbdUri.Unix(socket, "none"), NbdDisk.Options.DEFAULT)
                        .close());
        assertTrue(String.valueOf(e.getMessage()).endsWith("has no export 'none'"), e::getMessage);
    }

    private void nbdkit(String... more) throws IOException, InterruptedException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/nbdkit")), "capability: nbdkit");
        List<String> command = new ArrayList<>(List.of("nbdkit", "-f", "-U", socket.toString()));
        command.addAll(List.of(more));
        start(command.toArray(String[]::new));
    }

    @Test
    void nbdkit_withoutStructuredReplies() throws Exception {
        nbdkit("--no-sr", "memory", "8M");
        try (NbdDisk d = connect(NbdDisk.Options.DEFAULT)) {
            load(d, 4, 2 * MIB, 20261208);
            Extent e = d.status(0, MIB);
            assertEquals(Extent.data(MIB, Extent.NOWHERE), e); // it can't tell
        }
    }

    @Test
    void nbdkit_thatMakesErrors() throws Exception {
        nbdkit("--filter=error", "memory", "8M", "error-pread-rate=30%", "error=ENOSPC");
        try (NbdDisk d = connect(NbdDisk.Options.DEFAULT);
                NativeBuffer b = new NativeBuffer(4096)) {
            int failed = 0;
            for (int i = 0; i < 100; i++) {
                try {
                    d.read(0, b.address(), 4096);
                } catch (NbdException e) {
                    assertEquals(Nbd.ENOSPC, e.error());
                    failed++;
                }
            }
            assertTrue(failed > 0 && failed < 100, () -> "not by chance");
        }
    }

    @Test
    void nbdkit_disksThatAreNoneHere() throws Exception {
        nbdkit("memory", "1000");
        DiskException odd = assertThrows(DiskException.class, () -> connect(NbdDisk.Options.DEFAULT));
        assertTrue(
                String.valueOf(odd.getMessage())
                        .endsWith("offers a disk of 1000 bytes, and a disk has a multiple of 512"),
                odd::getMessage);
        end();
        nbdkit("--filter=blocksize-policy", "memory", "8M", "blocksize-minimum=4096");
        DiskException large = assertThrows(DiskException.class, () -> connect(NbdDisk.Options.DEFAULT));
        assertTrue(
                String.valueOf(large.getMessage()).endsWith("with blocks of 4096 bytes, and sectors have 512"),
                large::getMessage);
        end();
        nbdkit("--mask-handshake=0", "memory", "8M");
        DiskException old = assertThrows(DiskException.class, () -> connect(NbdDisk.Options.DEFAULT));
        assertTrue(
                String.valueOf(old.getMessage()).endsWith("that is not fixed, which is not supported"),
                old::getMessage);
        end();
        nbdkit("-o", "memory", "8M");
        DiskException oldest = assertThrows(DiskException.class, () -> connect(NbdDisk.Options.DEFAULT));
        assertTrue(
                String.valueOf(oldest.getMessage()).endsWith("has the oldstyle handshake, which is not supported"),
                oldest::getMessage);
    }
}
