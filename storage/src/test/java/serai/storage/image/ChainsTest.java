package serai.storage.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.BlockDevice;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;
import serai.storage.qcow2.Qcow2Disk;

/** Rebasing and committing of qcow2 images in files. */
class ChainsTest {
    private static final int SIZE = (1 << 20) + 5 * 512;

    private final Path dir;

    ChainsTest(@TempDir Path dir) {
        this.dir = dir;
    }

    /** An image with the same random content in part, upon another. */
    private Path image(String name, int size, String options, Path below, Random r) throws IOException {
        Path p = dir.resolve(name);
        NewImage image = NewImage.of(ImageFormat.QCOW2, size);
        for (String o : options.split(" ")) {
            image = o.isEmpty() ? image : image.with(o.substring(0, o.indexOf('=')), o.substring(o.indexOf('=') + 1));
        }
        if (!below.equals(dir)) {
            image = image.withBacking(below.getFileName().toString(), ImageFormat.QCOW2);
        }
        try (BlockDevice to = image.make(HostImageFile.create(p), NewImage.Secrets.NONE)) {
            for (int i = 0; i < 12; i++) {
                int at = r.nextInt(size / 512) * 512;
                int n = Math.min(size - at, 512 * (1 + r.nextInt(60)));
                if (r.nextInt(4) == 0) {
                    to.zero(at, n, true);
                } else {
                    TestDisks.fill(to, at, n, r.nextInt(3));
                }
            }
        }
        return p;
    }

    private static byte[] content(BlockDevice d, int size) throws IOException {
        try (NativeBuffer b = new NativeBuffer(size)) {
            d.read(0, b.address(), Math.min(size, d.size()));
            return b.segment().toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private static byte[] content(Path p, int size) throws IOException {
        try (BlockDevice d = Opening.trusted().open(p, ImageFormat.QCOW2, true)) {
            return content(d, size);
        }
    }

    private static void assertSound(Path p) throws IOException {
        try (BlockDevice d = Opening.trusted().forCheck().open(p, ImageFormat.QCOW2, true)) {
            assertTrue(((Qcow2Disk) d).check(false, false, n -> {}).clean());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "compat=0.10", "extended_l2=on", "cluster_size=4k"})
    void rebase(String options) throws IOException {
        Random r = new Random(options.hashCode());
        Path old = image("old", SIZE - 512 * r.nextInt(900), "cluster_size=8k", dir, r);
        Path other = image("other", SIZE - 512 * r.nextInt(900), "", dir, r);
        Path top = image("top", SIZE, options, old, r);
        byte[] wanted = content(top, SIZE);
        try (Qcow2Disk d = (Qcow2Disk) Opening.trusted().open(top, ImageFormat.QCOW2, false);
                BlockDevice below = Opening.trusted().open(other, ImageFormat.QCOW2, true)) {
            Rebase.run(d, below, (int) d.info().clusterSize(), 2, Progress.NONE);
            assertArrayEquals(wanted, content(d, SIZE));
            d.changeBacking("other", ImageFormat.QCOW2);
        }
        assertArrayEquals(wanted, content(top, SIZE));
        assertSound(top);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void commit(int depth) throws IOException {
        Random r = new Random(depth);
        Path lowest = image("lowest", SIZE - 512 * r.nextInt(900), "", dir, r);
        Path base = image("base", SIZE - 512 * r.nextInt(900), "compat=0.10", lowest, r);
        Path middle = image("middle", SIZE - 512 * r.nextInt(900), "", base, r);
        Path top = image("top", SIZE, "extended_l2=on", depth == 1 ? base : middle, r);
        byte[] wanted = content(top, SIZE);
        List<BlockDevice> chain = new ArrayList<>();
        Opening opening =
                Opening.trusted().writable(base).telling((at, path, format, device) -> chain.addFirst(device));
        try (Qcow2Disk d = (Qcow2Disk) opening.open(top, ImageFormat.QCOW2, false)) {
            Commit.run(d, chain.get(depth), depth, 2, Progress.NONE);
            assertArrayEquals(wanted, content(d, SIZE));
            if (depth == 1) {
                d.makeEmpty();
                assertArrayEquals(wanted, content(d, SIZE));
                DiskMap.walk(d, 0, SIZE, (at, extent) -> assertTrue(extent.depth() != 0));
            }
        }
        assertEquals(2 + depth, chain.size());
        assertArrayEquals(wanted, Arrays.copyOf(content(base, SIZE), SIZE));
        assertSound(top);
        assertSound(base);
    }
}
