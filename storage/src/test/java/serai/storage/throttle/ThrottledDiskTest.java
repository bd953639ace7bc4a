package serai.storage.throttle;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.BlockDevice;
import serai.storage.NativeBuffer;
import serai.storage.RawDisk;

class ThrottledDiskTest {
    @TempDir
    private Path directory;

    private BlockDevice image() throws IOException {
        Path p = directory.resolve("disk.img");
        Files.write(p, new byte[1 << 20]);
        return RawDisk.open(p, false);
    }

    /** A byte a second: the second request would wait for hours. */
    @Test
    void aThreadWaitsUntilTheThrottleLetsItPass() throws Exception {
        Throttle t = new Throttle(Limits.NONE.withBps(Limit.of(1)), Alarm.real());
        try (BlockDevice disk = new ThrottledDisk(image(), t);
                NativeBuffer b = new NativeBuffer(65536)) {
            disk.write(0, b.address(), 65536);
            disk.flush(); // does not count
            AtomicLong done = new AtomicLong();
            List<Thread> threads = new ArrayList<>();
            threads.add(thread(done, () -> disk.read(0, b.address(), 65536)));
            threads.add(thread(done, () -> disk.write(0, b.address(), 65536)));
            threads.add(thread(done, () -> disk.zero(0, 65536, true)));
            threads.add(thread(done, () -> disk.discard(0, 65536)));
            while (t.delayed() < 4) {
                Thread.sleep(1);
            }
            assertEquals(0, done.get());
            t.limits(Limits.NONE);
            for (Thread thread : threads) {
                thread.join();
            }
            assertEquals(4, done.get());
        }
    }

    private interface Action {
        void run() throws IOException;
    }

    private static Thread thread(AtomicLong done, Action action) {
        return Thread.ofPlatform().start(() -> {
            try {
                action.run();
                done.incrementAndGet();
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
    }

    /** What the limits are worth in real time: a line for each. */
    @Test
    @Tag("soak")
    void limitsHoldInRealTime() throws Exception {
        measure("iops 500", Limits.NONE.withIops(Limit.of(500)), 4096, 500 * 4096);
        measure("iops 20000", Limits.NONE.withIops(Limit.of(20_000)), 4096, 20_000 * 4096);
        measure("bps 1 MiB", Limits.NONE.withBps(Limit.of(1 << 20)), 4096, 1 << 20);
        measure("bps 200 MiB", Limits.NONE.withBps(Limit.of(200 << 20)), 65536, 200 << 20);
        measure("normalized 1000", Limits.NONE.withNormalized(Limit.of(1000)), 65536, 1000 * 8192);
    }

    private void measure(String name, Limits limits, int size, long expected) throws Exception {
        AtomicLong bytes = new AtomicLong();
        double seconds;
        try (BlockDevice disk = new ThrottledDisk(image(), new Throttle(limits, Alarm.real()))) {
            long from = System.nanoTime();
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    try (NativeBuffer b = new NativeBuffer(size)) {
                        while (System.nanoTime() - from < 10_000_000_000L) {
                            disk.read(0, b.address(), size);
                            bytes.addAndGet(size);
                        }
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            seconds = (System.nanoTime() - from) / 1e9;
        }
        Files.delete(directory.resolve("disk.img"));
        double rate = bytes.get() / seconds;
        System.out.printf("throttle %s: %.2f %% of the limit%n", name, 100 * rate / expected);
        assertEquals(expected, rate, expected * 0.05, name);
    }
}
