package serai.network.nat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.network.Frame;
import serai.network.Offload;
import serai.network.packet.IpProtocol;
import serai.network.packet.TcpHeader;

/** The guest's TCP connections: 4,096 at most, then the one goes that was used longest ago. */
final class TcpTable {
    static final int MOST = 4096;
    /** Connections that the host has not made yet, or the guest not taken. */
    private static final int MOST_HALF_OPEN = 1024;

    private static final long REST_MILLIS = 1000;
    private static final int BUFFERS = 17; // READ in pages, and one more where it begins within a page

    private final Core core;
    private final Map<FlowKey, TcpConnection> connections = new HashMap<>();
    private final FlowKey probe = new FlowKey();
    private @Nullable TcpConnection last;
    private final ArrayDeque<TcpConnection> ready = new ArrayDeque<>();
    private final Map<TcpForward, SelectionKey> resting = new HashMap<>();
    private final ArrayDeque<TcpConnection> starved = new ArrayDeque<>();
    private final long secret = new SecureRandom().nextLong();
    /** A frame for the guest. */
    private final ByteBuffer out = ByteBuffer.allocateDirect(Offload.MAX_FRAME);

    /** For the NAT's thread. */
    final ByteBuffer[] readBuffers = new ByteBuffer[BUFFERS];
    /** With the lock. */
    final ByteBuffer[] writeBuffers = new ByteBuffer[BUFFERS];

    TcpTable(Core core) {
        this.core = core;
    }

    int size() {
        return connections.size();
    }

    /** A segment of the guest, of which nothing has been looked at. */
    void input(Packet p) {
        int header = p.length < TcpHeader.LENGTH ? 0 : TcpHeader.length(p.bytes, p.at);
        if (header < TcpHeader.LENGTH || header > p.length) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        if (!p.isSound()) {
            core.counters.drop(Drop.CHECKSUM);
            return;
        }
        probe.set(
                p.sourceHigh,
                p.sourceLow,
                p.u16(TcpHeader.SOURCE_PORT),
                p.destinationHigh,
                p.destinationLow,
                p.u16(TcpHeader.DESTINATION_PORT));
        TcpConnection c = last;
        if (c == null || !c.key.equals(probe)) {
            c = connections.get(probe);
            last = c;
        }
        if (c != null) {
            c.input(p, core.now());
            return;
        }
        int flags = p.bytes.get(p.at + TcpHeader.FLAGS);
        if ((flags & (TcpHeader.SYN | TcpHeader.ACK | TcpHeader.RST)) == TcpHeader.SYN) {
            open(p);
        } else {
            core.counters.drop(Drop.STALE);
            if ((flags & TcpHeader.RST) == 0) {
                reset(p);
            }
        }
    }

    private void open(Packet p) {
        if (core.config.restrict()) {
            core.counters.drop(Drop.RESTRICTED);
            reset(p);
            return;
        }
        int port = p.u16(TcpHeader.DESTINATION_PORT);
        Addresses.Kind kind = core.addresses.kind(p.destinationHigh, p.destinationLow);
        if (kind == Addresses.Kind.NOWHERE || p.u16(TcpHeader.SOURCE_PORT) == 0) {
            core.counters.drop(Drop.UNREACHABLE);
            return;
        }
        InetSocketAddress target = core.addresses.target(p.destinationHigh, p.destinationLow, port, core.resolvers);
        if (kind == Addresses.Kind.NEIGHBOR) {
            core.icmp.unreachable(p, Icmp.Unreachable.HOST);
            return;
        }
        if (target == null || port == 0) {
            core.counters.drop(Drop.UNREACHABLE);
            reset(p);
            return;
        }
        if (!makeRoom()) {
            core.counters.drop(Drop.TOO_MANY);
            return;
        }
        core.neighbors.learn(p.source(), p.mac);
        SocketChannel channel;
        try {
            channel = SocketChannel.open();
        } catch (IOException e) {
            core.counters.drop(Drop.HOST);
            return; // too many of them; the guest tries again
        }
        TcpConnection c = new TcpConnection(core, this, probe.copy(), channel, TcpConnection.State.CONNECTING);
        connections.put(c.key, c);
        last = c;
        try {
            prepare(channel);
            c.open(p, channel.connect(target));
        } catch (IOException | RuntimeException e) { // no way there, or an address that the host does not like
            c.refused(p, e instanceof IOException io ? io : new IOException(e));
        }
    }

    static void prepare(SocketChannel channel) throws IOException {
        channel.configureBlocking(false);
        SocketChannel unused = channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    }

    /**
     * Makes a connection to the guest for a socket that came in by a forwarded port.
     *
     * @return false if there are too many already
     */
    boolean openToGuest(SocketChannel channel, Ip guest, int guestPort) throws IOException {
        if (!makeRoom()) {
            core.counters.drop(Drop.TOO_MANY);
            return false;
        }
        prepare(channel);
        InetSocketAddress from = (InetSocketAddress) channel.getRemoteAddress();
        Ip peer = core.addresses.seen(from.getAddress(), !guest.isV4());
        FlowKey key = new FlowKey();
        int port = from.getPort();
        for (int tries = 0; tries < 0x10000; tries++) {
            key.set(guest.high(), guest.low(), guestPort, peer.high(), peer.low(), port);
            if (!connections.containsKey(key)) {
                break;
            }
            port = port < 0xffff ? port + 1 : 1024;
        }
        if (connections.containsKey(key)) {
            return false;
        }
        TcpConnection c = new TcpConnection(core, this, key, channel, TcpConnection.State.SYN_SENT);
        connections.put(key, c);
        try {
            c.openToGuest();
        } catch (IOException | RuntimeException e) {
            c.remove(true);
            throw e;
        }
        return true;
    }

    /** Whether there may be one more. */
    private boolean makeRoom() {
        if (connections.size() < MOST_HALF_OPEN) {
            return true;
        }
        int halfOpen = 0;
        TcpConnection oldest = null;
        for (TcpConnection c : connections.values()) {
            halfOpen += c.state.compareTo(TcpConnection.State.ESTABLISHED) < 0 ? 1 : 0;
            boolean waits = c.state == TcpConnection.State.TIME_WAIT;
            boolean oldestWaits = oldest != null && oldest.state == TcpConnection.State.TIME_WAIT;
            if (oldest == null || waits && !oldestWaits || waits == oldestWaits && c.lastUse < oldest.lastUse) {
                oldest = c;
            }
        }
        if (halfOpen >= MOST_HALF_OPEN) {
            return false;
        }
        if (connections.size() >= MOST && oldest != null) {
            core.counters.drop(Drop.TOO_MANY);
            oldest.reset();
        }
        return true;
    }

    void remove(TcpConnection c) {
        connections.remove(c.key, c);
        if (last == c) {
            last = null;
        }
    }

    void neighborKnown(Ip ip) {
        for (TcpConnection c : connections.values()) {
            c.neighborKnown(ip);
        }
    }

    /** An initial sequence number that nobody else can guess, and that grows (RFC 6528). */
    int initialSequence(FlowKey key) {
        long h = (key.hashCode() ^ secret) * 0x9e3779b97f4a7c15L;
        h = (h ^ h >>> 29 ^ Long.rotateLeft(secret, 17)) * 0xbf58476d1ce4e5b9L;
        return (int) (h >>> 32) + (int) (core.now() * 250);
    }

    // ---- to the guest

    /** It has something to send. */
    void queue(TcpConnection c) {
        if (!c.queued) {
            c.queued = true;
            ready.add(c);
        }
    }

    boolean hasFrames() {
        return !ready.isEmpty();
    }

    /** The next frame, of the connections in turn. */
    @Nullable
    Frame next(Offload.Abilities abilities) {
        long now = core.now();
        for (TcpConnection c = ready.poll(); c != null; c = ready.poll()) {
            c.queued = false;
            Frame frame = c.output(out.clear(), abilities, now);
            if (frame != null) {
                if (c.hasOutput()) {
                    queue(c);
                }
                return frame;
            }
        }
        return null;
    }

    /** Writes a header without options or checksum. */
    static void write(ByteBuffer b, int at, FlowKey key, int sequence, int ack, int flags, int window) {
        b.putShort(at, (short) key.peerPort());
        b.putShort(at + TcpHeader.DESTINATION_PORT, (short) key.guestPort());
        b.putInt(at + TcpHeader.SEQUENCE, sequence);
        b.putInt(at + TcpHeader.ACKNOWLEDGMENT, ack);
        b.putInt(at + TcpHeader.DATA_OFFSET, TcpHeader.LENGTH / 4 << 28 | flags << 16 | window);
        b.putInt(at + TcpHeader.CHECKSUM, 0);
    }

    static void seal(ByteBuffer b, Ip from, Ip to, int length) {
        b.putShort(
                b.limit() - length + TcpHeader.CHECKSUM, (short) Outbox.checksum(b, from, to, IpProtocol.TCP, length));
    }

    void sendReset(FlowKey key, long mac, int sequence, int ack, int flags) {
        Ip peer = key.peer();
        Ip guest = key.guest();
        ByteBuffer b = core.outbox.packet(peer, guest, mac, IpProtocol.TCP, TcpHeader.LENGTH);
        write(b, b.limit() - TcpHeader.LENGTH, key, sequence, ack, flags, 0);
        seal(b, peer, guest, TcpHeader.LENGTH);
        core.outbox.add(b);
    }

    /** Answers a segment that belongs to nothing (RFC 9293, 3.10.7.1). */
    void reset(Packet p) {
        int flags = p.bytes.get(p.at + TcpHeader.FLAGS);
        int sequence = p.bytes.getInt(p.at + TcpHeader.SEQUENCE);
        int length = p.length - TcpHeader.length(p.bytes, p.at) + (flags & TcpHeader.FIN) + (flags >> 1 & 1);
        FlowKey key = new FlowKey()
                .set(
                        p.sourceHigh,
                        p.sourceLow,
                        p.u16(TcpHeader.SOURCE_PORT),
                        p.destinationHigh,
                        p.destinationLow,
                        p.u16(TcpHeader.DESTINATION_PORT));
        if ((flags & TcpHeader.ACK) != 0) {
            sendReset(key, p.mac, p.bytes.getInt(p.at + TcpHeader.ACKNOWLEDGMENT), 0, TcpHeader.RST);
        } else {
            sendReset(key, p.mac, 0, sequence + length, TcpHeader.RST | TcpHeader.ACK);
        }
    }

    // ---- time

    /** There was no memory to read into; it is tried again at the next tick. */
    void starve(TcpConnection c) {
        starved.add(c);
        core.loop.arm(core.now());
    }

    /** A forwarded port could not be served, and is to be left alone for a moment. */
    void rest(TcpForward forward, SelectionKey key) {
        resting.put(forward, key);
        core.loop.arm(core.now() + REST_MILLIS);
    }

    void tick(long now) {
        resting.forEach(TcpForward::resume);
        resting.clear();
        for (int n = starved.size(); n > 0; n--) {
            starved.remove().retry();
        }
        List<TcpConnection> due = new ArrayList<>();
        for (TcpConnection c : connections.values()) {
            long deadline = c.deadline();
            if (deadline != 0 && deadline <= now) {
                due.add(c);
            }
        }
        due.forEach(c -> c.timeout(now));
        long next = Long.MAX_VALUE;
        for (TcpConnection c : connections.values()) {
            long deadline = c.deadline();
            if (deadline != 0) {
                next = Math.min(next, deadline);
            }
        }
        if (next != Long.MAX_VALUE) {
            core.loop.arm(next);
        }
        core.pool.trim(now);
    }

    void close() {
        new ArrayList<>(connections.values()).forEach(c -> c.remove(true));
        ready.clear();
        starved.clear();
    }
}
