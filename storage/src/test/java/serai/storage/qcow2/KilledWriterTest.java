package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
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
import serai.storage.Opening;

/** A writer is killed at any moment: {@code qemu-img check} finds nothing worse than leaks, and what was flushed is there. */
@Tag("e2e")
class KilledWriterTest {
    private static final int AT_ONCE = 2;
    /** After the writer is ready, in ms. */
    private static final int LONGEST_LIFE = 400;

    static final List<String> GEOMETRIES = List.of(
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
        // version 2 can't tell that its writer has not ended, so nobody looks for leaks when it is opened
        boolean old = geometry.startsWith("compat=0.10");
        if (check(image, "seed " + seed + " " + geometry) != 0) {
            leaks.incrementAndGet();
        }
        try (BlockDevice d = Opening.trusted().open(image, ImageFormat.QCOW2, false)) {
            verified.addAndGet(Survivors.verify(d, seed, flushed));
            if (old) {
                ((Qcow2Disk) d).check(true, true, n -> {});
            }
        }
        assertEquals(0, check(image, "seed " + seed + " " + geometry + ", opened since"), "seed " + seed);
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

    /** Status 0: sound, 3: leaks; anything else fails. */
    private static int check(Path image, String what) throws Exception {
        Process p = new ProcessBuilder("qemu-img", "check", "-f", "qcow2", image.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = p.waitFor();
        assertTrue(status == 0 || status == 3, what + ": " + said);
        return status;
    }
}
