package serai.machine.disk;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Work on threads of its own: real time. Each disk has a lane, in which so many requests are done at once: a disk whose requests hang keeps
 * none of the others' threads.
 */
public final class ThreadIo implements AutoCloseable {
    private final ReentrantLock lock;
    /** Threads that have nothing to do for a minute end. */
    private final ExecutorService threads = Executors.newCachedThreadPool(
            Thread.ofPlatform().name("serai-io-", 0).daemon().factory());

    private volatile boolean closed;

    /**
     * No threads yet.
     *
     * @param lock the machine lock
     */
    public ThreadIo(ReentrantLock lock) {
        this.lock = lock;
    }

    /** A lane in which at most {@code width} requests are done at once. */
    public IoExecutor lane(int width) {
        return new Lane(width);
    }

    private record Request(Runnable work, Runnable completion) {}

    private final class Lane implements IoExecutor {
        private final int width;
        private final Queue<Request> queue = new ArrayDeque<>();
        private int busy;

        Lane(int width) {
            this.width = width;
        }

        @Override
        public boolean allowsNow() {
            return !closed;
        }

        @Override
        public Submitted submit(Runnable work, Runnable completion, long due) {
            synchronized (this) {
                queue.add(new Request(work, completion));
                if (busy == width || closed) {
                    return Submitted.BY_HOST;
                }
                busy++;
            }
            try {
                threads.execute(this::serve);
            } catch (RejectedExecutionException e) {
                // closed meanwhile: nothing begins any more
            }
            return Submitted.BY_HOST;
        }

        @Override
        public void apart(Runnable wait) {
            int holds = lock.getHoldCount();
            for (int i = 0; i < holds; i++) {
                lock.unlock();
            }
            try {
                wait.run();
            } finally {
                for (int i = 0; i < holds; i++) {
                    lock.lock();
                }
            }
        }

        private void serve() {
            for (Request r = next(); r != null; r = next()) {
                r.work.run();
                lock.lock();
                try {
                    r.completion.run();
                } catch (RuntimeException e) { // the others of this lane go on
                    Thread t = Thread.currentThread();
                    t.getUncaughtExceptionHandler().uncaughtException(t, e);
                } finally {
                    lock.unlock();
                }
            }
        }

        private synchronized @Nullable Request next() {
            Request r = closed ? null : queue.poll();
            busy -= r == null ? 1 : 0;
            return r;
        }
    }

    /** Begins no more requests, and waits for those that are being done. */
    @Override
    public void close() {
        close(Long.MAX_VALUE);
    }

    /**
     * The same, but waits for a time at most.
     *
     * @return whether all are done
     */
    public boolean close(long millis) {
        closed = true;
        threads.shutdown();
        try {
            return threads.awaitTermination(millis, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
