package serai.network.nat;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

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
     */
    Core(UserNetworkConfig config, LongSupplier clock, Loop loop) {
        this.config = config;
        this.clock = clock;
        this.loop = loop;
        addresses = new Addresses(config);
        outbox = new Outbox(addresses, counters, config.mtu());
        pool = new BufferPool(config.bufferBytes());
        neighbors = new Neighbors(addresses, outbox);
        resolvers = new Resolvers(this, config.resolvers());
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
