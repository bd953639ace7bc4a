package serai.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The table of published figures: boot time against {@code qemu-system-x86_64 -accel tcg}, speed of an integer loop,
 * memory of the VMM. {@code bench/run} starts it; it uses the JDK alone, so that it runs as a source file, with the classes
 * beside it.
 *
 * <p>Runs of Serai and QEMU alternate, so that both see the same host; medians are printed with the extremes.
 */
public final class Figures {
    private final Path root;
    private final int rounds;

    private final Boot boot;
    private final int cpus;

    private Figures(Path root, int rounds, Boot boot, int cpus) {
        this.root = root;
        this.rounds = rounds;
        this.boot = boot;
        this.cpus = cpus;
    }

    /** {@code ROOT ROUNDS IMAGE VCPUS}, or {@code ROOT ROUNDS smp}. */
    public static void main(String[] args) throws Exception {
        Path root = Path.of(args[0]);
        int rounds = Integer.parseInt(args[1]);
        if (args[2].equals("smp")) {
            Throughput.print(root, rounds);
        } else {
            new Figures(root, rounds, Boot.of(root, args[2]), Integer.parseInt(args[3])).print();
        }
    }

    private void print() throws Exception {
        out("figures of %s, bench/run %d %s %d%n%s%n%n"
                .formatted(Host.today(), rounds, boot.image(), cpus, Host.description()));
        double[] a = new double[rounds];
        double[] b = new double[rounds];
        long memory = 0;
        long touched = 0;
        for (int i = 0; i < rounds; i++) {
            try (Run r = boot.serai(cpus)) {
                a[i] = boot.started(r);
                if (i == 0) {
                    boot.awaitPrompt(r);
                    long pid = r.vmm();
                    long[] m = memory(pid);
                    memory = m[0];
                    touched = m[1];
                }
            }
            try (Run r = boot.qemu(cpus)) {
                b[i] = boot.started(r);
            }
        }
        row(
                "start to %s, %s, %d vCPU%s".formatted(boot.end(), boot.image(), cpus, cpus == 1 ? "" : "s"),
                "Serai",
                "QEMU TCG",
                "ratio");
        row(
                "  median of %d, s (least-most)".formatted(rounds),
                spread(a),
                spread(b),
                "%.2f".formatted(Times.median(a) / Times.median(b)));
        out("\n");
        if (!boot.hasDisk()) {
            loop();
        }
        row("memory at the prompt, MB", "", "", "");
        row("  guest memory touched", "%.0f".formatted(touched / 1e6), "", "");
        row("  the VMM's own", "%.0f".formatted((memory - touched) / 1e6), "", "");
    }

    /** 800 million instructions in a loop of four. */
    private void loop() throws Exception {
        Path directory = Files.createTempDirectory("serai-bench");
        new ProcessBuilder(root.resolve("guests/build").toString(), directory.toString(), "loop")
                .inheritIO()
                .start()
                .waitFor();
        Path guest = directory.resolve("loop");
        double[] mips = new double[rounds];
        double[] qemu = new double[rounds];
        Pattern p = Pattern.compile("time ([0-9.]+) s, ([0-9.]+) s of it");
        for (int i = 0; i < rounds; i++) {
            Process s = new ProcessBuilder(
                            root.resolve("serai").toString(),
                            "run",
                            "--kernel",
                            guest.toString(),
                            "--engine",
                            "java",
                            "--serial",
                            "null",
                            "--debug-exit",
                            "0xf4",
                            "--stats")
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String err = new String(s.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
            Matcher m = p.matcher(err);
            mips[i] = m.find() ? 800 / (Double.parseDouble(m.group(1)) - Double.parseDouble(m.group(2))) : 0;
            long t = System.nanoTime();
            new ProcessBuilder(
                            "qemu-system-x86_64",
                            "-accel",
                            "tcg",
                            "-m",
                            "64",
                            "-display",
                            "none",
                            "-nodefaults",
                            "-device",
                            "isa-debug-exit,iobase=0xf4,iosize=1",
                            "-kernel",
                            guest.toString())
                    .start()
                    .waitFor();
            qemu[i] = 800e6 / (System.nanoTime() - t) * 1e3;
        }
        try (Stream<Path> files = Files.walk(directory)) {
            files.sorted(Comparator.reverseOrder()).forEach(f -> f.toFile().delete());
        }
        row(
                "integer loop, million instructions a second",
                spread(mips),
                spread(qemu),
                "%.2f".formatted(Times.median(qemu) / Times.median(mips)));
        out("\n");
    }

    /** Median, least and most. */
    static String spread(double[] v) {
        return String.format(
                Locale.ROOT,
                Times.median(v) < 100 ? "%.2f (%.2f-%.2f)" : "%.0f (%.0f-%.0f)",
                Times.median(v),
                Times.min(v),
                Arrays.stream(v).max().orElse(0));
    }

    /** A line of a table. */
    static void row(String what, String a, String b, String c) {
        out(String.format("%-46s%20s%20s%8s%n", what, a, b, c));
    }

    static void out(String s) {
        System.out.print(s);
    }

    /** Proportional memory of a process, and of the guest RAM in it, in bytes. */
    private static long[] memory(long pid) throws IOException {
        long total = 0;
        long ram = 0;
        boolean inRam = false;
        for (String l : Files.readAllLines(Path.of("/proc/" + pid + "/smaps"))) {
            if (l.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                inRam = l.contains("serai-ram");
            } else if (l.startsWith("Pss:")) {
                long bytes = Long.parseLong(l.replaceAll("[^0-9]", "")) << 10;
                total += bytes;
                ram += inRam ? bytes : 0;
            }
        }
        return new long[] {total, ram};
    }
}
