package serai.machine.hpet;

import java.util.function.IntFunction;
import serai.machine.bus.IrqLine;
import serai.machine.bus.MsiSink;
import serai.machine.time.Timers;

/** One of the timers of an {@link Hpet}: its three registers (2.3.8 to 2.3.10), when it matches, and its interrupt. */
final class HpetTimer {
    /** Offsets of the registers from the timer's first. */
    private static final int CONFIGURATION = 0, COMPARATOR = 8, FSB_ROUTE = 0x10;

    private static final int LEVEL = 1 << 1, INTERRUPT = 1 << 2, PERIODIC = 1 << 3, VALUE_SET = 1 << 6;
    private static final int MODE_32 = 1 << 8, FSB = 1 << 14;
    private static final int ROUTE_SHIFT = 9, ROUTE = 31 << ROUTE_SHIFT;
    private static final int WRITABLE = LEVEL | INTERRUPT | PERIODIC | VALUE_SET | MODE_32 | ROUTE | FSB;
    /** It can be periodic, has 64 bits, and can send messages. */
    private static final int CAPABILITIES = 1 << 4 | 1 << 5 | 1 << 15;
    /** Inputs of the I/O APIC that it can be routed to: 20 to 23, as on Intel's chipsets, shared with PCI's. */
    private static final long ROUTES = 0xf0_0000;

    /** The number of the legacy line in {@link HpetState.Timer#raised}. */
    private static final int LEGACY_LINE = 32;

    /** Ticks beyond which a deadline is for never: 91 years. Deadlines then have room on the guest clock. */
    private static final long FAR = 1L << 58;

    private final Hpet hpet;
    private final int n;
    private final IrqLine legacy;
    private final IntFunction<IrqLine> lines;
    private final MsiSink messages;
    private final Timers timers;
    private final Timers.Timer timer;
    private int configuration;
    private long comparator;
    private long period;
    private long fsb;
    /** The line that it holds high, or -1. */
    private int raised = -1;

    HpetTimer(Hpet hpet, int n, Timers timers, IrqLine legacy, IntFunction<IrqLine> lines, MsiSink messages) {
        this.hpet = hpet;
        this.n = n;
        this.timers = timers;
        this.legacy = legacy;
        this.lines = lines;
        this.messages = messages;
        timer = timers.timer(this::match);
    }

    private boolean is(int bit) {
        return (configuration & bit) != 0;
    }

    /** The bits of counter and comparator that count. */
    private long width() {
        return is(MODE_32) ? 0xffffffffL : -1L;
    }

    // ---- registers ----

    long read(int offset) {
        return switch (offset) {
            case CONFIGURATION -> ROUTES << 32 | configuration | CAPABILITIES;
            case COMPARATOR -> comparator;
            case FSB_ROUTE -> fsb;
            default -> 0;
        };
    }

    /**
     * A write to a register.
     *
     * @param mask the bits that are written
     */
    void write(int offset, long mask, long v) {
        switch (offset) {
            case CONFIGURATION -> configure(configuration & ~mask | v & mask);
            case COMPARATOR -> compare(mask, v);
            case FSB_ROUTE -> fsb = fsb & ~mask | v & mask;
            default -> {}
        }
    }

    private void configure(long v) {
        int next = (int) v & WRITABLE;
        if ((ROUTES & 1L << (next >>> ROUTE_SHIFT & 31)) == 0) {
            // 2.3.8: an input that it has no way to reads back as another
            next = next & ~ROUTE | configuration & ROUTE;
        }
        if ((next & PERIODIC) == 0) {
            next &= ~VALUE_SET; // for periodic timers only
        }
        int changed = next ^ configuration;
        configuration = next;
        comparator &= width();
        period &= width();
        drive();
        if ((changed & MODE_32) != 0) {
            arm();
        }
    }

    /**
     * 2.3.9: in periodic mode a write sets the period, which is added at each match, and the comparator only where VAL_SET is set; that
     * clears it.
     */
    private void compare(long mask, long v) {
        long halves = mask & width();
        if (!is(PERIODIC) || is(VALUE_SET)) {
            comparator = comparator & ~halves | v & halves;
        }
        if (is(PERIODIC)) {
            period = period & ~halves | v & halves;
        }
        configuration &= ~VALUE_SET;
        arm();
    }

    // ---- time ----

    /** Sets the time of the next match; the present tick, if it is that one. */
    void arm() {
        arm(comparator - hpet.counter() & width());
    }

    private void arm(long ticksAhead) {
        timer.cancel();
        if (hpet.enabled() && ticksAhead >= 0 && ticksAhead < FAR) {
            timer.arm(hpet.moment(ticksAhead));
        }
    }

    /** Runs a match that is due. */
    void settle() {
        if (timer.deadline() <= timers.clock().nanos()) {
            match();
        }
    }

    private void match() {
        timer.cancel();
        long late = hpet.counter() - comparator & width();
        if (is(PERIODIC) && period != 0) {
            // those that the host has slept through are one
            comparator = comparator + (Long.divideUnsigned(late, period) + 1) * period & width();
            arm();
        } else if (is(MODE_32)) {
            arm(width() + 1 - late); // once round; one of 64 bits is never round
        }
        if (is(LEVEL)) {
            hpet.setStatus(n);
        }
        if (is(INTERRUPT)) {
            interrupt();
        }
    }

    // ---- its interrupt ----

    private void interrupt() {
        if (is(FSB)) {
            messages.send(fsb >>> 32, (int) fsb);
        } else if (is(LEVEL)) {
            drive();
        } else {
            lower();
            line(route()).set(true);
            if (route() == LEGACY_LINE) {
                raised = LEGACY_LINE; // the 8259 wants it high until it has been acknowledged
            } else {
                line(route()).set(false); // others have this one, too
            }
        }
    }

    private int route() {
        return n < 2 && hpet.legacy() ? LEGACY_LINE : (configuration & ROUTE) >>> ROUTE_SHIFT;
    }

    private IrqLine line(int number) {
        return number == LEGACY_LINE
                ? legacy
                : (ROUTES & 1L << number) != 0 ? lines.apply(number) : high -> {}; // not routed
    }

    private void lower() {
        if (raised >= 0) {
            line(raised).set(false);
            raised = -1;
        }
    }

    /** Raises or lowers its line, after a change of what that follows from. */
    void drive() {
        boolean may = hpet.enabled() && is(INTERRUPT) && !is(FSB);
        boolean wants = may && (is(LEVEL) ? hpet.status(n) : raised == LEGACY_LINE);
        if (raised >= 0 && (!wants || raised != route())) {
            lower();
        }
        if (wants && is(LEVEL) && raised < 0) {
            raised = route();
            line(raised).set(true);
        }
    }

    // ---- life ----

    void reset() {
        timer.cancel();
        lower();
        configuration = 0;
        comparator = -1;
        period = 0;
        fsb = 0;
    }

    HpetState.Timer save() {
        return new HpetState.Timer(configuration, comparator, period, fsb, raised, timer.deadline());
    }

    void restore(HpetState.Timer s) {
        configuration = (int) s.configuration() & WRITABLE;
        comparator = s.comparator() & width();
        period = s.period() & width();
        fsb = s.fsb();
        raised = s.raised() == LEGACY_LINE || s.raised() >= 0 && s.raised() < 32 ? s.raised() : -1;
        // shared lines are in the bus's state
        legacy.set(raised == LEGACY_LINE);
        timer.restore(s.deadline());
    }
}
