package serai.storage.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import serai.storage.NativeBuffer;

/**
 * One connection to a server, shared by those who have requests: each writes his own and waits, one thread reads the replies, in whatever order
 * they come, straight to where they are wanted. When the connection breaks it tells all who wait, after it has stopped reading: nobody's memory
 * is written when he has gone on.
 */
final class Link implements AutoCloseable {
    /** Requests under way at once. */
    private static final int SLOTS = 64;

    private final Wire wire;
    private final ServerFacts facts;
    private final String server;
    /** By the cookie's lower bits. */
    private final @Nullable Exchange[] slots = new Exchange[SLOTS];

    private final long[] cookies = new long[SLOTS];
    private int used;
    private @Nullable IOException broken;
    /** When the last reply began, or the first request after there was none, by {@link System#nanoTime}. */
    private volatile long heard;
    /** The server has not replied for too long. */
    private volatile boolean givenUp;

    private final Duration timeout;
    private final Thread watcher;
    private final ReentrantLock writing = new ReentrantLock();
    private final ByteBuffer header = ByteBuffer.allocateDirect(Nbd.REQUEST_BYTES);

    /** On a connection whose handshake is done. */
    Link(Wire wire, ServerFacts facts, String server, Duration timeout) {
        this.wire = wire;
        this.facts = facts;
        this.server = server;
        this.timeout = timeout;
        watcher = Thread.ofVirtual().name("serai-nbd-watch").start(this::watch);
        Thread.ofPlatform().daemon().name("serai-nbd-in").start(this::read);
    }

    ServerFacts facts() {
        return facts;
    }

    synchronized boolean isBroken() {
        return broken != null;
    }

    /**
     * Sends a request and waits for the reply.
     *
     * @throws LinkLost if the connection breaks, or is broken
     */
    void exchange(Exchange x) throws IOException {
        long cookie = register(x);
        Request r = x.request();
        boolean interrupted = Thread.interrupted(); // a thread that is interrupted in a write would close the channel
        writing.lock();
        try {
            header.clear()
                    .putInt(Nbd.REQUEST_MAGIC)
                    .putShort((short) r.flags())
                    .putShort((short) r.command())
                    .putLong(cookie)
                    .putLong(r.offset())
                    .putInt((int) r.length())
                    .flip();
            if (r.command() == Nbd.CMD_WRITE) {
                wire.write(header, memory(x.address(), r.length()));
            } else {
                wire.write(header);
            }
        } catch (IOException | RuntimeException | Error e) {
            wire.close(); // the reader tells everybody, us as well; until then it may write to our memory
        } finally {
            writing.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        x.await();
    }

    private synchronized long register(Exchange x) throws LinkLost {
        boolean interrupted = false;
        while (used == SLOTS && broken == null) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (broken != null) {
            throw lost(broken);
        }
        int i = 0;
        while (slots[i] != null) {
            i++;
        }
        if (used++ == 0) {
            heard = System.nanoTime();
        }
        slots[i] = x;
        cookies[i] += SLOTS; // a reply that comes late, or twice, finds another cookie
        return cookies[i] + i;
    }

    private synchronized Exchange find(long cookie) throws Violation {
        int i = (int) (cookie & SLOTS - 1);
        Exchange x = slots[i];
        if (x == null || cookies[i] + i != cookie) {
            throw new Violation("a reply to no request");
        }
        return x;
    }

    private void done(long cookie, Exchange x) {
        synchronized (this) {
            slots[(int) (cookie & SLOTS - 1)] = null;
            used--;
            notify();
        }
        x.done();
    }

    private void read() {
        IOException why;
        try {
            LinkReader reader = new LinkReader(wire, facts);
            while (reader.next()) {
                heard = System.nanoTime();
                Exchange x = find(reader.cookie());
                if (reader.reply(x)) {
                    done(reader.cookie(), x);
                }
            }
            why = new EOFException("the server has closed it");
        } catch (IOException e) {
            why = givenUp ? new IOException("no reply within " + timeout.toMillis() / 1000.0 + " seconds", e) : e;
        } catch (RuntimeException | Error e) {
            why = new IOException("an error in Serai itself: " + e, e);
        }
        wire.close();
        watcher.interrupt();
        synchronized (this) {
            broken = why;
            for (int i = 0; i < SLOTS; i++) {
                Exchange x = slots[i];
                slots[i] = null;
                if (x != null) {
                    x.lost(lost(why));
                }
            }
            notifyAll();
        }
    }

    /** Ends the connection if the server does not go on. */
    private void watch() {
        while (true) {
            try {
                Thread.sleep(timeout.dividedBy(4));
            } catch (InterruptedException e) {
                return;
            }
            synchronized (this) {
                if (broken != null) {
                    return;
                }
                long now = System.nanoTime();
                long part = wire.readingSince();
                if (used > 0 && now - heard > timeout.toNanos() && (part == 0 || now - part > timeout.toNanos())) {
                    givenUp = true;
                    wire.close();
                }
            }
        }
    }

    /** Why it is broken, which it is. */
    synchronized LinkLost lost() {
        return lost(Objects.requireNonNull(broken));
    }

    private LinkLost lost(IOException why) {
        return new LinkLost("the connection to " + server + " is lost: " + why.getMessage(), why);
    }

    static ByteBuffer memory(long address, long length) {
        return NativeBuffer.at(address, length).asByteBuffer();
    }

    /** Says goodbye and closes it; who waits for a reply gets a {@link LinkLost}. */
    @Override
    public void close() {
        if (writing.tryLock()) {
            try {
                header.clear()
                        .putInt(Nbd.REQUEST_MAGIC)
                        .putShort((short) 0)
                        .putShort((short) Nbd.CMD_DISC)
                        .putLong(0)
                        .putLong(0)
                        .putInt(0)
                        .flip();
                wire.write(header);
            } catch (IOException e) {
                // it was closed already
            } finally {
                writing.unlock();
            }
        }
        wire.close();
    }
}
