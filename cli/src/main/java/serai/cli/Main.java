package serai.cli;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
        footer = {"", "A first guest:  serai run tiny", "Help on a command:  serai COMMAND --help"})
public final class Main implements Runnable {
    /** By their names, in the order of the help. */
    private static final Map<String, Class<?>> COMMANDS = commands(
            List.of("run", "image", "switch", "qmp", "rehearse"),
            List.of(
                    RunCommand.class,
                    ImageCommand.class,
                    SwitchCommand.class,
                    QmpCommand.class,
                    RehearseCommand.class));

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
        System.exit(execute(args, System.out, System.err));
    }

    /** Runs; all failures end in one sentence on {@code err} and an even status. */
    static int execute(String[] args, PrintStream out, PrintStream err) {
        try {
            return commandLine(args)
                    .setOut(new PrintWriter(out, true))
                    .setErr(new PrintWriter(err, true))
                    .setExpandAtFiles(false)
                    .setParameterExceptionHandler((e, a) -> {
                        say(
                                err,
                                sentence(e) + "; see: "
                                        + e.getCommandLine().getCommandSpec().qualifiedName() + " --help");
                        return e.getCommandLine().getCommandSpec().exitCodeOnInvalidInput();
                    })
                    .setExecutionExceptionHandler((e, command, parsed) -> failed(e, err))
                    .execute(words(args));
        } catch (Throwable e) {
            return failed(e, err);
        }
    }

    /** Knows all commands, or, as reflection on one takes 5 to 20 ms in a cold JVM, the one that is meant. */
    private static CommandLine commandLine(String[] args) {
        CommandLine main = new CommandLine(new Main());
        add(main, COMMANDS, args, 0);
        CommandLine image = main.getSubcommands().get("image");
        if (image != null) {
            add(image, ImageCommand.COMMANDS, args, 1);
        }
        return main;
    }

    private static void add(CommandLine to, Map<String, Class<?>> commands, String[] args, int at) {
        Class<?> meant = at < args.length ? commands.get(args[at]) : null;
        if (meant != null) {
            to.addSubcommand(meant);
        } else {
            commands.values().forEach(to::addSubcommand);
        }
    }

    /** In order. */
    static Map<String, Class<?>> commands(List<String> names, List<Class<?>> classes) {
        Map<String, Class<?>> all = new LinkedHashMap<>();
        for (int i = 0; i < names.size(); i++) {
            all.put(names.get(i), classes.get(i));
        }
        return Collections.unmodifiableMap(all);
    }

    /** As picocli takes them. */
    private static String[] words(String[] args) {
        boolean resize = args.length > 1 && args[0].equals("image") && args[1].equals("resize");
        return Arrays.stream(args)
                // its value is optional, and an image after it is not it
                .map(a -> a.equals("--deterministic") ? "--deterministic=1" : a)
                .map(a -> resize && a.matches("-\\d.*") ? ImageResizeCommand.MINUS + a.substring(1) : a)
                .toArray(String[]::new);
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
