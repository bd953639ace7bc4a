package serai.network.nat;

import java.nio.ByteBuffer;
import serai.network.packet.Ethernet;
import serai.network.packet.IcmpHeader;
import serai.network.packet.IpProtocol;

/**
 * Neighbor discovery (RFC 4861): answers who has the host's, the router's and the name server's address, and advertises prefix, router, MTU and name server
 * (RFC 8106), so that the guest makes an address for itself (RFC 4862).
 */
final class Ndp {
    private static final int TARGET = 8;
    private static final int OPTIONS = 24;
    private static final int SOURCE_LINK = 1;
    private static final int TARGET_LINK = 2;
    private static final int PREFIX = 3;
    private static final int MTU = 5;
    private static final int RDNSS = 25;
    private static final int FROM_ROUTER_SOLICITED_OVERRIDE = 0xe0;
    /** On-link, and good for addresses. */
    private static final int ON_LINK_AUTONOMOUS = 0xc0;

    private static final int ROUTER_SECONDS = 9000; // the most that there may be (6.2.1)
    private static final int PREFIX_SECONDS = 86_400;
    /** A router repeats itself long before that ends. */
    private static final long REPEAT_MILLIS = 1_000_000;

    private static final Ip ALL_NODES = new Ip(0xff02L << 48, 1);
    private static final long ALL_NODES_MAC = 0x3333_0000_0001L;

    private final Core core;
    private long nextAdvertisement;

    Ndp(Core core) {
        this.core = core;
    }

    /** A message whose checksum has been looked at. */
    void input(Packet p, int type) {
        if (p.bytes.get(p.ip + 7) != (byte) 255 || p.bytes.get(p.at + IcmpHeader.CODE) != 0) { // 6.1, 7.1
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        boolean unspecified = (p.sourceHigh | p.sourceLow) == 0;
        switch (type) {
            case IcmpHeader.V6_ROUTER_SOLICITATION -> {
                if (!unspecified) {
                    core.neighbors.learn(p.source(), p.mac);
                }
                advertiseRouter();
            }
            case IcmpHeader.V6_NEIGHBOR_SOLICITATION -> solicitation(p, unspecified);
            case IcmpHeader.V6_NEIGHBOR_ADVERTISEMENT -> {
                if (p.length < OPTIONS) {
                    core.counters.drop(Drop.MALFORMED);
                    return;
                }
                Ip target = new Ip(p.bytes.getLong(p.at + TARGET), p.bytes.getLong(p.at + TARGET + 8));
                if (core.addresses.isSource(target.high(), target.low()) && !target.isV4()) {
                    core.neighbors.learn(target, p.mac);
                    core.tcp.neighborKnown(target);
                }
            }
            default -> core.counters.drop(Drop.UNKNOWN);
        }
    }

    private void solicitation(Packet p, boolean unspecified) {
        if (p.length < OPTIONS) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        Ip target = new Ip(p.bytes.getLong(p.at + TARGET), p.bytes.getLong(p.at + TARGET + 8));
        Addresses a = core.addresses;
        if (!unspecified) {
            core.neighbors.learn(p.source(), p.mac);
        }
        if (!target.equals(a.host6) && !target.equals(a.dns6) && !target.equals(a.linkLocal6)) {
            return; // the guest's own, or nobody's
        }
        Ip to = unspecified ? ALL_NODES : p.source(); // 7.2.4: who asks has no address yet
        int length = OPTIONS + 8;
        ByteBuffer b =
                core.outbox.packet(target, to, unspecified ? ALL_NODES_MAC : p.mac, IpProtocol.ICMPV6, length, 255);
        int at = b.limit() - length;
        b.put(at, (byte) IcmpHeader.V6_NEIGHBOR_ADVERTISEMENT);
        b.put(at + 4, (byte) (FROM_ROUTER_SOLICITED_OVERRIDE & ~(unspecified ? 0x40 : 0)));
        b.putLong(at + TARGET, target.high());
        b.putLong(at + TARGET + 8, target.low());
        link(b, at + OPTIONS, TARGET_LINK);
        send(b, target, to, length);
    }

    private void link(ByteBuffer b, int at, int option) {
        b.put(at, (byte) option);
        b.put(at + 1, (byte) 1); // in units of 8 bytes
        Ethernet.address(b, at + 2, core.addresses.mac);
    }

    private void send(ByteBuffer b, Ip from, Ip to, int length) {
        b.putShort(b.limit() - length + IcmpHeader.CHECKSUM, (short)
                Outbox.checksum(b, from, to, IpProtocol.ICMPV6, length));
        core.outbox.add(b);
    }

    private void advertiseRouter() {
        Addresses a = core.addresses;
        int length = 16 + 8 + 8 + 32 + 24;
        ByteBuffer b = core.outbox.packet(a.linkLocal6, ALL_NODES, ALL_NODES_MAC, IpProtocol.ICMPV6, length, 255);
        int at = b.limit() - length;
        b.put(at, (byte) IcmpHeader.V6_ROUTER_ADVERTISEMENT);
        b.put(at + 4, (byte) 64); // hop limit
        b.putShort(at + 6, (short) ROUTER_SECONDS);
        int o = at + 16;
        link(b, o, SOURCE_LINK);
        o += 8;
        b.put(o, (byte) MTU).put(o + 1, (byte) 1).putInt(o + 4, core.config.mtu());
        o += 8;
        b.put(o, (byte) PREFIX).put(o + 1, (byte) 4).put(o + 2, (byte) 64).put(o + 3, (byte) ON_LINK_AUTONOMOUS);
        b.putInt(o + 4, PREFIX_SECONDS).putInt(o + 8, PREFIX_SECONDS / 2).putLong(o + 16, a.network6);
        o += 32;
        b.put(o, (byte) RDNSS).put(o + 1, (byte) 3).putInt(o + 4, ROUTER_SECONDS);
        b.putLong(o + 8, a.dns6.high()).putLong(o + 16, a.dns6.low());
        send(b, a.linkLocal6, ALL_NODES, length);
        nextAdvertisement = core.now() + REPEAT_MILLIS;
        core.loop.arm(nextAdvertisement);
    }

    void tick(long now) {
        if (nextAdvertisement == 0) {
            return;
        }
        if (now >= nextAdvertisement) {
            advertiseRouter();
        } else {
            core.loop.arm(nextAdvertisement);
        }
    }
}
