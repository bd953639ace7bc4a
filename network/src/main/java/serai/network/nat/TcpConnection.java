package serai.network.nat;

import java.io.IOException;
import java.net.NoRouteToHostException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import org.jspecify.annotations.Nullable;
import serai.network.Frame;
import serai.network.Offload;
import serai.network.packet.IpProtocol;
import serai.network.packet.TcpHeader;

/**
 * A TCP connection of the guest, whose other end is here (RFC 9293), and the socket that it is coupled with.
 *
 * <ul>
 *   <li>The guest's SYN makes the socket connect; it is answered when that has come to something. A socket that came in by a forwarded port makes a SYN.
 *   <li>Payload in sequence goes to the socket at once, in the thread that brought it. What the socket has no room for is queued, and makes the window smaller. Segments out of
 *       sequence are not kept: between the guest and us nothing is reordered.
 *   <li>What the socket has is read into the queue of {@link TcpSender}, by the NAT's thread without the lock, as long as there is room, and frames are built
 *       from that when the guest fetches them.
 *   <li>Either end may end first; the other direction goes on.
 * </ul>
 */
final class TcpConnection implements Loop.Handler {
    /** RFC 9293, 3.3.2; that of LISTEN is the table's. */
    enum State {
        /** The guest's SYN is here, and the socket connects. */
        CONNECTING,
        SYN_SENT,
        SYN_RECEIVED,
        ESTABLISHED,
        FIN_WAIT_1,
        FIN_WAIT_2,
        CLOSE_WAIT,
        CLOSING,
        LAST_ACK,
        /** Also when all is done but for what the socket has still to take. */
        TIME_WAIT,
        CLOSED
    }

    private static final int MOST = TcpSender.MOST;
    /** Shift of our windows: 65,535 is more than {@link #MOST} with it. */
    private static final int SCALE = 7;
    /** Bytes that are read at once, before others have their turn. */
    private static final int READ = 256 << 10;

    /** The window of a socket that takes what comes, however little memory there is. */
    private static final int LEAST_WINDOW = 64 << 10;

    private static final long TIME_WAIT_MILLIS = 2000;

    private final Core core;
    private final TcpTable table;
    final FlowKey key;
    private final boolean v6;
    private final Ip guest;
    private final TcpFrames frames;
    private final SocketChannel channel;
    private @Nullable SelectionKey selection;
    State state;
    private long mac;
    long lastUse;
    private long timeWaitEnd;

    private final TcpSender sender;
    private int sendScale;
    private int receiveScale;
    /** What the guest sends next; RCV.NXT. */
    private int rcvNxt;
    /** Where the window that the guest was told ends. */
    private int rcvEdge;
    /** What the guest was told of a window, in bytes, the last time. */
    private int toldWindow;

    private final ByteQueue toHost;
    private boolean guestEnded;
    private boolean outputShut;
    /** Something is to be acknowledged. */
    private boolean ackNow;
    /** In the table's list of those with something to send. */
    boolean queued;

    private boolean readPaused;
    private boolean starving;

    TcpConnection(Core core, TcpTable table, FlowKey key, SocketChannel channel, State state) {
        this.core = core;
        this.table = table;
        this.key = key;
        this.channel = channel;
        this.state = state;
        guest = key.guest();
        v6 = !guest.isV4();
        frames = new TcpFrames(core, key);
        sender = new TcpSender(core.pool);
        toHost = new ByteQueue(core.pool);
        lastUse = core.now();
    }

    private boolean isSynchronized() {
        return switch (state) {
            case CONNECTING, SYN_SENT, SYN_RECEIVED, CLOSED -> false;
            case ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT -> true;
        };
    }

    // ---- opening

    /** The guest has sent a SYN. */
    void open(Packet p, boolean connected) throws IOException {
        mac = p.mac;
        takeSyn(p);
        selection = core.loop.register(channel, connected ? SelectionKey.OP_READ : SelectionKey.OP_CONNECT, this);
        if (connected) {
            answerSyn();
        }
    }

    /** Somebody has come in by a forwarded port. */
    void openToGuest() throws IOException {
        selection = core.loop.register(channel, SelectionKey.OP_READ, this);
        receiveScale = SCALE;
        sender.start(table.initialSequence(key), core.now());
        core.loop.arm(sender.deadline);
        sendSyn();
    }

    private void takeSyn(Packet p) {
        ByteBuffer b = p.bytes;
        rcvNxt = b.getInt(p.at + TcpHeader.SEQUENCE) + 1;
        rcvEdge = rcvNxt;
        sender.mss = TcpSender.mss(b, p.at, v6, core.config.mtu());
        int scale = TcpHeader.option(b, p.at, TcpHeader.OPTION_WINDOW_SCALE, 1);
        sendScale = scale < 0 ? 0 : Math.min(scale, 14); // RFC 7323, 2.3
        receiveScale = scale < 0 ? 0 : SCALE;
        frames.segments(sender.mss);
    }

    private void answerSyn() {
        state = State.SYN_RECEIVED;
        sender.start(table.initialSequence(key), core.now());
        core.loop.arm(sender.deadline);
        sendSyn();
    }

    /** SYN, or SYN and ACK: whichever fits the state. */
    private void sendSyn() {
        if (state == State.SYN_SENT) {
            mac = core.neighbors.mac(guest);
            if (mac == 0) {
                return; // it has been asked for; {@link #neighborKnown} goes on
            }
        }
        boolean ack = state == State.SYN_RECEIVED;
        int window = Math.min(MOST, 0xffff);
        rcvEdge = rcvNxt + window;
        toldWindow = window;
        frames.syn(mac, sender.una, ack ? rcvNxt : 0, TcpHeader.SYN | (ack ? TcpHeader.ACK : 0), window, receiveScale);
    }

    /** The guest's MAC is known now. */
    void neighborKnown(Ip ip) {
        if (state == State.SYN_SENT && mac == 0 && guest.equals(ip)) {
            sendSyn();
        }
    }

    // ---- from the guest

    /** A segment whose header and checksum have been looked at. */
    void input(Packet p, long now) {
        lastUse = now;
        ByteBuffer b = p.bytes;
        int sequence = b.getInt(p.at + TcpHeader.SEQUENCE);
        int ack = b.getInt(p.at + TcpHeader.ACKNOWLEDGMENT);
        int flags = b.get(p.at + TcpHeader.FLAGS);
        int tcpHeader = TcpHeader.length(b, p.at);
        int length = p.length - tcpHeader;
        switch (state) {
            case CONNECTING -> {
                // a SYN again: we are still at it
                if ((flags & TcpHeader.RST) != 0 && sequence == rcvNxt) {
                    remove(true);
                }
            }
            case SYN_SENT -> inputSynSent(p, sequence, ack, flags);
            case CLOSED -> core.counters.drop(Drop.STALE);
            case SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT -> {
                mac = p.mac;
                inputSynchronized(p, sequence, ack, flags, p.at + tcpHeader, length, now);
            }
        }
    }

    /** 3.10.7.3. */
    private void inputSynSent(Packet p, int sequence, int ack, int flags) {
        boolean acked = (flags & TcpHeader.ACK) != 0;
        if (acked && ack != sender.nxt) {
            if ((flags & TcpHeader.RST) == 0) {
                table.reset(p);
            }
            return;
        }
        if ((flags & TcpHeader.RST) != 0) {
            if (acked) {
                remove(true); // refused
            }
            return;
        }
        if ((flags & TcpHeader.SYN) == 0) {
            core.counters.drop(Drop.STALE);
            return;
        }
        mac = p.mac;
        takeSyn(p);
        if (acked) {
            establish(sequence, ack, p.u16(TcpHeader.WINDOW)); // that of a SYN is not scaled
            ackNow = true;
            table.queue(this);
        } else {
            state = State.SYN_RECEIVED; // both at once
            sendSyn();
        }
    }

    private void establish(int sequence, int ack, int window) {
        state = State.ESTABLISHED;
        sender.established();
        sender.firstWindow(window, sequence, ack);
        rcvEdge = rcvNxt + toldWindow;
        sender.schedule(core.now());
        arm();
    }

    /** 3.10.7.4, and the stricter rules of RFC 5961. */
    private void inputSynchronized(Packet p, int sequence, int ack, int flags, int at, int length, long now) {
        int offset = sequence - rcvNxt;
        int window = rcvEdge - rcvNxt;
        if ((flags & TcpHeader.RST) != 0) {
            if (offset == 0) {
                remove(true);
            } else if (offset > 0 && offset < window) {
                acknowledge();
            } else {
                core.counters.drop(Drop.STALE);
            }
            return;
        }
        if ((flags & TcpHeader.SYN) != 0) {
            if (state == State.SYN_RECEIVED && offset == -1) {
                if ((flags & TcpHeader.ACK) == 0) {
                    sendSyn(); // ours got lost
                    return;
                }
                offset = 0; // the answer to our SYN, when both came at once
            } else if (state == State.TIME_WAIT && offset > 0 && toHost.isEmpty()) {
                remove(false);
                table.input(p); // a new connection
                return;
            } else {
                acknowledge();
                return;
            }
        }
        if ((flags & TcpHeader.ACK) == 0) {
            core.counters.drop(Drop.STALE);
            return;
        }
        int fin = flags & TcpHeader.FIN;
        boolean plain = length + fin == 0;
        boolean acceptable = offset <= 0
                ? offset + length + fin > 0 && window > 0 || offset == 0 && length + fin == 0
                : offset < window;
        if (!acceptable) {
            core.counters.drop(Drop.STALE);
            if (state == State.TIME_WAIT) {
                timeWaitEnd = now + TIME_WAIT_MILLIS;
            }
            acknowledge();
            if (offset + length + fin < 0 || offset > 0) {
                return;
            }
            // an acknowledgment counts although there is no room for what it came with
            length = 0;
            fin = 0;
            offset = 0;
        }
        if (state == State.SYN_RECEIVED) {
            if (ack != sender.nxt) {
                table.reset(p);
                return;
            }
            establish(sequence, ack, p.u16(TcpHeader.WINDOW) << sendScale);
        } else if (!inputAck(sequence, ack, p.u16(TcpHeader.WINDOW) << sendScale, plain, now)) {
            return;
        }
        if (length + fin > 0) {
            inputData(p, offset, at, length, fin != 0);
        }
        if (hasOutput()) {
            table.queue(this);
        }
    }

    /** False if there is nothing more to be done with the segment. */
    private boolean inputAck(int sequence, int ack, int window, boolean plain, long now) {
        if (ack - sender.max > 0) {
            acknowledge();
            return false;
        }
        if (state == State.TIME_WAIT) {
            return true;
        }
        boolean endAcknowledged = sender.endIsAcknowledged(ack);
        int before = sender.queue.size();
        sender.acknowledge(sequence, ack, window, plain, now);
        if (readPaused && before != sender.queue.size() && room() >= Math.min(READ, core.pool.share() / 2)) {
            resumeReading();
        }
        arm();
        if (endAcknowledged) {
            switch (state) {
                case FIN_WAIT_1 -> state = State.FIN_WAIT_2;
                case CLOSING -> timeWait();
                case LAST_ACK -> {
                    if (toHost.isEmpty()) {
                        remove(false);
                    } else {
                        timeWait();
                    }
                    return false;
                }
                case CONNECTING, SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_2, CLOSE_WAIT, TIME_WAIT, CLOSED -> {}
            }
        }
        return true;
    }

    private void inputData(Packet p, int offset, int at, int length, boolean fin) {
        ackNow = true;
        if (offset > 0) {
            core.counters.drop(Drop.STALE); // one before it is missing; the guest sends it again
            return;
        }
        if (guestEnded) {
            return; // what was there before, again, or what can't be
        }
        int skip = -offset;
        int n = length - skip;
        boolean cut = n > rcvEdge - rcvNxt;
        if (cut) {
            n = rcvEdge - rcvNxt;
        }
        if (n > 0) {
            int taken;
            try {
                taken = take(p.bytes, at + skip, n);
            } catch (IOException e) {
                reset(); // the host's end is gone
                return;
            }
            rcvNxt += taken;
            cut |= taken < n;
        }
        if (fin && !cut) {
            rcvNxt++;
            rcvEdge = Math.max(rcvEdge - rcvNxt, 0) + rcvNxt;
            endOfGuest();
        }
    }

    /** Gives payload to the socket, and to the queue what that does not take. */
    private int take(ByteBuffer b, int at, int length) throws IOException {
        int done = 0;
        if (toHost.isEmpty()) {
            int limit = b.limit();
            int position = b.position();
            try {
                b.limit(at + length).position(at);
                done = channel.write(b);
            } finally {
                b.limit(limit).position(position);
            }
            if (done == length) {
                return done;
            }
        }
        done += toHost.append(b, at + done, length - done);
        watch();
        return done;
    }

    private void endOfGuest() {
        guestEnded = true;
        switch (state) {
            case SYN_RECEIVED, ESTABLISHED -> state = State.CLOSE_WAIT;
            case FIN_WAIT_1 -> state = State.CLOSING;
            case FIN_WAIT_2 -> timeWait();
            case CONNECTING, SYN_SENT, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT, CLOSED -> {}
        }
        if (toHost.isEmpty()) {
            shutOutput();
        }
    }

    private void shutOutput() {
        if (outputShut) {
            return;
        }
        outputShut = true;
        try {
            channel.shutdownOutput();
        } catch (IOException e) {
            // it is gone already, which reading tells
            core.counters.drop(Drop.HOST);
        }
        if (state == State.TIME_WAIT) {
            core.loop.close(channel);
        }
    }

    private void acknowledge() {
        ackNow = true;
        table.queue(this);
    }

    // ---- to the guest

    private int receiveWindow() {
        int most = receiveScale > 0 ? MOST : 0xffff;
        if (guestEnded) {
            return Math.max(rcvEdge - rcvNxt, 0);
        }
        return Math.max(Math.min(most, Math.max(core.pool.share(), LEAST_WINDOW)) - toHost.size(), 0);
    }

    boolean hasOutput() {
        return ackNow || canSend() && sender.hasOutput();
    }

    private boolean canSend() {
        return isSynchronized() && state != State.TIME_WAIT && state != State.FIN_WAIT_2;
    }

    /** Builds the next frame; null if there is nothing. */
    @Nullable
    Frame output(ByteBuffer out, Offload.Abilities abilities, long now) {
        if (!isSynchronized()) {
            ackNow = false;
            return null;
        }
        int length = 0;
        boolean end = false;
        int sequence = sender.nxt;
        if (canSend()) {
            length = sender.sendable(frames.most(abilities));
            end = sender.endGoesWith(length);
            if (length > 0 || end) {
                sequence = sender.sequence();
            }
        }
        if (length == 0 && !end && !ackNow) {
            return null;
        }
        int offset = sequence - sender.una;
        if (length > 0) {
            sender.queue.copy(offset, length, out, frames.header);
        }
        boolean last = length > 0 && offset + length == sender.queue.size();
        int flags = TcpHeader.ACK | (end ? TcpHeader.FIN : 0) | (last ? TcpHeader.PSH : 0);
        Frame frame = frames.write(out, length, mac, sequence, rcvNxt, flags, advertise(), abilities);
        if (length > 0 || end) {
            sender.sent(length, end, now);
            arm();
            if (end) {
                state = switch (state) {
                    case ESTABLISHED -> State.FIN_WAIT_1;
                    case CLOSE_WAIT -> State.LAST_ACK;
                    case CONNECTING,
                            SYN_SENT,
                            SYN_RECEIVED,
                            FIN_WAIT_1,
                            FIN_WAIT_2,
                            CLOSING,
                            LAST_ACK,
                            TIME_WAIT,
                            CLOSED -> state;
                };
            }
        }
        ackNow = false;
        return frame;
    }

    private int advertise() {
        int window = receiveWindow();
        int edge = rcvNxt + (window >> receiveScale << receiveScale);
        if (edge - rcvEdge > 0) {
            rcvEdge = edge; // it never goes back
        }
        toldWindow = rcvEdge - rcvNxt;
        return Math.min(toldWindow >> receiveScale, 0xffff);
    }

    // ---- the socket

    /** What the socket is watched for. */
    private void watch() {
        SelectionKey k = selection;
        if (k == null || state == State.CONNECTING || state == State.CLOSED) {
            return;
        }
        int operations = (toHost.isEmpty() ? 0 : SelectionKey.OP_WRITE)
                | (readPaused || sender.ended ? 0 : SelectionKey.OP_READ);
        core.loop.watch(k, operations);
    }

    private void resumeReading() {
        readPaused = false;
        watch();
    }

    /** There may be memory again. */
    void retry() {
        starving = false;
        if (readPaused && state != State.CLOSED) {
            if (room() > 0) {
                resumeReading();
            } else {
                pauseReading();
            }
        }
    }

    @Override
    public void ready(SelectionKey k) throws IOException {
        int ready = k.readyOps();
        if ((ready & SelectionKey.OP_CONNECT) != 0) {
            core.lock.lock();
            try {
                connected(k);
            } finally {
                core.lock.unlock();
            }
        }
        if ((ready & SelectionKey.OP_WRITE) != 0) {
            core.lock.lock();
            try {
                write();
            } finally {
                core.lock.unlock();
            }
        }
        if ((ready & SelectionKey.OP_READ) != 0) {
            read();
        }
    }

    private void connected(SelectionKey k) {
        if (state != State.CONNECTING) {
            return;
        }
        lastUse = core.now();
        try {
            if (!channel.finishConnect()) {
                return;
            }
        } catch (IOException e) {
            refused(e);
            return;
        }
        k.interestOps(SelectionKey.OP_READ);
        answerSyn();
    }

    /** The host could not even begin to connect. */
    void refused(Packet p, IOException e) {
        mac = p.mac;
        takeSyn(p);
        refused(e);
    }

    /** The host could not connect. The JDK has no exception of its own for each reason; what it can't tell counts as refused. */
    private void refused(IOException e) {
        core.counters.drop(Drop.HOST);
        String why = String.valueOf(e.getMessage());
        if (!(e instanceof NoRouteToHostException) && !why.contains("unreachable") && !why.contains("timed out")) {
            table.sendReset(key, mac, 0, rcvNxt, TcpHeader.RST | TcpHeader.ACK);
        } else {
            ByteBuffer begin = ByteBuffer.allocate(8)
                    .putShort((short) key.guestPort())
                    .putShort((short) key.peerPort())
                    .putInt(rcvNxt - 1)
                    .flip();
            core.icmp.unreachable(key, mac, IpProtocol.TCP, begin, Icmp.Unreachable.HOST);
        }
        remove(false);
    }

    private void write() throws IOException {
        if (state == State.CLOSED) {
            return;
        }
        ByteBuffer[] buffers = table.writeBuffers;
        int n = toHost.gather(buffers);
        long written = n == 0 ? 0 : channel.write(buffers, 0, n);
        toHost.consume((int) written);
        if (toHost.isEmpty()) {
            if (guestEnded) {
                shutOutput();
            }
            watch();
        }
        int window = receiveWindow();
        int told = rcvEdge - rcvNxt;
        if (isSynchronized()
                && !guestEnded
                && window - told >= Math.min(MOST / 4, 2 * sender.mss)
                && (told < 2 * sender.mss || window - told >= MOST / 4)) {
            acknowledge(); // there is room again
        }
    }

    private void read() throws IOException {
        ByteBuffer[] buffers = table.readBuffers;
        int n;
        core.lock.lock();
        try {
            if (state == State.CLOSED || state == State.CONNECTING || sender.ended) {
                return;
            }
            int room = Math.min(room(), READ);
            if (room <= 0) {
                pauseReading();
                return;
            }
            n = sender.queue.reserve(room, buffers);
            if (n == 0) {
                sender.queue.commit(0);
                pauseReading();
                return;
            }
        } finally {
            core.lock.unlock();
        }
        long bytes = 0;
        try {
            bytes = channel.read(buffers, 0, n);
        } finally {
            core.lock.lock();
            try {
                haveRead(bytes);
            } finally {
                core.lock.unlock();
            }
        }
    }

    private void haveRead(long bytes) {
        sender.queue.commit((int) Math.max(bytes, 0));
        if (state == State.CLOSED) {
            return;
        }
        long now = core.now();
        lastUse = now;
        if (bytes < 0) {
            sender.ended = true;
            watch();
        } else if (room() <= 0) {
            pauseReading();
        }
        if (isSynchronized()) {
            sender.schedule(now);
            arm();
            if (hasOutput()) {
                table.queue(this);
            }
        }
    }

    /** Bytes that may be read for the guest now. */
    private int room() {
        return Math.min(MOST, core.pool.share()) - sender.queue.size();
    }

    private void pauseReading() {
        readPaused = true;
        watch();
        if (sender.queue.size() < MOST && !starving) {
            starving = true; // others have the memory: no acknowledgment tells when there is some
            table.starve(this);
        }
    }

    @Override
    public void failed() {
        core.lock.lock();
        try {
            if (state != State.CLOSED) {
                reset();
            }
        } finally {
            core.lock.unlock();
        }
    }

    // ---- time

    private void arm() {
        if (sender.deadline != 0) {
            core.loop.arm(sender.deadline);
        }
    }

    private void timeWait() {
        state = State.TIME_WAIT;
        sender.deadline = 0;
        timeWaitEnd = core.now() + TIME_WAIT_MILLIS;
        core.loop.arm(timeWaitEnd);
        if (outputShut) {
            core.loop.close(channel);
        }
    }

    /** When something is due; 0: never. */
    long deadline() {
        return state == State.TIME_WAIT ? timeWaitEnd : sender.deadline;
    }

    /** Does what is due. */
    void timeout(long now) {
        switch (state) {
            case TIME_WAIT -> {
                if (toHost.isEmpty()) {
                    remove(false);
                } else {
                    timeWaitEnd = now + TIME_WAIT_MILLIS;
                }
            }
            case SYN_SENT, SYN_RECEIVED -> {
                if (sender.synAgain(now)) {
                    sendSyn();
                } else {
                    remove(true);
                }
            }
            case CONNECTING, CLOSED -> sender.deadline = 0;
            case ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK -> {
                if (!sender.timeout()) {
                    reset();
                } else if (hasOutput()) {
                    table.queue(this);
                }
            }
        }
    }

    // ---- the end

    /** Ends both halves at once, and tells both ends. */
    void reset() {
        if (isSynchronized() || state == State.SYN_RECEIVED) {
            table.sendReset(key, mac, sender.nxt, rcvNxt, TcpHeader.RST | TcpHeader.ACK);
        }
        remove(true);
    }

    /**
     * Forgets it.
     *
     * @param abort whether the host's peer is to be told that not all has gone well
     */
    void remove(boolean abort) {
        if (state == State.CLOSED) {
            return;
        }
        state = State.CLOSED;
        sender.deadline = 0;
        table.remove(this);
        sender.queue.clear();
        toHost.clear();
        if (abort && channel.isOpen()) {
            try {
                SocketChannel unused = channel.setOption(StandardSocketOptions.SO_LINGER, 0); // the host sends RST
            } catch (IOException e) {
                core.counters.drop(Drop.HOST);
            }
        }
        core.loop.close(channel);
    }
}
