package serai.image;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * apt as this host has it, or with sources of our own beside the host's settings: another suite, or source packages. The lists
 * of these stay in a directory of ours, so root isn't needed, and the host's apt does not change.
 */
final class Apt {
    private static final int MAX_OUTPUT = 1 << 20;

    /** How a command of apt's ended, and what it wrote to standard output and error. */
    record Output(int status, String text) {
        /** The package lists are older than the archive, or there are none. */
        boolean outdated() {
            return text.contains("404") || text.contains("Unable to locate") || text.contains("Hash Sum");
        }

        /** apt's own words for what went wrong, on one line. */
        String error() {
            return text.lines()
                    .filter(l -> l.startsWith("E: "))
                    .map(l -> l.substring(3).strip())
                    .reduce((a, b) -> b)
                    .orElse("status " + status);
        }
    }

    private final Path dir;
    private final List<String> options;
    private final boolean own;

    private Apt(Path dir, List<String> options, boolean own) {
        this.dir = dir;
        this.options = options;
        this.own = own;
    }

    /** With the host's sources; what it downloads goes to {@code dir}. */
    static Apt ofHost(Path dir) {
        return new Apt(dir, sandbox(), false);
    }

    /**
     * With these sources, their lists fetched.
     *
     * @param list as a sources.list has them
     * @throws ImageException if the archive has them not
     */
    static Apt withSources(String list, Path dir, Progress progress)
            throws ImageException, IOException, InterruptedException {
        Path home = Files.createDirectories(dir.resolve("apt"));
        Files.createDirectories(home.resolve("lists/partial"));
        Files.createDirectories(home.resolve("cache/archives/partial"));
        Path sources = Files.writeString(home.resolve("sources.list"), list);
        List<String> options = new ArrayList<>(sandbox());
        for (String o : List.of(
                "Dir::Etc::SourceList=" + sources,
                "Dir::Etc::SourceParts=/dev/null",
                "Dir::State::Lists=" + home.resolve("lists"),
                "Dir::Cache=" + home.resolve("cache"),
                "Acquire::Languages=none")) {
            options.addAll(List.of("-o", o));
        }
        Apt apt = new Apt(dir, List.copyOf(options), true);
        progress.say("reading the package lists");
        Output out = apt.run("apt-get", "-q", "update");
        if (out.status != 0 || out.text.contains("\nE: ")) {
            throw new ImageException("the package lists could not be read: " + out.error());
        }
        return apt;
    }

    private static List<String> sandbox() {
        // else apt warns that its sandbox user can't write here
        return isRoot() ? List.of("-o", "APT::Sandbox::User=root") : List.of();
    }

    static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    /** Whether its lists can be fetched again by {@code apt-get update}. */
    boolean canUpdate() {
        return own || isRoot();
    }

    /** Runs a command of apt's to its end. */
    Output run(String... command) throws ImageException, IOException, InterruptedException {
        Process p = start(List.of(command), ProcessBuilder.Redirect.PIPE);
        String text = new String(p.getInputStream().readNBytes(MAX_OUTPUT), StandardCharsets.ISO_8859_1);
        return new Output(p.waitFor(), text);
    }

    /** Starts one; it works in our directory. */
    Process start(List<String> command, ProcessBuilder.Redirect out) throws ImageException {
        List<String> words = new ArrayList<>(command);
        words.addAll(1, options);
        ProcessBuilder b = new ProcessBuilder(words)
                .directory(dir.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .redirectErrorStream(true)
                .redirectOutput(out);
        b.environment().put("LC_ALL", "C");
        b.environment().put("DEBIAN_FRONTEND", "noninteractive");
        try {
            return b.start();
        } catch (IOException e) {
            throw new ImageException(
                    command.getFirst() + " could not be started, and images are made from Debian packages; on another"
                            + " system, give a kernel by --kernel and --initrd",
                    e);
        }
    }
}
