package serai.cpu;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BiFunction;

/**
 * Runs cases on both sides. As a program, {@code bench/oracle}:
 *
 * <pre>
 * case SOURCE MODE SEED       one case again, as a failure names it
 * rows SOURCE CASES [SEED [MNEMONIC]]   so many cases of each row and mode; SOURCE is a prefix, MNEMONIC a regular expression
 * bytes CASES [SEED]          mutated and random bytes
 * </pre>
 */
final class OracleRun implements AutoCloseable {
    private static final int BATCH = Integer.getInteger("oracle.batch", 256);
    private static final int EXAMPLES = 3;

    /** What came of the cases of a row in a mode. */
    record Result(InstructionRow row, OracleMode mode, int cases, int completed, int wrong, List<String> examples) {
        @Override
        public String toString() {
            return "%s %s %s: %d of %d cases%n    %s"
                    .formatted(row.mnemonic(), row.source(), mode, wrong, cases, String.join("\n    ", examples));
        }
    }

    private final Oracle oracle;
    private final OracleCpu cpu = new OracleCpu();
    private final OracleComparison comparison = new OracleComparison();

    OracleRun() throws Exception {
        oracle = Oracle.start();
    }

    /** Runs {@code cases} cases of a row. */
    Result rows(InstructionRow row, OracleMode mode, int cases, long seed) {
        return run(row, mode, cases, seed, (m, s) -> OracleCases.make(row, m, s));
    }

    private Result run(
            InstructionRow row, OracleMode mode, int cases, long seed, BiFunction<OracleMode, Long, OracleCase> maker) {
        int wrong = 0;
        int completed = 0;
        List<String> examples = new ArrayList<>();
        for (int done = 0; done < cases; done += BATCH) {
            List<OracleCase> batch = new ArrayList<>();
            for (int i = done; i < Math.min(done + BATCH, cases); i++) {
                batch.add(maker.apply(mode, seed + i));
            }
            if (BATCH == 1) {
                System.err.println(batch.getFirst() + " " + batch.getFirst().command());
            }
            List<OracleState> expected = oracle.execute(batch);
            for (int i = 0; i < batch.size(); i++) {
                OracleCase c = batch.get(i);
                completed += expected.get(i).vector() < 0 ? 1 : 0;
                String difference = difference(c, expected.get(i));
                if (!difference.isEmpty()) {
                    wrong++;
                    if (examples.size() < EXAMPLES) {
                        examples.add(c + difference + "\n    " + c.command());
                    }
                }
            }
        }
        return new Result(row, mode, cases, completed, wrong, examples);
    }

    private String difference(OracleCase c, OracleState want) {
        try {
            return comparison.difference(c, want, cpu.execute(c));
        } catch (RuntimeException e) {
            StackTraceElement[] t = e.getStackTrace();
            return " " + e + (t.length > 0 ? " at " + t[0] : "");
        }
    }

    @Override
    public void close() {
        oracle.close();
    }

    /** The rows to compare whose source starts with {@code source}. */
    static List<InstructionRow> rows(String source) {
        return InstructionTable.INSTANCE.rows().stream()
                .filter(r -> r.source().startsWith("instructions-" + source))
                .filter(r -> OracleCoverage.reason(r).isEmpty())
                .toList();
    }

    public static void main(String[] args) throws Exception {
        try (OracleRun run = new OracleRun()) {
            switch (args[0]) {
                case "case" -> {
                    String source = "instructions-" + args[1].replace(":", ".tab:");
                    InstructionRow row = InstructionTable.INSTANCE.rows().stream()
                            .filter(r -> r.source().equals(source))
                            .findFirst()
                            .orElseThrow();
                    Result r = run.rows(row, OracleMode.valueOf(args[2]), 1, Long.parseLong(args[3]));
                    System.out.println(r.wrong > 0 ? r : row.mnemonic() + ": equal");
                    System.exit(r.wrong);
                }
                case "rows" -> {
                    int cases = Integer.parseInt(args[2]);
                    long seed = args.length > 3 ? Long.parseLong(args[3]) : System.nanoTime();
                    String mnemonic = args.length > 4 ? args[4].toUpperCase(Locale.ROOT) : ".*";
                    int wrong = 0;
                    long total = 0;
                    for (InstructionRow row : rows(args[1])) {
                        for (OracleMode mode : OracleMode.values()) {
                            if (mode.has(row)
                                    && row.mnemonic().toUpperCase(Locale.ROOT).matches(mnemonic)) {
                                Result r = run.rows(row, mode, cases, seed);
                                total += cases;
                                if (r.wrong > 0) {
                                    wrong++;
                                    System.out.println(r);
                                } else if (r.completed == 0 && OracleCoverage.kind(row) == OracleCoverage.Kind.FULL) {
                                    System.out.println(
                                            "never completed: " + row.mnemonic() + " " + row.source() + " " + mode);
                                }
                            }
                        }
                    }
                    System.out.printf("%d rows disagree, %d cases, seed %d%n", wrong, total, seed);
                    System.exit(wrong > 0 ? 1 : 0);
                }
                default -> throw new IllegalArgumentException(args[0]);
            }
        }
    }
}
