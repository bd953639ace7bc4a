package serai.machine.pm;

import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.PortDevice;
import serai.machine.time.Timers;

/**
 * ACPI fixed hardware (ACPI 6.5, 4.8.3): PM1a event and control blocks, the PM timer, one general-purpose event block; and the
 * reset control register 0xcf9 of the ICH. All of it stays powered in S3, as it has to wake the machine.
 *
 * <p>Offsets from the base: 0 PM1 status, 2 PM1 enable, 4 PM1 control, 8 timer, 0x20 GPE0 status, 0x22 GPE0 enable.
 */
public final class PowerManagement implements Device<PmState>, PortDevice {
    /** Ports from the base. */
    public static final int PORTS = 0x24;
    /** The PM timer's frequency, in hertz. */
    public static final long TIMER_HZ = 3_579_545;
    /** The sleep types that the DSDT gives for \_S3, \_S4 and \_S5. */
    public static final int SLEEP_S3 = 3, SLEEP_S4 = 4, SLEEP_S5 = 5;
    /** The reset control register. */
    public static final int RESET_PORT = 0xcf9;

    private static final int TIMER_STATUS = 1, POWER_BUTTON = 1 << 8, RTC = 1 << 10, WAKE = 1 << 15;
    /** Values of {@link PmState#sleep}. */
    private static final int AWAKE = 0, ENTERING = 1, ASLEEP = 2;

    private static final int SCI_ENABLE = 1, SLEEP_ENABLE = 1 << 13;

    private final int base;
    private final Timers timers;
    private final Timers.Timer overflow;
    private final IrqLine sci;
    private final PowerSwitch power;
    private int status;
    private int enable;
    private int control;
    private int gpeStatus;
    private int gpeEnable;
    private int resetControl;
    private int sleep;
    private boolean waking;
    /** How often the timer's top bit had changed when {@link #update} last looked. */
    private long lastHalf;

    /**
     * The hardware.
     *
     * @param base first of {@link #PORTS} ports
     * @param power what the machine does then
     */
    public PowerManagement(int base, Timers timers, IrqLine sci, PowerSwitch power) {
        this.base = base;
        this.timers = timers;
        this.sci = sci;
        this.power = power;
        overflow = timers.timer(this::update);
        reset();
    }

    /** The power button is pressed. */
    public void pressPowerButton() {
        status |= POWER_BUTTON;
        wakeUp(); // 4.8.3.1.1: whether its event is enabled or not
        update();
    }

    /** The real-time clock's alarm has interrupted (4.8.2.4). */
    public void alarm() {
        status |= RTC;
        wakeIfAsked();
        drive();
    }

    /**
     * A general-purpose event has happened.
     *
     * @param n its number, 0 to 15
     */
    public void raiseEvent(int n) {
        gpeStatus |= 1 << n;
        wakeIfAsked();
        drive();
    }

    // ---- S3 ----

    /** Whether the guest has entered S3, and has not left it yet. */
    public boolean sleeping() {
        return sleep != AWAKE;
    }

    /** Whether no vCPU runs any more and the devices are off. */
    public boolean asleep() {
        return sleep == ASLEEP;
    }

    /** No vCPU runs any more, and the devices are off. */
    public void fallenAsleep() {
        sleep = ASLEEP;
    }

    /** Whether something has come that wakes the machine. */
    public boolean wakes() {
        return waking;
    }

    /** Wakes the machine if it sleeps. Other sources than this and the button have to be enabled by the guest. */
    public void wakeUp() {
        if (sleep != AWAKE && !waking) {
            waking = true;
            power.wake();
        }
    }

    /** 4.8.2.4, 4.8.4.1: an event that is enabled wakes. The PM timer's does not: there is no clock for it in S3. */
    private void wakeIfAsked() {
        if ((status & enable & RTC) != 0 || (gpeStatus & gpeEnable) != 0) {
            wakeUp();
        }
    }

    /** The machine is awake: 16.3.3 has the guest see it by WAK_STS. */
    public void awake() {
        sleep = AWAKE;
        waking = false;
        status |= WAKE;
        update();
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
                power.reset();
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
            switch (v >>> 10 & 7) {
                case SLEEP_S3 -> {
                    if (sleep == AWAKE) {
                        sleep = ENTERING;
                        power.suspend();
                        wakeIfAsked();
                    }
                }
                case SLEEP_S4 -> power.hibernate();
                case SLEEP_S5 -> power.off();
                default -> status |= WAKE; // not offered: awake at once
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
        sleep = AWAKE;
        waking = false;
        lastHalf = ticks() >>> 31;
        update();
    }

    @Override
    public void sleep() {}

    @Override
    public PmState save() {
        return new PmState(
                2,
                status,
                enable,
                control,
                gpeStatus,
                gpeEnable,
                resetControl,
                sleep,
                waking,
                lastHalf,
                overflow.deadline());
    }

    @Override
    public void restore(PmState s) {
        if (s.version() != 2 || s.sleep() < AWAKE || s.sleep() > ASLEEP) {
            throw new IllegalArgumentException("PM state of version " + s.version());
        }
        status = s.status();
        enable = s.enable();
        control = s.control();
        gpeStatus = s.gpeStatus();
        gpeEnable = s.gpeEnable();
        resetControl = s.reset();
        sleep = s.sleep();
        waking = s.waking() && sleep != AWAKE;
        lastHalf = s.half();
        overflow.restore(s.overflow());
        drive();
    }

    @Override
    public Class<PmState> stateType() {
        return PmState.class;
    }
}
