package serai.network.nat;

import serai.network.packet.TcpHeader;

/**
 * The half of a connection that sends to the guest: what is in flight, what the guest has room for, and when to send again (RFC 9293, 3.8; RFC 6298; the fast
 * retransmission and recovery of RFC 6582). There is no congestion control, as there is no network between: frames are built when the guest fetches them.
 *
 * <p>The queue begins at the first byte that the guest has not acknowledged, and the host's end comes after it as one more sequence number.
 */
final class TcpSender {
    /** Bytes that a connection holds in each direction at most. */
    static final int MOST = 1 << 20;

    private static final int DUPLICATES = 3;
    private static final long RTO_FIRST = 1000; // RFC 6298, (2.1)
    private static final long RTO_LEAST = 300;
    private static final long RTO_MOST = 60_000;
    /** Retransmissions of the same data, 4 minutes at least, until the guest counts as gone. */
    private static final int MOST_ATTEMPTS = 10;
    /** Of SYNs. */
    private static final int MOST_SYN_ATTEMPTS = 5;

    final ByteQueue queue;
    /** The first sequence number that is not acknowledged; SND.UNA. */
    int una;
    /** What comes next; SND.NXT, but set back by a retransmission. */
    int nxt;
    /** The highest that was ever {@link #nxt}. */
    int max;
    /** The guest's window, in bytes from {@link #una}; SND.WND. */
    private int window;

    private int widestWindow;
    private int windowSequence; // SND.WL1
    private int windowAck; // SND.WL2
    int mss;
    /** The host sends no more. */
    boolean ended;
    /** The guest knows that. */
    private boolean endAcknowledged;

    /** The segment at {@link #una} goes again. */
    boolean resend;

    private int duplicates;
    private boolean recovering;
    private int recover;
    /** After a time-out: one segment at a time, until one is acknowledged. */
    private boolean careful;
    /** One byte goes although the window is closed. */
    private boolean probe;

    /** When a time-out falls due; 0: never. */
    long deadline;

    private int attempts;
    private long rto = RTO_FIRST;
    private long smoothedRtt = -1;
    private long rttVariation;
    private boolean timing;
    private int timedSequence;
    private long timedAt;

    TcpSender(BufferPool pool) {
        queue = new ByteQueue(pool);
    }

    /** The SYN with this number is sent. */
    void start(int initial, long now) {
        una = initial;
        nxt = initial + 1;
        max = nxt;
        deadline = now + rto;
    }

    /** The SYN is acknowledged. */
    void established() {
        una = nxt;
        attempts = 0;
        rto = RTO_FIRST;
        deadline = 0;
    }

    /** A time-out of a SYN: whether to send it again. */
    boolean synAgain(long now) {
        if (++attempts > MOST_SYN_ATTEMPTS) {
            return false;
        }
        rto = Math.min(rto * 2, RTO_MOST);
        deadline = now + rto;
        return true;
    }

    void firstWindow(int bytes, int sequence, int ack) {
        window = bytes;
        widestWindow = bytes;
        windowSequence = sequence;
        windowAck = ack;
    }

    int inFlight() {
        return nxt - una;
    }

    /** Whether the end of the host's data has gone out, and not been set back. */
    private boolean endIsOut() {
        return ended && inFlight() > queue.size();
    }

    boolean endIsAcknowledged(int ack) {
        return ended && ack - una > queue.size();
    }

    /**
     * Takes an acknowledgment that is not of the future.
     *
     * @param bytes the window that came with it
     * @param plain whether the segment had nothing else in it
     */
    void acknowledge(int sequence, int ack, int bytes, boolean plain, long now) {
        int acked = ack - una;
        boolean sameWindow = bytes == window;
        if (acked >= 0 && (sequence - windowSequence > 0 || sequence == windowSequence && ack - windowAck >= 0)) {
            window = bytes;
            widestWindow = Math.max(widestWindow, bytes);
            windowSequence = sequence;
            windowAck = ack;
        }
        if (acked > 0) {
            advance(ack, acked, now);
        } else if (acked == 0 && max - una > 0) {
            if (plain && sameWindow && window > 0) {
                duplicate();
            } else if (window == 0) {
                attempts = 0; // somebody answers our probes
            }
        }
        if (window > 0 && probe) { // what probed was not taken
            probe = false;
            careful = false;
            nxt = una;
            attempts = 0;
            rto = RTO_FIRST;
            deadline = 0;
        }
        schedule(now);
    }

    private void advance(int ack, int acked, long now) {
        if (timing && ack - timedSequence > 0) {
            sample(now - timedAt);
        }
        endAcknowledged |= ended && acked > queue.size();
        queue.consume(Math.min(acked, queue.size()));
        una = ack;
        if (nxt - una < 0) {
            nxt = una;
        }
        attempts = 0;
        careful = false;
        probe = false;
        duplicates = 0;
        if (recovering) {
            if (ack - recover >= 0) {
                recovering = false;
            } else {
                resend = true; // RFC 6582, 3.2 (5): the next one is missing, too
            }
        } else {
            resend = false;
        }
        deadline = max - una > 0 ? now + rto : 0;
    }

    private void duplicate() {
        if (++duplicates == DUPLICATES && !recovering && nxt == max) {
            recovering = true;
            recover = max;
            resend = true;
            timing = false; // Karn's algorithm
        }
    }

    /** RFC 6298, 2.2 and 2.3. */
    private void sample(long rtt) {
        timing = false;
        if (smoothedRtt < 0) {
            smoothedRtt = rtt;
            rttVariation = rtt / 2;
        } else {
            rttVariation = (3 * rttVariation + Math.abs(smoothedRtt - rtt)) / 4;
            smoothedRtt = (7 * smoothedRtt + rtt) / 8;
        }
        rto = Math.clamp(smoothedRtt + Math.max(10, 4 * rttVariation), RTO_LEAST, RTO_MOST);
    }

    /** Arms the time-out of a closed window (RFC 9293, 3.8.6.1). */
    void schedule(long now) {
        if (deadline == 0 && window == 0 && inFlight() == 0 && (queue.size() > 0 || ended && !endAcknowledged)) {
            deadline = now + rto;
        }
    }

    /**
     * A time-out.
     *
     * @return false if the guest counts as gone
     */
    boolean timeout() {
        deadline = 0;
        if (++attempts > MOST_ATTEMPTS) {
            return false;
        }
        rto = Math.min(rto * 2, RTO_MOST);
        timing = false;
        recovering = false;
        resend = false;
        duplicates = 0;
        nxt = una;
        careful = true;
        probe = window == 0;
        return true;
    }

    /**
     * Bytes of payload that may go now.
     *
     * @param most of a segment, a multiple of {@link #mss}
     */
    int sendable(int most) {
        if (resend) {
            return Math.min(Math.min(mss, queue.size()), Math.max(window, 1));
        }
        int flight = inFlight();
        int unsent = queue.size() - flight;
        if (unsent <= 0 || careful && flight > 0) {
            return 0;
        }
        if (probe) {
            return flight == 0 ? 1 : 0;
        }
        int n = Math.min(Math.min(unsent, window - flight), careful ? mss : most);
        if (n <= 0) {
            return 0;
        }
        if (n < unsent) {
            // no silly small segments, when the window will be wider soon (RFC 9293, 3.8.6.2.1)
            if (n < mss) {
                return flight == 0 || n >= widestWindow / 2 ? n : 0;
            }
            n -= n % mss;
        }
        return n;
    }

    /** Whether the host's end goes with a segment of so many bytes. */
    boolean endGoesWith(int bytes) {
        if (!ended || endAcknowledged || endIsOut() && !resend) {
            return false;
        }
        int at = resend ? 0 : inFlight();
        return at + bytes == queue.size() && (!careful || at == 0) && (!resend || max - una > queue.size());
    }

    boolean hasOutput() {
        return sendable(mss) > 0 || endGoesWith(0);
    }

    /** Where the segment that {@link #sendable} allowed begins. */
    int sequence() {
        return resend ? una : nxt;
    }

    /** A segment has been sent. */
    void sent(int bytes, boolean end, long now) {
        if (resend) {
            resend = false;
        } else {
            int length = bytes + (end ? 1 : 0);
            if (!timing && nxt == max && length > 0) {
                timing = true;
                timedSequence = nxt;
                timedAt = now;
            }
            nxt += length;
            if (nxt - max > 0) {
                max = nxt;
            }
        }
        if (deadline == 0) {
            deadline = now + rto;
        }
    }

    /** The maximum segment size that a SYN offers (RFC 9293, 3.7.1), within what makes sense. */
    static int mss(java.nio.ByteBuffer b, int at, boolean v6, int mtu) {
        int offered = TcpHeader.option(b, at, TcpHeader.OPTION_MSS, 2);
        int most = mtu - TcpHeader.LENGTH - (v6 ? 40 : 20);
        return Math.min(most, Math.max(offered < 0 ? v6 ? 1220 : 536 : offered, 88));
    }
}
