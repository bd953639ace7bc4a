package serai.network.nat;

import java.nio.ByteBuffer;
import serai.network.packet.ArpPacket;
import serai.network.packet.Ethernet;

/**
 * Answers ARP for every address of the network but the guest's own, so that a packet for nobody is refused at once. One that only asks whether an address is
 * free (RFC 5227, 2.1.1) is answered for what is really there.
 */
final class Arp {
    private final Core core;

    Arp(Core core) {
        this.core = core;
    }

    void input(ByteBuffer b, int at, int end, long mac) {
        if (end - at < ArpPacket.LENGTH || !ArpPacket.isIpv4OnEthernet(b, at)) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        int sender = b.getInt(at + ArpPacket.SENDER_IP);
        int target = b.getInt(at + ArpPacket.TARGET_IP);
        long senderMac = Ethernet.address(b, at + ArpPacket.SENDER_MAC);
        if (senderMac != mac) {
            core.counters.drop(Drop.MALFORMED);
            return;
        }
        boolean known = sender != 0 && core.addresses.isSource(0, Ip.lowOfV4(sender));
        if (known) {
            Ip ip = Ip.v4(sender);
            core.neighbors.learn(ip, mac);
            core.tcp.neighborKnown(ip);
        }
        if (b.getShort(at + ArpPacket.OPERATION) != ArpPacket.REQUEST || target == sender) {
            return;
        }
        Addresses.Kind kind = core.addresses.kind(0, Ip.lowOfV4(target));
        boolean ours =
                switch (kind) {
                    case HOST, DNS -> true;
                    case NEIGHBOR -> known && !core.neighbors.knows(Ip.v4(target)) && !core.dhcp.isLeased(target);
                    case WORLD, NOWHERE -> false;
                };
        if (ours) {
            ByteBuffer reply = core.outbox.frame(mac, Ethernet.ARP, ArpPacket.LENGTH);
            ArpPacket.write(reply, Ethernet.HEADER, ArpPacket.REPLY, core.addresses.mac, target, mac, sender);
            core.outbox.add(reply);
        }
    }
}
