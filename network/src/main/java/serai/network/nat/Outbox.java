package serai.network.nat;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;
import serai.network.packet.Checksum;
import serai.network.packet.Ethernet;
import serai.network.packet.IpProtocol;
import serai.network.packet.Ipv4Header;
import serai.network.packet.Ipv6Header;
import serai.network.packet.UdpHeader;

/** Frames for the guest that are not TCP's payload. What there is no room for is dropped. */
final class Outbox {
    private static final int MOST_FRAMES = 512;
    private static final int MOST_BYTES = 1 << 20;

    private final Addresses addresses;
    private final Counters counters;
    private final int mtu;
    private final ArrayDeque<ByteBuffer> frames = new ArrayDeque<>();
    private int bytes;
    private int nextId;

    Outbox(Addresses addresses, Counters counters, int mtu) {
        this.addresses = addresses;
        this.counters = counters;
        this.mtu = mtu;
    }

    boolean isEmpty() {
        return frames.isEmpty();
    }

    /** Whether a datagram would be dropped. */
    boolean isFull() {
        return frames.size() >= MOST_FRAMES || bytes >= MOST_BYTES;
    }

    @Nullable
    ByteBuffer poll() {
        ByteBuffer b = frames.poll();
        if (b != null) {
            bytes -= b.limit();
        }
        return b;
    }

    /** A frame from us without payload yet. */
    ByteBuffer frame(long to, int type, int payload) {
        ByteBuffer b = ByteBuffer.allocate(Ethernet.HEADER + payload);
        Ethernet.header(b, 0, to, addresses.mac, type);
        return b;
    }

    /**
     * A frame with an IP packet, whose payload, the last {@code length} bytes, is to be written.
     *
     * @param mac to whom
     */
    ByteBuffer packet(Ip from, Ip to, long mac, int protocol, int length) {
        return packet(from, to, mac, protocol, length, Ipv4Header.DEFAULT_TTL);
    }

    /** As that, with a hop limit, of IPv6. */
    ByteBuffer packet(Ip from, Ip to, long mac, int protocol, int length, int hopLimit) {
        if (from.isV4()) {
            ByteBuffer b = frame(mac, Ethernet.IPV4, Ipv4Header.LENGTH + length);
            Ipv4Header.write(
                    b,
                    Ethernet.HEADER,
                    Ipv4Header.LENGTH + length,
                    0,
                    Ipv4Header.DONT_FRAGMENT,
                    protocol,
                    from.v4(),
                    to.v4());
            return b;
        }
        ByteBuffer b = frame(mac, Ethernet.IPV6, Ipv6Header.LENGTH + length);
        Ipv6Header.write(b, Ethernet.HEADER, length, protocol, hopLimit, from.high(), from.low(), to.high(), to.low());
        return b;
    }

    /** The checksum of a packet's payload, the last bytes of its frame, over the pseudo-header, too. */
    static int checksum(ByteBuffer b, Ip from, Ip to, int protocol, int length) {
        return Checksum.of(Checksum.add(to.sum(from.sum(protocol + length)), b, b.limit() - length, length));
    }

    /** Sends a datagram. */
    void udp(Ip from, int fromPort, Ip to, int toPort, long mac, ByteBuffer payload) {
        int length = UdpHeader.LENGTH + payload.remaining();
        if (length + (from.isV4() ? Ipv4Header.LENGTH : 0) > 0xffff) {
            counters.drop(Drop.UNREACHABLE);
            return;
        }
        ByteBuffer b = packet(from, to, mac, IpProtocol.UDP, length);
        int at = b.limit() - length;
        b.putShort(at, (short) fromPort);
        b.putShort(at + UdpHeader.DESTINATION_PORT, (short) toPort);
        b.putShort(at + UdpHeader.TOTAL_LENGTH, (short) length);
        b.put(at + UdpHeader.LENGTH, payload, payload.position(), payload.remaining());
        int sum = checksum(b, from, to, IpProtocol.UDP, length);
        b.putShort(at + UdpHeader.CHECKSUM, (short) (sum == 0 ? 0xffff : sum));
        add(b);
    }

    /** Sends a frame; a packet that is too large for the network goes in fragments. */
    void add(ByteBuffer frame) {
        if (isFull()) {
            counters.drop(Drop.NO_ROOM);
        } else if (frame.limit() <= Ethernet.HEADER + mtu) {
            put(frame);
        } else if ((frame.getShort(Ethernet.TYPE) & 0xffff) == Ethernet.IPV4) {
            fragment4(frame);
        } else {
            fragment6(frame);
        }
    }

    private void put(ByteBuffer frame) {
        frames.add(frame);
        bytes += frame.limit();
    }

    private void fragment4(ByteBuffer whole) {
        int id = ++nextId;
        int header = Ethernet.HEADER + Ipv4Header.LENGTH;
        int most = (mtu - Ipv4Header.LENGTH) & ~7;
        int total = whole.limit() - header;
        for (int at = 0; at < total; at += most) {
            int n = Math.min(most, total - at);
            ByteBuffer b = ByteBuffer.allocate(header + n);
            b.put(0, whole, 0, Ethernet.HEADER);
            Ipv4Header.write(
                    b,
                    Ethernet.HEADER,
                    Ipv4Header.LENGTH + n,
                    id,
                    at / 8 | (at + n < total ? Ipv4Header.MORE_FRAGMENTS : 0),
                    whole.get(Ethernet.HEADER + Ipv4Header.PROTOCOL),
                    whole.getInt(Ethernet.HEADER + Ipv4Header.SOURCE),
                    whole.getInt(Ethernet.HEADER + Ipv4Header.DESTINATION));
            b.put(header, whole, header + at, n);
            put(b);
        }
    }

    private void fragment6(ByteBuffer whole) {
        int id = ++nextId;
        int header = Ethernet.HEADER + Ipv6Header.LENGTH;
        int most = (mtu - Ipv6Header.LENGTH - Ipv6Header.FRAGMENT_LENGTH) & ~7;
        int total = whole.limit() - header;
        for (int at = 0; at < total; at += most) {
            int n = Math.min(most, total - at);
            ByteBuffer b = ByteBuffer.allocate(header + Ipv6Header.FRAGMENT_LENGTH + n);
            b.put(0, whole, 0, header);
            b.putShort(Ethernet.HEADER + Ipv6Header.PAYLOAD_LENGTH, (short) (Ipv6Header.FRAGMENT_LENGTH + n));
            b.put(Ethernet.HEADER + Ipv6Header.NEXT_HEADER, (byte) Ipv6Header.FRAGMENT);
            b.put(header, whole.get(Ethernet.HEADER + Ipv6Header.NEXT_HEADER));
            b.putShort(header + 2, (short) (at | (at + n < total ? 1 : 0)));
            b.putInt(header + 4, id);
            b.put(header + Ipv6Header.FRAGMENT_LENGTH, whole, header + at, n);
            put(b);
        }
    }
}
