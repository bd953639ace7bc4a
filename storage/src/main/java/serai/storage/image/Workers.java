package serai.storage.image;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import serai.storage.NativeBuffer;

/** Threads that do something with all pieces of a disk; the caller's tells the progress meanwhile. */
final class Workers {
    /** Milliseconds between two reports. */
    private static final long REPORT = 100;

    /** What is done with a piece. */
    @FunctionalInterface
    interface Job {
        /**
         * Does it.
         *
         * @param buffer of the thread, as big as asked for
         */
        void run(Source.Piece piece, NativeBuffer buffer) throws IOException;
    }

    private Workers() {}

    /**
     * Works through all source. When one fails, those under way are finished and no more are begun.
     *
     * @param total of all pieces' lengths
     * @throws IOException the first failure
     */
    static void run(int threads, Source source, long bufferBytes, Job job, long total, Progress progress)
            throws IOException {
        AtomicLong done = new AtomicLong();
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        CountDownLatch ended = new CountDownLatch(threads);
        for (int i = 0; i < threads; i++) {
            Thread.ofPlatform().daemon().name("image-" + i).start(() -> {
                try (NativeBuffer buffer = new NativeBuffer(bufferBytes)) {
                    work(source, job, buffer, done, failure);
                } catch (Throwable e) { // no memory for a buffer
                    failure.compareAndSet(null, e);
                    source.stop();
                } finally {
                    ended.countDown();
                }
            });
        }
        boolean interrupted = false;
        while (true) {
            try {
                if (ended.await(REPORT, TimeUnit.MILLISECONDS)) {
                    break;
                }
                progress.at(done.get(), total);
            } catch (InterruptedException e) {
                interrupted = true;
                source.stop();
            }
        }
        Throwable e = failure.get();
        if (e instanceof IOException io) {
            throw io;
        } else if (e instanceof Error error) {
            throw error;
        } else if (e != null) {
            throw new IllegalStateException(e);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
        progress.at(total, total);
    }

    private static void work(
            Source source,
            Job job,
            NativeBuffer buffer,
            AtomicLong done,
            AtomicReference<@Nullable Throwable> failure) {
        try {
            for (Source.Piece p = source.next(); p != null; p = source.next()) {
                job.run(p, buffer);
                done.addAndGet(p.length());
            }
        } catch (Throwable e) { // goes on in the caller
            failure.compareAndSet(null, e);
            source.stop();
        }
    }
}
