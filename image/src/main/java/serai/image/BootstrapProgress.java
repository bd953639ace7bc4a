package serai.image;

import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How far mmdebstrap is, from what it, apt and dpkg write: each phase has a share of the bar, as measured, and within a phase
 * downloaded bytes and installed packages are counted.
 */
final class BootstrapProgress implements Consumer<String> {
    private enum Phase {
        START("", 0),
        UPDATE("I: running apt-get update", 1),
        DOWNLOAD("I: downloading packages", 8),
        EXTRACT("I: extracting archives", 17),
        ESSENTIAL("I: installing essential packages", 22),
        REST("I: installing remaining packages", 43),
        CUSTOMIZE("I: running --customize-hook", 86),
        CLEAN("I: cleaning package lists", 94),
        TAR("I: creating tarball", 95),
        END("I: done", 100);

        private final String line;
        private final int from;

        Phase(String line, int from) {
            this.line = line;
            this.from = from;
        }
    }

    private static final Pattern NEED = Pattern.compile("Need to get ([\\d.,]+) ?([kMG]?)B.*");
    private static final Pattern GOT = Pattern.compile("Get:\\d+ .*\\[([\\d.,]+) ?([kMG]?)B]");
    private static final Pattern NEW = Pattern.compile("\\d+ upgraded, (\\d{1,6}) newly installed, .*");

    private final Progress progress;
    private Phase phase = Phase.START;
    private double need;
    private double got;
    private int packages;
    private int steps;

    BootstrapProgress(Progress progress) {
        this.progress = progress;
    }

    @Override
    public void accept(String line) {
        for (Phase p : Phase.values()) {
            if (p.ordinal() > phase.ordinal() && line.startsWith(p.line)) {
                phase = p;
                need = 0;
                got = 0;
                steps = 0;
                if (p == Phase.REST) {
                    packages = 0;
                }
            }
        }
        Matcher m = NEED.matcher(line);
        if (m.matches()) {
            need = bytes(m);
        }
        m = GOT.matcher(line);
        if (m.matches()) {
            got += bytes(m);
        }
        m = NEW.matcher(line);
        if (m.matches()) {
            packages = Integer.parseInt(m.group(1));
        }
        if (line.startsWith("Unpacking ") || line.startsWith("Setting up ")) {
            steps++;
        }
        progress.at(percent());
    }

    int percent() {
        int from = phase.from;
        int to = phase == Phase.END ? from : Phase.values()[phase.ordinal() + 1].from;
        double loaded = need == 0 ? 0 : Math.min(1, got / need);
        double installed = packages == 0 ? 0 : Math.min(1, steps / (2.0 * packages));
        double part =
                switch (phase) {
                    case DOWNLOAD -> loaded;
                    case ESSENTIAL -> installed;
                    case REST -> 0.3 * loaded + 0.7 * installed;
                    default -> 0;
                };
        return (int) (from + part * (to - from));
    }

    private static double bytes(Matcher m) {
        try {
            double n = Double.parseDouble(m.group(1).replace(",", ""));
            return n * Math.pow(1000, " kMG".indexOf((m.group(2) + " ").charAt(0)));
        } catch (NumberFormatException e) {
            return 0;
        }
    }
}
