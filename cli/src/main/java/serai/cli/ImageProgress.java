package serai.cli;

import serai.image.Progress;

/** The progress of a command on standard error: a bar on a terminal, and with -p a line each quarter elsewhere. */
final class ImageProgress implements serai.storage.image.Progress, AutoCloseable {
    private final boolean shown;
    private final String what;
    private final boolean inBytes;
    private final Progress bar = Progress.onStandardError();
    private boolean begun;
    private boolean ended;

    /**
     * Of a command.
     *
     * @param what what is done, a word
     * @param inBytes whether it counts bytes
     * @param forced with -p
     * @param quiet with -q
     */
    ImageProgress(String what, boolean inBytes, boolean forced, boolean quiet) {
        this.what = what;
        this.inBytes = inBytes;
        shown = !quiet && (forced || bar.isOnTerminal());
    }

    @Override
    public void at(long done, long total) {
        if (!shown || ended) {
            return;
        }
        if (!begun) {
            if (inBytes) {
                bar.start(what, total);
            } else {
                bar.startPercent(what);
            }
            begun = true;
        }
        bar.at(inBytes ? done : done * 100 / Math.max(1, total));
        if (done >= total) {
            bar.done();
            ended = true;
        }
    }

    @Override
    public void close() {
        if (begun && !ended) {
            bar.broken();
        }
    }
}
