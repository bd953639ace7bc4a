package serai.network.wire;

import java.nio.ByteBuffer;
import serai.network.Offload;
import serai.network.packet.Checksum;

/**
 * Makes of a frame what may go onto a wire: what its sender has left undone ({@link Offload}) is done, unless whoever takes the frame can do it. For one
 * thread at a time.
 *
 * <p>Segmentation follows what Linux and network cards do: each segment has the headers of the whole, with lengths, sequence numbers, identifications and
 * checksums of its own; FIN and PSH stand in the last alone, CWR in the first.
 */
public final class WireFrames {
    /** Takes a finished frame, from position to limit, within the call. */
    @FunctionalInterface
    public interface Sink {
        void frame(ByteBuffer frame, Offload offload);
    }

    private static final int ETHERNET = 14, VLAN_TAG = 4;
    private static final int IPV4 = 0x0800, IPV6 = 0x86dd, VLAN = 0x8100;
    private static final int IPV4_HEADER = 20, IPV6_HEADER = 40, TCP_HEADER = 20, TCP = 6;
    private static final int FIN = 1, PSH = 8, CWR = 0x80;
    private static final int MAX_HEADERS = ETHERNET + VLAN_TAG + 60 + 60;

    private final ByteBuffer scratch = ByteBuffer.allocateDirect(Offload.MAX_FRAME);

    /**
     * Finishes a frame.
     *
     * @param frame big-endian; its position may move
     * @return whether it made sense: if not, nothing was given to {@code sink}
     */
    public boolean finish(ByteBuffer frame, Offload offload, Offload.Abilities abilities, Sink sink) {
        if (frame.remaining() > Offload.MAX_FRAME) {
            return false;
        }
        boolean ableToCut =
                switch (offload.segmentation()) {
                    case NONE -> true;
                    case TCP4 -> abilities.tcp4();
                    case TCP6 -> abilities.tcp6();
                };
        if (!ableToCut) {
            return cut(frame, offload, sink);
        }
        if (!offload.partialChecksum() || abilities.checksums()) {
            sink.frame(frame, offload);
            return true;
        }
        return checksum(frame, offload, sink);
    }

    private boolean checksum(ByteBuffer frame, Offload o, Sink sink) {
        int length = frame.remaining();
        int field = o.checksumStart() + o.checksumOffset();
        if (o.checksumStart() < 0 || o.checksumOffset() < 0 || field < 0 || field + 2 > length) {
            return false;
        }
        scratch.clear().put(frame.duplicate()).flip();
        long sum = Checksum.add(0, scratch, o.checksumStart(), length - o.checksumStart());
        scratch.putShort(field, (short) nonZero(Checksum.of(sum)));
        sink.frame(scratch, Offload.VERIFIED);
        return true;
    }

    /** 0 says in UDP that there is no checksum (RFC 768); for others both mean the same. */
    private static int nonZero(int checksum) {
        return checksum == 0 ? 0xffff : checksum;
    }

    private boolean cut(ByteBuffer frame, Offload o, Sink sink) {
        ByteBuffer f = frame.slice();
        int length = f.remaining();
        int ip = ETHERNET;
        if (length < ETHERNET + VLAN_TAG) {
            return false;
        }
        int type = f.getShort(12) & 0xffff;
        if (type == VLAN) {
            type = f.getShort(16) & 0xffff;
            ip += VLAN_TAG;
        }
        boolean v6 = o.segmentation() == Offload.Segmentation.TCP6;
        if (type != (v6 ? IPV6 : IPV4) || length < ip + (v6 ? IPV6_HEADER : IPV4_HEADER)) {
            return false;
        }
        int tcp = v6 ? ip + IPV6_HEADER : ip + (f.get(ip) & 0xf) * 4;
        if ((f.get(ip + (v6 ? 6 : 9)) & 0xff) != TCP || tcp < ip + IPV4_HEADER || length < tcp + TCP_HEADER) {
            return false;
        }
        int payload = tcp + (f.get(tcp + 12) >>> 4 & 0xf) * 4;
        if (payload < tcp + TCP_HEADER || payload > length || payload > MAX_HEADERS || o.segmentSize() <= 0) {
            return false;
        }
        segments(f, ip, tcp, payload, v6, o.segmentSize(), sink);
        return true;
    }

    private void segments(ByteBuffer f, int ip, int tcp, int payload, boolean v6, int size, Sink sink) {
        int length = f.remaining();
        int flags = f.get(tcp + 13) & 0xff;
        int sequence = f.getInt(tcp + 4);
        int id = v6 ? 0 : f.getShort(ip + 4) & 0xffff;
        int at = payload;
        do {
            int n = Math.min(size, length - at);
            boolean last = at + n == length;
            scratch.clear();
            scratch.put(0, f, 0, payload).put(payload, f, at, n).limit(payload + n);
            scratch.putInt(tcp + 4, sequence + at - payload);
            scratch.put(tcp + 13, (byte) (flags & ~(last ? 0 : FIN | PSH) & ~(at == payload ? 0 : CWR)));
            long pseudo;
            if (v6) {
                scratch.putShort(ip + 4, (short) (payload + n - ip - IPV6_HEADER));
                pseudo = Checksum.add(TCP, scratch, ip + 8, 32);
            } else {
                scratch.putShort(ip + 2, (short) (payload + n - ip));
                scratch.putShort(ip + 4, (short) id++);
                scratch.putShort(ip + 10, (short) 0);
                int sum = Checksum.of(Checksum.add(0, scratch, ip, tcp - ip));
                scratch.putShort(ip + 10, (short) sum);
                pseudo = Checksum.add(TCP, scratch, ip + 12, 8);
            }
            scratch.putShort(tcp + 16, (short) 0);
            int segment = payload + n - tcp;
            long sum = Checksum.add(pseudo + segment, scratch, tcp, segment);
            scratch.putShort(tcp + 16, (short) Checksum.of(sum));
            sink.frame(scratch, Offload.VERIFIED);
            at += n;
        } while (at < length);
    }
}
