package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.BlockDevice;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;

/** A writer is killed at any moment: {@code qemu-img check} finds nothing worse than leaks, and what was flushed is there. */
@Tag("e2e")
class KilledWriterTest {
    private static final int AT_ONCE = 2;
    /** After the writer is ready, in ms. */
    private static final int LONGEST_LIFE = 400;
    /** Operations past the last flush that a writer may have done: more than it can. */
    private static final int AHEAD = 30_000;

    private static final List<String> GEOMETRIES = List.of(
            "",
            "cluster_size=4k",
            "cluster_size=512,refcount_bits=64",
            "cluster_size=512,refcount_bits=8",
            "cluster_size=16k,extended_l2=on",
            "lazy_refcounts=on,cluster_size=1k",
            "compat=0.10,cluster_size=4k");

    @TempDir
    private Path directory;

    private final AtomicLong verified = new AtomicLong();
    private final AtomicLong flushes = new AtomicLong();
    private final AtomicLong leaks = new AtomicLong();

    @Test
    void twoHundredTimes() throws Exception {
        kill(200, Long.getLong("serai.seed", 20261130));
    }

    @Test
    @Tag("soak")
    void tenThousandTimes() throws Exception {
        kill(Integer.getInteger("serai.kills", 10_000), Long.getLong("serai.seed", System.nanoTime()));
    }

    private void kill(int times, long seed) throws Exception {
        System.out.println("seed " + seed);
        try (ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE)) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < times; i++) {
                long mine = seed + i;
                Callable<?> once = () -> {
                    once(mine);
                    return null;
                };
                all.add(pool.submit(once));
            }
            try {
                for (Future<?> f : all) {
                    f.get();
                }
            } finally {
                pool.shutdownNow();
            }
        }
        System.out.printf(
                "%d writers killed, %d flushes completed, %d sectors that were flushed are there, 0 lost; %d images with leaks before they were opened%n",
                times, flushes.get(), verified.get(), leaks.get());
        assertTrue(flushes.get() > times, "writers hardly got to flush");
    }

    private void once(long seed) throws Exception {
        String geometry = GEOMETRIES.get((int) Math.floorMod(seed, GEOMETRIES.size()));
        Path image = directory.resolve(seed + ".qcow2");
        try (HostImageFile f = HostImageFile.create(image)) {
            Qcow2Disk.create(f, ModelTest.options(geometry, KillWriter.SIZE));
        }
        Random random = new Random(seed);
        long[] flushed = new long[KillWriter.THREADS];
        Process p = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Xshare:auto",
                        "-Xmx128m",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path", ".")),
                        KillWriter.class.getName(),
                        image.toString(),
                        Long.toString(seed))
                .redirectError(directory.resolve(seed + ".err").toFile())
                .start();
        try {
            try (BufferedReader out = p.inputReader(StandardCharsets.US_ASCII)) {
                assertEquals("READY", out.readLine(), () -> "seed " + seed + ": " + errors(seed));
                Thread.sleep(random.nextInt(LONGEST_LIFE));
                p.toHandle().destroyForcibly(); // SIGKILL; the process's own method would close its output, too
                for (String line = out.readLine(); line != null; line = out.readLine()) {
                    String[] words = line.split(" ");
                    if (words.length == 1 + flushed.length) { // the last line may be torn
                        flushes.incrementAndGet();
                        for (int t = 0; t < flushed.length; t++) {
                            flushed[t] = Math.max(flushed[t], Long.parseLong(words[1 + t]));
                        }
                    }
                }
            }
        } finally {
            p.toHandle().destroyForcibly(); // nothing else ends a writer
        }
        assertTrue(p.waitFor(60, TimeUnit.SECONDS));
        assertEquals("", errors(seed), "seed " + seed);
        // version 2 can't tell that a snapshot was being made: its marks may be left behind, which harms nothing
        boolean marks = geometry.startsWith("compat=0.10");
        int status = check(image, "seed " + seed + " " + geometry, marks);
        if (status != 0) {
            leaks.incrementAndGet();
        }
        try (BlockDevice d = Opening.trusted().open(image, ImageFormat.QCOW2, false)) {
            verify(d, seed, flushed);
            if (marks) {
                ((Qcow2Disk) d).check(true, true, n -> {});
            }
        }
        assertEquals(0, check(image, "seed " + seed + " " + geometry + ", opened since", false), "seed " + seed);
        Files.delete(image);
        Files.delete(directory.resolve(seed + ".err"));
    }

    private String errors(long seed) {
        try {
            return Files.readString(directory.resolve(seed + ".err"));
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** Status 0: sound, 3: leaks. Refcounts too low, or COPIED wrong in an image that isn't marked dirty, fail. */
    private static int check(Path image, String what, boolean marks) throws Exception {
        Process p = new ProcessBuilder("qemu-img", "check", "-f", "qcow2", image.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = p.waitFor();
        if (status == 2) {
            // in the middle of a snapshot the image is marked dirty, and COPIED may lag behind the counts until it is
            // opened
            boolean harmless =
                    said.lines().filter(l -> l.startsWith("ERROR")).allMatch(l -> l.startsWith("ERROR OFLAG_COPIED"));
            assertTrue(harmless && (marks || dirty(image)), what + ": " + said);
            return status;
        }
        assertTrue(status == 0 || status == 3, what + ": " + said);
        return status;
    }

    private static boolean dirty(Path image) throws IOException {
        try (BlockDevice d = Opening.trusted().open(image, ImageFormat.QCOW2, true)) {
            return ((Qcow2Disk) d).info().dirty();
        }
    }

    private void verify(BlockDevice d, long seed, long[] flushed) throws IOException {
        try (NativeBuffer b = new NativeBuffer(KillWriter.SIZE)) {
            d.read(0, b.address(), KillWriter.SIZE);
            for (int t = 0; t < KillWriter.THREADS; t++) {
                int sectors = KillWriter.SIZE / 512;
                long[] last = new long[sectors]; // the operation whose data a sector has, 0: zeros; -1: data or zeros
                long[] discarded = new long[sectors];
                boolean[] later = new boolean[sectors];
                KillWriter.Script script = new KillWriter.Script(seed, t);
                long most = flushed[t] + AHEAD;
                for (KillWriter.Operation o = script.next(); o.number() <= most; o = script.next()) {
                    for (int i = 0; i < o.count(); i++) {
                        int s = o.sector() + i * KillWriter.THREADS;
                        boolean past = o.number() > flushed[t];
                        switch (o.kind()) {
                            case WRITE, ZERO -> {
                                later[s] |= past;
                                if (!past) {
                                    last[s] = o.kind() == KillWriter.Kind.WRITE ? o.number() : 0;
                                    discarded[s] = 0;
                                }
                            }
                            case DISCARD -> {
                                if (i == 0) {
                                    discarded[s] = 1;
                                }
                            }
                            case FLUSH, SNAPSHOT -> {}
                        }
                    }
                    if (o.number() == flushed[t] + 5000 && flushed[t] == 0) {
                        break; // never flushed: nothing to look for
                    }
                }
                compare(b.segment(), t, last, discarded, later, seed, flushed[t]);
            }
        }
    }

    private void compare(
            MemorySegment disk, int thread, long[] last, long[] discarded, boolean[] later, long seed, long flushed) {
        for (int s = thread; s < last.length; s += KillWriter.THREADS) {
            MemorySegment now = disk.asSlice(s * 512L, 512);
            long number = now.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
            try (NativeBuffer want = NativeBuffer.confined(512)) {
                if (number != 0) {
                    KillWriter.fill(want.segment(), s, number);
                }
                int sector = s;
                assertEquals(
                        -1, now.mismatch(want.segment()), () -> "seed " + seed + ": sector " + sector + " is torn");
            }
            boolean newer = number > flushed || number == 0 && later[s];
            boolean same = number == last[s] || number == 0 && discarded[s] != 0;
            int sector = s;
            assertTrue(
                    newer || same,
                    () -> "seed %d: sector %d has operation %d, and %d was flushed (thread %d was flushed up to %d)"
                            .formatted(seed, sector, number, last[sector], thread, flushed));
            if (same && last[s] != 0) {
                verified.incrementAndGet();
            }
        }
    }
}
