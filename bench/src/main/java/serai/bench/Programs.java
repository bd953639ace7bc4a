package serai.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import serai.bench.Guest.FailedException;
import serai.bench.Guest.Outcome;

/**
 * Runs the same programs on this machine, in a guest under QEMU's TCG and in a guest of Serai's engine java, and compares their
 * times; {@code bench/programs} starts it. It uses the JDK alone, so that it runs as a source file, with the classes beside it.
 *
 * <p>Both guests have the kernel of the image {@code tiny}, the same initramfs and one processor. They stand side by side, and
 * each run of a program in one place is followed by its run in the next, so that all see the same host; the others are idle
 * meanwhile. Times are of this machine's clock: that of a guest shows what its hypervisor likes. A round is a new pair of
 * guests: a program's first run there includes all translation.
 *
 * <p>The kernel's mitigations are off in both: which it chooses depends on the CPU's model, and the models differ.
 */
public final class Programs {
    private static final int HOT_RUNS = 3, LIMIT_SECONDS = 60;
    private static final String APPEND = "console=ttyS0 quiet loglevel=0 mitigations=off";
    private static final String BEGIN = "<!-- bench/programs table: begin -->\n";
    private static final String END = "<!-- bench/programs table: end -->\n";

    /** The times of a program in a place, as they come. */
    private static final class Samples {
        private final List<Double> first = new ArrayList<>();
        private final List<Double> hot = new ArrayList<>();
        private String failure = "";

        Measured measured() {
            return failure.isEmpty() ? new Measured(array(first), array(hot), "") : Measured.failed(failure);
        }

        private static double[] array(List<Double> v) {
            return v.stream().mapToDouble(Double::doubleValue).toArray();
        }
    }

    private final List<Program> programs;
    private final Path executables;
    private final Map<Place, List<String>> commands = new EnumMap<>(Place.class);
    private final Map<Place, Guest> guests = new EnumMap<>(Place.class);
    private final Map<String, Samples> samples = new HashMap<>();
    /** What each program printed where it ran first. */
    private final Map<String, String> checksums = new HashMap<>();

    /**
     * @param built what {@code bench/programs} has built: {@code init}, {@code programs/} and {@code initrd.cpio}
     */
    private Programs(Path root, Path built, List<Program> programs) throws IOException {
        this.programs = programs;
        executables = built.resolve("programs");
        String kernel = Host.cached("tiny").resolve("vmlinuz").toString();
        String initrd = built.resolve("initrd.cpio").toString();
        commands.put(Place.NATIVE, List.of(built.resolve("init").toString()));
        commands.put(
                Place.TCG,
                List.of(
                        "qemu-system-x86_64",
                        "-accel",
                        "tcg",
                        "-cpu",
                        "qemu64",
                        "-m",
                        "512",
                        "-no-reboot",
                        "-nodefaults",
                        "-display",
                        "none",
                        "-serial",
                        "stdio",
                        "-kernel",
                        kernel,
                        "-initrd",
                        initrd,
                        "-append",
                        APPEND));
        commands.put(
                Place.SERAI,
                List.of(
                        root.resolve("serai").toString(),
                        "run",
                        "--engine",
                        "java",
                        "--memory",
                        "512M",
                        "--no-reboot",
                        "--kernel",
                        kernel,
                        "--initrd",
                        initrd,
                        "--append",
                        APPEND));
    }

    /** {@code ROOT BUILT table|run [ROUNDS [NAMES]]}: {@code table} also writes the README's, and its picture. */
    public static void main(String[] args) throws Exception {
        Path root = Path.of(args[0]);
        Path built = Path.of(args[1]);
        boolean publish = args[2].equals("table");
        int rounds = args.length > 3 ? Integer.parseInt(args[3]) : 3;
        List<Program> programs = chosen(
                Program.all(root.resolve("bench/programs.d")), args.length > 4 ? args[4].split(",") : new String[0]);
        List<Row> rows = new Programs(root, built, programs).measure(rounds);
        String head =
                "Of %s, %d round%s: %s.".formatted(Host.today(), rounds, rounds == 1 ? "" : "s", Host.description());
        String table = head + "\n\n" + ProgramTable.markdown(rows);
        System.out.print(table);
        Path picture = publish ? root.resolve("bench/programs.svg") : built.resolve("programs.svg");
        Files.writeString(picture, ProgramChart.svg(rows, head));
        if (publish) {
            Path readme = root.resolve("README.md");
            Files.writeString(readme, replaced(Files.readString(readme), table));
        }
        System.err.println("picture: " + picture);
        if (rows.stream().anyMatch(r -> !Arrays.stream(Place.values())
                .allMatch(p -> r.at(p).ok()))) {
            System.exit(1);
        }
    }

    /** A page with another table between the marks. */
    static String replaced(String page, String table) {
        int begin = page.indexOf(BEGIN);
        int end = page.indexOf(END);
        if (begin < 0 || end < begin) {
            throw new IllegalArgumentException(
                    "the page has not the lines %s and %s".formatted(BEGIN.strip(), END.strip()));
        }
        return page.substring(0, begin + BEGIN.length()) + table + page.substring(end);
    }

    /** @param names of programs and groups; none is all */
    static List<Program> chosen(List<Program> all, String... names) {
        for (String n : names) {
            if (all.stream().noneMatch(p -> p.is(n))) {
                throw new IllegalArgumentException("no program or group '%s': %s"
                        .formatted(n, all.stream().map(Program::name).collect(Collectors.joining(", "))));
            }
        }
        return all.stream()
                .filter(p -> names.length == 0 || Arrays.stream(names).anyMatch(p::is))
                .toList();
    }

    private List<Row> measure(int rounds) throws IOException {
        for (int round = 1; round <= rounds; round++) {
            try {
                for (Program p : programs) {
                    System.err.printf("round %d of %d: %s%n", round, rounds, p.name());
                    measure(p);
                }
            } finally {
                guests.values().forEach(Guest::close);
                guests.clear();
            }
        }
        List<Row> rows = new ArrayList<>();
        for (Program p : programs) {
            Map<Place, Measured> measured = new EnumMap<>(Place.class);
            for (Place place : Place.values()) {
                measured.put(place, samples(p, place).measured());
            }
            rows.add(new Row(p, measured));
        }
        return rows;
    }

    /** The first run in the guests that are there, and those after it. */
    private void measure(Program p) throws IOException {
        for (Place place : Place.values()) {
            guest(place); // starting one is not to fall between two runs
        }
        Map<Place, Double> best = new EnumMap<>(Place.class);
        for (int run = 0; run <= HOT_RUNS; run++) {
            for (Place place : Place.values()) {
                Samples s = samples(p, place);
                if (!s.failure.isEmpty()) {
                    continue; // it would again, and take as long
                }
                try {
                    double seconds = run(p, guest(place));
                    if (run == 0) {
                        s.first.add(seconds);
                    } else {
                        best.merge(place, seconds, Math::min);
                    }
                } catch (FailedException e) {
                    s.failure = String.valueOf(e.getMessage());
                    System.err.printf("%s, %s: %s%n", p.name(), place.title(), s.failure);
                    discardIfEnded(place);
                }
            }
        }
        best.forEach((place, seconds) -> samples(p, place).hot.add(seconds));
    }

    private double run(Program p, Guest guest) throws FailedException {
        Outcome o = guest.run(p.name(), LIMIT_SECONDS);
        String expected = checksums.computeIfAbsent(p.name(), n -> o.checksum());
        if (!o.checksum().equals(expected)) {
            throw new FailedException("prints %s, not %s".formatted(o.checksum(), expected));
        }
        return o.seconds();
    }

    private Guest guest(Place place) throws IOException {
        Guest g = guests.get(place);
        if (g == null) {
            try {
                g = new Guest(commands.getOrDefault(place, List.of()), executables);
            } catch (FailedException e) {
                throw new IOException(place.title() + ": " + e.getMessage(), e);
            }
            guests.put(place, g);
        }
        return g;
    }

    private void discardIfEnded(Place place) {
        Guest g = guests.get(place);
        if (g != null && g.ended()) {
            guests.remove(place);
            g.close();
        }
    }

    private Samples samples(Program p, Place place) {
        return samples.computeIfAbsent(p.name() + " " + place, k -> new Samples());
    }
}
