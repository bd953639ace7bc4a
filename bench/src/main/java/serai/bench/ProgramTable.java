package serai.bench;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The programs' times in Markdown. */
final class ProgramTable {
    private ProgramTable() {}

    /** A row for each program, and the geometric mean for each group and for all; a program without a figure says why. */
    static String markdown(List<Row> rows) {
        StringBuilder out = new StringBuilder("""
                | ms, least (median) | native | TCG | Serai | Serai/TCG | TCG, first run | Serai, first run | Serai/TCG, first run |
                |---|--:|--:|--:|--:|--:|--:|--:|
                """);
        for (Group g : Group.values()) {
            List<Row> group =
                    rows.stream().filter(r -> r.program().group() == g).toList();
            if (group.isEmpty()) {
                continue;
            }
            out.append(means(g.title(), group));
            group.forEach(r -> out.append(row(r)));
        }
        return out.append(means("all", rows)).toString();
    }

    private static String means(String title, List<Row> rows) {
        return "| **%s** | | | | %s | | | %s |%n".formatted(title, mean(rows, Row::hot), mean(rows, Row::first));
    }

    private static String mean(List<Row> rows, ToDoubleFunction<Row> ratio) {
        double[] v =
                rows.stream().mapToDouble(ratio).filter(r -> !Double.isNaN(r)).toArray();
        String of = v.length == rows.size() ? "" : " (%d of %d)".formatted(v.length, rows.size());
        return "**" + ratio(Times.geometricMean(v)) + "**" + of;
    }

    private static String row(Row r) {
        return "| %s | %s | %s | %s | %s | %s | %s | %s |%n"
                .formatted(
                        r.program().name(),
                        hot(r.at(Place.NATIVE)),
                        hot(r.at(Place.TCG)),
                        hot(r.at(Place.SERAI)),
                        ratio(r.hot()),
                        first(r.at(Place.TCG)),
                        first(r.at(Place.SERAI)),
                        ratio(r.first()));
    }

    private static String hot(Measured m) {
        return m.ok() ? times(m.hot()) : m.failure();
    }

    private static String first(Measured m) {
        return m.ok() ? times(m.first()) : "";
    }

    private static String times(double[] seconds) {
        return "%s (%s)".formatted(ms(Times.min(seconds)), ms(Times.median(seconds)));
    }

    private static String ms(double seconds) {
        return String.format(Locale.ROOT, seconds < 0.1 ? "%.1f" : "%.0f", seconds * 1e3);
    }

    static String ratio(double r) {
        return Double.isNaN(r) ? "–" : String.format(Locale.ROOT, r < 10 ? "%.2f" : "%.1f", r);
    }
}
