package serai.checks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The guests of guests/: their list, and their binaries, assembled once a process. */
public final class Guests {
    private static @Nullable Path built;

    private Guests() {}

    /** The repository's root: the nearest directory above the working one that has guests/guests.txt. */
    public static Path root() {
        Path p = Path.of("").toAbsolutePath();
        while (p != null && !Files.exists(p.resolve("guests/guests.txt"))) {
            p = p.getParent();
        }
        if (p == null) {
            throw new IllegalStateException("not inside the repository: no guests/guests.txt above");
        }
        return p;
    }

    /** All of them, in the order of the file. */
    public static List<Guest> all() {
        try {
            return parse(Files.readAllLines(root().resolve("guests/guests.txt")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The one of that name. */
    public static Guest named(String name) {
        return all().stream()
                .filter(g -> g.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no guest " + name));
    }

    static List<Guest> parse(List<String> lines) {
        List<Guest> guests = new ArrayList<>();
        String name = "";
        Guest.Kvm kvm = Guest.Kvm.ANY;
        List<String> options = new ArrayList<>();
        int status = 33;
        String error = "";
        StringBuilder transcript = new StringBuilder();
        for (String line : lines) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            if (line.startsWith("[")) {
                if (!name.isEmpty()) {
                    guests.add(new Guest(name, kvm, List.copyOf(options), status, error, transcript.toString()));
                }
                name = line.substring(1, line.indexOf(']'));
                kvm = Guest.Kvm.ANY;
                options.clear();
                status = 33;
                error = "";
                transcript.setLength(0);
            } else if (line.startsWith(">")) {
                transcript.append(line.substring(Math.min(2, line.length()))).append('\n');
            } else {
                int eq = line.indexOf(" = ");
                String value = line.substring(eq + 3);
                switch (line.substring(0, eq)) {
                    case "kvm" -> kvm = Guest.Kvm.valueOf(value.toUpperCase(Locale.ROOT));
                    case "options" -> options.addAll(List.of(value.split(" ")));
                    case "status" -> status = Integer.parseInt(value);
                    case "error" -> error = value;
                    default -> throw new IllegalArgumentException("guests.txt: " + line);
                }
            }
        }
        guests.add(new Guest(name, kvm, List.copyOf(options), status, error, transcript.toString()));
        return guests;
    }

    /** Its binary; the first call assembles all guests. */
    public static synchronized Path binary(Guest guest) {
        Path directory = built;
        if (directory == null) {
            try {
                directory = Files.createTempDirectory("serai-guests");
                Process p = new ProcessBuilder(root().resolve("guests/build").toString(), directory.toString())
                        .redirectErrorStream(true)
                        .start();
                String out = new String(p.getInputStream().readAllBytes());
                if (p.waitFor() != 0) {
                    throw new IllegalStateException("guests/build failed: " + out);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
            built = directory;
        }
        return directory.resolve(guest.name());
    }
}
