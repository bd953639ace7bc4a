package serai.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import serai.storage.DiskException;

/** A subcommand of {@code serai image}: what storage refuses becomes a sentence and a status. */
abstract class ImageAction implements Callable<Integer> {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it
    private boolean help;

    /** Does it; the status. */
    abstract int run() throws IOException, CliException;

    /** Status if an image is refused. */
    int refused() {
        return Status.INPUT;
    }

    /** Status if something fails here. */
    int failed() {
        return Status.HOST;
    }

    @Override
    public final Integer call() throws CliException {
        try {
            int status = run();
            out().flush();
            return status;
        } catch (DiskException e) {
            throw new CliException(refused(), String.valueOf(e.getMessage()), e);
        } catch (IOException e) {
            throw new CliException(failed(), String.valueOf(e.getMessage()), e);
        }
    }

    /** Standard output. */
    final PrintWriter out() {
        return spec.commandLine().getOut();
    }

    /** A line for the user on standard error, which is no failure. */
    final void note(String line) {
        PrintWriter err = spec.commandLine().getErr();
        err.println("serai: " + line);
        err.flush();
    }
}
