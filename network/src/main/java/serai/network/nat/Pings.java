package serai.network.nat;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import serai.linux.EventFd;
import serai.linux.Linux;
import serai.linux.PingSocket;
import serai.linux.Poll;
import serai.network.packet.IcmpHeader;

/**
 * Echoes of the guest to the world, by unprivileged sockets of the host where it allows them. All go by one socket of each version, told apart by a sequence number of ours, the
 * latest 1,024 of them. The replies have a thread of their own, which is there from the first echo on, as the JDK's selector knows no such sockets.
 */
final class Pings {
    private static final Logger LOG = System.getLogger(Pings.class.getName());
    private static final int SLOTS = 1024; // a power of two
    private static final int MAX_MESSAGE = 65_507;

    /** An echo on its way. */
    private record Echo(int sequence, Ip guest, long mac, int guestId, int guestSequence, Ip to) {}

    private final Core core;
    private final Runnable done;
    private final @Nullable Echo[] echoes = new Echo[SLOTS];
    private int next;
    private boolean refused;
    private @Nullable Sockets sockets;

    /** What the thread works with. */
    private static final class Sockets implements AutoCloseable {
        final @Nullable PingSocket v4;
        final @Nullable PingSocket v6;
        final EventFd stop;

        Sockets() throws IOException {
            v4 = open(false);
            v6 = open(true);
            if (v4 == null && v6 == null) {
                throw new IOException("the host allows no ICMP sockets");
            }
            stop = EventFd.create();
        }

        private static @Nullable PingSocket open(boolean v6) {
            try {
                return PingSocket.open(v6);
            } catch (IOException e) {
                return null;
            }
        }

        @Override
        public void close() {
            if (v4 != null) {
                v4.close();
            }
            if (v6 != null) {
                v6.close();
            }
            stop.close();
        }
    }

    /**
     * Of a NAT.
     *
     * @param done called without the lock when there may be frames for the guest
     */
    Pings(Core core, Runnable done) {
        this.core = core;
        this.done = done;
    }

    /** Sends an echo whose checksum has been looked at; false if the host doesn't. */
    boolean send(Packet p) {
        if (p.length > MAX_MESSAGE || refused || !Linux.available()) {
            return false;
        }
        Sockets s = sockets;
        if (s == null) {
            s = start();
            if (s == null) {
                return false;
            }
        }
        PingSocket socket = p.v6 ? s.v6 : s.v4;
        if (socket == null) {
            return false;
        }
        int sequence = next++ & 0xffff;
        Ip to = p.destination();
        ByteBuffer message = ByteBuffer.allocateDirect(p.length).put(0, p.bytes, p.at, p.length);
        message.putShort(IcmpHeader.SEQUENCE, (short) sequence);
        try {
            socket.send(message, core.addresses.target(to));
        } catch (IOException e) {
            return false;
        }
        echoes[sequence & SLOTS - 1] =
                new Echo(sequence, p.source(), p.mac, p.u16(IcmpHeader.IDENTIFIER), p.u16(IcmpHeader.SEQUENCE), to);
        return true;
    }

    private @Nullable Sockets start() {
        try {
            Sockets s = new Sockets();
            sockets = s;
            Thread.ofPlatform().daemon().name("user-network-ping").start(() -> run(s));
            return s;
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "user network: echoes of the guest go nowhere: {0}", e.getMessage());
            refused = true;
            return null;
        }
    }

    private void run(Sockets s) {
        try (s) {
            ByteBuffer in = ByteBuffer.allocateDirect(1 << 16);
            int fd4 = s.v4 == null ? -1 : s.v4.fd();
            int fd6 = s.v6 == null ? -1 : s.v6.fd();
            while (true) {
                long ready = Poll.readable(-1, fd4, fd6, s.stop.fd());
                if ((ready & 4) != 0) {
                    return;
                }
                if ((ready & 1) != 0 && s.v4 != null) {
                    receive(s.v4, false, in);
                }
                if ((ready & 2) != 0 && s.v6 != null) {
                    receive(s.v6, true, in);
                }
            }
        } catch (IOException e) {
            LOG.log(Level.ERROR, "user network: replies to echoes can't be received", e);
        }
    }

    private void receive(PingSocket socket, boolean v6, ByteBuffer in) {
        if (!socket.receive(in.clear()) || in.flip().remaining() < IcmpHeader.LENGTH) {
            return;
        }
        core.lock.lock();
        try {
            int sequence = in.getShort(IcmpHeader.SEQUENCE) & 0xffff;
            Echo e = echoes[sequence & SLOTS - 1];
            if (e == null || e.sequence != sequence || e.to.isV4() == v6) {
                return;
            }
            echoes[sequence & SLOTS - 1] = null;
            in.putShort(IcmpHeader.IDENTIFIER, (short) e.guestId);
            in.putShort(IcmpHeader.SEQUENCE, (short) e.guestSequence);
            core.icmp.echoReply(e.to, e.guest, e.mac, in);
        } finally {
            core.lock.unlock();
        }
        done.run();
    }

    /** Ends the thread, which gives the sockets back. */
    void close() {
        refused = true;
        Sockets s = sockets;
        if (s != null) {
            sockets = null;
            s.stop.signal();
        }
    }
}
