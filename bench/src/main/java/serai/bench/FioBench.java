package serai.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Disks in guests: fio in the same guest under Serai's engine java and under QEMU's TCG. {@code bench/fio} starts it; it uses the JDK
 * alone, so that it runs as a source file.
 *
 * <p>In a round either has a fresh copy of the same image, all of it written, in the host's page cache. Both guests run, and do the jobs in turns: one job in one of them, while the
 * other waits for a line on its console, then the same job in the other. So what else the host does, meets both. The figures are fio's, by the guest's clock; how
 * long each job takes by the host's clock is compared with what it was to take.
 */
public final class FioBench {
    private final Path root;
    private final Path built;
    private final int rounds;
    private final double seconds;
    private final String aio;
    /**
     * QEMU's NVMe loses a completion now and then where requests are many, and the guest finds out half a minute later. Such a job of QEMU's is left out,
     * told from others by these seconds; one of ours would stand in the table as it is.
     */
    private static final double HANGS = 10;

    private int left;
    /** The most by which a job was longer by the host's clock than fio was told, in seconds, and the least. */
    private double longest = Double.NEGATIVE_INFINITY;

    private double shortest = Double.POSITIVE_INFINITY;

    private FioBench(Path root, Path built, int rounds, double seconds, String aio) {
        this.root = root;
        this.built = built;
        this.rounds = rounds;
        this.seconds = seconds;
        this.aio = aio;
    }

    /**
     * {@code ROOT BUILT ROUNDS SECONDS AIO KINDS [JOBS]}: kinds as {@code virtio-raw}, with commas; of jobs those whose names begin with one of
     * JOBS. {@code jobs BUILT SECONDS [JOBS]} writes the files with the jobs.
     */
    public static void main(String[] args) throws Exception {
        if (args[0].equals("jobs")) {
            for (String bus : List.of("virtio", "nvme")) {
                String device = new FioGuest.Kind(bus, "raw").device();
                Files.writeString(
                        Path.of(args[1], bus + ".fio"),
                        FioJob.file(jobs(args, 3), device, Double.parseDouble(args[2])));
            }
            return;
        }
        FioBench b = new FioBench(
                Path.of(args[0]), Path.of(args[1]), Integer.parseInt(args[2]), Double.parseDouble(args[3]), args[4]);
        b.print(args[5].split(","), jobs(args, 6));
    }

    private static List<FioJob> jobs(String[] args, int at) {
        String[] prefixes = args.length > at ? args[at].split(",") : new String[] {""};
        return FioJob.all().stream()
                .filter(j -> Arrays.stream(prefixes).anyMatch(j.label()::startsWith))
                .toList();
    }

    private void print(String[] kinds, List<FioJob> jobs) throws Exception {
        System.out.printf(
                Locale.ROOT,
                "fio in a guest with one vCPU, %s, %d rounds of %.1f s a job, QEMU with aio=%s%n%s%n%n",
                Host.today(),
                rounds,
                seconds,
                aio,
                Host.description());
        int below = 0;
        for (String k : kinds) {
            String[] w = k.split("-");
            below += print(new FioGuest.Kind(w[0], w[1]), jobs);
        }
        System.out.printf(
                Locale.ROOT,
                "%d below 1.00; by the host's clock jobs took %.2f to %.2f s more than by fio's; %d jobs of QEMU's hung and were left out%n",
                below,
                shortest,
                longest,
                left);
    }

    /** A table. Requests a second, or MiB for those of 1 MiB, which is the same. */
    private int print(FioGuest.Kind kind, List<FioJob> jobs) throws Exception {
        double[][] qemu = new double[jobs.size()][rounds];
        double[][] serai = new double[jobs.size()][rounds];
        for (int i = 0; i < rounds; i++) {
            round(kind, jobs, i, qemu, serai);
        }
        System.out.printf(
                "%-22s %12s %12s %8s %8s%n",
                kind.bus() + ", " + kind.format(), "QEMU IO/s", "Serai IO/s", "ratio", "least");
        int below = 0;
        for (int j = 0; j < jobs.size(); j++) {
            double[] ratios = new double[rounds];
            for (int i = 0; i < rounds; i++) {
                ratios[i] = serai[j][i] / qemu[j][i];
            }
            left += (int) Arrays.stream(ratios).filter(Double::isNaN).count();
            ratios = Times.known(ratios);
            double ratio = Times.median(ratios);
            below += ratio < 1 ? 1 : 0;
            System.out.printf(
                    Locale.ROOT,
                    "%-22s %12.0f %12.0f %8.2f %8.2f%n",
                    jobs.get(j).label(),
                    Times.median(Times.known(qemu[j])),
                    Times.median(serai[j]),
                    ratio,
                    Times.min(ratios));
        }
        System.out.println();
        return below;
    }

    private Path fresh(FioGuest.Kind kind, String who) throws IOException, InterruptedException {
        Path copy = built.resolve(who + "." + kind.format());
        List<String> command = List.of(
                "cp", "--sparse=never", built.resolve("full." + kind.format()).toString(), copy.toString());
        if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0
                || new ProcessBuilder("sync", copy.toString())
                                .inheritIO()
                                .start()
                                .waitFor()
                        != 0) {
            throw new IOException(copy + " can't be made");
        }
        return copy;
    }

    private void round(FioGuest.Kind kind, List<FioJob> jobs, int round, double[][] qemu, double[][] serai)
            throws Exception {
        Path files = Host.cached("tiny");
        Path tools = built.resolve("tools.raw");
        try (FioGuest s = FioGuest.serai(root, files, kind, fresh(kind, "serai"), tools);
                FioGuest q = FioGuest.qemu(root, files, kind, fresh(kind, "qemu"), tools, aio)) {
            boolean[] hung = new boolean[jobs.size()];
            s.start(kind, jobs.getFirst());
            q.start(kind, jobs.getFirst());
            for (int j = 0; j < jobs.size(); j++) {
                for (FioGuest g : (j + round) % 2 == 0 ? List.of(s, q) : List.of(q, s)) {
                    double took = g.job(jobs.get(j));
                    System.err.printf(
                            Locale.ROOT,
                            "%s %s %s: %.2f s%n",
                            kind,
                            g == s ? "Serai" : "QEMU",
                            jobs.get(j).label(),
                            took);
                    if (g == q && took > FioJob.seconds(seconds) + HANGS) {
                        hung[j] = true;
                    } else {
                        longest = Math.max(longest, took - FioJob.seconds(seconds));
                        shortest = Math.min(shortest, took - FioJob.seconds(seconds));
                    }
                    if (j + 1 < jobs.size()) {
                        g.await(jobs.get(j + 1));
                    }
                }
            }
            for (int j = 0; j < jobs.size(); j++) {
                double result = q.result(jobs.get(j)) / jobs.get(j).blockKib();
                qemu[j][round] = hung[j] ? Double.NaN : result;
                serai[j][round] = s.result(jobs.get(j)) / jobs.get(j).blockKib();
            }
        }
    }
}
