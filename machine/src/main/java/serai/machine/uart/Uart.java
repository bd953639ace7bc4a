package serai.machine.uart;

import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.PortDevice;
import serai.machine.time.Timers;

/**
 * A 16550A (National Semiconductor PC16550D). The transmitter takes every byte at once; the receiver's FIFO holds 16 and the
 * backend keeps the rest.
 */
public final class Uart implements Device<UartState>, PortDevice {
    private static final int IER = 0, FCR = 1, LCR = 2, MCR = 3, SCR = 4, DLL = 5, DLM = 6, ERRORS = 7;
    private static final int FIFO = 16;
    private static final int IER_RECEIVE = 1, IER_EMPTY = 2, IER_LINE = 4;
    private static final int LSR_READY = 1, LSR_OVERRUN = 2, LSR_EMPTY = 0x60;
    private static final int MCR_OUT2 = 8, MCR_LOOP = 0x10;
    /** So many looks at an empty receiver, and nothing sent between them, are a guest that waits for input by polling. */
    private static final int POLLS = 16;
    /** How long a driver may go on setting up after it has enabled the receive interrupt: ten characters at 115200 Bd. */
    private static final long SETTLE_NANOS = 1_000_000;

    private final String name;
    private final int base;
    private final IrqLine irq;
    private final SerialBackend backend;
    private final byte[] r = new byte[8];
    private final byte[] fifo = new byte[FIFO];
    private int count;
    private boolean emptyPending;
    private boolean timeoutPending;
    private int polls;
    private final Timers timers;
    private final Timers.Timer settling;
    private Runnable onRoom = () -> {};

    /**
     * A serial port.
     *
     * @param base the first of its eight ports
     */
    public Uart(String name, int base, Timers timers, IrqLine irq, SerialBackend backend) {
        this.timers = timers;
        settling = timers.timer(() -> onRoom.run());
        this.name = name;
        this.base = base;
        this.irq = irq;
        this.backend = backend;
        reset();
    }

    /** Runs {@code action}, with the machine lock held, when the guest has made room for input. */
    public void onRoom(Runnable action) {
        onRoom = action;
    }

    /**
     * Whether the guest would see input now: it has enabled the receive interrupt a moment ago, or it polls. What comes
     * before is lost, as drivers clear the FIFO when they take a port over (Linux after it has enabled the interrupt, too);
     * who has the choice waits for this.
     */
    public boolean listening() {
        return ((r[IER] & IER_RECEIVE) != 0 && !settling.armed()) || polls >= POLLS;
    }

    /** Whether the guest has taken all that has come. */
    public boolean empty() {
        return count == 0;
    }

    /** How many bytes {@link #receive} takes now. */
    public int room() {
        return (r[MCR] & MCR_LOOP) != 0 ? 0 : Math.max(0, capacity() - count);
    }

    private int capacity() {
        return (r[FCR] & 1) != 0 ? FIFO : 1;
    }

    /**
     * Bytes come in on the line; with the machine lock held.
     *
     * @return how many were taken, the rest is to be given again after {@link #onRoom}
     */
    public int receive(byte[] bytes, int offset, int length) {
        int n = Math.min(length, room());
        for (int i = 0; i < n; i++) {
            fifo[count++] = bytes[offset + i];
        }
        if (n > 0) {
            timeoutPending = count < trigger();
            update();
        }
        return n;
    }

    private int trigger() {
        if ((r[FCR] & 1) == 0) {
            return 1;
        }
        return switch (r[FCR] >>> 6 & 3) {
            case 0 -> 1;
            case 1 -> 4;
            case 2 -> 8;
            default -> 14;
        };
    }

    /** The interrupt identification, by priority; 1 for none. */
    private int identify() {
        int ier = r[IER];
        if ((ier & IER_LINE) != 0 && r[ERRORS] != 0) {
            return 6;
        }
        if ((ier & IER_RECEIVE) != 0 && count >= trigger()) {
            return 4;
        }
        if ((ier & IER_RECEIVE) != 0 && timeoutPending && count > 0) {
            return 0xc;
        }
        return (ier & IER_EMPTY) != 0 && emptyPending ? 2 : 1;
    }

    private void update() {
        // OUT2 gates the interrupt on a PC
        irq.set(identify() != 1 && (r[MCR] & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2);
    }

    private boolean latch() {
        return (r[LCR] & 0x80) != 0;
    }

    @Override
    public int readPort(int port, int size) {
        int v = readRegister(port - base);
        update();
        return v & 0xff;
    }

    private int readRegister(int n) {
        switch (n) {
            case 0:
                if (latch()) {
                    return r[DLL];
                }
                if (count == 0) {
                    return 0;
                }
                int b = fifo[0];
                System.arraycopy(fifo, 1, fifo, 0, --count);
                timeoutPending = count > 0;
                if (count == 0) {
                    makeRoom();
                }
                return b;
            case 1:
                return latch() ? r[DLM] : r[IER];
            case 2:
                int id = identify();
                if (id == 2) {
                    emptyPending = false;
                }
                return id | ((r[FCR] & 1) != 0 ? 0xc0 : 0);
            case 3:
                return r[LCR];
            case 4:
                return r[MCR];
            case 5:
                int errors = r[ERRORS];
                r[ERRORS] = 0;
                if (count == 0 && polls < POLLS && ++polls == POLLS) {
                    onRoom.run();
                }
                return LSR_EMPTY | (count > 0 ? LSR_READY : 0) | errors;
            case 6:
                // looped back: OUT2, OUT1, RTS, DTR appear as DCD, RI, CTS, DSR; else carrier, ready, clear to send
                int m = r[MCR];
                return (m & MCR_LOOP) == 0 ? 0xb0 : (m & 0xc) << 4 | (m & 2) << 3 | (m & 1) << 5;
            default:
                return r[SCR];
        }
    }

    @Override
    public void writePort(int port, int size, int value) {
        byte v = (byte) value;
        switch (port - base) {
            case 0 -> {
                if (latch()) {
                    r[DLL] = v;
                } else {
                    transmit(v);
                }
            }
            case 1 -> {
                if (latch()) {
                    r[DLM] = v;
                } else {
                    // enabling the transmitter's interrupt while it is empty raises it
                    if ((v & IER_EMPTY) != 0 && (r[IER] & IER_EMPTY) == 0) {
                        emptyPending = true;
                    }
                    if ((v & IER_RECEIVE) == 0) {
                        settling.cancel();
                    } else if ((r[IER] & IER_RECEIVE) == 0) {
                        settling.arm(timers.clock().nanos() + SETTLE_NANOS);
                    }
                    r[IER] = (byte) (v & 15);
                }
            }
            case 2 -> {
                if ((v & 2) != 0 || (v & 1) != (r[FCR] & 1)) {
                    count = 0;
                    timeoutPending = false;
                }
                r[FCR] = (byte) (v & 0xc9);
                makeRoom();
            }
            case 3 -> r[LCR] = v;
            case 4 -> {
                r[MCR] = (byte) (v & 0x1f);
                makeRoom();
            }
            case 7 -> r[SCR] = v;
            default -> {}
        }
        update();
    }

    /** The interrupt falls before the next bytes raise it again: the 8259 wants an edge, and a line has a pause between two bytes. */
    private void makeRoom() {
        update();
        onRoom.run();
    }

    private void transmit(byte b) {
        polls = 0;
        if ((r[MCR] & MCR_LOOP) != 0) {
            if (count < capacity()) {
                fifo[count++] = b;
                timeoutPending = count < trigger();
            } else {
                r[ERRORS] |= LSR_OVERRUN;
            }
        } else {
            backend.transmit(b);
        }
        emptyPending = true;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void reset() {
        java.util.Arrays.fill(r, (byte) 0);
        r[DLL] = 12;
        count = 0;
        emptyPending = false;
        timeoutPending = false;
        polls = 0;
        settling.cancel();
        update();
    }

    @Override
    public UartState save() {
        return new UartState(
                1,
                r.clone(),
                java.util.Arrays.copyOf(fifo, count),
                emptyPending,
                timeoutPending,
                polls,
                settling.deadline());
    }

    @Override
    public void restore(UartState s) {
        if (s.version() != 1 || s.registers().length != r.length || s.received().length > FIFO) {
            throw new IllegalArgumentException("UART state of version " + s.version());
        }
        System.arraycopy(s.registers(), 0, r, 0, r.length);
        count = s.received().length;
        System.arraycopy(s.received(), 0, fifo, 0, count);
        emptyPending = s.transmitEmptyPending();
        timeoutPending = s.timeoutPending();
        polls = Math.clamp(s.polls(), 0, POLLS);
        settling.restore(s.settled());
        update();
    }

    @Override
    public Class<UartState> stateType() {
        return UartState.class;
    }
}
