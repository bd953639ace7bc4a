package serai.network.nat;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.api.BugDetectors;
import com.code_intelligence.jazzer.api.SilentCloseable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.fuzz.GuidedFuzz;
import serai.network.Offload;
import serai.network.nat.FakeGuest.Received;
import serai.network.packet.ArpPacket;
import serai.network.packet.Checksum;
import serai.network.packet.TcpHeader;

/**
 * A fuzz target for all that a guest can send: whatever it is, nothing is thrown, memory is bounded, and nothing is left at the end. All the world is two servers of this process,
 * which send back what they get.
 *
 * <p>The input is a list of steps, each with a kind (1 byte):
 *
 * <ul>
 *   <li>a frame: its length (2 bytes), the frame. Its IPv4 checksum is made right; by its kind, somebody vouches for the others
 *   <li>a TCP segment, as far as possible within a connection: port, flags, sequence and acknowledgment (2 bytes each, signed) from what is expected, window (2 bytes), bytes of
 *       options and of payload
 *   <li>taking a number of frames
 *   <li>passing time
 *   <li>what frames the guest takes
 * </ul>
 */
public final class NatFuzzTest {
    private static final long MEMORY = 4 << 20;
    private static final int PORTS = 4;
    private static final int MOST_STEPS = 300;

    private static final InetSocketAddress WORLD = world();

    /** Servers that send back what they get, on one port. */
    private static InetSocketAddress world() {
        try {
            ServerSocket tcp = new ServerSocket(0, 500, InetAddress.ofLiteral("127.0.0.1"));
            DatagramSocket udp = new DatagramSocket(tcp.getLocalSocketAddress());
            Thread unused = Thread.ofPlatform().daemon().start(() -> serve(tcp));
            Thread unusedToo = Thread.ofPlatform().daemon().start(() -> serve(udp));
            return (InetSocketAddress) tcp.getLocalSocketAddress();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void serve(ServerSocket tcp) {
        while (true) {
            try {
                Socket s = tcp.accept();
                Thread unused = Thread.startVirtualThread(() -> echo(s));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static void echo(Socket socket) {
        try (Socket s = socket) {
            long unused = s.getInputStream().transferTo(s.getOutputStream());
        } catch (IOException e) {
            return; // as it may be
        }
    }

    private static void serve(DatagramSocket udp) {
        try {
            while (true) {
                DatagramPacket p = new DatagramPacket(new byte[65_536], 65_536);
                udp.receive(p);
                udp.send(p);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What Jazzer calls first. */
    public static void fuzzerInitialize() {
        SilentCloseable unused = BugDetectors.allowNetworkConnections(
                (host, port) -> port.equals(WORLD.getPort())); // to ourselves alone
    }

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        UserNetworkConfig config =
                UserNetworkConfig.DEFAULT.withBufferBytes(MEMORY).withResolvers(List.of(WORLD));
        try (FakeGuest guest = new FakeGuest(config, wanted -> WORLD)) {
            FakeTcp[] connections = new FakeTcp[PORTS];
            for (int i = 0; i < PORTS; i++) {
                Ip from = i % 2 == 0 ? FakeGuest.IP : FakeGuest.IP6;
                connections[i] = new FakeTcp(guest, from, 1000 + i, i % 2 == 0 ? FakeGuest.HOST : FakeGuest.HOST6, 7);
            }
            ByteBuffer in = ByteBuffer.wrap(input);
            for (int i = 0; i < MOST_STEPS && in.hasRemaining(); i++) {
                step(guest, connections, in);
            }
            UserNetworkStatistics s = guest.nat.statistics();
            assertTrue(s.bufferBytes() <= MEMORY && s.tcpConnections() <= 4096 && s.udpFlows() <= 512, s.toString());
        }
    }

    private static void step(FakeGuest guest, FakeTcp[] connections, ByteBuffer in) {
        int kind = in.get() & 7;
        switch (kind) {
            case 0, 1 -> frame(guest, bytes(in, in.remaining() < 2 ? 0 : in.getShort() & 0xffff), kind == 1);
            case 2, 3, 4 -> segment(connections, in);
            case 5 -> take(guest, connections, in.hasRemaining() ? in.get() & 0xff : 1);
            case 6 -> guest.pass(in.hasRemaining() ? (in.get() & 0xff) * 100L : 1);
            default ->
                guest.nat.accept(
                        in.hasRemaining() && (in.get() & 1) != 0 ? Offload.Abilities.ALL : Offload.Abilities.NONE);
        }
    }

    private static byte[] bytes(ByteBuffer in, int n) {
        byte[] b = new byte[Math.min(n, in.remaining())];
        in.get(b);
        return b;
    }

    private static void frame(FakeGuest guest, byte[] bytes, boolean verified) {
        ByteBuffer b = ByteBuffer.wrap(bytes);
        if (bytes.length >= 34 && (b.get(14) & 15) >= 5 && 14 + (b.get(14) & 15) * 4 <= bytes.length) {
            b.putShort(24, (short) 0);
            b.putShort(24, (short) Checksum.of(Checksum.add(0, b, 14, (b.get(14) & 15) * 4)));
        }
        guest.send(b, verified ? Offload.VERIFIED : Offload.NONE);
    }

    private static void segment(FakeTcp[] connections, ByteBuffer in) {
        if (in.remaining() < 10) {
            in.position(in.limit());
            return;
        }
        FakeTcp t = connections[in.get() & PORTS - 1];
        int flags = in.get();
        int sequence = t.next + in.getShort();
        int ack = t.expected + in.getShort();
        t.window = in.getShort() & 0xffff;
        byte[] options = new byte[(in.get() & 7) * 4];
        int length = (in.get() & 0xff) * 8;
        byte[] some = bytes(in, Math.min(options.length, 8));
        System.arraycopy(some, 0, options, 0, some.length);
        t.send(sequence, ack, flags, options, new byte[length]);
        if (sequence == t.next && (flags & TcpHeader.RST) == 0) {
            t.next += length + (flags & TcpHeader.FIN) + (flags >> 1 & 1);
        }
    }

    private static void take(FakeGuest guest, FakeTcp[] connections, int n) {
        for (int i = 0; i < n; i++) {
            Received r = guest.poll();
            if (r == null) {
                return;
            }
            for (FakeTcp t : connections) {
                if (t.isMine(r)) {
                    int end =
                            r.i32(TcpHeader.SEQUENCE) + r.tcpPayload().length + (r.flags() >> 1 & 1) + (r.flags() & 1);
                    t.expected = end;
                }
            }
        }
    }

    // ---- inputs

    private static byte[] frameStep(ByteBuffer frame, boolean verified) {
        return ByteBuffer.allocate(3 + frame.limit())
                .put((byte) (verified ? 1 : 0))
                .putShort((short) frame.limit())
                .put(frame.duplicate().position(0))
                .array();
    }

    private static List<byte[]> sound() {
        byte[] data = new byte[40];
        List<byte[]> all = new ArrayList<>();
        all.add(frameStep(FakeGuest.arp(ArpPacket.REQUEST, FakeGuest.IP.v4(), FakeGuest.HOST.v4()), false));
        all.add(frameStep(FakeGuest.echo(FakeGuest.IP, FakeGuest.HOST, 1, 2, data), false));
        all.add(frameStep(FakeGuest.echo(FakeGuest.IP6, FakeGuest.HOST6, 1, 2, data), true));
        all.add(frameStep(FakeGuest.echo(FakeGuest.IP, Ip.v4(0x08080808), 1, 2, data), true));
        all.add(frameStep(FakeGuest.udp(FakeGuest.IP, 9, FakeGuest.HOST, 7, data), false));
        all.add(frameStep(FakeGuest.udp(FakeGuest.IP, 9, FakeGuest.DNS, 53, data), true));
        all.add(frameStep(FakeGuest.udp(FakeGuest.IP6, 9, FakeGuest.HOST6, 7, data), true));
        all.add(frameStep(ControlTest.dhcp(1, 0), true));
        all.add(frameStep(ControlTest.dhcp(3, 0, ControlTest.requested(15)), true));
        all.add(frameStep(ControlTest.dhcp(8, 0x0a00020f), true));
        all.add(frameStep(
                ControlTest.icmp6(FakeGuest.IP6, FakeGuest.HOST6, ControlTest.solicitation(FakeGuest.HOST6), 255),
                true));
        all.add(frameStep(
                ControlTest.icmp6(
                        FakeGuest.IP6, new Ip(0xff02L << 48, 2), new byte[] {(byte) 133, 0, 0, 0, 0, 0, 0, 0}, 255),
                true));
        for (Ip from : List.of(FakeGuest.IP, FakeGuest.IP6)) {
            Ip to = from.isV4() ? FakeGuest.HOST : FakeGuest.HOST6;
            for (ByteBuffer f : Fragments.of(FakeGuest.udp(from, 9, to, 7, new byte[100]), 56)) {
                all.add(frameStep(f, true));
            }
            all.add(frameStep(
                    FakeGuest.tcp(from, 77, to, 7, 5, 0, TcpHeader.SYN, 1000, FakeTcp.OPTIONS, FakeTcp.NONE), true));
        }
        return all;
    }

    private static byte[] segmentStep(
            int port, int flags, int sequence, int ack, int window, int options, int payload) {
        return ByteBuffer.allocate(11)
                .put((byte) 2)
                .put((byte) port)
                .put((byte) flags)
                .putShort((short) sequence)
                .putShort((short) ack)
                .putShort((short) window)
                .put((byte) options)
                .put((byte) payload)
                .array();
    }

    /** A course of events: mostly connections that begin soundly, and frames of which some bytes are wrong. */
    private static byte[] input(Random r) {
        List<byte[]> sound = sound();
        ByteBuffer b = ByteBuffer.allocate(16_384);
        int steps = r.nextInt(60);
        for (int i = 0; i < 2; i++) {
            int port = r.nextInt(PORTS);
            b.put(segmentStep(port, TcpHeader.SYN, 0, 0, 5000, 0, 0)).put(new byte[] {5, 20});
            b.put(segmentStep(port, TcpHeader.ACK, 0, 0, 5000, 0, r.nextInt(200)))
                    .put(new byte[] {5, 20});
        }
        for (int i = 0; i < steps && b.remaining() > 300; i++) {
            switch (r.nextInt(8)) {
                case 0, 1, 2 -> {
                    byte[] s = sound.get(r.nextInt(sound.size())).clone();
                    for (int n = r.nextInt(5); n > 0; n--) {
                        int at = 3 + r.nextInt(Math.min(s.length - 3, 70));
                        s[at] = r.nextInt(3) == 0 ? (byte) r.nextInt() : (byte) (s[at] + r.nextInt(3) - 1);
                    }
                    if (r.nextInt(5) == 0) {
                        int cut = r.nextInt(s.length);
                        s = java.util.Arrays.copyOf(s, Math.max(cut, 3));
                        s[1] = (byte) (s.length - 3 >> 8);
                        s[2] = (byte) (s.length - 3);
                    }
                    b.put(s);
                }
                case 3, 4, 5 -> {
                    int flags = r.nextInt(4) == 0 ? r.nextInt(64) : TcpHeader.ACK | r.nextInt(20) / 19;
                    int sequence = r.nextInt(3) == 0 ? r.nextInt(4000) - 2000 : 0;
                    int ack = r.nextInt(3) == 0 ? r.nextInt(4000) - 2000 : 0;
                    b.put(segmentStep(
                            r.nextInt(PORTS), flags, sequence, ack, r.nextInt(0x10000), r.nextInt(3), r.nextInt(256)));
                }
                case 6 -> b.put((byte) 5).put((byte) r.nextInt(30));
                default -> b.put((byte) (6 + r.nextInt(2))).put((byte) r.nextInt());
            }
        }
        byte[] made = new byte[b.position()];
        b.flip().get(made);
        return made;
    }

    @Test
    void anyFrames() throws IOException {
        long seed = Long.getLong("serai.seed", 20261130);
        System.out.println("seed " + seed);
        for (int i = 0; i < 400; i++) {
            try {
                fuzzerTestOneInput(input(new Random(seed + i)));
            } catch (RuntimeException | Error e) {
                throw new AssertionError("seed " + (seed + i), e);
            }
        }
    }

    @Test
    void anyBytes() throws IOException {
        Random r = new Random(7);
        try (FakeGuest guest = new FakeGuest(UserNetworkConfig.DEFAULT, wanted -> WORLD)) {
            for (int i = 0; i < 200_000; i++) {
                byte[] b = new byte[r.nextInt(120)];
                r.nextBytes(b);
                if (b.length >= 16) {
                    ByteBuffer f = ByteBuffer.wrap(b);
                    f.putLong(0, FakeGuest.ROUTER_MAC << 16).putInt(8, 0x12345678);
                    f.putShort(12, (short) (r.nextBoolean() ? 0x0800 : r.nextBoolean() ? 0x86dd : 0x0806));
                    f.put(14, (byte) (r.nextBoolean() ? 0x45 : 0x60));
                }
                frame(guest, b, r.nextBoolean());
                Received unused = guest.poll();
            }
        }
    }

    @Test
    @Tag("e2e")
    void guided_aFewSeconds(@TempDir Path dir) throws Exception {
        guided(dir).run(GuidedFuzz.BRIEFLY);
    }

    @Test
    @Tag("soak")
    void guided_forLong(@TempDir Path dir) throws Exception {
        guided(dir).run(GuidedFuzz.LONG);
    }

    private static GuidedFuzz guided(Path dir) throws IOException {
        Path seeds = Files.createDirectory(dir.resolve("seeds"));
        int n = 0;
        for (byte[] s : sound()) {
            Files.write(seeds.resolve("sound" + n++), s);
        }
        for (int i = 0; i < 40; i++) {
            Files.write(seeds.resolve("course" + i), input(new Random(i)));
        }
        return new GuidedFuzz(NatFuzzTest.class, "serai.network.**", dir).seeds(seeds);
    }
}
