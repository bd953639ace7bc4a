package serai.checks;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** A VMM in a process of its own, on this test's class path. */
public final class Vmm implements AutoCloseable {
    /**
     * How a VMM ended.
     *
     * @param status its exit status
     * @param out what it wrote to standard output: the guest's
     * @param err what it wrote to standard error: ours
     */
    public record Result(int status, String out, String err) {
        /** The last line of {@link #err}. */
        public String lastError() {
            String[] lines = err.strip().split("\n");
            return lines[lines.length - 1];
        }
    }

    private final Process process;
    private final StringBuilder out = new StringBuilder();
    private final StringBuilder err = new StringBuilder();
    private final Thread outReader;
    private final Thread errReader;

    private Vmm(Process process) {
        this.process = process;
        outReader = reader(process.getInputStream(), out);
        errReader = reader(process.getErrorStream(), err);
    }

    /** The command line of a VMM with these words, which translates code or not as this JVM is told to. */
    public static List<String> command(List<String> words) {
        List<String> c = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-XX:+UseSerialGC"));
        for (String property : List.of("serai.translate", "serai.translate.bytes")) {
            String value = System.getProperty(property, "");
            if (!value.isEmpty()) {
                c.add("-D" + property + "=" + value);
            }
        }
        c.addAll(List.of("-cp", System.getProperty("java.class.path"), "serai.vmm.Main"));
        c.addAll(words);
        return c;
    }

    /** Starts one; its standard input is a pipe. */
    public static Vmm start(List<String> words) throws IOException {
        return new Vmm(new ProcessBuilder(command(words)).start());
    }

    /** Runs one to its end with nothing on standard input. */
    public static Result run(List<String> words) throws IOException, InterruptedException {
        try (Vmm v = start(words)) {
            v.process.getOutputStream().close();
            return v.await(300);
        }
    }

    /** As {@link #run(List)}. */
    public static Result run(String... words) throws IOException, InterruptedException {
        return run(List.of(words));
    }

    private static Thread reader(InputStream in, StringBuilder into) {
        return Thread.ofPlatform().daemon().start(() -> {
            byte[] b = new byte[4096];
            try {
                int n;
                while ((n = in.read(b)) >= 0) {
                    synchronized (into) {
                        into.append(new String(b, 0, n, StandardCharsets.ISO_8859_1));
                        into.notifyAll();
                    }
                }
            } catch (IOException e) {
                return; // the process was ended
            }
        });
    }

    /** Types to the guest. */
    public void type(String text) throws IOException {
        OutputStream o = process.getOutputStream();
        o.write(text.getBytes(StandardCharsets.ISO_8859_1));
        o.flush();
    }

    /** Waits until standard output satisfies the condition; what it holds then. */
    public String awaitOutput(Predicate<String> condition, long seconds) throws InterruptedException {
        return await(out, condition, seconds);
    }

    /** As {@link #awaitOutput} for standard error. */
    public String awaitError(Predicate<String> condition, long seconds) throws InterruptedException {
        return await(err, condition, seconds);
    }

    private String await(StringBuilder stream, Predicate<String> condition, long seconds) throws InterruptedException {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        synchronized (stream) {
            while (!condition.test(stream.toString())) {
                long left = (end - System.nanoTime()) / 1_000_000;
                if (left <= 0 || (!process.isAlive() && !outReader.isAlive() && !errReader.isAlive())) {
                    throw new AssertionError(
                            "not in %d s; standard output: %s%nstandard error: %s".formatted(seconds, out, err));
                }
                stream.wait(Math.min(left, 100));
            }
            return stream.toString();
        }
    }

    /** Waits for its end. */
    public Result await(long seconds) throws InterruptedException {
        if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
            throw new AssertionError(
                    "still running after %d s; standard output: %s%nstandard error: %s".formatted(seconds, out, err));
        }
        outReader.join(5000);
        errReader.join(5000);
        synchronized (out) {
            synchronized (err) {
                return new Result(process.exitValue(), out.toString(), err.toString());
            }
        }
    }

    /** Its process id. */
    public long pid() {
        return process.pid();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
