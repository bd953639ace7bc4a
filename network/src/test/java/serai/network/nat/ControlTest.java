package serai.network.nat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.Inet4Address;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import serai.network.nat.FakeGuest.Received;
import serai.network.packet.ArpPacket;
import serai.network.packet.DhcpMessage;
import serai.network.packet.Ethernet;
import serai.network.packet.IcmpHeader;
import serai.network.packet.IpProtocol;

/** ARP, DHCP, ICMP and neighbor discovery: what is answered here and goes to no socket. */
final class ControlTest {
    private FakeGuest guest;

    ControlTest() throws IOException {
        guest = new FakeGuest();
    }

    @AfterEach
    void close() {
        guest.close();
    }

    private void with(UserNetworkConfig config) throws IOException {
        guest.close();
        guest = new FakeGuest(config);
    }

    private int answers(int sender, int target) {
        guest.send(FakeGuest.arp(ArpPacket.REQUEST, sender, target));
        Received r = guest.poll();
        if (r == null) {
            return 0;
        }
        assertEquals(Ethernet.ARP, r.type());
        assertEquals(ArpPacket.REPLY, r.bytes().getShort(14 + ArpPacket.OPERATION));
        assertEquals(FakeGuest.ROUTER_MAC, Ethernet.address(r.bytes(), 14 + ArpPacket.SENDER_MAC));
        return r.bytes().getInt(14 + ArpPacket.SENDER_IP);
    }

    @Test
    void arp_answersForAllButTheGuest() {
        int me = FakeGuest.IP.v4();
        assertEquals(0x0a000202, answers(me, 0x0a000202));
        assertEquals(0x0a000203, answers(me, 0x0a000203));
        assertEquals(0x0a000263, answers(me, 0x0a000263), "nobody's, so that packets for it are refused");
        assertEquals(0, answers(me, me));
        assertEquals(0, answers(me, 0x0a000302), "another network");
        assertEquals(0, answers(me, 0x0a0002ff), "broadcast");
        assertEquals(0, answers(0x0a000214, me), "known to be the guest's");
    }

    @Test
    void arp_probesOfFreeAddressesAreNotAnswered() {
        assertEquals(0, answers(0, 0x0a000214));
        assertEquals(0x0a000202, answers(0, 0x0a000202));
    }

    static ByteBuffer dhcp(int type, int ciaddr, byte... options) {
        ByteBuffer b = ByteBuffer.allocate(DhcpMessage.OPTIONS + 4 + options.length);
        b.put((byte) 1).put((byte) 1).put((byte) 6);
        b.putInt(DhcpMessage.XID, 0x12345678).putInt(DhcpMessage.CIADDR, ciaddr);
        Ethernet.address(b, DhcpMessage.CHADDR, FakeGuest.MAC);
        b.putInt(DhcpMessage.COOKIE, DhcpMessage.MAGIC);
        b.position(DhcpMessage.OPTIONS).put((byte) 53).put((byte) 1).put((byte) type);
        b.put(options).put((byte) 255);
        ByteBuffer f = FakeGuest.udp(
                Ip.v4(ciaddr), DhcpMessage.CLIENT_PORT, Ip.v4(ciaddr == 0 ? -1 : 0x0a000202), 67, b.array());
        if (ciaddr == 0) {
            Ethernet.address(f, 0, Ethernet.BROADCAST);
        }
        return f;
    }

    private static int type(Received r) {
        assertEquals(0x12345678, r.i32(8 + DhcpMessage.XID));
        return r.bytes().get(option(r, 53));
    }

    private static int option(Received r, int option) {
        return DhcpMessage.option(r.bytes(), r.at() + 8, r.bytes().limit(), option, 1);
    }

    static byte[] requested(int last) {
        return new byte[] {50, 4, 10, 0, 2, (byte) last, 54, 4, 10, 0, 2, 2};
    }

    @Test
    void dhcp_givesTheFirstAddressAndWhatGoesWithIt() throws Exception {
        with(UserNetworkConfig.DEFAULT.withNames("box", "example.org"));
        guest.send(dhcp(DhcpMessage.DISCOVER, 0));
        Received offer = guest.answer();
        assertEquals(DhcpMessage.OFFER, type(offer));
        assertEquals(0x0a00020f, offer.i32(8 + DhcpMessage.YIADDR));
        guest.send(dhcp(DhcpMessage.REQUEST, 0, requested(15)));
        Received ack = guest.answer();
        assertEquals(DhcpMessage.ACK, type(ack));
        assertEquals(0x0a00020f, ack.i32(8 + DhcpMessage.YIADDR));
        assertEquals(0x0a000202, ack.bytes().getInt(option(ack, DhcpMessage.OPTION_ROUTER)));
        assertEquals(0x0a000203, ack.bytes().getInt(option(ack, DhcpMessage.OPTION_DNS)));
        assertEquals(0xffffff00, ack.bytes().getInt(option(ack, DhcpMessage.OPTION_SUBNET_MASK)));
        assertEquals(86_400, ack.bytes().getInt(option(ack, DhcpMessage.OPTION_LEASE_TIME)));
        assertEquals(1500, ack.bytes().getShort(option(ack, DhcpMessage.OPTION_MTU)));
        byte[] name = new byte[3];
        ack.bytes().get(option(ack, DhcpMessage.OPTION_HOST_NAME), name);
        assertEquals("box", new String(name, StandardCharsets.US_ASCII));
        guest.send(dhcp(DhcpMessage.REQUEST, 0x0a00020f));
        Received renewed = guest.answer();
        assertEquals(DhcpMessage.ACK, type(renewed));
        assertEquals(FakeGuest.IP, renewed.destination());
        guest.send(dhcp(DhcpMessage.INFORM, 0x0a00020f));
        Received informed = guest.answer();
        assertEquals(DhcpMessage.ACK, type(informed));
        assertEquals(0, informed.i32(8 + DhcpMessage.YIADDR));
        assertEquals(-1, option(informed, DhcpMessage.OPTION_LEASE_TIME));
    }

    @Test
    void dhcp_refusesWhatIsNotToBeHad() {
        guest.send(dhcp(DhcpMessage.REQUEST, 0, requested(2)));
        assertEquals(DhcpMessage.NAK, type(guest.answer()));
        guest.send(dhcp(DhcpMessage.REQUEST, 0, (byte) 50, (byte) 4, (byte) 192, (byte) 168, (byte) 0, (byte) 9));
        assertEquals(DhcpMessage.NAK, type(guest.answer()));
        guest.send(dhcp(
                DhcpMessage.REQUEST,
                0,
                (byte) 50,
                (byte) 4,
                (byte) 10,
                (byte) 0,
                (byte) 2,
                (byte) 15,
                (byte) 54,
                (byte) 4,
                (byte) 10,
                (byte) 0,
                (byte) 2,
                (byte) 9));
        assertNull(guest.poll(), "another server's");
    }

    @Test
    void dhcp_doesNotGiveWhatIsDeclinedOrAnothers() {
        guest.send(dhcp(DhcpMessage.REQUEST, 0, requested(15)));
        assertEquals(DhcpMessage.ACK, type(guest.answer()));
        guest.send(dhcp(DhcpMessage.DECLINE, 0, requested(15)));
        guest.send(dhcp(DhcpMessage.DISCOVER, 0));
        assertEquals(0x0a000210, guest.answer().i32(8 + DhcpMessage.YIADDR));
        ByteBuffer other = dhcp(DhcpMessage.DISCOVER, 0);
        other.put(14 + 20 + 8 + DhcpMessage.CHADDR + 5, (byte) 9);
        guest.send(FakeGuest.sealed(other, Ip.v4(0), Ip.v4(-1), IpProtocol.UDP, 6));
        assertEquals(0x0a000211, guest.answer().i32(8 + DhcpMessage.YIADDR));
    }

    @Test
    void dhcp_manyClients_areGivenWhatThereIs() {
        for (int i = 0; i < 1000; i++) {
            ByteBuffer b = dhcp(DhcpMessage.DISCOVER, 0);
            b.putShort(14 + 20 + 8 + DhcpMessage.CHADDR + 4, (short) i);
            guest.send(FakeGuest.sealed(b, Ip.v4(0), Ip.v4(-1), IpProtocol.UDP, 6));
            assertEquals(i < 240, guest.poll() != null, "client " + i); // .15 to .254
        }
        guest.pass(61_000);
        guest.send(dhcp(DhcpMessage.DISCOVER, 0));
        assertEquals(DhcpMessage.OFFER, type(guest.answer()), "offers that nobody took end");
    }

    @Test
    void echo_ofHostAndNameServer_isAnsweredHere() {
        byte[] data = {1, 2, 3, 4, 5};
        for (Ip to : new Ip[] {FakeGuest.HOST, FakeGuest.DNS, FakeGuest.HOST6, FakeGuest.DNS6}) {
            Ip from = to.isV4() ? FakeGuest.IP : FakeGuest.IP6;
            guest.send(FakeGuest.echo(from, to, 7, 9, data));
            Received r = guest.answer();
            assertEquals(to.isV4() ? IcmpHeader.ECHO_REPLY : IcmpHeader.V6_ECHO_REPLY, r.u8(0));
            assertEquals(to, r.source());
            assertEquals(from, r.destination());
            assertEquals(7, r.u16(IcmpHeader.IDENTIFIER));
            assertArrayEquals(data, r.payload(IcmpHeader.LENGTH));
        }
    }

    @Test
    void largeEcho_comesAndGoesInFragments() {
        byte[] data = new byte[5000];
        ByteBuffer whole = FakeGuest.echo(FakeGuest.IP, FakeGuest.HOST, 7, 9, data);
        for (ByteBuffer f : Fragments.of(whole, 1480)) {
            guest.send(f);
        }
        int total = 0;
        for (Received r = guest.poll(); r != null; r = guest.poll()) {
            total += r.bytes().limit() - 34;
            assertTrue(r.bytes().limit() <= 1514);
        }
        assertEquals(5008, total);
    }

    @Test
    void nobodyOfTheNetwork_isUnreachable() {
        guest.send(FakeGuest.echo(FakeGuest.IP, Ip.v4(0x0a000263), 7, 9, new byte[0]));
        Received r = guest.answer();
        assertEquals(IcmpHeader.UNREACHABLE, r.u8(0));
        assertEquals(IcmpHeader.HOST_UNREACHABLE, r.u8(1));
        assertEquals(7, r.u16(8 + 20 + IcmpHeader.IDENTIFIER), "the packet is quoted");
        guest.send(FakeGuest.udp(FakeGuest.IP, 5, Ip.v4(0x0a000263), 9, new byte[3]));
        assertEquals(IcmpHeader.UNREACHABLE, guest.answer().u8(0));
        guest.send(FakeGuest.udp(FakeGuest.IP, 5, Ip.v4(0x7f000001), 9, new byte[3]));
        assertNull(guest.poll(), "not the host's loopback interface by its own address");
        assertEquals(0, guest.nat.statistics().udpFlows());
    }

    static ByteBuffer icmp6(Ip from, Ip to, byte[] message, int hopLimit) {
        return FakeGuest.sealed(
                FakeGuest.ip(from, to, IpProtocol.ICMPV6, message, hopLimit), from, to, IpProtocol.ICMPV6, 2);
    }

    static byte[] solicitation(Ip target) {
        return ByteBuffer.allocate(24)
                .put((byte) 135)
                .putLong(8, target.high())
                .putLong(16, target.low())
                .array();
    }

    @Test
    void routerSolicitation_tellsPrefixRouterMtuAndNameServer() {
        guest.send(icmp6(FakeGuest.IP6, new Ip(0xff02L << 48, 2), new byte[] {(byte) 133, 0, 0, 0, 0, 0, 0, 0}, 255));
        Received r = guest.answer();
        assertEquals(IcmpHeader.V6_ROUTER_ADVERTISEMENT, r.u8(0));
        assertEquals(new Ip(0xfe80L << 48, 2), r.source());
        assertEquals(9000, r.u16(6));
        assertEquals(5, r.u8(24));
        assertEquals(1500, r.i32(28));
        assertEquals(3, r.u8(32));
        assertEquals(64, r.u8(34));
        assertEquals(0xc0, r.u8(35));
        assertEquals(0xfec00000, r.i32(48));
        assertEquals(25, r.u8(64));
        assertEquals(3, r.i32(84), "fec0::3");
        guest.pass(1_100_000);
        assertEquals(IcmpHeader.V6_ROUTER_ADVERTISEMENT, guest.answer().u8(0), "again before it ends");
    }

    @Test
    void neighborSolicitation_isAnsweredForOurs_andDetectionOfDuplicatesIsLeftAlone() {
        for (Ip ours : new Ip[] {FakeGuest.HOST6, FakeGuest.DNS6, new Ip(0xfe80L << 48, 2)}) {
            guest.send(icmp6(FakeGuest.IP6, ours, solicitation(ours), 255));
            Received r = guest.answer();
            assertEquals(IcmpHeader.V6_NEIGHBOR_ADVERTISEMENT, r.u8(0));
            assertEquals(FakeGuest.IP6, r.destination());
            assertEquals(0xe0, r.u8(4));
            assertEquals(FakeGuest.ROUTER_MAC, Ethernet.address(r.bytes(), r.at() + 26));
        }
        guest.send(icmp6(new Ip(0, 0), FakeGuest.IP6, solicitation(FakeGuest.IP6), 255));
        assertNull(guest.poll());
        guest.send(icmp6(FakeGuest.IP6, FakeGuest.HOST6, solicitation(FakeGuest.HOST6), 64));
        assertNull(guest.poll(), "it came over a router");
    }

    @Test
    void isolated_stillHasDhcpArpAndEcho() throws Exception {
        with(UserNetworkConfig.DEFAULT.withRestrict(true));
        guest.send(dhcp(DhcpMessage.REQUEST, 0, requested(15)));
        Received ack = guest.answer();
        assertEquals(DhcpMessage.ACK, type(ack));
        assertEquals(-1, option(ack, DhcpMessage.OPTION_ROUTER));
        assertEquals(0x0a000202, answers(FakeGuest.IP.v4(), 0x0a000202));
        guest.send(FakeGuest.echo(FakeGuest.IP, FakeGuest.HOST, 1, 1, new byte[0]));
        assertEquals(IcmpHeader.ECHO_REPLY, guest.answer().u8(0));
        guest.send(FakeGuest.udp(FakeGuest.IP, 5, FakeGuest.DNS, 53, new byte[12]));
        assertNull(guest.poll());
        FakeTcp t = FakeTcp.toHost(guest, 1000, 9);
        t.syn(FakeTcp.NONE);
        assertEquals(0x14, guest.answer().flags());
        assertEquals(0, guest.nat.statistics().udpFlows());
        assertEquals(2, guest.nat.statistics().drops(Drop.RESTRICTED));
    }

    @Test
    void anotherNetwork() throws Exception {
        with(UserNetworkConfig.DEFAULT.withIpv4(
                Inet4Address.ofLiteral("192.168.77.0"),
                28,
                Inet4Address.ofLiteral("192.168.77.1"),
                Inet4Address.ofLiteral("192.168.77.2"),
                Inet4Address.ofLiteral("192.168.77.8")));
        ByteBuffer b = dhcp(DhcpMessage.DISCOVER, 0);
        Ethernet.address(b, 0, Ethernet.BROADCAST);
        guest.send(b);
        Received r = guest.answer();
        assertEquals(0xc0a84d08, r.i32(8 + DhcpMessage.YIADDR));
        assertEquals(0x5255_c0a8_4d01L, Ethernet.address(r.bytes(), Ethernet.FROM));
        assertFalse(guest.nat.statistics().drops().containsKey(Drop.UNREACHABLE));
    }
}
