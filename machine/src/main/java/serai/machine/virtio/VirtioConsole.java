package serai.machine.virtio;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import serai.machine.bus.MsiSink;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;

/**
 * The console device with several ports: virtio 1.2, 5.3.
 *
 * <pre>
 * queues:   0 and 1 receive and transmit of port 0 | 2 and 3 of control messages | 4 and 5 of port 1 | …
 * message:  0 port (4) | 4 event (2) | 6 value (2) | 8 a name, or columns (2) and rows (2)
 * </pre>
 *
 * A driver without VIRTIO_CONSOLE_F_MULTIPORT has port 0 alone. What a port has to tell its driver is a set of bits, told in their order
 * as the driver gives room: so nothing is to be queued, and a driver that asks without listening costs nothing. Data wait on both sides:
 * for the guest to open the port and give buffers, for the host to take them. Data for a port that nobody holds on the host are dropped.
 *
 * <p>What the host has given and the guest has not taken outlives a reset: it is typed ahead. The methods for the host are called with the machine
 * lock held.
 */
public final class VirtioConsole extends VirtioDevice {
    /** Ports at most: with the control queues, 18 queues, whatever is plugged into them. */
    public static final int MAX_PORTS = 8;

    private static final long F_SIZE = 1, F_MULTIPORT = 2;
    private static final int CONTROL_RECEIVE = 2, CONTROL_TRANSMIT = 3;
    private static final int DEVICE_READY = 0,
            PORT_ADD = 1,
            PORT_READY = 3,
            CONSOLE_PORT = 4,
            RESIZE = 5,
            PORT_OPEN = 6;
    private static final int PORT_NAME = 7;
    private static final int MESSAGE = 8;
    /** What there is to tell, in the order of the telling. */
    private static final int[] TELL = {PORT_ADD, CONSOLE_PORT, PORT_NAME, PORT_OPEN, RESIZE};
    /** Bytes of one chain at most: Linux sends 32 KiB. */
    private static final int MAX_BYTES = 1 << 20;

    private static final class Port {
        final ConsolePort host;
        boolean hostOpen = true;
        boolean guestOpen;
        /** Events to tell the driver, a bit each. */
        int tell;
        /** For the guest; from {@code inputStart} on. */
        byte[] input = new byte[0];

        int inputStart;
        /** From the guest, not taken by the host yet. */
        byte[] output = new byte[0];

        Port(ConsolePort host) {
            this.host = host;
        }

        int inputBytes() {
            return input.length - inputStart;
        }
    }

    private final List<Port> ports = new ArrayList<>();
    private boolean multiport;
    private int columns;
    private int rows;

    /**
     * A console.
     *
     * @param hosts the host's ends of ports 0, 1, …: 1 to {@value #MAX_PORTS}
     */
    public VirtioConsole(List<ConsolePort> hosts) {
        super(3, 0x078000, 2 * (MAX_PORTS + 1));
        if (hosts.isEmpty() || hosts.size() > MAX_PORTS) {
            throw new IllegalArgumentException(hosts.size() + " ports");
        }
        hosts.forEach(h -> ports.add(new Port(h)));
    }

    /** The device on PCI; once. */
    public VirtioPci onPci(String name, GuestMemory guestMemory, MsiSink sink) {
        return new VirtioPci(name, this, guestMemory, sink);
    }

    // ---- the host's side ----

    /** Bytes for the guest. They are kept until it takes them: whoever gives them looks at {@link #pending} first. */
    public void input(int port, byte[] bytes) {
        Port p = ports.get(port);
        byte[] all = Arrays.copyOfRange(p.input, p.inputStart, p.input.length + bytes.length);
        System.arraycopy(bytes, 0, all, p.inputBytes(), bytes.length);
        p.input = all;
        p.inputStart = 0;
        safely(() -> deliver(port));
    }

    /** Bytes that the guest has not taken. */
    public int pending(int port) {
        return ports.get(port).inputBytes();
    }

    /** Somebody holds the port on the host, or nobody any more. */
    public void hostOpen(int port, boolean open) {
        Port p = ports.get(port);
        if (p.hostOpen != open) {
            p.hostOpen = open;
            tell(p, PORT_OPEN);
            safely(() -> transmit(port));
        }
    }

    /** A port's host end, which did not take all, may take more. */
    public void ready(int port) {
        safely(() -> transmit(port));
    }

    /** The terminal at the consoles has this size. */
    public void resize(int newColumns, int newRows) {
        if (newColumns != columns || newRows != rows) {
            columns = newColumns & 0xffff;
            rows = newRows & 0xffff;
            transport.configChanged();
            ports.stream().filter(p -> p.host.isConsole()).forEach(p -> tell(p, RESIZE));
        }
    }

    // ---- the driver's side ----

    @Override
    long features() {
        return F_SIZE | F_MULTIPORT;
    }

    @Override
    void negotiated(long features) {
        multiport = (features & F_MULTIPORT) != 0;
    }

    /** 5.3.4: 0 columns (2), 2 rows (2), 4 the most ports there can be (4). */
    @Override
    int configByte(int offset) {
        return switch (offset) {
            case 0 -> columns & 0xff;
            case 1 -> columns >>> 8;
            case 2 -> rows & 0xff;
            case 3 -> rows >>> 8;
            case 4 -> MAX_PORTS;
            default -> 0;
        };
    }

    private static int receiveQueue(int port) {
        return port == 0 ? 0 : 2 * port + 2;
    }

    @Override
    void notified(Virtqueue q) throws Virtqueue.Malformed {
        if (q.index == CONTROL_RECEIVE) {
            tellAll();
        } else if (q.index == CONTROL_TRANSMIT) {
            if (multiport) {
                drain(q, c -> {
                    control(c.read(memory, MESSAGE));
                    q.push(c, 0);
                });
                tellAll();
            }
        } else {
            int port = q.index < 2 ? 0 : q.index / 2 - 1;
            if (port >= ports.size() || port > 0 && !multiport) {
                return;
            }
            if (q.index % 2 == 0) {
                deliver(port);
            } else {
                transmit(port);
            }
        }
    }

    /** A message of the driver: 5.3.6.2. What is of no port, or no event, is ignored. */
    private void control(byte[] message) {
        if (message.length < MESSAGE) {
            return;
        }
        ByteBuffer b = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
        int id = b.getInt(0);
        int event = b.getShort(4);
        boolean value = b.getShort(6) == 1;
        if (event == DEVICE_READY) {
            if (value) {
                ports.forEach(p -> p.tell |= 1 << PORT_ADD);
            }
            return;
        }
        if (id < 0 || id >= ports.size()) {
            return;
        }
        Port p = ports.get(id);
        if (event == PORT_READY && value) {
            p.tell |= (p.host.isConsole() ? 1 << CONSOLE_PORT | 1 << RESIZE : 0)
                    | (p.host.name().isEmpty() ? 0 : 1 << PORT_NAME)
                    | 1 << PORT_OPEN;
        } else if (event == PORT_OPEN) {
            guestOpen(p, value);
            safely(() -> deliver(id));
        }
    }

    private static void guestOpen(Port p, boolean open) {
        if (p.guestOpen != open) {
            p.guestOpen = open;
            p.host.guestOpen(open);
        }
    }

    private void tell(Port p, int event) {
        if (multiport) {
            p.tell |= 1 << event;
            safely(this::tellAll);
        }
    }

    private void tellAll() throws Virtqueue.Malformed {
        if (!transport.runs() || !multiport) {
            return;
        }
        Virtqueue q = queue[CONTROL_RECEIVE];
        for (int id = 0; id < ports.size(); id++) {
            Port p = ports.get(id);
            for (int event : TELL) {
                if ((p.tell & 1 << event) != 0) {
                    Chain c = q.pop();
                    if (c == null) {
                        transport.usedBuffers(q);
                        return;
                    }
                    p.tell &= ~(1 << event);
                    q.push(c, c.write(memory, 0, message(id, p, event)));
                }
            }
        }
        transport.usedBuffers(q);
    }

    private byte[] message(int id, Port p, int event) {
        byte[] name = event == PORT_NAME ? p.host.name().getBytes(StandardCharsets.UTF_8) : new byte[0];
        ByteBuffer b = ByteBuffer.allocate(MESSAGE + (event == RESIZE ? 4 : name.length))
                .order(ByteOrder.LITTLE_ENDIAN);
        b.putInt(id).putShort((short) event).putShort((short) (event == PORT_OPEN && !p.hostOpen ? 0 : 1));
        if (event == RESIZE) {
            b.putShort((short) columns).putShort((short) rows);
        } else {
            b.put(name);
        }
        return b.array();
    }

    /** From the host to the guest, as far as there is room. */
    private void deliver(int port) throws Virtqueue.Malformed {
        Port p = ports.get(port);
        if (!transport.runs() || multiport && !p.guestOpen) {
            return;
        }
        Virtqueue q = queue[receiveQueue(port)];
        Chain c;
        while (p.inputBytes() > 0 && (c = q.pop()) != null) {
            int n = (int) Math.min(p.inputBytes(), c.writableBytes());
            q.push(c, c.write(memory, 0, Arrays.copyOfRange(p.input, p.inputStart, p.inputStart + n)));
            p.inputStart += n;
        }
        if (p.inputBytes() == 0) {
            p.input = new byte[0];
            p.inputStart = 0;
        }
        transport.usedBuffers(q);
    }

    /** From the guest to the host, as far as that takes it. */
    private void transmit(int port) throws Virtqueue.Malformed {
        Port p = ports.get(port);
        if (!transport.runs() || !taken(p)) {
            return;
        }
        Virtqueue q = queue[receiveQueue(port) + 1];
        Chain c;
        while (p.output.length == 0 && (c = q.pop()) != null) {
            if (c.readableBytes() > MAX_BYTES) {
                throw new Virtqueue.Malformed("%d bytes for a port at once".formatted(c.readableBytes()));
            }
            p.output = c.read(memory, MAX_BYTES);
            q.push(c, 0);
            taken(p);
        }
        transport.usedBuffers(q);
    }

    /** Offers the host what it has not taken; whether nothing is left. */
    private static boolean taken(Port p) {
        if (p.output.length > 0) {
            int n = p.hostOpen ? p.host.write(p.output, 0) : p.output.length;
            p.output = Arrays.copyOfRange(p.output, n, p.output.length);
        }
        return p.output.length == 0;
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
        for (Port p : ports) {
            guestOpen(p, false);
            p.tell = 0;
            p.output = new byte[0];
        }
    }

    // ---- state: columns, rows, and for each port what it tells, who has it open, its input and its output ----

    @Override
    long[] saveWork() {
        LongStream.Builder w = LongStream.builder().add(columns).add(rows).add(ports.size());
        for (Port p : ports) {
            w.add(p.tell).add((p.guestOpen ? 1 : 0) | (p.hostOpen ? 2 : 0));
            save(w, p.input, p.inputStart);
            save(w, p.output, 0);
        }
        return w.build().toArray();
    }

    private static void save(LongStream.Builder w, byte[] bytes, int from) {
        w.add(bytes.length - from);
        for (int i = from; i < bytes.length; i++) {
            w.add(bytes[i]);
        }
    }

    @Override
    void restoreWork(long[] work) {
        PrimitiveIterator.OfLong from = Arrays.stream(work).iterator();
        try {
            columns = (int) from.nextLong() & 0xffff;
            rows = (int) from.nextLong() & 0xffff;
            if (from.nextLong() != ports.size()) {
                throw new IllegalArgumentException("the state is of a console with other ports");
            }
            for (Port p : ports) {
                p.tell = (int) from.nextLong() & 0xff;
                long open = from.nextLong();
                guestOpen(p, (open & 1) != 0);
                p.hostOpen = (open & 2) != 0;
                p.input = restored(from, work.length);
                p.inputStart = 0;
                p.output = restored(from, work.length);
            }
        } catch (NoSuchElementException e) {
            throw new IllegalArgumentException("a console's state that ends in the middle", e);
        }
    }

    private static byte[] restored(PrimitiveIterator.OfLong from, int most) {
        long n = from.nextLong();
        if (n < 0 || n > most) {
            throw new IllegalArgumentException(n + " bytes in a console");
        }
        byte[] b = new byte[(int) n];
        for (int i = 0; i < b.length; i++) {
            b[i] = (byte) from.nextLong();
        }
        return b;
    }
}
