package serai.machine.virtio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;

/**
 * The socket device: virtio 1.2, 5.10. Stream sockets between the guest, whose address (CID) the configuration tells, and the host, whose is 2.
 *
 * <pre>
 * queues: 0 receive | 1 transmit | 2 events
 * packet: 0 source CID (8) | 8 destination CID (8) | 16 source port (4) | 20 destination port (4) | 24 bytes of data (4)
 *         28 type (2) | 30 operation (2) | 32 flags (4) | 36 buffer of the sender (4) | 40 bytes that left it (4) | 44 data
 * event:  0 id (4): 0, all connections are gone
 * </pre>
 *
 * <h2>What waits where</h2>
 *
 * Either side tells with each packet how large its buffer is and how much of what it got has left it, and the other sends no more than fits
 * (5.10.6.3). Bytes for the guest wait here, in a queue of the connection, until the guest has both credit and buffers; bytes of the guest's
 * are given to the host's end at once, which has promised room for them. What else a connection has to tell is a set of bits: nothing is
 * queued that a guest could make long. The one exception is resets of what is no connection: once {@value #MAX_REPLIES} wait for buffers of
 * the guest, its packets do, too (5.10.6.1.2 allows it).
 *
 * <p>Connections are not saved: their other ends are programs of the host. If there are any, a restored device tells of a transport reset,
 * and the guest's programs see them broken.
 */
public final class VirtioVsock extends VirtioDevice {
    /** Bytes of a connection that may wait in each direction. */
    public static final int BUFFER = 256 << 10;
    /** Connections at most. */
    public static final int MAX_CONNECTIONS = 1024;
    /** The lowest CID that a guest can have, 5.10.4. */
    public static final long FIRST_CID = 3;

    private static final long HOST = 2;
    private static final long F_STREAM = 1;
    private static final int RECEIVE = 0, TRANSMIT = 1, EVENT = 2;
    private static final int HEADER = 44;
    private static final int STREAM = 1;
    private static final int REQUEST = 1,
            RESPONSE = 2,
            RST = 3,
            SHUTDOWN = 4,
            RW = 5,
            CREDIT_UPDATE = 6,
            CREDIT_REQUEST = 7;
    private static final int NO_RECEIVE = 1, NO_SEND = 2, BOTH = 3;
    private static final int TRANSPORT_RESET = 0;
    private static final int MAX_REPLIES = 64;
    /** Packets taken or given at one notification: as {@link #drain} has it. */
    private static final int MAX_PACKETS = 1 << 16;
    /** Data of one packet at most, as Linux has it. */
    private static final int MAX_DATA = 64 << 10;
    /** The ports that the host's ends get, as sockets of IP have theirs above the well-known ones. */
    private static final int FIRST_HOST_PORT = 1 << 30;

    private static final int VERSION = 1;

    private enum State {
        /** The guest has asked the host. */
        ASKED,
        /** The host has asked the guest. */
        ASKING,
        OPEN,
        OVER
    }

    /** A reset of what is no connection. */
    private record Reply(long fromCid, int fromPort, int toPort, int type) {}

    private final long cid;
    private final VsockHost host;
    /** By the host's port, in the upper half, and the guest's. */
    private final Map<Long, Connection> connections = new LinkedHashMap<>();
    /** Those that may have something to tell, in turn. */
    private final Deque<Connection> ready = new ArrayDeque<>();

    private final Deque<Reply> replies = new ArrayDeque<>();
    private boolean resetPending;
    private boolean delivering;
    private int nextHostPort = FIRST_HOST_PORT;

    /**
     * A device.
     *
     * @param cid the guest's address, {@value #FIRST_CID} to 2^32 - 2
     * @param host takes the guest's connections
     */
    public VirtioVsock(long cid, VsockHost host) {
        super(19, 0xff0000, 3);
        if (cid < FIRST_CID || cid > 0xffff_fffeL) {
            throw new IllegalArgumentException("CID " + cid);
        }
        this.cid = cid;
        this.host = host;
    }

    /** The device on PCI; once. */
    public VirtioPci onPci(String name, GuestMemory guestMemory, MsiSink sink) {
        return new VirtioPci(name, this, guestMemory, sink);
    }

    // ---- the host's side, with the machine lock held ----

    /** A connection between a port of the host and one of the guest. What is asked of one that is over does nothing. */
    public final class Connection {
        private final int hostPort;
        private final int guestPort;
        private State state;
        private @Nullable VsockEnd end;
        private boolean queued;
        /** Operations to tell, a bit each. */
        private int tell;
        /** For the guest. */
        private final ByteQueue waiting = new ByteQueue(BUFFER);

        private boolean hostFinished;
        /** The flags of the last SHUTDOWN told, and those of the guest's. */
        private int shutdownTold;

        private int guestShutdown;

        // credit, modulo 2^32: what we have sent, the guest's buffer and what left it; what we got, what left us, what
        // we said of that
        private int sent;
        private int guestBuffer;
        private int guestForwarded;
        private int received;
        private int forwarded;
        private int toldForwarded;

        private Connection(int hostPort, int guestPort, State state) {
            this.hostPort = hostPort;
            this.guestPort = guestPort;
            this.state = state;
        }

        /** The host's port, 32 bits unsigned. */
        public int hostPort() {
            return hostPort;
        }

        /** The guest's port, 32 bits unsigned. */
        public int guestPort() {
            return guestPort;
        }

        /** Accepts what the guest has asked for. */
        public void accept() {
            if (state == State.ASKED) {
                state = State.OPEN;
                tell(this, RESPONSE);
            }
        }

        /** Breaks it off, or refuses it; its end is not told. */
        public void reset() {
            if (state != State.OVER) {
                reply(HOST, hostPort, guestPort, STREAM);
                over(this);
                safely(VirtioVsock.this::deliver);
            }
        }

        /** Bytes that {@link #send} takes now. */
        public int room() {
            return state == State.OVER ? 0 : waiting.room();
        }

        /** Sends bytes to the guest, at most {@link #room} of them. */
        public void send(byte[] bytes) {
            if (state != State.OVER && (guestShutdown & NO_RECEIVE) == 0) {
                waiting.add(bytes);
                wake(this);
            }
        }

        /** The host sends no more. */
        public void finish() {
            hostFinished = true;
            wake(this);
        }

        /** So many of the bytes that the end has received have left it: the guest may send as many more. */
        public void taken(int bytes) {
            if (state == State.OVER) {
                return;
            }
            forwarded += bytes;
            // told in time for a guest that sends 64 KiB at once not to stop, and not for every byte
            if (forwarded - toldForwarded >= buffer() / 4) {
                tell(this, CREDIT_UPDATE);
            }
        }

        private int buffer() {
            return end == null ? 0 : Math.clamp(end.buffer(), 1, BUFFER);
        }

        /** Bytes that the guest takes (5.10.6.3). */
        private int credit() {
            long under = sent - guestForwarded & 0xffffffffL;
            long most = guestBuffer & 0xffffffffL;
            return (int) Math.clamp(most - under, 0, BUFFER);
        }

        private int shutdown() {
            return (hostFinished ? NO_SEND : 0) | (guestShutdown & NO_SEND) >> 1;
        }

        /** The operation to tell next, or 0. */
        private int next() {
            if (tell != 0) {
                return Integer.numberOfTrailingZeros(tell);
            }
            if (state != State.OPEN) {
                return 0;
            }
            if (waiting.size() > 0) {
                return credit() > 0 ? RW : 0;
            }
            return hostFinished && shutdown() != shutdownTold ? SHUTDOWN : 0;
        }
    }

    /**
     * Asks the guest for a connection.
     *
     * @param guestPort 32 bits unsigned
     * @return null if it can't be, as the guest has no driver or there are too many
     */
    public @Nullable Connection connect(int guestPort, VsockEnd end) {
        if (!transport.runs() || connections.size() >= MAX_CONNECTIONS || replies.size() >= MAX_REPLIES) {
            return null;
        }
        while (connections.containsKey(key(nextHostPort, guestPort))) {
            nextPort();
        }
        Connection c = new Connection(nextHostPort, guestPort, State.ASKING);
        nextPort();
        c.end = end;
        connections.put(key(c.hostPort, guestPort), c);
        tell(c, REQUEST);
        return c;
    }

    private void nextPort() {
        nextHostPort = nextHostPort == Integer.MAX_VALUE ? FIRST_HOST_PORT : nextHostPort + 1;
    }

    /** Tells what a restored device has to, once the machine is as it is to start. */
    public void start() {
        safely(this::event);
    }

    private static long key(int hostPort, int guestPort) {
        return (long) hostPort << 32 | guestPort & 0xffffffffL;
    }

    private void over(Connection c) {
        c.state = State.OVER;
        c.tell = 0;
        c.waiting.remove(c.waiting.size());
        if (c.queued) {
            ready.remove(c); // a guest that makes and breaks connections must not fill the queue
            c.queued = false;
        }
        connections.remove(key(c.hostPort, c.guestPort), c);
    }

    private void tell(Connection c, int operation) {
        c.tell |= 1 << operation;
        wake(c);
    }

    private void wake(Connection c) {
        queue(c);
        safely(this::deliver);
    }

    private void queue(Connection c) {
        if (!c.queued && c.next() != 0) {
            c.queued = true;
            ready.add(c);
        }
    }

    private void reply(long fromCid, int fromPort, int toPort, int type) {
        replies.add(new Reply(fromCid, fromPort, toPort, type));
    }

    // ---- the driver's side ----

    @Override
    long features() {
        return F_STREAM;
    }

    @Override
    int configByte(int offset) {
        return offset < 8 ? (int) (cid >>> offset * 8) & 0xff : 0;
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        if (q.index == EVENT) {
            event();
        } else {
            if (q.index == RECEIVE) {
                deliver();
            }
            transmit();
        }
    }

    private void event() throws Virtqueue.Malformed {
        if (!resetPending || !transport.runs()) {
            return;
        }
        Chain c = queue[EVENT].pop();
        if (c != null) {
            resetPending = false;
            queue[EVENT].push(c, c.write(memory, 0, new byte[] {TRANSPORT_RESET, 0, 0, 0}));
            transport.usedBuffers(queue[EVENT]);
        }
    }

    /** Takes the guest's packets, as long as there is room for what has to be said to them. */
    private void transmit() throws Virtqueue.Malformed {
        Virtqueue q = queue[TRANSMIT];
        boolean any = false;
        for (int i = 0; i < MAX_PACKETS; i++) {
            if (replies.size() >= MAX_REPLIES) {
                deliver();
                if (replies.size() >= MAX_REPLIES) {
                    break;
                }
            }
            Chain c = q.pop();
            if (c == null) {
                break;
            }
            any = true;
            packet(c);
            q.push(c, 0);
        }
        if (any) {
            transport.usedBuffers(q);
        }
        deliver();
    }

    private void packet(Chain c) throws Virtqueue.Malformed {
        byte[] h = c.read(memory, HEADER);
        if (h.length < HEADER) {
            throw new Virtqueue.Malformed("a packet of %d bytes".formatted(h.length));
        }
        ByteBuffer b = ByteBuffer.wrap(h).order(ByteOrder.LITTLE_ENDIAN);
        int length = b.getInt(24);
        if (length < 0 || length > c.readableBytes() - HEADER) {
            throw new Virtqueue.Malformed("a packet of %d bytes with %#x of data".formatted(c.readableBytes(), length));
        }
        if (b.getLong(0) != cid) {
            return; // nobody's that we know
        }
        long to = b.getLong(8);
        int guestPort = b.getInt(16);
        int hostPort = b.getInt(20);
        int type = b.getShort(28) & 0xffff;
        int operation = b.getShort(30) & 0xffff;
        Connection known = to == HOST && type == STREAM ? connections.get(key(hostPort, guestPort)) : null;
        if (known == null) {
            if (to == HOST && type == STREAM && operation == REQUEST) {
                asked(new Connection(hostPort, guestPort, State.ASKED), b);
            } else if (operation != RST) {
                reply(to, hostPort, guestPort, type);
            }
            return;
        }
        credit(known, b);
        switch (operation) {
            case RST -> close(known);
            case RESPONSE -> {
                if (known.state == State.ASKING) {
                    known.state = State.OPEN;
                    end(known).established();
                } else {
                    refuse(known);
                }
            }
            case SHUTDOWN -> shutdown(known, b.getInt(32) & BOTH);
            case RW -> data(known, c, length);
            case CREDIT_UPDATE -> {}
            case CREDIT_REQUEST -> known.tell |= 1 << CREDIT_UPDATE;
            default -> refuse(known);
        }
        if (known.state != State.OVER) {
            queue(known);
        }
    }

    private static void credit(Connection c, ByteBuffer header) {
        c.guestBuffer = header.getInt(36);
        c.guestForwarded = header.getInt(40);
    }

    private static VsockEnd end(Connection c) {
        VsockEnd e = c.end;
        if (e == null) {
            throw new IllegalStateException("a connection without an end");
        }
        return e;
    }

    private void asked(Connection c, ByteBuffer header) {
        credit(c, header);
        if (connections.size() < MAX_CONNECTIONS) {
            connections.put(key(c.hostPort, c.guestPort), c);
            c.end = host.connect(c);
        }
        if (c.end == null && c.state != State.OVER) {
            over(c);
            reply(HOST, c.hostPort, c.guestPort, STREAM);
        }
    }

    private void data(Connection c, Chain chain, int length) {
        if (c.state != State.OPEN
                || (c.guestShutdown & NO_SEND) != 0
                || length > c.buffer() - (c.received - c.forwarded)) {
            refuse(c); // more than it was told there is room for, or when nothing was to come
            return;
        }
        byte[] all = chain.read(memory, HEADER + length);
        c.received += length;
        end(c).receive(Arrays.copyOfRange(all, HEADER, all.length));
    }

    /** 5.10.6.5: both bits end it, which a reset acknowledges. */
    private void shutdown(Connection c, int flags) {
        int before = c.guestShutdown;
        c.guestShutdown |= flags;
        if (c.state != State.OPEN || c.guestShutdown == BOTH) {
            refuse(c);
            return;
        }
        if ((c.guestShutdown & NO_RECEIVE) != 0) {
            c.waiting.remove(c.waiting.size());
        }
        if ((c.guestShutdown & ~before & NO_SEND) != 0) {
            end(c).guestFinished();
        }
    }

    private void refuse(Connection c) {
        reply(HOST, c.hostPort, c.guestPort, STREAM);
        close(c);
    }

    private void close(Connection c) {
        over(c);
        end(c).closed();
    }

    /** To the guest, as far as there is room: resets first, then the connections by turns. */
    private void deliver() throws Virtqueue.Malformed {
        if (delivering || !transport.runs()) {
            return; // an end that sends when it is told that there is room: the loop below takes it
        }
        delivering = true;
        try {
            deliverAll(queue[RECEIVE]);
        } finally {
            delivering = false;
        }
    }

    private void deliverAll(Virtqueue q) throws Virtqueue.Malformed {
        boolean any = false;
        for (int i = 0; i < MAX_PACKETS && something(); i++) {
            Chain c = q.pop();
            if (c == null) {
                break;
            }
            if (c.writableBytes() <= HEADER) {
                throw new Virtqueue.Malformed("a buffer of %d bytes for a packet".formatted(c.writableBytes()));
            }
            any = true;
            byte[] packet = packet((int) Math.min(c.writableBytes() - HEADER, MAX_DATA));
            q.push(c, c.write(memory, 0, packet));
        }
        if (any) {
            transport.usedBuffers(q);
        }
    }

    /** Whether there is a packet to send; then it is that of the first reply, or else of the first connection. */
    private boolean something() {
        if (!replies.isEmpty()) {
            return true;
        }
        while (!ready.isEmpty()) {
            if (ready.element().next() != 0) {
                return true;
            }
            ready.remove().queued = false;
        }
        return false;
    }

    private byte[] packet(int most) {
        Reply r = replies.poll();
        if (r != null) {
            return packet(r.fromCid, r.fromPort, r.toPort, r.type, RST, 0, 0, 0, new byte[0]);
        }
        Connection c = ready.remove();
        c.queued = false;
        int operation = c.next();
        byte[] data = new byte[0];
        int flags = 0;
        if (operation == RW) {
            data = c.waiting.peek(Math.min(most, c.credit()));
            c.waiting.remove(data.length);
            c.sent += data.length;
        } else if (operation == SHUTDOWN) {
            flags = c.shutdown();
            c.shutdownTold = flags;
        }
        c.tell &= ~(1 << operation);
        c.toldForwarded = c.forwarded;
        byte[] p = packet(HOST, c.hostPort, c.guestPort, STREAM, operation, flags, c.buffer(), c.forwarded, data);
        if (operation == RW && !c.hostFinished) {
            end(c).ready();
        }
        queue(c);
        return p;
    }

    private byte[] packet(
            long fromCid,
            int fromPort,
            int toPort,
            int type,
            int operation,
            int flags,
            int buffer,
            int forwarded,
            byte[] data) {
        return ByteBuffer.allocate(HEADER + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(fromCid)
                .putLong(cid)
                .putInt(fromPort)
                .putInt(toPort)
                .putInt(data.length)
                .putShort((short) type)
                .putShort((short) operation)
                .putInt(flags)
                .putInt(buffer)
                .putInt(forwarded)
                .put(data)
                .array();
    }

    /** Something that touches the queues. */
    @FunctionalInterface
    private interface Action {
        void run() throws Virtqueue.Malformed;
    }

    /** What the host begins must not throw at the host what the guest does wrong. */
    private void safely(Action a) {
        try {
            a.run();
        } catch (Virtqueue.Malformed | GuestAddressException e) {
            transport.broken(String.valueOf(e.getMessage()));
        }
    }

    @Override
    void reset() {
        for (Connection c : new ArrayList<>(connections.values())) {
            close(c);
        }
        connections.clear();
        ready.clear();
        replies.clear();
        resetPending = false;
    }

    // ---- state: version, CID, whether a transport reset is to be told, the resets that wait ----

    @Override
    long[] saveWork() {
        boolean reset = resetPending || !connections.isEmpty();
        LongStream.Builder w = LongStream.builder().add(VERSION).add(cid).add(reset ? 1 : 0);
        if (!reset) {
            replies.forEach(r -> w.add(r.fromCid).add(r.fromPort).add(r.toPort).add(r.type));
        }
        return w.build().toArray();
    }

    @Override
    void restoreWork(long[] work) {
        if (work.length < 3 || work[0] != VERSION || work.length % 4 != 3 || work.length / 4 > 2 * MAX_CONNECTIONS) {
            throw new IllegalArgumentException("socket device state of another version");
        }
        resetPending = work[2] != 0 || work[1] != cid; // with which the driver looks at the CID again
        for (int i = 3; i < work.length; i += 4) {
            replies.add(new Reply(work[i], (int) work[i + 1], (int) work[i + 2], (int) work[i + 3]));
        }
    }
}
