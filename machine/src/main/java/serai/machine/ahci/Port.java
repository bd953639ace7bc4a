package serai.machine.ahci;

import java.io.IOException;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import serai.machine.disk.DiskRequests;
import serai.machine.disk.IoExecutor;
import serai.machine.memory.GuestAddressException;
import serai.machine.memory.GuestMemory;

/**
 * A port: its registers (AHCI 1.3.1, 3.3), and the way of a command from the list to the device and back.
 *
 * <p>A device does one command after the other, or up to 32 that are queued. The bit of a command in PxCI falls when the device has done
 * it, that of a queued one when it has it; the end of a queued one clears its bit in PxSACT.
 *
 * <p>A command that fails stops the list (PxIS.TFES), and so does a driver that puts no command where one should be: its list, its tables or
 * its receive area are not in RAM (HBFS), or it sends what is for no such device (IFS). Nothing is taken any more until it clears PxCMD.ST or
 * resets.
 */
final class Port implements SataDevice.Link {
    private static final int CLB = 0, FB = 8, IS = 0x10, IE = 0x14, CMD = 0x18, TFD = 0x20, SIG = 0x24, SSTS = 0x28;
    private static final int SCTL = 0x2c, SERR = 0x30, SACT = 0x34, CI = 0x38;

    // PxIS
    private static final int REGISTERS = 1, PIO_SETUP = 1 << 1, DEVICE_BITS = 1 << 3, UNKNOWN_FIS = 1 << 4;
    private static final int DESCRIPTOR = 1 << 5, CONNECT = 1 << 6, PHY_READY = 1 << 22, OVERFLOW = 1 << 24;
    private static final int INTERFACE_FATAL = 1 << 27, HOST_BUS_FATAL = 1 << 29, TASK_FILE_ERROR = 1 << 30;
    private static final int CLEARABLE = REGISTERS
            | PIO_SETUP
            | DEVICE_BITS
            | DESCRIPTOR
            | OVERFLOW
            | INTERFACE_FATAL
            | HOST_BUS_FATAL
            | TASK_FILE_ERROR;
    private static final int ENABLES = 0xfdc000ff;

    // PxCMD
    private static final int START = 1, SPUN_UP = 2, POWERED = 4, OVERRIDE = 8, RECEIVE = 1 << 4, ATAPI = 1 << 24;
    private static final int ATAPI_LIGHT = 1 << 25;
    private static final int RECEIVING = 1 << 14, RUNNING = 1 << 15;
    private static final int KEPT = START | RECEIVE | ATAPI | ATAPI_LIGHT;

    // PxSERR
    private static final int PHY_CHANGED = 1 << 16, UNRECOGNIZED_FIS = 1 << 25, EXCHANGED = 1 << 26;

    /** PxSSTS: a device at 6 Gbit/s, active; and none, as the cable is held in reset or off. */
    private static final int PRESENT = 0x133;

    private static final int OFF = 4;
    private static final int DETECTION = 0xf, DISABLED = 4;
    private static final int SOFT_RESET = 4; // device control
    private static final int SLOTS = 32;

    /** What a port asks of the adapter. */
    interface Host {
        GuestMemory memory();

        /** Whether the adapter may read and write memory. */
        boolean busMaster();

        /** The port's interrupts may have changed. */
        void changed();

        /** Something that the user should know. */
        void complain(String what);
    }

    /** A command under way; a slot has one at a time. */
    private record Key(Command command) {
        @Override
        public boolean equals(@Nullable Object o) {
            return o instanceof Key k && k.command.slot == command.slot;
        }

        @Override
        public int hashCode() {
            return command.slot;
        }
    }

    private final int number;
    private final Host host;
    private final SataDevice device;
    private final DiskRequests<Key> underWay;
    private long list;
    private long area;
    private int interrupts;
    private int enabled;
    private int command;
    private int taskFile;
    private int signature;
    private int control;
    private int errors;
    private int active;
    private int issued;
    /** The slot that was taken last, -1 at first; and the one whose command the device does by itself, or -1. */
    private int last = -1;

    private int current = -1;
    /** Nothing is taken any more, see above. */
    private boolean stopped;
    /** The registers after a reset are yet to be written to memory, which may be when PxCMD.FRE is set. */
    private boolean unsent;

    private boolean inSoftReset;

    /**
     * A port with a device.
     *
     * @param io does what would make a vCPU wait
     */
    Port(int number, Host host, SataDevice device, IoExecutor io) {
        this.number = number;
        this.host = host;
        this.device = device;
        underWay = new DiskRequests<>(io, device.gate(), host::busMaster);
        device.on(this);
    }

    @Override
    public GuestMemory memory() {
        return host.memory();
    }

    // ---- registers ----

    int read(int at) {
        return switch (at) {
            case CLB -> (int) list;
            case CLB + 4 -> (int) (list >>> 32);
            case FB -> (int) area;
            case FB + 4 -> (int) (area >>> 32);
            case IS -> interruptStatus();
            case IE -> enabled;
            case CMD -> command | SPUN_UP | POWERED | commandState();
            case TFD -> taskFile;
            case SIG -> signature;
            case SSTS -> status();
            case SCTL -> control;
            case SERR -> errors;
            case SACT -> active;
            case CI -> issued;
            default -> 0;
        };
    }

    private int commandState() {
        return ((command & RECEIVE) != 0 ? RECEIVING : 0)
                | ((command & (START | RECEIVE)) == (START | RECEIVE) ? RUNNING | Math.max(0, last) << 8 : 0);
    }

    private int status() {
        return switch (control & DETECTION) {
            case 0 -> PRESENT;
            case DISABLED -> OFF;
            default -> 0;
        };
    }

    private int interruptStatus() {
        return interrupts
                | ((errors & EXCHANGED) != 0 ? CONNECT : 0)
                | ((errors & PHY_CHANGED) != 0 ? PHY_READY : 0)
                | ((errors & UNRECOGNIZED_FIS) != 0 ? UNKNOWN_FIS : 0);
    }

    /** Whether it has an interrupt that is enabled. */
    boolean interrupting() {
        return (interruptStatus() & enabled) != 0;
    }

    void write(int at, int v) {
        switch (at) {
            case CLB -> list = list & ~0xffffffffL | v & 0xfffffc00L;
            case CLB + 4 -> list = list & 0xffffffffL | (long) v << 32;
            case FB -> area = area & ~0xffffffffL | v & 0xffffff00L;
            case FB + 4 -> area = area & 0xffffffffL | (long) v << 32;
            case IS -> interrupts &= ~(v & CLEARABLE);
            case IE -> enabled = v & ENABLES;
            case CMD -> command(v);
            case SCTL -> control(v & 0xfff);
            case SERR -> errors &= ~v;
            case SACT -> active |= (command & START) != 0 ? v : 0;
            case CI -> {
                issued |= (command & START) != 0 ? v : 0;
                process();
            }
            default -> {}
        }
        host.changed();
    }

    /** 10.3. */
    private void command(int v) {
        int old = command;
        command = v & KEPT | ((v & START) != 0 ? old & RECEIVE : 0); // FRE stays as long as the list runs
        if ((v & OVERRIDE) != 0 && (v & START) == 0) {
            taskFile &= ~(Result.BUSY | Result.DATA_REQUEST);
        }
        if ((old & START) != 0 && (command & START) == 0) {
            forget();
            taskFile &= ~(Result.BUSY | Result.DATA_REQUEST);
        }
        if ((old & RECEIVE) == 0 && (command & RECEIVE) != 0 && unsent) {
            send();
        }
        process();
    }

    /** PxSCTL: 10.4.2, and off. */
    private void control(int v) {
        int old = control & DETECTION;
        control = v;
        if ((v & DETECTION) == old) {
            return;
        }
        if ((v & DETECTION) != 0) {
            forget();
            taskFile = 0x7f;
            errors |= PHY_CHANGED;
            return;
        }
        connected();
    }

    /** The cable comes up: the device resets, and tells who it is. */
    private void connected() {
        forget();
        device.reset(true);
        errors |= PHY_CHANGED | EXCHANGED;
        inSoftReset = false;
        tellSignature();
    }

    private void tellSignature() {
        Result.Done d = device.signed(device.statusAfterReset());
        signature = device.signature();
        taskFile = d.error() << 8 | d.status();
        unsent = true;
        if ((command & RECEIVE) != 0) {
            send();
        }
    }

    private void send() {
        unsent = false;
        try {
            new Fis(host.memory(), area).registers(device.signed(device.statusAfterReset()), false);
        } catch (GuestAddressException e) {
            stop(HOST_BUS_FATAL, String.valueOf(e.getMessage()));
        }
    }

    // ---- commands ----

    private boolean runs() {
        return (command & (START | RECEIVE)) == (START | RECEIVE)
                && (control & DETECTION) == 0
                && !stopped
                && host.busMaster();
    }

    /** Takes what has been issued, as far as the device takes it. */
    void process() {
        while (runs() && current < 0 && issued != 0) {
            int slot = (last + 1) % SLOTS;
            slot = (slot + Integer.numberOfTrailingZeros(Integer.rotateRight(issued, slot))) % SLOTS;
            last = slot;
            try {
                take(Command.read(host.memory(), list, slot));
            } catch (GuestAddressException e) {
                stop(HOST_BUS_FATAL, String.valueOf(e.getMessage()));
            } catch (Command.Refused e) {
                stop(INTERFACE_FATAL, String.valueOf(e.getMessage()));
            }
        }
    }

    private void take(Command c) {
        int bit = 1 << c.slot;
        if (!c.isCommand()) {
            deviceControl(c, bit);
            return;
        }
        boolean queued = c.isQueued() && device instanceof AtaDisk;
        if (queued ? (active & bit) == 0 || c.tag() != c.slot || isUnderWay(c) : isAnyUnderWay()) {
            // ACS-3, 4.16.2: queued commands and others don't mix, and end each other
            abandonAll();
            complete(c, Result.Done.aborted(), false);
            return;
        }
        if (queued) {
            issued &= ~bit;
        } else {
            current = c.slot;
            taskFile |= Result.BUSY;
        }
        execute(c, queued, 0);
    }

    private void execute(Command c, boolean queued, long due) {
        switch (device.execute(c)) {
            case Result.Done d -> complete(c, d, queued);
            case Result.Work w ->
                underWay.submit(
                        new Key(c),
                        w.demand(),
                        w.work(),
                        failure -> {
                            complain(failure);
                            w.buffers().done();
                            complete(c, w.end().apply(failure), queued);
                            process();
                            host.changed();
                        },
                        due);
        }
    }

    private void complain(@Nullable IOException failure) {
        if (failure != null) {
            host.complain("disk " + device.id() + ": " + failure.getMessage());
        }
    }

    /** Device control by a FIS of its own: a soft reset begins, and ends (SATA 3.1, 10.5.3.3). */
    private void deviceControl(Command c, int bit) {
        boolean reset = (c.control() & SOFT_RESET) != 0;
        if (reset) {
            abandonAll();
            taskFile |= c.clearsBusy() ? 0 : Result.BUSY;
            active = 0;
        } else if (inSoftReset) {
            device.reset(false);
            tellSignature();
        }
        inSoftReset = reset;
        issued &= ~bit;
    }

    private boolean isUnderWay(Command c) {
        return underWay.contains(new Key(c));
    }

    private boolean isAnyUnderWay() {
        boolean[] any = new boolean[1];
        underWay.forEach((k, due) -> any[0] = true);
        return any[0];
    }

    private void abandonAll() {
        underWay.abandon(k -> true);
        current = -1;
    }

    private void complete(Command c, Result.Done d, boolean queued) {
        int bit = 1 << c.slot;
        current = -1;
        try {
            Fis fis = new Fis(host.memory(), area);
            boolean good = !d.isError();
            if (queued) {
                active &= good ? ~bit : -1;
                fis.deviceBits(d, good ? bit : 0);
                interrupts |= DEVICE_BITS;
            } else {
                host.memory().writeInt(list + c.slot * Command.HEADER + Command.BYTES_DONE, (int) d.bytes());
                if (d.pio()) {
                    fis.pioSetup(d);
                    interrupts |= PIO_SETUP;
                }
                if (!d.ends()) {
                    fis.registers(d, true);
                    interrupts |= REGISTERS;
                }
                issued &= good ? ~bit : -1;
            }
            taskFile = d.error() << 8 | d.status();
            interrupts |= (d.overflow() ? OVERFLOW : 0) | (good && c.interrupts ? DESCRIPTOR : 0);
            if (!good) {
                abandonAll();
                stopped = true;
                interrupts |= TASK_FILE_ERROR;
            }
        } catch (GuestAddressException e) {
            stop(HOST_BUS_FATAL, String.valueOf(e.getMessage()));
        }
    }

    @Override
    public void end(Result.Done result) {
        if (current >= 0) {
            Command[] c = new Command[1];
            underWay.forEach((k, due) -> c[0] = k.command);
            abandonAll();
            if (c[0] != null) {
                complete(c[0], result, false);
            }
        }
        host.changed();
    }

    private void stop(int why, String what) {
        abandonAll();
        stopped = true;
        interrupts |= why;
        host.complain("port %d stopped: %s".formatted(number, what));
    }

    /** What a cleared PxCMD.ST and a reset of the cable make of the list. */
    private void forget() {
        abandonAll();
        issued = 0;
        active = 0;
        last = -1;
        stopped = false;
    }

    // ---- state ----

    /**
     * As after power-on.
     *
     * @param addresses whether those of the list and the receive area are lost, too, which they are not by GHC.HR
     */
    void reset(boolean addresses) {
        list = addresses ? 0 : list;
        area = addresses ? 0 : area;
        interrupts = 0;
        enabled = 0;
        command = 0;
        control = 0;
        errors = 0;
        connected();
    }

    AhciState.Port save() {
        LongStream.Builder commands = LongStream.builder();
        underWay.forEach((k, due) -> {
            commands.add(due);
            k.command.save(commands);
        });
        return new AhciState.Port(
                number,
                list,
                area,
                interrupts,
                enabled,
                command,
                taskFile,
                signature,
                control,
                errors,
                active,
                issued,
                last,
                stopped,
                unsent,
                inSoftReset,
                device.save(),
                commands.build().toArray());
    }

    boolean fits(AhciState.Port s) {
        return device.fits(s.device());
    }

    /** The adapter may reach memory again. */
    void resume() {
        underWay.resume();
        process();
    }

    void restore(AhciState.Port s) {
        abandonAll();
        list = s.list() & -1024;
        area = s.area() & -256;
        interrupts = s.interrupts() & CLEARABLE;
        enabled = s.enabled() & ENABLES;
        command = s.command() & KEPT;
        taskFile = s.taskFile() & 0xffff;
        signature = s.signature();
        control = s.control() & 0xfff;
        errors = s.errors();
        active = s.active();
        issued = s.issued();
        last = Math.clamp(s.last(), -1, SLOTS - 1);
        current = -1;
        stopped = s.stopped();
        unsent = s.unsent();
        inSoftReset = s.inSoftReset();
        device.restore(s.device());
        PrimitiveIterator.OfLong from = LongStream.of(s.commands()).iterator();
        while (from.hasNext()) {
            long due = from.nextLong();
            Command c = Command.restore(from);
            boolean queued = c.isQueued() && device instanceof AtaDisk;
            if (isUnderWay(c) || !queued && isAnyUnderWay() || current >= 0) {
                throw new IllegalArgumentException("AHCI commands that can't be under way together");
            }
            current = queued ? -1 : c.slot;
            try {
                execute(c, queued, due);
            } catch (GuestAddressException e) {
                stop(HOST_BUS_FATAL, String.valueOf(e.getMessage())); // memory that was unplugged meanwhile
            }
        }
    }
}
