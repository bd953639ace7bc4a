package serai.cpu;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Runs cases on both sides. As a program, {@code bench/oracle}:
 *
 * <pre>
 * case SOURCE MODE SEED          one case again, as a failure names it
 * bytes SOURCE MODE SEED         one case of changed bytes again
 * rows SOURCE CASES [SEED [MNEMONIC]]   so many cases of each row and mode; SOURCE is a prefix, MNEMONIC a regular expression
 * mutate SOURCE CASES [SEED]     the same with changed bytes
 * table [CASES [SEED]]           all rows, and the table of README.md from what came of it; CASES 0: from the last run
 * </pre>
 */
final class OracleRun implements AutoCloseable {
    private static final int BATCH = 256;
    private static final int EXAMPLES = 3;
    /**
     * How often a case of XSAVE's kin is run again if it differs: an interrupt of the physical CPU may leave a component with its initial value
     * marked as in use (SDM vol. 1, 13.6, allows it).
     */
    private static final int AGAIN = 3;

    private static final int TABLE_CASES = 2500;

    /** What came of the cases of a row in a mode. */
    record Result(
            InstructionRow row,
            OracleMode mode,
            int cases,
            int completed,
            int wrong,
            int translated,
            int mistranslated,
            List<String> examples) {
        @Override
        public String toString() {
            return "%s %s %s: %d of %d cases, %d of %d translated%n    %s"
                    .formatted(
                            row.mnemonic(),
                            row.source(),
                            mode,
                            wrong,
                            cases,
                            mistranslated,
                            translated,
                            String.join("\n    ", examples));
        }
    }

    private final Oracle oracle;
    private final OracleCpu cpu = new OracleCpu();
    private final @Nullable OracleTranslated translated =
            TranslationMode.obstacle().isEmpty() ? new OracleTranslated() : null;
    private final OracleComparison comparison = new OracleComparison();

    OracleRun() throws IOException, InterruptedException {
        oracle = Oracle.start();
    }

    /**
     * Runs {@code cases} cases of a row.
     *
     * @param mutated whether the bytes are changed at random
     */
    Result run(InstructionRow row, OracleMode mode, int cases, long seed, boolean mutated) {
        int wrong = 0;
        int completed = 0;
        int translations = 0;
        int mistranslated = 0;
        List<String> examples = new ArrayList<>();
        for (int done = 0; done < cases; done += BATCH) {
            List<OracleCase> batch = new ArrayList<>();
            for (int i = done; i < Math.min(done + BATCH, cases); i++) {
                OracleCase c = OracleCases.make(row, mode, seed + i);
                if (mutated) {
                    c = OracleBytes.change(c);
                }
                batch.add(c);
            }
            List<OracleState> expected = oracle.execute(batch);
            for (int i = 0; i < batch.size(); i++) {
                OracleCase c = batch.get(i);
                completed += expected.get(i).vector() < 0 ? 1 : 0;
                String difference = difference(c, expected.get(i), cpu::execute);
                for (int again = 0; again < AGAIN && !difference.isEmpty() && OracleOperands.savesState(row); again++) {
                    difference = difference(c, oracle.execute(List.of(c)).getFirst(), cpu::execute);
                }
                if (!difference.isEmpty()) {
                    wrong++;
                    if (examples.size() < EXAMPLES) {
                        examples.add(c + difference + "\n    " + c.command(mutated ? "bytes" : "case"));
                    }
                }
                if (translated != null && !mutated && translated.takes(c, expected.get(i))) {
                    translations++;
                    difference = difference(c, expected.get(i), translated::execute);
                    if (!difference.isEmpty()) {
                        mistranslated++;
                        if (examples.size() < EXAMPLES) {
                            examples.add("translated: " + c + difference + "\n    " + c.command("case"));
                        }
                    }
                }
            }
        }
        return new Result(row, mode, cases, completed, wrong, translations, mistranslated, examples);
    }

    /** Runs {@code cases} cases of each row whose source starts with {@code source}, in each mode that it is valid in. */
    List<Result> all(String source, String mnemonic, int cases, long seed, boolean mutated) {
        List<Result> results = new ArrayList<>();
        for (InstructionRow row : rows(source)) {
            for (OracleMode mode : OracleMode.values()) {
                if (mode.has(row) && row.mnemonic().toUpperCase(Locale.ROOT).matches(mnemonic)) {
                    Result r = run(row, mode, cases, seed, mutated);
                    results.add(r);
                    if (r.wrong + r.mistranslated > 0) {
                        System.out.println(r);
                    }
                }
            }
        }
        return results;
    }

    private String difference(OracleCase c, OracleState want, Function<OracleCase, OracleState> side) {
        try {
            return comparison.difference(c, want, side.apply(c));
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

    private static InstructionRow row(String source) {
        String full = "instructions-" + source.replace(":", ".tab:");
        return InstructionTable.INSTANCE.rows().stream()
                .filter(r -> r.source().equals(full))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("there is no row " + source));
    }

    private static long argument(String[] args, int i, long otherwise) {
        return args.length > i ? Long.parseLong(args[i]) : otherwise;
    }

    public static void main(String[] args) throws Exception {
        long start = System.nanoTime();
        List<Result> results = new ArrayList<>();
        try (OracleRun run = new OracleRun()) {
            switch (args.length == 0 ? "" : args[0]) {
                case "case", "bytes" -> {
                    Result r = run.run(
                            row(args[1]),
                            OracleMode.valueOf(args[2]),
                            1,
                            Long.parseLong(args[3]),
                            args[0].equals("bytes"));
                    System.out.println(r.wrong + r.mistranslated > 0 ? r : r.row.mnemonic() + ": equal");
                    results.add(r);
                }
                case "rows", "mutate" -> {
                    String mnemonic = args.length > 4 ? args[4].toUpperCase(Locale.ROOT) : ".*";
                    long seed = argument(args, 3, System.nanoTime());
                    results = run.all(args[1], mnemonic, Integer.parseInt(args[2]), seed, args[0].equals("mutate"));
                    System.out.println("seed " + seed);
                }
                case "table" -> {
                    int cases = (int) argument(args, 1, TABLE_CASES);
                    if (cases > 0) {
                        results = run.all("", ".*", cases, argument(args, 2, System.nanoTime()), false);
                        OracleTable.save(results);
                    }
                    OracleTable.write(Path.of("README.md"));
                }
                default -> throw new IllegalArgumentException("case, bytes, rows, mutate or table");
            }
        }
        long cases = results.stream().mapToLong(Result::cases).sum();
        long wrong = results.stream().mapToLong(r -> r.wrong + r.mistranslated).sum();
        System.out.printf(
                "%d cases, %d completed, %d translated, too, %d different, %d s%n",
                cases,
                results.stream().mapToLong(Result::completed).sum(),
                results.stream().mapToLong(Result::translated).sum(),
                wrong,
                (System.nanoTime() - start) / 1_000_000_000L);
        System.exit(wrong > 0 ? 1 : 0);
    }
}
