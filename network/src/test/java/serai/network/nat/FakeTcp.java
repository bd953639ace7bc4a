package serai.network.nat;

import java.io.ByteArrayOutputStream;
import java.util.function.Predicate;
import serai.network.nat.FakeGuest.Received;
import serai.network.packet.TcpHeader;

/** The guest's end of a TCP connection, made by hand. */
final class FakeTcp {
    static final byte[] NONE = {};
    /** MSS 1,460, window scale 7. */
    static final byte[] OPTIONS = {2, 4, 5, (byte) 0xb4, 1, 3, 3, 7};

    final FakeGuest guest;
    final Ip from;
    final int fromPort;
    final Ip to;
    final int toPort;
    /** What is sent next. */
    int next = 0xffff_fff0; // soon beyond the last number
    /** What is expected next. */
    int expected;
    /** As it is on the wire. */
    int window = 0xffff;

    boolean ended;

    FakeTcp(FakeGuest guest, Ip from, int fromPort, Ip to, int toPort) {
        this.guest = guest;
        this.from = from;
        this.fromPort = fromPort;
        this.to = to;
        this.toPort = toPort;
    }

    static FakeTcp toHost(FakeGuest guest, int fromPort, int toPort) {
        return new FakeTcp(guest, FakeGuest.IP, fromPort, FakeGuest.HOST, toPort);
    }

    void send(int sequence, int ack, int flags, byte[] options, byte[] payload) {
        guest.send(FakeGuest.tcp(from, fromPort, to, toPort, sequence, ack, flags, window, options, payload));
    }

    boolean isMine(Received r) {
        return r.isTcp()
                && r.u16(TcpHeader.SOURCE_PORT) == toPort
                && r.u16(TcpHeader.DESTINATION_PORT) == fromPort
                && r.source().equals(to)
                && r.destination().equals(from);
    }

    Received await(Predicate<Received> kind) throws InterruptedException {
        return guest.await(r -> isMine(r) && kind.test(r));
    }

    void syn(byte[] options) {
        send(next, 0, TcpHeader.SYN, options, NONE);
    }

    FakeTcp connect() throws InterruptedException {
        return connect(OPTIONS);
    }

    FakeTcp connect(byte[] options) throws InterruptedException {
        syn(options);
        Received r = await(x -> (x.flags() & TcpHeader.SYN) != 0);
        next++;
        if (r.flags() != (TcpHeader.SYN | TcpHeader.ACK) || r.i32(TcpHeader.ACKNOWLEDGMENT) != next) {
            throw new AssertionError("no answer to a SYN: flags " + r.flags());
        }
        expected = r.i32(TcpHeader.SEQUENCE) + 1;
        ack();
        return this;
    }

    void ack() {
        send(next, expected, TcpHeader.ACK, NONE, NONE);
    }

    /** Sends bytes in one segment. */
    void write(byte[] payload) {
        send(next, expected, TcpHeader.ACK | TcpHeader.PSH, NONE, payload);
        next += payload.length;
    }

    void end() {
        send(next, expected, TcpHeader.ACK | TcpHeader.FIN, NONE, NONE);
        next++;
    }

    /** Takes a segment that is in sequence, and does not acknowledge it yet. */
    byte[] take(Received r) {
        byte[] payload = r.tcpPayload();
        if (r.i32(TcpHeader.SEQUENCE) != expected) {
            throw new AssertionError("sequence " + (r.i32(TcpHeader.SEQUENCE) - expected) + " from what was expected");
        }
        expected += payload.length;
        if ((r.flags() & TcpHeader.FIN) != 0) {
            expected++;
            ended = true;
        }
        return payload;
    }

    /** Reads so many bytes at least, acknowledging each segment. */
    byte[] read(int bytes) throws InterruptedException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        while (all.size() < bytes && !ended) {
            Received r = await(x -> x.tcpPayload().length > 0 || (x.flags() & (TcpHeader.FIN | TcpHeader.RST)) != 0);
            if ((r.flags() & TcpHeader.RST) != 0) {
                throw new AssertionError("reset");
            }
            all.writeBytes(take(r));
            ack();
        }
        return all.toByteArray();
    }

    /** Reads to the end. */
    byte[] readAll() throws InterruptedException {
        return read(Integer.MAX_VALUE);
    }
}
