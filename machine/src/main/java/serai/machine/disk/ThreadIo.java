package serai.machine.disk;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.ReentrantLock;

/** Work on threads of its own: real time. */
public final class ThreadIo implements IoExecutor, AutoCloseable {
    private final ReentrantLock lock;
    private final ExecutorService threads;

    /**
     * Threads.
     *
     * @param lock the machine lock
     * @param count of threads, at least 1
     */
    public ThreadIo(ReentrantLock lock, int count) {
        this.lock = lock;
        threads = Executors.newFixedThreadPool(
                count, Thread.ofPlatform().name("serai-io-", 0).daemon().factory());
    }

    @Override
    public Submitted submit(Runnable work, Runnable completion, long due) {
        threads.execute(() -> {
            work.run();
            lock.lock();
            try {
                completion.run();
            } finally {
                lock.unlock();
            }
        });
        return Submitted.BY_HOST;
    }

    @Override
    public void close() {
        threads.close();
    }
}
