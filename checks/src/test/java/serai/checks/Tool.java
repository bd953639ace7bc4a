package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Runs the tools of QEMU and libnbd. */
final class Tool {
    private Tool() {}

    /** Skips the test if these are not installed. */
    static void need() {
        for (String t : List.of("nbdcopy", "nbdinfo", "qemu-img")) {
            assumeTrue(
                    Files.isExecutable(Path.of("/usr/bin", t)),
                    t.startsWith("nbd") ? "capability: libnbd" : "capability: qemu-utils");
        }
    }

    /** What a command prints, both streams; its status has to be 0. */
    static String run(String... command) throws IOException, InterruptedException {
        Path out = Files.createTempFile("tool", ".out");
        try {
            Process p = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(out.toFile())
                    .start();
            try {
                assertTrue(p.waitFor(120, TimeUnit.SECONDS), () -> "hangs: " + String.join(" ", command));
                String text = Files.readString(out);
                assertEquals(0, p.exitValue(), () -> String.join(" ", command) + ": " + text);
                return text;
            } finally {
                p.destroyForcibly();
            }
        } finally {
            Files.delete(out);
        }
    }
}
