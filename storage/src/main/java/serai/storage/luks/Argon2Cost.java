package serai.storage.luks;

import serai.linux.LinuxException;

/** How much of Argon2 makes an unlock take as long as is asked for. */
final class Argon2Cost {
    /** As in cryptsetup. */
    private static final int LEAST_PASSES = 4;

    private static final int MOST_LANES = 4;
    private static final int LEAST_KIB = 8 << 10;
    /** A quarter of what cryptsetup takes: a host unlocks many volumes at once when it starts. */
    private static final int MOST_KIB = 256 << 10;

    private static final int TRIAL_KIB = 32 << 10;
    private static final long TRIAL_NANOS = 200_000_000;

    private Argon2Cost() {}

    static Kdf kdf(Argon2.Type type, int millis, byte[] salt) {
        int lanes = Math.min(MOST_LANES, Runtime.getRuntime().availableProcessors());
        long work = kibibytesPerSecond(type, lanes) * millis / 1000;
        int memory = (int) Math.clamp(work / LEAST_PASSES & -1024, LEAST_KIB, MOST_KIB);
        int passes = (int) Math.max(LEAST_PASSES, work / memory);
        return new Kdf.Argon2Kdf(type, passes, memory, lanes, salt);
    }

    /** Measured when the JIT has compiled it. */
    private static long kibibytesPerSecond(Argon2.Type type, int lanes) {
        byte[] nothing = new byte[LuksOptions.SALT];
        long best = Long.MAX_VALUE;
        try {
            for (long start = System.nanoTime(), now = start; now - start < TRIAL_NANOS; ) {
                Argon2.derive(type, nothing, nothing, 1, TRIAL_KIB, lanes, 32);
                long then = now;
                now = System.nanoTime();
                best = Math.min(best, Math.max(1, now - then));
            }
        } catch (LinuxException e) {
            return 1; // the least, then
        }
        return TRIAL_KIB * 1_000_000_000L / best;
    }
}
