package serai.network.nat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import serai.network.nat.FakeGuest.Received;
import serai.network.packet.ArpPacket;
import serai.network.packet.IcmpHeader;
import serai.network.packet.UdpHeader;

/** Datagrams of a guest made by hand, in fragments, too, and the name server. */
final class UdpTest {
    private static final InetAddress LOOPBACK = InetAddress.ofLiteral("127.0.0.1");

    private FakeGuest guest;
    private final DatagramSocket server;

    UdpTest() throws IOException {
        guest = new FakeGuest();
        server = new DatagramSocket(new InetSocketAddress(LOOPBACK, 0));
    }

    @BeforeEach
    void limit() throws IOException {
        server.setSoTimeout(20_000);
    }

    @AfterEach
    void close() {
        guest.close();
        server.close();
    }

    private static byte[] bytes(int seed, int n) {
        byte[] b = new byte[n];
        new Random(seed).nextBytes(b);
        return b;
    }

    private static DatagramPacket receive(DatagramSocket s) throws IOException {
        DatagramPacket p = new DatagramPacket(new byte[65_536], 65_536);
        s.receive(p);
        return p;
    }

    private static byte[] data(DatagramPacket p) {
        return java.util.Arrays.copyOf(p.getData(), p.getLength());
    }

    private void guestSends(int port, byte[] payload) {
        guest.send(FakeGuest.udp(FakeGuest.IP, port, FakeGuest.HOST, server.getLocalPort(), payload));
    }

    @Test
    void datagrams_goToTheHostAndBack() throws Exception {
        guestSends(5000, bytes(1, 100));
        DatagramPacket p = receive(server);
        assertArrayEquals(bytes(1, 100), data(p));
        server.send(new DatagramPacket(bytes(2, 200), 200, p.getSocketAddress()));
        Received r = guest.await(Received::isUdp);
        assertEquals(FakeGuest.HOST, r.source());
        assertEquals(server.getLocalPort(), r.u16(UdpHeader.SOURCE_PORT));
        assertEquals(5000, r.u16(UdpHeader.DESTINATION_PORT));
        assertArrayEquals(bytes(2, 200), r.payload(UdpHeader.LENGTH));
    }

    @Test
    void ownPortOfEachEndpoint_untilItIsIdle() throws Exception {
        guestSends(5000, bytes(1, 1));
        int a = receive(server).getPort();
        guestSends(5001, bytes(1, 1));
        int b = receive(server).getPort();
        guestSends(5000, bytes(1, 1));
        assertEquals(a, receive(server).getPort());
        assertTrue(a != b);
        assertEquals(2, guest.nat.statistics().udpFlows());
        guest.pass(130_000);
        assertEquals(0, guest.nat.statistics().udpFlows());
    }

    @Test
    void manyEndpoints_areBounded() throws Exception {
        for (int i = 0; i < 700; i++) {
            guest.clock.incrementAndGet();
            guestSends(5000 + i, bytes(i, 1));
        }
        assertEquals(512, guest.nat.statistics().udpFlows());
    }

    @Test
    void largeDatagram_goesInFragmentsBothWays() throws Exception {
        byte[] up = bytes(1, 60_000);
        ByteBuffer whole = FakeGuest.udp(FakeGuest.IP, 5000, FakeGuest.HOST, server.getLocalPort(), up);
        List<ByteBuffer> parts = Fragments.of(whole, 1480);
        for (int i = parts.size() - 1; i >= 0; i--) { // in any order
            guest.send(parts.get(i));
        }
        DatagramPacket p = receive(server);
        assertArrayEquals(up, data(p));
        server.send(new DatagramPacket(bytes(2, 9000), 9000, p.getSocketAddress()));
        byte[] got = new byte[9008];
        int n = 0;
        while (n < got.length) {
            Received r = guest.await(Received::isUdp);
            int offset = (r.bytes().getShort(20) & 0x1fff) * 8;
            byte[] part = r.payload(0);
            System.arraycopy(part, 0, got, offset, part.length);
            n += part.length;
        }
        assertArrayEquals(bytes(2, 9000), java.util.Arrays.copyOfRange(got, 8, got.length));
    }

    @Test
    void fragmentsOfIpv6() throws Exception {
        try (DatagramSocket six = new DatagramSocket(new InetSocketAddress(InetAddress.ofLiteral("::1"), 0))) {
            six.setSoTimeout(20_000);
            byte[] up = bytes(1, 5000);
            ByteBuffer whole = FakeGuest.udp(FakeGuest.IP6, 5000, FakeGuest.HOST6, six.getLocalPort(), up);
            Fragments.of(whole, 1400).forEach(guest::send);
            DatagramPacket p = receive(six);
            assertArrayEquals(up, data(p));
            six.send(new DatagramPacket(bytes(2, 3000), 3000, p.getSocketAddress()));
            // the guest has told its address by IPv6 alone
            Received r = guest.await(x -> x.v6() && x.protocol() == 44);
            assertEquals(FakeGuest.HOST6, r.source());
            assertEquals(1, r.u16(2) & 1, "more");
        }
    }

    @Test
    void fragmentsThatOverlap_areGivenUp() {
        ByteBuffer whole = FakeGuest.udp(FakeGuest.IP, 5000, FakeGuest.HOST, server.getLocalPort(), bytes(1, 3000 - 8));
        guest.send(Fragments.one(whole, 0, 1480, true));
        guest.send(Fragments.one(whole, 800, 1480, true));
        guest.send(Fragments.one(whole, 1480, 1520, false));
        assertEquals(0, guest.nat.statistics().udpFlows());
        assertEquals(1, guest.nat.statistics().drops(Drop.FRAGMENT));
    }

    @Test
    void fragmentsThatNeverEnd_areBounded() {
        ByteBuffer whole = FakeGuest.udp(FakeGuest.IP, 5000, FakeGuest.HOST, 9, bytes(1, 3000));
        for (int i = 0; i < 1000; i++) {
            ByteBuffer b = Fragments.one(whole, 0, 1480, true);
            b.putShort(18, (short) i);
            b.putShort(24, (short) 0);
            b.putShort(24, (short) serai.network.packet.Checksum.of(serai.network.packet.Checksum.add(0, b, 14, 20)));
            guest.send(b);
        }
        assertEquals(1000 - 16, guest.nat.statistics().drops(Drop.FRAGMENT));
        guest.pass(16_000);
        assertEquals(1000, guest.nat.statistics().drops(Drop.FRAGMENT));
    }

    @Test
    void wrongChecksum_isDropped_andNoneIsNone() throws Exception {
        ByteBuffer b = FakeGuest.udp(FakeGuest.IP, 5000, FakeGuest.HOST, server.getLocalPort(), bytes(1, 10));
        b.put(b.limit() - 1, (byte) ~b.get(b.limit() - 1));
        guest.send(b);
        assertEquals(1, guest.nat.statistics().drops(Drop.CHECKSUM));
        b.putShort(34 + UdpHeader.CHECKSUM, (short) 0);
        guest.send(b);
        assertEquals(10, receive(server).getLength());
    }

    @Test
    void nameServer_isTheHosts() throws Exception {
        guest.close();
        guest = new FakeGuest(
                UserNetworkConfig.DEFAULT.withResolvers(List.of((InetSocketAddress) server.getLocalSocketAddress())));
        guest.send(FakeGuest.udp(FakeGuest.IP, 5353, FakeGuest.DNS, 53, bytes(1, 30)));
        DatagramPacket p = receive(server);
        assertArrayEquals(bytes(1, 30), data(p));
        server.send(new DatagramPacket(bytes(2, 50), 50, p.getSocketAddress()));
        Received r = guest.await(Received::isUdp);
        assertEquals(FakeGuest.DNS, r.source());
        assertEquals(53, r.u16(UdpHeader.SOURCE_PORT));
        assertArrayEquals(bytes(2, 50), r.payload(UdpHeader.LENGTH));
        guest.send(FakeGuest.udp(FakeGuest.IP6, 5353, FakeGuest.DNS6, 53, bytes(3, 30)));
        p = receive(server);
        server.send(new DatagramPacket(bytes(4, 50), 50, p.getSocketAddress()));
        r = guest.await(Received::isUdp);
        assertEquals(FakeGuest.DNS6, r.source());
        guest.send(FakeGuest.udp(FakeGuest.IP, 5354, FakeGuest.DNS, 80, bytes(1, 30)));
        assertEquals(IcmpHeader.PORT_UNREACHABLE, guest.await(Received::isIcmp).u8(1));
    }

    @Test
    void nameServerByTcp_isTheHosts() throws Exception {
        try (ServerSocket tcp = new ServerSocket(0, 5, LOOPBACK)) {
            guest.close();
            guest = new FakeGuest(
                    UserNetworkConfig.DEFAULT.withResolvers(List.of((InetSocketAddress) tcp.getLocalSocketAddress())));
            FakeTcp t = new FakeTcp(guest, FakeGuest.IP, 1000, FakeGuest.DNS, 53).connect();
            try (Socket s = tcp.accept()) {
                t.write(bytes(1, 40));
                assertArrayEquals(bytes(1, 40), s.getInputStream().readNBytes(40));
            }
        }
    }

    @Test
    void resolvConf_isReadAsTheCLibraryDoes() {
        List<InetSocketAddress> none = Resolvers.parse("# nothing\nsearch example.org\n");
        assertEquals(List.of(new InetSocketAddress(LOOPBACK, 53)), none);
        List<InetSocketAddress> some = Resolvers.parse("""
                nameserver 192.0.2.1
                 nameserver\tfe80::1
                nameserver
                nameserver not.an.address
                nameserver 8.8.8.8 # x
                nameserver 1.1.1.1
                """);
        assertEquals(
                List.of("192.0.2.1", "fe80:0:0:0:0:0:0:1", "8.8.8.8"),
                some.stream().map(a -> a.getAddress().getHostAddress()).toList());
    }

    @Test
    void forwardedTcpPort_leadsToTheGuest() throws Exception {
        InetSocketAddress at = guest.nat.forward(HostForward.parse("tcp:127.0.0.1:0-:22"));
        try (Socket s = new Socket(at.getAddress(), at.getPort())) {
            s.setSoTimeout(20_000);
            Received who = guest.await(r -> r.protocol() < 0);
            assertEquals(FakeGuest.IP.v4(), who.bytes().getInt(14 + ArpPacket.TARGET_IP));
            guest.send(FakeGuest.arp(ArpPacket.REPLY, FakeGuest.IP.v4(), FakeGuest.HOST.v4()));
            Received syn = guest.await(Received::isTcp);
            assertEquals(2, syn.flags());
            assertEquals(22, syn.u16(2));
            FakeTcp t = new FakeTcp(guest, FakeGuest.IP, 22, FakeGuest.HOST, syn.u16(0));
            t.expected = syn.i32(4) + 1;
            t.send(t.next, t.expected, 0x12, FakeTcp.OPTIONS, FakeTcp.NONE);
            t.next++;
            Received ack = t.await(x -> true);
            assertEquals(0x10, ack.flags());
            t.write(bytes(1, 10));
            assertArrayEquals(bytes(1, 10), s.getInputStream().readNBytes(10));
            s.getOutputStream().write(bytes(2, 3000));
            assertArrayEquals(bytes(2, 3000), t.read(3000));
        }
        assertTrue(guest.nat.unforward(HostForward.Protocol.TCP, at));
        assertTrue(isRefusedSoon(at)); // the NAT's thread has to give the descriptor back
    }

    private static boolean isRefusedSoon(InetSocketAddress at) {
        long end = System.nanoTime() + 20_000_000_000L;
        while (System.nanoTime() < end) {
            try {
                new Socket(at.getAddress(), at.getPort()).close();
            } catch (IOException e) {
                return true;
            }
        }
        return false;
    }

    @Test
    void forwardedTcpPortThatTheGuestRefuses_isReset() throws Exception {
        guest.send(FakeGuest.arp(ArpPacket.REQUEST, FakeGuest.IP.v4(), FakeGuest.HOST.v4()));
        InetSocketAddress at = guest.nat.forward(HostForward.parse("tcp:127.0.0.1:0-10.0.2.15:22"));
        try (Socket s = new Socket(at.getAddress(), at.getPort())) {
            s.setSoTimeout(20_000);
            Received syn = guest.await(Received::isTcp);
            guest.send(FakeGuest.tcp(
                    FakeGuest.IP,
                    22,
                    FakeGuest.HOST,
                    syn.u16(0),
                    0,
                    syn.i32(4) + 1,
                    0x14,
                    0,
                    FakeTcp.NONE,
                    FakeTcp.NONE));
            assertThrows(IOException.class, () -> {
                if (s.getInputStream().read() < 0) {
                    throw new IOException("closed");
                }
            });
        }
        assertEquals(0, guest.nat.statistics().tcpConnections());
    }

    @Test
    void forwardedUdpPort_leadsToTheGuest_andBackToWhoCame() throws Exception {
        guest.close();
        guest = new FakeGuest(UserNetworkConfig.DEFAULT.withRestrict(true));
        guest.send(FakeGuest.arp(ArpPacket.REQUEST, FakeGuest.IP.v4(), FakeGuest.HOST.v4()));
        InetSocketAddress at = guest.nat.forward(HostForward.parse("udp:127.0.0.1:0-:69"));
        server.send(new DatagramPacket(bytes(1, 20), 20, at));
        Received r = guest.await(Received::isUdp);
        assertEquals(69, r.u16(2));
        assertArrayEquals(bytes(1, 20), r.payload(8));
        guest.send(FakeGuest.udp(FakeGuest.IP, 69, r.source(), r.u16(0), bytes(2, 30)));
        DatagramPacket back = receive(server);
        assertEquals(at, back.getSocketAddress());
        assertArrayEquals(bytes(2, 30), data(back));
        guest.send(FakeGuest.udp(FakeGuest.IP, 69, FakeGuest.HOST, 9, bytes(2, 30)));
        assertEquals(1, guest.nat.statistics().drops(Drop.RESTRICTED), "to nobody else");
        assertNull(guest.poll());
    }

    @Test
    void portThatIsTaken_isRefusedInASentence() {
        InetSocketAddress taken = (InetSocketAddress) server.getLocalSocketAddress();
        IOException e = assertThrows(
                IOException.class,
                () -> guest.nat.forward(
                        new HostForward(HostForward.Protocol.UDP, taken, new InetSocketAddress("0.0.0.0", 69))));
        assertEquals("can't forward UDP port " + taken + " of the host: Address already in use", e.getMessage());
    }

    @Test
    void hostForward_isReadAsQemuHasIt() {
        HostForward f = HostForward.parse("tcp::2222-:22");
        assertEquals(2222, f.host().getPort());
        assertTrue(f.host().getAddress().isAnyLocalAddress());
        assertEquals(22, f.guest().getPort());
        f = HostForward.parse("udp:[::1]:53-[fec0::15]:5353");
        assertEquals(HostForward.Protocol.UDP, f.protocol());
        assertEquals("fec0:0:0:0:0:0:0:15", f.guest().getAddress().getHostAddress());
        for (String bad : List.of(
                "", "tcp", "tcp:22", "sctp::1-:2", "tcp::1-:0", "tcp::x-:1", "tcp::1-:70000", "tcp:host:1-:2")) {
            assertThrows(IllegalArgumentException.class, () -> HostForward.parse(bad), bad);
        }
    }
}
