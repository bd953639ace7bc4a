package serai.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code serai rehearse FILE}: what the build calls to lay down the VMM's AOT cache. */
@Command(name = "rehearse", hidden = true, description = "Writes the AOT cache of VMMs.")
final class RehearseCommand implements Callable<Integer> {
    @Parameters(paramLabel = "FILE")
    private Path cache = Path.of("vmm.aot");

    @Override
    public Integer call() throws CliException, InterruptedException {
        try {
            return new ProcessBuilder(VmmProcess.rehearsal(cache))
                    .inheritIO()
                    .start()
                    .waitFor();
        } catch (IOException e) {
            throw new CliException(Status.HOST, "the VMM could not be started: " + e.getMessage(), e);
        }
    }
}
