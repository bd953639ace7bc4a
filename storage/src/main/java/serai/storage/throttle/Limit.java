package serai.storage.throttle;

/**
 * How many units a second.
 *
 * <p>The sizes of the buckets are QEMU's (docs/throttle.txt): a limit without a burst lets a tenth of a second's units pass at once after
 * a pause, one with a burst {@code max} times {@code maxSeconds}, and those at {@code max} a second.
 *
 * @param average units a second in the long run; 0 for no limit
 * @param max units a second in a burst; 0 for none
 * @param maxSeconds how long a burst at {@code max} lasts at most, if there was none before; at least 1
 */
public record Limit(long average, long max, long maxSeconds) {
    /** None. */
    public static final Limit NONE = new Limit(0, 0, 1);

    /** Units a second at most, QEMU's bound. */
    private static final long MOST = 1_000_000_000_000_000L;

    /**
     * Checks it.
     *
     * @throws IllegalArgumentException in one sentence, by the words of QEMU's options
     */
    public Limit {
        if (average < 0 || average > MOST || max < 0 || max > MOST) {
            throw new IllegalArgumentException("a limit of bps or iops is a number from 0 to " + MOST);
        }
        if (max > 0 && average == 0) {
            throw new IllegalArgumentException("a burst (max) needs the limit that it is a burst of");
        }
        if (max > 0 && max < average) {
            throw new IllegalArgumentException("a burst of " + max + " a second is lower than the limit of " + average);
        }
        if (maxSeconds < 1) {
            throw new IllegalArgumentException("a burst lasts at least 1 second (max-length)");
        }
        if (maxSeconds > 1 && max == 0) {
            throw new IllegalArgumentException("a length of bursts (max-length) needs a burst (max)");
        }
        if (max > 0 && maxSeconds > MOST / max) {
            throw new IllegalArgumentException(
                    "a burst of " + max + " a second for " + maxSeconds + " seconds is too long");
        }
    }

    /** So many units a second, without a burst. */
    public static Limit of(long average) {
        return new Limit(average, 0, 1);
    }
}
