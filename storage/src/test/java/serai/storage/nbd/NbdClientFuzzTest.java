package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.fuzz.GuidedFuzz;
import serai.storage.NativeBuffer;

/**
 * A fuzz target for the client: whatever a server sends, each request ends, with an {@link IOException} if need be, and no memory but its own is
 * written. The input is the handshake and the replies to some requests, each with its length before it.
 */
public final class NbdClientFuzzTest {
    private static final int LENGTH = 1024;
    private static final byte GUARD = 0x5a;
    /** What is asked for; the cookie of request n is 64 (n + 1). */
    private static final List<Request> REQUESTS = List.of(
            new Request(0, Nbd.CMD_READ, 0, 4096, LENGTH),
            new Request(Nbd.CMD_FLAG_REQ_ONE, Nbd.CMD_BLOCK_STATUS, 0, 512, LENGTH),
            new Request(0, Nbd.CMD_WRITE, 0, 0, 512),
            new Request(0, Nbd.CMD_READ, 0, 0, LENGTH),
            new Request(0, Nbd.CMD_FLUSH, 0, 0, 0));

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) {
        server(input, 5);
    }

    /** How many requests got a reply without an error. */
    private static int server(byte[] input, long patienceMillis) {
        List<byte[]> segments = new ArrayList<>();
        ByteBuffer in = ByteBuffer.wrap(input);
        while (in.remaining() >= 2) {
            byte[] s = new byte[Math.min(Short.toUnsignedInt(in.getShort()), in.remaining())];
            in.get(s);
            segments.add(s);
        }
        Pipe pipe = new Pipe(segments.toArray(byte[][]::new));
        Wire wire = new Wire(pipe, pipe);
        ServerFacts facts;
        try {
            facts = new ClientNegotiation(wire, "the server", "x").run();
        } catch (IOException e) {
            return -1;
        }
        assertTrue(facts.size() >= 0 && facts.maxPayload() >= 512 && facts.maxPayload() <= Nbd.MAX_PAYLOAD);
        pipe.start(patienceMillis);
        int succeeded = 0;
        try (Link link = new Link(wire, facts, "the server", Duration.ofMinutes(2));
                NativeBuffer memory = new NativeBuffer(3 * LENGTH)) {
            for (Request r : REQUESTS) {
                memory.segment().fill(GUARD);
                Exchange x = new Exchange(r, memory.address() + LENGTH);
                try {
                    link.exchange(x);
                    succeeded += x.error() == 0 ? 1 : 0;
                } catch (IOException e) {
                    assertTrue(!String.valueOf(e.getMessage()).contains("Serai itself"), e::toString);
                }
                for (int i = 0; i < LENGTH; i++) {
                    assertEquals(GUARD, memory.segment().get(java.lang.foreign.ValueLayout.JAVA_BYTE, i));
                    assertEquals(GUARD, memory.segment().get(java.lang.foreign.ValueLayout.JAVA_BYTE, 2 * LENGTH + i));
                }
            }
        }
        return succeeded;
    }

    private static void put(ByteArrayOutputStream out, ByteBuffer b) {
        out.write(b.array(), 0, b.position());
    }

    private static void reply(ByteArrayOutputStream out, int option, int type, byte... data) {
        put(
                out,
                ByteBuffer.allocate(20 + data.length)
                        .putLong(Nbd.OPTION_REPLY_MAGIC)
                        .putInt(option)
                        .putInt(type)
                        .putInt(data.length)
                        .put(data));
    }

    private static void chunk(ByteArrayOutputStream out, boolean last, int type, int request, ByteBuffer payload) {
        put(
                out,
                ByteBuffer.allocate(20 + payload.position())
                        .putInt(Nbd.STRUCTURED_REPLY_MAGIC)
                        .putShort((short) (last ? 1 : 0))
                        .putShort((short) type)
                        .putLong(64L * (request + 1))
                        .putInt(payload.position())
                        .put(payload.flip()));
    }

    private static void segment(ByteArrayOutputStream out, ByteArrayOutputStream s) {
        put(out, ByteBuffer.allocate(2).putShort((short) s.size()));
        out.writeBytes(s.toByteArray());
        s.reset();
    }

    /** A server that does all it should, perhaps in the old way. */
    private static byte[] session(boolean structured, boolean go, boolean sizes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream s = new ByteArrayOutputStream();
        put(
                s,
                ByteBuffer.allocate(18)
                        .putLong(Nbd.MAGIC)
                        .putLong(Nbd.OPTION_MAGIC)
                        .putShort((short) 3));
        reply(s, Nbd.OPT_STRUCTURED_REPLY, structured ? Nbd.REP_ACK : Nbd.REP_ERR_UNSUP);
        if (structured) {
            byte[] name = "\0\0\0\7base:allocation".getBytes(java.nio.charset.StandardCharsets.UTF_8);
            reply(s, Nbd.OPT_SET_META_CONTEXT, Nbd.REP_META_CONTEXT, name);
            reply(s, Nbd.OPT_SET_META_CONTEXT, Nbd.REP_ACK);
        }
        ByteBuffer facts = ByteBuffer.allocate(10).putLong(1 << 20).putShort((short) 0xfff);
        if (go) {
            if (sizes) {
                ByteBuffer block = ByteBuffer.allocate(14)
                        .putShort((short) 3)
                        .putInt(1)
                        .putInt(4096)
                        .putInt(1 << 20);
                reply(s, Nbd.OPT_GO, Nbd.REP_INFO, block.array());
            }
            reply(
                    s,
                    Nbd.OPT_GO,
                    Nbd.REP_INFO,
                    ByteBuffer.allocate(12)
                            .putShort((short) 0)
                            .put(facts.flip())
                            .array());
            reply(s, Nbd.OPT_GO, Nbd.REP_ACK);
        } else {
            reply(s, Nbd.OPT_GO, Nbd.REP_ERR_UNSUP);
            put(s, facts);
        }
        segment(out, s);
        if (structured) {
            chunk(
                    s,
                    false,
                    Nbd.REPLY_TYPE_OFFSET_HOLE,
                    0,
                    ByteBuffer.allocate(12).putLong(4608).putInt(512));
            chunk(
                    s,
                    true,
                    Nbd.REPLY_TYPE_OFFSET_DATA,
                    0,
                    ByteBuffer.allocate(520).putLong(4096).position(520));
            segment(out, s);
            chunk(
                    s,
                    true,
                    Nbd.REPLY_TYPE_BLOCK_STATUS,
                    1,
                    ByteBuffer.allocate(12).putInt(7).putInt(4096).putInt(3));
        } else {
            simple(s, 0, 0);
            s.writeBytes(new byte[LENGTH]);
            segment(out, s);
            simple(s, 1, 0);
        }
        segment(out, s);
        simple(s, 2, 0);
        segment(out, s);
        if (structured) {
            chunk(
                    s,
                    true,
                    Nbd.REPLY_TYPE_ERROR,
                    3,
                    ByteBuffer.allocate(8)
                            .putInt(5)
                            .putShort((short) 2)
                            .put((byte) 'n')
                            .put((byte) 'o'));
        } else {
            simple(s, 3, 5);
        }
        segment(out, s);
        simple(s, 4, 0);
        segment(out, s);
        return out.toByteArray();
    }

    private static void simple(ByteArrayOutputStream out, int request, int error) {
        put(
                out,
                ByteBuffer.allocate(16)
                        .putInt(Nbd.SIMPLE_REPLY_MAGIC)
                        .putInt(error)
                        .putLong(64L * (request + 1)));
    }

    @Test
    void soundSessions() {
        for (int how = 0; how < 8; how++) {
            assertEquals(4, server(session((how & 1) != 0, (how & 2) != 0, (how & 4) != 0), 10_000), "session " + how);
        }
    }

    @Test
    void damagedSessions() {
        long seed = 20261206;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 2000; i++) {
            byte[] b = session(random.nextInt(4) > 0, random.nextBoolean(), random.nextBoolean());
            for (int n = 1 + random.nextInt(3); n > 0; n--) {
                b[random.nextInt(random.nextBoolean() ? 300 : b.length)] = (byte) random.nextInt();
            }
            server(b, 5);
        }
    }

    @Test
    @Tag("e2e")
    void guided_aFewSeconds(@TempDir Path dir) throws Exception {
        guided(dir).run(GuidedFuzz.BRIEFLY);
    }

    @Test
    @Tag("soak")
    void guided_forLong(@TempDir Path dir) throws Exception {
        guided(dir).run(GuidedFuzz.LONG);
    }

    private static GuidedFuzz guided(Path dir) throws IOException {
        Path seeds = Files.createDirectory(dir.resolve("seeds"));
        for (int how = 0; how < 8; how++) {
            Files.write(seeds.resolve("session" + how), session((how & 1) != 0, (how & 2) != 0, (how & 4) != 0));
        }
        return new GuidedFuzz(NbdClientFuzzTest.class, "serai.storage.nbd.**", dir).seeds(seeds);
    }
}
