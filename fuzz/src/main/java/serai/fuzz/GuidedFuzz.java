package serai.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Jazzer on a target, guided by the coverage of what it runs, in a JVM of its own.
 *
 * <p>A target is a class with {@code public static void fuzzerTestOneInput(byte[])}, which throws if something is wrong. The class path
 * is that of the test run.
 */
public final class GuidedFuzz {
    /** Seconds of a target in an ordinary run of the tests. */
    public static final long BRIEFLY = 3;
    /** Seconds of a target in the long run: with all targets about an hour. {@code -Dserai.fuzz.seconds} sets another number. */
    public static final long LONG = Long.getLong("serai.fuzz.seconds", 140);

    private static final int MAX_INPUT = 4096;
    /** What one input may take; a hundred times less is usual, but the machine may be busy. */
    private static final int INPUT_SECONDS = 20;
    /** What the start, and the last input, may take beside. */
    private static final int GRACE_SECONDS = 120;

    private static final int TAIL = 8000;

    private final Class<?> target;
    private final String instrumented;
    private final Path directory;
    private final List<String> properties = new ArrayList<>();
    private @Nullable Path seeds;

    /**
     * Of a target.
     *
     * @param instrumented whose coverage guides, such as {@code serai.machine.**}
     * @param directory empty, for what it writes
     */
    public GuidedFuzz(Class<?> target, String instrumented, Path directory) {
        this.target = target;
        this.instrumented = instrumented;
        this.directory = directory;
    }

    /** A system property of that JVM. */
    public GuidedFuzz property(String name, Object value) {
        properties.add("-D" + name + "=" + value);
        return this;
    }

    /** A directory with inputs to begin with; none if it does not exist. */
    public GuidedFuzz seeds(Path from) {
        seeds = Files.isDirectory(from) ? from : null;
        return this;
    }

    /**
     * Fuzzes.
     *
     * @throws AssertionError if there is a finding, or it hangs
     */
    public void run(long seconds) throws IOException, InterruptedException {
        Path log = directory.resolve("log");
        Path corpus = Files.createDirectory(directory.resolve("corpus"));
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx1g"));
        command.addAll(properties);
        command.addAll(List.of(
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path", ".")),
                "com.code_intelligence.jazzer.Jazzer",
                "--target_class=" + target.getName(),
                "--instrumentation_includes=" + instrumented,
                "-max_len=" + MAX_INPUT,
                "-timeout=" + INPUT_SECONDS,
                "-max_total_time=" + seconds,
                corpus.toString()));
        if (seeds != null) {
            command.add(seeds.toAbsolutePath().toString());
        }
        Process p = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            if (!p.waitFor(seconds + GRACE_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError(this + " hangs: " + tail(log));
            }
        } finally {
            p.destroyForcibly();
        }
        if (p.exitValue() != 0) {
            throw new AssertionError(this + ": " + tail(log));
        }
        String said = Files.readString(log);
        if (!said.contains("INITED")) {
            throw new AssertionError(this + " has not run: " + tail(log));
        }
        said.lines().filter(l -> l.contains("DONE")).forEach(l -> System.out.println(this + ": " + l));
    }

    @Override
    public String toString() {
        return target.getSimpleName() + " " + String.join(" ", properties);
    }

    private static String tail(Path log) throws IOException {
        String s = Files.readString(log);
        return s.substring(Math.max(0, s.length() - TAIL));
    }
}
