package serai.network.nat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/** A TCP port of the host that leads to one of the guest. */
final class TcpForward implements Loop.Handler {
    /** Connections at once, before others have their turn. */
    private static final int BATCH = 16;

    private final Core core;
    private final Ip guest;
    private final int guestPort;
    private final ServerSocketChannel channel;

    /** Listens. */
    TcpForward(Core core, InetSocketAddress host, Ip guest, int guestPort) throws IOException {
        this.core = core;
        this.guest = guest;
        this.guestPort = guestPort;
        channel = ServerSocketChannel.open();
        try {
            channel.configureBlocking(false);
            channel.setOption(StandardSocketOptions.SO_REUSEADDR, true).bind(host);
            core.loop.register(channel, SelectionKey.OP_ACCEPT, this);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** Where it listens. */
    InetSocketAddress address() throws IOException {
        return (InetSocketAddress) channel.getLocalAddress();
    }

    @Override
    public void ready(SelectionKey key) {
        core.lock.lock();
        try {
            for (int i = 0; i < BATCH && channel.isOpen(); i++) {
                if (!accept(key)) {
                    return;
                }
            }
        } finally {
            core.lock.unlock();
        }
    }

    private boolean accept(SelectionKey key) {
        SocketChannel socket;
        try {
            socket = channel.accept();
        } catch (IOException e) {
            core.counters.drop(Drop.HOST);
            key.interestOps(0); // no descriptors: looking again at once would be of no use
            core.tcp.rest(this, key);
            return false;
        }
        if (socket == null) {
            return false;
        }
        try {
            if (!core.tcp.openToGuest(socket, guest, guestPort)) {
                core.loop.close(socket);
            }
        } catch (IOException e) {
            core.counters.drop(Drop.HOST); // whoever it was has gone
            core.loop.close(socket);
        }
        return true;
    }

    /** Listens again. */
    void resume(SelectionKey key) {
        core.loop.watch(key, SelectionKey.OP_ACCEPT);
    }

    @Override
    public void failed() {
        close();
    }

    void close() {
        core.loop.close(channel);
    }
}
