package serai.storage.imported;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;

/** qemu-img and qemu-io, which say what an image is. */
public final class Oracle {
    private static final Pattern MAP =
            Pattern.compile("\"start\": (\\d+), \"length\": (\\d+), \"depth\": (\\d+), .*\"zero\": (\\w+), "
                    + "\"data\": (\\w+)(?:, \"offset\": (\\d+))?");
    private static final int PIECE = 1 << 20;

    private Oracle() {}

    /** Skips the test if they are not installed. */
    public static void need() {
        for (String t : List.of("qemu-img", "qemu-io")) {
            assumeTrue(Files.isExecutable(Path.of("/usr/bin", t)), "capability: qemu-utils");
        }
    }

    /** What 7z makes of an image: it knows differencing disks, which qemu-img does not. */
    public static Path sevenZip(Path image, Path directory) throws IOException, InterruptedException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/7z")), "capability: 7zip");
        run("7z", "x", "-y", "-o" + directory, image);
        try (Stream<Path> files = Files.list(directory)) {
            return files.findFirst().orElseThrow();
        }
    }

    /** Runs a command, which has to succeed. */
    public static String run(Object... command) throws IOException, InterruptedException {
        return ends(0, command);
    }

    /** Runs a command with another status. */
    public static String ends(int status, Object... command) throws IOException, InterruptedException {
        List<String> words = new ArrayList<>();
        for (Object o : command) {
            words.add(o.toString());
        }
        Path out = Files.createTempFile("oracle", ".out");
        Process p = new ProcessBuilder(words)
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        try {
            assertTrue(p.waitFor(120, TimeUnit.SECONDS), () -> "hangs: " + words);
            String said = Files.readString(out);
            assertEquals(status, p.exitValue(), () -> words + ": " + said);
            return said;
        } finally {
            p.destroyForcibly();
            Files.delete(out);
        }
    }

    /** Makes a raw image with stretches of random bytes, of zeros and of nothing. */
    public static Path raw(Path path, long size, int stretches, long seed) throws IOException {
        Random random = new Random(seed);
        try (FileChannel f = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            f.write(ByteBuffer.allocate(1), size - 1);
            for (int i = 0; i < stretches; i++) {
                byte[] b = new byte[(int) Math.min(size, 512 * (1 + random.nextInt(1 << random.nextInt(11))))];
                switch (random.nextInt(4)) {
                    case 0 -> {}
                    case 1 -> java.util.Arrays.fill(b, (byte) random.nextInt()); // compresses well
                    default -> random.nextBytes(b);
                }
                long at = i == 0 ? 0 : i == 1 ? size - b.length : random.nextLong(size - b.length + 1) / 512 * 512;
                f.write(ByteBuffer.wrap(b), at);
            }
        }
        return path;
    }

    /** Holds an image against what qemu-img makes of it: size, every byte, and where they are. */
    public static void assertSame(Path image, ImageFormat format, Path scratch, boolean oneFile, boolean map)
            throws Exception {
        run("qemu-img", "convert", "-f", format.word(), "-O", "raw", image, scratch);
        String said = map ? run("qemu-img", "map", "--output=json", "-f", format.word(), image) : "";
        try (BlockDevice d = Opening.trusted().open(image, format, true);
                HostImageFile file = HostImageFile.open(image, true)) {
            assertBytes(d, scratch);
            if (oneFile) {
                Disks.assertStatusIsTrue(d, file);
            } else {
                Disks.assertStatusIsTrue(d);
            }
            if (map) {
                assertEquals(map(said), map(d), image::toString);
            }
        }
        Files.delete(scratch);
    }

    /** Holds every byte of a disk against a raw image. */
    public static void assertBytes(BlockDevice d, Path raw) throws IOException {
        try (HostImageFile r = HostImageFile.open(raw, true);
                NativeBuffer a = new NativeBuffer(PIECE);
                NativeBuffer b = new NativeBuffer(PIECE)) {
            assertEquals(r.size(), d.size());
            for (long at = 0; at < d.size(); at += PIECE) {
                long n = Math.min(PIECE, d.size() - at);
                d.read(at, a.address(), n);
                r.read(at, b.address(), n);
                long wrong = a.segment().asSlice(0, n).mismatch(b.segment().asSlice(0, n));
                long position = at + wrong;
                assertEquals(-1, wrong, () -> raw + " differs at byte " + position);
            }
        }
    }

    /** What is not zero: from, to, depth, place. */
    private static List<String> map(BlockDevice d) throws IOException {
        Joined joined = new Joined();
        for (Disks.Stretch s : Disks.map(d)) {
            Extent e = s.extent();
            if (!e.zero()) {
                joined.add(s.position(), e.length(), e.depth(), e.offset());
            }
        }
        return joined.lines;
    }

    private static List<String> map(String json) {
        Joined joined = new Joined();
        Matcher m = MAP.matcher(json);
        while (m.find()) {
            if (m.group(4).equals("false")) {
                joined.add(
                        Long.parseLong(m.group(1)),
                        Long.parseLong(m.group(2)),
                        Integer.parseInt(m.group(3)),
                        m.group(6) == null ? Extent.NOWHERE : Long.parseLong(m.group(6)));
            }
        }
        return joined.lines;
    }

    /** Stretches that continue each other are one. */
    private static final class Joined {
        private final List<String> lines = new ArrayList<>();
        private long start;
        private long end = -1;
        private int depth;
        private long offset;

        void add(long position, long length, int atDepth, long place) {
            boolean on = position == end
                    && atDepth == depth
                    && (offset == Extent.NOWHERE ? place == Extent.NOWHERE : place == offset + position - start);
            if (on) {
                lines.removeLast();
            } else {
                start = position;
                depth = atDepth;
                offset = place;
            }
            end = position + length;
            lines.add("%d-%d depth %d at %d".formatted(start, end, depth, offset));
        }
    }
}
