package serai.storage.nbd;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Offers disks to clients, on Unix and TCP sockets. It authenticates nobody: who may connect to a Unix socket is for its file's permissions to
 * say, its owner alone; of TCP addresses use the loopback interface's, or those of a network that you trust.
 *
 * <p>Exports come and go while clients are connected; their devices are the caller's, who closes them after {@link #remove} or {@link #close}.
 */
public final class NbdServer implements AutoCloseable {
    /**
     * What clients may use.
     *
     * @param connections clients at once. If there are as many, the oldest that has not chosen an export yet makes room for a new one
     * @param workers requests at once, of all clients together, beside one for each of them
     * @param handshake how long a client may take to choose an export
     * @param stall how long a client may stand still in the middle of a request, or not take a reply
     */
    public record Limits(int connections, int workers, Duration handshake, Duration stall) {
        /** 64 clients, 128 requests (32 MiB of buffers), 30 seconds, 2 minutes. */
        public static final Limits DEFAULT = new Limits(64, 128, Duration.ofSeconds(30), Duration.ofMinutes(2));
    }

    /** How long clients of an export that is removed may take their last replies. */
    static final Duration DRAIN = Duration.ofSeconds(1);

    /** What a Unix socket's address has room for, the terminating zero left out. */
    private static final int MAX_PATH = 107;

    private final Map<String, ServedExport> exports = new TreeMap<>();
    private final List<ServerSocketChannel> listeners = new ArrayList<>();
    private final List<Path> paths = new ArrayList<>();
    private final Clients clients;

    /** With the usual limits. */
    public NbdServer() {
        this(Limits.DEFAULT);
    }

    /** With others. */
    public NbdServer(Limits limits) {
        clients = new Clients(limits, new Exports() {
            @Override
            public Optional<ServedExport> find(String name) {
                synchronized (exports) {
                    return Optional.ofNullable(exports.get(name));
                }
            }

            @Override
            public List<NbdExport> list() {
                synchronized (exports) {
                    return exports.values().stream().map(ServedExport::export).toList();
                }
            }
        });
    }

    /**
     * Offers a disk.
     *
     * @throws IOException if there is an export of that name, or the server is closed
     */
    public void add(NbdExport export) throws IOException {
        synchronized (exports) {
            if (clients.isClosed()) {
                throw new IOException("the NBD server is closed");
            }
            if (exports.putIfAbsent(export.name(), new ServedExport(export)) != null) {
                throw new IOException("there is an NBD export '" + export.name() + "' already");
            }
        }
    }

    /** The exports, by name. */
    public List<NbdExport> exports() {
        synchronized (exports) {
            return exports.values().stream().map(ServedExport::export).toList();
        }
    }

    /** How many clients use an export. */
    public int clients(String name) {
        ServedExport e;
        synchronized (exports) {
            e = exports.get(name);
        }
        return e == null ? 0 : clients.of(e);
    }

    /**
     * Withdraws a disk. When this returns nobody uses the device, and nobody will; it waits for the device, not for clients. They get the replies
     * to what they have asked for and are disconnected.
     *
     * @return whether there was one of that name
     */
    public boolean remove(String name) {
        ServedExport e;
        synchronized (exports) {
            e = exports.remove(name);
        }
        if (e == null) {
            return false;
        }
        e.shut();
        clients.drain(e);
        return true;
    }

    /**
     * Listens on an address. A Unix socket is made, for its owner alone, and replaces one that nobody listens on; it is removed when the server
     * is closed.
     *
     * @return the address, with the port if that was 0
     * @throws IOException if the address is taken, not ours, or the path too long
     */
    public SocketAddress listen(SocketAddress address) throws IOException {
        ServerSocketChannel listener =
                switch (address) {
                    case UnixDomainSocketAddress unix -> bind(unix);
                    case InetSocketAddress inet -> {
                        ServerSocketChannel c = ServerSocketChannel.open();
                        c.setOption(StandardSocketOptions.SO_REUSEADDR, true);
                        yield bound(c, inet);
                    }
                    default ->
                        throw new IOException("an NBD server listens on Unix and TCP sockets, not on " + address);
                };
        synchronized (exports) {
            if (clients.isClosed()) {
                listener.close();
                throw new IOException("the NBD server is closed");
            }
            listeners.add(listener);
            if (address instanceof UnixDomainSocketAddress unix) {
                paths.add(unix.getPath());
            }
        }
        Thread.ofPlatform().daemon().name("serai-nbd-listen").start(() -> accept(listener));
        return listener.getLocalAddress();
    }

    private static ServerSocketChannel bind(UnixDomainSocketAddress address) throws IOException {
        Path path = address.getPath();
        if (path.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8).length > MAX_PATH) {
            throw new IOException("a socket's path has at most " + MAX_PATH + " bytes");
        }
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            if (!Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                    .isOther()) {
                throw new IOException("there is a file " + path + " that is no socket");
            }
            try (SocketChannel c = SocketChannel.open(address)) {
                throw new IOException("somebody listens on " + path + " already");
            } catch (ConnectException e) {
                Files.delete(path); // left behind by a process that was killed
            }
        }
        ServerSocketChannel c = bound(ServerSocketChannel.open(StandardProtocolFamily.UNIX), address);
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
        return c;
    }

    private static ServerSocketChannel bound(ServerSocketChannel c, SocketAddress address) throws IOException {
        try {
            return c.bind(address);
        } catch (IOException e) {
            c.close();
            throw new IOException("an NBD server can't listen on " + address + ": " + e.getMessage(), e);
        }
    }

    private void accept(ServerSocketChannel listener) {
        while (listener.isOpen()) {
            try {
                SocketChannel c = listener.accept();
                if (!(c.getRemoteAddress() instanceof UnixDomainSocketAddress)) {
                    c.setOption(StandardSocketOptions.TCP_NODELAY, true);
                    c.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
                }
                clients.add(new Wire(c));
            } catch (IOException e) {
                pause(listener);
            }
        }
    }

    /** An error of accept may be one of the client, or there are no descriptors left just now. */
    private static void pause(ServerSocketChannel listener) {
        try {
            if (listener.isOpen()) {
                Thread.sleep(20);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Withdraws all exports, disconnects all clients and removes the sockets. */
    @Override
    public void close() {
        List<ServedExport> all;
        synchronized (exports) {
            clients.close();
            for (ServerSocketChannel c : listeners) {
                try {
                    c.close();
                } catch (IOException e) {
                    // it is closed as far as we can
                }
            }
            for (Path p : paths) {
                try {
                    Files.deleteIfExists(p);
                } catch (IOException e) {
                    // whoever listens there next replaces it
                }
            }
            all = List.copyOf(exports.values());
            exports.clear();
        }
        all.forEach(ServedExport::shut);
        clients.end();
    }
}
