package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static serai.storage.qcow2.ModelTest.OPENING;
import static serai.storage.qcow2.ModelTest.options;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import serai.storage.CrashFile;

/** Several threads write when everything stops: the file has any of the sectors that were written since its last flush, and not the others. */
class ThreadsCrashTest {
    @Test
    void losesNothingThatWasFlushed() throws Exception {
        crash(Integer.getInteger("serai.crashes", 150), Long.getLong("serai.seed", 20261201));
    }

    @Test
    @Tag("soak")
    void losesNothingThatWasFlushedForLong() throws Exception {
        crash(Integer.getInteger("serai.crashes", 10_000), Long.getLong("serai.seed", System.nanoTime()));
    }

    private static void crash(int times, long seed) throws Exception {
        System.out.println("seed " + seed);
        long verified = 0;
        long flushes = 0;
        for (int i = 0; i < times; i++) {
            Outcome o = once(seed + i);
            verified += o.verified;
            flushes += o.flushes;
        }
        System.out.printf(
                "%d crashes, %d flushes completed before, %d sectors that were flushed are there, 0 lost%n",
                times, flushes, verified);
        assertEquals(true, flushes > times, "writers hardly got to flush");
    }

    private record Outcome(long verified, long flushes) {}

    private static Outcome once(long seed) throws Exception {
        String words = KilledWriterTest.GEOMETRIES.get((int) Math.floorMod(seed, KilledWriterTest.GEOMETRIES.size()));
        String what = "seed " + seed + " " + words;
        CrashFile f = new CrashFile();
        Qcow2Disk.create(f, options(words, KillWriter.SIZE));
        Random r = new Random(seed);
        long[] flushed = new long[KillWriter.THREADS];
        long[] flushes = new long[1];
        List<Throwable> wrong = new CopyOnWriteArrayList<>();
        try (Qcow2Disk d = Qcow2Disk.open(f, OPENING)) {
            f.crashAfter(1 + r.nextInt(3000), r);
            AtomicLongArray done = new AtomicLongArray(KillWriter.THREADS);
            KillWriter.Listener listener = new KillWriter.Listener() {
                @Override
                public synchronized void flushed(long[] then) {
                    if (f.caught() == null) {
                        flushes[0]++;
                        for (int t = 0; t < flushed.length; t++) {
                            flushed[t] = Math.max(flushed[t], then[t]);
                        }
                    }
                }

                @Override
                public boolean goOn() {
                    return f.caught() == null && wrong.isEmpty();
                }
            };
            List<Thread> all = new ArrayList<>();
            for (int t = 0; t < KillWriter.THREADS; t++) {
                int me = t;
                all.add(Thread.ofPlatform().start(() -> {
                    try {
                        KillWriter.run(d, new KillWriter.Script(seed, me), me, done, listener);
                    } catch (IOException | RuntimeException | Error e) {
                        wrong.add(e);
                    }
                }));
            }
            for (Thread t : all) {
                t.join();
            }
        }
        if (!wrong.isEmpty()) {
            throw new AssertionError(what, wrong.getFirst());
        }
        CrashFile left = java.util.Objects.requireNonNull(f.caught());
        try (Qcow2Disk d = Qcow2Disk.open(left, OPENING.forCheck())) {
            CheckResult found = d.check(false, false, n -> {});
            assertEquals(0, found.errors(), () -> what + ": " + found.messages());
        }
        try (Qcow2Disk d = Qcow2Disk.open(left, OPENING)) {
            return new Outcome(Survivors.verify(d, seed, flushed), flushes[0]);
        }
    }
}
