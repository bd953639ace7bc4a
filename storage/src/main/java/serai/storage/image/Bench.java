package serai.storage.image;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.NativeBuffer;

/** Requests of equal size, one after another or several at once, as {@code qemu-img bench} makes them. */
public final class Bench {
    /**
     * What is done. Request n begins {@code n * step} bytes after the first; those that would not end in the disk begin at its start again.
     *
     * @param write whether it writes, else reads
     * @param count requests
     * @param depth requests at once, a thread each; 1 to 1024
     * @param size bytes of a request, a multiple of 512
     * @param offset of the first, a multiple of 512
     * @param step from one to the next, a multiple of 512
     * @param pattern the byte that is written
     * @param flushInterval a flush after so many writes; 0: none
     */
    public record Plan(
            boolean write, long count, int depth, int size, long offset, long step, int pattern, long flushInterval) {
        /**
         * Checks.
         *
         * @throws IllegalArgumentException if one is out of its range
         */
        public Plan {
            if (count < 1
                    || depth < 1
                    || depth > 1024
                    || size < BlockDevice.SECTOR
                    || offset < 0
                    || step < 0
                    || ((size | offset | step) & BlockDevice.SECTOR - 1) != 0) {
                throw new IllegalArgumentException("requests, offset and step are of whole sectors of 512 bytes");
            }
        }
    }

    private final BlockDevice disk;
    private final Plan plan;
    private final AtomicLong writes = new AtomicLong();

    private Bench(BlockDevice disk, Plan plan) {
        this.disk = disk;
        this.plan = plan;
    }

    /**
     * Runs.
     *
     * @return nanoseconds from before the first request to after the last
     * @throws DiskException if the disk is smaller than a request
     * @throws IOException if a request fails
     */
    public static long run(BlockDevice disk, Plan plan, Progress progress) throws IOException {
        if (disk.size() < plan.size) {
            throw new DiskException("a disk of %d bytes is smaller than a request".formatted(disk.size()));
        }
        Bench bench = new Bench(disk, plan);
        long start = System.nanoTime();
        Workers.run(plan.depth, new Requests(disk.size(), plan), plan.size, bench::one, plan.count, progress);
        return System.nanoTime() - start;
    }

    private void one(Source.Piece request, NativeBuffer buffer) throws IOException {
        if (!plan.write) {
            disk.read(request.position(), buffer.address(), plan.size);
            return;
        }
        if (buffer.segment().get(ValueLayout.JAVA_BYTE, 0) != (byte) plan.pattern) { // the first of this thread
            buffer.segment().fill((byte) plan.pattern);
        }
        disk.write(request.position(), buffer.address(), plan.size);
        if (plan.flushInterval > 0 && writes.incrementAndGet() % plan.flushInterval == 0) {
            disk.flush();
        }
    }

    /** Where they begin; each counts for one. */
    private static final class Requests implements Source {
        private final long last;
        private final Plan plan;
        private long position;
        private long left;

        Requests(long size, Plan plan) {
            this.plan = plan;
            last = size - plan.size;
            position = Math.min(plan.offset, last);
            left = plan.count;
        }

        @Override
        public synchronized @Nullable Piece next() {
            if (left == 0) {
                return null;
            }
            left--;
            Piece p = new Piece(position, 1, false, 0);
            position += plan.step;
            if (position > last || position < 0) {
                position = 0;
            }
            return p;
        }

        @Override
        public synchronized void stop() {
            left = 0;
        }
    }
}
