package serai.storage.throttle;

/**
 * A leaky bucket of one limit. What passes fills it, and it leaks at the average rate; while more is in it than it has room for, nothing
 * passes. So it overflows by one request at most, and over time as much passes as leaks. A second level leaks at the rate of bursts, and
 * bounds that in the same way.
 */
final class Bucket {
    /** Seconds at the average rate, or at that of bursts, that may pass at once. */
    private static final double AT_ONCE = 0.1;

    private final Limit limit;
    private final double room;
    private double level;
    private double burst;

    /**
     * Of a limit.
     *
     * @param before what held until now: what is in it stays, as far as nothing has to wait longer for that than it had to
     */
    Bucket(Limit limit, Bucket before) {
        this(limit);
        double delay = before.delay();
        level = Math.min(before.level, room + delay * limit.average());
        burst = Math.min(before.burst, (AT_ONCE + delay) * limit.max());
    }

    Bucket(Limit limit) {
        this.limit = limit;
        room = limit.max() > 0 ? (double) limit.max() * limit.maxSeconds() : limit.average() * AT_ONCE;
    }

    void leak(double seconds) {
        level = Math.max(0, level - limit.average() * seconds);
        burst = Math.max(0, burst - limit.max() * seconds);
    }

    /** Seconds until something may pass. */
    double delay() {
        if (limit.average() == 0) {
            return 0;
        }
        double d = (level - room) / limit.average();
        if (limit.maxSeconds() > 1) {
            d = Math.max(d, (burst - limit.max() * AT_ONCE) / limit.max());
        }
        return Math.max(0, d);
    }

    void pass(double units) {
        if (limit.average() > 0) {
            level += units;
            burst += units;
        }
    }
}
