package serai.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What two busy vCPUs get done: two copies of a program on a guest with two against one copy on a guest with one, on Serai and on QEMU's
 * TCG. All four guests are there at once, and each in turn is busy while the others idle.
 */
final class Throughput {
    /** A loop of awk's, which is all computing, in each copy. */
    private static final String PROGRAM = "awk 'BEGIN { for (i = 0; i < 2000000; i++) x += i % 7; print x }'";

    private Throughput() {}

    /** A guest with a shell. */
    private static final class Busy {
        private final Boot boot;
        private final Run run;
        private final int copies;
        private final double[] seconds;

        Busy(Boot boot, Run run, int copies, int rounds) throws IOException {
            this.boot = boot;
            this.run = run;
            this.copies = copies;
            seconds = new double[rounds];
            boot.started(run);
            boot.awaitPrompt(run);
            time(); // translates
        }

        /** Runs the copies once: seconds until the last has ended. */
        double time() throws IOException {
            String background = (PROGRAM + " & ").repeat(copies - 1);
            // the terminal's echo of the line must not look like what it prints
            double begin = run.say(background + PROGRAM + "; wait; echo EN''D");
            double end = run.until("END");
            boot.awaitPrompt(run);
            return end - begin;
        }
    }

    /** Measures and prints. */
    static void print(Path root, int rounds) throws IOException, InterruptedException {
        Boot boot = Boot.of(root, "tiny");
        Figures.out("figures of %s, bench/run smp %d%n%s%n%n".formatted(Host.today(), rounds, Host.description()));
        List<Run> runs = new ArrayList<>();
        List<Busy> guests = new ArrayList<>(); // Serai with one and two, QEMU with one and two
        try {
            for (boolean serai : new boolean[] {true, false}) {
                for (int cpus = 1; cpus <= 2; cpus++) {
                    Run r = serai ? boot.serai(cpus) : boot.qemu(cpus);
                    runs.add(r);
                    guests.add(new Busy(boot, r, cpus, rounds));
                }
            }
            for (int i = 0; i < rounds; i++) {
                for (Busy g : guests) {
                    g.seconds[i] = g.time();
                }
            }
        } finally {
            runs.forEach(Run::close);
        }
        double[] serai = gain(guests.get(0).seconds, guests.get(1).seconds);
        double[] qemu = gain(guests.get(2).seconds, guests.get(3).seconds);
        Figures.row("two busy vCPUs, medians of %d (least-most)".formatted(rounds), "Serai", "QEMU TCG", "ratio");
        seconds("  a program on one vCPU, s", guests.get(0).seconds, guests.get(2).seconds);
        seconds("  two copies of it on two vCPUs, s", guests.get(1).seconds, guests.get(3).seconds);
        Figures.row("  throughput of the two over the one", Figures.spread(serai), Figures.spread(qemu), "");
    }

    private static void seconds(String what, double[] serai, double[] qemu) {
        Figures.row(
                what,
                Figures.spread(serai),
                Figures.spread(qemu),
                "%.2f".formatted(Times.median(serai) / Times.median(qemu)));
    }

    /** How much more two get done in a time than one. */
    static double[] gain(double[] one, double[] two) {
        double[] g = new double[one.length];
        for (int i = 0; i < g.length; i++) {
            g[i] = 2 * one[i] / two[i];
        }
        return g;
    }
}
