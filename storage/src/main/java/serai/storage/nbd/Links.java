package serai.storage.nbd;

import java.io.IOException;
import java.net.SocketAddress;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;

/** The connections of a disk to its server: makes them, makes them again, and spreads requests among them. */
final class Links implements AutoCloseable {
    /** What is to be looked at once there is a connection, before a request goes out. */
    @FunctionalInterface
    interface Check {
        void run() throws IOException;
    }

    /** How long a server may take to connect and negotiate. */
    private static final Duration HANDSHAKE = Duration.ofSeconds(30);
    /** Between two attempts. */
    private static final long PAUSE_MILLIS = 100;

    private final NbdUri uri;
    private final NbdDisk.Options options;
    private final Runnable whenLost;
    private final @Nullable Link[] links;
    private final AtomicInteger next = new AtomicInteger();
    private final ServerFacts facts;
    private volatile boolean closed;

    /**
     * Connects.
     *
     * @param whenLost to be run when a connection was lost, before the next is there
     */
    Links(NbdUri uri, NbdDisk.Options options, Runnable whenLost) throws IOException {
        this.uri = uri;
        this.options = options;
        this.whenLost = whenLost;
        Link first = connect();
        facts = first.facts();
        links = new Link[facts.has(Nbd.FLAG_CAN_MULTI_CONN) ? options.connections() : 1];
        links[0] = first;
        try {
            for (int i = 1; i < links.length; i++) {
                links[i] = again();
            }
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    /** Of the export, as the first connection had them; all have the same. */
    ServerFacts facts() {
        return facts;
    }

    /**
     * Sends a request, and again as long as the options have it when the connection is lost.
     *
     * @param requests gives the request, a new one for each attempt
     */
    Exchange exchange(Supplier<Exchange> requests, Check before) throws IOException {
        long start = System.nanoTime();
        while (true) {
            try {
                Link link = link();
                before.run();
                Exchange x = requests.get();
                link.exchange(x);
                return x;
            } catch (LinkLost e) {
                if (closed) {
                    throw new IOException("the disk " + this + " is closed", e);
                }
                if (System.nanoTime() - start >= options.retry().toNanos()) {
                    throw e;
                }
                pause();
            }
        }
    }

    private static void pause() throws IOException {
        try {
            Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while there is no connection", e);
        }
    }

    /** One of the connections, made again if it is lost. */
    private Link link() throws IOException {
        int i = Math.floorMod(next.getAndIncrement(), links.length);
        synchronized (links) {
            Link link = links[i];
            if (link != null && !link.isBroken()) {
                return link;
            }
            if (closed) {
                throw new IOException("the disk " + this + " is closed");
            }
            if (link != null) {
                if (options.retry().isZero()) {
                    throw link.lost();
                }
                whenLost.run();
                links[i] = null;
            }
            Link again = again();
            links[i] = again;
            return again;
        }
    }

    /** A further connection: the export has to be what it was. */
    private Link again() throws IOException {
        Link link = connect();
        ServerFacts f = link.facts();
        if (f.size() != facts.size()
                || f.flags() != facts.flags()
                || f.maxPayload() < facts.maxPayload()
                || f.tellsAllocation() != facts.tellsAllocation()) {
            link.close();
            throw new DiskException("the disk of " + this + " is another one since the connection was lost");
        }
        return link;
    }

    private Link connect() throws IOException {
        IOException failure = null;
        for (SocketAddress address : uri.addresses()) {
            try {
                return connect(address);
            } catch (DiskException e) {
                throw e;
            } catch (IOException e) {
                failure = e;
            }
        }
        throw new LinkLost(
                "there is no connection to " + this + ": "
                        + (failure == null ? "it has no address" : failure.getMessage()),
                failure);
    }

    private Link connect(SocketAddress address) throws IOException {
        SocketChannel channel = address instanceof UnixDomainSocketAddress
                ? SocketChannel.open(java.net.StandardProtocolFamily.UNIX)
                : SocketChannel.open();
        CountDownLatch done = new CountDownLatch(1);
        Thread.ofVirtual().start(() -> limit(done, channel));
        try {
            channel.connect(address);
            if (!(address instanceof UnixDomainSocketAddress)) {
                channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
            }
            Wire wire = new Wire(channel);
            ServerFacts f = new ClientNegotiation(wire, toString(), uri.export()).run();
            return new Link(wire, f, toString(), options.timeout());
        } catch (ClosedChannelException e) {
            throw new IOException("no answer within " + HANDSHAKE.toSeconds() + " seconds", e);
        } catch (IOException | RuntimeException | Error e) {
            channel.close();
            throw e;
        } finally {
            done.countDown();
        }
    }

    private static void limit(CountDownLatch done, SocketChannel channel) {
        try {
            if (!done.await(HANDSHAKE.toSeconds(), TimeUnit.SECONDS)) {
                channel.close();
            }
        } catch (IOException e) {
            // it is closed as far as we can
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        closed = true;
        synchronized (links) {
            for (Link link : links) {
                if (link != null) {
                    link.close();
                }
            }
        }
    }

    @Override
    public String toString() {
        return uri.toString();
    }
}
