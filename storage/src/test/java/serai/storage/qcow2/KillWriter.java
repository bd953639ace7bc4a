package serai.storage.qcow2;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.NativeBuffer;
import serai.storage.Opening;

/**
 * A process that writes to an image until it is killed, and tells each flush that has completed. What each of its threads does follows from the
 * seed alone, so who knows how far a thread was knows what it has written.
 *
 * <p>A line {@code F n0 n1 …} says that a flush has completed which began when thread i had done its first ni operations.
 */
public final class KillWriter {
    static final int THREADS = 3;
    static final int SIZE = 6 << 20;
    private static final int SECTORS = SIZE / 512;
    /** In ms. */
    private static final long LONGEST_LIFE = 120_000;

    /** What a thread does next. */
    enum Kind {
        WRITE,
        ZERO,
        DISCARD,
        FLUSH,
        SNAPSHOT
    }

    /**
     * An operation of a thread on its own sectors: {@code sector}, and {@code count - 1} more of each third one.
     *
     * @param number from 1
     */
    record Operation(Kind kind, int sector, int count, long number) {}

    /** The operations of a thread, without end. */
    static final class Script {
        private final SplittableRandom random;
        private final int thread;
        private long number;

        Script(long seed, int thread) {
            random = new SplittableRandom(seed * 31 + thread);
            this.thread = thread;
        }

        Operation next() {
            number++;
            int what = random.nextInt(64);
            Kind kind = what < 44
                    ? Kind.WRITE
                    : what < 52
                            ? Kind.ZERO
                            : what < 56 ? Kind.DISCARD : what < 63 || thread != 0 ? Kind.FLUSH : Kind.SNAPSHOT;
            int count = 1 + random.nextInt(random.nextBoolean() ? 4 : 40);
            int sector = random.nextInt(SECTORS / THREADS - count) * THREADS + thread;
            return new Operation(kind, sector, count, number);
        }
    }

    /** Hears of what the threads do. */
    interface Listener {
        /** A flush has completed that began when thread i had done its first {@code done[i]} operations. */
        void flushed(long[] done);

        /** Whether a thread goes on. */
        boolean goOn();
    }

    private KillWriter() {}

    /** What a sector holds after an operation has written it. */
    static void fill(MemorySegment to, int sector, long number) {
        for (int i = 0; i < 512; i += 16) {
            to.set(ValueLayout.JAVA_LONG_UNALIGNED, i, number);
            to.set(ValueLayout.JAVA_LONG_UNALIGNED, i + 8, sector);
        }
    }

    /** {@code KillWriter IMAGE SEED}. */
    public static void main(String[] args) throws Exception {
        long seed = Long.parseLong(args[1]);
        AtomicLongArray done = new AtomicLongArray(THREADS);
        try (BlockDevice d = Opening.trusted().open(Path.of(args[0]), ImageFormat.QCOW2, false)) {
            System.out.println("READY");
            for (int t = 0; t < THREADS; t++) {
                int me = t;
                Thread.ofPlatform().start(() -> {
                    try {
                        run((Qcow2Disk) d, new Script(seed, me), me, done, new Listener() {
                            @Override
                            public void flushed(long[] then) {
                                System.out.println("F "
                                        + LongStream.of(then)
                                                .mapToObj(Long::toString)
                                                .collect(Collectors.joining(" ")));
                            }

                            @Override
                            public boolean goOn() {
                                return true;
                            }
                        });
                    } catch (IOException | RuntimeException | Error e) {
                        e.printStackTrace();
                        Runtime.getRuntime().halt(3);
                    }
                });
            }
            Thread.sleep(LONGEST_LIFE);
            Runtime.getRuntime().halt(4); // whoever was to kill it has ended himself
        }
    }

    /** Does what a thread does. */
    static void run(Qcow2Disk d, Script script, int me, AtomicLongArray done, Listener listener) throws IOException {
        try (NativeBuffer b = new NativeBuffer(512)) {
            while (listener.goOn()) {
                Operation o = script.next();
                switch (o.kind) {
                    case WRITE -> {
                        for (int i = 0; i < o.count; i++) {
                            int sector = o.sector + i * THREADS;
                            fill(b.segment(), sector, o.number);
                            d.write(sector * 512L, b.address(), 512);
                        }
                    }
                    case ZERO -> {
                        for (int i = 0; i < o.count; i++) {
                            d.zero((o.sector + i * THREADS) * 512L, 512, i % 2 == 0);
                        }
                    }
                    case DISCARD -> d.discard(o.sector * 512L, 512);
                    case FLUSH -> {
                        long[] then =
                                IntStream.range(0, THREADS).mapToLong(done::get).toArray();
                        d.flush();
                        listener.flushed(then);
                    }
                    case SNAPSHOT -> {
                        if (d.snapshots().isEmpty()) {
                            d.createSnapshot("s");
                        } else {
                            d.deleteSnapshot("s");
                        }
                    }
                }
                done.set(me, o.number);
            }
        }
    }
}
