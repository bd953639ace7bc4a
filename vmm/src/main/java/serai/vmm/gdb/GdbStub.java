package serai.vmm.gdb;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;
import serai.machine.Schedule;
import serai.machine.engine.CpuState;
import serai.machine.engine.Vcpu;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestAddressException;

/** One debugger for the vCPUs of a machine. The page of the package says how it is driven. */
public final class GdbStub implements AutoCloseable {
    private final ServerSocket server;
    private final Breakpoints breakpoints = new Breakpoints();
    private final Threads threads = new Threads();
    private final Memory memory = new Memory();
    private @Nullable Packets packets;
    private @Nullable Socket socket;
    private volatile Runnable onInterrupt = () -> {};
    private boolean owesStop;
    /** Whether the debugger has said that it wants to be told which kind of breakpoint it was. */
    private boolean tellsSoftware;

    private boolean tellsHardware;

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

    /** Called, from another thread, when the debugger sends Ctrl-C or hangs up: it is to stop the machine. */
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

    /** Answers the debugger until it lets the machine run. Break- and watchpoints that it sets go to all vCPUs. */
    public Resume stopped(Target target, Stop stop) {
        Packets p = packets;
        if (p == null) {
            return new Resume.Detached();
        }
        threads.stopped(stop.cpu());
        if (owesStop) {
            p.send(reply(target, stop));
            owesStop = false;
        }
        while (true) {
            String packet = p.next();
            if (packet == null) {
                return leave(target, new Resume.Detached());
            }
            Resume r = handle(p, target, packet, stop);
            if (r != null) {
                owesStop = !(r instanceof Resume.Detached) && !(r instanceof Resume.Kill);
                return owesStop ? r : leave(target, r);
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

    private Resume leave(Target target, Resume r) {
        breakpoints.clear(target);
        packets = null;
        return r;
    }

    /** The stop reply packet. */
    private String reply(Target target, Stop stop) {
        String why = "";
        switch (stop.cause()) {
            case OTHER -> {}
            case BREAKPOINT -> {
                CpuState s = target.vcpu(stop.cpu()).save();
                long flat = s.rip();
                long linear = s.segments()[CpuState.CS].base() + flat;
                if (tellsHardware && (breakpoints.hardware(flat) || breakpoints.hardware(linear))) {
                    why = "hwbreak:;";
                } else if (tellsSoftware && (breakpoints.software(flat) || breakpoints.software(linear))) {
                    why = "swbreak:;";
                }
            }
            case WATCHPOINT -> {
                Watchpoint w = stop.watchpoint();
                if (w != null) {
                    String kind =
                            switch (w.kind()) {
                                case WRITE -> "watch";
                                case READ -> "rwatch";
                                case ACCESS -> "awatch";
                            };
                    why = "%s:%x;".formatted(kind, w.address());
                }
            }
            case HISTORY_BEGINS -> why = "replaylog:begin;";
        }
        return "T%02x%sthread:%s;".formatted(stop.signal(), why, Threads.id(stop.cpu()));
    }

    /** Handles one packet; what the machine is to do if it is to run. */
    private @Nullable Resume handle(Packets p, Target target, String packet, Stop stop) {
        if (packet.isEmpty()) {
            p.send("");
            return null;
        }
        try {
            return handle(p, target, packet.charAt(0), packet.substring(1), stop);
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            p.send("E22");
        } catch (GuestAddressException e) {
            p.send("E14");
        } catch (IllegalStateException e) {
            p.send("E." + e.getMessage());
        }
        return null;
    }

    private @Nullable Resume handle(Packets p, Target target, char letter, String rest, Stop stop) {
        int cpu = threads.selected();
        switch (letter) {
            case '?' -> p.send(reply(target, stop));
            case 'g' -> p.send(Registers.read(target.vcpu(cpu).save()));
            case 'G' -> {
                target.changing();
                Vcpu v = target.vcpu(cpu);
                v.restore(Registers.write(v.save(), rest));
                p.send("OK");
            }
            case 'p' -> p.send(orError(Registers.read(target.vcpu(cpu).save(), Integer.parseInt(rest, 16))));
            case 'P' -> {
                int equals = rest.indexOf('=');
                target.changing();
                Vcpu v = target.vcpu(cpu);
                v.restore(Registers.write(v.save(), Integer.parseInt(rest, 0, equals, 16), rest.substring(equals + 1)));
                p.send("OK");
            }
            case 'm' -> p.send(memory.read(target, cpu, rest));
            case 'M' -> {
                int colon = rest.indexOf(':');
                memory.write(
                        target, cpu, rest.substring(0, colon), HexFormat.of().parseHex(rest.substring(colon + 1)));
                p.send("OK");
            }
            case 'X' -> {
                int colon = rest.indexOf(':');
                memory.write(
                        target,
                        cpu,
                        rest.substring(0, colon),
                        rest.substring(colon + 1).getBytes(StandardCharsets.ISO_8859_1));
                p.send("OK");
            }
            case 'Z', 'z' -> p.send(breakpoints.handle(target, letter + rest));
            case 'c', 's' -> {
                int which = threads.resumed();
                if (!rest.isEmpty()) {
                    target.changing();
                    Vcpu v = target.vcpu(which);
                    v.restore(withRip(v.save(), Long.parseUnsignedLong(rest, 16)));
                }
                return forward(letter == 's', which);
            }
            case 'C', 'S' -> {
                return forward(letter == 'S', threads.resumed());
            }
            case 'b' -> {
                return backward(p, target, rest);
            }
            case 'D' -> {
                p.send("OK");
                return new Resume.Detached();
            }
            case 'k' -> {
                return new Resume.Kill();
            }
            case 'H' -> p.send(threads.choose(rest, target));
            case 'T' -> p.send(Threads.alive(rest, target));
            case 'q' -> query(p, target, rest);
            case 'Q' -> set(p, rest);
            case 'v' -> {
                return verbose(p, target, rest);
            }
            default -> p.send("");
        }
        return null;
    }

    private static Resume forward(boolean step, int cpu) {
        return new Resume.Forward(step ? new Schedule(0, cpu) : Schedule.ALL);
    }

    private @Nullable Resume backward(Packets p, Target target, String rest) {
        if (!target.reversible() || !(rest.equals("s") || rest.equals("c"))) {
            p.send("");
            return null;
        }
        int cpu = threads.resumed();
        return rest.equals("s") ? new Resume.StepBack(cpu) : new Resume.RunBack(cpu);
    }

    private static String orError(String hex) {
        return hex.isEmpty() ? "E22" : hex;
    }

    private static CpuState withRip(CpuState s, long rip) {
        return Registers.write(s, 16, HexFormat.of().toHexDigits(Long.reverseBytes(rip)));
    }

    /** {@code q…}: asks for something. */
    private void query(Packets p, Target target, String rest) {
        int colon = rest.indexOf(':');
        int comma = rest.indexOf(',');
        String name = colon >= 0
                ? rest.substring(0, colon)
                : comma >= 0 && !rest.startsWith("Xfer") ? rest.substring(0, comma) : rest;
        switch (name) {
            case "Supported" -> p.send(supported(target, rest));
            case "Xfer" -> p.send(transfer(rest));
            case "fThreadInfo" -> p.send(Threads.all(target));
            case "sThreadInfo" -> p.send("l");
            case "ThreadExtraInfo" -> p.send(hex(Threads.describe(rest.substring(comma + 1), target)));
            case "C" -> p.send("QC" + Threads.id(threads.selected()));
            case "Attached" -> p.send("1");
            case "Rcmd" -> monitor(p, target, rest.substring(comma + 1));
            case "qemu.PhyMemMode" -> p.send(memory.physical() ? "1" : "0");
            default -> p.send("");
        }
    }

    private String supported(Target target, String rest) {
        tellsSoftware = rest.contains("swbreak+");
        tellsHardware = rest.contains("hwbreak+");
        return "PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+;swbreak+;hwbreak+%s"
                .formatted(Packets.MAX, target.reversible() ? ";ReverseStep+;ReverseContinue+" : "");
    }

    private static String transfer(String rest) {
        String wanted = "Xfer:features:read:target.xml:";
        if (!rest.startsWith(wanted)) {
            return rest.startsWith("Xfer:features:read:") ? "E00" : "";
        }
        String[] range = rest.substring(wanted.length()).split(",", -1);
        String xml = Registers.targetXml();
        int from = Math.min(Integer.parseUnsignedInt(range[0], 16) & Integer.MAX_VALUE, xml.length());
        int length = Math.min(Integer.parseUnsignedInt(range[1], 16) & Integer.MAX_VALUE, Packets.MAX - 1);
        int to = Math.min(from + length, xml.length());
        return (to == xml.length() ? "l" : "m") + xml.substring(from, to);
    }

    private static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }

    /** What a monitor command prints goes out in pieces, then its end. */
    private static void monitor(Packets p, Target target, String command) {
        String line = new String(HexFormat.of().parseHex(command), StandardCharsets.UTF_8).strip();
        String text = target.monitor(line);
        if (text == null) {
            text = "there is no command '%s'; try monitor help\n".formatted(line);
        }
        String h = hex(text);
        int most = Packets.MAX / 2;
        for (int i = 0; i < h.length(); i += most) {
            p.send("O" + h.substring(i, Math.min(h.length(), i + most)));
        }
        p.send("OK");
    }

    /** {@code Q…}: sets something. */
    private void set(Packets p, String rest) {
        switch (rest) {
            case "StartNoAckMode" -> {
                p.send("OK");
                p.noAcknowledge();
            }
            case "qemu.PhyMemMode:0", "qemu.PhyMemMode:1" -> {
                memory.physical(rest.endsWith("1"));
                p.send("OK");
            }
            case "NonStop:0" -> p.send("OK");
            case "NonStop:1" -> p.send("E.all vCPUs stop together here: set non-stop off");
            default -> p.send("");
        }
    }

    private @Nullable Resume verbose(Packets p, Target target, String rest) {
        if (rest.equals("Cont?")) {
            p.send("vCont;c;C;s;S");
        } else if (rest.startsWith("Cont;")) {
            return new Resume.Forward(threads.schedule(rest.substring(4), target));
        } else if (rest.startsWith("Kill")) {
            p.send("OK");
            return new Resume.Kill();
        } else {
            p.send("");
        }
        return null;
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
