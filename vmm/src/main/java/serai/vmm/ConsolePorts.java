package serai.vmm;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import serai.linux.LinuxException;
import serai.linux.Terminal;
import serai.machine.Machine;
import serai.machine.uart.SerialBackend;
import serai.machine.virtio.ConsolePort;
import serai.machine.virtio.VirtioConsole;

/** The virtio console's ports on the host: port 0 is the terminal hvc0, the others have names. */
final class ConsolePorts implements AutoCloseable {
    /** What is typed at hvc0, as an event of the host: in deterministic mode it stands in the log. */
    private static final String TYPED = "hvc0";

    private static final int TERMINAL = 1;
    private static final long SIZE_MILLIS = 500;
    private static final int ROOM = 64 << 10;

    private final VmConfig config;
    private final List<SocketPort> sockets = new ArrayList<>();
    private final List<Integer> socketNumbers = new ArrayList<>();
    private final VirtioConsole device;
    private volatile boolean closed;

    /**
     * Opens them.
     *
     * @throws VmmException if a file or a socket can't be had; nothing is left behind
     */
    ConsolePorts(VmConfig config, Backends backends) throws VmmException {
        this.config = config;
        List<ConsolePort> hosts = new ArrayList<>();
        boolean good = false;
        try {
            hosts.add(port("", config.streams().console(), 0, backends));
            for (StreamConfig.Port p : config.streams().ports()) {
                hosts.add(port(p.name(), p.sink(), hosts.size(), backends));
            }
            good = true;
        } finally {
            if (!good) {
                close();
            }
        }
        device = new VirtioConsole(hosts);
    }

    private ConsolePort port(String name, StreamConfig.Sink sink, int number, Backends backends) throws VmmException {
        if (sink instanceof StreamConfig.Sink.Socket(var path)) {
            SocketPort s = SocketPort.listen(name.isEmpty() ? "hvc0" : name, path);
            sockets.add(s);
            socketNumbers.add(number);
            return s;
        }
        SerialBackend to = backends.open(name.isEmpty() ? "console" : "port-" + name, sink);
        return new ConsolePort() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public boolean isConsole() {
                return name.isEmpty();
            }

            @Override
            public int write(byte[] bytes, int offset) {
                for (int i = offset; i < bytes.length; i++) {
                    to.transmit(bytes[i]);
                }
                return bytes.length - offset;
            }
        };
    }

    VirtioConsole device() {
        return device;
    }

    /** Once the machine is as it is to start, restored or not. */
    void start(Machine machine) {
        machine.onHostEvent(TYPED, hex -> device.input(0, HexFormat.of().parseHex(hex)));
        for (int i = 0; i < sockets.size(); i++) {
            sockets.get(i).start(machine, device, socketNumbers.get(i));
        }
        if (config.streams().console() instanceof StreamConfig.Sink.Stdio
                && config.repeat().seed() == null
                && Terminal.isTerminal(TERMINAL)) {
            Thread.ofPlatform().daemon().name("serai-terminal-size").start(() -> follow(machine));
        }
    }

    /** The terminal's size: looked at now and then, as a JVM has no way to be told. */
    private void follow(Machine machine) {
        try {
            while (!closed) {
                Terminal.Size s = Terminal.size(TERMINAL);
                machine.lock().lock();
                try {
                    device.resize(s.columns(), s.rows());
                } finally {
                    machine.lock().unlock();
                }
                Thread.sleep(SIZE_MILLIS);
            }
        } catch (LinuxException e) {
            return; // no terminal any more
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Something typed at the terminal; waits while the guest does not read. */
    void typed(Machine machine, byte[] bytes) throws InterruptedException {
        machine.hostEvent(TYPED + " " + HexFormat.of().formatHex(bytes));
        while (pending(machine) > ROOM) {
            Thread.sleep(10);
        }
    }

    private int pending(Machine machine) {
        machine.lock().lock();
        try {
            return device.pending(0);
        } finally {
            machine.lock().unlock();
        }
    }

    @Override
    public void close() throws VmmException {
        closed = true;
        for (SocketPort s : sockets) {
            try {
                s.close();
            } catch (java.io.IOException e) {
                throw new VmmException(VmmException.HOST, "a port could not be closed: " + Reasons.of(e), e);
            }
        }
    }
}
