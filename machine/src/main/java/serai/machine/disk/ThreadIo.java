package serai.machine.disk;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Work on threads of its own: real time. Each disk has a lane, in which so many requests are done at once: a disk whose requests hang keeps
 * none of the others' threads.
 *
 * <p>A thread that has nothing left to do looks for new work for a while before it parks, as {@code HaltPolling} does for a vCPU and by the same rule: a
 * guest that waits for each request before it begins the next one would otherwise wait, too, for a thread to be woken each time.
 */
public final class ThreadIo implements AutoCloseable {
    /** Nanoseconds for which a thread looks for work. */
    private static final long FIRST = 10_000, MOST = 200_000;

    private final ReentrantLock lock;
    private final LongSupplier nanos;
    private final boolean mayLook;
    /** Threads that have nothing to do for a minute end. */
    private final ExecutorService threads = Executors.newCachedThreadPool(
            Thread.ofPlatform().name("serai-io-", 0).daemon().factory());

    private volatile boolean closed;

    /**
     * No threads yet.
     *
     * @param lock the machine lock
     * @param nanos a clock of the host
     * @param processors that the host has: with one, nobody looks for work
     */
    public ThreadIo(ReentrantLock lock, LongSupplier nanos, int processors) {
        this.lock = lock;
        this.nanos = nanos;
        mayLook = processors > 1;
    }

    /** A lane in which at most {@code width} requests are done at once. */
    public IoExecutor lane(int width) {
        return new Lane(width);
    }

    private record Request(Runnable work, Runnable completion) {}

    private final class Lane implements IoExecutor {
        private final int width;
        private final Queue<Request> queue = new ArrayDeque<>();
        /** Threads that serve it. */
        private int busy;
        /** Whether one of them has nothing to do and looks for work. */
        private boolean looking;

        private long lookNanos;
        /** When the last thread ran out of work. */
        private long idleSince;

        private volatile boolean work;

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
                if (mayLook && queue.isEmpty() && (busy == 0 || looking)) {
                    adapt(nanos.getAsLong() - idleSince);
                }
                queue.add(new Request(work, completion));
                this.work = true;
                if (busy == width || closed || looking && queue.size() == 1) {
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

        /** By how long a thread that looked all the while would have had to look. */
        private void adapt(long idle) {
            if (idle > MOST) {
                lookNanos = 0;
            } else if (idle > lookNanos) {
                lookNanos = Math.min(MOST, Math.max(FIRST, 2 * lookNanos));
            }
        }

        private @Nullable Request next() {
            long end;
            synchronized (this) {
                Request r = take();
                if (r != null) {
                    return r;
                }
                if (busy == 1 && mayLook) {
                    idleSince = nanos.getAsLong();
                }
                if (busy > 1 || lookNanos == 0 || closed) {
                    busy--;
                    return null;
                }
                looking = true;
                end = idleSince + lookNanos;
            }
            while (!work && nanos.getAsLong() < end) {
                Thread.yield();
            }
            synchronized (this) {
                looking = false;
                Request r = take();
                busy -= r == null ? 1 : 0;
                return r;
            }
        }

        private @Nullable Request take() {
            Request r = closed ? null : queue.poll();
            work = !queue.isEmpty();
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
