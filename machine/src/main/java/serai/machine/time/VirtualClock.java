package serai.machine.time;

import java.util.function.LongSupplier;

/**
 * The clock of deterministic mode: each instruction takes the same time, and waiting takes none of the host's. Time is a
 * function of the instructions completed and of nothing else.
 */
public final class VirtualClock implements Clock {
    private final long epochSeconds;
    private final long nanosPerInstruction;
    private LongSupplier instructions = () -> 0;
    private long skipped;

    /**
     * A clock.
     *
     * @param epochSeconds the date at zero
     * @param nanosPerInstruction at least 1
     */
    public VirtualClock(long epochSeconds, long nanosPerInstruction) {
        this.epochSeconds = epochSeconds;
        this.nanosPerInstruction = nanosPerInstruction;
    }

    /** Where the instructions are counted. */
    public void drivenBy(LongSupplier counter) {
        instructions = counter;
    }

    @Override
    public long nanos() {
        return instructions.getAsLong() * nanosPerInstruction + skipped;
    }

    @Override
    public long epochSeconds() {
        return epochSeconds;
    }

    /** Jumps ahead to a later time: the CPU waits. */
    public void skipTo(long nanos) {
        skipped += Math.max(0, nanos - nanos());
    }

    /** Instructions that may run until {@code nanos} is reached, at least 1 if it lies ahead. */
    public long instructionsUntil(long nanos) {
        long left = nanos - nanos();
        return left <= 0 ? 0 : (left + nanosPerInstruction - 1) / nanosPerInstruction;
    }

    /** What was skipped so far: with the count of instructions, the clock's whole state. */
    public long skipped() {
        return skipped;
    }

    /** Sets it, for a restored machine. */
    public void skipped(long nanos) {
        skipped = nanos;
    }
}
