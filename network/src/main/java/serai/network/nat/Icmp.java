package serai.network.nat;

import java.nio.ByteBuffer;
import serai.network.packet.Checksum;
import serai.network.packet.IcmpHeader;
import serai.network.packet.IpProtocol;
import serai.network.packet.Ipv4Header;
import serai.network.packet.Ipv6Header;

/** ICMP and ICMPv6: echoes, and errors about what the guest sent. */
final class Icmp {
    /** What can't be reached. */
    enum Unreachable {
        HOST(IcmpHeader.HOST_UNREACHABLE, IcmpHeader.V6_ADDRESS_UNREACHABLE),
        PORT(IcmpHeader.PORT_UNREACHABLE, IcmpHeader.V6_PORT_UNREACHABLE),
        PROHIBITED(IcmpHeader.PROHIBITED, IcmpHeader.V6_PROHIBITED);

        private final int code4;
        private final int code6;

        Unreachable(int code4, int code6) {
            this.code4 = code4;
            this.code6 = code6;
        }
    }

    /** Bytes of an offending packet that an error carries: its error has to fit in 576 (RFC 1812, 4.3.2.3). */
    private static final int QUOTED = 520;

    private final Core core;

    Icmp(Core core) {
        this.core = core;
    }

    /** A message that is whole, and not one of neighbor discovery. */
    void input(Packet p) {
        if (p.length < IcmpHeader.LENGTH) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        boolean sound = p.v6 ? p.isSound() : Checksum.of(Checksum.add(0, p.bytes, p.at, p.length)) == 0;
        if (!sound) {
            core.counters.drop(Drop.CHECKSUM);
            return;
        }
        int type = p.bytes.get(p.at) & 0xff;
        if (p.v6 && type >= IcmpHeader.V6_ROUTER_SOLICITATION && type <= IcmpHeader.V6_NEIGHBOR_ADVERTISEMENT) {
            core.ndp.input(p, type);
            return;
        }
        if (type != (p.v6 ? IcmpHeader.V6_ECHO : IcmpHeader.ECHO)) {
            core.counters.drop(Drop.UNKNOWN);
            return;
        }
        switch (core.addresses.kind(p.destinationHigh, p.destinationLow)) {
            case HOST, DNS -> reply(p);
            case WORLD -> {
                if (core.config.restrict()) {
                    core.counters.drop(Drop.RESTRICTED);
                } else if (!core.pings.send(p)) {
                    unreachable(p, Unreachable.HOST);
                }
            }
            case NEIGHBOR -> unreachable(p, Unreachable.HOST);
            case NOWHERE -> core.counters.drop(Drop.UNREACHABLE);
        }
    }

    private void reply(Packet p) {
        echoReply(
                p.destination(),
                p.source(),
                p.mac,
                p.bytes.duplicate().limit(p.at + p.length).position(p.at));
    }

    /**
     * Sends an echo reply.
     *
     * @param message the echo, or the reply, header included
     */
    void echoReply(Ip from, Ip to, long mac, ByteBuffer message) {
        int length = message.remaining();
        int protocol = from.isV4() ? IpProtocol.ICMP : IpProtocol.ICMPV6;
        ByteBuffer b = core.outbox.packet(from, to, mac, protocol, length);
        int at = b.limit() - length;
        b.put(at, message, message.position(), length);
        b.put(at, (byte) (from.isV4() ? IcmpHeader.ECHO_REPLY : IcmpHeader.V6_ECHO_REPLY));
        seal(b, from, to, length);
        core.outbox.add(b);
    }

    private static void seal(ByteBuffer b, Ip from, Ip to, int length) {
        int at = b.limit() - length;
        b.putShort(at + IcmpHeader.CHECKSUM, (short) 0);
        int sum = from.isV4()
                ? Checksum.of(Checksum.add(0, b, at, length))
                : Outbox.checksum(b, from, to, IpProtocol.ICMPV6, length);
        b.putShort(at + IcmpHeader.CHECKSUM, (short) sum);
    }

    /** Drops a packet and tells the guest; it comes from the host, as a router's would. */
    void unreachable(Packet p, Unreachable what) {
        core.counters.drop(what == Unreachable.PROHIBITED ? Drop.RESTRICTED : Drop.UNREACHABLE);
        int quoted = Math.min(p.at + p.length - p.ip, QUOTED);
        error(p.source(), p.mac, p.v6, what, p.bytes, p.ip, quoted);
    }

    /** Tells the guest that a packet of a flow came to nothing, which is not at hand any more but for some bytes of what IP carried. */
    void unreachable(FlowKey key, long mac, int protocol, ByteBuffer begin, Unreachable what) {
        Ip guest = key.guest();
        Ip peer = key.peer();
        boolean v6 = !guest.isV4();
        int length = begin.remaining();
        int header = v6 ? Ipv6Header.LENGTH : Ipv4Header.LENGTH;
        ByteBuffer b = ByteBuffer.allocate(header + length);
        if (v6) {
            Ipv6Header.write(
                    b, 0, length, protocol, Ipv4Header.DEFAULT_TTL, guest.high(), guest.low(), peer.high(), peer.low());
        } else {
            Ipv4Header.write(b, 0, b.limit(), 0, Ipv4Header.DONT_FRAGMENT, protocol, guest.v4(), peer.v4());
        }
        b.put(header, begin, begin.position(), length);
        error(guest, mac, v6, what, b, 0, b.limit());
    }

    private void error(Ip to, long mac, boolean v6, Unreachable what, ByteBuffer quoted, int at, int bytes) {
        Ip from = v6 ? core.addresses.host6 : core.addresses.host;
        int length = IcmpHeader.LENGTH + bytes;
        ByteBuffer b = core.outbox.packet(from, to, mac, v6 ? IpProtocol.ICMPV6 : IpProtocol.ICMP, length);
        int start = b.limit() - length;
        b.put(start, (byte) (v6 ? IcmpHeader.V6_UNREACHABLE : IcmpHeader.UNREACHABLE));
        b.put(start + IcmpHeader.CODE, (byte) (v6 ? what.code6 : what.code4));
        b.put(start + IcmpHeader.LENGTH, quoted, at, bytes);
        seal(b, from, to, length);
        core.outbox.add(b);
    }
}
