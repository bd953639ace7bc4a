package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.fuzz.GuidedFuzz;
import serai.storage.track.DirtyBitmap;

/**
 * A fuzz target for the server: whatever a client sends, it ends in order, the disk is asked for nothing that it has not, and what the client
 * gets are whole messages.
 */
public final class NbdServerFuzzTest {
    private static final int SIZE = 128 << 10;

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) {
        client(input);
    }

    static byte[] client(byte[] input) {
        FakeDisk disk = new FakeDisk(SIZE).filled(0, 8192).filled(65536, 4096);
        DirtyBitmap changed = new DirtyBitmap("b", SIZE, 4096);
        changed.set(8192, 20_000);
        ServedExport writable = new ServedExport(NbdExport.of("", disk).bitmap(changed));
        ServedExport readable =
                new ServedExport(NbdExport.of("r", disk).readOnly().description("text"));
        List<ServedExport> all = List.of(writable, readable);
        Exports exports = new Exports() {
            @Override
            public Optional<ServedExport> find(String name) {
                return all.stream().filter(e -> e.export().name().equals(name)).findFirst();
            }

            @Override
            public List<NbdExport> list() {
                return all.stream().map(ServedExport::export).toList();
            }
        };
        boolean[] ended = new boolean[1];
        Pipe pipe = new Pipe(input);
        // no workers but the first, so that it all happens here
        new Connection(new Wire(pipe, pipe), exports, new Semaphore(0), () -> ended[0] = true).run();
        assertTrue(ended[0] && !pipe.isOpen());
        assertEquals(0, disk.inside.get());
        disk.free();
        return pipe.heard();
    }

    private static void put(ByteArrayOutputStream out, ByteBuffer b) {
        out.write(b.array(), 0, b.position());
    }

    private static void option(ByteArrayOutputStream out, int option, byte[] data) {
        put(
                out,
                ByteBuffer.allocate(16 + data.length)
                        .putLong(Nbd.OPTION_MAGIC)
                        .putInt(option)
                        .putInt(data.length)
                        .put(data));
    }

    /** A sound session, of one way in and some requests. */
    private static byte[] session(Random random) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        put(out, ByteBuffer.allocate(4).putInt(random.nextInt(4)));
        String export = random.nextInt(4) == 0 ? "r" : "";
        if (random.nextInt(4) > 0) {
            option(out, Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
            option(out, Nbd.OPT_LIST_META_CONTEXT, RawClient.queries(export, "base:", "qemu:"));
            option(out, Nbd.OPT_SET_META_CONTEXT, RawClient.queries(export, "base:allocation", "qemu:dirty-bitmap:b"));
        }
        option(out, Nbd.OPT_LIST, new byte[0]);
        option(out, Nbd.OPT_INFO, RawClient.name(export, 1, 2, 3));
        if (random.nextBoolean()) {
            option(out, Nbd.OPT_GO, RawClient.name(export, 3));
        } else {
            option(out, Nbd.OPT_EXPORT_NAME, export.getBytes(StandardCharsets.UTF_8));
        }
        for (int n = random.nextInt(10); n > 0; n--) {
            int command = random.nextInt(9);
            int length = 512 * random.nextInt(8) * (random.nextInt(6) == 0 ? 32 : 1);
            put(
                    out,
                    RawClient.head(
                            random.nextInt(4) == 0 ? random.nextInt(32) : 0,
                            command,
                            n,
                            512 * random.nextInt(300),
                            length));
            if (command == Nbd.CMD_WRITE) {
                out.writeBytes(new byte[length]);
            }
        }
        return out.toByteArray();
    }

    @Test
    void damagedSessions() {
        long seed = 20261205;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 2000; i++) {
            byte[] b = session(random);
            for (int n = random.nextInt(4); n > 0; n--) {
                b[random.nextInt(b.length)] = (byte) random.nextInt();
            }
            client(b);
        }
    }

    /** The target does what it says: a sound session gets to the disk. */
    @Test
    void soundSessions() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        put(out, ByteBuffer.allocate(4).putInt(3));
        option(out, Nbd.OPT_GO, RawClient.name("r"));
        put(out, RawClient.head(0, Nbd.CMD_READ, 1, 0, 8192));
        byte[] heard = client(out.toByteArray());
        FakeDisk disk = new FakeDisk(8192).filled(0, 8192);
        assertEquals(
                ByteBuffer.wrap(disk.bytes().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE)),
                ByteBuffer.wrap(heard, heard.length - 8192, 8192));
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
        Random random = new Random(1);
        for (int i = 0; i < 30; i++) {
            Files.write(seeds.resolve("session" + i), session(random));
        }
        return new GuidedFuzz(NbdServerFuzzTest.class, "serai.storage.nbd.**", dir).seeds(seeds);
    }
}
