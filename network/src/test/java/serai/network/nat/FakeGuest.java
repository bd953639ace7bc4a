package serai.network.nat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import serai.network.Frame;
import serai.network.Offload;
import serai.network.packet.ArpPacket;
import serai.network.packet.Checksum;
import serai.network.packet.Ethernet;
import serai.network.packet.IcmpHeader;
import serai.network.packet.IpProtocol;
import serai.network.packet.Ipv4Header;
import serai.network.packet.Ipv6Header;
import serai.network.packet.TcpHeader;
import serai.network.packet.UdpHeader;

/** A guest that makes each packet by hand, right or wrong. Its network's clock stands still but when it is told otherwise. */
final class FakeGuest implements AutoCloseable {
    static final long MAC = 0x5254_0012_3456L;
    static final Ip IP = Ip.v4(0x0a00020f);
    static final Ip HOST = Ip.v4(0x0a000202);
    static final Ip DNS = Ip.v4(0x0a000203);
    static final Ip IP6 = new Ip(0xfec0L << 48, 0x5054_00ff_fe12_3456L);
    static final Ip HOST6 = new Ip(0xfec0L << 48, 2);
    static final Ip DNS6 = new Ip(0xfec0L << 48, 3);
    static final long ROUTER_MAC = 0x5255_0a00_0202L;

    private static final int SECONDS = 20;

    /** A packet from the network. */
    record Received(ByteBuffer bytes, Offload offload) {
        int type() {
            return bytes.getShort(Ethernet.TYPE) & 0xffff;
        }

        boolean v6() {
            return type() == Ethernet.IPV6;
        }

        int protocol() {
            return switch (type()) {
                case Ethernet.IPV4 -> bytes.get(14 + Ipv4Header.PROTOCOL) & 0xff;
                case Ethernet.IPV6 -> bytes.get(14 + Ipv6Header.NEXT_HEADER) & 0xff;
                default -> -1;
            };
        }

        /** Where what IP carries begins. */
        int at() {
            return 14 + (v6() ? Ipv6Header.LENGTH : Ipv4Header.LENGTH);
        }

        int u8(int offset) {
            return bytes.get(at() + offset) & 0xff;
        }

        int u16(int offset) {
            return bytes.getShort(at() + offset) & 0xffff;
        }

        int i32(int offset) {
            return bytes.getInt(at() + offset);
        }

        Ip source() {
            return v6() ? new Ip(bytes.getLong(22), bytes.getLong(30)) : Ip.v4(bytes.getInt(26));
        }

        Ip destination() {
            return v6() ? new Ip(bytes.getLong(38), bytes.getLong(46)) : Ip.v4(bytes.getInt(30));
        }

        byte[] payload(int from) {
            byte[] b = new byte[bytes.limit() - at() - from];
            bytes.get(at() + from, b);
            return b;
        }

        boolean isUdp() {
            return protocol() == IpProtocol.UDP;
        }

        boolean isTcp() {
            return protocol() == IpProtocol.TCP;
        }

        boolean isIcmp() {
            return protocol() == IpProtocol.ICMP || protocol() == IpProtocol.ICMPV6;
        }

        int flags() {
            return u8(TcpHeader.FLAGS);
        }

        byte[] tcpPayload() {
            return payload(TcpHeader.length(bytes, at()));
        }
    }

    final AtomicLong clock = new AtomicLong(1_000_000);
    final Nat nat;
    private final Semaphore told = new Semaphore(0);

    FakeGuest(UserNetworkConfig config) throws IOException {
        this(config, UnaryOperator.identity());
    }

    /** One for whom all the world is elsewhere. */
    FakeGuest(UserNetworkConfig config, UnaryOperator<InetSocketAddress> route) throws IOException {
        nat = new Nat(config, clock::get, route);
        nat.onFrames(told::release);
        nat.start();
    }

    FakeGuest() throws IOException {
        this(UserNetworkConfig.DEFAULT);
    }

    /** Time passes. */
    void pass(long millis) {
        clock.addAndGet(millis);
        nat.tick();
    }

    void send(ByteBuffer frame) {
        send(frame, Offload.NONE);
    }

    void send(ByteBuffer frame, Offload offload) {
        nat.send(frame, offload);
    }

    /** What there is now; null if nothing. */
    @Nullable
    Received poll() {
        Frame f = nat.receive();
        if (f == null) {
            return null;
        }
        ByteBuffer b = f.bytes();
        ByteBuffer copy = ByteBuffer.allocate(b.remaining()).put(b).flip();
        check(copy, f.offload());
        return new Received(copy, f.offload());
    }

    /** What there is now. */
    Received answer() {
        Received r = poll();
        if (r == null) {
            throw new AssertionError("no answer; " + nat.statistics());
        }
        return r;
    }

    /** The next packet of a kind; others are passed over. */
    Received await(Predicate<Received> kind) throws InterruptedException {
        while (true) {
            Received r = poll();
            if (r == null) {
                if (!told.tryAcquire(SECONDS, TimeUnit.SECONDS)) {
                    throw new AssertionError("nothing for " + SECONDS + " seconds; " + nat.statistics());
                }
            } else if (kind.test(r)) {
                return r;
            }
        }
    }

    /** Lengths and checksums of everything that comes. */
    private static void check(ByteBuffer b, Offload o) {
        Received r = new Received(b, o);
        if (r.type() == Ethernet.IPV4) {
            equal(b.limit() - 14, b.getShort(16) & 0xffff, "IPv4's length");
            equal(0, Checksum.of(Checksum.add(0, b, 14, 20)), "IPv4's checksum");
            if ((b.getShort(20) & (Ipv4Header.MORE_FRAGMENTS | Ipv4Header.OFFSET)) != 0) {
                return;
            }
        } else if (r.type() == Ethernet.IPV6) {
            equal(b.limit() - 54, b.getShort(18) & 0xffff, "IPv6's length");
        } else {
            return;
        }
        int length = b.limit() - r.at();
        int protocol = r.protocol();
        long pseudo =
                protocol == IpProtocol.ICMP ? 0 : r.source().sum(r.destination().sum(protocol + length));
        if (o.partialChecksum()) {
            equal(Checksum.fold(pseudo), b.getShort(o.checksumStart() + o.checksumOffset()) & 0xffff, "pseudo-header");
            equal(r.at(), o.checksumStart(), "where the checksum starts");
        } else if (protocol != Ipv6Header.FRAGMENT) {
            equal(0, Checksum.of(Checksum.add(pseudo, b, r.at(), length)), "checksum");
        }
    }

    private static void equal(int expected, int got, String what) {
        if (expected != got) {
            throw new AssertionError(what + ": " + got + ", not " + expected);
        }
    }

    // ---- packets

    static ByteBuffer frame(int type, int payload) {
        ByteBuffer b = ByteBuffer.allocate(14 + payload);
        Ethernet.header(b, 0, ROUTER_MAC, MAC, type);
        return b;
    }

    static ByteBuffer ip(Ip from, Ip to, int protocol, byte[] payload) {
        return ip(from, to, protocol, payload, 64);
    }

    static ByteBuffer ip(Ip from, Ip to, int protocol, byte[] payload, int hopLimit) {
        ByteBuffer b;
        if (from.isV4()) {
            b = frame(Ethernet.IPV4, 20 + payload.length);
            Ipv4Header.write(b, 14, 20 + payload.length, 7, 0, protocol, from.v4(), to.v4());
            b.put(34, payload);
        } else {
            b = frame(Ethernet.IPV6, 40 + payload.length);
            Ipv6Header.write(b, 14, payload.length, protocol, hopLimit, from.high(), from.low(), to.high(), to.low());
            b.put(54, payload);
        }
        return b;
    }

    /** Puts the checksum in, at an offset in the payload. */
    static ByteBuffer sealed(ByteBuffer b, Ip from, Ip to, int protocol, int offset) {
        int at = from.isV4() ? 34 : 54;
        int length = b.limit() - at;
        b.putShort(at + offset, (short) 0);
        long pseudo = protocol == IpProtocol.ICMP ? 0 : from.sum(to.sum(protocol + length));
        b.putShort(at + offset, (short) Checksum.of(Checksum.add(pseudo, b, at, length)));
        return b;
    }

    static ByteBuffer udp(Ip from, int fromPort, Ip to, int toPort, byte[] payload) {
        byte[] p = ByteBuffer.allocate(8 + payload.length)
                .putShort((short) fromPort)
                .putShort((short) toPort)
                .putShort((short) (8 + payload.length))
                .putShort((short) 0)
                .put(payload)
                .array();
        return sealed(ip(from, to, IpProtocol.UDP, p), from, to, IpProtocol.UDP, UdpHeader.CHECKSUM);
    }

    static ByteBuffer tcp(
            Ip from,
            int fromPort,
            Ip to,
            int toPort,
            int sequence,
            int ack,
            int flags,
            int window,
            byte[] options,
            byte[] payload) {
        byte[] p = ByteBuffer.allocate(20 + options.length + payload.length)
                .putShort((short) fromPort)
                .putShort((short) toPort)
                .putInt(sequence)
                .putInt(ack)
                .put((byte) ((20 + options.length) / 4 << 4))
                .put((byte) flags)
                .putShort((short) window)
                .putInt(0)
                .put(options)
                .put(payload)
                .array();
        return sealed(ip(from, to, IpProtocol.TCP, p), from, to, IpProtocol.TCP, TcpHeader.CHECKSUM);
    }

    static ByteBuffer echo(Ip from, Ip to, int id, int sequence, byte[] payload) {
        boolean v4 = from.isV4();
        byte[] p = ByteBuffer.allocate(8 + payload.length)
                .put((byte) (v4 ? IcmpHeader.ECHO : IcmpHeader.V6_ECHO))
                .put((byte) 0)
                .putShort((short) 0)
                .putShort((short) id)
                .putShort((short) sequence)
                .put(payload)
                .array();
        int protocol = v4 ? IpProtocol.ICMP : IpProtocol.ICMPV6;
        return sealed(ip(from, to, protocol, p), from, to, protocol, IcmpHeader.CHECKSUM);
    }

    static ByteBuffer arp(int operation, int senderIp, int targetIp) {
        ByteBuffer b = frame(Ethernet.ARP, ArpPacket.LENGTH);
        Ethernet.address(b, 0, Ethernet.BROADCAST);
        ArpPacket.write(b, 14, operation, MAC, senderIp, 0, targetIp);
        return b;
    }

    static Ip loopback(InetSocketAddress a) {
        return a.getAddress().getAddress().length == 4 ? HOST : HOST6;
    }

    @Override
    public void close() {
        nat.closeAll();
        Throwable failure = nat.failure();
        if (failure != null) {
            throw new AssertionError("the NAT's thread", failure);
        }
        equal(0, nat.pages(), "pages that nobody gave back");
    }
}
