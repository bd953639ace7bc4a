package serai.vmm.gdb;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuState;
import serai.machine.engine.Vcpu;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;

/** One debugger for one vCPU. The page of the package says how it is driven. */
public final class GdbStub implements AutoCloseable {
    /** Stop signal: a breakpoint or a step. */
    public static final int SIGTRAP = 5;
    /** Stop signal: Ctrl-C of the debugger. */
    public static final int SIGINT = 2;
    /** Stop signal: the guest has shut down (triple fault). */
    public static final int SIGSEGV = 11;

    /** Each is looked at for every access to its page. */
    private static final int MAX_WATCHPOINTS = 64;

    /** What the debugger wants the vCPU to do. */
    public enum Action {
        /** Run until something happens. */
        CONTINUE,
        /** Run one instruction. */
        STEP,
        /** The debugger has left; run on without it. */
        DETACHED,
        /** End the VM. */
        KILL
    }

    private final ServerSocket server;
    private final TreeSet<Long> breakpoints = new TreeSet<>();
    private @Nullable Packets packets;
    private @Nullable Socket socket;
    private volatile Runnable onInterrupt = () -> {};
    private boolean owesStop;
    private final Set<Watchpoint> watchpoints = new LinkedHashSet<>();
    /** The watchpoint that the vCPU stands still for. */
    private @Nullable Watchpoint hit;

    private GdbStub(ServerSocket server) {
        this.server = server;
    }

    /**
     * Listens on the loopback address.
     *
     * @param port TCP port, 0 for any free one
     * @throws IOException if the port is taken
     */
    public static GdbStub listen(int port) throws IOException {
        return new GdbStub(new ServerSocket(port, 1, InetAddress.getLoopbackAddress()));
    }

    /** The TCP port it listens on. */
    public int port() {
        return server.getLocalPort();
    }

    /** Called, from another thread, when the debugger sends Ctrl-C or hangs up: it is to kick the vCPU. */
    public void onInterrupt(Runnable action) {
        onInterrupt = action;
    }

    /** Waits for a debugger to connect. */
    public void awaitDebugger() throws IOException {
        Socket s = server.accept();
        s.setTcpNoDelay(true);
        Packets p = new Packets(s.getInputStream(), s.getOutputStream(), () -> onInterrupt.run());
        socket = s;
        packets = p;
        owesStop = false;
        Thread.ofPlatform().name("gdb").daemon().start(p::readAll);
    }

    /** Whether Ctrl-C has come since the last call. */
    public boolean interrupted() {
        Packets p = packets;
        return p != null && p.takeInterrupt();
    }

    /** Whether Ctrl-C has come that {@link #interrupted} has not told of yet. */
    public boolean interruptWaits() {
        Packets p = packets;
        return p != null && p.interruptWaits();
    }

    /** The breakpoints set, as linear addresses. */
    public long[] breakpoints() {
        return breakpoints.stream().mapToLong(Long::longValue).toArray();
    }

    /**
     * Answers the debugger until it lets the vCPU run. Breakpoints it has set are in {@link #breakpoints} and given to
     * the vCPU.
     *
     * @param signal why the vCPU stands still
     */
    public Action stopped(Vcpu vcpu, GuestMemory memory, int signal) {
        Packets p = packets;
        if (p == null) {
            return Action.DETACHED;
        }
        hit = vcpu.watchpointHit();
        if (owesStop) {
            p.send(stopReply(signal));
            owesStop = false;
        }
        while (true) {
            String packet = p.next();
            if (packet == null) {
                return leave(vcpu, Action.DETACHED);
            }
            Action action = handle(p, vcpu, memory, packet, signal);
            if (action != null) {
                owesStop = action == Action.CONTINUE || action == Action.STEP;
                return owesStop ? action : leave(vcpu, action);
            }
        }
    }

    /** Tells the debugger that the VM has ended with this status. */
    public void exited(int status) {
        Packets p = packets;
        if (p != null && owesStop) {
            p.send("W%02x".formatted(status & 0xff));
            owesStop = false;
        }
    }

    private Action leave(Vcpu vcpu, Action action) {
        breakpoints.clear();
        vcpu.breakpoints(new long[0]);
        watchpoints.clear();
        vcpu.watchpoints(List.of());
        packets = null;
        return action;
    }

    /** Handles one packet; an action if the vCPU is to run. */
    private @Nullable Action handle(Packets p, Vcpu vcpu, GuestMemory memory, String packet, int signal) {
        if (packet.isEmpty()) {
            p.send("");
            return null;
        }
        String rest = packet.substring(1);
        try {
            switch (packet.charAt(0)) {
                case '?' -> p.send(stopReply(signal));
                case 'g' -> p.send(Registers.read(vcpu.save()));
                case 'G' -> {
                    vcpu.restore(Registers.write(vcpu.save(), rest));
                    p.send("OK");
                }
                case 'p' -> p.send(orError(Registers.read(vcpu.save(), Integer.parseInt(rest, 16))));
                case 'P' -> {
                    int equals = rest.indexOf('=');
                    vcpu.restore(Registers.write(
                            vcpu.save(), Integer.parseInt(rest, 0, equals, 16), rest.substring(equals + 1)));
                    p.send("OK");
                }
                case 'm' -> p.send(readMemory(vcpu, memory, rest));
                case 'M' -> {
                    int colon = rest.indexOf(':');
                    writeMemory(
                            vcpu,
                            memory,
                            rest.substring(0, colon),
                            HexFormat.of().parseHex(rest.substring(colon + 1)));
                    p.send("OK");
                }
                case 'X' -> {
                    int colon = rest.indexOf(':');
                    writeMemory(
                            vcpu,
                            memory,
                            rest.substring(0, colon),
                            rest.substring(colon + 1).getBytes(StandardCharsets.ISO_8859_1));
                    p.send("OK");
                }
                case 'Z', 'z' -> p.send(breakpoint(vcpu, packet));
                case 'c', 's' -> {
                    if (!rest.isEmpty()) {
                        vcpu.restore(withRip(vcpu.save(), Long.parseUnsignedLong(rest, 16)));
                    }
                    return packet.charAt(0) == 'c' ? Action.CONTINUE : Action.STEP;
                }
                case 'C' -> {
                    return Action.CONTINUE;
                }
                case 'S' -> {
                    return Action.STEP;
                }
                case 'D' -> {
                    p.send("OK");
                    return Action.DETACHED;
                }
                case 'k' -> {
                    return Action.KILL;
                }
                case 'H', 'T' -> p.send("OK");
                case 'q', 'Q' -> query(p, packet);
                case 'v' -> {
                    return verbose(p, packet);
                }
                default -> p.send("");
            }
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            p.send("E22");
        } catch (GuestAddressException e) {
            p.send("E14");
        }
        return null;
    }

    private static String orError(String hex) {
        return hex.isEmpty() ? "E22" : hex;
    }

    private static CpuState withRip(CpuState s, long rip) {
        return Registers.write(s, 16, HexFormat.of().toHexDigits(Long.reverseBytes(rip)));
    }

    private String stopReply(int signal) {
        Watchpoint w = hit;
        String why = w == null
                ? ""
                : "%s:%x;"
                        .formatted(
                                switch (w.kind()) {
                                    case WRITE -> "watch";
                                    case READ -> "rwatch";
                                    case ACCESS -> "awatch";
                                },
                                w.address());
        return "T%02x%sthread:01;".formatted(signal, why);
    }

    /** Z and z: 0 and 1 are breakpoints, 2 to 4 watchpoints. */
    private String breakpoint(Vcpu vcpu, String packet) {
        String[] parts = packet.substring(1).split("[,;]", -1);
        boolean insert = packet.charAt(0) == 'Z';
        long address = Long.parseUnsignedLong(parts[1], 16);
        Watchpoint.Kind kind;
        switch (parts[0]) {
            case "0", "1" -> {
                return breakpoint(vcpu, insert, address);
            }
            case "2" -> kind = Watchpoint.Kind.WRITE;
            case "3" -> kind = Watchpoint.Kind.READ;
            case "4" -> kind = Watchpoint.Kind.ACCESS;
            default -> {
                return "";
            }
        }
        Watchpoint w = new Watchpoint(address, Long.parseUnsignedLong(parts[2], 16), kind);
        Set<Watchpoint> wanted = new LinkedHashSet<>(watchpoints);
        if (!insert) {
            wanted.remove(w);
        } else if (wanted.size() < MAX_WATCHPOINTS) {
            wanted.add(w);
        } else {
            return "E12";
        }
        try {
            vcpu.watchpoints(List.copyOf(wanted));
        } catch (UnsupportedOperationException e) {
            return ""; // the debugger says that there are none, or steps
        }
        watchpoints.clear();
        watchpoints.addAll(wanted);
        return "OK";
    }

    private String breakpoint(Vcpu vcpu, boolean insert, long address) {
        if (insert) {
            if (breakpoints.size() >= 1024 && !breakpoints.contains(address)) {
                return "E12";
            }
            breakpoints.add(address);
        } else {
            breakpoints.remove(address);
        }
        vcpu.breakpoints(breakpoints());
        return "OK";
    }

    private static void query(Packets p, String packet) {
        if (packet.startsWith("qSupported")) {
            p.send("PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak-;hwbreak-"
                    .formatted(Packets.MAX));
        } else if (packet.equals("QStartNoAckMode")) {
            p.send("OK");
            p.noAcknowledge();
        } else if (packet.startsWith("qXfer:features:read:target.xml:")) {
            String[] range = packet.substring(packet.lastIndexOf(':') + 1).split(",", -1);
            String xml = Registers.targetXml();
            int from = Math.min(Integer.parseInt(range[0], 16), xml.length());
            int to = (int) Math.min((long) from + Integer.parseInt(range[1], 16), xml.length());
            p.send((to == xml.length() ? "l" : "m") + xml.substring(from, to));
        } else if (packet.equals("qfThreadInfo")) {
            p.send("m01");
        } else if (packet.equals("qsThreadInfo")) {
            p.send("l");
        } else if (packet.equals("qC")) {
            p.send("QC01");
        } else if (packet.equals("qAttached") || packet.startsWith("qAttached:")) {
            p.send("1");
        } else {
            p.send("");
        }
    }

    private static @Nullable Action verbose(Packets p, String packet) {
        if (packet.equals("vCont?")) {
            p.send("vCont;c;C;s;S");
        } else if (packet.startsWith("vCont;")) {
            // one vCPU: the first action is its own
            char c = packet.charAt(6);
            return c == 's' || c == 'S' ? Action.STEP : Action.CONTINUE;
        } else if (packet.startsWith("vKill")) {
            p.send("OK");
            return Action.KILL;
        } else {
            p.send("");
        }
        return null;
    }

    // ---- memory, by linear address ----

    private interface Part {
        void at(long physical, int offset, int length);
    }

    /** Cuts a linear range into pages; false if the first byte is not mapped. Returns how many bytes were reached. */
    private static int pages(Vcpu vcpu, long linear, int length, Part part) {
        int done = 0;
        while (done < length) {
            long at = linear + done;
            int n = (int) Math.min(length - done, 4096 - (at & 4095));
            long physical = vcpu.translate(at);
            if (physical < 0) {
                break;
            }
            part.at(physical, done, n);
            done += n;
        }
        return done;
    }

    private static String readMemory(Vcpu vcpu, GuestMemory memory, String range) {
        int comma = range.indexOf(',');
        long address = Long.parseUnsignedLong(range, 0, comma, 16);
        int length = Math.min(Integer.parseUnsignedInt(range, comma + 1, range.length(), 16), Packets.MAX / 2);
        byte[] b = new byte[Math.max(length, 0)];
        int[] good = {0};
        try {
            pages(vcpu, address, b.length, (physical, offset, n) -> {
                memory.read(physical, b, offset, n);
                good[0] = offset + n;
            });
        } catch (GuestAddressException e) {
            // beyond RAM: what was read so far is the answer
        }
        return good[0] == 0 ? "E14" : HexFormat.of().formatHex(b, 0, good[0]);
    }

    private static void writeMemory(Vcpu vcpu, GuestMemory memory, String range, byte[] data) {
        int comma = range.indexOf(',');
        long address = Long.parseUnsignedLong(range, 0, comma, 16);
        int length = Integer.parseInt(range, comma + 1, range.length(), 16);
        if (length != data.length) {
            throw new IllegalArgumentException("length");
        }
        if (pages(vcpu, address, length, (physical, offset, n) -> memory.write(physical, data, offset, n)) < length) {
            throw new GuestAddressException(address, length);
        }
    }

    @Override
    public void close() {
        try {
            Socket s = socket;
            if (s != null) {
                s.close();
            }
            server.close();
        } catch (IOException e) {
            // nothing is lost with it
            return;
        }
    }
}
