package serai.cpu;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import serai.cpu.Templates.Template;

/** The table of README.md: instruction group, interpreter, physical CPU. Its numbers are those of a run. */
final class OracleTable {
    static final String BEGIN = "<!-- bench/oracle table: begin -->";
    static final String END = "<!-- bench/oracle table: end -->";

    private static final Path RESULTS = Path.of("cpu/target/oracle-results.tsv");

    private static final Map<String, String> FILES = new LinkedHashMap<>();

    static {
        FILES.put("base", "");
        FILES.put("x87", "x87");
        FILES.put("sse", "MMX to SSSE3");
        FILES.put("sse4", "");
        FILES.put("avx", "AVX");
        FILES.put("avx2", "AVX2");
        FILES.put("fma", "");
    }

    private OracleTable() {}

    /** The rows by the headings of the table's files, in their order. */
    static Map<String, List<InstructionRow>> groups() {
        Map<String, InstructionRow> bySource = new HashMap<>();
        InstructionTable.INSTANCE.rows().forEach(r -> bySource.put(r.source(), r));
        Map<String, List<InstructionRow>> groups = new LinkedHashMap<>();
        FILES.forEach((file, title) -> read("instructions-" + file + ".tab", title, bySource, groups));
        return groups;
    }

    private static void read(
            String file, String title, Map<String, InstructionRow> rows, Map<String, List<InstructionRow>> groups) {
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(
                Objects.requireNonNull(OracleTable.class.getResourceAsStream(file), file), StandardCharsets.UTF_8))) {
            String group = title;
            boolean blank = false;
            String line;
            for (int n = 1; (line = reader.readLine()) != null; n++) {
                if (blank && line.startsWith("# ")) {
                    String heading = line.substring(2).replaceAll("[;:(].*", "").strip();
                    group = title.isEmpty() ? heading : title + ": " + heading.toLowerCase(java.util.Locale.ROOT);
                }
                blank = line.isBlank();
                InstructionRow row = rows.get(file + ":" + n);
                if (row != null) {
                    groups.computeIfAbsent(group, g -> new ArrayList<>()).add(row);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Keeps the results of a run for {@link #write}. */
    static void save(List<OracleRun.Result> results) throws IOException {
        StringBuilder s = new StringBuilder();
        for (OracleRun.Result r : results) {
            s.append("%s\t%s\t%d\t%d\t%d\t%d%n"
                    .formatted(r.row().source(), r.mode(), r.cases(), r.wrong(), r.translated(), r.mistranslated()));
        }
        Files.createDirectories(RESULTS.getParent());
        Files.writeString(RESULTS, s);
    }

    /** Writes the block of README.md anew from the results that were saved last. */
    static void write(Path readme) throws IOException {
        String text = Files.readString(readme);
        int from = text.indexOf(BEGIN);
        int to = text.indexOf(END);
        if (from < 0 || to < from) {
            throw new IllegalStateException(readme + " has no place for the table");
        }
        Files.writeString(readme, text.substring(0, from + BEGIN.length()) + "\n" + table() + text.substring(to));
    }

    private static String table() throws IOException {
        Map<String, long[]> results = new HashMap<>();
        for (String line : Files.readAllLines(RESULTS)) {
            String[] f = line.split("\t");
            long[] sums = results.computeIfAbsent(f[0], k -> new long[4]);
            for (int i = 0; i < sums.length; i++) {
                sums[i] += Long.parseLong(f[2 + i]);
            }
        }
        StringBuilder s = new StringBuilder();
        s.append("On ").append(Oracle.hostName()).append(".\n\n");
        s.append(
                "| group | forms | interpreted | compared | by their fault in ring 3 | cases | different | translated | compared | cases | different | not compared |\n");
        s.append("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
        Templates templates = new Templates(HostCpu.FEATURES);
        long[] total = new long[10];
        groups().forEach((group, rows) -> {
            long[] n = new long[10];
            Map<String, Integer> reasons = new TreeMap<>();
            for (InstructionRow row : rows) {
                long[] r = results.getOrDefault(row.source(), new long[4]);
                n[0]++;
                n[1] += interpreted(row) ? 1 : 0;
                n[2] += r[0] > 0 ? 1 : 0;
                n[3] += r[0] > 0 && OracleCoverage.kind(row) == OracleCoverage.Kind.FAULT ? 1 : 0;
                n[4] += r[0];
                n[5] += r[1];
                Template template = templates.of(row);
                n[6] += template == Template.INTERPRET || template == Template.LAST ? 0 : 1;
                n[7] += r[2] > 0 ? 1 : 0;
                n[8] += r[2];
                n[9] += r[3];
                if (r[0] == 0) {
                    String reason = OracleCoverage.reason(row);
                    reasons.merge(reason.isEmpty() ? "not run" : reason, 1, Integer::sum);
                }
            }
            for (int i = 0; i < n.length; i++) {
                total[i] += n[i];
            }
            List<String> why = new ArrayList<>();
            reasons.forEach((reason, count) -> why.add(count + " " + reason));
            s.append(line(group, n, String.join("; ", why)));
        });
        s.append(line("all", total, ""));
        return s.toString();
    }

    private static String line(String group, long[] n, String why) {
        return "| %s | %d | %d | %d | %s | %,d | %d | %d | %d | %,d | %d | %s |\n"
                .formatted(group, n[0], n[1], n[2], n[3] == 0 ? "" : n[3], n[4], n[5], n[6], n[7], n[8], n[9], why);
    }

    /** Whether the interpreter has a node of its own for a row; that of UD is the exception. */
    private static boolean interpreted(InstructionRow row) {
        for (OracleMode mode : OracleMode.values()) {
            for (int seed = 0; mode.has(row) && seed < 8; seed++) {
                OracleCase c = OracleCases.make(row, mode, seed);
                Decoded d = new OracleComparison().decode(c);
                if (d != null && d.row == row) {
                    return row.mnemonic().matches("UD[012]|RSM") || !(NodeFactory.make(d) instanceof SystemNodes.Raise);
                }
            }
        }
        return false;
    }
}
