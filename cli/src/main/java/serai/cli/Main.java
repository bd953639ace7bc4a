package serai.cli;

import java.io.PrintStream;
import java.util.Arrays;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** {@code serai}. */
@Command(
        name = "serai",
        description = "Server virtualization in Java.",
        synopsisSubcommandLabel = "COMMAND",
        versionProvider = Version.class,
        subcommands = {RunCommand.class, QmpCommand.class, RehearseCommand.class},
        footer = {"", "A first guest:  serai run tiny", "Help on a command:  serai COMMAND --help"})
public final class Main implements Runnable {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it
    private boolean help;

    @Option(names = "--version", versionHelp = true, description = "Shows the version.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it
    private boolean version;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "no command given");
    }

    /** Runs and ends the process with the command's status. */
    public static void main(String[] args) {
        System.exit(execute(args, System.err));
    }

    /** Runs; all failures end in one sentence on {@code err} and an even status. */
    static int execute(String[] args, PrintStream err) {
        try {
            return new CommandLine(new Main())
                    .setExpandAtFiles(false)
                    .setParameterExceptionHandler((e, a) -> {
                        say(
                                err,
                                sentence(e) + "; see: "
                                        + e.getCommandLine().getCommandSpec().qualifiedName() + " --help");
                        return Status.USAGE;
                    })
                    .setExecutionExceptionHandler((e, command, parsed) -> failed(e, err))
                    .execute(Arrays.stream(args)
                            // its value is optional, and an image after it is not it
                            .map(a -> a.equals("--deterministic") ? "--deterministic=1" : a)
                            .toArray(String[]::new));
        } catch (Throwable e) {
            return failed(e, err);
        }
    }

    private static String sentence(ParameterException e) {
        if (e instanceof UnmatchedArgumentException u && !u.getUnmatched().isEmpty()) {
            String first = u.getUnmatched().getFirst();
            return first.startsWith("-") ? "unknown option '" + first + "'" : "unexpected argument '" + first + "'";
        }
        String m = e.getMessage();
        return m == null || m.isEmpty() ? "wrong usage" : m.lines().findFirst().orElse(m);
    }

    private static int failed(Throwable e, PrintStream err) {
        if (e instanceof CliException c) {
            say(err, String.valueOf(c.getMessage()));
            return c.status();
        }
        if (System.getProperty("serai.debug") != null) {
            e.printStackTrace(err);
        }
        say(
                err,
                e instanceof OutOfMemoryError
                        ? "this machine has too little free memory"
                        : "internal error: " + e + " (a bug; JAVA_TOOL_OPTIONS=-Dserai.debug=1 shows where)");
        return Status.HOST;
    }

    private static void say(PrintStream err, String sentence) {
        err.println("serai: " + sentence.replace('\n', ' '));
        err.flush();
    }
}
