package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static serai.storage.qcow2.ModelTest.OPENING;
import static serai.storage.qcow2.ModelTest.create;
import static serai.storage.qcow2.ModelTest.options;
import static serai.storage.qcow2.ModelTest.read;
import static serai.storage.qcow2.ModelTest.step;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import serai.storage.CrashFile;
import serai.storage.FailingFile;
import serai.storage.NativeBuffer;

/** The file fails: whoever asked hears of it, the image stays sound, and what a flush has confirmed is there. */
class FailuresTest {
    private static final int SIZE = 1 << 20;

    @ParameterizedTest
    @MethodSource("serai.storage.qcow2.ModelTest#geometries")
    void nothingIsLostThatWasFlushed(String words) throws IOException {
        long seed = Long.getLong("serai.seed", words.hashCode());
        System.out.println(words + " seed " + seed);
        Random r = new Random(seed);
        CrashFile f = new CrashFile();
        create(f, options(words, SIZE));
        byte[] model = new byte[SIZE];
        int failures = 0;
        try (NativeBuffer b = new NativeBuffer(SIZE)) {
            for (int round = 0; round < 40; round++) {
                FailingFile failing = new FailingFile(f);
                Qcow2Disk d = Qcow2Disk.open(failing, OPENING);
                List<byte[]> allowed = new ArrayList<>(List.of(model.clone()));
                failing.failAfter(r.nextInt(r.nextBoolean() ? 20 : 300), 1 + r.nextInt(8));
                for (int i = r.nextInt(20); i > 0; i--) {
                    try {
                        step(r, d, model, b);
                        if (r.nextInt(4) == 0) {
                            d.flush();
                            allowed.clear();
                        }
                    } catch (IOException e) {
                        failures++;
                        allowed.add(model);
                        // going back to a snapshot may have failed after it was done
                        d.snapshots().forEach(then -> allowed.add(ModelTest.content(then.name())));
                        model = read(d, 0, SIZE, b);
                    }
                    allowed.add(model.clone());
                }
                if (r.nextBoolean()) {
                    try {
                        d.close();
                    } catch (IOException e) {
                        failures++;
                    }
                } else {
                    f = f.crash(r);
                }
                try (Qcow2Disk c = Qcow2Disk.open(f, OPENING.forCheck())) {
                    CheckResult found = c.check(false, false, n -> {});
                    assertEquals(0, found.errors(), () -> found.messages().toString());
                }
                try (Qcow2Disk c = Qcow2Disk.open(f, OPENING)) {
                    model = read(c, 0, SIZE, b);
                }
                for (int s = 0; s < SIZE; s += 512) {
                    int from = s;
                    byte[] now = model;
                    assertTrue(
                            allowed.stream().anyMatch(m -> Arrays.equals(m, from, from + 512, now, from, from + 512)),
                            () -> "sector " + from / 512 + " has what was never there");
                }
            }
        }
        assertTrue(failures > 5, "it hardly failed");
    }

    /** Of three flushes one goes on for long, the second fails, and the third has waited for both: it may not say that all is well. */
    @Test
    void aFlushThatWaitedForOneThatFailedFailsToo() throws Exception {
        CrashFile f = new CrashFile();
        create(f, options("", SIZE));
        FailingFile failing = new FailingFile(f);
        Qcow2Disk d = Qcow2Disk.open(failing, OPENING);
        CountDownLatch inFirst = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        failing.fault(operation -> {
            String who = Thread.currentThread().getName();
            if (who.equals("first") && operation.equals("flush")) {
                inFirst.countDown();
                try {
                    goOn.await();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
            } else if (who.equals("second") || who.equals("third")) {
                throw new IOException("made to fail");
            }
        });
        AtomicReference<IOException> second = new AtomicReference<>();
        AtomicReference<IOException> third = new AtomicReference<>();
        try (NativeBuffer b = new NativeBuffer(4096)) {
            d.write(0, b.address(), 4096);
            Thread one = start(d, "first", new AtomicReference<>());
            inFirst.await();
            d.write(SIZE / 2, b.address(), 4096);
            Thread two = start(d, "second", second);
            waiting(two);
            Thread three = start(d, "third", third);
            waiting(three);
            goOn.countDown();
            one.join();
            two.join();
            three.join();
        }
        assertNotNull(second.get());
        assertNotNull(third.get(), "what it waited for was not written");
        failing.fault(operation -> {});
        d.flush();
        d.close();
    }

    private static Thread start(Qcow2Disk d, String name, AtomicReference<IOException> failure) {
        return Thread.ofPlatform().name(name).start(() -> {
            try {
                d.flush();
            } catch (IOException e) {
                failure.set(e);
            }
        });
    }

    private static void waiting(Thread t) throws InterruptedException {
        while (t.getState() != Thread.State.WAITING) {
            Thread.sleep(1);
        }
    }

    @Test
    void nothingIsWrittenAnyMoreOnceNobodyKnowsWhichHeaderTheFileHas() throws IOException {
        CrashFile f = new CrashFile();
        create(f, options("", SIZE));
        FailingFile failing = new FailingFile(f);
        Qcow2Disk d = Qcow2Disk.open(failing, OPENING);
        try (NativeBuffer b = new NativeBuffer(4096)) {
            d.write(0, b.address(), 4096);
            d.flush();
            boolean[] header = new boolean[1];
            failing.fault(operation -> {
                if (d.metadata().header.snapshotCount > 0 || header[0]) {
                    header[0] = true;
                    throw new IOException("made to fail");
                }
            });
            assertThrows(IOException.class, () -> d.createSnapshot("s"));
            failing.fault(operation -> {});
            for (Executable e : List.<Executable>of(() -> d.write(0, b.address(), 4096), d::flush, d::close)) {
                String said = String.valueOf(assertThrows(IOException.class, e).getMessage());
                assertTrue(said.contains("until it is opened again"), said);
            }
        }
        try (Qcow2Disk again = Qcow2Disk.open(f, OPENING)) {
            again.createSnapshot("s");
            ModelTest.assertSound(again);
        }
    }
}
