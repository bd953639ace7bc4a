package serai.machine.rtc;

import java.time.LocalDateTime;
import java.time.ZoneOffset;
import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.PortDevice;
import serai.machine.time.Timers;

/**
 * The MC146818A real-time clock with 128 bytes of CMOS memory at ports 0x70 and 0x71. The date is the guest clock's; a date the guest sets is
 * kept as a difference.
 *
 * <p>The divider chain is a function of the guest clock: 32,768 Hz, whose ends of periods and seconds fall where they fall, however late
 * the host runs a timer. So interrupts do not drift. The flags of register C are found when somebody looks: those of interrupts that
 * are off cost nothing, and a guest may poll them.
 */
public final class Rtc implements Device<RtcState>, PortDevice {
    private static final int A = 0xa, B = 0xb, C = 0xc, D = 0xd, CENTURY = 0x32;
    private static final int B_24H = 2, B_BINARY = 4, B_UPDATE = 0x10, B_ALARM = 0x20, B_PERIODIC = 0x40, B_SET = 0x80;
    private static final long SECOND = 1_000_000_000L;
    /** The update takes 1,984 us with a 32,768-Hz crystal; UIP is set 244 us before. */
    private static final long UPDATE_NANOS = 2_228_000;

    private static final int CRYSTAL = 32_768;
    private static final int DAY = 86_400;
    /** The registers hold at most the year 25,755 (century and year 255). */
    private static final long MAX_OFFSET = 26_000L * 366 * 86_400;

    private final Timers timers;
    private final IrqLine irq;
    private final Timers.Timer second;
    private final Timers.Timer periodic;
    private final byte[] cmos = new byte[128];
    private final long memory;
    private int index;
    private long offsetSeconds;
    /** Nanoseconds that the divider chain is ahead of the guest clock, less than a second. */
    private long phase;
    /** When on the divider's clock the flags of register C were last brought up to date. */
    private long flagsAt;

    private boolean irqLevel;
    /** Whether the alarm is among what drives the line. */
    private boolean alarmed;

    private Runnable onAlarm = () -> {};

    /**
     * A clock.
     *
     * @param memory bytes of RAM, told in the bytes where a PC's firmware leaves it
     */
    public Rtc(Timers timers, IrqLine irq, long memory) {
        this.timers = timers;
        this.irq = irq;
        this.memory = memory;
        second = timers.timer(this::passed);
        periodic = timers.timer(this::passed);
        reset();
    }

    /** Runs {@code action} when the alarm interrupts: power management has an event of it (ACPI 6.5, 4.8.2.4). */
    public void onAlarm(Runnable action) {
        onAlarm = action;
    }

    private long divider() {
        return timers.clock().nanos() + phase;
    }

    /** The date in seconds since 1970 at a time of the divider. */
    private long seconds(long divider) {
        return timers.clock().epochSeconds() + Math.floorDiv(divider, SECOND) + offsetSeconds;
    }

    private LocalDateTime date() {
        return LocalDateTime.ofEpochSecond(seconds(divider()), 0, ZoneOffset.UTC);
    }

    /** Whether the divider chain is held in reset: DV2 and DV1 set. */
    private boolean held() {
        return (cmos[A] & 0x60) == 0x60;
    }

    /** Whether the date stands still in its registers. */
    private boolean stopped() {
        return (cmos[B] & B_SET) != 0 || held();
    }

    private int encode(int v) {
        return (cmos[B] & B_BINARY) != 0 ? v : v / 10 << 4 | v % 10;
    }

    private int decode(int v) {
        return (cmos[B] & B_BINARY) != 0 ? v : (v >>> 4) * 10 + (v & 15);
    }

    private int hour(int h) {
        if ((cmos[B] & B_24H) != 0) {
            return encode(h);
        }
        return encode(h % 12 == 0 ? 12 : h % 12) | (h >= 12 ? 0x80 : 0);
    }

    @Override
    public int readPort(int port, int size) {
        if (port == 0x70) {
            return 0xff;
        }
        if (stopped() && (index <= 9 || index == CENTURY)) {
            return cmos[index] & 0xff;
        }
        return switch (index) {
            case 0 -> encode(date().getSecond());
            case 2 -> encode(date().getMinute());
            case 4 -> hour(date().getHour());
            case 6 -> encode(date().getDayOfWeek().getValue() % 7 + 1);
            case 7 -> encode(date().getDayOfMonth());
            case 8 -> encode(date().getMonthValue());
            case 9 -> encode(Math.floorMod(date().getYear(), 100));
            case CENTURY -> encode(Math.floorMod(date().getYear() / 100, 100));
            case A -> cmos[A] & 0x7f | (updating() ? 0x80 : 0);
            case C -> {
                update();
                int v = cmos[C] & 0xff;
                cmos[C] = 0;
                updateIrq();
                yield v;
            }
            case D -> 0x80;
            default -> cmos[index] & 0xff;
        };
    }

    private boolean updating() {
        return !stopped() && Math.floorMod(divider(), SECOND) > SECOND - UPDATE_NANOS;
    }

    @Override
    public void writePort(int port, int size, int value) {
        int v = value & 0xff;
        if (port == 0x70) {
            index = v & 0x7f;
            return;
        }
        update();
        switch (index) {
            case 0, 2, 4, 6, 7, 8, 9, CENTURY -> {
                boolean runs = !stopped();
                if (runs) {
                    snapshot();
                }
                cmos[index] = (byte) v;
                if (runs) {
                    take();
                }
            }
            case A -> control(v & 0x7f, cmos[B]);
            case B -> control(cmos[A], (v & B_SET) != 0 ? v & ~B_UPDATE : v);
            case C, D -> {}
            default -> cmos[index] = (byte) v;
        }
    }

    /** New values of registers A and B. */
    private void control(int a, int b) {
        boolean ran = !stopped();
        boolean wasHeld = held();
        if (ran && ((b & B_SET) != 0 || (a & 0x60) == 0x60)) {
            snapshot();
        }
        cmos[A] = (byte) a;
        cmos[B] = (byte) b;
        if (wasHeld && !held()) {
            // the first update comes half a second after the divider is let go
            phase = Math.floorMod(SECOND / 2 - timers.clock().nanos(), SECOND);
            flagsAt = divider();
        }
        if (!ran && !stopped()) {
            take();
        }
        arm();
        updateIrq();
    }

    /** Puts the running time into the registers, so that the guest can change them one by one. */
    private void snapshot() {
        LocalDateTime d = date();
        cmos[0] = (byte) encode(d.getSecond());
        cmos[2] = (byte) encode(d.getMinute());
        cmos[4] = (byte) hour(d.getHour());
        cmos[6] = (byte) encode(d.getDayOfWeek().getValue() % 7 + 1);
        cmos[7] = (byte) encode(d.getDayOfMonth());
        cmos[8] = (byte) encode(d.getMonthValue());
        cmos[9] = (byte) encode(Math.floorMod(d.getYear(), 100));
        cmos[CENTURY] = (byte) encode(Math.floorMod(d.getYear() / 100, 100));
    }

    /** Takes the date in the registers; one that does not exist is ignored. */
    private void take() {
        int h = cmos[4] & 0xff;
        boolean pm = (cmos[B] & B_24H) == 0 && (h & 0x80) != 0;
        h = decode(h & 0x7f);
        if ((cmos[B] & B_24H) == 0) {
            h = h % 12 + (pm ? 12 : 0);
        }
        try {
            LocalDateTime d = LocalDateTime.of(
                    decode(cmos[CENTURY] & 0xff) * 100 + decode(cmos[9] & 0xff),
                    decode(cmos[8] & 0xff),
                    decode(cmos[7] & 0xff),
                    h,
                    decode(cmos[2] & 0xff),
                    decode(cmos[0] & 0xff));
            offsetSeconds += d.toEpochSecond(ZoneOffset.UTC) - seconds(divider());
        } catch (java.time.DateTimeException e) {
            System.getLogger("serai.rtc")
                    .log(System.Logger.Level.DEBUG, "rtc: the guest set no date: {0}", e.getMessage());
        }
    }

    private void passed() {
        update();
        arm();
    }

    /** Brings register C up to the present. */
    private void update() {
        long from = flagsAt;
        long now = divider();
        flagsAt = now;
        if (held() || now <= from) {
            return;
        }
        int rate = cmos[A] & 15;
        if (rate != 0 && ticks(now) >>> shift(rate) != ticks(from) >>> shift(rate)) {
            cmos[C] |= B_PERIODIC;
        }
        long last = seconds(now);
        long first = seconds(from) + 1;
        if ((cmos[B] & B_SET) == 0 && first <= last) {
            cmos[C] |= B_UPDATE;
            for (long s = Math.max(first, last - DAY + 1); s <= last && (cmos[C] & B_ALARM) == 0; s++) {
                LocalDateTime d = LocalDateTime.ofEpochSecond(s, 0, ZoneOffset.UTC);
                if (alarm(1, encode(d.getSecond())) && alarm(3, encode(d.getMinute())) && alarm(5, hour(d.getHour()))) {
                    cmos[C] |= B_ALARM;
                }
            }
        }
        updateIrq();
    }

    /** An alarm byte of 0xc0 and more matches anything. */
    private boolean alarm(int register, int now) {
        int a = cmos[register] & 0xff;
        return a >= 0xc0 || a == now;
    }

    /** Ticks of the crystal that have passed at a time of the divider. */
    private static long ticks(long nanos) {
        return nanos / SECOND * CRYSTAL + nanos % SECOND * CRYSTAL / SECOND;
    }

    /** A period of rate 1 to 15 in ticks, as a power of two. */
    private static int shift(int rate) {
        return rate < 3 ? rate + 6 : rate - 1;
    }

    /** Timers for the ends of the second and of the period that have an interrupt. */
    private void arm() {
        second.cancel();
        periodic.cancel();
        if (held()) {
            return;
        }
        long now = divider();
        if ((cmos[B] & (B_UPDATE | B_ALARM)) != 0 && (cmos[B] & B_SET) == 0) {
            second.arm((now / SECOND + 1) * SECOND - phase);
        }
        int rate = cmos[A] & 15;
        if (rate != 0 && (cmos[B] & B_PERIODIC) != 0) {
            long next = (ticks(now) >>> shift(rate)) + 1 << shift(rate);
            long nanos = next / CRYSTAL * SECOND + (next % CRYSTAL * SECOND + CRYSTAL - 1) / CRYSTAL;
            periodic.arm(nanos - phase);
        }
    }

    private void updateIrq() {
        boolean on = (cmos[C] & cmos[B] & (B_UPDATE | B_ALARM | B_PERIODIC)) != 0;
        if (on) {
            cmos[C] |= (byte) 0x80;
        }
        irqLevel = on;
        irq.set(on);
        boolean was = alarmed;
        alarmed = (cmos[C] & cmos[B] & B_ALARM) != 0;
        if (alarmed && !was) {
            onAlarm.run();
        }
    }

    @Override
    public String name() {
        return "rtc";
    }

    @Override
    public void reset() {
        java.util.Arrays.fill(cmos, (byte) 0);
        cmos[A] = 0x26;
        cmos[B] = B_24H;
        index = 0;
        phase = 0;
        flagsAt = divider();
        long base = Math.min(640, memory >>> 10);
        cmos[0x15] = (byte) base;
        cmos[0x16] = (byte) (base >>> 8);
        long extended = Math.min(0xffff, Math.max(0, (memory >>> 10) - 1024));
        cmos[0x17] = (byte) extended;
        cmos[0x18] = (byte) (extended >>> 8);
        cmos[0x30] = (byte) extended;
        cmos[0x31] = (byte) (extended >>> 8);
        long above16 = Math.min(0xffff, Math.max(0, (Math.min(memory, 0xc0000000L) - (16 << 20)) >> 16));
        cmos[0x34] = (byte) above16;
        cmos[0x35] = (byte) (above16 >>> 8);
        second.cancel();
        periodic.cancel();
        updateIrq();
    }

    /** {@inheritDoc} It has a battery. */
    @Override
    public void sleep() {}

    @Override
    public RtcState save() {
        return new RtcState(
                2,
                index,
                cmos.clone(),
                offsetSeconds,
                phase,
                flagsAt,
                irqLevel,
                second.deadline(),
                periodic.deadline());
    }

    @Override
    public void restore(RtcState s) {
        if (s.version() != 2 || s.cmos().length != 128) {
            throw new IllegalArgumentException("RTC state of version " + s.version());
        }
        index = s.index() & 0x7f;
        System.arraycopy(s.cmos(), 0, cmos, 0, 128);
        // no further than the dates that a guest can set
        offsetSeconds = Math.clamp(s.offsetSeconds(), -MAX_OFFSET, MAX_OFFSET);
        phase = Math.floorMod(s.phase(), SECOND);
        flagsAt = s.flagsAt();
        irqLevel = s.irq();
        alarmed = (cmos[C] & cmos[B] & B_ALARM) != 0;
        irq.set(irqLevel);
        second.restore(s.second());
        periodic.restore(s.periodic());
    }

    @Override
    public Class<RtcState> stateType() {
        return RtcState.class;
    }
}
