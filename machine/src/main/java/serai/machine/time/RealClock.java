package serai.machine.time;

/** The host's monotonic clock; stands still while the machine is paused. */
public final class RealClock implements Clock {
    private final long epochSeconds;
    private long offset;
    private boolean paused;
    private long pausedAt;

    /** Starts at zero, now. */
    public RealClock() {
        epochSeconds = System.currentTimeMillis() / 1000;
        offset = -System.nanoTime();
    }

    @Override
    public synchronized long nanos() {
        return paused ? pausedAt : System.nanoTime() + offset;
    }

    @Override
    public long epochSeconds() {
        return epochSeconds;
    }

    /** Stops the clock. */
    public synchronized void pause() {
        if (!paused) {
            pausedAt = nanos();
            paused = true;
        }
    }

    /** Lets it go on. */
    public synchronized void resume() {
        if (paused) {
            paused = false;
            offset = pausedAt - System.nanoTime();
        }
    }

    /** Sets it, for a restored machine. */
    public synchronized void set(long nanos) {
        pausedAt = nanos;
        offset = nanos - System.nanoTime();
    }
}
