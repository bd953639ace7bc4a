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
 * <p>Both guests have the same kernel, initramfs and disk, and one processor. They stand side by side, and each run of a program in
 * one place is followed by its run in the next, so that all see the same host; the others are idle meanwhile. Times are of this
 * machine's clock: that of a guest shows what its hypervisor likes. A round is a new pair of guests: a program's first run
 * there includes all translation.
 */
public final class Programs {
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
    private final Suite suite;
    private final Path built;
    private final Map<Place, List<String>> commands;
    private final Map<Place, Guest> guests = new EnumMap<>(Place.class);
    private final Map<String, Samples> samples = new HashMap<>();
    /** What each program printed where it ran first. */
    private final Map<String, String> checksums = new HashMap<>();

    private Programs(List<Program> programs, Suite suite, Path built, Map<Place, List<String>> commands) {
        this.programs = programs;
        this.suite = suite;
        this.built = built;
        this.commands = commands;
    }

    /**
     * {@code ROOT BUILT SUITE table|run [ROUNDS [NAMES]]}: {@code table} also writes the README's, and its picture. The status is
     * 1 if a program has no figure.
     */
    public static void main(String[] args) throws Exception {
        Path root = Path.of(args[0]);
        Path built = Path.of(args[1]);
        Suite suite = Suite.valueOf(args[2]);
        boolean publish = args[3].equals("table");
        int rounds = args.length > 4 ? Integer.parseInt(args[4]) : 3;
        List<Program> programs = chosen(suite.programs(root), args.length > 5 ? args[5].split(",") : new String[0]);
        List<Row> rows = new Programs(programs, suite, built, suite.commands(root, built)).measure(rounds);
        String head =
                "Of %s, %d round%s: %s.".formatted(Host.today(), rounds, rounds == 1 ? "" : "s", Host.description());
        String table = head + "\n\n" + ProgramTable.markdown(rows);
        System.out.print(table);
        Path picture = publish ? suite.picture(root) : built.resolve("programs.svg");
        Files.writeString(picture, ProgramChart.svg(rows, head));
        if (publish) {
            Path readme = root.resolve("README.md");
            Files.writeString(readme, replaced(Files.readString(readme), suite, table));
        }
        System.err.println("picture: " + picture);
        if (rows.stream().anyMatch(r -> !Arrays.stream(Place.values())
                .allMatch(p -> r.at(p).ok()))) {
            System.exit(1);
        }
    }

    /** A page with another table between the suite's marks. */
    static String replaced(String page, Suite suite, String table) {
        int begin = page.indexOf(suite.begin());
        int end = page.indexOf(suite.end());
        if (begin < 0 || end < begin) {
            throw new IllegalArgumentException("the page has not the lines %s and %s"
                    .formatted(suite.begin().strip(), suite.end().strip()));
        }
        return page.substring(0, begin + suite.begin().length()) + table + page.substring(end);
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
        for (int run = 0; run <= suite.hotRuns(); run++) {
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
        Outcome o = guest.run(p.name(), suite.limit());
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
                g = new Guest(commands.getOrDefault(place, List.of()), built);
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
