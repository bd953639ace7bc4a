package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Every row of the instruction table, in 64-, 32- and 16-bit code, against the processor that the tests run on: random
 * cases, the whole state compared but for what {@link OracleRules} lists. The seed is printed; {@code -Dserai.seed=N}
 * repeats a run, and each failure names the command that runs its case alone.
 */
final class OracleTest {
    private static final int SAMPLE = 24;
    private static final int MANY = 2400;
    private static final int REPORTED = 20;

    private static long seed() {
        return Long.getLong("serai.seed", 20250101L);
    }

    @Test
    void integerRowsAgreeWithTheProcessor() throws Exception {
        check("base", SAMPLE);
    }

    @Test
    void sseRowsAgreeWithTheProcessor() throws Exception {
        check("sse", SAMPLE);
    }

    @Test
    void avxRowsAgreeWithTheProcessor() throws Exception {
        check("avx", SAMPLE);
    }

    @Test
    void fmaRowsAgreeWithTheProcessor() throws Exception {
        check("fma", SAMPLE);
    }

    @Test
    void x87RowsAgreeWithTheProcessor() throws Exception {
        check("x87", SAMPLE);
    }

    @Test
    @Tag("soak")
    void allRowsAgreeWithTheProcessorInManyCases() throws Exception {
        check("", MANY);
    }

    private static void check(String source, int cases) throws Exception {
        String missing = Oracle.missing();
        assumeTrue(missing.isEmpty(), "capability: " + missing);
        long seed = seed();
        System.out.println("seed " + seed);
        List<String> wrong = new ArrayList<>();
        try (OracleRun run = new OracleRun()) {
            for (InstructionRow row : OracleRun.rows(source)) {
                for (OracleMode mode : OracleMode.values()) {
                    OracleRun.Result r = run.run(row, mode, mode.has(row) ? cases : 0, seed, false);
                    if (r.wrong() + r.mistranslated() > 0) {
                        wrong.add(r.toString());
                    }
                }
            }
        }
        assertEquals(
                "",
                String.join("\n", wrong.stream().limit(REPORTED).toList()),
                wrong.size() + " rows disagree, seed " + seed);
    }
}
