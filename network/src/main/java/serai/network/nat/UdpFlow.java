package serai.network.nat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.network.packet.UdpHeader;

/**
 * A UDP endpoint of the guest and its socket. Whoever the guest sends to, and anybody who knows the socket's port, may send to it, as with any NAT whose mapping does not depend
 * on the peer (RFC 4787, REQ-1 and REQ-8). Queries to the guest's name server go to the host's.
 */
final class UdpFlow implements Loop.Handler {
    /** Datagrams at once, before others have their turn. */
    private static final int BATCH = 32;
    /** Peers of a forwarded port that are remembered. */
    private static final int PEERS = 64;

    private record Peer(Ip ip, int port) {}

    private final Core core;
    final FlowKey key;
    private final Ip guest;
    private final DatagramChannel channel;
    private final boolean forward;
    /** Who came to a forwarded port, by how the guest sees them, and from where. */
    private final Map<Peer, InetSocketAddress> peers = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Peer, InetSocketAddress> eldest) {
            return size() > PEERS;
        }
    };

    private @Nullable InetSocketAddress dnsServer;
    private @Nullable InetSocketAddress lastTarget;
    private long lastHigh;
    private long lastLow;
    private int lastPort;
    long lastUse;

    /**
     * Opens the socket.
     *
     * @param host where it listens if it is a forwarded port's
     */
    UdpFlow(Core core, FlowKey key, @Nullable InetSocketAddress host) throws IOException {
        this.core = core;
        this.key = key;
        guest = key.guest();
        forward = host != null;
        lastUse = core.now();
        channel = DatagramChannel.open();
        try {
            channel.configureBlocking(false);
            channel.bind(host);
            core.loop.register(channel, SelectionKey.OP_READ, this);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    boolean isForward() {
        return forward;
    }

    boolean hasHeardFrom(long high, long low, int port) {
        return peers.containsKey(new Peer(new Ip(high, low), port));
    }

    /** Where it listens. */
    InetSocketAddress address() throws IOException {
        return (InetSocketAddress) channel.getLocalAddress();
    }

    /** Sends a datagram of the guest. */
    void send(Packet p, long now) {
        lastUse = now;
        int port = p.u16(UdpHeader.DESTINATION_PORT);
        InetSocketAddress target = lastTarget;
        if (target == null || port != lastPort || p.destinationLow != lastLow || p.destinationHigh != lastHigh) {
            target = target(p, port);
            if (target == null) {
                core.icmp.unreachable(p, Icmp.Unreachable.HOST);
                return;
            }
            lastTarget = target;
            lastHigh = p.destinationHigh;
            lastLow = p.destinationLow;
            lastPort = port;
        }
        ByteBuffer b = p.bytes;
        int limit = b.limit();
        int position = b.position();
        try {
            b.limit(p.at + p.length).position(p.at + UdpHeader.LENGTH);
            if (channel.send(b, target) == 0 && p.length > UdpHeader.LENGTH) {
                core.counters.drop(Drop.NO_ROOM);
            }
        } catch (IOException | IllegalArgumentException | SecurityException e) {
            // the host has no way there, or not for so large a datagram; or the target's port is 0
            core.counters.drop(Drop.HOST);
            core.icmp.unreachable(p, Icmp.Unreachable.HOST);
        } finally {
            b.limit(limit).position(position);
        }
    }

    private @Nullable InetSocketAddress target(Packet p, int port) {
        if (port == 0) {
            return null;
        }
        if (forward) {
            InetSocketAddress peer = peers.get(new Peer(p.destination(), port));
            if (peer != null) {
                return peer;
            }
        }
        InetSocketAddress target = core.addresses.target(p.destinationHigh, p.destinationLow, port, core.resolvers);
        if (core.addresses.kind(p.destinationHigh, p.destinationLow) == Addresses.Kind.DNS) {
            dnsServer = target;
        }
        return target;
    }

    @Override
    public void ready(SelectionKey selection) throws IOException {
        for (int i = 0; i < BATCH; i++) {
            core.lock.lock();
            try {
                ByteBuffer b = core.udp.buffer.clear();
                InetSocketAddress from = (InetSocketAddress) channel.receive(b);
                if (from == null) {
                    return;
                }
                received(from, b.flip());
            } finally {
                core.lock.unlock();
            }
        }
    }

    private void received(InetSocketAddress from, ByteBuffer b) {
        lastUse = core.now();
        boolean v6 = !guest.isV4();
        boolean dns = from.equals(dnsServer);
        Ip seen = dns ? v6 ? core.addresses.dns6 : core.addresses.dns : core.addresses.seen(from.getAddress(), v6);
        int port = dns ? Resolvers.PORT : from.getPort();
        if (forward) {
            peers.put(new Peer(seen, port), from);
            lastTarget = null;
        }
        long mac = core.neighbors.mac(guest);
        if (mac == 0) {
            core.counters.drop(Drop.UNREACHABLE); // the guest has been asked; who sent will do so again
        } else {
            core.outbox.udp(seen, port, guest, key.guestPort(), mac, b);
        }
    }

    @Override
    public void failed() {
        core.lock.lock();
        try {
            core.udp.remove(this);
        } finally {
            core.lock.unlock();
        }
    }

    void close() {
        core.loop.close(channel);
    }
}
