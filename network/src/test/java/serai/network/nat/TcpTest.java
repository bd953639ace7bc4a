package serai.network.nat;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.network.Offload;
import serai.network.nat.FakeGuest.Received;
import serai.network.packet.TcpHeader;

/** Connections of a guest made by hand, with real sockets on the loopback interface as the other side. */
final class TcpTest {
    private final FakeGuest guest;
    private final ServerSocket server;

    TcpTest() throws IOException {
        guest = new FakeGuest();
        server = new ServerSocket(0, 2000, InetAddress.ofLiteral("127.0.0.1"));
    }

    @BeforeEach
    void limit() throws IOException {
        server.setSoTimeout(20_000);
    }

    @AfterEach
    void close() throws IOException {
        guest.close();
        server.close();
    }

    private Socket accept() throws IOException {
        Socket s = server.accept();
        s.setSoTimeout(20_000);
        return s;
    }

    private FakeTcp tcp(int port) {
        return FakeTcp.toHost(guest, port, server.getLocalPort());
    }

    private static byte[] bytes(int seed, int n) {
        byte[] b = new byte[n];
        new Random(seed).nextBytes(b);
        return b;
    }

    @Test
    void handshake_carriesMssAndWindowScale() throws Exception {
        FakeTcp t = tcp(1000);
        t.syn(FakeTcp.OPTIONS);
        Received r = t.await(x -> true);
        assertEquals(TcpHeader.SYN | TcpHeader.ACK, r.flags());
        assertEquals(1460, TcpHeader.option(r.bytes(), r.at(), TcpHeader.OPTION_MSS, 2));
        assertEquals(7, TcpHeader.option(r.bytes(), r.at(), TcpHeader.OPTION_WINDOW_SCALE, 1));
        t = tcp(1001);
        t.syn(FakeTcp.NONE);
        r = t.await(x -> true);
        assertEquals(-1, TcpHeader.option(r.bytes(), r.at(), TcpHeader.OPTION_WINDOW_SCALE, 1), "none was offered");
    }

    @Test
    void refused_isReset() throws Exception {
        server.close();
        FakeTcp t = tcp(1000);
        t.syn(FakeTcp.OPTIONS);
        Received r = t.await(x -> true);
        assertEquals(TcpHeader.RST | TcpHeader.ACK, r.flags());
        assertEquals(t.next + 1, r.i32(TcpHeader.ACKNOWLEDGMENT));
        assertEquals(0, guest.nat.statistics().tcpConnections());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void data_goesBothWays(boolean large) throws Exception {
        if (large) {
            guest.nat.accept(Offload.Abilities.ALL);
        }
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            byte[] up = bytes(1, 1460 * 3 + 7);
            for (int i = 0; i < up.length; i += 1460) {
                t.write(java.util.Arrays.copyOfRange(up, i, Math.min(up.length, i + 1460)));
            }
            assertArrayEquals(up, s.getInputStream().readNBytes(up.length));
            byte[] down = bytes(2, 3_000_000);
            Thread writer = Thread.startVirtualThread(() -> {
                try {
                    s.getOutputStream().write(down);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            assertArrayEquals(down, t.read(down.length));
            writer.join();
        }
    }

    @Test
    void largeFrames_areCutAsTheGuestAsks() throws Exception {
        guest.nat.accept(Offload.Abilities.ALL);
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            s.getOutputStream().write(bytes(1, 200_000));
            Received r = t.await(x -> x.tcpPayload().length > 1460);
            assertEquals(Offload.Segmentation.TCP4, r.offload().segmentation());
            assertEquals(1460, r.offload().segmentSize());
            assertTrue(r.offload().partialChecksum());
        }
    }

    @Test
    void largeSegmentsWithPartialChecksum_areTakenAsTheyAre() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            byte[] up = bytes(3, 60_000);
            ByteBuffer b = FakeGuest.tcp(
                    t.from, t.fromPort, t.to, t.toPort, t.next, t.expected, TcpHeader.ACK, 1000, FakeTcp.NONE, up);
            b.putShort(34 + TcpHeader.CHECKSUM, (short) 0x1234);
            guest.send(b, new Offload(true, 34, 16, false, Offload.Segmentation.TCP4, 1460));
            t.next += up.length;
            assertArrayEquals(up, s.getInputStream().readNBytes(up.length));
            assertEquals(t.next, t.await(x -> true).i32(TcpHeader.ACKNOWLEDGMENT));
            assertNull(guest.poll(), "one acknowledgment is enough");
        }
    }

    @Test
    void guestEndsFirst_theOtherDirectionGoesOn() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            t.write(bytes(1, 100));
            t.end();
            assertArrayEquals(bytes(1, 100), s.getInputStream().readAllBytes());
            assertEquals(
                    t.next,
                    t.await(x -> x.i32(TcpHeader.ACKNOWLEDGMENT) == t.next).i32(TcpHeader.ACKNOWLEDGMENT));
            s.getOutputStream().write(bytes(2, 5000));
            s.shutdownOutput();
            assertArrayEquals(bytes(2, 5000), t.readAll());
            assertTrue(t.ended);
        }
        assertEquals(0, guest.nat.statistics().tcpConnections(), "LAST-ACK was the end");
    }

    @Test
    void hostEndsFirst_theOtherDirectionGoesOn() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            s.getOutputStream().write(bytes(1, 100));
            s.shutdownOutput();
            assertArrayEquals(bytes(1, 100), t.readAll());
            guest.pass(100_000);
            t.write(bytes(2, 1000));
            assertArrayEquals(bytes(2, 1000), s.getInputStream().readNBytes(1000));
            t.end();
            assertEquals(-1, s.getInputStream().read());
            assertEquals(1, guest.nat.statistics().tcpConnections(), "TIME-WAIT");
            t.send(t.next - 1, t.expected, TcpHeader.ACK | TcpHeader.FIN, FakeTcp.NONE, FakeTcp.NONE);
            assertEquals(t.next, t.await(x -> true).i32(TcpHeader.ACKNOWLEDGMENT), "a FIN again");
        }
        guest.pass(3000);
        assertEquals(0, guest.nat.statistics().tcpConnections());
    }

    @Test
    void timeWait_givesWayToANewConnection() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            s.shutdownOutput();
            byte[] unused = t.readAll();
            t.end();
            assertEquals(-1, s.getInputStream().read());
        }
        FakeTcp again = tcp(1000);
        again.next = t.next + 1000;
        again.connect();
        try (Socket s = accept()) {
            again.write(bytes(4, 10));
            assertArrayEquals(bytes(4, 10), s.getInputStream().readNBytes(10));
        }
    }

    @Test
    void resetOfTheGuest_resetsTheSocket() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            t.send(t.next + 5, 0, TcpHeader.RST, FakeTcp.NONE, FakeTcp.NONE);
            assertEquals(t.next, t.await(x -> true).i32(TcpHeader.ACKNOWLEDGMENT), "RFC 5961: asked once more");
            t.send(t.next + 2_000_000, 0, TcpHeader.RST, FakeTcp.NONE, FakeTcp.NONE);
            assertEquals(1, guest.nat.statistics().tcpConnections());
            t.send(t.next, 0, TcpHeader.RST, FakeTcp.NONE, FakeTcp.NONE);
            assertEquals(0, guest.nat.statistics().tcpConnections());
            InputStream in = s.getInputStream();
            assertThrows(IOException.class, in::read);
        }
    }

    @Test
    void resetOfTheSocket_resetsTheGuest() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            s.setSoLinger(true, 0);
        }
        assertEquals(
                TcpHeader.RST, t.await(x -> (x.flags() & TcpHeader.RST) != 0).flags() & TcpHeader.RST);
        assertEquals(0, guest.nat.statistics().tcpConnections());
    }

    @Test
    void lostData_isSentAgainAfterATimeOut() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            s.getOutputStream().write(bytes(1, 3000));
            Received first = t.await(x -> x.tcpPayload().length > 0);
            int got = first.tcpPayload().length;
            while (got < 3000) {
                got += t.await(x -> true).tcpPayload().length;
            }
            assertNull(guest.poll());
            guest.pass(1100);
            Received again = t.await(x -> true);
            assertEquals(first.i32(TcpHeader.SEQUENCE), again.i32(TcpHeader.SEQUENCE));
            assertNull(guest.poll(), "one segment at a time");
            guest.pass(1100);
            assertNull(guest.poll(), "twice as long now");
            guest.pass(1100);
            byte[] all = t.read(3000);
            assertArrayEquals(bytes(1, 3000), all);
        }
    }

    @Test
    void threeDuplicates_sendTheMissingSegmentAgain() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            s.getOutputStream().write(bytes(1, 6000));
            Received first = t.await(x -> x.tcpPayload().length > 0);
            int got = first.tcpPayload().length;
            while (got < 6000) {
                got += t.await(x -> x.tcpPayload().length > 0).tcpPayload().length;
            }
            t.ack();
            t.ack();
            assertNull(guest.poll());
            t.ack();
            Received again = t.await(x -> true);
            assertEquals(first.i32(TcpHeader.SEQUENCE), again.i32(TcpHeader.SEQUENCE));
            assertNull(guest.poll(), "nothing but that one");
            t.expected += 6000;
            t.ack();
            s.getOutputStream().write(7);
            assertArrayEquals(new byte[] {7}, t.read(1));
        }
    }

    @Test
    void closedWindow_isProbed() throws Exception {
        FakeTcp t = tcp(1000);
        t.window = 0;
        t.connect();
        try (Socket s = accept()) {
            s.getOutputStream().write(bytes(1, 100));
            while (guest.nat.statistics().bufferBytes() == 0) {
                Thread.onSpinWait(); // it is read, and can't go
            }
            guest.pass(1100);
            Received r = t.await(x -> true);
            assertEquals(1, r.tcpPayload().length);
            for (int i = 0; i < 40; i++) { // as long as it answers, it is there
                t.ack();
                assertNull(guest.poll());
                guest.pass(61_000);
                assertEquals(1, t.await(x -> true).tcpPayload().length);
            }
            t.window = 1000;
            t.ack();
            assertArrayEquals(bytes(1, 100), t.read(100));
        }
    }

    @Test
    void guestThatDoesNotAnswer_isGivenUp() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            s.getOutputStream().write(bytes(1, 100));
            int sent = 0;
            for (int i = 0; i < 30 && guest.nat.statistics().tcpConnections() > 0; i++) {
                if (i == 0) {
                    Received unused = t.await(x -> x.tcpPayload().length > 0);
                } else {
                    sent += guest.poll() == null ? 0 : 1;
                }
                guest.pass(61_000);
            }
            assertEquals(10, sent);
            assertEquals(0, guest.nat.statistics().tcpConnections());
        }
    }

    @Test
    void guestThatDoesNotFetch_isNotGivenUp() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            s.getOutputStream().write(bytes(1, 100));
            for (int i = 0; i < 100; i++) { // it has been stopped
                guest.pass(61_000);
            }
            assertArrayEquals(bytes(1, 100), t.read(100));
        }
    }

    @Test
    void slowSocket_closesTheWindow_andOpensItAgain() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            byte[] part = bytes(1, 1400);
            int sent = 0;
            Received r = null;
            int window = 1 << 20;
            while (window >= part.length && sent < 64 << 20) {
                t.write(part);
                sent += part.length;
                r = guest.poll();
                if (r != null) {
                    window = r.u16(TcpHeader.WINDOW) << 7;
                    window -= t.next - r.i32(TcpHeader.ACKNOWLEDGMENT);
                }
            }
            assertTrue(window < part.length, "after " + sent + " bytes: " + window);
            assertTrue(guest.nat.statistics().bufferBytes() <= 2 << 20);
            InputStream in = s.getInputStream();
            for (int i = 0; i < sent; i += part.length) {
                assertArrayEquals(part, in.readNBytes(part.length));
            }
            Received open = t.await(x -> x.u16(TcpHeader.WINDOW) << 7 > 1 << 18);
            assertEquals(t.next, open.i32(TcpHeader.ACKNOWLEDGMENT));
            t.write(part);
            assertArrayEquals(part, in.readNBytes(part.length));
        }
    }

    @Test
    void endOfAGuestWhoseSocketIsSlow_loses_nothing() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            byte[] part = bytes(1, 1400);
            int sent = 0;
            Received r;
            int window = 1 << 20;
            while (window >= part.length) {
                t.write(part);
                sent += part.length;
                r = guest.poll();
                window = r == null ? window : (r.u16(TcpHeader.WINDOW) << 7) - (t.next - r.i32(8));
            }
            t.end();
            InputStream in = s.getInputStream();
            for (int i = 0; i < sent; i += part.length) {
                assertArrayEquals(part, in.readNBytes(part.length));
            }
            assertEquals(-1, in.read());
            s.shutdownOutput();
            byte[] unused = t.readAll();
        }
        assertEquals(0, guest.nat.statistics().tcpConnections());
    }

    @Test
    void guestThatTakesNothingOnManyConnections_leavesMemoryForAnother() throws Exception {
        try (FakeGuest small = new FakeGuest(UserNetworkConfig.DEFAULT.withBufferBytes(2 << 20))) {
            java.util.List<Socket> sockets = new java.util.ArrayList<>();
            for (int i = 0; i < 20; i++) {
                FakeTcp t = FakeTcp.toHost(small, 1000 + i, server.getLocalPort());
                t.window = 0;
                t.connect();
                Socket s = accept();
                sockets.add(s);
                Thread unused = Thread.startVirtualThread(() -> {
                    try {
                        s.getOutputStream().write(bytes(1, 500_000));
                    } catch (IOException e) {
                        return; // it is closed at the end
                    }
                });
            }
            while (small.nat.pages() < 90) { // of 128: what 20 of them may have
                Thread.onSpinWait();
            }
            FakeTcp t = FakeTcp.toHost(small, 2000, server.getLocalPort()).connect();
            try (Socket s = accept()) {
                Thread unused = Thread.startVirtualThread(() -> {
                    try {
                        s.getOutputStream().write(bytes(2, 500_000));
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                });
                assertArrayEquals(bytes(2, 500_000), t.read(500_000));
            }
            assertTrue(small.nat.pages() < 128, "pages " + small.nat.pages());
            for (Socket s : sockets) {
                s.close();
            }
        }
    }

    @Test
    void overlapsAndRepetitions_countOnce() throws Exception {
        FakeTcp t = tcp(1000).connect();
        try (Socket s = accept()) {
            byte[] all = bytes(1, 1000);
            int start = t.next;
            t.write(java.util.Arrays.copyOfRange(all, 0, 500));
            t.send(start, t.expected, TcpHeader.ACK, FakeTcp.NONE, java.util.Arrays.copyOfRange(all, 0, 500));
            t.send(start + 700, t.expected, TcpHeader.ACK, FakeTcp.NONE, java.util.Arrays.copyOfRange(all, 700, 800));
            t.send(start + 300, t.expected, TcpHeader.ACK, FakeTcp.NONE, java.util.Arrays.copyOfRange(all, 300, 1000));
            t.next = start + 1000;
            assertArrayEquals(all, s.getInputStream().readNBytes(1000));
            assertEquals(t.next, t.await(x -> true).i32(TcpHeader.ACKNOWLEDGMENT));
        }
    }

    @Test
    void tinyWindowAndMss() throws Exception {
        FakeTcp t = tcp(1000);
        t.window = 1;
        t.connect(new byte[] {2, 4, 0, 1}); // MSS 1
        try (Socket s = accept()) {
            s.getOutputStream().write(bytes(1, 50));
            assertArrayEquals(bytes(1, 50), t.read(50));
            t.window = 0xffff;
            t.ack();
            s.getOutputStream().write(bytes(2, 5000));
            assertArrayEquals(bytes(2, 5000), t.read(5000));
        }
    }

    @Test
    void floodOfSyns_isBounded() throws Exception {
        for (int i = 0; i < 3000; i++) {
            tcp(2000 + i).syn(FakeTcp.OPTIONS);
            while (guest.poll() != null) {
                // not answered
            }
        }
        assertTrue(
                guest.nat.statistics().tcpConnections() <= 1025,
                guest.nat.statistics().toString());
        for (int i = 0; i < 10; i++) {
            guest.pass(61_000);
            while (guest.poll() != null) {
                // not answered
            }
        }
        assertEquals(0, guest.nat.statistics().tcpConnections());
    }

    @Test
    void segmentOfNoConnection_isReset() throws Exception {
        FakeTcp t = tcp(1000);
        t.send(5, 1234, TcpHeader.ACK, FakeTcp.NONE, FakeTcp.NONE);
        Received r = t.await(x -> true);
        assertEquals(TcpHeader.RST, r.flags());
        assertEquals(1234, r.i32(TcpHeader.SEQUENCE));
        t.send(5, 0, TcpHeader.FIN, FakeTcp.NONE, new byte[3]);
        r = t.await(x -> true);
        assertEquals(TcpHeader.RST | TcpHeader.ACK, r.flags());
        assertEquals(9, r.i32(TcpHeader.ACKNOWLEDGMENT));
    }

    @Test
    void optionsThatNeverEnd_areNoOptions() throws Exception {
        FakeTcp t = tcp(1000);
        t.connect(new byte[] {3, 0, 0, 0, 2, 40, 1, 1});
        t = tcp(1001);
        t.connect(new byte[] {1, 1, 1, 1, 1, 1, 1, 3});
    }
}
