package serai.vmm;

import java.util.function.LongSupplier;

/** SplitMix64, whose whole state is one number: a snapshot can carry it. Not for secrets: deterministic mode only. */
final class SeededRandom implements LongSupplier {
    private long state;

    SeededRandom(long seed) {
        state = seed;
    }

    long state() {
        return state;
    }

    void state(long newState) {
        state = newState;
    }

    @Override
    public long getAsLong() {
        state += 0x9e3779b97f4a7c15L;
        long z = state;
        z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
        return z ^ z >>> 31;
    }
}
