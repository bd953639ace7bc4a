package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import serai.storage.BlockDevice;
import serai.storage.NativeBuffer;

/** Finds out whether a disk that {@link KillWriter} wrote to has all that was flushed, and nothing that was never written. */
final class Survivors {
    /** Operations past the last flush that a writer may have done: more than it can. */
    private static final int AHEAD = 30_000;

    private Survivors() {}

    /**
     * Reads all of it.
     *
     * @param flushed operations of each thread that were done when the last flush began that has completed
     * @return how many sectors hold what was flushed
     */
    static long verify(BlockDevice d, long seed, long[] flushed) throws IOException {
        long verified = 0;
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
                verified += compare(b.segment(), t, last, discarded, later, seed, flushed[t]);
            }
        }
        return verified;
    }

    private static long compare(
            MemorySegment disk, int thread, long[] last, long[] discarded, boolean[] later, long seed, long flushed) {
        long verified = 0;
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
                verified++;
            }
        }
        return verified;
    }
}
