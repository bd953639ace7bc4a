package serai.machine.virtio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.concurrent.locks.Lock;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;
import serai.machine.net.HeldFrame;
import serai.machine.net.NetBackend;
import serai.machine.net.NetBackend.Abilities;
import serai.machine.net.NetBackend.Frame;
import serai.machine.net.NetCounters;
import serai.machine.net.NetDevice;
import serai.machine.net.Offload;
import serai.machine.net.Offload.Segmentation;

/**
 * The network device: virtio 1.2, 5.1.
 *
 * <pre>
 * queues:   0 and 1 receive and transmit of pair 0 | 2 and 3 of pair 1 | … | control, after the last pair, or 2 without VIRTIO_NET_F_MQ
 * header:   0 flags: 1 checksum is partial, 2 verified | 1 segmentation: 1 TCP/IPv4, 4 TCP/IPv6 | 2 bytes of headers (2) | 4 segment size (2)
 *           6 checksum's start (2) | 8 its offset from there (2) | 10 buffers (2)
 * control:  0 class | 1 command | 2 its data; then, writable, 0 done or 1 not
 * </pre>
 *
 * A notification of a transmit queue sends all that is in it, on the vCPU's thread. Frames for the guest are pulled from the host when there are
 * any, and stay there while the driver gives no buffers: all but one, which the device has taken to see what queue it is for. A frame is in the
 * guest as a whole or not at all. Those of a flow all come by the same queue.
 *
 * <p>Frames that the guest sends malformed, or that are of a kind which its driver has not negotiated, are dropped and counted.
 */
public final class VirtioNet extends VirtioDevice implements NetDevice {
    /** Pairs of queues of one device at most. */
    public static final int MAX_PAIRS = 8;

    /** The smallest MTU of IPv4, and the largest frame's. */
    public static final int MIN_MTU = 68, MAX_MTU = 65_535;

    private static final long F_CSUM = 1, F_GUEST_CSUM = 1 << 1, F_CTRL_GUEST_OFFLOADS = 1 << 2, F_MTU = 1 << 3;
    private static final long F_MAC = 1 << 5, F_GUEST_TSO4 = 1 << 7, F_GUEST_TSO6 = 1 << 8;
    private static final long F_HOST_TSO4 = 1 << 11, F_HOST_TSO6 = 1 << 12, F_MRG_RXBUF = 1 << 15, F_STATUS = 1 << 16;
    private static final long F_CTRL_VQ = 1 << 17, F_CTRL_RX = 1 << 18, F_CTRL_VLAN = 1 << 19;
    private static final long F_GUEST_ANNOUNCE = 1 << 21, F_MQ = 1 << 22, F_CTRL_MAC_ADDR = 1 << 23;
    private static final long GUEST_OFFLOADS = F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6;

    private static final int HEADER = 12, ETHERNET = 14, TCP_HEADER = 20;
    private static final int NEEDS_CSUM = 1, DATA_VALID = 2;
    private static final int GSO_NONE = 0, GSO_TCP4 = 1, GSO_TCP6 = 4;
    private static final int CONFIG_MAC = 6, STATUS = 6, LINK_UP = 1, ANNOUNCE = 2;
    private static final byte DONE = 0, REFUSED = 1;
    /** Bytes of a control command at most: a table of a thousand addresses and more. */
    private static final int MAX_COMMAND = 8192;
    /** Frames given to the guest before others get the machine lock. */
    private static final int BATCH = 256;

    private static final int VERSION = 1;

    private final NetBackend backend;
    private final long ownMac;
    private final int mtu;
    private final int pairs;
    private final Lock lock;
    private final ReceiveFilter filter = new ReceiveFilter();
    /** Header and frame on their way out. */
    private final ByteBuffer outgoing = ByteBuffer.allocateDirect(HEADER + NetBackend.MAX_FRAME);
    /** The same bytes; the host may do with the above as it likes. */
    private final ByteBuffer outgoingHeader = outgoing.duplicate().order(ByteOrder.LITTLE_ENDIAN);

    private final byte[] header = new byte[HEADER];
    private final List<Chain> taken = new ArrayList<>();
    private int[] written = new int[16];
    private Offload lastOffload = Offload.NONE;

    private long features;
    private long guestOffloads;
    private Abilities abilities = Abilities.NONE;
    private long mac;
    private boolean link = true;
    private boolean announce;
    /** Pairs in use. */
    private int active = 1;
    /** A frame that there was no room for. */
    private final HeldFrame waiting = new HeldFrame();

    private long received;
    private long receivedBytes;
    private long receivedDrops;
    private long sent;
    private long sentBytes;
    private long sentDrops;

    /**
     * A device.
     *
     * @param mac its address: 6 bytes, not of a group
     * @param mtu {@link #MIN_MTU} to {@link #MAX_MTU}, or 0 to leave it to the driver
     * @param pairs of queues, 1 to {@value #MAX_PAIRS}; drivers use one for each vCPU
     * @param lock the machine lock
     */
    public VirtioNet(NetBackend backend, byte[] mac, int mtu, int pairs, Lock lock) {
        super(1, 0x020000, 2 * pairs + 1);
        if (pairs < 1 || pairs > MAX_PAIRS) {
            throw new IllegalArgumentException(pairs + " pairs of queues");
        }
        if (mac.length != 6 || (mac[0] & 1) != 0) {
            throw new IllegalArgumentException("not the address of an interface");
        }
        if (mtu != 0 && (mtu < MIN_MTU || mtu > MAX_MTU)) {
            throw new IllegalArgumentException("an MTU of " + mtu);
        }
        this.backend = backend;
        ownMac = ReceiveFilter.address(ByteBuffer.wrap(mac), 0);
        this.mac = ownMac;
        this.mtu = mtu;
        this.pairs = pairs;
        this.lock = lock;
    }

    /** The device on PCI; once. */
    public VirtioPci onPci(String name, GuestMemory guestMemory, MsiSink sink) {
        VirtioPci pci = new VirtioPci(name, this, guestMemory, sink);
        backend.onFrames(this::framesWait);
        return pci;
    }

    // ---- the host's side ----

    @Override
    public byte[] mac() {
        byte[] b = new byte[6];
        for (int i = 0; i < 6; i++) {
            b[i] = (byte) macByte(i);
        }
        return b;
    }

    private int macByte(int i) {
        return (int) (mac >>> 40 - 8 * i) & 0xff;
    }

    @Override
    public boolean link() {
        return link;
    }

    @Override
    public void setLink(boolean up) {
        if (link != up) {
            link = up;
            transport.configChanged();
            safely(() -> receive(Integer.MAX_VALUE));
        }
    }

    /** Has the guest tell the network where it is now, as after it has moved; nothing if its driver can't. */
    public void announce() {
        if (has(F_GUEST_ANNOUNCE | F_STATUS | F_CTRL_VQ)) {
            announce = true;
            transport.configChanged();
        }
    }

    @Override
    public NetCounters counters() {
        return new NetCounters(received, receivedBytes, receivedDrops, sent, sentBytes, sentDrops);
    }

    /** From other threads, without the lock. */
    private void framesWait() {
        boolean more = true;
        while (more) {
            lock.lock();
            try {
                more = safely(() -> receive(BATCH));
            } finally {
                lock.unlock();
            }
        }
    }

    /** Something that touches the queues. */
    @FunctionalInterface
    private interface Action {
        boolean run() throws Virtqueue.Malformed;
    }

    /** What the host begins must not throw at the host what the guest does wrong. */
    private boolean safely(Action a) {
        try {
            return a.run();
        } catch (Virtqueue.Malformed | GuestAddressException e) {
            transport.broken(String.valueOf(e.getMessage()));
            return false;
        }
    }

    // ---- what the driver finds and negotiates ----

    @Override
    long features() {
        return F_CSUM
                | GUEST_OFFLOADS
                | F_CTRL_GUEST_OFFLOADS
                | F_MAC
                | F_HOST_TSO4
                | F_HOST_TSO6
                | F_MRG_RXBUF
                | F_STATUS
                | F_CTRL_VQ
                | F_CTRL_RX
                | F_CTRL_VLAN
                | F_GUEST_ANNOUNCE
                | F_CTRL_MAC_ADDR
                | (mtu > 0 ? F_MTU : 0)
                | (pairs > 1 ? F_MQ : 0);
    }

    private boolean has(long feature) {
        return (features & feature) == feature;
    }

    @Override
    void negotiated(long driverFeatures) {
        features = driverFeatures & features();
        filter.filterVlans = has(F_CTRL_VQ | F_CTRL_VLAN);
        offloads(features & GUEST_OFFLOADS);
    }

    private void offloads(long bits) {
        guestOffloads = bits;
        boolean checksums = (bits & F_GUEST_CSUM) != 0;
        // 5.1.3.1: segmentation without checksums is none
        Abilities now = new Abilities(
                checksums, checksums && (bits & F_GUEST_TSO4) != 0, checksums && (bits & F_GUEST_TSO6) != 0);
        if (!now.equals(abilities)) {
            abilities = now;
            backend.accept(now);
        }
    }

    /** 5.1.4: 0 MAC address (6), 6 status (2), 8 pairs of queues (2), 10 MTU (2). */
    @Override
    int configByte(int offset) {
        if (offset < CONFIG_MAC) {
            return macByte(offset);
        }
        return switch (offset) {
            case STATUS -> (link ? LINK_UP : 0) | (announce ? ANNOUNCE : 0);
            case 8 -> pairs;
            case 10 -> mtu & 0xff;
            case 11 -> mtu >>> 8;
            default -> 0;
        };
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        if (q.index == (has(F_MQ) ? 2 * pairs : 2)) {
            if (has(F_CTRL_VQ)) {
                drain(q, c -> {
                    byte status = control(c) ? DONE : REFUSED;
                    q.push(c, c.write(memory, 0, new byte[] {status}));
                });
            }
        } else if (q.index < 2 || has(F_MQ)) {
            if ((q.index & 1) != 0) {
                drain(q, c -> {
                    send(c);
                    q.push(c, 0);
                });
            }
            receive(Integer.MAX_VALUE);
        }
    }

    // ---- frames of the guest ----

    private void send(Chain c) {
        long bytes = c.readableBytes() - HEADER;
        if (bytes < ETHERNET || bytes > NetBackend.MAX_FRAME) {
            sentDrops++;
            return;
        }
        outgoing.clear();
        int at = 0;
        for (Chain.Buffer b : c.readable()) {
            memory.read(b.address(), outgoing, at, b.length());
            at += b.length();
        }
        Offload offload = link ? offload((int) bytes) : null;
        if (offload == null) {
            sentDrops++;
            return;
        }
        sent++;
        sentBytes += bytes;
        outgoing.position(HEADER).limit(HEADER + (int) bytes);
        backend.send(outgoing, offload);
    }

    private int headerField(int at) {
        return outgoingHeader.getShort(at) & 0xffff;
    }

    /** What the header says is to be done, or null if that makes no sense: 5.1.6.2. */
    private @Nullable Offload offload(int length) {
        boolean partial = (outgoingHeader.get(0) & NEEDS_CSUM) != 0;
        int type = outgoingHeader.get(1) & 0xff;
        if (!partial && type == GSO_NONE) {
            return Offload.NONE;
        }
        Segmentation segmentation = segmentation(type);
        int size = segmentation == Segmentation.NONE ? 0 : headerField(4);
        int start = headerField(6);
        int offset = headerField(8);
        if (!partial
                || segmentation == null
                || !has(F_CSUM)
                || start + offset + 2 > length
                || segmentation != Segmentation.NONE && (size == 0 || start + TCP_HEADER > length)) {
            return null;
        }
        Offload last = lastOffload;
        if (last.checksumStart() != start
                || last.checksumOffset() != offset
                || last.segmentSize() != size
                || last.segmentation() != segmentation
                || !last.partialChecksum()) {
            last = new Offload(true, start, offset, false, segmentation, size);
            lastOffload = last;
        }
        return last;
    }

    private @Nullable Segmentation segmentation(int type) {
        return switch (type) {
            case GSO_NONE -> Segmentation.NONE;
            case GSO_TCP4 -> has(F_HOST_TSO4) ? Segmentation.TCP4 : null;
            case GSO_TCP6 -> has(F_HOST_TSO6) ? Segmentation.TCP6 : null;
            default -> null;
        };
    }

    // ---- frames for the guest ----

    /**
     * Gives the driver frames as long as there are some and it has room.
     *
     * @return whether there may be more, as there were {@code max}
     */
    private boolean receive(int max) throws Virtqueue.Malformed {
        if (!transport.runs()) {
            return false;
        }
        boolean more = true;
        int used = 0;
        for (int i = 0; i < max; i++) {
            Frame held = waiting.take();
            Frame f = held != null ? held : backend.receive();
            if (f == null) {
                more = false;
                break;
            }
            if (!takes(f)) {
                receivedDrops++;
                continue;
            }
            int pair = active == 1 ? 0 : FlowHash.of(f.bytes()) % active;
            if (!deliver(queue[2 * pair], f)) {
                waiting.hold(f);
                more = false;
                break;
            }
            used |= 1 << pair;
        }
        for (int pair = 0; pair < pairs; pair++) {
            if ((used & 1 << pair) != 0) {
                transport.usedBuffers(queue[2 * pair]);
            }
        }
        return more;
    }

    /** Whether a frame is for the driver, and it can take such. */
    private boolean takes(Frame f) {
        int length = f.bytes().remaining();
        Offload o = f.offload();
        boolean can =
                !o.partialChecksum() || abilities.checksums() && o.checksumStart() + o.checksumOffset() + 2 <= length;
        can &= switch (o.segmentation()) {
            case NONE -> true;
            case TCP4 -> abilities.tcp4() && o.partialChecksum();
            case TCP6 -> abilities.tcp6() && o.partialChecksum();
        };
        return link && can && length >= ETHERNET && length <= NetBackend.MAX_FRAME && filter.wants(f.bytes(), mac);
    }

    /** Gives the driver a frame; false if it has no room, and it is as if nothing had been tried. */
    private boolean deliver(Virtqueue q, Frame f) throws Virtqueue.Malformed {
        int bytes = HEADER + f.bytes().remaining();
        boolean several = has(F_MRG_RXBUF);
        int before = q.position();
        long room = 0;
        taken.clear();
        while (room < bytes) {
            Chain c = taken.isEmpty() || several ? q.pop() : null;
            if (c == null) {
                q.back(before);
                boolean never = !several && !taken.isEmpty() || taken.size() == q.size;
                receivedDrops += never ? 1 : 0;
                return never;
            }
            long n = c.writableBytes();
            if (n < (taken.isEmpty() ? HEADER : 1)) {
                throw new Virtqueue.Malformed("a receive buffer of " + n + " bytes");
            }
            room += n;
            taken.add(c);
        }
        fillHeader(f, taken.size());
        if (written.length < taken.size()) {
            written = new int[taken.size()];
        }
        int at = 0;
        for (int i = 0; i < taken.size(); i++) {
            Chain c = taken.get(i);
            int skip = i == 0 ? c.write(memory, 0, header) : 0;
            int n = (int) Math.min(c.writableBytes() - skip, f.bytes().remaining() - at);
            put(c, skip, f.bytes(), at, n);
            at += n;
            written[i] = skip + n;
        }
        q.push(taken, written);
        received++;
        receivedBytes += at;
        return true;
    }

    /** Copies a part of a frame into a chain's buffers, from {@code skip} of their bytes on. */
    private void put(Chain c, int skip, ByteBuffer frame, int at, int length) {
        int end = at + length;
        for (Chain.Buffer b : c.writable()) {
            int n = Math.min(b.length() - skip, end - at);
            if (n > 0) {
                memory.write(b.address() + skip, frame, at, n);
                at += n;
            }
            skip = Math.max(0, skip - b.length());
        }
    }

    private void headerField(int at, int v) {
        header[at] = (byte) v;
        header[at + 1] = (byte) (v >>> 8);
    }

    private void fillHeader(Frame f, int buffers) {
        Offload o = f.offload();
        boolean valid = o.verified() && abilities.checksums() && !o.partialChecksum();
        header[0] = (byte) ((o.partialChecksum() ? NEEDS_CSUM : 0) | (valid ? DATA_VALID : 0));
        header[1] = (byte)
                switch (o.segmentation()) {
                    case NONE -> GSO_NONE;
                    case TCP4 -> GSO_TCP4;
                    case TCP6 -> GSO_TCP6;
                };
        boolean large = o.segmentation() != Segmentation.NONE;
        headerField(2, large ? headers(f) : 0);
        headerField(4, large ? o.segmentSize() : 0);
        headerField(6, o.partialChecksum() ? o.checksumStart() : 0);
        headerField(8, o.partialChecksum() ? o.checksumOffset() : 0);
        headerField(10, buffers);
    }

    /** Bytes before the payload of a TCP segment. */
    private static int headers(Frame f) {
        int tcp = f.offload().checksumStart();
        ByteBuffer b = f.bytes();
        return tcp + TCP_HEADER > b.remaining() ? tcp : tcp + (b.get(b.position() + tcp + 12) >>> 4 & 15) * 4;
    }

    // ---- control ----

    /** Does a command; whether it could: 5.1.6.5. */
    private boolean control(Chain c) {
        long bytes = c.readableBytes();
        if (bytes < 2 || bytes > MAX_COMMAND) {
            return false;
        }
        ByteBuffer b = ByteBuffer.wrap(c.read(memory, MAX_COMMAND)).order(ByteOrder.LITTLE_ENDIAN);
        int kind = b.get() & 0xff;
        int command = b.get() & 0xff;
        return switch (kind) {
            case 0 -> has(F_CTRL_RX) && receiveMode(command, b);
            case 1 -> address(command, b);
            case 2 -> has(F_CTRL_VLAN) && vlan(command, b);
            case 3 -> {
                if (!has(F_GUEST_ANNOUNCE) || command != 0) {
                    yield false;
                }
                announce = false;
                yield true;
            }
            case 4 -> has(F_MQ) && command == 0 && b.remaining() >= 2 && usePairs(b.getShort() & 0xffff);
            case 5 -> {
                if (!has(F_CTRL_GUEST_OFFLOADS) || command != 0 || b.remaining() < 8) {
                    yield false;
                }
                long wanted = b.getLong();
                if ((wanted & ~(features & GUEST_OFFLOADS)) != 0) {
                    yield false;
                }
                offloads(wanted);
                yield true;
            }
            default -> false;
        };
    }

    private boolean receiveMode(int command, ByteBuffer b) {
        if (command > 1 || !b.hasRemaining()) {
            return false;
        }
        boolean on = b.get() != 0;
        if (command == 0) {
            filter.promiscuous = on;
        } else {
            filter.allMulticast = on;
        }
        return true;
    }

    private boolean address(int command, ByteBuffer b) {
        if (command == 0 && has(F_CTRL_RX)) {
            long[] unicast = addresses(b);
            long[] multicast = unicast == null ? null : addresses(b);
            if (unicast == null || multicast == null) {
                return false;
            }
            filter.tables(unicast, multicast);
            return true;
        }
        if (command == 1 && has(F_CTRL_MAC_ADDR) && b.remaining() >= 6) {
            mac = ReceiveFilter.address(b, b.position());
            return true;
        }
        return false;
    }

    /** A count (4) and so many addresses; null if there are fewer. */
    private static long @Nullable [] addresses(ByteBuffer b) {
        if (b.remaining() < 4) {
            return null;
        }
        int n = b.getInt();
        if (n < 0 || n > b.remaining() / 6) {
            return null;
        }
        long[] a = new long[n];
        for (int i = 0; i < n; i++) {
            a[i] = ReceiveFilter.address(b, b.position());
            b.position(b.position() + 6);
        }
        return a;
    }

    private boolean vlan(int command, ByteBuffer b) {
        if (command > 1 || b.remaining() < 2) {
            return false;
        }
        filter.vlan(b.getShort(), command == 0);
        return true;
    }

    private boolean usePairs(int n) {
        if (n < 1 || n > pairs) {
            return false;
        }
        active = n;
        return true;
    }

    // ---- state ----

    /** {@inheritDoc} The address is the one that it was given again; the link is the host's. */
    @Override
    void reset() {
        mac = ownMac;
        announce = false;
        active = 1;
        filter.reset();
        drop();
    }

    private void drop() {
        receivedDrops += waiting.take() == null ? 0 : 1;
    }

    /**
     * Version, address, link and announcement, pairs in use, offloads, the filter, and the frame that has been taken from the host: its length or
     * -1, what is to be done to it, its bytes, eight in a word.
     */
    @Override
    long[] saveWork() {
        LongStream.Builder w = LongStream.builder()
                .add(VERSION)
                .add(mac)
                .add((link ? 1 : 0) | (announce ? 2 : 0))
                .add(active)
                .add(guestOffloads);
        filter.save(w);
        Frame f = waiting.get();
        if (f == null) {
            return w.add(-1).build().toArray();
        }
        Offload o = f.offload();
        w.add(f.bytes().remaining())
                .add((o.partialChecksum() ? 1 : 0) | (o.verified() ? 2 : 0))
                .add(o.checksumStart())
                .add(o.checksumOffset())
                .add(o.segmentation().ordinal())
                .add(o.segmentSize());
        byte[] b = new byte[f.bytes().remaining() + 7 & ~7];
        f.bytes().get(f.bytes().position(), b, 0, f.bytes().remaining());
        ByteBuffer words = ByteBuffer.wrap(b);
        while (words.hasRemaining()) {
            w.add(words.getLong());
        }
        return w.build().toArray();
    }

    @Override
    void restoreWork(long[] work) {
        PrimitiveIterator.OfLong from = Arrays.stream(work).iterator();
        try {
            if (from.nextLong() != VERSION) {
                throw new IllegalArgumentException("a network device's state of another version");
            }
            mac = from.nextLong() & ReceiveFilter.BROADCAST;
            long flags = from.nextLong();
            link = (flags & 1) != 0;
            announce = (flags & 2) != 0;
            if (!usePairs((int) from.nextLong())) {
                throw new IllegalArgumentException("a network device with other queues");
            }
            offloads(from.nextLong() & features & GUEST_OFFLOADS);
            filter.restore(from);
            Frame f = frame(from);
            if (f != null) {
                waiting.hold(f);
            }
        } catch (NoSuchElementException e) {
            throw new IllegalArgumentException("a network device's state that ends in the middle", e);
        }
    }

    private static @Nullable Frame frame(PrimitiveIterator.OfLong from) {
        long length = from.nextLong();
        if (length == -1) {
            return null;
        }
        if (length < 0 || length > NetBackend.MAX_FRAME) {
            throw new IllegalArgumentException("a frame of " + length + " bytes");
        }
        long flags = from.nextLong();
        int start = (int) from.nextLong() & 0xffff;
        int offset = (int) from.nextLong() & 0xffff;
        long kind = from.nextLong();
        int size = (int) from.nextLong() & 0xffff;
        if (kind < 0 || kind >= Segmentation.values().length) {
            throw new IllegalArgumentException("a frame of kind " + kind);
        }
        ByteBuffer b = ByteBuffer.allocate((int) length + 7 & ~7);
        while (b.hasRemaining()) {
            b.putLong(from.nextLong());
        }
        Segmentation s = Segmentation.values()[(int) kind];
        return new Frame(
                b.flip().limit((int) length), new Offload((flags & 1) != 0, start, offset, (flags & 2) != 0, s, size));
    }
}
