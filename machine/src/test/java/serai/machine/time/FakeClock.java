package serai.machine.time;

/** A clock that stands where the test puts it. */
public final class FakeClock implements Clock {
    /** 2026-01-02 03:04:05 UTC, a Friday. */
    public static final long EPOCH = 1767323045L;

    private long nanos;

    @Override
    public long nanos() {
        return nanos;
    }

    @Override
    public long epochSeconds() {
        return EPOCH;
    }

    /** Goes on by so many nanoseconds, running timers at the very moment they are due. */
    public void advance(Timers timers, long by) {
        long end = nanos + by;
        while (timers.next() <= end) {
            nanos = Math.max(nanos, timers.next());
            timers.runDue();
        }
        nanos = end;
    }

    /** Jumps, without running timers. */
    public void set(long to) {
        nanos = to;
    }
}
