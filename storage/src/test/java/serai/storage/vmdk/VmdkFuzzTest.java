package serai.storage.vmdk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

/** A fuzz target for VMDKs: whatever the bytes, the image is refused in a sentence, or read. */
public final class VmdkFuzzTest {
    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) {
        Disks.probe(() ->
                VmdkDisk.on(new FakeFile("disk.vmdk", input), Opening.with(References.NONE, Opening.Passphrases.NONE)));
    }

    private static List<byte[]> sound() {
        List<byte[]> all = new ArrayList<>();
        byte[] disk = new byte[2 * 512];
        new Random(1).nextBytes(disk);
        int stream = VmdkImage.NEWLINES | VmdkImage.COMPRESSED | VmdkImage.MARKERS;
        for (int flags : new int[] {VmdkImage.NEWLINES, VmdkImage.ZEROED | VmdkImage.FLAG_REDUNDANT, stream}) {
            all.add(VmdkImage.of(disk, 1, flags));
            all.add(VmdkImage.withFooter(VmdkImage.of(disk, 8, flags)));
        }
        all.add(VmdkImage.TEXT
                .replace("SPARSE \"", "FLAT \"")
                .formatted(10)
                .replace("parentCID=ffffffff", "parentCID=1\nparentFileNameHint=\"base.vmdk\"")
                .getBytes(StandardCharsets.UTF_8));
        all.add("version=1\nencoding=\"windows-1252\"\nCID=1\nRW 1 ZERO\nRDONLY 99 ZERO\n"
                .getBytes(StandardCharsets.UTF_8));
        return all;
    }

    /** Sound images with some bytes changed. */
    @Test
    void damagedImages() {
        long seed = 20261203;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        List<byte[]> sound = sound();
        for (int i = 0; i < 3000; i++) {
            byte[] b = sound.get(i % sound.size()).clone();
            for (int n = random.nextInt(6); n >= 0; n--) {
                int at = random.nextInt(3) == 0 ? random.nextInt(Math.min(80, b.length)) : random.nextInt(b.length);
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
            Files.write(seeds.resolve("sound" + n++), image);
        }
        return new GuidedFuzz(VmdkFuzzTest.class, "serai.storage.**", dir).seeds(seeds);
    }
}
