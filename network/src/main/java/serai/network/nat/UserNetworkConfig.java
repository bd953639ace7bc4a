package serai.network.nat;

import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * What a guest finds in its network; {@link #DEFAULT} is as QEMU's.
 *
 * @param ipv4 whether there is IPv4
 * @param network the network's IPv4 address
 * @param prefix bits of it, 8 to 29
 * @param host the IPv4 address by which the guest reaches the host: its gateway, its DHCP server, and the host's loopback interface
 * @param dns the IPv4 address of the name server
 * @param dhcpStart the first address that DHCP gives
 * @param ipv6 whether there is IPv6
 * @param network6 the network's IPv6 address, of 64 bits
 * @param host6 as {@code host}
 * @param dns6 as {@code dns}
 * @param restrict whether it is isolated: nothing leaves but answers to those who came in by a forwarded port
 * @param mtu bytes of the largest IP packet, 1,280 to 65,520
 * @param hostname what DHCP calls the guest; empty: nothing
 * @param domain the domain that DHCP tells; empty: none
 * @param resolvers the host's name servers; none: those of {@code /etc/resolv.conf}
 * @param bufferBytes memory outside the heap for what is on its way, at most; whole MiB, 1 at least
 * @param forwards ports of the host that lead to the guest
 */
public record UserNetworkConfig(
        boolean ipv4,
        Inet4Address network,
        int prefix,
        Inet4Address host,
        Inet4Address dns,
        Inet4Address dhcpStart,
        boolean ipv6,
        Inet6Address network6,
        Inet6Address host6,
        Inet6Address dns6,
        boolean restrict,
        int mtu,
        String hostname,
        String domain,
        List<InetSocketAddress> resolvers,
        long bufferBytes,
        List<HostForward> forwards) {
    /** 10.0.2.0/24 and fec0::/64, MTU 1,500, 64 MiB. */
    public static final UserNetworkConfig DEFAULT = new UserNetworkConfig(
            true,
            v4("10.0.2.0"),
            24,
            v4("10.0.2.2"),
            v4("10.0.2.3"),
            v4("10.0.2.15"),
            true,
            v6("fec0::"),
            v6("fec0::2"),
            v6("fec0::3"),
            false,
            1500,
            "",
            "",
            List.of(),
            64 << 20,
            List.of());

    /** Refuses what can't be. */
    public UserNetworkConfig {
        resolvers = List.copyOf(resolvers);
        forwards = List.copyOf(forwards);
        require(prefix >= 8 && prefix <= 29, "the prefix of a user network is 8 to 29 bits, not " + prefix);
        int mask = -1 << (32 - prefix);
        int net = Ip.of(network).v4();
        require(
                (net & ~mask) == 0,
                network.getHostAddress() + " is not the address of a network of " + prefix + " bits");
        for (Inet4Address a : List.of(host, dns, dhcpStart)) {
            int i = Ip.of(a).v4();
            require(
                    (i & mask) == net && i != net && i != (net | ~mask),
                    a.getHostAddress() + " is not an address within " + network.getHostAddress() + "/" + prefix);
        }
        require(!host.equals(dns), "the host and the name server of a user network have different addresses");
        long net6 = Ip.of(network6).high();
        require(Ip.of(network6).low() == 0, network6.getHostAddress() + " is not the address of a network of 64 bits");
        for (Inet6Address a : List.of(host6, dns6)) {
            require(
                    Ip.of(a).high() == net6 && Ip.of(a).low() != 0,
                    a.getHostAddress() + " is not an address within " + network6.getHostAddress() + "/64");
        }
        require(!host6.equals(dns6), "the host and the name server of a user network have different addresses");
        require(mtu >= 1280 && mtu <= 65_520, "the MTU of a user network is 1280 to 65520, not " + mtu);
        require(hostname.length() <= 63, "the name of a host has 63 characters at most");
        require(domain.length() <= 253, "the name of a domain has 253 characters at most");
        require(
                resolvers.stream().noneMatch(InetSocketAddress::isUnresolved),
                "a name server is given by its address, not by a name");
        require(bufferBytes >= 1 << 20, "a user network needs 1 MiB of buffers at least");
    }

    private static void require(boolean sound, String what) {
        if (!sound) {
            throw new IllegalArgumentException(what);
        }
    }

    private static Inet4Address v4(String literal) {
        return Inet4Address.ofLiteral(literal);
    }

    private static Inet6Address v6(String literal) {
        InetAddress a = Inet6Address.ofLiteral(literal);
        return (Inet6Address) a;
    }

    /** This with changes. */
    private UserNetworkConfig with(Consumer<Values> changes) {
        Values v = new Values(this);
        changes.accept(v);
        return v.config();
    }

    /** This, isolated or not. */
    public UserNetworkConfig withRestrict(boolean value) {
        return with(v -> v.restrict = value);
    }

    /** This with another MTU. */
    public UserNetworkConfig withMtu(int value) {
        return with(v -> v.mtu = value);
    }

    /** This with versions of IP. */
    public UserNetworkConfig withVersions(boolean v4, boolean v6) {
        return with(v -> {
            v.ipv4 = v4;
            v.ipv6 = v6;
        });
    }

    /** This with another IPv4 network. */
    public UserNetworkConfig withIpv4(
            Inet4Address net, int bits, Inet4Address hostAddress, Inet4Address dnsAddress, Inet4Address firstLease) {
        return with(v -> {
            v.network = net;
            v.prefix = bits;
            v.host = hostAddress;
            v.dns = dnsAddress;
            v.dhcpStart = firstLease;
        });
    }

    /** This with another IPv6 network. */
    public UserNetworkConfig withIpv6(Inet6Address net, Inet6Address hostAddress, Inet6Address dnsAddress) {
        return with(v -> {
            v.network6 = net;
            v.host6 = hostAddress;
            v.dns6 = dnsAddress;
        });
    }

    /** This with names for the guest. */
    public UserNetworkConfig withNames(String name, String inDomain) {
        return with(v -> {
            v.hostname = name;
            v.domain = inDomain;
        });
    }

    /** This with name servers. */
    public UserNetworkConfig withResolvers(List<InetSocketAddress> value) {
        return with(v -> v.resolvers = value);
    }

    /** This with another bound of memory. */
    public UserNetworkConfig withBufferBytes(long value) {
        return with(v -> v.bufferBytes = value);
    }

    /** This with one more forwarded port. */
    public UserNetworkConfig withForward(HostForward forward) {
        List<HostForward> all = new ArrayList<>(forwards);
        all.add(forward);
        return with(v -> v.forwards = all);
    }

    /** The components, to be changed one by one. */
    private static final class Values {
        boolean ipv4;
        Inet4Address network;
        int prefix;
        Inet4Address host;
        Inet4Address dns;
        Inet4Address dhcpStart;
        boolean ipv6;
        Inet6Address network6;
        Inet6Address host6;
        Inet6Address dns6;
        boolean restrict;
        int mtu;
        String hostname;
        String domain;
        List<InetSocketAddress> resolvers;
        long bufferBytes;
        List<HostForward> forwards;

        Values(UserNetworkConfig c) {
            ipv4 = c.ipv4;
            network = c.network;
            prefix = c.prefix;
            host = c.host;
            dns = c.dns;
            dhcpStart = c.dhcpStart;
            ipv6 = c.ipv6;
            network6 = c.network6;
            host6 = c.host6;
            dns6 = c.dns6;
            restrict = c.restrict;
            mtu = c.mtu;
            hostname = c.hostname;
            domain = c.domain;
            resolvers = c.resolvers;
            bufferBytes = c.bufferBytes;
            forwards = c.forwards;
        }

        UserNetworkConfig config() {
            return new UserNetworkConfig(
                    ipv4,
                    network,
                    prefix,
                    host,
                    dns,
                    dhcpStart,
                    ipv6,
                    network6,
                    host6,
                    dns6,
                    restrict,
                    mtu,
                    hostname,
                    domain,
                    resolvers,
                    bufferBytes,
                    forwards);
        }
    }
}
