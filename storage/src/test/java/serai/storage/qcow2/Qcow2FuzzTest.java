package serai.storage.qcow2;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.fuzz.GuidedFuzz;
import serai.storage.Opening;
import serai.storage.References;

/**
 * A fuzz target for qcow2 images: a sound one, some words of which are other ones, is read, written, checked and mended, or refused in a
 * sentence. The input says which one by its first byte, then for each change where (3 bytes), how many bytes (1 byte, 1 to 8) and what they are.
 */
public final class Qcow2FuzzTest {
    private static final List<String> GEOMETRIES = List.of(
            "cluster_size=512",
            "cluster_size=4k",
            "cluster_size=16k,extended_l2=on",
            "cluster_size=512,refcount_bits=1",
            "cluster_size=1k,refcount_bits=64,compression_type=zstd",
            "cluster_size=4k,compat=0.10");
    private static final int MOST = 16;
    private static final Opening OPENING = Opening.with(References.NONE, image -> Optional.empty());

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        if (input.length == 0) {
            return;
        }
        ByteBuffer in = ByteBuffer.wrap(input);
        ImageBytes image = ImageBytes.sound(GEOMETRIES.get((in.get() & 0xff) % GEOMETRIES.size()));
        int size = image.bytes().length;
        for (int i = 0; i < MOST && in.remaining() > 4; i++) {
            int at = ((in.get() & 0xff) << 16 | (in.getShort() & 0xffff)) % size;
            for (int n = Math.min(in.get() & 7, in.remaining() - 1); n >= 0; n--) {
                image.put(Math.min(at++, size - 1), in.get() & 0xff);
            }
        }
        new ImageProbe(image.bytes(), OPENING).run();
    }

    /** Changes of metadata's words, mostly: where there is something in the image's first clusters. */
    private static byte[] input(Random r) throws IOException {
        int geometry = r.nextInt(GEOMETRIES.size());
        byte[] image = ImageBytes.sound(GEOMETRIES.get(geometry)).bytes();
        ByteBuffer b = ByteBuffer.allocate(256).put((byte) geometry);
        for (int n = 1 + r.nextInt(4); n > 0; n--) {
            int at = r.nextInt(r.nextBoolean() ? 112 : image.length);
            for (int tries = 0; image[at] == 0 && tries < 1000; tries++) {
                at = r.nextInt(image.length);
            }
            b.put((byte) (at >> 16)).putShort((short) at);
            int bytes = r.nextBoolean() ? 1 : 8;
            b.put((byte) (bytes - 1));
            for (int i = 0; i < bytes; i++) {
                // often another place of the same image
                b.put((byte) (bytes == 8 && i < 5 ? r.nextInt(20) == 0 ? r.nextInt() : 0 : r.nextInt()));
            }
        }
        byte[] made = new byte[b.position()];
        b.flip().get(made);
        return made;
    }

    @Test
    void damagedImages() throws IOException {
        long seed = Long.getLong("serai.seed", 20261207);
        System.out.println("seed " + seed);
        for (int i = 0; i < 600; i++) {
            byte[] input = input(new Random(seed + i));
            try {
                fuzzerTestOneInput(input);
            } catch (RuntimeException | Error e) {
                throw new AssertionError("seed " + (seed + i), e);
            }
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
        for (int i = 0; i < 60; i++) {
            Files.write(seeds.resolve("changed" + i), input(new Random(i)));
        }
        return new GuidedFuzz(Qcow2FuzzTest.class, "serai.storage.qcow2.**", dir).seeds(seeds);
    }
}
