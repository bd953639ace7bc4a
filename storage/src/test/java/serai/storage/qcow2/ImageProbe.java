package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import serai.storage.CrashFile;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;
import serai.storage.Opening;
import serai.storage.imported.Disks;
import serai.storage.imported.FakeFile;

/**
 * Does with an image that may be damaged whatever is done with images: it is read, checked, written and mended. Each of this works, or is
 * refused in one sentence.
 */
final class ImageProbe {
    private static final int PIECE = 1 << 20;
    /** Of a disk of any size. */
    private static final int MOST_EXTENTS = 5000;

    private final byte[] image;
    private final Opening opening;
    private final List<String> refusals = new ArrayList<>();

    /**
     * Of an image.
     *
     * @param opening what it may name
     */
    ImageProbe(byte[] image, Opening opening) {
        this.image = image;
        this.opening = opening;
    }

    /** Does something with a disk. */
    private interface Use {
        void of(Qcow2Disk d) throws IOException;
    }

    /** All of it; the sentence by which it is refused when it is opened for reading, empty if it isn't. */
    String run() {
        refusals.clear();
        String first = open(new FakeFile("disk.qcow2", image), opening, ImageProbe::read);
        open(new FakeFile("disk.qcow2", image), opening.forCheck(), d -> d.check(false, false, n -> {}));
        open(file(), opening, ImageProbe::write);
        mend(true, true);
        mend(false, true);
        return first;
    }

    /** What was refused, and how. */
    List<String> refusals() {
        return refusals;
    }

    private CrashFile file() {
        return new ImageBytes(image).file();
    }

    /** Mends it; when nothing is left to be mended, it is opened, and may still say that some of it can't be read. */
    private void mend(boolean errors, boolean leaks) {
        CrashFile file = file();
        boolean[] sound = new boolean[1];
        open(file, opening.forCheck(), d -> {
            d.check(errors, leaks, n -> {});
            CheckResult again = d.check(false, false, n -> {});
            sound[0] = again.clean();
        });
        open(file, opening, d -> {
            read(d);
            if (sound[0]) {
                write(d);
                CheckResult after = d.check(false, false, n -> {});
                assertEquals(0, after.errors(), () -> "was sound, and is written: " + after.messages());
            }
        });
    }

    private String open(ImageFile file, Opening how, Use use) {
        try (Qcow2Disk d = Qcow2Disk.open(file, how)) {
            attempt(() -> use.of(d));
            return "";
        } catch (DiskException e) {
            refusals.add(e.getMessage());
            assertSentence(e.getMessage());
            return e.getMessage();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Something that may be refused. */
    private interface Attempt {
        void run() throws IOException;
    }

    private void attempt(Attempt a) {
        try {
            a.run();
        } catch (DiskException e) {
            refusals.add(e.getMessage());
            assertSentence(e.getMessage());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void refusable(Attempt a) throws IOException {
        try {
            a.run();
        } catch (DiskException e) {
            assertSentence(e.getMessage());
        }
    }

    private static void assertSentence(String s) {
        Disks.assertSentence(s);
        assertFalse(s.matches("(?s).*(Exception|\\bat serai\\.|java\\.|@[0-9a-f]{6}|null).*"), s);
    }

    private static void read(Qcow2Disk d) throws IOException {
        long size = d.size();
        assertTrue(size >= 0 && size % 512 == 0, () -> "size " + size);
        d.info();
        d.bitmapInfos();
        refusable(d::snapshots);
        try (NativeBuffer b = new NativeBuffer(PIECE)) {
            long p = 0;
            for (int i = 0; i < MOST_EXTENTS && p < size; i++) {
                long at = p;
                long[] next = {p + (64 << 10)};
                refusable(() -> {
                    Extent e = d.status(at, size - at);
                    assertTrue(e.length() > 0 && e.length() <= size - at, e::toString);
                    next[0] = at + e.length();
                });
                p = next[0] + 511 & -512;
            }
            for (long at : List.of(0L, size / 2 & -512, Math.max(0, size - PIECE))) {
                for (long n = 512; n <= Math.min(PIECE, size - at); n *= 2) {
                    long length = n;
                    refusable(() -> d.read(at, b.address(), length));
                }
            }
        }
    }

    private static void write(Qcow2Disk d) throws IOException {
        long size = d.size();
        try (NativeBuffer b = new NativeBuffer(PIECE)) {
            b.segment().fill((byte) 7);
            long cluster = d.info().clusterSize();
            for (long at : new long[] {0, 512, 3 * cluster, 4 * cluster + 512, size / 2 & -512, size - 512}) {
                if (at >= 0 && at < size) {
                    refusable(() -> d.write(at, b.address(), Math.min(size - at, 5120)));
                }
            }
            if (size >= 16 * cluster) {
                refusable(() -> d.writeCompressed(9 * cluster, b.address(), cluster));
                refusable(() -> d.zero(cluster, 2 * cluster, true));
                refusable(() -> d.zero(5 * cluster + 512, 1024, false));
                refusable(() -> d.discard(3 * cluster, 8 * cluster));
            }
            refusable(() -> d.createSnapshot("made"));
            refusable(() -> d.write(0, b.address(), Math.min(size, 512)));
            refusable(() -> d.applySnapshot("made"));
            refusable(() -> d.deleteSnapshot("1"));
            refusable(() -> d.deleteSnapshot("made"));
            refusable(() -> d.resize(size / 2 & -512));
            refusable(d::flush);
        }
        read(d);
    }
}
