package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static serai.storage.qcow2.ModelTest.OPENING;
import static serai.storage.qcow2.ModelTest.SIZE;
import static serai.storage.qcow2.ModelTest.assertSound;
import static serai.storage.qcow2.ModelTest.create;
import static serai.storage.qcow2.ModelTest.open;
import static serai.storage.qcow2.ModelTest.options;
import static serai.storage.qcow2.ModelTest.read;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import serai.storage.CrashFile;
import serai.storage.NativeBuffer;

class ThreadsTest {
    /** Threads write, each its own sectors of shared clusters, discard and read, while snapshots are made and all is flushed. */
    @ParameterizedTest
    @MethodSource("serai.storage.qcow2.ModelTest#geometries")
    void threadsDoNotHurtEachOther(String words) throws Exception {
        CrashFile f = new CrashFile();
        create(f, options(words, SIZE));
        int threads = 4;
        List<Throwable> wrong = new CopyOnWriteArrayList<>();
        byte[][] models = new byte[threads][SIZE];
        try (Qcow2Disk d = open(f)) {
            List<Thread> all = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int me = t;
                all.add(Thread.ofPlatform().start(() -> {
                    try (NativeBuffer b = new NativeBuffer(64 << 10)) {
                        own(d, me, threads, models[me], b);
                    } catch (IOException | RuntimeException | Error e) {
                        wrong.add(e);
                    }
                }));
            }
            for (int i = 0; i < 5; i++) {
                d.flush();
                if (!words.contains("refcount_bits=1")) {
                    d.createSnapshot("s");
                    d.deleteSnapshot("s");
                }
            }
            for (Thread t : all) {
                t.join();
            }
            if (!wrong.isEmpty()) {
                throw new AssertionError(wrong.getFirst());
            }
            byte[] model = new byte[SIZE];
            for (int s = 0; s < SIZE / 512; s++) {
                System.arraycopy(models[s % threads], s * 512, model, s * 512, 512);
            }
            try (NativeBuffer b = new NativeBuffer(SIZE)) {
                assertArrayEquals(model, read(d, 0, SIZE, b));
            }
        }
        try (Qcow2Disk d = Qcow2Disk.open(f, OPENING.forCheck())) {
            assertSound(d);
        }
    }

    /** Of each group of sectors one is this thread's. */
    private static void own(Qcow2Disk d, int me, int threads, byte[] model, NativeBuffer b) throws IOException {
        Random r = new Random(me);
        for (int i = 0; i < 1500; i++) {
            int sector = r.nextInt(SIZE / 512 / threads) * threads + me;
            long position = sector * 512L;
            switch (r.nextInt(8)) {
                case 0, 1, 2, 3 -> {
                    byte[] data = new byte[512];
                    r.nextBytes(data);
                    System.arraycopy(data, 0, model, sector * 512, 512);
                    MemorySegment.copy(data, 0, b.segment(), ValueLayout.JAVA_BYTE, 0, 512);
                    d.write(position, b.address(), 512);
                }
                case 4 -> {
                    d.zero(position, 512, r.nextBoolean());
                    Arrays.fill(model, sector * 512, sector * 512 + 512, (byte) 0);
                }
                case 5 -> {
                    d.discard(position, 512);
                    System.arraycopy(read(d, position, 512, b), 0, model, sector * 512, 512); // old, or zeros
                }
                case 6 -> {
                    if (r.nextInt(8) == 0) {
                        d.flush();
                    }
                }
                default ->
                    assertArrayEquals(
                            Arrays.copyOfRange(model, sector * 512, sector * 512 + 512), read(d, position, 512, b));
            }
        }
    }
}
