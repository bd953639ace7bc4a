package serai.network.nat;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import serai.network.packet.Ethernet;

/** Who is who in the guest's network, and what of the world it reaches. */
final class Addresses {
    /** Who a packet of the guest is for. */
    enum Kind {
        HOST,
        DNS,
        /** An address of the network that nobody here has. */
        NEIGHBOR,
        /** One that is reached through the host. */
        WORLD,
        /** One that a router does not forward to: groups, loopback, and others without a place. */
        NOWHERE
    }

    private static final InetAddress LOOPBACK4 = Ip.v4(0x7f000001).toInetAddress();
    private static final InetAddress LOOPBACK6 = new Ip(0, 1).toInetAddress();
    private static final long LINK_LOCAL = 0xfe80L << 48;

    final Ip host;
    final Ip dns;
    final Ip host6;
    final Ip dns6;
    /** The router's, from which it advertises (RFC 4861, 4.2). */
    final Ip linkLocal6 = new Ip(LINK_LOCAL, 2);

    final int network;
    final int mask;
    final long network6;
    /** All that is not the guest has this one: locally administered, from the host's address, as QEMU's. */
    final long mac;

    private final UnaryOperator<InetSocketAddress> route;

    Addresses(UserNetworkConfig config, UnaryOperator<InetSocketAddress> route) {
        this.route = route;
        host = Ip.of(config.host());
        dns = Ip.of(config.dns());
        host6 = Ip.of(config.host6());
        dns6 = Ip.of(config.dns6());
        network = Ip.of(config.network()).v4();
        mask = -1 << (32 - config.prefix());
        network6 = Ip.of(config.network6()).high();
        mac = 0x5255_0000_0000L | host.v4() & 0xffff_ffffL;
    }

    boolean inNetwork(int v4) {
        return (v4 & mask) == network;
    }

    int broadcast() {
        return network | ~mask;
    }

    /** Whether a frame is for us: by our address, or as one of a group. */
    boolean isOurs(long to) {
        return to == mac || Ethernet.isGroup(to);
    }

    Kind kind(long high, long low) {
        return Ip.isV4(high, low) ? kind4((int) low) : kind6(high, low);
    }

    private Kind kind4(int a) {
        if (a == host.v4()) {
            return Kind.HOST;
        }
        if (a == dns.v4()) {
            return Kind.DNS;
        }
        int top = a >>> 24;
        if (top == 0 || top == 127 || top >= 224 || a == broadcast() || a == network) {
            return Kind.NOWHERE;
        }
        return inNetwork(a) ? Kind.NEIGHBOR : Kind.WORLD;
    }

    private Kind kind6(long high, long low) {
        if (host6.is(high, low) || linkLocal6.is(high, low)) {
            return Kind.HOST;
        }
        if (dns6.is(high, low)) {
            return Kind.DNS;
        }
        int top = (int) (high >>> 48);
        if (top >= 0xff00 || (top & 0xffc0) == 0xfe80 || high >>> 56 == 0) {
            return Kind.NOWHERE;
        }
        return high == network6 ? Kind.NEIGHBOR : Kind.WORLD;
    }

    /** Whether somebody may have sent a packet from there. */
    boolean isSource(long high, long low) {
        Kind k = kind(high, low);
        return k == Kind.NEIGHBOR || k == Kind.WORLD || !Ip.isV4(high, low) && high == LINK_LOCAL && low != 2;
    }

    /**
     * Where a flow of the guest goes on the host.
     *
     * @param resolvers the host's name servers
     * @return null if nowhere
     */
    @Nullable
    InetSocketAddress target(long high, long low, int port, Resolvers resolvers) {
        InetSocketAddress wanted =
                switch (kind(high, low)) {
                    case HOST -> new InetSocketAddress(Ip.isV4(high, low) ? LOOPBACK4 : LOOPBACK6, port);
                    case DNS -> port == Resolvers.PORT ? resolvers.first() : null;
                    case WORLD -> new InetSocketAddress(new Ip(high, low).toInetAddress(), port);
                    case NEIGHBOR, NOWHERE -> null;
                };
        return wanted == null ? null : route.apply(wanted);
    }

    /** Where an echo goes. */
    InetAddress target(Ip ip) {
        return route.apply(new InetSocketAddress(ip.toInetAddress(), 0)).getAddress();
    }

    /** How the guest sees somebody who came to a socket of ours: what it could not answer to is the host. */
    Ip seen(InetAddress from, boolean v6) {
        Ip ip = Ip.of(from);
        return ip.isV4() != v6 && kind(ip.high(), ip.low()) == Kind.WORLD ? ip : v6 ? host6 : host;
    }
}
