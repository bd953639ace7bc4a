package serai.storage.nbd;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;

/**
 * The connections of a server: takes new ones as long as there is room, ends those that have used up their time.
 *
 * <p>A client that has not chosen an export makes room for a new one. So whoever opens connections by the thousand ends his own, and a client
 * that means it, which chooses in milliseconds, gets through.
 */
final class Clients {
    /** How often somebody looks for those that have used up their time. */
    private static final long LOOK_MILLIS = 200;

    private final NbdServer.Limits limits;
    private final Exports exports;
    private final Semaphore workersLeft;
    private final List<Connection> connections = new ArrayList<>();
    private boolean watched;
    private boolean closed;

    Clients(NbdServer.Limits limits, Exports exports) {
        this.limits = limits;
        this.exports = exports;
        workersLeft = new Semaphore(limits.workers());
    }

    /** Takes a client, or closes its connection. */
    void add(Wire wire) {
        Connection[] itself = new Connection[1];
        Connection c = new Connection(wire, exports, workersLeft, () -> gone(itself[0]));
        itself[0] = c;
        synchronized (this) {
            if (closed || !makeRoom()) {
                wire.close();
                return;
            }
            connections.add(c);
            if (!watched) {
                watched = true;
                Thread.ofVirtual().name("serai-nbd-watch").start(this::watch);
            }
        }
        try {
            Thread.ofPlatform().daemon().name("serai-nbd").start(c::run);
        } catch (OutOfMemoryError e) { // no more threads
            wire.close();
            gone(c);
        }
    }

    private boolean makeRoom() {
        if (connections.size() < limits.connections()) {
            return true;
        }
        Optional<Connection> oldest = connections.stream()
                .filter(c -> !c.negotiated())
                .min(Comparator.comparingLong(c -> c.since() - System.nanoTime()));
        oldest.ifPresent(c -> {
            c.cut();
            connections.remove(c);
        });
        return oldest.isPresent();
    }

    private synchronized void gone(Connection c) {
        connections.remove(c);
        notifyAll();
    }

    private void watch() {
        while (true) {
            List<Connection> all;
            synchronized (this) {
                if (connections.isEmpty()) {
                    watched = false;
                    return;
                }
                all = List.copyOf(connections);
            }
            long now = System.nanoTime();
            all.stream().filter(c -> c.overdue(now, limits)).forEach(Connection::cut);
            try {
                Thread.sleep(LOOK_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** How many use an export. */
    synchronized int of(ServedExport export) {
        return (int) connections.stream().filter(c -> c.uses(export)).count();
    }

    /** Ends those of an export, when they have their last replies. */
    void drain(ServedExport export) {
        List<Connection> its;
        synchronized (this) {
            its = connections.stream().filter(c -> c.uses(export)).toList();
        }
        its.forEach(Connection::drain);
    }

    synchronized boolean isClosed() {
        return closed;
    }

    /** Takes no more. */
    synchronized void close() {
        closed = true;
    }

    /** Ends all, and returns when they are gone. */
    void end() {
        List<Connection> all;
        synchronized (this) {
            all = List.copyOf(connections);
        }
        all.forEach(Connection::drain);
        boolean interrupted = false;
        synchronized (this) {
            while (!connections.isEmpty()) {
                try {
                    wait();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
