package serai.checks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A stock Debian kernel and programs of this host talk by sockets, whoever begins. */
@Tag("e2e")
final class VsockTest {
    private static final int BYTES = 3 << 20;

    @TempDir
    Path directory;

    private static void program(Vmm v, String name, byte[] elf) throws Exception {
        for (int at = 0; at < elf.length; at += 200) { // a terminal takes lines of 4,095 bytes at most
            StringBuilder octal = new StringBuilder();
            for (int i = at; i < Math.min(elf.length, at + 200); i++) {
                octal.append("\\%03o".formatted(elf[i] & 0xff));
            }
            Tiny.shell(v, "printf '" + octal + "' >>/" + name);
        }
        Tiny.shell(v, "chmod +x /" + name);
    }

    private static byte[] random() {
        long seed = 20261130;
        System.out.println("seed " + seed);
        byte[] b = new byte[BYTES];
        new Random(seed).nextBytes(b);
        return b;
    }

    /** Sends it all, and reads until the other side ends, meanwhile. */
    private static byte[] exchange(SocketChannel c, byte[] bytes) throws Exception {
        CompletableFuture<byte[]> back = CompletableFuture.supplyAsync(() -> {
            try {
                ByteArrayOutputStream all = new ByteArrayOutputStream();
                Channels.newInputStream(c).transferTo(all);
                return all.toByteArray();
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        Channels.newOutputStream(c).write(bytes);
        c.shutdownOutput();
        return back.get();
    }

    private static SocketChannel connect(Path path, int port) throws Exception {
        SocketChannel c = SocketChannel.open(UnixDomainSocketAddress.of(path));
        OutputStream out = Channels.newOutputStream(c);
        out.write(("CONNECT " + port + "\n").getBytes(StandardCharsets.US_ASCII));
        InputStream in = Channels.newInputStream(c);
        StringBuilder line = new StringBuilder();
        for (int ch; (ch = in.read()) >= 0 && ch != '\n'; ) {
            line.append((char) ch);
        }
        if (!line.toString().matches("OK \\d+")) {
            c.close();
            throw new java.io.IOException("not connected: " + line);
        }
        return c;
    }

    @Test
    void guestAndHostConnect_megabytesGoBothWays() throws Exception {
        Path path = directory.resolve("v");
        byte[] sent = random();
        try (Vmm v = Vmm.start(Tiny.words("vsock=" + path + ",cid=77"));
                ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path + "_5000"));
            Tiny.awaitShell(v);
            Tiny.shell(v, "echo 'exec cat' >/echo");
            program(v, "connect", VsockProgram.connecting(2, 5000, "/echo"));
            program(v, "nobody", VsockProgram.connecting(2, 5001, "/echo"));
            program(v, "listen", VsockProgram.listening(6000, "/echo"));

            v.type("/connect; echo ended $?\n");
            try (SocketChannel c = server.accept()) {
                assertArrayEquals(sent, exchange(c, sent));
            }
            v.awaitOutput(o -> o.contains("ended 0"), 60);

            assertEquals("104", Tiny.shell(v, "/nobody; echo $?"), "ECONNRESET");

            Tiny.shell(v, "/listen & sleep 1");
            try (SocketChannel c = connect(path, 6000)) {
                assertArrayEquals(sent, exchange(c, sent));
            }
            try {
                connect(path, 6001).close();
                throw new AssertionError("nobody listens there");
            } catch (java.io.IOException e) {
                assertEquals("not connected: ", e.getMessage());
            }
            v.type("poweroff -f\n");
            assertEquals(0, v.await(60).status());
        }
    }

    /** What is connected when a VM is saved is not any more when it is restored, and the guest hears of it. */
    @Test
    void aRestoredGuestSeesItsConnectionsBroken() throws Exception {
        Path path = directory.resolve("v");
        Path snapshot = directory.resolve("snapshot");
        try (Vmm v = Vmm.start(Tiny.words("vsock=" + path, "save-at=2500000000", "snapshot=" + snapshot));
                ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path + "_5000"));
            Tiny.awaitShell(v);
            Tiny.shell(v, "echo 'exec cat' >/echo");
            program(v, "connect", VsockProgram.connecting(2, 5000, "/echo"));
            program(v, "listen", VsockProgram.listening(6000, "/echo"));
            Tiny.shell(v, "(/connect; echo $? >/ended) & sleep 1");
            try (SocketChannel c = server.accept()) {
                v.type("while [ ! -e /ended ]; do :; done; echo it ended\n");
                assertEquals(0, v.await(200).status());
                assertEquals(-1, c.read(java.nio.ByteBuffer.allocate(1)));
            }
        }
        try (Vmm v = Vmm.start(Tiny.words("load=" + snapshot, "vsock=" + path + ",cid=9"))) {
            v.awaitOutput(o -> o.contains("it ended"), 60);
            Tiny.shell(v, "/listen & sleep 1");
            try (SocketChannel c = connect(path, 6000)) {
                byte[] words = "still here".getBytes(StandardCharsets.US_ASCII);
                assertArrayEquals(words, exchange(c, words));
            }
            v.type("poweroff -f\n");
            assertTrue(v.await(60).status() == 0);
        }
    }
}
