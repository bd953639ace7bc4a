package serai.network.nat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import serai.network.Frame;
import serai.network.NetworkPort;
import serai.network.Offload;

/**
 * The NAT as a whole: the guest's side, which is called by the guest's thread, and what the NAT's own thread does. Both have the one lock for as long as they touch
 * anything, and neither waits for a socket; the guest is told of frames without it.
 */
final class Nat implements NetworkPort, Loop.Duties {
    /** A forwarded port. */
    private record Forward(HostForward forward, InetSocketAddress address, Runnable close) {}

    private final Core core;
    private final Input input;
    private final List<Forward> forwards = new ArrayList<>();

    private Offload.Abilities abilities = Offload.Abilities.NONE;
    private @Nullable Runnable action;
    /** {@link #receive} had nothing the last time. */
    private boolean waiting = true;
    /** Whose turn it is if there are both: TCP's frames, or the others. */
    private boolean tcpFirst;

    private boolean closed;

    /**
     * For a network.
     *
     * @param clock milliseconds since some moment, more than 0
     * @param route where what the guest wants to reach really is: tests lead all of it to themselves
     */
    Nat(UserNetworkConfig config, LongSupplier clock, UnaryOperator<InetSocketAddress> route) throws IOException {
        core = new Core(config, clock, route, new Loop(clock), this::done);
        input = new Input(core);
        try {
            for (HostForward f : config.forwards()) {
                InetSocketAddress unused = forward(f);
            }
        } catch (IOException e) {
            closeAll();
            throw e;
        }
    }

    void start() {
        core.loop.start(this);
    }

    // ---- the guest's side

    @Override
    public void send(ByteBuffer frame, Offload offload) {
        core.lock.lock();
        try {
            if (!closed) {
                input.frame(frame, offload);
            }
        } finally {
            core.lock.unlock();
        }
    }

    @Override
    public @Nullable Frame receive() {
        core.lock.lock();
        try {
            Frame frame = closed ? null : next();
            waiting = frame == null;
            if (frame != null) {
                core.counters.framesToGuest++;
                core.counters.bytesToGuest += frame.bytes().remaining();
            }
            return frame;
        } finally {
            core.lock.unlock();
        }
    }

    private @Nullable Frame next() {
        tcpFirst = !tcpFirst;
        if (tcpFirst) {
            Frame frame = core.tcp.next(abilities);
            if (frame != null) {
                return frame;
            }
        }
        ByteBuffer small = core.outbox.poll();
        if (small != null) {
            return new Frame(small, Offload.VERIFIED);
        }
        return tcpFirst ? null : core.tcp.next(abilities);
    }

    @Override
    public void accept(Offload.Abilities what) {
        core.lock.lock();
        try {
            abilities = what;
        } finally {
            core.lock.unlock();
        }
    }

    @Override
    public void onFrames(Runnable what) {
        core.lock.lock();
        try {
            action = what;
        } finally {
            core.lock.unlock();
        }
    }

    @Override
    public void close() {
        core.lock.lock();
        try {
            action = null;
            abilities = Offload.Abilities.NONE;
        } finally {
            core.lock.unlock();
        }
    }

    // ---- the NAT's thread

    @Override
    public void tick() {
        boolean readFile;
        core.lock.lock();
        try {
            readFile = core.resolvers.isStale();
        } finally {
            core.lock.unlock();
        }
        List<InetSocketAddress> servers = readFile ? Resolvers.parse(Resolvers.contents()) : List.of();
        core.lock.lock();
        try {
            if (closed) {
                return;
            }
            long now = core.now();
            if (readFile) {
                core.resolvers.update(servers);
            }
            input.tick(now);
            core.ndp.tick(now);
            core.udp.tick(now);
            core.tcp.tick(now);
        } finally {
            core.lock.unlock();
        }
    }

    @Override
    public void done() {
        Runnable tell = null;
        core.lock.lock();
        try {
            if (waiting && !closed && (core.tcp.hasFrames() || !core.outbox.isEmpty())) {
                waiting = false;
                tell = action;
            }
        } finally {
            core.lock.unlock();
        }
        if (tell != null) {
            tell.run();
        }
    }

    // ---- forwarded ports, and the rest

    InetSocketAddress forward(HostForward f) throws IOException {
        core.lock.lock();
        try {
            if (closed) {
                throw new IOException("the user network is closed");
            }
            boolean unspecified = f.guest().getAddress().isAnyLocalAddress();
            Ip guest = Ip.of(unspecified ? core.config.dhcpStart() : f.guest().getAddress());
            int port = f.guest().getPort();
            try {
                Forward made =
                        switch (f.protocol()) {
                            case TCP -> {
                                TcpForward t = new TcpForward(core, f.host(), guest, port);
                                yield new Forward(f, t.address(), t::close);
                            }
                            case UDP -> {
                                UdpFlow u = core.udp.forward(f.host(), guest, port);
                                yield new Forward(f, u.address(), () -> core.udp.remove(u));
                            }
                        };
                forwards.add(made);
                return made.address;
            } catch (IOException e) {
                throw new IOException(
                        "can't forward %s port %s of the host: %s".formatted(f.protocol(), f.host(), e.getMessage()),
                        e);
            }
        } finally {
            core.lock.unlock();
        }
    }

    boolean unforward(HostForward.Protocol protocol, InetSocketAddress host) {
        core.lock.lock();
        try {
            for (Forward f : forwards) {
                if (f.forward.protocol() == protocol
                        && (f.address.equals(host) || f.forward.host().equals(host))) {
                    f.close.run();
                    return forwards.remove(f);
                }
            }
            return false;
        } finally {
            core.lock.unlock();
        }
    }

    Map<InetSocketAddress, HostForward> forwards() {
        core.lock.lock();
        try {
            Map<InetSocketAddress, HostForward> all = new HashMap<>();
            forwards.forEach(f -> all.put(f.address, f.forward));
            return all;
        } finally {
            core.lock.unlock();
        }
    }

    UserNetworkStatistics statistics() {
        core.lock.lock();
        try {
            Counters c = core.counters;
            return new UserNetworkStatistics(
                    c.framesFromGuest,
                    c.bytesFromGuest,
                    c.framesToGuest,
                    c.bytesToGuest,
                    core.tcp.size(),
                    core.udp.size(),
                    core.pool.held(),
                    c.drops());
        } finally {
            core.lock.unlock();
        }
    }

    /** What went wrong in the NAT's thread and should not have. */
    @Nullable
    Throwable failure() {
        return core.loop.failure();
    }

    /** Pages that connections hold. */
    int pages() {
        core.lock.lock();
        try {
            return core.pool.used();
        } finally {
            core.lock.unlock();
        }
    }

    /** Ends everything. */
    void closeAll() {
        core.lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            action = null;
            forwards.forEach(f -> f.close.run());
            forwards.clear();
            core.pings.close();
            core.udp.close();
            core.tcp.close();
        } finally {
            core.lock.unlock();
        }
        core.loop.stop();
        core.loop.close();
        core.lock.lock();
        try {
            core.pool.close(); // nobody reads into a page any more
        } finally {
            core.lock.unlock();
        }
    }
}
