package serai.network.nat;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * The NAT's thread: waits for sockets and for the time that something falls due. Others need it to look again only when that time comes earlier, or a socket is to be
 * watched for something else; then they wake it.
 */
final class Loop {
    /** What is done about a socket. */
    interface Handler {
        /** It is ready. Called without the lock. */
        void ready(SelectionKey key) throws IOException;

        /** {@link #ready} has failed: it is of no more use. Called without the lock. */
        void failed();
    }

    /** What the thread does beside. All of it is called without the lock. */
    interface Duties {
        /** Does what is due, and arms again. */
        void tick();

        /** After each socket, and each tick. */
        void done();
    }

    private static final Logger LOG = System.getLogger(Loop.class.getName());
    /** Things that fall due are done together, so often at most. */
    private static final long GRAIN_MILLIS = 50;

    private final Selector selector;
    private final java.util.function.LongSupplier clock;
    /** Written with the monitor of this held. */
    private volatile long next = Long.MAX_VALUE;

    private volatile boolean stopped;
    private volatile @Nullable Thread thread;
    private volatile @Nullable Throwable failure;

    Loop(java.util.function.LongSupplier clock) throws IOException {
        selector = Selector.open();
        this.clock = clock;
    }

    void start(Duties duties) {
        Thread t = Thread.ofPlatform().daemon().name("user-network").unstarted(() -> run(duties));
        thread = t;
        t.start();
    }

    private void run(Duties duties) {
        while (!stopped) {
            try {
                long due = next;
                long now = clock.getAsLong();
                if (due == Long.MAX_VALUE) {
                    selector.select();
                } else if (due <= now) {
                    selector.selectNow();
                } else {
                    selector.select(due - now);
                }
                for (Iterator<SelectionKey> i = selector.selectedKeys().iterator(); i.hasNext(); ) {
                    SelectionKey key = i.next();
                    i.remove();
                    serve(key);
                    duties.done();
                }
                if (clock.getAsLong() >= next) {
                    synchronized (this) {
                        next = Long.MAX_VALUE;
                    }
                    duties.tick();
                    duties.done();
                }
            } catch (ClosedSelectorException e) {
                break;
            } catch (IOException | RuntimeException e) {
                failed(e);
            }
        }
    }

    private void serve(SelectionKey key) {
        Handler handler = (Handler) key.attachment();
        try {
            handler.ready(key);
        } catch (CancelledKeyException e) {
            return; // closed meanwhile, by the guest's thread
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "user network: a socket failed", e);
            handler.failed();
        } catch (RuntimeException e) {
            failed(e);
            handler.failed();
        }
    }

    private void failed(Exception e) {
        failure = e;
        LOG.log(Level.ERROR, "user network: " + e.getMessage(), e);
    }

    /** The last exception that nothing outside explains. */
    @Nullable
    Throwable failure() {
        return failure;
    }

    /** Has the thread look at a time, in milliseconds of the clock, or somewhat later. */
    void arm(long at) {
        if (at >= next) {
            return;
        }
        synchronized (this) {
            next = Math.max(at, clock.getAsLong() + GRAIN_MILLIS);
        }
        wake();
    }

    private void wake() {
        if (Thread.currentThread() != thread) {
            selector.wakeup();
        }
    }

    SelectionKey register(SelectableChannel channel, int operations, Handler handler) throws IOException {
        SelectionKey key = channel.register(selector, operations, handler);
        wake();
        return key;
    }

    /** What a socket is watched for from now on. */
    void watch(SelectionKey key, int operations) {
        if (key.isValid() && key.interestOps() != operations) {
            key.interestOps(operations);
            wake();
        }
    }

    /** Closes a socket; the thread looks, as the host's descriptor goes only then. */
    void close(Channel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "user network: a socket failed", e);
        }
        wake();
    }

    /** Ends the thread. Not with the lock held, for which it may be waiting. */
    void stop() {
        stopped = true;
        selector.wakeup();
        Thread t = thread;
        boolean interrupted = false;
        while (t != null && t != Thread.currentThread() && t.isAlive()) {
            try {
                t.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** After {@link #stop}, and when all sockets are closed. */
    void close() {
        try {
            selector.selectNow(); // the descriptors of the closed sockets go
            selector.close();
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "user network: the selector failed", e);
        }
    }
}
