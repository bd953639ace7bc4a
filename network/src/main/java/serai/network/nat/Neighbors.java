package serai.network.nat;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import serai.network.packet.ArpPacket;
import serai.network.packet.Ethernet;
import serai.network.packet.IcmpHeader;
import serai.network.packet.IpProtocol;

/** The guest's addresses, as it has shown them; of several, as a guest may be a bridge, the latest 256. */
final class Neighbors {
    private static final int MOST = 256;

    private final Addresses addresses;
    private final Outbox outbox;
    private final LinkedHashMap<Ip, Long> macs = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Ip, Long> eldest) {
            return size() > MOST;
        }
    };

    Neighbors(Addresses addresses, Outbox outbox) {
        this.addresses = addresses;
        this.outbox = outbox;
    }

    void learn(Ip ip, long mac) {
        if (!Ethernet.isGroup(mac) && mac != 0 && mac != addresses.mac) {
            Long unused = macs.put(ip, mac);
        }
    }

    boolean knows(Ip ip) {
        return macs.containsKey(ip);
    }

    /** Whose address it is; asks, and returns 0, if that is not known. */
    long mac(Ip ip) {
        Long mac = macs.get(ip);
        if (mac != null) {
            return mac;
        }
        if (ip.isV4()) {
            ByteBuffer b = outbox.frame(Ethernet.BROADCAST, Ethernet.ARP, ArpPacket.LENGTH);
            ArpPacket.write(b, Ethernet.HEADER, ArpPacket.REQUEST, addresses.mac, addresses.host.v4(), 0, ip.v4());
            outbox.add(b);
        } else {
            solicit(ip);
        }
        return 0;
    }

    /** Asks the group that everybody with such an address is in (RFC 4291, 2.7.1; RFC 4861, 4.3). */
    private void solicit(Ip ip) {
        long low24 = ip.low() & 0xff_ffff;
        Ip group = new Ip(0xff02L << 48, 0x1_ff00_0000L | low24);
        int length = 32;
        ByteBuffer b =
                outbox.packet(addresses.linkLocal6, group, 0x3333_ff00_0000L | low24, IpProtocol.ICMPV6, length, 255);
        int at = b.limit() - length;
        b.put(at, (byte) IcmpHeader.V6_NEIGHBOR_SOLICITATION);
        b.putLong(at + 8, ip.high());
        b.putLong(at + 16, ip.low());
        b.putShort(at + 24, (short) 0x0101); // source link-layer address, 8 bytes
        Ethernet.address(b, at + 26, addresses.mac);
        b.putShort(at + IcmpHeader.CHECKSUM, (short)
                Outbox.checksum(b, addresses.linkLocal6, group, IpProtocol.ICMPV6, length));
        outbox.add(b);
    }
}
