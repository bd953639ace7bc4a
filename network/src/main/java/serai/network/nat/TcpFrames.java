package serai.network.nat;

import java.nio.ByteBuffer;
import serai.network.Frame;
import serai.network.Offload;
import serai.network.packet.Checksum;
import serai.network.packet.Ethernet;
import serai.network.packet.IpProtocol;
import serai.network.packet.Ipv4Header;
import serai.network.packet.Ipv6Header;
import serai.network.packet.TcpHeader;

/** The frames of one connection: what they have in common is computed once. */
final class TcpFrames {
    private static final int MAX_PACKET = 0xffff;

    private final Core core;
    private final FlowKey key;
    private final boolean v6;
    private final Ip guest;
    private final Ip peer;
    /** Bytes before the payload. */
    final int header;
    /** Where TCP's header is. */
    private final int at;
    /** Sum of the pseudo-header, but for the length. */
    private final long pseudoHeader;

    private final Offload partial;
    private Offload segmented = Offload.NONE;
    private int mss = 1;

    TcpFrames(Core core, FlowKey key) {
        this.core = core;
        this.key = key;
        guest = key.guest();
        peer = key.peer();
        v6 = !guest.isV4();
        at = Ethernet.HEADER + (v6 ? Ipv6Header.LENGTH : Ipv4Header.LENGTH);
        header = at + TcpHeader.LENGTH;
        pseudoHeader = guest.sum(peer.sum(IpProtocol.TCP));
        partial = new Offload(true, at, TcpHeader.CHECKSUM, false, Offload.Segmentation.NONE, 0);
    }

    /** The guest's maximum segment size is known. */
    void segments(int size) {
        mss = size;
        segmented = new Offload(
                true, at, TcpHeader.CHECKSUM, false, v6 ? Offload.Segmentation.TCP6 : Offload.Segmentation.TCP4, size);
    }

    /** Bytes of payload of the largest frame that the guest takes: whole segments. */
    int most(Offload.Abilities abilities) {
        boolean large = abilities.checksums() && (v6 ? abilities.tcp6() : abilities.tcp4());
        return large ? (MAX_PACKET - (header - Ethernet.HEADER)) / mss * mss : mss;
    }

    /** Writes the headers of a frame whose payload is there. */
    Frame write(
            ByteBuffer out,
            int payload,
            long mac,
            int sequence,
            int ack,
            int flags,
            int window,
            Offload.Abilities abilities) {
        int bytes = TcpHeader.LENGTH + payload;
        Ethernet.header(out, 0, mac, core.addresses.mac, v6 ? Ethernet.IPV6 : Ethernet.IPV4);
        if (v6) {
            Ipv6Header.write(
                    out,
                    Ethernet.HEADER,
                    bytes,
                    IpProtocol.TCP,
                    Ipv4Header.DEFAULT_TTL,
                    peer.high(),
                    peer.low(),
                    guest.high(),
                    guest.low());
        } else {
            Ipv4Header.write(
                    out,
                    Ethernet.HEADER,
                    Ipv4Header.LENGTH + bytes,
                    0,
                    Ipv4Header.DONT_FRAGMENT,
                    IpProtocol.TCP,
                    peer.v4(),
                    guest.v4());
        }
        TcpTable.write(out, at, key, sequence, ack, flags, window);
        out.limit(header + payload).position(0);
        if (abilities.checksums()) {
            out.putShort(at + TcpHeader.CHECKSUM, (short) Checksum.fold(pseudoHeader + bytes));
            return new Frame(out, payload > mss ? segmented : partial);
        }
        int sum = Checksum.of(Checksum.add(pseudoHeader + bytes, out, at, bytes));
        out.putShort(at + TcpHeader.CHECKSUM, (short) sum);
        return new Frame(out, Offload.VERIFIED);
    }

    /**
     * Sends a SYN.
     *
     * @param flags SYN, with or without ACK
     * @param scale the shift of our windows; 0: without that option
     */
    void syn(long mac, int sequence, int ack, int flags, int window, int scale) {
        int options = scale > 0 ? 8 : 4;
        ByteBuffer b = core.outbox.packet(peer, guest, mac, IpProtocol.TCP, TcpHeader.LENGTH + options);
        TcpTable.write(b, at, key, sequence, ack, flags, window);
        b.put(at + TcpHeader.DATA_OFFSET, (byte) ((TcpHeader.LENGTH + options) / 4 << 4));
        int most = core.config.mtu() - (header - Ethernet.HEADER);
        b.putInt(header, TcpHeader.OPTION_MSS << 24 | 4 << 16 | most);
        if (scale > 0) {
            b.putInt(header + 4, TcpHeader.OPTION_NOP << 24 | TcpHeader.OPTION_WINDOW_SCALE << 16 | 3 << 8 | scale);
        }
        TcpTable.seal(b, peer, guest, TcpHeader.LENGTH + options);
        core.outbox.add(b);
    }
}
