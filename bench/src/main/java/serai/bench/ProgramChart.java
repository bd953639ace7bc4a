package serai.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * The programs' times as a picture (SVG 1.1): how long Serai takes where QEMU takes 1, on a logarithmic axis. A bar begins at 1
 * and goes to the left if Serai is faster.
 */
final class ProgramChart {
    private static final int WIDTH = 860, LEFT = 180, RIGHT = 800, TOP = 66, LINE = 22;
    private static final double[] TICKS = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
    private static final String FASTER = "#2a7f4f", SLOWER = "#b5442e";

    private final StringBuilder out = new StringBuilder();
    /** The axis's ends. */
    private final double least, most;

    private ProgramChart(List<Row> rows) {
        double[] all = rows.stream()
                .flatMap(r -> List.of(r.hot(), r.first()).stream())
                .mapToDouble(Double::doubleValue)
                .filter(r -> !Double.isNaN(r))
                .toArray();
        double low = Math.min(0.5, Arrays.stream(all).min().orElse(0.5));
        double high = Math.max(2, Arrays.stream(all).max().orElse(2));
        least = Arrays.stream(TICKS).filter(t -> t <= low).max().orElse(TICKS[0]);
        most = Arrays.stream(TICKS).filter(t -> t >= high).min().orElse(TICKS[TICKS.length - 1]);
    }

    /**
     * @param rows at least one
     * @param subtitle what was measured and when
     */
    static String svg(List<Row> rows, String subtitle) {
        return new ProgramChart(rows).draw(rows, subtitle);
    }

    private String draw(List<Row> rows, String subtitle) {
        List<Object> lines = new ArrayList<>();
        for (Group g : Group.values()) {
            List<Row> group =
                    rows.stream().filter(r -> r.program().group() == g).toList();
            if (!group.isEmpty()) {
                lines.add(g);
                lines.addAll(group);
            }
        }
        int bottom = TOP + LINE * lines.size();
        int height = bottom + 40;
        put(
                "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' font-family='sans-serif' font-size='13'>",
                WIDTH, height, WIDTH, height);
        put("<rect width='%d' height='%d' fill='#ffffff'/>", WIDTH, height);
        text(LEFT, 22, "start", "#000000", "font-size='15' font-weight='bold'", "Serai's time over QEMU TCG's");
        text(LEFT, 40, "start", "#555555", "", subtitle);
        text(LEFT, 56, "start", "#555555", "", "thick: hot, thin: the first run; to the left of 1 Serai is the faster");
        for (double t : TICKS) {
            if (t >= least && t <= most) {
                put(
                        "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' stroke='%s'/>",
                        x(t), TOP, x(t), bottom, t == 1 ? "#000000" : "#dddddd");
                text(x(t), bottom + 18, "middle", "#000000", "", t < 1 ? String.valueOf(t) : String.valueOf((int) t));
            }
        }
        int y = TOP;
        for (Object line : lines) {
            if (line instanceof Group g) {
                text(8, y + 16, "start", "#000000", "font-weight='bold'", g.title());
            } else if (line instanceof Row r) {
                row(r, y);
            }
            y += LINE;
        }
        put("</svg>");
        return out.toString();
    }

    private void row(Row r, int y) {
        text(LEFT - 10, y + 15, "end", "#000000", "", r.program().name());
        if (Double.isNaN(r.hot())) {
            Measured serai = r.at(Place.SERAI);
            text(
                    x(1) + 6,
                    y + 15,
                    "start",
                    SLOWER,
                    "",
                    serai.ok() ? r.at(Place.TCG).failure() : serai.failure());
            return;
        }
        bar(r.hot(), y + 3, 10, 1);
        bar(r.first(), y + 15, 4, 0.5);
        boolean faster = r.hot() < 1;
        text(
                x(r.hot()) + (faster ? -4 : 4),
                y + 12,
                faster ? "end" : "start",
                "#000000",
                "font-size='11'",
                ProgramTable.ratio(r.hot()));
    }

    private void bar(double ratio, int y, int height, double opacity) {
        double from = Math.min(x(1), x(ratio));
        double to = Math.max(x(1), x(ratio));
        put(
                "<rect x='%.1f' y='%d' width='%.1f' height='%d' fill='%s' fill-opacity='%.1f'/>",
                from, y, to - from, height, ratio < 1 ? FASTER : SLOWER, opacity);
    }

    /** Where a ratio is on the axis. */
    private double x(double ratio) {
        double r = Math.clamp(ratio, least, most);
        return LEFT + (RIGHT - LEFT) * Math.log(r / least) / Math.log(most / least);
    }

    private void text(double x, int y, String anchor, String colour, String style, String text) {
        String escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
        put("<text x='%.1f' y='%d' text-anchor='%s' fill='%s' %s>%s</text>", x, y, anchor, colour, style, escaped);
    }

    private void put(String format, Object... values) {
        out.append(String.format(Locale.ROOT, format, values)).append('\n');
    }
}
