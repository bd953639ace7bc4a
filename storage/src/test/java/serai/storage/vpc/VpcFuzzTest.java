package serai.storage.vpc;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.fuzz.GuidedFuzz;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.imported.Disks;
import serai.storage.imported.FakeFile;

/**
 * A fuzz target for VHDs: whatever the bytes, the image is refused in a sentence, or read. The first byte says whether the checksums are made
 * right, without which hardly anything gets past them.
 */
public final class VpcFuzzTest {
    private static final UUID ID = new UUID(1, 2);

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length > 0) {
            byte[] image = Arrays.copyOfRange(input, 1, input.length);
            byte[] file = (input[0] & 1) == 0 ? image : VhdImage.seal(image);
            Disks.probe(() -> VpcDisk.on(
                    new FakeFile("disk.vhd", file), Opening.with(References.NONE, Opening.Passphrases.NONE)));
        }
    }

    private static byte[][] sound() {
        byte[] disk = new byte[1024];
        disk[3] = 1;
        return new byte[][] {
            VhdImage.fixed(disk, ID),
            VhdImage.dynamic(disk, 512, ID),
            VhdImage.differencing(disk, 1024, new boolean[2], ID, ID, ".\\base.vhd")
        };
    }

    private static byte[] input(byte[] image) {
        byte[] input = new byte[image.length + 1];
        input[0] = 1;
        System.arraycopy(image, 0, input, 1, image.length);
        return input;
    }

    /** Sound images with some bytes changed. */
    @Test
    void damagedImages() {
        long seed = 20261202;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 3000; i++) {
            byte[] b = input(sound()[i % 3]);
            for (int n = random.nextInt(6); n >= 0; n--) {
                int at = random.nextInt(3) == 0
                        ? 1 + random.nextInt(Math.min(1200, b.length - 1))
                        : random.nextInt(b.length);
                b[at] = (byte) random.nextInt();
            }
            fuzzerTestOneInput(random.nextInt(20) == 0 ? Arrays.copyOf(b, random.nextInt(b.length)) : b);
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
        for (byte[] image : sound()) {
            Files.write(seeds.resolve("sound" + n++), input(image));
        }
        return new GuidedFuzz(VpcFuzzTest.class, "serai.storage.**", dir).seeds(seeds);
    }
}
