package serai.network.lan;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import serai.network.Frame;
import serai.network.NetworkPort;
import serai.network.Offload;
import serai.network.packet.Ethernet;

/**
 * A learning switch (IEEE 802.1Q) whose ports lead to whatever is a {@link NetworkPort}: cables to VMs, a user network. Each is in one VLAN by frames
 * without a tag, or a trunk of several. What it may send is checked before anybody learns from it ({@link PortRules}).
 *
 * <p>One thread takes frames from the ports in turn, some at a time, so that nobody who sends without end keeps the others waiting. It queues nothing:
 * frames for a port that does not take them are lost there, as in any switch.
 */
public final class Switch implements AutoCloseable {
    /** Frames taken from one port before the next one's turn. */
    private static final int TURN = 64;

    private static final int TAG = 4, TAGGED = 0x8100, NUMBER = 0xfff;

    private static final class Port {
        final PortRules rules;
        final NetworkPort network;
        final SourceFilter filter;
        final @Nullable RateLimit limit;
        final AtomicBoolean waits = new AtomicBoolean(true);
        long received, receivedBytes, sent, sentBytes, malformed, forbidden, limited;

        Port(PortRules rules, NetworkPort network, long now) {
            this.rules = rules;
            this.network = network;
            filter = new SourceFilter(rules);
            limit = rules.bytesPerSecond() == 0 ? null : new RateLimit(rules.bytesPerSecond(), now);
        }
    }

    private final LongSupplier millis;
    private final List<Port> ports = new ArrayList<>();
    private final AddressTable<Port> table = new AddressTable<>();
    private final ByteBuffer scratch = ByteBuffer.allocateDirect(Offload.MAX_FRAME + TAG);
    private @Nullable Thread thread;
    private volatile boolean closed;

    /**
     * A switch without ports.
     *
     * @param millis a clock that never goes back
     */
    public Switch(LongSupplier millis) {
        this.millis = millis;
    }

    /** Adds a port, which is closed with the switch; before {@link #start}. */
    public void add(PortRules rules, NetworkPort network) {
        Port p = new Port(rules, network, millis.getAsLong());
        ports.add(p);
        network.accept(Offload.Abilities.ALL);
        network.onFrames(() -> {
            p.waits.set(true);
            LockSupport.unpark(thread);
        });
    }

    /** Begins to work, on a thread of its own. */
    public void start() {
        thread = Thread.ofPlatform().daemon().name("serai-switch").start(() -> {
            while (!closed) {
                if (!turn()) {
                    LockSupport.park(this);
                }
            }
        });
    }

    /** Each port's turn, once; whether frames may be left. */
    synchronized boolean turn() {
        for (Port p : ports) {
            if (p.waits.getAndSet(false)) {
                int i = 0;
                for (Frame f; i < TURN && (f = p.network.receive()) != null; i++) {
                    take(p, f);
                }
                if (i == TURN) {
                    p.waits.set(true);
                }
            }
        }
        return ports.stream().anyMatch(p -> p.waits.get());
    }

    private void take(Port from, Frame frame) {
        ByteBuffer f = frame.bytes().slice();
        int length = f.remaining();
        from.received++;
        from.receivedBytes += length;
        if (length < Ethernet.HEADER || length > Offload.MAX_FRAME) {
            from.malformed++;
            return;
        }
        int type = f.getShort(Ethernet.TYPE) & 0xffff;
        boolean tagged = type == TAGGED;
        if (tagged && length < Ethernet.HEADER + TAG || Ethernet.isGroup(Ethernet.address(f, Ethernet.FROM))) {
            from.malformed++;
            return;
        }
        int vlan = from.rules.vlan();
        int at = Ethernet.HEADER;
        if (tagged) {
            int number = f.getShort(Ethernet.HEADER) & NUMBER;
            type = f.getShort(Ethernet.HEADER + 2) & 0xffff;
            at += TAG;
            // 0 says that the tag has a priority alone (9.6)
            vlan = number == 0 ? vlan : from.rules.vlan() == 0 ? number : 0;
        }
        if (vlan == 0 || !from.rules.in(vlan) || !from.filter.passes(f, at, type)) {
            from.forbidden++;
            return;
        }
        long now = millis.getAsLong();
        if (from.limit != null && !from.limit.takes(length, now)) {
            from.limited++;
            return;
        }
        table.seen(vlan, Ethernet.address(f, Ethernet.FROM), from, now);
        long to = Ethernet.address(f, Ethernet.TO);
        Port one = Ethernet.isGroup(to) ? null : table.find(vlan, to, now);
        if (one != null) {
            if (one != from) {
                give(one, vlan, f, tagged, frame.offload());
            }
            return;
        }
        for (Port p : ports) {
            if (p != from && p.rules.in(vlan)) {
                give(p, vlan, f, tagged, frame.offload());
            }
        }
    }

    private void give(Port to, int vlan, ByteBuffer f, boolean tagged, Offload offload) {
        boolean wanted = to.rules.vlan() == 0;
        ByteBuffer out = f.duplicate();
        Offload o = offload;
        if (wanted != tagged) {
            int addresses = 2 * Ethernet.ADDRESS;
            scratch.clear().put(0, f, 0, addresses);
            int by = wanted ? TAG : -TAG;
            if (wanted) {
                scratch.putShort(addresses, (short) TAGGED).putShort(addresses + 2, (short) vlan);
                scratch.put(addresses + TAG, f, addresses, f.limit() - addresses);
            } else {
                scratch.put(addresses, f, addresses + TAG, f.limit() - addresses - TAG);
            }
            out = scratch.limit(f.limit() + by);
            o = new Offload(
                    o.partialChecksum(),
                    o.partialChecksum() ? o.checksumStart() + by : 0,
                    o.checksumOffset(),
                    o.verified(),
                    o.segmentation(),
                    o.segmentSize());
        }
        to.sent++;
        to.sentBytes += out.remaining();
        to.network.send(out, o);
        // what it has answered at once is there without anybody telling it
        to.waits.set(true);
    }

    /** What has gone through each port, by its name. */
    public synchronized Map<String, PortCounters> counters() {
        Map<String, PortCounters> all = new LinkedHashMap<>();
        for (Port p : ports) {
            all.put(
                    p.rules.name(),
                    new PortCounters(
                            p.received, p.receivedBytes, p.sent, p.sentBytes, p.malformed, p.forbidden, p.limited));
        }
        return all;
    }

    @Override
    public void close() {
        closed = true;
        Thread t = thread;
        if (t != null) {
            LockSupport.unpark(t);
            try {
                t.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        ports.forEach(p -> p.network.close());
    }
}
