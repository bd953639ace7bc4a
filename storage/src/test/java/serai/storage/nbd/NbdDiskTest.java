package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.NativeBuffer;

/** Our client with our server. */
@Timeout(120)
class NbdDiskTest {
    private static final long MIB = 1 << 20;

    @TempDir
    private Path directory;

    private NbdServer server = new NbdServer();
    private Path socket;

    @BeforeEach
    void listen() throws IOException {
        socket = directory.resolve("nbd.sock");
        server.listen(UnixDomainSocketAddress.of(socket));
    }

    @AfterEach
    void end() {
        server.close();
    }

    private NbdDisk connect(String export, NbdDisk.Options options) throws IOException {
        return NbdDisk.connect(new NbdUri.Unix(socket, export), options);
    }

    @Test
    void sizeFlagsAndStatus() throws IOException {
        FakeDisk disk = new FakeDisk(MIB).filled(64 << 10, 64 << 10);
        server.add(NbdExport.of("a", disk));
        server.add(NbdExport.of("r", disk).readOnly());
        try (NbdDisk d = connect("a", NbdDisk.Options.DEFAULT);
                NbdDisk r = connect("r", NbdDisk.Options.DEFAULT);
                NbdDisk o = connect("a", NbdDisk.Options.DEFAULT.forReading())) {
            assertEquals(MIB, d.size());
            assertTrue(!d.readOnly() && r.readOnly() && o.readOnly());
            Extent hole = d.status(0, MIB);
            assertTrue(hole.zero() && !hole.data());
            assertEquals(64 << 10, hole.length());
            Extent data = d.status(64 << 10, MIB - (64 << 10));
            assertTrue(!data.zero() && data.data());
            assertEquals(64 << 10, data.length());
            try (NativeBuffer b = new NativeBuffer(512)) {
                IOException e = assertThrows(IOException.class, () -> r.write(0, b.address(), 512));
                assertEquals("nbd+unix:///r?socket=" + socket + " is read-only", e.getMessage());
                assertThrows(IOException.class, () -> o.zero(0, 512, true));
                assertThrows(IOException.class, () -> d.read(MIB, b.address(), 512));
            }
        }
    }

    @Test
    void tcpWithSeveralConnections() throws Exception {
        FakeDisk disk = new FakeDisk(4 * MIB).filled(0, 4 * MIB);
        server.add(NbdExport.of("", disk));
        InetSocketAddress at =
                (InetSocketAddress) server.listen(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        NbdUri uri = NbdUri.parse("nbd://localhost:" + at.getPort());
        try (NbdDisk d = NbdDisk.connect(uri, NbdDisk.Options.DEFAULT.connections(4));
                NativeBuffer b = new NativeBuffer(4 * MIB)) {
            assertEquals(4, server.clients(""));
            d.read(0, b.address(), 4 * MIB);
            assertEquals(-1, disk.bytes().mismatch(b.segment()));
        }
    }

    @Test
    void requestsOfOneConnectionAreUnderWayAtOnce() throws Exception {
        FakeDisk disk = new FakeDisk(MIB);
        server.add(NbdExport.of("", disk));
        try (NbdDisk d = connect("", NbdDisk.Options.DEFAULT);
                ExecutorService threads = Executors.newCachedThreadPool()) {
            disk.gate = new CountDownLatch(1);
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < Connection.MAX_WORKERS + 4; i++) {
                all.add(threads.submit(() -> {
                    d.flush();
                    return null;
                }));
            }
            while (disk.inside.get() < Connection.MAX_WORKERS) {
                Thread.sleep(1);
            }
            disk.gate.countDown();
            for (Future<?> f : all) {
                f.get(60, TimeUnit.SECONDS);
            }
            assertEquals(Connection.MAX_WORKERS, disk.mostInside.get());
        }
    }

    @Test
    void errorsOfTheDiskAreToldWithoutWhereItIs() throws IOException {
        FakeDisk disk = new FakeDisk(MIB).filled(0, MIB);
        server.add(NbdExport.of("", disk));
        try (NbdDisk d = connect("", NbdDisk.Options.DEFAULT);
                NativeBuffer b = new NativeBuffer(MIB)) {
            disk.failing = true;
            NbdException e = assertThrows(NbdException.class, () -> d.read(512, b.address(), 1024));
            assertEquals(
                    "nbd+unix:///?socket=%s can't read bytes 512+1024: EIO (the disk reports an error)"
                            .formatted(socket),
                    e.getMessage());
            assertThrows(NbdException.class, () -> d.write(0, b.address(), MIB));
            assertThrows(NbdException.class, d::flush);
            assertThrows(NbdException.class, () -> d.discard(0, MIB));
            assertThrows(NbdException.class, () -> d.status(0, MIB));
            disk.failing = false;
            d.read(0, b.address(), MIB); // the connection is as it was
            assertEquals(-1, disk.bytes().mismatch(b.segment()));
        }
    }

    /** Each thread has sectors of its own, among those of others; what it reads is what it has written, zeroed or discarded last. */
    @Test
    void randomLoadOfSeveralThreadsAgreesWithAModel() throws Exception {
        long seed = 20261202;
        System.out.println("seed " + seed);
        int threads = 6;
        FakeDisk disk = new FakeDisk(6 * MIB);
        server.add(NbdExport.of("", disk));
        try (NbdDisk d = connect("", NbdDisk.Options.DEFAULT.connections(2));
                ExecutorService pool = Executors.newCachedThreadPool()) {
            List<Future<?>> all = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int mine = t;
                all.add(pool.submit(() -> {
                    new ModelLoad(d, mine * MIB, MIB, new Random(seed + mine)).run(400);
                    return null;
                }));
            }
            for (Future<?> f : all) {
                f.get(120, TimeUnit.SECONDS);
            }
        }
    }

    @Test
    void removingAnExportWaitsForItsDiskAndEndsItsClients() throws Exception {
        FakeDisk disk = new FakeDisk(MIB);
        server.add(NbdExport.of("a", disk));
        server.add(NbdExport.of("b", new FakeDisk(MIB)));
        try (NbdDisk d = connect("a", NbdDisk.Options.DEFAULT);
                NbdDisk other = connect("b", NbdDisk.Options.DEFAULT);
                ExecutorService pool = Executors.newCachedThreadPool()) {
            disk.gate = new CountDownLatch(1);
            Future<?> flush = pool.submit(() -> {
                d.flush();
                return null;
            });
            while (disk.inside.get() == 0) {
                Thread.sleep(1);
            }
            Future<Boolean> removal = pool.submit(() -> {
                boolean was = server.remove("a");
                disk.close();
                return was;
            });
            Thread.sleep(50);
            assertTrue(!removal.isDone());
            disk.gate.countDown();
            assertTrue(removal.get(60, TimeUnit.SECONDS));
            flush.get(60, TimeUnit.SECONDS); // it had begun, and gets its reply
            IOException e = assertThrows(IOException.class, d::flush);
            assertTrue(String.valueOf(e.getMessage()).startsWith("the connection to nbd+unix:///a"));
            DiskException none = assertThrows(DiskException.class, () -> connect("a", NbdDisk.Options.DEFAULT));
            assertEquals("nbd+unix:///a?socket=" + socket + " has no export 'a'", none.getMessage());
            other.flush();
            assertTrue(!server.remove("a"));
        }
    }

    @Test
    void removalUnderLoadLeavesNobodyAtTheDisk() throws Exception {
        for (int round = 0; round < 20; round++) {
            FakeDisk disk = new FakeDisk(MIB).filled(0, MIB);
            server.add(NbdExport.of("a", disk));
            List<Thread> all = new ArrayList<>();
            for (int t = 0; t < 4; t++) {
                NbdDisk d = connect("a", NbdDisk.Options.DEFAULT);
                all.add(Thread.ofPlatform().start(() -> {
                    try (d;
                            NativeBuffer b = new NativeBuffer(64 << 10)) {
                        while (true) {
                            d.read(0, b.address(), 64 << 10);
                        }
                    } catch (IOException e) {
                        // the end of it
                    }
                }));
            }
            Thread.sleep(5);
            server.remove("a");
            disk.close(); // a use would throw, and the server log it
            assertEquals(0, disk.inside.get());
            for (Thread t : all) {
                t.join(60_000);
                assertTrue(!t.isAlive());
            }
        }
    }

    @Test
    void aLostConnectionIsToldInASentence() throws IOException {
        server.add(NbdExport.of("", new FakeDisk(MIB)));
        try (NbdDisk d = connect("", NbdDisk.Options.DEFAULT);
                NativeBuffer b = new NativeBuffer(512)) {
            server.close();
            for (int i = 0; i < 3; i++) {
                IOException e = assertThrows(IOException.class, () -> d.read(0, b.address(), 512));
                assertTrue(String.valueOf(e.getMessage())
                        .startsWith("the connection to nbd+unix:///?socket=" + socket + " is lost: "));
            }
        }
        IOException e = assertThrows(IOException.class, () -> connect("", NbdDisk.Options.DEFAULT));
        assertTrue(String.valueOf(e.getMessage())
                .startsWith("there is no connection to nbd+unix:///?socket=" + socket + ": "));
    }

    @Test
    void withARetryRequestsSurviveANewServer_butAFlushTellsWhatMayBeLost() throws Exception {
        FakeDisk disk = new FakeDisk(MIB);
        server.add(NbdExport.of("", disk));
        try (NbdDisk d = connect("", NbdDisk.Options.DEFAULT.retry(Duration.ofSeconds(60)));
                NativeBuffer b = new NativeBuffer(512)) {
            b.segment().set(ValueLayout.JAVA_BYTE, 0, (byte) 7);
            d.write(0, b.address(), 512);
            d.flush();
            again(disk, 100);
            d.read(0, b.address(), 512);
            assertEquals(7, b.segment().get(ValueLayout.JAVA_BYTE, 0));
            d.flush(); // all was flushed before
            d.write(512, b.address(), 512);
            again(disk, 0);
            IOException e = assertThrows(IOException.class, d::flush);
            assertTrue(String.valueOf(e.getMessage())
                    .endsWith("what was written before and not flushed may be lost, too"));
            d.flush(); // said once
        }
    }

    private void again(FakeDisk disk, long millis) throws Exception {
        server.close();
        server = new NbdServer();
        NbdServer next = server;
        Thread.ofPlatform().start(() -> {
            try {
                Thread.sleep(millis);
                next.add(NbdExport.of("", disk));
                next.listen(UnixDomainSocketAddress.of(socket));
            } catch (IOException | InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    @Test
    void anotherDiskUnderTheNameIsRefused() throws Exception {
        server.add(NbdExport.of("", new FakeDisk(MIB)));
        try (NbdDisk d = connect("", NbdDisk.Options.DEFAULT.retry(Duration.ofSeconds(60)))) {
            again(new FakeDisk(2 * MIB), 0);
            DiskException e = assertThrows(DiskException.class, d::flush);
            assertTrue(String.valueOf(e.getMessage()).endsWith(" is another one since the connection was lost"));
        }
    }

    @Test
    void aServerThatDoesNotReplyIsGivenUp() throws IOException {
        FakeDisk disk = new FakeDisk(MIB);
        server.add(NbdExport.of("", disk));
        try (NbdDisk d = connect("", NbdDisk.Options.DEFAULT.timeout(Duration.ofMillis(300)));
                NativeBuffer b = new NativeBuffer(512)) {
            d.read(0, b.address(), 512);
            disk.gate = new CountDownLatch(1);
            IOException e = assertThrows(IOException.class, () -> d.read(0, b.address(), 512));
            assertEquals(
                    "the connection to nbd+unix:///?socket=" + socket + " is lost: no reply within 0.3 seconds",
                    e.getMessage());
            disk.gate.countDown();
        }
    }

    @Test
    void anInterruptHarmsNobody() throws IOException {
        server.add(NbdExport.of("", new FakeDisk(MIB)));
        try (NbdDisk d = connect("", NbdDisk.Options.DEFAULT);
                NativeBuffer b = new NativeBuffer(512)) {
            Thread.currentThread().interrupt();
            d.read(0, b.address(), 512);
            assertTrue(Thread.interrupted());
            d.read(0, b.address(), 512);
        }
    }
}
