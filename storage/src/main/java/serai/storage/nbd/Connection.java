package serai.storage.nbd;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One client of the server.
 *
 * <p>Its requests are done by workers, a thread each. One of them, who has the lock {@link #reading}, waits for the next request; when it
 * has one whole, the next worker takes the lock, and it does the request and writes the reply. So a request is handed from nobody to nobody,
 * requests under way are as many as there are workers, and what a client can make us hold is their buffers. A connection begins with one
 * worker; whoever has read a request and sees nobody wait for the lock starts another, up to {@link #MAX_WORKERS}, and as long as the
 * server has some left.
 */
final class Connection {
    /** Requests of a client under way at once, at most. */
    static final int MAX_WORKERS = 16;

    private static final System.Logger LOG = System.getLogger(Connection.class.getName());

    private final Wire wire;
    private final Exports exports;
    private final Semaphore workersLeft;
    private final Runnable ended;
    private final ReentrantLock reading = new ReentrantLock();
    private final ReentrantLock writing = new ReentrantLock();
    private final long since = System.nanoTime();
    private volatile @Nullable Agreement agreement;
    /** No more requests are read. */
    private volatile boolean finished;
    /** When {@link #drain} was called, or 0. */
    private volatile long drainingSince;

    private int workers = 1;

    /**
     * A connection.
     *
     * @param workersLeft how many workers the server may have beside one of each connection
     * @param ended what to do when the last worker has gone
     */
    Connection(Wire wire, Exports exports, Semaphore workersLeft, Runnable ended) {
        this.wire = wire;
        this.exports = exports;
        this.workersLeft = workersLeft;
        this.ended = ended;
    }

    /** Negotiates and does requests; returns when the client is gone, perhaps with other threads still at their last ones. */
    void run() {
        try {
            Optional<Agreement> a = new Negotiation(wire, exports).run();
            if (a.isPresent()) {
                agreement = a.get();
                if (a.get().export().isShut()) {
                    wire.shutInput(); // it was removed meanwhile, and who removed it did not see us
                }
                work(a.get());
                return;
            }
        } catch (IOException e) {
            failed(e);
        } catch (RuntimeException | Error e) {
            failed(e);
            throw e;
        }
        gone();
    }

    private void work(Agreement a) {
        try (Worker worker = new Worker(this, a)) {
            while (worker.request()) {
                // on to the next
            }
        } catch (IOException e) {
            failed(e);
        } catch (RuntimeException | Error e) {
            failed(e);
            throw e;
        } finally {
            gone();
        }
    }

    private void failed(Throwable e) {
        boolean known = finished;
        finished = true;
        wire.close();
        if (!known && drainingSince == 0) {
            LOG.log(e instanceof IOException ? Level.DEBUG : Level.ERROR, "an NBD client was cut off: " + e, e);
        }
    }

    private void gone() {
        synchronized (this) {
            workers--;
            if (workers > 0) {
                workersLeft.release();
                return;
            }
        }
        try {
            ended.run(); // first: who sees that the connection is closed finds its place free
        } finally {
            wire.close();
        }
    }

    // ---- for the workers ----

    /** To be held while a request is read. */
    ReentrantLock reading() {
        return reading;
    }

    Wire wire() {
        return wire;
    }

    /** Whether no request is to be read any more. */
    boolean isFinished() {
        return finished;
    }

    /** The client has said that there are no more requests, or has gone. */
    void finish() {
        finished = true;
    }

    /** Sees to it that somebody reads the next request while this one is done. */
    void follow(Agreement a) {
        if (reading.hasQueuedThreads()) {
            return;
        }
        synchronized (this) {
            if (workers == MAX_WORKERS || !workersLeft.tryAcquire()) {
                return;
            }
            workers++;
        }
        try {
            Thread.ofPlatform().daemon().name("serai-nbd").start(() -> work(a));
        } catch (OutOfMemoryError e) { // no more threads: those that there are do it
            gone();
        }
    }

    /** Writes one message. */
    void send(ByteBuffer... message) throws IOException {
        writing.lock();
        try {
            wire.write(message);
        } finally {
            writing.unlock();
        }
    }

    /** To be held while a message is written in several parts. */
    ReentrantLock writing() {
        return writing;
    }

    // ---- for the server ----

    /** Whether the client has chosen an export. */
    boolean negotiated() {
        return agreement != null;
    }

    /** Whether it uses that export. */
    boolean uses(ServedExport export) {
        Agreement a = agreement;
        return a != null && a.export() == export;
    }

    /** When it began, by {@link System#nanoTime}. */
    long since() {
        return since;
    }

    /** Reads no more requests, and ends when those under way are answered. */
    void drain() {
        drainingSince = System.nanoTime() | 1;
        wire.shutInput();
    }

    /** Ends it at once. */
    void cut() {
        finished = true;
        wire.close();
    }

    /** Whether the client has used up its time: to choose an export, to go on with a message, or to take its last replies. */
    boolean overdue(long now, NbdServer.Limits limits) {
        long d = drainingSince;
        return !negotiated() && now - since > limits.handshake().toNanos()
                || d != 0 && now - d > NbdServer.DRAIN.toNanos()
                || wire.stalled(now, limits.stall().toNanos());
    }
}
