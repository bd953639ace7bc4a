package serai.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * A place that runs programs one at a time: the driver of {@code bench/programs.d/lib/driver.c}, as a guest's init behind its
 * serial port, or as a process of this machine.
 */
final class Guest implements AutoCloseable {
    private static final String READY = "\5", WAITS = "\2", END = "\3";
    private static final int START_SECONDS = 180;

    /**
     * @param seconds from the program's begin to its end
     * @param checksum what it printed
     */
    record Outcome(double seconds, String checksum) {}

    /** A program did not run to its end, or the guest to its begin; the message says why in a few words. */
    static final class FailedException extends Exception {
        private static final long serialVersionUID = 1;

        FailedException(String why) {
            super(why);
        }
    }

    private final Run run;
    private boolean ended;

    /** Starts it, and waits until it is ready. */
    Guest(List<String> command, Path directory) throws IOException, FailedException {
        run = new Run(command, directory);
        try {
            within(START_SECONDS, () -> new Outcome(run.until(READY), ""));
        } catch (FailedException e) {
            run.close();
            throw new FailedException("no start: " + e.getMessage());
        }
    }

    /** @param limit in seconds; after it the guest is ended */
    Outcome run(String program, int limit) throws FailedException {
        return within(limit, () -> {
            run.say(program);
            run.until(WAITS);
            double begin = run.say("");
            double end = run.until(END);
            return outcome(end - begin, run.line());
        });
    }

    /** Whether it can't run anything any more. */
    boolean ended() {
        return ended;
    }

    /** @param line the status as wait(2) gives it, a space, and what the program printed */
    static Outcome outcome(double seconds, String line) throws FailedException {
        String[] words = line.split(" ", 2);
        if (words.length != 2 || !words[0].matches("\\d{1,6}")) {
            throw new FailedException("no status");
        }
        int status = Integer.parseInt(words[0]);
        if (status != 0) {
            int signal = status & 0x7f;
            throw new FailedException(signal != 0 ? "signal " + signal : "status " + (status >> 8));
        }
        return new Outcome(seconds, words[1]);
    }

    private interface Step {
        Outcome take() throws IOException, FailedException;
    }

    private Outcome within(int seconds, Step step) throws FailedException {
        CompletableFuture<Void> done = run.watchdog(seconds);
        try {
            return step.take();
        } catch (IOException e) {
            ended = true;
            throw new FailedException(run.late() ? "> %d s".formatted(seconds) : "the guest ended");
        } finally {
            done.complete(null);
        }
    }

    @Override
    public void close() {
        run.close();
    }
}
