package serai.storage.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.fuzz.GuidedFuzz;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.imported.Disks;
import serai.storage.imported.FakeFile;

/**
 * A fuzz target for VHDXs: whatever the bytes, the image is refused in a sentence, or read. An image has megabytes, so the input is what
 * matters of it ({@link #PARTS}), laid over a sound one; the first byte says which checksums are made right.
 */
public final class VhdxFuzzTest {
    private static final int MIB = VhdxImage.MIB;

    /**
     * A part of the image.
     *
     * @param checked bytes that its checksum covers; 0 if it has none
     */
    private record Part(int position, int length, int checked, String signature) {}

    private static final List<Part> PARTS = List.of(
            new Part(VhdxImage.HEADER_1, 80, 4096, "head"),
            new Part(VhdxImage.HEADER_2, 80, 4096, "head"),
            new Part(VhdxImage.REGIONS, 112, 64 << 10, "regi"),
            new Part(VhdxImage.METADATA, 256, 0, ""),
            new Part(VhdxImage.METADATA + VhdxImage.ITEMS, 640, 0, ""),
            new Part(VhdxImage.BAT, 64, 0, ""),
            new Part(VhdxImage.LOG, 200, 8192, "loge"),
            new Part(VhdxImage.LOG + 4096, 16, 0, ""),
            new Part(VhdxImage.LOG + 8192 - 8, 8, 0, ""),
            new Part(VhdxImage.LOG + 8192, 200, 4096, "loge"));

    private static final byte[] BASE = plain();

    private static VhdxImage image() {
        byte[] block = new byte[MIB];
        block[1] = 1;
        return new VhdxImage(3L * MIB, 512, 6).block(0, 6, block).block(1, 2, new byte[0]);
    }

    private static byte[] plain() {
        return image().build();
    }

    private static byte[] withLog() {
        byte[] b = plain();
        byte[] bat = new byte[4096];
        ByteBuffer.wrap(bat).order(ByteOrder.LITTLE_ENDIAN).putLong(0, 4L * MIB | 6);
        new VhdxImage.LogWriter(b, 0, 1)
                .begin()
                .data(VhdxImage.BAT, bat)
                .zeros(4 * MIB, 8192)
                .end(0, 0, 0)
                .begin()
                .zeros(VhdxImage.BAT + 4096, 4096)
                .end(0, 0, 0);
        return VhdxImage.dirty(b);
    }

    private static byte[] withParent() {
        return image().locator("parent_linkage", "{" + VhdxImage.DATA_WRITE + "}")
                .locator("relative_path", "base.vhdx")
                .build();
    }

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length == 0) {
            return;
        }
        FakeFile file = new FakeFile("disk.vhdx", BASE);
        int from = 1;
        for (int i = 0; i < PARTS.size(); i++) {
            Part p = PARTS.get(i);
            byte[] bytes = Arrays.copyOf(
                    Arrays.copyOfRange(input, Math.min(from, input.length), Math.min(from + p.length, input.length)),
                    p.length);
            from += p.length;
            file.change(p.position, bytes);
        }
        for (Part p : PARTS) {
            if (p.checked > 0 && (input[0] & (p.position < MIB ? 1 : 2)) != 0) {
                file.change(p.position, sealed(file, p));
            }
        }
        Disks.probe(() -> VhdxDisk.on(file, Opening.with(References.NONE, Opening.Passphrases.NONE)));
    }

    private static byte[] sealed(FakeFile file, Part p) {
        try {
            byte[] all = serai.storage.imported.TableReader.bytes(file, p.position, p.checked, ByteOrder.LITTLE_ENDIAN)
                    .array();
            VhdxImage.crc(all, 0, p.checked, p.signature);
            return Arrays.copyOf(all, p.length);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static byte[] input(byte[] image) {
        ByteBuffer b =
                ByteBuffer.allocate(1 + PARTS.stream().mapToInt(Part::length).sum());
        b.put((byte) 3);
        for (Part p : PARTS) {
            b.put(image, p.position, p.length);
        }
        return b.array();
    }

    private static List<byte[]> sound() {
        return List.of(input(plain()), input(withLog()), input(withParent()));
    }

    /** Sound images with some bytes changed. */
    @Test
    void damagedImages() {
        long seed = 20261204;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        List<byte[]> sound = sound();
        for (int i = 0; i < 2000; i++) {
            byte[] b = sound.get(i % sound.size()).clone();
            for (int n = random.nextInt(6); n > 0; n--) {
                b[random.nextInt(b.length)] = (byte) random.nextInt();
            }
            fuzzerTestOneInput(b);
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
        int n = 0;
        for (byte[] s : sound()) {
            Files.write(seeds.resolve("sound" + n++), s);
        }
        return new GuidedFuzz(VhdxFuzzTest.class, "serai.storage.**", dir).seeds(seeds);
    }
}
