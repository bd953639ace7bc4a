package serai.machine.e1000;

import static serai.machine.e1000.Registers.*;

import java.nio.ByteBuffer;
import java.util.zip.CRC32;
import serai.machine.memory.GuestMemory;
import serai.machine.net.HeldFrame;
import serai.machine.net.NetBackend;
import serai.machine.net.NetBackend.Frame;
import serai.machine.net.Offload;

/**
 * Frames for the guest (SDM, 3.2).
 *
 * <pre>
 * descriptor   0 address (8) | 8 length (2) | 10 packet checksum (2) | 12 status | 13 errors | 14 VLAN tag (2)
 * </pre>
 *
 * Those from the head up to the tail are the adapter's. A frame is taken out of the host's hands when the ring has room for all of it; only the
 * last one that was looked at waits here.
 */
final class Receiver {
    private static final int DESCRIPTOR = 16;
    private static final int DONE = 1,
            END = 2,
            IGNORE_CHECKSUMS = 4,
            VLAN = 8,
            TRANSPORT_CHECKED = 0x20,
            IP_CHECKED = 0x40;
    private static final int BY_HASH = 0x80;
    private static final int TRANSPORT_WRONG = 0x20, IP_WRONG = 0x40;
    private static final int ETHERNET = 14, TAG = 4, CRC = 4, SHORTEST = 60;
    /** Bytes of a frame with its checksum: usually, and with long ones allowed (RCTL.LPE). */
    private static final int LONGEST = 1522, LONGEST_LONG = 16384;

    private static final int IPV4 = 0x800, IPV6 = 0x86dd, TCP = 6, UDP = 17;

    private final E1000 host;
    private final GuestMemory memory;
    private final NetBackend backend;
    private final Statistics statistics;
    /** The frame as it gets into memory. */
    private final ByteBuffer staged = ByteBuffer.allocateDirect(LONGEST_LONG + CRC);

    private final CRC32 crc = new CRC32();

    final HeldFrame waiting = new HeldFrame();

    long frames;
    long bytes;
    long drops;

    Receiver(E1000 host, GuestMemory memory, NetBackend backend, Statistics statistics) {
        this.host = host;
        this.memory = memory;
        this.backend = backend;
        this.statistics = statistics;
    }

    void reset() {
        drops += waiting.take() == null ? 0 : 1;
    }

    /**
     * Gives the guest frames as long as there are some and its ring has room.
     *
     * @return whether there may be more, as there were {@code max}
     */
    boolean receive(int max) {
        int causes = 0;
        boolean more = host.runs() && (host.register(RCTL) & RCTL_ENABLE) != 0;
        for (int i = 0; more && i < max; i++) {
            Frame held = waiting.take();
            Frame f = held != null ? held : backend.receive();
            if (f == null) {
                more = false;
            } else if (!takes(f)) {
                drops++;
            } else if (deliver(f)) {
                causes = RXT0;
            } else {
                waiting.hold(f);
                more = false;
            }
        }
        if (causes != 0) {
            host.cause(causes | (few() ? RXDMT0 : 0));
        }
        return more;
    }

    private int ring() {
        return host.register(RDLEN) / DESCRIPTOR;
    }

    /** Descriptors that the adapter has. */
    private int free() {
        int n = ring();
        int head = host.register(RDH);
        int tail = host.register(RDT);
        return head >= n || tail >= n ? 0 : tail >= head ? tail - head : tail - head + n;
    }

    /** Whether fewer are left than software wants to hear of (RCTL.RDMTS): a half, a quarter or an eighth. */
    private boolean few() {
        return free() <= ring() >> (host.register(RCTL) >>> 8 & 3) + 1;
    }

    private int bufferSize() {
        int rctl = host.register(RCTL);
        int size = 2048 >> (rctl >>> 16 & 3);
        return (rctl & RCTL_LARGE) != 0 && size < 2048 ? size * 16 : size;
    }

    // ---- which frames ----

    private boolean takes(Frame f) {
        int length = f.bytes().remaining();
        boolean allowsLong = (host.register(RCTL) & RCTL_LONG) != 0;
        if (length < ETHERNET) {
            statistics.tooShort();
            return false;
        }
        if (length > (allowsLong ? LONGEST_LONG : LONGEST) - CRC) {
            statistics.tooLong();
            return false;
        }
        Offload o = f.offload();
        return host.link()
                && !o.partialChecksum()
                && o.segmentation() == Offload.Segmentation.NONE
                && wanted(f.bytes()) != UNWANTED;
    }

    private static final int UNWANTED = 0, EXACTLY = 1, HASHED = 2;

    private static int u16(ByteBuffer b, int at) {
        return (b.get(at) & 0xff) << 8 | b.get(at + 1) & 0xff;
    }

    private boolean tagged(ByteBuffer b) {
        return b.remaining() >= ETHERNET + TAG && u16(b, b.position() + 12) == (host.register(VET) & 0xffff);
    }

    /** The filters: SDM, 3.2. */
    private int wanted(ByteBuffer b) {
        int rctl = host.register(RCTL);
        int at = b.position();
        if ((rctl & RCTL_VLAN_FILTER) != 0 && tagged(b)) {
            int id = u16(b, at + ETHERNET) & 0xfff;
            if ((host.register(VFTA + (id >>> 5) * 4) >>> id & 1) == 0) {
                return UNWANTED;
            }
        }
        boolean group = (b.get(at) & 1) != 0;
        if ((rctl & (group ? RCTL_MULTICAST : RCTL_UNICAST)) != 0
                || (rctl & RCTL_BROADCAST) != 0 && broadcast(b)
                || exact(b)) {
            return EXACTLY;
        }
        int end = u16(b, at + 4);
        // the last 16 bits of the address, the first on the wire lowest
        int bits = end >>> 8 | (end & 0xff) << 8;
        int[] shifts = {4, 3, 2, 0};
        int hash = bits >>> shifts[rctl >>> 12 & 3] & 0xfff;
        return group && (host.register(MTA + (hash >>> 5) * 4) >>> hash & 1) != 0 ? HASHED : UNWANTED;
    }

    private static boolean broadcast(ByteBuffer b) {
        int at = b.position();
        return (b.getInt(at) & b.getInt(at + 2)) == -1;
    }

    private boolean exact(ByteBuffer b) {
        int at = b.position();
        int high = u16(b, at + 4);
        int swapped = high >>> 8 | (high & 0xff) << 8;
        int low = (u16(b, at + 2) >>> 8 | (u16(b, at + 2) & 0xff) << 8) << 16
                | u16(b, at) >>> 8
                | (u16(b, at) & 0xff) << 8;
        for (int r = RAL; r < RA_END; r += 8) {
            int rah = host.register(r + 4);
            // valid, and to be compared with the destination
            if (rah < 0 && (rah >>> 16 & 3) == 0 && (rah & 0xffff) == swapped && host.register(r) == low) {
                return true;
            }
        }
        return false;
    }

    // ---- into memory ----

    /** Gives the guest a frame; false if there is no room for it now. */
    private boolean deliver(Frame f) {
        int size = bufferSize();
        ByteBuffer b = f.bytes();
        boolean stripsTag = (host.register(CTRL) & CTRL_VLAN_MODE) != 0 && tagged(b);
        boolean stripsCrc = (host.register(RCTL) & RCTL_STRIP) != 0;
        int length = Math.max(b.remaining() - (stripsTag ? TAG : 0), SHORTEST);
        int total = length + (stripsCrc ? 0 : CRC);
        int descriptors = (total + size - 1) / size;
        if (descriptors >= ring() && ring() > 0) {
            statistics.missed();
            drops++;
            return true;
        }
        if (descriptors > free()) {
            return false;
        }
        stage(b, stripsTag, length, stripsCrc);
        int status = checksums(f, length) | (stripsTag ? VLAN : 0) | (wanted(b) == HASHED ? BY_HASH : 0);
        int from = host.register(RXCSUM) & 0xff;
        int checksum = from < length ? Checksum.fold(Checksum.sum(staged, from, length)) : 0;
        int head = host.register(RDH);
        for (int at = 0; at < total; at += size) {
            int n = Math.min(size, total - at);
            write(
                    head,
                    at,
                    n,
                    checksum,
                    status | (at + n == total ? END : 0),
                    stripsTag ? u16(b, b.position() + ETHERNET) : 0);
            head = head + 1 == ring() ? 0 : head + 1;
        }
        host.register(RDH, head);
        frames++;
        bytes += b.remaining();
        statistics.received(length, (b.get(b.position()) & 1) != 0, broadcast(b));
        return true;
    }

    private void stage(ByteBuffer b, boolean stripsTag, int length, boolean stripsCrc) {
        staged.clear();
        int at = b.position();
        if (stripsTag) {
            staged.put(0, b, at, 12);
            staged.put(12, b, at + 12 + TAG, b.remaining() - 12 - TAG);
        } else {
            staged.put(0, b, at, b.remaining());
        }
        for (int i = b.remaining() - (stripsTag ? TAG : 0); i < length; i++) {
            staged.put(i, (byte) 0);
        }
        if (!stripsCrc) {
            crc.reset();
            crc.update(staged.limit(length));
            staged.clear();
            staged.putInt(length, Integer.reverseBytes((int) crc.getValue()));
        }
    }

    private void write(int n, int at, int length, int checksum, int status, int tag) {
        long d = (host.register(RDBAL) & 0xfffffff0L | (long) host.register(RDBAH) << 32) + n * (long) DESCRIPTOR;
        long address = memory.readLong(d);
        if (address != 0) {
            memory.write(address, staged, at, length);
        }
        memory.writeInt(d + 8, length | checksum << 16);
        memory.writeShort(d + 14, tag);
        // the status last: it gives the descriptor to the driver
        memory.writeShort(d + 12, status | DONE);
    }

    /** Status and errors of what there is to check, as far as software wants that (RXCSUM); the host may have done it. */
    private int checksums(Frame f, int length) {
        int rxcsum = host.register(RXCSUM);
        int at = ETHERNET;
        int type = u16(staged, 12);
        if (type == (host.register(VET) & 0xffff) && length >= ETHERNET + TAG) {
            at += TAG;
            type = u16(staged, at - 2);
        }
        boolean verified = f.offload().verified();
        int result = 0;
        if (type == IPV4 && length >= at + 20) {
            int header = (staged.get(at) & 15) * 4;
            int end = at + u16(staged, at + 2);
            if (header < 20 || end > length || at + header > end) {
                return IGNORE_CHECKSUMS;
            }
            if ((rxcsum & RXCSUM_IP) != 0) {
                boolean right = Checksum.fold(Checksum.sum(staged, at, at + header)) == 0xffff;
                result = IP_CHECKED | (right ? 0 : IP_WRONG << 8);
            }
            boolean whole = (u16(staged, at + 6) & 0x3fff) == 0;
            if ((rxcsum & RXCSUM_TRANSPORT) != 0 && whole) {
                result |= transport(staged.get(at + 9), at + 12, 8, at + header, end, verified);
            }
        } else if (type == IPV6 && length >= at + 40 && (rxcsum & RXCSUM_IPV6) != 0) {
            int end = at + 40 + u16(staged, at + 4);
            if (end <= length) {
                result = transport(staged.get(at + 6), at + 8, 32, at + 40, end, verified);
            }
        }
        return result == 0 ? IGNORE_CHECKSUMS : result;
    }

    private int transport(int protocol, int addresses, int addressBytes, int start, int end, boolean verified) {
        boolean udp = protocol == UDP;
        if (protocol != TCP && !udp || end - start < (udp ? 8 : 20) || udp && u16(staged, start + 6) == 0) {
            return 0;
        }
        long sum = verified
                ? 0xffff
                : Checksum.sum(staged, addresses, addresses + addressBytes)
                        + protocol
                        + (end - start)
                        + Checksum.sum(staged, start, end);
        return TRANSPORT_CHECKED | (Checksum.fold(sum) == 0xffff ? 0 : TRANSPORT_WRONG << 8);
    }
}
