package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The protocol, from a client's side: QEMU's docs/interop/qmp-spec, with clients that break it. */
@Timeout(60)
final class QmpServerTest {
    private static final String READY = "{\"execute\": \"qmp_capabilities\"}\n";

    @TempDir
    Path directory;

    private QmpServer server(String name) throws IOException {
        CommandTable table = new CommandTable();
        table.add("echo", List.of("text"), List.of("times"), a -> {
            long n = a.has("times") ? a.integer("times", 1, 9) : 1;
            return Json.object().put("text", a.string("text").repeat((int) n));
        });
        table.add("bug", a -> {
            throw new IllegalStateException("a bug");
        });
        QmpServer s =
                QmpServer.listen(directory.resolve(name), table, Json.object().put("package", "test"));
        s.serve();
        return s;
    }

    /** A client that sends what it is told. */
    private final class Client implements AutoCloseable {
        final SocketChannel channel;
        final BufferedReader in;
        final OutputStream out;

        Client(String name) throws IOException {
            channel = SocketChannel.open(UnixDomainSocketAddress.of(directory.resolve(name)));
            in = new BufferedReader(new InputStreamReader(Channels.newInputStream(channel), StandardCharsets.UTF_8));
            out = Channels.newOutputStream(channel);
        }

        String line() throws IOException {
            return String.valueOf(in.readLine());
        }

        String send(String text) throws IOException {
            out.write(text.getBytes(StandardCharsets.UTF_8));
            return line();
        }

        /** Greeted, and ready for commands. */
        Client ready() throws IOException {
            assertEquals("{\"QMP\":{\"version\":{\"package\":\"test\"},\"capabilities\":[]}}", line());
            assertEquals("{\"return\":{}}", send(READY));
            return this;
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    private static String error(String errorClass, String desc) {
        return "{\"error\":{\"class\":\"" + errorClass + "\",\"desc\":\"" + desc + "\"}}";
    }

    @Test
    void negotiation_comesBeforeCommandsAndOnce() throws IOException {
        try (QmpServer s = server("a");
                Client c = new Client("a")) {
            assertTrue(c.line().startsWith("{\"QMP\":"));
            assertEquals(
                    error("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'"),
                    c.send("{\"execute\": \"echo\", \"arguments\": {\"text\": \"x\"}}\n"));
            s.tell("TOO_EARLY", Json.object());
            assertEquals("{\"return\":{}}", c.send(READY));
            assertEquals(
                    error("CommandNotFound", "Capabilities negotiation is already complete, command ignored"),
                    c.send(READY));
        }
    }

    @Test
    void answers_carryTheIdAndErrorsTheirClass() throws IOException {
        try (QmpServer s = server("a");
                Client c = new Client("a").ready()) {
            assertEquals(
                    "{\"return\":{\"text\":\"xx\"},\"id\":{\"n\":[1]}}",
                    c.send("{\"id\":{\"n\":[1]},\"execute\":\"echo\",\"arguments\":{\"text\":\"x\",\"times\":2}}\n"));
            assertEquals(
                    "{\"return\":[{\"name\":\"bug\"},{\"name\":\"echo\"},{\"name\":\"query-commands\"},"
                            + "{\"name\":\"query-version\"}]}",
                    c.send("{\"execute\":\"query-commands\"}"));
            assertEquals(error("CommandNotFound", "The command no has not been found"), c.send("{\"execute\":\"no\"}"));
            assertEquals(error("GenericError", "Parameter 'text' is missing"), c.send("{\"execute\":\"echo\"}"));
            assertEquals(
                    error("GenericError", "Parameter 'y' is unexpected"),
                    c.send("{\"execute\":\"echo\",\"arguments\":{\"text\":\"x\",\"y\":1}}"));
            assertEquals(
                    error("GenericError", "Invalid parameter type for 'text', expected: string"),
                    c.send("{\"execute\":\"echo\",\"arguments\":{\"text\":1}}"));
            assertEquals(
                    error("GenericError", "Parameter 'times' must be from 1 to 9"),
                    c.send("{\"execute\":\"echo\",\"arguments\":{\"text\":\"x\",\"times\":99999999999999999999}}"));
            assertEquals(error("GenericError", "Parameter 'execute' is missing"), c.send("{}"));
            assertEquals(error("GenericError", "QMP input must be a JSON object"), c.send("[]"));
            assertTrue(c.send("{\"execute\":\"bug\"}").contains("an error in Serai itself"));
            s.tell("STOP", Json.object());
            assertTrue(c.line()
                    .matches("\\{\"timestamp\":\\{\"seconds\":\\d+,\"microseconds\":\\d+},\"event\":\"STOP\"}"));
        }
    }

    @Test
    void framing_valuesOverLinesWithoutLinesAndInPieces() throws Exception {
        try (QmpServer s = server("a");
                Client c = new Client("a").ready()) {
            assertEquals(
                    "{\"return\":{\"text\":\"}\\\"{\"}}",
                    c.send("  {\n\"execute\":\r\n\"echo\",\"arguments\": {\"text\":\"}\\\"{\"}}"));
            c.out.write("{\"execute\":\"ec".getBytes(StandardCharsets.UTF_8));
            Thread.sleep(20);
            assertEquals(
                    "{\"return\":{\"text\":\"x\"}}",
                    c.send("ho\",\"arguments\":{\"text\":\"x\"}}{\"execute\":\"query-version\"}"));
            assertEquals("{\"return\":{\"package\":\"test\"}}", c.line());
            assertEquals(error("GenericError", "Invalid JSON syntax"), c.send("nonsense\n"));
            assertEquals(error("GenericError", "Invalid JSON syntax"), c.send("{\"execute\":\"echo\",}\n"));
            assertEquals(error("GenericError", "Invalid JSON syntax"), c.send("{\"a\":1,\"a\":2}\n"));
            assertEquals("{\"return\":{\"package\":\"test\"}}", c.send("{\"execute\":\"query-version\"}"));
        }
    }

    @Test
    void aMessageTooLongOrTooDeep_endsItsConnectionAlone() throws IOException {
        try (QmpServer s = server("a");
                Client good = new Client("a").ready()) {
            try (Client c = new Client("a").ready()) {
                assertEquals(error("GenericError", "a message nests deeper than 64"), c.send("{\"a\":".repeat(65)));
                assertNull(c.in.readLine());
            }
            try (Client c = new Client("a").ready()) {
                byte[] b = new byte[Frames.MAX_BYTES + 100];
                java.util.Arrays.fill(b, (byte) 'a');
                b[0] = '"';
                ByteBuffer out = ByteBuffer.wrap(b);
                try {
                    while (out.hasRemaining()) {
                        c.channel.write(out);
                    }
                    assertEquals(error("GenericError", "a message has more than 1048576 bytes"), c.line());
                } catch (IOException e) {
                    // closed before we had written all of it
                }
            }
            assertEquals("{\"return\":{\"package\":\"test\"}}", good.send("{\"execute\":\"query-version\"}"));
        }
    }

    @Test
    void aClientThatDoesNotRead_isDisconnectedAndDelaysNobody() throws IOException {
        try (QmpServer s = server("a");
                Client good = new Client("a").ready();
                Client deaf = new Client("a").ready()) {
            String long_ = "x".repeat(100_000);
            for (int i = 0; i < 100; i++) {
                s.tell("E" + i, Json.object().put("text", long_));
                assertTrue(good.line().contains("\"event\":\"E" + i + "\""));
            }
            // it gets what the kernel holds, and then the end
            long read = 0;
            try {
                String l;
                while ((l = deaf.in.readLine()) != null) {
                    read += l.length();
                }
            } catch (IOException e) {
                read = Math.max(read, 0);
            }
            assertTrue(read < 100L * long_.length());
        }
    }

    @Test
    void moreClientsThanItServes_areTurnedAway() throws Exception {
        List<Client> all = new ArrayList<>();
        try (QmpServer s = server("a")) {
            for (int i = 0; i < 8; i++) {
                all.add(new Client("a").ready());
            }
            try (Client c = new Client("a")) {
                assertNull(c.in.readLine());
            }
            all.getFirst().close();
            for (int i = 0; ; i++) {
                try (Client c = new Client("a")) {
                    if (c.in.readLine() != null) {
                        break;
                    }
                }
                assertTrue(i < 200, "its place is never free");
                Thread.sleep(10);
            }
        } finally {
            for (Client c : all) {
                c.close();
            }
        }
    }

    @Test
    void theSocket_isItsOwnersAndReplacesAStaleOne() throws IOException {
        Path p = directory.resolve("a");
        try (ServerSocketChannel left = ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            left.bind(UnixDomainSocketAddress.of(p));
        } // the file stays, as after a VM that was killed
        assertTrue(Files.exists(p));
        try (QmpServer s = server("a")) {
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(p)));
            assertTrue(String.valueOf(
                            assertThrows(IOException.class, () -> server("a")).getMessage())
                    .contains("listens"));
        }
        assertFalse(Files.exists(p));
        Files.writeString(p, "precious");
        assertThrows(IOException.class, () -> server("a"));
        assertEquals("precious", Files.readString(p));
        assertThrows(IOException.class, () -> server("x".repeat(200)));
    }

    /** Mutations of sound messages: whatever comes, there is an answer or an end, and the next client is served. */
    @Test
    void randomMessages() throws IOException {
        long seed = 20261125;
        Random random = new Random(seed);
        String sound =
                "{\"execute\":\"echo\",\"arguments\":{\"text\":\"\\u0041\\n\",\"times\":3},\"id\":[1.5e3,null,true]}";
        try (QmpServer s = server("a")) {
            for (int round = 0; round < 200; round++) {
                byte[] b = sound.getBytes(StandardCharsets.UTF_8);
                for (int i = random.nextInt(4); i >= 0; i--) {
                    b[random.nextInt(b.length)] = (byte)
                            (random.nextBoolean() ? "{}[]\",:\\".charAt(random.nextInt(8)) : random.nextInt(256));
                }
                try (Client c = new Client("a").ready()) {
                    c.out.write(b);
                    c.channel.shutdownOutput();
                    String l;
                    while ((l = c.in.readLine()) != null) {
                        assertTrue(l.startsWith("{\"return\":") || l.startsWith("{\"error\":"), l);
                    }
                }
            }
        }
    }
}
