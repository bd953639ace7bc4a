package serai.vmm;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.virtio.ByteQueue;
import serai.machine.virtio.VirtioVsock;
import serai.machine.virtio.VsockEnd;
import serai.machine.virtio.VsockHost;

/**
 * The host's side of {@link VirtioVsock}: Unix sockets by Firecracker's convention. A program that wants a port of the guest connects to PATH,
 * writes {@code CONNECT port} and a line feed, and reads {@code OK port}, the one that it got itself, and a line feed before what the guest
 * sends. What the guest connects to on the host, port P, is the socket PATH_P.
 *
 * <p>One thread with a selector moves all bytes; it waits for nobody but the selector. What it shares with the vCPUs is what waits to go
 * out in each {@link Link}, under that link's own lock, which is never held while the machine lock is asked for.
 */
final class VsockSockets implements VsockHost, AutoCloseable {
    /** Connections at most, with those that are only being closed. */
    private static final int MAX_LINKS = VirtioVsock.MAX_CONNECTIONS;
    /** Bytes of the guest's that may wait for programs of the host, of all connections; past that each gets but a little. */
    private static final long MUCH = 24L << 20;

    private static final int LITTLE = 16 << 10;
    private static final int CHUNK = 64 << 10;
    private static final Pattern CONNECT = Pattern.compile("CONNECT (\\d{1,10})\r?");
    private static final int MAX_LINE = 32;

    private final Path path;
    private final ServerSocketChannel server;
    private final Selector selector;
    private final VirtioVsock device;
    /** Those that the thread has to look at. */
    private final Queue<Link> changed = new ConcurrentLinkedQueue<>();
    /** Guarded by itself. */
    private final Set<Link> links = new HashSet<>();

    private long reserved;

    @SuppressWarnings("NullAway.Init") // set before there is a thread
    private Machine machine;

    private volatile boolean closed;

    private VsockSockets(Path path, long cid, ServerSocketChannel server, Selector selector) {
        this.path = path;
        this.server = server;
        this.selector = selector;
        device = new VirtioVsock(cid, this);
    }

    /**
     * Listens.
     *
     * @throws VmmException if the path can't be had
     */
    static VsockSockets listen(VsockConfig config) throws VmmException {
        ServerSocketChannel server = UnixListener.listen("vsock", config.path());
        try {
            server.configureBlocking(false);
            Selector selector = Selector.open();
            server.register(selector, SelectionKey.OP_ACCEPT);
            return new VsockSockets(config.path(), config.cid(), server, selector);
        } catch (IOException e) {
            throw new VmmException(VmmException.HOST, "vsock can't be had: " + Reasons.of(e), e);
        }
    }

    /** Plugs the device in, before the start. */
    void plug(Machine m) {
        machine = m;
        m.plug(Layout.VSOCK_SLOT, device.onPci("virtio-vsock0", m.memory(), m.msi()));
    }

    /** Once the machine is as it is to start, restored or not. */
    void start() {
        locked(device::start);
        Thread.ofPlatform().daemon().name("serai-vsock").start(this::serve);
    }

    private void locked(Runnable action) {
        machine.lock().lock();
        try {
            action.run();
        } finally {
            machine.lock().unlock();
        }
    }

    /** A connection's other end. What is not said to be guarded is the thread's. */
    private final class Link implements VsockEnd {
        private final int buffer;
        /** Guarded by this, as are the next five: what goes out, of which the first bytes are not the guest's. */
        private final ByteQueue out;

        private int ours;
        private VirtioVsock.@Nullable Connection connection;
        private boolean guestFinished;
        private boolean over;
        /** There may be room for more from the channel. */
        private boolean mayRead = true;

        private @Nullable SocketChannel channel;
        private @Nullable SelectionKey key;
        private boolean finished;
        private boolean outputShut;
        /** What a client has sent of its first line; null when it is there. */
        private @Nullable StringBuilder line;

        private final boolean byGuest;

        Link(VirtioVsock.@Nullable Connection connection, @Nullable SocketChannel channel, int buffer) {
            this.connection = connection;
            this.channel = channel;
            this.buffer = buffer;
            byGuest = connection != null;
            line = byGuest ? null : new StringBuilder();
            out = new ByteQueue(buffer + MAX_LINE);
        }

        // ---- with the machine lock ----

        @Override
        public int buffer() {
            return buffer;
        }

        @Override
        public void established() {
            synchronized (this) {
                VirtioVsock.Connection c = connection;
                if (c != null) {
                    byte[] ok = "OK %d\n".formatted(c.hostPort() & 0xffff_ffffL).getBytes(StandardCharsets.US_ASCII);
                    out.add(ok);
                    ours = ok.length;
                }
            }
            look(this);
        }

        @Override
        public void receive(byte[] bytes) {
            synchronized (this) {
                out.add(bytes);
            }
            look(this);
        }

        @Override
        public void guestFinished() {
            synchronized (this) {
                guestFinished = true;
            }
            look(this);
        }

        @Override
        public void ready() {
            boolean waits;
            synchronized (this) {
                waits = !mayRead;
                mayRead = true;
            }
            if (waits) {
                look(this);
            }
        }

        @Override
        public void closed() {
            synchronized (this) {
                over = true;
            }
            look(this);
        }

        // ---- on the thread ----

        /** Does what has become possible or necessary, and waits for the rest. */
        void update() {
            try {
                SocketChannel c = channel;
                if (c == null) {
                    c = open();
                    if (c == null) {
                        return;
                    }
                }
                if (!c.isOpen()) {
                    return;
                }
                boolean waits;
                boolean end;
                boolean shut;
                boolean read;
                synchronized (this) {
                    waits = out.size() > 0;
                    end = over && !waits;
                    shut = guestFinished && !waits;
                    read = mayRead && !over;
                }
                if (end) {
                    gone();
                    return;
                }
                if (shut && !outputShut) {
                    outputShut = true;
                    c.shutdownOutput();
                }
                int ops = (waits ? SelectionKey.OP_WRITE : 0) | (read && !finished ? SelectionKey.OP_READ : 0);
                SelectionKey k = key;
                if (k == null) {
                    key = c.register(selector, ops, this);
                } else {
                    k.interestOps(ops);
                }
            } catch (IOException | CancelledKeyException e) {
                broken();
            }
        }

        /** Connects to the program that the guest wants to talk to; null if it is not there. */
        private @Nullable SocketChannel open() throws IOException {
            VirtioVsock.Connection c;
            synchronized (this) {
                c = connection;
                if (over || c == null) {
                    c = null;
                }
            }
            if (c == null) {
                gone();
                return null;
            }
            VirtioVsock.Connection wanted = c;
            SocketChannel s = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel = s;
            s.configureBlocking(false);
            // which, of this kind of socket, is done at once or not at all
            if (!s.connect(UnixDomainSocketAddress.of(path + "_" + (wanted.hostPort() & 0xffff_ffffL)))) {
                throw new IOException("busy");
            }
            locked(wanted::accept);
            return s;
        }

        void readable() {
            SocketChannel c = channel;
            if (c == null) {
                return;
            }
            try {
                if (line != null) {
                    readLine(c);
                } else {
                    read(c);
                }
                update();
            } catch (IOException e) {
                broken();
            }
        }

        /** Byte by byte, as what follows the line is the guest's. */
        private void readLine(SocketChannel c) throws IOException {
            ByteBuffer one = ByteBuffer.allocate(1);
            while (true) {
                one.clear();
                int n = c.read(one);
                StringBuilder l = line;
                if (n == 0 || l == null) {
                    return;
                }
                if (n < 0 || l.length() == MAX_LINE) {
                    gone();
                    return;
                }
                char ch = (char) (one.get(0) & 0xff);
                if (ch == '\n') {
                    line = null;
                    connect(l.toString());
                    return;
                }
                l.append(ch);
            }
        }

        private void connect(String words) {
            Matcher m = CONNECT.matcher(words);
            long port = m.matches() ? Long.parseLong(m.group(1)) : -1;
            if (port < 0 || port > 0xffff_ffffL) {
                gone();
                return;
            }
            locked(() -> {
                VirtioVsock.Connection c = device.connect((int) port, this);
                synchronized (this) {
                    connection = c;
                    over |= c == null;
                }
            });
        }

        private void read(SocketChannel c) throws IOException {
            VirtioVsock.Connection to;
            int[] room = {0};
            synchronized (this) {
                to = connection;
            }
            if (to == null) {
                return;
            }
            locked(() -> {
                room[0] = Math.min(to.room(), CHUNK);
                if (room[0] == 0) {
                    synchronized (this) {
                        mayRead = false;
                    }
                }
            });
            if (room[0] == 0) {
                return;
            }
            ByteBuffer b = ByteBuffer.allocate(room[0]);
            int n = c.read(b);
            if (n < 0) {
                finished = true;
                locked(to::finish);
            } else if (n > 0) {
                byte[] bytes = new byte[n];
                b.flip().get(bytes);
                locked(() -> to.send(bytes));
            }
        }

        void writable() {
            SocketChannel c = channel;
            if (c == null) {
                return;
            }
            try {
                byte[] bytes;
                synchronized (this) {
                    bytes = out.peek(CHUNK);
                }
                int n = c.write(ByteBuffer.wrap(bytes));
                VirtioVsock.Connection from;
                int guests;
                synchronized (this) {
                    out.remove(n);
                    guests = n - Math.min(n, ours);
                    ours -= n - guests;
                    from = connection;
                }
                if (from != null && guests > 0) {
                    locked(() -> from.taken(guests));
                }
                update();
            } catch (IOException e) {
                broken();
            }
        }

        /** The program is gone: the guest is told. */
        private void broken() {
            VirtioVsock.Connection c;
            synchronized (this) {
                c = connection;
            }
            if (c != null) {
                locked(c::reset);
            }
            gone();
        }

        private void gone() {
            SocketChannel c = channel;
            if (c != null) {
                try {
                    c.close();
                } catch (IOException e) {
                    // nobody has it any more
                }
            }
            synchronized (this) {
                over = true;
            }
            release(this);
        }
    }

    // ---- links ----

    @Override
    public @Nullable VsockEnd connect(VirtioVsock.Connection c) {
        Link l = link(c, null);
        if (l != null) {
            look(l);
        }
        return l;
    }

    private @Nullable Link link(VirtioVsock.@Nullable Connection c, @Nullable SocketChannel channel) {
        synchronized (links) {
            if (closed || links.size() >= MAX_LINKS) {
                return null;
            }
            int buffer = reserved + VirtioVsock.BUFFER <= MUCH ? VirtioVsock.BUFFER : LITTLE;
            reserved += buffer;
            Link l = new Link(c, channel, buffer);
            links.add(l);
            return l;
        }
    }

    private void release(Link l) {
        synchronized (links) {
            if (links.remove(l)) {
                reserved -= l.buffer;
            }
        }
    }

    private void look(Link l) {
        changed.add(l);
        selector.wakeup();
    }

    // ---- the thread ----

    private void serve() {
        try {
            while (!closed) {
                selector.select();
                for (Link l; (l = changed.poll()) != null; ) {
                    l.update();
                }
                for (SelectionKey k : selector.selectedKeys()) {
                    serve(k);
                }
                selector.selectedKeys().clear();
            }
        } catch (IOException | java.nio.channels.ClosedSelectorException e) {
            return; // closed
        }
    }

    private void serve(SelectionKey k) {
        try {
            if (!(k.attachment() instanceof Link l)) {
                accept();
                return;
            }
            if (k.isWritable()) {
                l.writable();
            }
            if (k.isValid() && k.isReadable()) {
                l.readable();
            }
        } catch (CancelledKeyException e) {
            return; // closed meanwhile
        }
    }

    private void accept() {
        try {
            SocketChannel c = server.accept();
            if (c != null) {
                c.configureBlocking(false);
                Link l = link(null, c);
                if (l == null) {
                    c.close();
                } else {
                    l.update();
                }
            }
        } catch (IOException e) {
            if (!closed) {
                System.getLogger("serai.vsock")
                        .log(System.Logger.Level.WARNING, "a connection was not taken: {0}", Reasons.of(e));
            }
        }
    }

    @Override
    public void close() throws IOException {
        closed = true;
        selector.close();
        server.close();
        synchronized (links) {
            for (Link l : links) {
                SocketChannel c = l.channel;
                if (c != null) {
                    c.close();
                }
            }
        }
        Files.deleteIfExists(path);
    }
}
