package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Translated code does what the interpreter does: random programs in two guests, compared wherever they stop. The seed is printed;
 * {@code -Dserai.seed=N} repeats a run.
 */
final class LockstepTest {
    private static final int PROGRAMS = 4_000;
    private static final int REPORTED = 5;
    /** Bytes of memory for code that few programs fit in. */
    private static final long LITTLE = 256 << 10;

    private static final long SOAK = Long.getLong("serai.fuzz.seconds", 600);

    @Test
    void randomProgramsEndAsInterpreted() {
        check(CpuGroup.CODE_SIZE, Long.getLong("serai.seed", 20261125L), PROGRAMS, Long.MAX_VALUE / 2);
    }

    @Test
    void randomProgramsEndAsInterpretedWhereMemoryForCodeIsUsedUpAllTheTime() {
        check(LITTLE, Long.getLong("serai.seed", 20261126L), PROGRAMS / 4, Long.MAX_VALUE / 2);
    }

    /** In real mode, where nothing ever ends a chain of handlers that fault: found after 208,000 programs of a long run, which hung. */
    @Test
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aBoundedRunEndsThoughNoInstructionIsCompletedAnyMore() {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        try (Lockstep lockstep = new Lockstep(CpuGroup.CODE_SIZE)) {
            assertEquals("", lockstep.run(20469150));
        }
    }

    @Test
    @Tag("soak")
    void randomProgramsEndAsInterpretedForLong() {
        long half = SOAK * 500_000_000L;
        check(CpuGroup.CODE_SIZE, Long.getLong("serai.seed", System.nanoTime()), Long.MAX_VALUE, half);
        check(LITTLE, Long.getLong("serai.seed", System.nanoTime()), Long.MAX_VALUE, half);
    }

    private static void check(long codeSize, long seed, long programs, long nanoseconds) {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        System.out.println("seed " + seed);
        long start = System.nanoTime();
        List<String> wrong = new ArrayList<>();
        try (Lockstep lockstep = new Lockstep(codeSize)) {
            for (long i = 0; i < programs && System.nanoTime() - start < nanoseconds && wrong.size() < REPORTED; i++) {
                String difference = lockstep.run(seed + i);
                if (!difference.isEmpty()) {
                    wrong.add(difference);
                }
            }
            System.out.println(lockstep);
            assertTrue(lockstep.units() > 0, "nothing was translated");
            assertTrue(codeSize > LITTLE || lockstep.evictions() > 0, "memory for code was not used up");
        }
        assertEquals("", String.join("\n", wrong), "seed " + seed);
    }
}
