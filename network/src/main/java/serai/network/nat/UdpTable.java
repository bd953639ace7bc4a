package serai.network.nat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.network.packet.UdpHeader;

/** The guest's UDP endpoints, each with a socket of the host: 512 at most, then the one goes that was used longest ago. */
final class UdpTable {
    private static final int MOST = 512;
    /** RFC 4787, REQ-5, asks for 2 minutes at least. */
    private static final long IDLE_MILLIS = 120_000;

    private final Core core;
    private final Map<FlowKey, UdpFlow> flows = new HashMap<>();
    private final FlowKey probe = new FlowKey();
    /** What a datagram of the host is read into; by the NAT's thread, and with the lock. */
    final ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16);

    UdpTable(Core core) {
        this.core = core;
    }

    int size() {
        return flows.size();
    }

    /** A datagram whose header has been looked at. */
    void input(Packet p) {
        int guestPort = p.u16(UdpHeader.SOURCE_PORT);
        UdpFlow flow = flows.get(probe.set(p.sourceHigh, p.sourceLow, guestPort, 0, 0, 0));
        boolean reply = flow != null
                && flow.isForward()
                && flow.hasHeardFrom(p.destinationHigh, p.destinationLow, p.u16(UdpHeader.DESTINATION_PORT));
        if (core.config.restrict() && !reply) {
            core.counters.drop(Drop.RESTRICTED);
            return;
        }
        if (flow == null) {
            if (core.addresses.kind(p.destinationHigh, p.destinationLow) == Addresses.Kind.NOWHERE) {
                core.counters.drop(Drop.UNREACHABLE);
                return;
            }
            flow = open(p, guestPort);
        }
        if (flow != null) {
            flow.send(p, core.now());
        }
    }

    private @Nullable UdpFlow open(Packet p, int guestPort) {
        InetSocketAddress target = core.addresses.target(
                p.destinationHigh, p.destinationLow, p.u16(UdpHeader.DESTINATION_PORT), core.resolvers);
        if (target == null) { // no socket for what goes nowhere
            core.icmp.unreachable(
                    p,
                    core.addresses.kind(p.destinationHigh, p.destinationLow) == Addresses.Kind.DNS
                            ? Icmp.Unreachable.PORT
                            : Icmp.Unreachable.HOST);
            return null;
        }
        if (flows.size() >= MOST && !evict()) {
            core.counters.drop(Drop.TOO_MANY);
            return null;
        }
        core.neighbors.learn(p.source(), p.mac);
        FlowKey key = new FlowKey().set(p.sourceHigh, p.sourceLow, guestPort, 0, 0, 0);
        try {
            UdpFlow flow = new UdpFlow(core, key, null);
            flows.put(key, flow);
            core.loop.arm(core.now() + IDLE_MILLIS);
            return flow;
        } catch (IOException e) {
            core.counters.drop(Drop.HOST);
            return null;
        }
    }

    private boolean evict() {
        UdpFlow oldest = null;
        for (UdpFlow f : flows.values()) {
            if (!f.isForward() && (oldest == null || f.lastUse < oldest.lastUse)) {
                oldest = f;
            }
        }
        if (oldest == null) {
            return false;
        }
        remove(oldest);
        return true;
    }

    void remove(UdpFlow flow) {
        if (flows.remove(flow.key, flow)) {
            flow.close();
        }
    }

    /**
     * Makes a socket of the host lead to an endpoint of the guest.
     *
     * @throws IOException if the host refuses, or there is one already
     */
    UdpFlow forward(InetSocketAddress host, Ip guest, int guestPort) throws IOException {
        FlowKey key = new FlowKey().set(guest.high(), guest.low(), guestPort, 0, 0, 0);
        UdpFlow there = flows.get(key);
        if (there != null && there.isForward()) {
            throw new IOException("UDP port %d of %s has a forwarded port already".formatted(guestPort, guest));
        }
        UdpFlow flow = new UdpFlow(core, key, host);
        if (there != null) {
            remove(there);
        }
        flows.put(key, flow);
        return flow;
    }

    void tick(long now) {
        long next = Long.MAX_VALUE;
        for (Iterator<UdpFlow> i = flows.values().iterator(); i.hasNext(); ) {
            UdpFlow f = i.next();
            if (f.isForward()) {
                continue;
            }
            if (now - f.lastUse >= IDLE_MILLIS) {
                i.remove();
                f.close();
            } else {
                next = Math.min(next, f.lastUse + IDLE_MILLIS);
            }
        }
        if (next != Long.MAX_VALUE) {
            core.loop.arm(next);
        }
    }

    void close() {
        flows.values().forEach(UdpFlow::close);
        flows.clear();
    }
}
