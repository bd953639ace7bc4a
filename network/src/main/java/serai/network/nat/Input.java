package serai.network.nat;

import java.nio.ByteBuffer;
import serai.network.Offload;
import serai.network.packet.Checksum;
import serai.network.packet.DhcpMessage;
import serai.network.packet.Ethernet;
import serai.network.packet.IpProtocol;
import serai.network.packet.Ipv4Header;
import serai.network.packet.Ipv6Header;
import serai.network.packet.UdpHeader;

/** Takes the guest's frames apart. Nothing in them is believed; what contradicts itself is dropped and counted. */
final class Input {
    /** Extension headers that a packet may have. */
    private static final int MOST_EXTENSIONS = 8;

    private final Core core;
    private final Reassembly reassembly;
    private final Packet packet = new Packet();

    Input(Core core) {
        this.core = core;
        reassembly = new Reassembly(core);
    }

    void tick(long now) {
        reassembly.tick(now);
    }

    void frame(ByteBuffer b, Offload offload) {
        int at = b.position();
        int end = b.limit();
        core.counters.framesFromGuest++;
        core.counters.bytesFromGuest += end - at;
        if (end - at < Ethernet.HEADER || end - at > Offload.MAX_FRAME) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        long from = Ethernet.address(b, at + Ethernet.FROM);
        if (Ethernet.isGroup(from) || !core.addresses.isOurs(Ethernet.address(b, at + Ethernet.TO))) {
            core.counters.drop(Drop.UNREACHABLE);
            return;
        }
        Packet p = packet;
        p.bytes = b;
        p.mac = from;
        p.ip = at + Ethernet.HEADER;
        p.verified = offload.partialChecksum() || offload.verified();
        switch (b.getShort(at + Ethernet.TYPE) & 0xffff) {
            case Ethernet.IPV4 -> {
                if (core.config.ipv4()) {
                    ipv4(p, end);
                } else {
                    core.counters.drop(Drop.UNKNOWN);
                }
            }
            case Ethernet.IPV6 -> {
                if (core.config.ipv6()) {
                    ipv6(p, end);
                } else {
                    core.counters.drop(Drop.UNKNOWN);
                }
            }
            case Ethernet.ARP -> {
                if (core.config.ipv4()) {
                    core.arp.input(b, p.ip, end, from);
                } else {
                    core.counters.drop(Drop.UNKNOWN);
                }
            }
            default -> core.counters.drop(Drop.UNKNOWN);
        }
    }

    private void ipv4(Packet p, int end) {
        ByteBuffer b = p.bytes;
        int ip = p.ip;
        if (end - ip < Ipv4Header.LENGTH || b.get(ip) >> 4 != 4) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        int header = Ipv4Header.length(b, ip);
        int total = b.getShort(ip + Ipv4Header.TOTAL_LENGTH) & 0xffff;
        if (header < Ipv4Header.LENGTH || total < header || total > end - ip) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        if (Checksum.of(Checksum.add(0, b, ip, header)) != 0) {
            core.counters.drop(Drop.CHECKSUM);
            return;
        }
        p.v6 = false;
        p.sourceHigh = 0;
        p.sourceLow = Ip.lowOfV4(b.getInt(ip + Ipv4Header.SOURCE));
        p.destinationHigh = 0;
        p.destinationLow = Ip.lowOfV4(b.getInt(ip + Ipv4Header.DESTINATION));
        p.protocol = b.get(ip + Ipv4Header.PROTOCOL) & 0xff;
        p.at = ip + header;
        p.length = total - header;
        int fragment = b.getShort(ip + Ipv4Header.FRAGMENT) & 0xffff;
        if ((fragment & (Ipv4Header.MORE_FRAGMENTS | Ipv4Header.OFFSET)) != 0) {
            ByteBuffer whole = reassembly.add(
                    p,
                    header,
                    b.getShort(ip + Ipv4Header.ID) & 0xffff,
                    (fragment & Ipv4Header.OFFSET) * 8,
                    (fragment & Ipv4Header.MORE_FRAGMENTS) != 0);
            if (whole == null) {
                return;
            }
            whole(p, whole, Ipv4Header.length(whole, 0));
        }
        transport(p);
    }

    private static void whole(Packet p, ByteBuffer whole, int header) {
        p.bytes = whole;
        p.ip = 0;
        p.at = header;
        p.length = whole.limit() - header;
        p.verified = false;
    }

    private void ipv6(Packet p, int end) {
        ByteBuffer b = p.bytes;
        int ip = p.ip;
        if (end - ip < Ipv6Header.LENGTH || b.get(ip) >> 4 != 6) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        int payload = b.getShort(ip + Ipv6Header.PAYLOAD_LENGTH) & 0xffff;
        if (payload > end - ip - Ipv6Header.LENGTH) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        p.v6 = true;
        p.sourceHigh = b.getLong(ip + Ipv6Header.SOURCE);
        p.sourceLow = b.getLong(ip + Ipv6Header.SOURCE + 8);
        p.destinationHigh = b.getLong(ip + Ipv6Header.DESTINATION);
        p.destinationLow = b.getLong(ip + Ipv6Header.DESTINATION + 8);
        if (Ip.isV4(p.sourceHigh, p.sourceLow) || Ip.isV4(p.destinationHigh, p.destinationLow)) {
            core.counters.drop(Drop.UNREACHABLE);
            return;
        }
        p.protocol = b.get(ip + Ipv6Header.NEXT_HEADER) & 0xff;
        p.at = ip + Ipv6Header.LENGTH;
        p.length = payload;
        if (extensions(p)) {
            transport(p);
        }
    }

    /** Passes over the extension headers (RFC 8200, 4); false if that is the end of it. */
    private boolean extensions(Packet p) {
        boolean fragmented = false;
        for (int i = 0; i < MOST_EXTENSIONS; i++) {
            switch (p.protocol) {
                case Ipv6Header.HOP_BY_HOP, Ipv6Header.DESTINATION_OPTIONS -> {
                    int n = p.length < 8 ? 8 : ((p.bytes.get(p.at + 1) & 0xff) + 1) * 8;
                    if (n > p.length) {
                        core.counters.drop(Drop.MALFORMED);
                        return false;
                    }
                    p.protocol = p.bytes.get(p.at) & 0xff;
                    p.at += n;
                    p.length -= n;
                }
                case Ipv6Header.FRAGMENT -> {
                    int header = p.at - p.ip;
                    if (p.length < Ipv6Header.FRAGMENT_LENGTH || fragmented || header > Reassembly.MAX_HEADER) {
                        core.counters.drop(Drop.MALFORMED);
                        return false;
                    }
                    fragmented = true;
                    int field = p.bytes.getShort(p.at + 2) & 0xffff;
                    int id = p.bytes.getInt(p.at + 4);
                    p.protocol = p.bytes.get(p.at) & 0xff;
                    p.at += Ipv6Header.FRAGMENT_LENGTH;
                    p.length -= Ipv6Header.FRAGMENT_LENGTH;
                    if ((field & 0xfff9) != 0) {
                        int protocol = p.protocol;
                        ByteBuffer whole = reassembly.add(p, header, id, field & 0xfff8, (field & 1) != 0);
                        if (whole == null) {
                            return false;
                        }
                        whole(p, whole, header);
                        p.protocol = protocol;
                    }
                }
                default -> {
                    return true;
                }
            }
        }
        core.counters.drop(Drop.MALFORMED);
        return false;
    }

    private void transport(Packet p) {
        boolean source = core.addresses.isSource(p.sourceHigh, p.sourceLow);
        switch (p.protocol) {
            case IpProtocol.TCP -> {
                if (source) {
                    core.tcp.input(p);
                } else {
                    core.counters.drop(Drop.UNREACHABLE);
                }
            }
            case IpProtocol.UDP -> udp(p, source);
            case IpProtocol.ICMP -> icmp(p, source && !p.v6);
            case IpProtocol.ICMPV6 -> // who has no address yet asks for one
                icmp(p, p.v6 && (source || (p.sourceHigh | p.sourceLow) == 0));
            default -> core.counters.drop(Drop.UNKNOWN);
        }
    }

    private void icmp(Packet p, boolean fits) {
        if (fits) {
            core.icmp.input(p);
        } else {
            core.counters.drop(Drop.UNREACHABLE);
        }
    }

    private void udp(Packet p, boolean source) {
        int length = p.length < UdpHeader.LENGTH ? 0 : p.u16(UdpHeader.TOTAL_LENGTH);
        if (length < UdpHeader.LENGTH || length > p.length) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        p.length = length;
        boolean none = p.u16(UdpHeader.CHECKSUM) == 0;
        if (none ? p.v6 && !p.verified : !p.isSound()) {
            core.counters.drop(Drop.CHECKSUM);
            return;
        }
        if (!p.v6 && p.u16(UdpHeader.DESTINATION_PORT) == DhcpMessage.SERVER_PORT) {
            int to = (int) p.destinationLow;
            if (to == 0xffff_ffff || to == core.addresses.host.v4() || to == core.addresses.broadcast()) {
                core.dhcp.input(p);
                return;
            }
        }
        if (source) {
            core.udp.input(p);
        } else {
            core.counters.drop(Drop.UNREACHABLE);
        }
    }
}
