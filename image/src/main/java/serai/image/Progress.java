package serai.image;

import java.io.PrintStream;

/**
 * Progress of a long job, in bytes or percent: one line that redraws itself on a terminal, else a plain line each quarter.
 * Not for use by several threads at once.
 */
public final class Progress {
    private static final int BAR = 30;

    private final PrintStream out;
    private final boolean terminal;
    private String what = "";
    private long total;
    private boolean bytes = true;
    private int shown = -1;

    /** Writing to {@code out}. */
    public Progress(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    /** On standard error, with a bar if that is a terminal. */
    public static Progress onStandardError() {
        return new Progress(System.err, Terminal.isStandardError());
    }

    /** Whether it is a bar that redraws itself. */
    public boolean isOnTerminal() {
        return terminal;
    }

    /** A line of its own. */
    public void say(String line) {
        out.println("serai: " + line);
        out.flush();
    }

    /** A new job of {@code size} bytes. */
    public void start(String job, long size) {
        start(job, size, true);
    }

    /** A new job whose share that is done {@link #at} takes in percent. */
    public void startPercent(String job) {
        start(job, 100, false);
    }

    private void start(String job, long size, boolean inBytes) {
        what = job;
        total = Math.max(1, size);
        bytes = inBytes;
        shown = -1;
        at(0);
    }

    /** How much of it is done. */
    public void at(long done) {
        int percent = (int) Math.max(0, Math.min(100, (long) (100.0 * done / total)));
        // never back: a download that is tried again starts from 0
        if (percent <= shown || (!terminal && shown >= 0 && percent / 25 == shown / 25)) {
            return;
        }
        shown = percent;
        String figures = "%3d %%".formatted(percent);
        if (bytes) {
            figures += "  %5.1f of %.1f MB".formatted(Math.min(done, total) / 1e6, total / 1e6);
        }
        if (terminal) {
            int full = percent * BAR / 100;
            out.print("\r%-24s [%s%s] %s ".formatted(what, "#".repeat(full), ".".repeat(BAR - full), figures));
        } else {
            out.println("serai: " + what + ": " + figures.strip());
        }
        out.flush();
    }

    /** The job is done. */
    public void done() {
        at(total);
        if (terminal) {
            out.println();
        }
    }

    /** The job failed: leaves the bar as it stands and ends its line. */
    public void broken() {
        if (terminal && shown >= 0) {
            out.println();
        }
        shown = -1;
    }
}
