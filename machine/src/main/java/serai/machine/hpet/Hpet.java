package serai.machine.hpet;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import serai.machine.Device;
import serai.machine.bus.IrqLine;
import serai.machine.bus.MmioDevice;
import serai.machine.bus.MsiSink;
import serai.machine.time.Timers;

/**
 * The high precision event timers (IA-PC HPET specification 1.0a): a 64-bit counter of 100 MHz on the guest clock, and {@value #TIMERS} timers, each
 * one-shot or periodic, with 64 or 32 bits, by an interrupt line or a message.
 *
 * <p>A guest may ask for the legacy replacement route (2.3.5): timers 0 and 1 then have the lines of the 8254 and of the real-time clock, which
 * are cut off. Those two are wired through {@link #pitLine} and {@link #rtcLine} for that.
 *
 * <p>The comparators match when the counter reaches their value and at no other time (2.3.9.1): one that is set to a value just passed waits until
 * the counter comes round.
 */
public final class Hpet implements Device<HpetState>, MmioDevice {
    /** Bytes of its registers. */
    public static final int SIZE = 0x400;
    /** How many timers there are. */
    public static final int TIMERS = 8;

    /** Nanoseconds of a tick. */
    static final long TICK = 10;

    private static final long FEMTOSECONDS = TICK * 1_000_000;
    private static final int VENDOR = 0x8086;
    /** The low half of the capabilities: revision 1, a counter of 64 bits, the legacy route. */
    public static final int ID = VENDOR << 16 | 1 << 15 | 1 << 13 | TIMERS - 1 << 8 | 1;

    /** In the general configuration register: the counter runs; the legacy route. */
    static final int ENABLE = 1, LEGACY = 2;

    private static final int CAPABILITIES = 0, CONFIGURATION = 0x10, STATUS = 0x20, COUNTER = 0xf0;
    private static final int FIRST_TIMER = 0x100, TIMER_SIZE = 0x20;

    private final Timers timers;
    private final LineSwitch irq0;
    private final LineSwitch irq8;
    private final List<HpetTimer> all = new ArrayList<>();
    private long configuration;
    private long status;
    /** The value of the counter while it stands, else what it is ahead of the guest clock's ticks. */
    private long counter;

    /**
     * The timers.
     *
     * @param irq0 the line of the 8254
     * @param irq8 the line of the real-time clock
     * @param lines by timer: inputs of the I/O APIC by number
     */
    public Hpet(Timers timers, IrqLine irq0, IrqLine irq8, IntFunction<IntFunction<IrqLine>> lines, MsiSink messages) {
        this.timers = timers;
        this.irq0 = new LineSwitch(irq0);
        this.irq8 = new LineSwitch(irq8);
        for (int n = 0; n < TIMERS; n++) {
            IrqLine legacy = n == 0 ? this.irq0.source(1) : n == 1 ? this.irq8.source(1) : high -> {};
            all.add(new HpetTimer(this, n, timers, legacy, lines.apply(n), messages));
        }
        reset();
    }

    /** Where the 8254's channel 0 is to go. */
    public IrqLine pitLine() {
        return irq0.source(0);
    }

    /** Where the real-time clock's interrupt is to go. */
    public IrqLine rtcLine() {
        return irq8.source(0);
    }

    private long ticks() {
        return timers.clock().nanos() / TICK;
    }

    boolean enabled() {
        return (configuration & ENABLE) != 0;
    }

    /** Whether timers 0 and 1 have the legacy lines: both bits have to be set. */
    boolean legacy() {
        return (configuration & (ENABLE | LEGACY)) == (ENABLE | LEGACY);
    }

    /** The main counter. */
    long counter() {
        return enabled() ? ticks() + counter : counter;
    }

    /** The moment on the guest clock that lies so many ticks ahead. */
    long moment(long ticksAhead) {
        return (ticks() + ticksAhead) * TICK;
    }

    boolean status(int n) {
        return (status & 1L << n) != 0;
    }

    void setStatus(int n) {
        status |= 1L << n;
    }

    /** What is due and was not run yet, as the host was late: a guest that looks sees what time has made of it. */
    private void settle() {
        all.forEach(HpetTimer::settle);
    }

    @Override
    public long readMmio(long offset, int size) {
        if ((offset & size - 1) != 0) {
            return 0; // 2.3.1: aligned accesses only
        }
        settle();
        int at = (int) offset & ~7;
        long v =
                switch (at) {
                    case CAPABILITIES -> FEMTOSECONDS << 32 | ID & 0xffffffffL;
                    case CONFIGURATION -> configuration;
                    case STATUS -> status;
                    case COUNTER -> counter();
                    default -> {
                        HpetTimer t = timer(at);
                        yield t == null ? 0 : t.read(at % TIMER_SIZE);
                    }
                };
        return v >>> (offset & 7) * 8 & mask(size);
    }

    private static long mask(int size) {
        return size == 8 ? -1L : (1L << size * 8) - 1;
    }

    private @Nullable HpetTimer timer(int at) {
        int n = (at - FIRST_TIMER) / TIMER_SIZE;
        return at >= FIRST_TIMER && n < TIMERS ? all.get(n) : null;
    }

    @Override
    public void writeMmio(long offset, int size, long value) {
        if (size < 4 || (offset & size - 1) != 0) {
            return; // 2.3.1: aligned accesses of 32 and 64 bits only
        }
        settle();
        int at = (int) offset & ~7;
        int shift = (int) (offset & 7) * 8;
        long mask = mask(size) << shift;
        long v = value << shift;
        switch (at) {
            case CONFIGURATION -> configure((configuration & ~mask | v & mask) & (ENABLE | LEGACY));
            case STATUS -> {
                // 2.3.6: a level-triggered interrupt ends by a one
                status &= ~(v & mask);
                all.forEach(HpetTimer::drive);
            }
            case COUNTER -> {
                long now = counter();
                counter += (now & ~mask | v & mask) - now;
                all.forEach(HpetTimer::arm);
            }
            default -> {
                HpetTimer t = timer(at);
                if (t != null) {
                    t.write(at % TIMER_SIZE, mask, v);
                }
            }
        }
    }

    private void configure(long v) {
        long now = counter();
        boolean other = ((configuration ^ v) & ENABLE) != 0;
        configuration = v;
        counter = enabled() ? now - ticks() : now;
        choose();
        all.forEach(HpetTimer::drive);
        if (other) {
            all.forEach(HpetTimer::arm);
        }
    }

    private void choose() {
        irq0.choose(legacy() ? 1 : 0);
        irq8.choose(legacy() ? 1 : 0);
    }

    @Override
    public String name() {
        return "hpet";
    }

    @Override
    public void reset() {
        configuration = 0;
        status = 0;
        counter = 0;
        all.forEach(HpetTimer::reset);
        choose();
    }

    @Override
    public HpetState save() {
        return new HpetState(
                1,
                configuration,
                status,
                counter,
                all.stream().map(HpetTimer::save).toList());
    }

    /**
     * {@inheritDoc}
     *
     * <p>To be restored before the 8254 and the real-time clock, whose lines it switches, and after the interrupt controllers.
     */
    @Override
    public void restore(HpetState s) {
        if (s.version() != 1 || s.timers().size() != TIMERS) {
            throw new IllegalArgumentException("HPET state of version " + s.version());
        }
        configuration = s.configuration() & (ENABLE | LEGACY);
        status = s.status() & (1 << TIMERS) - 1;
        counter = s.counter();
        irq0.restore(legacy() ? 1 : 0);
        irq8.restore(legacy() ? 1 : 0);
        for (int n = 0; n < TIMERS; n++) {
            all.get(n).restore(s.timers().get(n));
        }
    }

    @Override
    public Class<HpetState> stateType() {
        return HpetState.class;
    }
}
