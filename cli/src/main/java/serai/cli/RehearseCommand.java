package serai.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/**
 * {@code serai rehearse [FILE]}: what the build calls to lay down AOT caches. With FILE, that of VMMs is written there; without, a few commands
 * are run in this process, whose own cache the JVM then writes.
 */
@Command(
        name = "rehearse",
        hidden = true,
        description = "Writes the AOT cache of VMMs, or rehearses the command itself.")
final class RehearseCommand implements Callable<Integer> {
    /** What is run, in a directory of its own. */
    private static final List<String> COMMANDS = List.of(
            "run --help",
            "image create -q @base.qcow2 4M",
            "image create -q -b base.qcow2 @top.qcow2",
            "image create -q @disk.raw 4M",
            "image bench -w -c 40 -s 64k -d 2 --pattern 7 @top.qcow2",
            "image bench -w -c 40 -s 64k -d 2 --pattern 7 @disk.raw",
            "image snapshot -c one @top.qcow2",
            "image info --backing-chain @top.qcow2",
            "image info --output json @top.qcow2",
            "image map --output json @top.qcow2",
            "image check -q @top.qcow2",
            "image convert -q @disk.raw @a.qcow2",
            "image convert -q @top.qcow2 @a.raw",
            "image convert -q -c @a.raw @b.qcow2",
            "image convert -q @b.qcow2 @c.raw",
            "image compare -q @a.raw @b.qcow2",
            "image resize -q @b.qcow2 +1M",
            "image commit -q @top.qcow2",
            "image rebase -q -b @none.qcow2 @top.qcow2");

    @Parameters(paramLabel = "FILE", arity = "0..1")
    private @Nullable Path cache;

    @Override
    public Integer call() throws CliException, InterruptedException {
        try {
            return cache != null
                    ? new ProcessBuilder(VmmProcess.rehearsal(cache))
                            .inheritIO()
                            .start()
                            .waitFor()
                    : commands();
        } catch (IOException e) {
            throw new CliException(Status.HOST, "the VMM could not be started: " + e.getMessage(), e);
        }
    }

    private static int commands() throws IOException {
        Path dir = Files.createTempDirectory("serai-rehearsal");
        PrintStream nobody = new PrintStream(OutputStream.nullOutputStream());
        try {
            for (String c : COMMANDS) {
                Main.execute(c.replace("@", dir + "/").split(" "), nobody, nobody);
            }
            return Status.OK;
        } finally {
            try (var files = Files.list(dir)) {
                for (Path p : files.toList()) {
                    Files.delete(p);
                }
            }
            Files.delete(dir);
        }
    }
}
