package serai.machine.time;

/** The host's monotonic clock; stands still while the machine is paused. */
public final class RealClock implements Clock {
    private static final long RUNS = Long.MIN_VALUE;

    private final long epochSeconds;
    private volatile long offset;
    /** What it stands at, or {@link #RUNS}. Read by every RDTSC of every vCPU, so without a lock. */
    private volatile long standsAt = RUNS;

    /** Starts at zero, now. */
    public RealClock() {
        epochSeconds = System.currentTimeMillis() / 1000;
        offset = -System.nanoTime();
    }

    @Override
    public long nanos() {
        long at = standsAt;
        return at != RUNS ? at : System.nanoTime() + offset;
    }

    @Override
    public long epochSeconds() {
        return epochSeconds;
    }

    /** Stops the clock. */
    public synchronized void pause() {
        if (standsAt == RUNS) {
            standsAt = nanos();
        }
    }

    /** Lets it go on. */
    public synchronized void resume() {
        long at = standsAt;
        if (at != RUNS) {
            offset = at - System.nanoTime();
            standsAt = RUNS;
        }
    }

    /** Sets it, for a restored machine. */
    public synchronized void set(long nanos) {
        if (standsAt != RUNS) {
            standsAt = nanos;
        }
        offset = nanos - System.nanoTime();
    }
}
