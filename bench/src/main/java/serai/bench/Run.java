package serai.bench;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A process whose output is watched, and timed by this machine's clock as it arrives. {@link #close} ends it with all that it
 * has started.
 */
final class Run implements AutoCloseable {
    /** Nothing is left running if this JVM is told to end. */
    private static final Set<Run> LIVE = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> LIVE.forEach(Run::end)));
    }

    private final long start = System.nanoTime();
    private final Process process;
    private final StringBuilder seen = new StringBuilder();
    /** Where in {@link #seen} begins what has not been waited for. */
    private int position;
    /** When the last of {@link #seen} came. */
    private long arrived = start;

    private volatile boolean late;

    Run(List<String> command, Path directory) throws IOException {
        process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        LIVE.add(this);
    }

    /**
     * Writes a line to the process.
     *
     * @return seconds from the start, just before it is written
     */
    double say(String line) throws IOException {
        double now = (System.nanoTime() - start) / 1e9;
        process.getOutputStream().write((line + "\n").getBytes(StandardCharsets.US_ASCII));
        process.getOutputStream().flush();
        return now;
    }

    /**
     * Waits for a text behind the one that was waited for last.
     *
     * @return seconds from the start until it came
     * @throws IOException if the process ends without it
     */
    double until(String text) throws IOException {
        InputStream in = process.getInputStream();
        byte[] b = new byte[4096];
        int at = seen.indexOf(text, position);
        while (at < 0) {
            int n = in.read(b);
            if (n < 0) {
                throw new IOException("ended without '" + text + "': " + seen);
            }
            arrived = System.nanoTime();
            seen.append(new String(b, 0, n, StandardCharsets.ISO_8859_1));
            at = seen.indexOf(text, position);
        }
        position = at + text.length();
        return (arrived - start) / 1e9;
    }

    /** What there is before a text, which is waited for. */
    String before(String text) throws IOException {
        int from = position;
        until(text);
        return seen.substring(from, position - text.length());
    }

    /** What there is up to the end of the line, of any length. */
    String line() throws IOException {
        int from = position;
        until("\n");
        return seen.substring(from, position).strip();
    }

    /** Ends the process after so many seconds unless the future that is returned is completed before. */
    CompletableFuture<Void> watchdog(int seconds) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        CompletableFuture.delayedExecutor(seconds, TimeUnit.SECONDS).execute(() -> {
            if (done.complete(null)) {
                late = true;
                end();
            }
        });
        return done;
    }

    /** Whether a watchdog has ended it. */
    boolean late() {
        return late;
    }

    /** The process that runs the VMM: this one or a descendant. */
    long vmm() {
        return Stream.concat(Stream.of(process.toHandle()), process.descendants())
                .filter(h -> {
                    try {
                        return Files.readString(Path.of("/proc/" + h.pid() + "/cmdline"))
                                .contains("serai.vmm.Main");
                    } catch (IOException e) {
                        return false;
                    }
                })
                .mapToLong(ProcessHandle::pid)
                .findFirst()
                .orElse(process.pid());
    }

    private void end() {
        List<ProcessHandle> all = new ArrayList<>(process.descendants().toList());
        all.add(process.toHandle());
        all.forEach(ProcessHandle::destroy);
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                all.forEach(ProcessHandle::destroyForcibly);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        end();
        LIVE.remove(this);
    }
}
