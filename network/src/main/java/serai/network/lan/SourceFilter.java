package serai.network.lan;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import serai.network.packet.ArpPacket;
import serai.network.packet.Ethernet;
import serai.network.packet.IpProtocol;
import serai.network.packet.Ipv4Header;
import serai.network.packet.Ipv6Header;

/**
 * Whether a frame comes from whom its port is for: nobody is to speak, or to be spoken to, in the name of others. Looked at are the frame's source, that
 * of IPv4 and IPv6, and what ARP and neighbor advertisements claim. Other protocols do not pass where IP addresses are given.
 */
final class SourceFilter {
    /** What it is to be told from: IPv6 addresses in two halves. */
    private record V6(long high, long low) {}

    private static final int NEIGHBOR_ADVERTISEMENT = 136, NEIGHBOR_TARGET = 8;
    private static final long LINK_LOCAL = 0xfe80_0000_0000_0000L;

    private final long mac;
    private final boolean any;
    private final Set<Integer> v4 = new HashSet<>();
    private final Set<V6> v6 = new HashSet<>();

    SourceFilter(PortRules rules) {
        mac = rules.mac();
        any = rules.addresses().isEmpty();
        for (InetAddress a : rules.addresses()) {
            ByteBuffer b = ByteBuffer.wrap(a.getAddress());
            if (a instanceof Inet4Address) {
                v4.add(b.getInt());
            } else {
                v6.add(new V6(b.getLong(), b.getLong()));
            }
        }
    }

    /**
     * Whether it may pass.
     *
     * @param f a frame, from 0 to its limit, with an Ethernet header
     * @param at where what is behind that, or behind its tag, begins
     * @param type of that
     */
    boolean passes(ByteBuffer f, int at, int type) {
        if (mac != -1 && Ethernet.address(f, Ethernet.FROM) != mac) {
            return false;
        }
        boolean arp = type == Ethernet.ARP && f.limit() >= at + ArpPacket.LENGTH;
        if (arp && mac != -1 && Ethernet.address(f, at + ArpPacket.SENDER_MAC) != mac) {
            return false;
        }
        if (any) {
            return true;
        }
        return switch (type) {
            case Ethernet.ARP -> arp && own4(f.getInt(at + ArpPacket.SENDER_IP));
            case Ethernet.IPV4 -> f.limit() >= at + Ipv4Header.LENGTH && own4(f.getInt(at + Ipv4Header.SOURCE));
            case Ethernet.IPV6 -> f.limit() >= at + Ipv6Header.LENGTH && own6(f, at);
            default -> false;
        };
    }

    /** The unspecified address is that of a host that has none yet: of its DHCP request, its ARP probe. */
    private boolean own4(int address) {
        return address == 0 || v4.contains(address);
    }

    private boolean own6(ByteBuffer f, int at) {
        if (!own6(f.getLong(at + Ipv6Header.SOURCE), f.getLong(at + Ipv6Header.SOURCE + 8))) {
            return false;
        }
        int message = at + Ipv6Header.LENGTH;
        boolean advertises = (f.get(at + Ipv6Header.NEXT_HEADER) & 0xff) == IpProtocol.ICMPV6
                && f.limit() > message
                && (f.get(message) & 0xff) == NEIGHBOR_ADVERTISEMENT;
        return !advertises
                || f.limit() >= message + NEIGHBOR_TARGET + 16
                        && own6(f.getLong(message + NEIGHBOR_TARGET), f.getLong(message + NEIGHBOR_TARGET + 8));
    }

    /** Link-local addresses, which hosts make themselves, are of one network alone; two that take the same find out. */
    private boolean own6(long high, long low) {
        return high == 0 && low == 0 || high == LINK_LOCAL || v6.contains(new V6(high, low));
    }
}
