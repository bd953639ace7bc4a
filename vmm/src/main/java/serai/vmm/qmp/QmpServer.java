package serai.vmm.qmp;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import tools.jackson.databind.node.ObjectNode;

/** Listens on a Unix socket and serves some clients at once, all of which get the events. */
public final class QmpServer implements Events, AutoCloseable {
    private static final int MAX_CLIENTS = 8;
    /** What a Unix socket's address has room for, the terminating zero left out. */
    private static final int MAX_PATH = 107;

    private final Path path;
    private final ServerSocketChannel listener;
    private final CommandTable table;
    private final ObjectNode version;
    private final List<Session> sessions = new CopyOnWriteArrayList<>();

    private QmpServer(Path path, ServerSocketChannel listener, CommandTable table, ObjectNode version) {
        this.path = path;
        this.listener = listener;
        this.table = table;
        this.version = version;
    }

    /**
     * Makes the socket, for its owner alone. One that a VM has left behind is replaced; {@link #serve} takes clients.
     *
     * @param table the commands; those about the protocol itself are added
     * @param version as {@code query-version} gives it
     * @throws IOException if the path is taken, too long or not writable
     */
    public static QmpServer listen(Path path, CommandTable table, ObjectNode version) throws IOException {
        if (path.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8).length > MAX_PATH) {
            throw new IOException("a socket's path has at most " + MAX_PATH + " bytes");
        }
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            removeStale(path, address);
        }
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            listener.bind(address);
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
        } catch (IOException e) {
            listener.close();
            throw e;
        }
        QmpServer s = new QmpServer(path, listener, table, version);
        table.add("query-version", a -> version.deepCopy());
        table.add("query-commands", a -> table.names());
        return s;
    }

    private static void removeStale(Path path, UnixDomainSocketAddress address) throws IOException {
        boolean socket = Files.readAttributes(
                        path, java.nio.file.attribute.BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .isOther();
        if (!socket) {
            throw new IOException("there is a file " + path + " that is no socket");
        }
        try (SocketChannel c = SocketChannel.open(address)) {
            throw new IOException("somebody listens on " + path + " already");
        } catch (java.net.ConnectException e) {
            Files.delete(path);
        }
    }

    /** Takes clients from now on. */
    public void serve() {
        Thread.ofPlatform().daemon().name("serai-qmp").start(this::accept);
    }

    private void accept() {
        try {
            while (true) {
                SocketChannel c = listener.accept();
                if (sessions.size() >= MAX_CLIENTS) {
                    c.close();
                    continue;
                }
                Session[] itself = new Session[1];
                Session s = new Session(c, table, version, () -> sessions.remove(itself[0]));
                itself[0] = s;
                sessions.add(s);
                s.start();
            }
        } catch (IOException e) {
            // closed
        }
    }

    @Override
    public void tell(String name, ObjectNode data) {
        Instant now = Instant.now();
        ObjectNode event = Json.object();
        event.putObject("timestamp").put("seconds", now.getEpochSecond()).put("microseconds", now.getNano() / 1000);
        event.put("event", name);
        if (!data.isEmpty()) {
            event.set("data", data);
        }
        for (Session s : sessions) {
            s.event(event);
        }
    }

    /** Writes what waits, ends all connections, removes the socket. */
    @Override
    public void close() throws IOException {
        listener.close();
        Files.deleteIfExists(path);
        for (Session s : sessions) {
            s.close();
        }
    }
}
