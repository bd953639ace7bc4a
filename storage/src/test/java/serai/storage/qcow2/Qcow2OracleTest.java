package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import serai.storage.BlockDevice;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.image.Copy;
import serai.storage.image.NewImage;
import serai.storage.image.Progress;

/**
 * Every combination of features that qcow2 images have: those that qemu-img makes are read, written, snapshotted and resized by Serai, and
 * the other way round; qemu-img and Serai have to find each sound, and reading as it should.
 *
 * <p>{@code -Dserai.seed} gives another seed, {@code -Dserai.only=TEXT} runs those combinations alone that have the text in
 * their names, with + for a blank.
 */
@Tag("e2e")
class Qcow2OracleTest {
    private static final long SEED = Long.getLong("serai.seed", 20261130);
    private static final String ONLY = System.getProperty("serai.only", "").replace('+', ' ');
    private static final List<Combination> ALL = Combination.all(540, new Random(SEED));
    /** Most of the time goes to starting the tools. */
    private static final int THREADS = 2;

    /** By which a disk may grow. */
    private static final int ROOM = 3 << 20;

    private static final byte[] NOISE = new byte[64 << 10];
    private static final Map<Combination.Backing, byte[]> BASES = new EnumMap<>(Combination.Backing.class);
    private static final Opening OPENING = Opening.with(References.ANY, image -> Optional.of(secret("s")));

    @TempDir
    private static Path directory;

    private static byte[] secret(String id) {
        assertEquals("s", id);
        return Qemu.SECRET.getBytes(StandardCharsets.UTF_8);
    }

    @BeforeAll
    static void bases() throws Exception {
        Qemu.need();
        System.out.println("seed " + SEED);
        Random random = new Random(SEED);
        random.nextBytes(NOISE);
        Files.write(directory.resolve("noise"), NOISE);
        Qemu qemu = new Qemu(directory);
        for (Combination.Backing b : Combination.Backing.values()) {
            byte[] bytes = new byte[b.there() ? b.file().endsWith("small") ? 700 * 1024 + 512 : 3 << 20 : 0];
            for (int at = 0; at < bytes.length; ) {
                int n = Math.min(bytes.length - at, 512 * (1 + random.nextInt(200)));
                Arrays.fill(bytes, at, at + n, (byte) (random.nextInt(3) == 0 ? 0 : random.nextInt()));
                at += n;
            }
            BASES.put(b, bytes);
            if (b.there()) {
                Files.write(directory.resolve(b.format().equals("raw") ? b.file() : "raw"), bytes);
                if (b.format().equals("qcow2")) {
                    qemu.run(0, List.of("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "raw", b.file()));
                }
            }
        }
    }

    @Test
    void thereAreEnough() {
        assertTrue(ALL.size() >= 500, () -> ALL.size() + " combinations");
        System.out.println(ALL.size() + " combinations");
    }

    static IntStream clusterBits() {
        return IntStream.rangeClosed(9, 21);
    }

    /** What is done with a combination. */
    private interface Trial {
        void run(Image image) throws Exception;
    }

    private static void each(int clusterBits, Trial trial) throws Exception {
        List<String> failures = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            Map<Combination, Future<?>> running = new HashMap<>();
            Stream<Combination> all = ALL.stream()
                    .filter(c -> c.clusterBits() == clusterBits && c.toString().contains(ONLY));
            all.forEach(c -> running.put(c, threads.submit(() -> {
                try (Image image = new Image(c)) {
                    try {
                        trial.run(image);
                    } catch (Throwable e) {
                        System.out.println(c + ", " + image.log);
                        throw e;
                    }
                    image.delete();
                }
                return null;
            })));
            for (Map.Entry<Combination, Future<?>> e : running.entrySet()) {
                try {
                    e.getValue().get();
                } catch (java.util.concurrent.ExecutionException failed) {
                    failed.printStackTrace(System.out);
                    failures.add(e.getKey() + ": " + failed.getCause());
                }
            }
        }
        assertEquals(List.of(), failures, () -> "seed " + SEED);
    }

    @ParameterizedTest
    @MethodSource("clusterBits")
    void whatQemuMakes(int clusterBits) throws Exception {
        each(clusterBits, i -> {
            i.makeByQemu();
            i.qemuWrites(true);
            if (i.snapshots) {
                i.qemuSnapshots();
                i.qemuWrites(false);
            }
            i.maybeKillQemu();
            i.check(false);
            i.changeBySerai();
            i.checkByQemu();
            i.convertBySerai();
        });
    }

    @ParameterizedTest
    @MethodSource("clusterBits")
    void whatSeraiMakes(int clusterBits) throws Exception {
        each(clusterBits, i -> {
            i.makeBySerai();
            i.changeBySerai();
            i.qemuWrites(false);
            if (i.snapshots) {
                i.qemuSnapshots();
            }
            i.checkByQemu();
            i.check(true);
        });
    }

    /** An image under test, in a directory of its own. */
    private static final class Image implements AutoCloseable {
        private final Combination c;
        private final Random random;
        private final Path dir;
        private final Path path;
        private final Qemu qemu;
        private final DiskModel model;
        private final NativeBuffer buffer;
        /** What has been done, to be printed when it fails. */
        private final List<Object> log = new ArrayList<>();
        /** What the disk was at its snapshots. */
        private final Map<String, DiskModel> then = new HashMap<>();

        private final boolean compressing;
        /** A compressed cluster's place is counted as often as clusters lie in it: there may be no room for snapshots' counts. */
        private final boolean snapshots;

        Image(Combination c) throws IOException {
            this.c = c;
            random = new Random(SEED ^ c.toString().hashCode());
            dir = Files.createTempDirectory(directory, "image");
            path = dir.resolve("disk.qcow2");
            qemu = new Qemu(dir);
            compressing = c.compressible() && (c.refcountBits() >= 16 || random.nextBoolean());
            snapshots = c.data() == Combination.Data.INSIDE
                    && c.refcountBits() > 1
                    && (c.refcountBits() >= 16 || !compressing);
            if (c.backing().there()) { // its own, as QEMU takes a reader's lock for a writer's
                Path base = Files.createDirectory(dir.resolve("base"))
                        .resolve(c.backing().file());
                Files.copy(directory.resolve(c.backing().file()), base);
            }
            int size = 512 * (random.nextInt(200) + (c.clusterBits() < 18 ? 2048 : 5 * c.cluster() / 1024));
            buffer = new NativeBuffer(size + ROOM);
            model = new DiskModel(size, BASES.getOrDefault(c.backing(), new byte[0]));
        }

        void delete() throws IOException {
            try (Stream<Path> files = Files.walk(dir)) {
                for (Path p : files.toList().reversed()) {
                    Files.delete(p);
                }
            }
        }

        @Override
        public void close() {
            buffer.close();
        }

        // ---- what QEMU does ----

        void makeByQemu() throws Exception {
            List<String> words = new ArrayList<>(List.of("qemu-img", "create", "-q", "-f", "qcow2"));
            String options = String.join(",", c.options());
            if (c.data() != Combination.Data.INSIDE) {
                options += ",data_file=data,data_file_raw=" + (c.data() == Combination.Data.RAW_FILE ? "on" : "off");
            }
            words.addAll(List.of("-o", options));
            if (c.backing().there()) {
                words.addAll(List.of(
                        "-b", "base/" + c.backing().file(), "-F", c.backing().format()));
            }
            words.addAll(List.of("disk.qcow2", Integer.toString(model.size())));
            qemu.run(0, words);
        }

        void qemuWrites(boolean fresh) throws Exception {
            QemuScript s = new QemuScript(c, model, NOISE, random);
            if (fresh && compressing && c.preallocation() == Combination.Preallocation.OFF) {
                s.compressed(random.nextInt(6));
            }
            s.requests(4 + random.nextInt(8));
            if (then.isEmpty() && random.nextInt(3) == 0) {
                s.resize().requests(3);
            }
            log.add(s.commands());
            qemu.io("disk.qcow2", c.encrypted(), 0, s.commands());
        }

        /** With lazy refcounts it leaves them wrong. */
        void maybeKillQemu() throws Exception {
            if (c.lazy() && random.nextBoolean()) {
                QemuScript s = new QemuScript(c, model, NOISE, random).requests(5);
                s.commands().addAll(List.of("flush", "sigraise 9"));
                log.add(s.commands());
                qemu.io("disk.qcow2", c.encrypted(), 128 + 9, s.commands());
            }
        }

        void qemuSnapshots() throws Exception {
            for (Map.Entry<String, DiskModel> s : List.copyOf(then.entrySet())) {
                String name = s.getKey();
                log.add("qemu-img snapshot");
                if (random.nextBoolean() || then.size() == mostSnapshots()) {
                    qemu.snapshot("disk.qcow2", c.encrypted(), "-d", name);
                    then.remove(name);
                } else if (s.getValue().size() == model.size() && random.nextBoolean()) {
                    qemu.snapshot("disk.qcow2", c.encrypted(), "-a", name);
                    model.become(s.getValue());
                }
            }
            if (random.nextInt(4) != 0) {
                qemu.snapshot("disk.qcow2", c.encrypted(), "-c", "qemu");
                then.put("qemu", model.copy());
            }
        }

        /** Applying one counts once more what it shares with the disk. */
        private int mostSnapshots() {
            return c.refcountBits() == 2 ? 1 : 3;
        }

        void checkByQemu() throws Exception {
            qemu.assertSound("disk.qcow2", c.encrypted());
            try (Qcow2Disk d = open(path, true)) {
                model.settle(0, read(d, 0, model.size()));
            }
            qemu.assertReads("disk.qcow2", c.encrypted(), model.bytes());
            if (c.data() == Combination.Data.RAW_FILE) {
                byte[] data = Files.readAllBytes(dir.resolve("data"));
                assertTrue(
                        Arrays.mismatch(Arrays.copyOf(data, model.size()), model.bytes()) < 0,
                        "the raw data file is not what the disk reads as");
            }
        }

        // ---- what Serai does ----

        private static Qcow2Disk open(Path path, boolean readOnly) throws IOException {
            return (Qcow2Disk) OPENING.open(path, ImageFormat.QCOW2, readOnly);
        }

        private byte[] read(BlockDevice d, int at, int length) throws IOException {
            MemorySegment to = buffer.segment().asSlice(0, length).fill((byte) 0x5a);
            d.read(at, buffer.address(), length);
            return to.toArray(ValueLayout.JAVA_BYTE);
        }

        /** Serai's own check, of one whose writer has ended. */
        void check(boolean content) throws IOException {
            try (Qcow2Disk d = (Qcow2Disk) OPENING.forCheck().open(path, ImageFormat.QCOW2, true)) {
                CheckResult found = d.check(false, false, n -> {});
                if (!d.info().dirty()) {
                    assertEquals(List.of(), found.messages());
                }
            }
            if (content) {
                try (Qcow2Disk d = open(path, true)) {
                    assertArrayEquals(model.bytes(), read(d, 0, model.size()));
                }
            }
        }

        void makeBySerai() throws IOException {
            try (BlockDevice d = seraiMakes(path, model.size())) {
                if (!c.backing().there()) {
                    fill(d);
                } else {
                    assertArrayEquals(model.bytes(), read(d, 0, model.size()));
                }
            }
        }

        private BlockDevice seraiMakes(Path image, int size) throws IOException {
            NewImage n = NewImage.of(ImageFormat.QCOW2, size);
            for (String o : c.options()) {
                n = n.with(o.substring(0, o.indexOf('=')), o.substring(o.indexOf('=') + 1));
            }
            if (c.data() != Combination.Data.INSIDE) {
                n = n.with("data_file", image.equals(path) ? "data" : "data2")
                        .with("data_file_raw", c.data() == Combination.Data.RAW_FILE ? "on" : "off");
            }
            if (c.backing().there()) {
                n = n.withBacking(
                        "base/" + c.backing().file(),
                        ImageFormat.named(c.backing().format()));
            }
            return n.make(HostImageFile.create(image), Qcow2OracleTest::secret);
        }

        /** Converts a raw image with stretches of data. */
        private void fill(BlockDevice to) throws IOException {
            Path raw = dir.resolve("from.raw");
            for (int i = 0; i < 10; i++) {
                int[] place = QemuScript.place(random, model.size(), c.cluster());
                byte[] data = new byte[place[1]];
                if (random.nextBoolean()) {
                    Arrays.fill(data, (byte) random.nextInt());
                } else {
                    random.nextBytes(data);
                }
                model.write(place[0], data);
            }
            Files.write(raw, model.bytes());
            try (BlockDevice from = OPENING.open(raw, ImageFormat.RAW, true)) {
                Copy.run(
                        from,
                        to,
                        new Copy.Options(2, sparse(), compressing && random.nextBoolean(), null),
                        Progress.NONE);
            }
        }

        private int sparse() {
            return random.nextInt(4) == 0 ? 0 : 512 << random.nextInt(8);
        }

        /** Random requests, twice, and snapshots between. */
        void changeBySerai() throws IOException {
            for (int round = 0; round < 2; round++) {
                try (Qcow2Disk d = open(path, false)) {
                    assertEquals(model.size(), d.size());
                    assertEquals(
                            then.keySet().stream().sorted().toList(),
                            d.snapshots().stream()
                                    .map(SnapshotInfo::name)
                                    .sorted()
                                    .toList());
                    model.settle(0, read(d, 0, model.size()));
                    if (then.isEmpty() && random.nextInt(3) == 0) {
                        int size = QemuScript.resized(random, model.size());
                        log.add("resize " + size);
                        d.resize(size);
                        model.resize(size);
                    }
                    for (int i = 4 + random.nextInt(12); i > 0; i--) {
                        request(d);
                    }
                    if (snapshots) {
                        snapshot(d, "serai" + round);
                        request(d);
                        request(d);
                    }
                    model.settle(0, read(d, 0, model.size()));
                }
            }
        }

        private void request(Qcow2Disk d) throws IOException {
            int[] place = QemuScript.place(random, model.size(), c.cluster());
            int at = place[0];
            int length = place[1];
            int what = random.nextInt(compressing ? 8 : 7);
            log.add("%d %d+%d".formatted(what, at, length));
            switch (what) {
                case 0, 1, 2 -> write(at, length, random.nextBoolean(), d::write);
                case 3 -> {
                    d.zero(at, length, random.nextBoolean());
                    model.fill(at, length, 0);
                }
                case 4 -> {
                    d.discard(at, length);
                    model.discard(at, length);
                }
                case 5 -> d.flush();
                case 6 -> model.settle(at, read(d, at, length));
                default -> {
                    int first = at / c.cluster() * c.cluster();
                    write(first, Math.min(c.cluster(), model.size() - first), true, d::writeCompressed);
                }
            }
        }

        private interface Write {
            void run(long position, long address, long length) throws IOException;
        }

        private void write(int at, int length, boolean plain, Write how) throws IOException {
            byte[] data = new byte[length];
            if (plain) {
                Arrays.fill(data, (byte) random.nextInt());
            } else {
                random.nextBytes(data);
            }
            MemorySegment.copy(data, 0, buffer.segment(), ValueLayout.JAVA_BYTE, 0, length);
            how.run(at, buffer.address(), length);
            model.write(at, data);
        }

        private void snapshot(Qcow2Disk d, String name) throws IOException {
            for (Map.Entry<String, DiskModel> s : List.copyOf(then.entrySet())) {
                String old = s.getKey();
                if (then.size() == mostSnapshots() || random.nextInt(3) == 0) {
                    log.add("delete " + old);
                    d.deleteSnapshot(old);
                    then.remove(old);
                } else if (s.getValue().size() == model.size() && random.nextBoolean()) {
                    log.add("apply " + old);
                    d.applySnapshot(old);
                    model.become(s.getValue());
                }
            }
            log.add("create " + name);
            d.createSnapshot(name);
            then.put(name, model.copy());
        }

        /** A new one of the same kind, that reads the same. */
        void convertBySerai() throws Exception {
            Path other = dir.resolve("converted.qcow2");
            try (Qcow2Disk from = open(path, true);
                    BlockDevice to = seraiMakes(other, model.size());
                    BlockDevice base = c.backing().there() ? openBase() : null) {
                Copy.run(
                        from,
                        to,
                        new Copy.Options(2, sparse(), compressing && random.nextBoolean(), base),
                        Progress.NONE);
            }
            qemu.assertSound("converted.qcow2", c.encrypted());
            qemu.assertReads("converted.qcow2", c.encrypted(), model.bytes());
        }

        private BlockDevice openBase() throws IOException {
            return OPENING.open(
                    dir.resolve("base").resolve(c.backing().file()),
                    ImageFormat.named(c.backing().format()),
                    true);
        }
    }
}
