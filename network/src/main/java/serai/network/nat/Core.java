package serai.network.nat;

import java.net.InetSocketAddress;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;

/** What the parts of one NAT share. The lock is held whenever one of them is used, but where it says otherwise. */
final class Core {
    final ReentrantLock lock = new ReentrantLock();
    final UserNetworkConfig config;
    final Addresses addresses;
    final Counters counters = new Counters();
    final Outbox outbox;
    final BufferPool pool;
    final Neighbors neighbors;
    final Resolvers resolvers;
    final Loop loop;
    final Pings pings;
    final Icmp icmp;
    final Arp arp;
    final Dhcp dhcp;
    final Ndp ndp;
    final UdpTable udp;
    final TcpTable tcp;

    private final LongSupplier clock;

    /**
     * For a network.
     *
     * @param clock milliseconds since some moment, more than 0
     * @param route where what the guest wants to reach really is
     * @param done called without the lock when there may be frames for the guest
     */
    Core(
            UserNetworkConfig config,
            LongSupplier clock,
            UnaryOperator<InetSocketAddress> route,
            Loop loop,
            Runnable done) {
        this.config = config;
        this.clock = clock;
        this.loop = loop;
        addresses = new Addresses(config, route);
        outbox = new Outbox(addresses, counters, config.mtu());
        pool = new BufferPool(config.bufferBytes());
        neighbors = new Neighbors(addresses, outbox);
        resolvers = new Resolvers(this, config.resolvers());
        pings = new Pings(this, done);
        icmp = new Icmp(this);
        arp = new Arp(this);
        dhcp = new Dhcp(this);
        ndp = new Ndp(this);
        udp = new UdpTable(this);
        tcp = new TcpTable(this);
    }

    /** Milliseconds. */
    long now() {
        return clock.getAsLong();
    }
}
