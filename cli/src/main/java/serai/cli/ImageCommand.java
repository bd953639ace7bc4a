package serai.cli;

import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code serai image}. */
@Command(
        name = "image",
        description = {
            "Makes, converts, checks and changes disk images: the same words as qemu-img.",
            "The format of an image is what -f says, else what the suffix of its name says. An image that has neither is only"
                    + " read, as what it looks like, and may name no other file (see --allow)."
        },
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Examples:",
            "  serai image create disk.qcow2 20G",
            "  serai image convert disk.vmdk disk.qcow2",
            "  serai image check disk.qcow2",
            "Help on a command:  serai image COMMAND --help"
        })
final class ImageCommand implements Runnable {
    /** By their names, in the order of the help. */
    static final Map<String, Class<?>> COMMANDS = Main.commands(
            List.of(
                    "info",
                    "create",
                    "convert",
                    "check",
                    "resize",
                    "map",
                    "rebase",
                    "commit",
                    "snapshot",
                    "compare",
                    "bench"),
            List.of(
                    ImageInfoCommand.class,
                    ImageCreateCommand.class,
                    ImageConvertCommand.class,
                    ImageCheckCommand.class,
                    ImageResizeCommand.class,
                    ImageMapCommand.class,
                    ImageRebaseCommand.class,
                    ImageCommitCommand.class,
                    ImageSnapshotCommand.class,
                    ImageCompareCommand.class,
                    ImageBenchCommand.class));

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it
    private boolean help;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "no command given");
    }
}
