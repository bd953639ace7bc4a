package serai.machine.e1000;

import static serai.machine.e1000.Registers.*;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import serai.machine.memory.GuestMemory;
import serai.machine.net.NetBackend;
import serai.machine.net.Offload;
import serai.machine.net.Offload.Segmentation;

/**
 * Frames of the guest (SDM, 3.3).
 *
 * <pre>
 * legacy    0 address (8) | 8 length (2) | 10 checksum's place | 11 command | 12 status | 13 checksum's start | 14 VLAN tag (2)
 * data      0 address (8) | 8 length (20 bits), 1 (4) | 11 command | 12 status | 13 1 IP's checksum, 2 TCP's or UDP's | 14 VLAN tag (2)
 * context   0 IP header's start | 1 place of its checksum | 2 its end (2) | 4 TCP's or UDP's start | 5 place of its checksum | 6 its end (2)
 *           8 payload (20 bits), 0 (4) | 11 1 TCP, 2 IPv4, 4 segmentation | 12 status | 13 bytes of headers | 14 segment size (2)
 * command   1 end of the frame | 2 insert FCS | 4 checksum (legacy), segmentation (data) | 8 report | 20 not legacy | 40 insert a VLAN tag
 * </pre>
 *
 * A frame is read when all of its descriptors are there: what software has of one at the tail stays in the ring, and nothing of it is here. The host
 * gets a frame to be segmented as one.
 */
final class Transmitter {
    private static final int DESCRIPTOR = 16;
    private static final int END = 1 << 24, INSERT_FCS = 1 << 25, CHECKSUM = 1 << 26, SEGMENT = 1 << 26;
    private static final int REPORT = 1 << 27 | 1 << 28, EXTENDED = 1 << 29, VLAN = 1 << 30;
    private static final int TYPE = 0xf << 20, DATA = 1 << 20;
    private static final int IP_CHECKSUM = 1, TRANSPORT_CHECKSUM = 2;
    private static final int CONTEXT_TCP = 1, CONTEXT_IPV4 = 2;
    private static final int DONE = 1;
    private static final int ETHERNET = 14, TAG = 4, CRC = 4, SHORTEST = 60;
    private static final int IPV4_HEADER = 20, IPV6_HEADER = 40, TCP_HEADER = 20;

    /** A context descriptor's three words that say something. */
    private record Context(long places, int command, int sizes) {
        static final Context NONE = new Context(0, 0, 0);

        static Context of(long[] saved) {
            if (saved.length != 3) {
                throw new IllegalArgumentException("a context of " + saved.length + " words");
            }
            return new Context(saved[0], (int) saved[1], (int) saved[2]);
        }

        long[] save() {
            return new long[] {places, command, sizes};
        }

        int ipStart() {
            return (int) places & 0xff;
        }

        int ipPlace() {
            return (int) (places >>> 8) & 0xff;
        }

        int ipEnd() {
            return (int) (places >>> 16) & 0xffff;
        }

        int start() {
            return (int) (places >>> 32) & 0xff;
        }

        int place() {
            return (int) (places >>> 40) & 0xff;
        }

        int end() {
            return (int) (places >>> 48) & 0xffff;
        }

        boolean is(int bit) {
            return (command >>> 24 & bit) != 0;
        }

        int headers() {
            return sizes >>> 8 & 0xff;
        }

        int segmentSize() {
            return sizes >>> 16 & 0xffff;
        }
    }

    private final E1000 host;
    private final GuestMemory memory;
    private final NetBackend backend;
    private final Statistics statistics;
    /** A frame, behind room for a VLAN tag. */
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(TAG + NetBackend.MAX_FRAME);
    /** The frame alone, wherever it begins. */
    private ByteBuffer frame = buffer.duplicate();

    private Context checksums = Context.NONE;
    private Context segments = Context.NONE;
    private Offload lastOffload = Offload.NONE;

    // of the frame that is being read
    private int length;
    private int options;
    private boolean segmented;

    long frames;
    long bytes;
    long drops;

    Transmitter(E1000 host, GuestMemory memory, NetBackend backend, Statistics statistics) {
        this.host = host;
        this.memory = memory;
        this.backend = backend;
        this.statistics = statistics;
    }

    void reset() {
        checksums = Context.NONE;
        segments = Context.NONE;
    }

    long[] saveChecksums() {
        return checksums.save();
    }

    long[] saveSegments() {
        return segments.save();
    }

    void restore(long[] savedChecksums, long[] savedSegments) {
        checksums = Context.of(savedChecksums);
        segments = Context.of(savedSegments);
    }

    private long descriptor(int n) {
        return (host.register(TDBAL) & 0xfffffff0L | (long) host.register(TDBAH) << 32) + n * (long) DESCRIPTOR;
    }

    /** Sends what is between head and tail. Each descriptor is looked at once; what comes back to the tail ends it. */
    void transmit() {
        int n = host.register(TDLEN) / DESCRIPTOR;
        int tail = host.register(TDT);
        int head = host.register(TDH);
        if (!host.runs() || (host.register(TCTL) & TCTL_ENABLE) == 0 || head >= n || tail >= n || head == tail) {
            return;
        }
        int causes = 0;
        while (head != tail) {
            int next = frame(head, tail, n);
            if (next < 0) {
                break; // the rest of it is to come
            }
            while (head != next) {
                causes |= report(head);
                head = head + 1 == n ? 0 : head + 1;
            }
            host.register(TDH, head);
        }
        host.cause(causes | (head == tail ? TXQE : 0));
    }

    private int report(int n) {
        long d = descriptor(n);
        if ((memory.readInt(d + 8) & REPORT) == 0) {
            return 0;
        }
        memory.writeByte(d + 12, memory.readByte(d + 12) | DONE);
        return TXDW;
    }

    /** Reads a context, or a frame and sends it; the descriptor after it, or -1 if its end is not there. */
    private int frame(int head, int tail, int n) {
        length = 0;
        boolean first = true;
        buffer.clear();
        for (int at = head; at != tail; ) {
            long d = descriptor(at);
            int lower = memory.readInt(d + 8);
            int upper = memory.readInt(d + 12);
            boolean extended = (lower & EXTENDED) != 0;
            at = at + 1 == n ? 0 : at + 1;
            if (extended && (lower & TYPE) == 0) {
                Context c = new Context(memory.readLong(d), lower, upper);
                if ((lower & SEGMENT) != 0) {
                    segments = c;
                } else {
                    checksums = c;
                }
                if (first) {
                    return at;
                }
                continue;
            }
            if (first) {
                options = extended ? upper >>> 8 & 0xff : 0;
                segmented = extended && (lower & SEGMENT) != 0;
                first = false;
            }
            gather(memory.readLong(d), lower & (extended && (lower & TYPE) == DATA ? 0xfffff : 0xffff));
            if ((lower & END) != 0) {
                end(lower, upper, extended);
                return at;
            }
        }
        return -1;
    }

    /** What is too long for a frame is counted alone. */
    private void gather(long address, int n) {
        if (length + n <= NetBackend.MAX_FRAME) {
            memory.read(address, buffer, TAG + length, n);
        }
        length = Math.min(length + n, NetBackend.MAX_FRAME + 1);
    }

    /** The frame is all there. */
    private void end(int lower, int upper, boolean extended) {
        boolean tag = (lower & VLAN) != 0 && (host.register(CTRL) & CTRL_VLAN_MODE) != 0;
        boolean tooLong = length > NetBackend.MAX_FRAME - (tag ? TAG : 0);
        if ((lower & INSERT_FCS) == 0) {
            length -= CRC; // software has made it
        }
        if (tooLong || length < ETHERNET || !host.link()) {
            drops++;
            return;
        }
        if ((host.register(TCTL) & TCTL_PAD) != 0) {
            while (length < SHORTEST) {
                buffer.put(TAG + length++, (byte) 0);
            }
        }
        int moved = tag ? TAG : 0;
        if (tag) {
            for (int i = 0; i < 12; i++) {
                buffer.put(i, buffer.get(TAG + i));
            }
            buffer.putShort(12, (short) host.register(VET)).putShort(14, (short) (upper >>> 16));
            length += TAG;
        }
        buffer.limit(TAG - moved + length).position(TAG - moved);
        frame = buffer.slice();
        Offload o = segmented
                ? segmentation(moved)
                : extended ? checksum(moved) : legacyChecksum(lower, upper >>> 8 & 0xff, moved);
        if (o == null) {
            drops++;
            statistics.segmented(true);
            return;
        }
        count(o, moved);
        backend.send(frame, o);
    }

    private void count(Offload o, int moved) {
        boolean group = (frame.get(0) & 1) != 0;
        boolean broadcast = (frame.getInt(0) & frame.getInt(2)) == -1;
        frames++;
        bytes += length;
        if (o.segmentation() == Segmentation.NONE) {
            statistics.sent(length, group, broadcast);
            return;
        }
        statistics.segmented(false);
        int headers = segments.headers() + moved;
        for (int left = length - headers; left > 0; left -= o.segmentSize()) {
            statistics.sent(headers + Math.min(left, o.segmentSize()), group, broadcast);
        }
    }

    // ---- checksums: SDM, 3.5 and 3.6 ----

    private Offload legacyChecksum(int lower, int start, int moved) {
        return (lower & CHECKSUM) == 0 ? Offload.NONE : partial(start + moved, (lower >>> 16 & 0xff) + moved, length);
    }

    private Offload checksum(int moved) {
        Context c = checksums;
        if ((options & IP_CHECKSUM) != 0) {
            store(c.ipStart() + moved, c.ipPlace() + moved, end(c.ipEnd(), moved));
        }
        return (options & TRANSPORT_CHECKSUM) == 0
                ? Offload.NONE
                : partial(c.start() + moved, c.place() + moved, end(c.end(), moved));
    }

    /** The end of what a checksum covers, of the last byte of it, 0 for the frame's. */
    private int end(int last, int moved) {
        return last == 0 ? length : Math.min(length, last + 1 + moved);
    }

    /** Leaves a checksum to the host, if it is of a kind that is known there; else computes it. */
    private Offload partial(int start, int place, int end) {
        if (end != length || place < start || start < ETHERNET) {
            store(start, place, end);
            return Offload.NONE;
        }
        return place + 2 > end ? Offload.NONE : offload(start, place - start, Segmentation.NONE, 0);
    }

    /** Computes a checksum; nothing if it is not in the frame. */
    private void store(int start, int place, int end) {
        if (start < end && place + 2 <= length) {
            frame.putShort(place, (short) ~Checksum.fold(Checksum.sum(frame, start, end)));
        }
    }

    private Offload offload(int start, int offset, Segmentation segmentation, int size) {
        Offload last = lastOffload;
        if (!last.partialChecksum()
                || last.checksumStart() != start
                || last.checksumOffset() != offset
                || last.segmentation() != segmentation
                || last.segmentSize() != size) {
            last = new Offload(true, start, offset, false, segmentation, size);
            lastOffload = last;
        }
        return last;
    }

    /**
     * Makes a frame to be segmented what the host wants: the lengths in its headers, which software leaves zero, are those of the whole, and the pseudo
     * header's checksum has one, too. Null if the context makes no sense for it.
     */
    private @Nullable Offload segmentation(int moved) {
        Context c = segments;
        int ip = c.ipStart() + moved;
        int tcp = c.start() + moved;
        int place = c.place() + moved;
        boolean four = c.is(CONTEXT_IPV4);
        if (!c.is(CONTEXT_TCP)
                || c.segmentSize() == 0
                || ip < ETHERNET
                || tcp < ip + (four ? IPV4_HEADER : IPV6_HEADER)
                || place < tcp
                || place + 2 > length
                || tcp + TCP_HEADER > c.headers() + moved
                || c.headers() + moved >= length
                || length - ip > 0xffff) {
            return null;
        }
        if (four) {
            frame.putShort(ip + 2, (short) (length - ip));
            frame.putShort(ip + 10, (short) 0);
            frame.putShort(ip + 10, (short) ~Checksum.fold(Checksum.sum(frame, ip, tcp)));
        } else {
            frame.putShort(ip + 4, (short) (length - ip - IPV6_HEADER));
        }
        frame.putShort(place, (short) Checksum.fold((frame.getShort(place) & 0xffff) + (length - tcp)));
        Segmentation s = four ? Segmentation.TCP4 : Segmentation.TCP6;
        return length - c.headers() - moved <= c.segmentSize()
                ? offload(tcp, place - tcp, Segmentation.NONE, 0)
                : offload(tcp, place - tcp, s, c.segmentSize());
    }
}
