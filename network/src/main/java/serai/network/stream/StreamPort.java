package serai.network.stream;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import serai.network.Frame;
import serai.network.NetworkPort;
import serai.network.Offload;
import serai.network.wire.WireFrames;

/**
 * A cable to another process: a Unix stream socket with QEMU's framing, so that {@code -netdev stream} of QEMU, passt and our own switch are possible
 * ends of it.
 *
 * <pre>
 * 0 length of the frame, big-endian (4) | 4 frame, as on the wire
 * </pre>
 *
 * One end listens, the other connects, and tries again each second while nobody listens. Without a peer frames are dropped, as with a cable that
 * is not plugged in. What the peer does not take waits, {@value #OUT} bytes at most; what comes beyond is dropped. What the interface does not fetch stays
 * with the peer once {@value #IN} bytes wait.
 */
public final class StreamPort implements NetworkPort {
    /** Bytes of the length before each frame. */
    static final int LENGTH = 4;
    /** Bytes that wait for the peer at most: the largest window that Linux's TCP opens by itself is 6 MiB, the usual far below this. */
    private static final int OUT = 4 << 20;

    private static final int IN = 1 << 20;
    /** A peer that says more has lost its place in the stream. QEMU's largest frame has 68 KiB. */
    private static final int MAX_LENGTH = 128 << 10;

    private static final long RETRY_MILLIS = 1_000;

    private final @Nullable ServerSocketChannel server;
    private final Path path;
    private final Selector selector;
    private final Thread thread;
    private final WireFrames wire = new WireFrames();
    private volatile Runnable action = () -> {};
    private volatile boolean closed;

    // what follows is guarded by this; the frame that receive() has given lies in `in`, whose bytes move in receive()
    // alone

    private @Nullable SocketChannel peer;
    private @Nullable SelectionKey key;
    private final ByteBuffer out = ByteBuffer.allocateDirect(OUT);
    /** From {@code taken} to its position: what has come and was not fetched. */
    private final ByteBuffer in = ByteBuffer.allocateDirect(IN);

    private int taken;
    /** Where the first frame begins whose length has not been looked at, or is not there yet. */
    private int checked;

    private boolean hungry = true;
    private long dropped;

    private StreamPort(@Nullable ServerSocketChannel server, Path path) throws IOException {
        this.server = server;
        this.path = path;
        selector = Selector.open();
        thread = Thread.ofPlatform().daemon().name("serai-net-stream").unstarted(this::run);
    }

    /**
     * The end that listens, for one peer at a time.
     *
     * @throws IOException if the path can't be had; a socket that a dead process has left there is replaced, nothing else is
     */
    public static StreamPort listen(Path path) throws IOException {
        StreamPort p = new StreamPort(UnixSockets.listen(path), path);
        p.thread.start();
        return p;
    }

    /** The end that connects, as soon as somebody listens there. */
    public static StreamPort connect(Path path) throws IOException {
        StreamPort p = new StreamPort(null, path);
        p.thread.start();
        return p;
    }

    // ---- the interface's side ----

    @Override
    public synchronized void send(ByteBuffer frame, Offload offload) {
        SocketChannel to = peer;
        if (to == null) {
            dropped++;
            return;
        }
        boolean waits = out.position() > 0;
        if (!wire.finish(frame, offload, Offload.Abilities.NONE, (f, o) -> append(f))) {
            dropped++;
        }
        if (!waits) {
            write(to);
        }
    }

    private void append(ByteBuffer f) {
        if (out.remaining() < LENGTH + f.remaining()) {
            dropped++;
            return;
        }
        out.putInt(f.remaining()).put(f);
    }

    private void write(SocketChannel to) {
        out.flip();
        try {
            while (out.hasRemaining() && to.write(out) > 0) {
                // as long as it takes some
            }
        } catch (IOException e) {
            out.position(out.limit()); // the thread that reads sees the end, too
        }
        out.compact();
        interest();
    }

    @Override
    public synchronized @Nullable Frame receive() {
        if (taken == checked) {
            hungry = true;
            if (taken > 0) {
                int end = in.position();
                in.limit(end).position(taken);
                in.compact();
                checked -= taken;
                taken = 0;
                interest();
            }
            return null;
        }
        int n = in.getInt(taken);
        ByteBuffer frame = in.slice(taken + LENGTH, n);
        taken += LENGTH + n;
        return new Frame(frame, Offload.NONE);
    }

    @Override
    public void accept(Offload.Abilities abilities) {
        // frames come as they are on the wire
    }

    @Override
    public void onFrames(Runnable newAction) {
        action = newAction;
    }

    /** Frames that were dropped on their way to the peer. */
    public synchronized long dropped() {
        return dropped;
    }

    /** Whether there is a peer. */
    public synchronized boolean connected() {
        return peer != null;
    }

    @Override
    public void close() {
        closed = true;
        selector.wakeup();
        try {
            if (server != null) {
                server.close();
                Files.deleteIfExists(path);
            }
            thread.interrupt();
            thread.join();
            selector.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            System.getLogger("serai.network").log(System.Logger.Level.WARNING, "{0}: {1}", path, e.getMessage());
        }
    }

    // ---- the thread ----

    private void run() {
        while (!closed) {
            try (SocketChannel c = meet()) {
                if (c != null) {
                    begin(c);
                    serve(c);
                }
            } catch (IOException e) {
                if (!closed) {
                    System.getLogger("serai.network").log(System.Logger.Level.DEBUG, "{0}: {1}", path, e.getMessage());
                }
            } catch (InterruptedException e) {
                return; // closed
            } finally {
                end();
            }
        }
    }

    private @Nullable SocketChannel meet() throws IOException, InterruptedException {
        if (server != null) {
            return server.accept();
        }
        SocketChannel c = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            c.connect(UnixDomainSocketAddress.of(path));
            return c;
        } catch (IOException e) {
            c.close();
            Thread.sleep(RETRY_MILLIS);
            return null;
        }
    }

    private void begin(SocketChannel c) throws IOException {
        c.configureBlocking(false);
        synchronized (this) {
            key = c.register(selector, SelectionKey.OP_READ);
            peer = c;
        }
    }

    private synchronized void end() {
        peer = null;
        if (key != null) {
            key.cancel();
            key = null;
        }
        out.clear();
        // whole frames may still be fetched; the begin of one would be taken for that of the next peer's
        in.position(checked);
    }

    private void serve(SocketChannel c) throws IOException {
        while (!closed) {
            selector.select();
            boolean tell;
            synchronized (this) {
                selector.selectedKeys().clear();
                if (out.position() > 0) {
                    write(c);
                }
                if (!read(c)) {
                    return;
                }
                tell = hungry && taken < checked;
                if (tell) {
                    hungry = false;
                }
            }
            if (tell) {
                action.run();
            }
        }
    }

    /** Whether the peer is still there, and in its right mind. */
    private boolean read(SocketChannel c) throws IOException {
        if (in.hasRemaining() && c.read(in) < 0) {
            return false;
        }
        interest();
        while (in.position() - checked >= LENGTH) {
            int n = in.getInt(checked);
            if (n < 0 || n > MAX_LENGTH) {
                throw new IOException("a frame of " + (n & 0xffffffffL) + " bytes");
            }
            if (in.position() - checked - LENGTH < n) {
                break;
            }
            checked += LENGTH + n;
        }
        return true;
    }

    /** Waits for what there is room or something for. */
    private void interest() {
        SelectionKey k = key;
        if (k != null && k.isValid()) {
            int ops = (in.hasRemaining() ? SelectionKey.OP_READ : 0) | (out.position() > 0 ? SelectionKey.OP_WRITE : 0);
            if (k.interestOps() != ops) {
                k.interestOps(ops);
                if (Thread.currentThread() != thread) {
                    selector.wakeup();
                }
            }
        }
    }
}
