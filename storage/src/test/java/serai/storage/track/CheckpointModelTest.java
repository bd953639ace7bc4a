package serai.storage.track;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.BlockDevice;

/**
 * Threads change two disks, and checkpoints of both are taken meanwhile. Each thread has blocks of its own, and does one operation after
 * the other; so a checkpoint has to show, of each thread, all its operations up to one that was the last begun or finished at the boundary,
 * on both disks, and none after it. What differs between two checkpoints has to be dirty in the bitmap of the later.
 */
class CheckpointModelTest {
    private static final int SIZE = 3 << 20;
    private static final int THREADS = 5;
    /** Blocks lie across the clusters of 64 KiB that are copied, so that threads share those. */
    private static final int BLOCK = 40_960;

    private record Operation(int disk, int position, int length, int value) {
        void on(BlockDevice[] disks, int kind) throws IOException {
            if (value != 0) {
                MemoryDisk.fill(disks[disk], position, length, value);
            } else if (kind == 0) {
                disks[disk].discard(position, length);
            } else {
                disks[disk].zero(position, length, true);
            }
        }
    }

    private static final class Writer implements Runnable {
        private final int number;
        private final BlockDevice[] disks;
        private final Random random;
        private final List<Operation> log = new ArrayList<>();
        /** Operations that the model has. */
        int applied;

        volatile int started;
        volatile int finished;
        volatile boolean stop;
        volatile Throwable wrong = new Throwable("none");

        Writer(int number, BlockDevice[] disks) {
            this.number = number;
            this.disks = disks;
            random = new Random(number);
        }

        @Override
        public void run() {
            try {
                for (int n = 1; !stop; n++) {
                    int block = random.nextInt(SIZE / BLOCK / THREADS) * THREADS + number;
                    int at = random.nextInt(BLOCK / 512);
                    Operation o = new Operation(
                            random.nextInt(2),
                            block * BLOCK + at * 512,
                            512 * (1 + random.nextInt(BLOCK / 512 - at)),
                            random.nextInt(3) == 0 ? 0 : random.nextInt(255) + 1);
                    synchronized (log) {
                        log.add(o);
                    }
                    started = n;
                    o.on(disks, random.nextInt(2));
                    finished = n;
                }
            } catch (IOException | RuntimeException e) {
                wrong = e;
            }
        }

        /** Applies operations to the model up to the n-th. */
        void apply(byte[][] model, int n) {
            for (; applied < n; applied++) {
                Operation o;
                synchronized (log) {
                    o = log.get(applied);
                }
                Arrays.fill(model[o.disk], o.position, o.position + o.length, (byte) o.value);
            }
        }

        boolean matches(byte[][] model, byte[][] view) {
            for (int b = number * BLOCK; b + BLOCK <= SIZE; b += THREADS * BLOCK) {
                for (int d = 0; d < 2; d++) {
                    if (!Arrays.equals(model[d], b, b + BLOCK, view[d], b, b + BLOCK)) {
                        return false;
                    }
                }
            }
            return true;
        }
    }

    private static MemoryDisk slow(int seed) {
        Random random = new Random(seed);
        return new MemoryDisk(SIZE) {
            @Override
            void pause() {
                int n;
                synchronized (random) {
                    n = random.nextInt(8);
                }
                if (n == 0) {
                    LockSupport.parkNanos(50_000);
                } else if (n < 4) {
                    Thread.yield();
                }
            }
        };
    }

    @TempDir
    private Path directory;

    private CheckpointDisk[] views = new CheckpointDisk[0];
    private final int[] started = new int[THREADS];
    private final int[] finished = new int[THREADS];

    @Test
    void checkpointsOfTwoDisksUnderWritesAreOneMoment() throws Exception {
        TrackedDisk[] disks = {new TrackedDisk(slow(1)), new TrackedDisk(slow(2))};
        for (TrackedDisk d : disks) {
            d.add(new DirtyBitmap("b", SIZE, 4096));
        }
        List<Writer> writers = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            Writer w = new Writer(i, disks);
            writers.add(w);
            threads.add(Thread.ofPlatform().start(w));
        }
        byte[][] model = new byte[2][SIZE];
        byte[][] before = new byte[2][SIZE];
        Random random = new Random(99);
        for (int round = 0; round < 60; round++) {
            LockSupport.parkNanos(random.nextInt(4_000_000));
            CheckpointDisk[] old = views;
            views = TrackedDisk.atBoundary(List.of(disks), () -> {
                for (int i = 0; i < THREADS; i++) {
                    finished[i] = writers.get(i).finished;
                    started[i] = writers.get(i).started;
                }
                CheckpointDisk[] taken = new CheckpointDisk[2];
                for (int i = 0; i < 2; i++) {
                    taken[i] = disks[i].checkpoint(directory, List.of(disks[i].rotate("b")));
                }
                return taken;
            });
            byte[][] now = content();
            for (Writer w : writers) {
                w.apply(model, finished[w.number]);
                if (!w.matches(model, now)) {
                    w.apply(model, started[w.number]);
                    assertTrue(w.matches(model, now), "round " + round + " thread " + w.number);
                }
            }
            for (int d = 0; d < 2; d++) {
                DirtyBitmap changed = views[d].bitmap("b").orElseThrow();
                for (int at = 0; at < SIZE; at += 512) {
                    if (!Arrays.equals(now[d], at, at + 512, before[d], at, at + 512)) {
                        assertTrue(changed.dirty(at), "round " + round + " disk " + d + " byte " + at);
                    }
                }
            }
            for (CheckpointDisk v : old) {
                v.close();
            }
            assertTrue(Arrays.deepEquals(now, content()), "the checkpoint changed, round " + round);
            before = now;
        }
        for (Writer w : writers) {
            w.stop = true;
        }
        for (Thread t : threads) {
            t.join();
        }
        for (Writer w : writers) {
            assertEquals("none", w.wrong.getMessage());
            assertTrue(w.finished > 100, "thread " + w.number + " did " + w.finished);
        }
        assertTrue(Arrays.deepEquals(before, content()));
    }

    private byte[][] content() throws IOException {
        byte[][] b = new byte[2][];
        for (int d = 0; d < 2; d++) {
            b[d] = MemoryDisk.read(views[d], 0, SIZE);
        }
        return b;
    }
}
