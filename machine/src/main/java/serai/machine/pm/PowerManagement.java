package serai.machine.pm;

import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.PortDevice;
import serai.machine.time.Timers;

/**
 * ACPI fixed hardware (ACPI 6.5, 4.8.3): PM1a event and control blocks, the PM timer, one general-purpose event block; and the
 * reset control register 0xcf9 of the ICH.
 *
 * <p>Offsets from the base: 0 PM1 status, 2 PM1 enable, 4 PM1 control, 8 timer, 0x20 GPE0 status, 0x22 GPE0 enable.
 */
public final class PowerManagement implements Device<PmState>, PortDevice {
    /** Ports from the base. */
    public static final int PORTS = 0x24;
    /** The PM timer's frequency, in hertz. */
    public static final long TIMER_HZ = 3_579_545;
    /** The sleep type that the DSDT gives for \_S5. */
    public static final int SLEEP_S5 = 5;
    /** The reset control register. */
    public static final int RESET_PORT = 0xcf9;

    private static final int TIMER_STATUS = 1, POWER_BUTTON = 1 << 8, WAKE = 1 << 15;
    private static final int SCI_ENABLE = 1, SLEEP_ENABLE = 1 << 13;

    private final int base;
    private final Timers timers;
    private final Timers.Timer overflow;
    private final IrqLine sci;
    private final Runnable powerOff;
    private final Runnable resetMachine;
    private int status;
    private int enable;
    private int control;
    private int gpeStatus;
    private int gpeEnable;
    private int resetControl;
    /** How often the timer's top bit had changed when {@link #update} last looked. */
    private long lastHalf;

    /**
     * The hardware.
     *
     * @param base first of {@link #PORTS} ports
     * @param powerOff what entering S5 does
     * @param resetMachine what a write to the reset register does
     */
    public PowerManagement(int base, Timers timers, IrqLine sci, Runnable powerOff, Runnable resetMachine) {
        this.base = base;
        this.timers = timers;
        this.sci = sci;
        this.powerOff = powerOff;
        this.resetMachine = resetMachine;
        overflow = timers.timer(this::update);
        reset();
    }

    /** The power button is pressed. */
    public void pressPowerButton() {
        status |= POWER_BUTTON;
        update();
    }

    /**
     * A general-purpose event has happened.
     *
     * @param n its number, 0 to 15
     */
    public void raiseEvent(int n) {
        gpeStatus |= 1 << n;
        drive();
    }

    private long ticks() {
        long ns = timers.clock().nanos();
        return ns / 1_000_000_000L * TIMER_HZ + ns % 1_000_000_000L * TIMER_HZ / 1_000_000_000L;
    }

    /** Sets TMR_STS at each change of the timer's top bit (bit 31), and drives the SCI. */
    private void update() {
        long half = ticks() >>> 31;
        if (half != lastHalf) {
            status |= TIMER_STATUS;
            lastHalf = half;
        }
        overflow.cancel();
        if ((enable & TIMER_STATUS) != 0) {
            long next = (half + 1) << 31;
            overflow.arm(next / TIMER_HZ * 1_000_000_000L + next % TIMER_HZ * 1_000_000_000L / TIMER_HZ + 1_000);
        }
        drive();
    }

    private void drive() {
        sci.set((control & SCI_ENABLE) != 0 && ((status & enable) != 0 || (gpeStatus & gpeEnable) != 0));
    }

    @Override
    public boolean wide() {
        return true;
    }

    @Override
    public int readPort(int port, int size) {
        if (port == RESET_PORT) {
            return resetControl;
        }
        update(); // a driver may poll the status with the event disabled
        int v = 0;
        for (int i = 0; i < size; i++) {
            v |= readByte(port - base + i) << i * 8;
        }
        return v;
    }

    private int readByte(int offset) {
        int shift = (offset & 1) * 8;
        return switch (offset) {
            case 0, 1 -> status >>> shift & 0xff;
            case 2, 3 -> enable >>> shift & 0xff;
            case 4, 5 -> control >>> shift & 0xff;
            case 8, 9, 10, 11 -> (int) (ticks() >>> (offset - 8) * 8) & 0xff;
            case 0x20, 0x21 -> gpeStatus >>> shift & 0xff;
            case 0x22, 0x23 -> gpeEnable >>> shift & 0xff;
            default -> 0;
        };
    }

    @Override
    public void writePort(int port, int size, int value) {
        if (port == RESET_PORT) {
            resetControl = value & 0xe;
            if ((value & 4) != 0) {
                resetMachine.run();
            }
            return;
        }
        if (port - base == 4 && size >= 2) {
            writeControl(value & 0xffff);
            return;
        }
        for (int i = 0; i < size; i++) {
            writeByte(port - base + i, value >>> i * 8 & 0xff);
        }
        update();
    }

    private void writeByte(int offset, int v) {
        int shift = (offset & 1) * 8;
        int keep = ~(0xff << shift);
        switch (offset) {
            case 0, 1 -> status &= ~(v << shift);
            case 2, 3 -> enable = enable & keep | v << shift;
            case 4, 5 -> writeControl(control & keep | v << shift);
            case 0x20, 0x21 -> gpeStatus &= ~(v << shift);
            case 0x22, 0x23 -> gpeEnable = gpeEnable & keep | v << shift;
            default -> {}
        }
    }

    private void writeControl(int v) {
        // SLP_EN reads as zero
        control = v & ~SLEEP_ENABLE;
        if ((v & SLEEP_ENABLE) != 0) {
            if ((v >>> 10 & 7) == SLEEP_S5) {
                powerOff.run();
            } else {
                status |= WAKE; // no other sleep state is offered: awake at once
            }
        }
        update();
    }

    @Override
    public String name() {
        return "pm";
    }

    @Override
    public void reset() {
        status = 0;
        enable = 0;
        control = SCI_ENABLE; // the machine starts in ACPI mode: there is no SMI handler to ask
        gpeStatus = 0;
        gpeEnable = 0;
        resetControl = 0;
        lastHalf = ticks() >>> 31;
        update();
    }

    @Override
    public PmState save() {
        return new PmState(
                1, status, enable, control, gpeStatus, gpeEnable, resetControl, lastHalf, overflow.deadline());
    }

    @Override
    public void restore(PmState s) {
        if (s.version() != 1) {
            throw new IllegalArgumentException("PM state of version " + s.version());
        }
        status = s.status();
        enable = s.enable();
        control = s.control();
        gpeStatus = s.gpeStatus();
        gpeEnable = s.gpeEnable();
        resetControl = s.reset();
        lastHalf = s.half();
        overflow.restore(s.overflow());
        drive();
    }

    @Override
    public Class<PmState> stateType() {
        return PmState.class;
    }
}
