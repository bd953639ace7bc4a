package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.linux.HostFile;
import serai.linux.LinuxException;
import serai.storage.BlockDevice;
import serai.storage.nbd.NbdExport;
import serai.storage.nbd.NbdServer;
import tools.jackson.databind.JsonNode;

/** Guests whose disks an NBD server has that does not answer for a while, or with errors. */
@Tag("e2e")
final class StalledStoreTest {
    private static final int BYTES = 16 << 20;

    /** A disk in memory whose requests stand still, or fail, when the test wants it. */
    private static final class Store implements BlockDevice {
        private final MemorySegment bytes = Arena.ofAuto().allocate(BYTES, 4096);
        private boolean stalled;
        private int waiting;
        private @Nullable IOException failure;

        synchronized void stall(boolean now) {
            stalled = now;
            notifyAll();
        }

        /** Writes fail so, or do not any more. */
        synchronized void fail(@Nullable IOException e) {
            failure = e;
        }

        synchronized void awaitIdle() throws InterruptedException {
            while (waiting > 0) {
                wait();
            }
        }

        private synchronized void pass(boolean write) throws IOException {
            waiting++;
            notifyAll();
            try {
                while (stalled) {
                    wait();
                }
            } catch (InterruptedException e) {
                throw new IOException(e);
            } finally {
                waiting--;
                notifyAll();
            }
            IOException e = failure;
            if (write && e != null) {
                throw e;
            }
        }

        String sum() throws Exception {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("MD5").digest(bytes.toArray(ValueLayout.JAVA_BYTE)));
        }

        private static MemorySegment host(long address, long length) {
            return MemorySegment.ofAddress(address).reinterpret(length);
        }

        @Override
        public long size() {
            return BYTES;
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public void read(long position, long hostAddress, long length) throws IOException {
            pass(false);
            host(hostAddress, length).copyFrom(bytes.asSlice(position, length));
        }

        @Override
        public void write(long position, long hostAddress, long length) throws IOException {
            pass(true);
            bytes.asSlice(position, length).copyFrom(host(hostAddress, length));
        }

        @Override
        public void flush() throws IOException {
            pass(true);
        }

        @Override
        public void discard(long position, long length) throws IOException {
            pass(true);
        }

        @Override
        public void zero(long position, long length, boolean mayFree) throws IOException {
            pass(true);
            bytes.asSlice(position, length).fill((byte) 0);
        }

        @Override
        public void close() {}
    }

    @TempDir
    Path directory;

    private final NbdServer server = new NbdServer();
    private final Store a = new Store();
    private final Store b = new Store();
    private final Store other = new Store();

    @BeforeEach
    void serve() throws IOException {
        server.listen(UnixDomainSocketAddress.of(directory.resolve("nbd")));
        server.add(NbdExport.of("a", a));
        server.add(NbdExport.of("b", b));
        server.add(NbdExport.of("other", other));
    }

    @AfterEach
    void end() {
        a.stall(false);
        b.stall(false);
        server.close();
    }

    private String disk(String name, String more) {
        return "disk=nbd+unix:///" + name + "?socket=" + directory.resolve("nbd") + ",readonly=false,id=" + name + more;
    }

    /** The host's own: whatever is written to /dev/full finds no space. */
    private static IOException noSpace() throws IOException {
        try (HostFile f = HostFile.open(Path.of("/dev/full"), HostFile.Access.READ_WRITE);
                Arena arena = Arena.ofConfined()) {
            f.write(0, arena.allocate(512).address(), 512);
        } catch (LinuxException e) {
            return e;
        }
        throw new AssertionError("/dev/full took bytes");
    }

    private static String status(Qmp q) throws IOException {
        return q.execute("{'execute': 'query-status'}").path("status").asString("");
    }

    private static String ioStatus(Qmp q, String device) throws IOException {
        for (JsonNode n : q.execute("{'execute': 'query-block'}")) {
            if (n.path("qdev").asString("").equals("/machine/peripheral/" + device)) {
                return n.path("io-status").asString("");
            }
        }
        throw new AssertionError(device);
    }

    /** Writes to a disk until told not to; what failed is noted. */
    private static void beginToWrite(Vmm v, String device) throws Exception {
        Tiny.shell(
                v,
                "rm -f /stop; { (n=0; while [ ! -e /stop ]; do n=$((n+1)); dd if=/dev/urandom of=/dev/" + device
                        + " bs=16k count=4 seek=$((n*7%200*4)) conv=notrunc,fsync || echo >>/failed; done) >/dev/null 2>&1 & }");
    }

    private static void endToWrite(Vmm v) throws Exception {
        Tiny.shell(v, "echo >/stop; wait");
        assertEquals("sound", Tiny.shell(v, "[ -e /failed ] || echo sound"));
        assertEquals("sound", Tiny.shell(v, "dmesg | grep -i 'I/O error' || echo sound"));
    }

    private static void sameAs(Vmm v, String device, Store store) throws Exception {
        Tiny.shell(v, "sync; echo 3 >/proc/sys/vm/drop_caches");
        assertEquals(store.sum(), Tiny.shell(v, "md5sum </dev/" + device).split(" ")[0]);
    }

    private static void stops(Qmp q, String node, boolean noSpace) throws IOException {
        JsonNode e = q.await("BLOCK_IO_ERROR");
        assertEquals("stop", e.path("action").asString(""));
        assertEquals(node, e.path("node-name").asString(""));
        assertEquals(noSpace, e.path("nospace").asBoolean());
        q.await("STOP");
        assertEquals("io-error", status(q));
    }

    @Test
    void theVmStandsAlone_andGoesOnWithoutAnErrorInTheGuest() throws Exception {
        Path socket = directory.resolve("qmp");
        try (Vmm v = Vmm.start(Tiny.words(
                        "qmp=" + socket, disk("a", ",stall-timeout=3"), disk("b", ",stall=stop,stall-timeout=3")));
                Vmm second = Vmm.start(Tiny.words("qmp=" + socket + "2", disk("other", "")))) {
            Tiny.awaitShell(v);
            Tiny.awaitShell(second);
            try (Qmp q = new Qmp(socket);
                    Qmp q2 = new Qmp(Path.of(socket + "2"))) {
                // it pauses, and goes on by itself
                beginToWrite(v, "vda");
                a.stall(true);
                stops(q, "a", false);
                assertEquals("failed", ioStatus(q, "a"));
                assertEquals("ok", ioStatus(q, "b"));
                assertEquals("running", status(q2));
                Tiny.shell(second, "dd if=/dev/urandom of=/dev/vda bs=64k count=16 conv=fsync 2>/dev/null");
                sameAs(second, "vda", other);
                assertEquals("io-error", status(q));
                a.stall(false);
                q.await("RESUME");
                assertEquals("running", status(q));
                endToWrite(v);
                sameAs(v, "vda", a);

                // it stops, and goes on when it is told to
                beginToWrite(v, "vdb");
                b.stall(true);
                stops(q, "b", false);
                b.stall(false);
                b.awaitIdle();
                Thread.sleep(200); // in which it would go on if it did not wait for that
                assertEquals("io-error", status(q));
                q.execute("{'execute': 'cont'}");
                q.await("RESUME");
                assertEquals("running", status(q));

                // there is no space, until there is
                b.fail(noSpace());
                stops(q, "b", true);
                assertEquals("nospace", ioStatus(q, "b"));
                b.fail(null);
                q.execute("{'execute': 'cont'}");
                q.await("RESUME");
                assertEquals("running", status(q));
                endToWrite(v);
                sameAs(v, "vdb", b);

                // another error is the guest's
                a.fail(new IOException("injected"));
                String said = Tiny.shell(v, "dd if=/dev/urandom of=/dev/vda bs=4k count=1 conv=fsync 2>&1");
                assertTrue(said.contains("I/O error") || said.contains("Input/output error"), said);
                JsonNode e = q.await("BLOCK_IO_ERROR");
                assertEquals("report", e.path("action").asString(""));
                assertFalse(e.path("nospace").asBoolean());
                assertEquals("running", status(q));
                q.execute("{'execute': 'quit'}");
                q2.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
            assertEquals(0, second.await(60).status());
        }
    }
}
