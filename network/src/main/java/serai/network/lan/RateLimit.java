package serai.network.lan;

import serai.network.Offload;

/** A token bucket: so many bytes in a second, and at once what passes in a tenth of one, or one large frame if that is more. */
final class RateLimit {
    private static final long SECOND = 1_000;
    private static final long LEAST_BURST = Offload.MAX_FRAME;

    private final long bytesPerSecond;
    private final long burst;
    /** In bytes times milliseconds of a second, so that nothing is lost by rounding. */
    private long tokens;

    private long at;

    RateLimit(long bytesPerSecond, long now) {
        this.bytesPerSecond = bytesPerSecond;
        burst = Math.max(LEAST_BURST, bytesPerSecond / 10) * SECOND;
        tokens = burst;
        at = now;
    }

    /** Whether so many bytes may pass now. */
    boolean takes(int bytes, long now) {
        long passed = Math.min(now - at, 10 * SECOND);
        at = now;
        tokens = Math.min(burst, tokens + Math.min(passed, burst / bytesPerSecond + 1) * bytesPerSecond);
        if (tokens < bytes * SECOND) {
            return false;
        }
        tokens -= bytes * SECOND;
        return true;
    }
}
