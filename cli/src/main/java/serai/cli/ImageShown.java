package serai.cli;

import picocli.CommandLine.Option;

/** {@code -p} and {@code -q}. */
final class ImageShown {
    @Option(
            names = {"-p", "--progress"},
            description = "Shows the progress also where standard error is no terminal.")
    private boolean progress;

    @Option(
            names = {"-q", "--quiet"},
            description = "Shows nothing but errors.")
    private boolean quiet;

    boolean quiet() {
        return quiet;
    }

    /** Of something in bytes. */
    ImageProgress progress(String what) {
        return new ImageProgress(what, true, progress, quiet);
    }

    /** Of something in units that tell nothing. */
    ImageProgress percent(String what) {
        return new ImageProgress(what, false, progress, quiet);
    }
}
