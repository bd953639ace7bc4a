package serai.vmm;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.machine.virtio.ConsolePort;
import serai.machine.virtio.VirtioConsole;

/**
 * A port of the virtio console on a Unix socket, for one client at a time: while there is one, the guest sees the port open on the host.
 *
 * <p>Nobody waits for anybody with the machine lock: what the client does not read stays with the guest once
 * {@value #ROOM} bytes wait, and what the guest does not read stays with the client.
 */
final class SocketPort implements ConsolePort, AutoCloseable {
    private static final int ROOM = 256 << 10;
    private static final int CHUNK = 32 << 10;
    private static final long GUEST_IS_BUSY_MILLIS = 10;

    private final String name;
    private final Path path;
    private final ServerSocketChannel server;
    /** Guards what follows; never held while the machine lock is asked for. */
    private final Object buffer = new Object();

    private byte[] waiting = new byte[0];
    private boolean refused;
    private @Nullable SocketChannel client;
    private volatile boolean closed;

    private SocketPort(String name, Path path, ServerSocketChannel server) {
        this.name = name;
        this.path = path;
        this.server = server;
    }

    /**
     * Listens.
     *
     * @throws VmmException if the path can't be had: a socket that a dead process has left is replaced, nothing else is
     */
    static SocketPort listen(String name, Path path) throws VmmException {
        return new SocketPort(name, path, UnixListener.listen("port " + name, path));
    }

    /** Takes clients from now on; the guest is told that there is none yet. */
    void start(Machine machine, VirtioConsole console, int port) {
        locked(machine, () -> console.hostOpen(port, false));
        Thread.ofPlatform().daemon().name("serai-port-" + name).start(() -> serve(machine, console, port));
    }

    private static void locked(Machine machine, Runnable action) {
        machine.lock().lock();
        try {
            action.run();
        } finally {
            machine.lock().unlock();
        }
    }

    private void serve(Machine machine, VirtioConsole console, int port) {
        while (!closed) {
            try (SocketChannel c = server.accept()) {
                synchronized (buffer) {
                    client = c;
                }
                Thread writer = Thread.ofPlatform()
                        .daemon()
                        .name("serai-port-out-" + name)
                        .start(() -> writeTo(c, machine, console, port));
                locked(machine, () -> console.hostOpen(port, true));
                readFrom(c, machine, console, port);
                synchronized (buffer) {
                    client = null;
                    waiting = new byte[0];
                    refused = false;
                    buffer.notifyAll();
                }
                locked(machine, () -> console.hostOpen(port, false));
                writer.join();
            } catch (IOException e) {
                return; // closed
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private static void readFrom(SocketChannel c, Machine machine, VirtioConsole console, int port)
            throws InterruptedException {
        ByteBuffer b = ByteBuffer.allocate(CHUNK);
        int[] pending = {0};
        try {
            while (c.read(b) >= 0) {
                byte[] bytes = Arrays.copyOf(b.array(), b.position());
                b.clear();
                locked(machine, () -> {
                    console.input(port, bytes);
                    pending[0] = console.pending(port);
                });
                while (pending[0] > ROOM) {
                    Thread.sleep(GUEST_IS_BUSY_MILLIS);
                    locked(machine, () -> pending[0] = console.pending(port));
                }
            }
        } catch (IOException e) {
            return; // the client is gone
        }
    }

    private void writeTo(SocketChannel c, Machine machine, VirtioConsole console, int port) {
        try {
            while (true) {
                byte[] now;
                boolean more;
                synchronized (buffer) {
                    while (client == c && waiting.length == 0) {
                        buffer.wait();
                    }
                    if (client != c) {
                        return;
                    }
                    now = waiting;
                    waiting = new byte[0];
                    more = refused;
                    refused = false;
                }
                ByteBuffer b = ByteBuffer.wrap(now);
                while (b.hasRemaining()) {
                    c.write(b);
                }
                if (more) {
                    locked(machine, () -> console.ready(port));
                }
            }
        } catch (IOException e) {
            return; // the reader sees the end, too
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public boolean isConsole() {
        return name.isEmpty();
    }

    @Override
    public int write(byte[] bytes, int offset) {
        synchronized (buffer) {
            if (client == null) {
                return bytes.length - offset;
            }
            int n = Math.min(bytes.length - offset, ROOM - waiting.length);
            byte[] all = Arrays.copyOf(waiting, waiting.length + n);
            System.arraycopy(bytes, offset, all, waiting.length, n);
            waiting = all;
            refused = n < bytes.length - offset;
            buffer.notifyAll();
            return n;
        }
    }

    @Override
    public void close() throws IOException {
        closed = true;
        server.close();
        SocketChannel c;
        synchronized (buffer) {
            c = client;
        }
        if (c != null) {
            c.close();
        }
        Files.deleteIfExists(path);
    }
}
