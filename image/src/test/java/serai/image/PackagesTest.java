package serai.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.apache.commons.compress.archivers.cpio.CpioArchiveEntry;
import org.apache.commons.compress.archivers.cpio.CpioArchiveInputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The real packages, from the sources that this machine is configured for. */
@Tag("e2e")
class PackagesTest {
    @TempDir
    Path dir = Path.of("");

    private static boolean hasPackages() throws InterruptedException {
        try {
            return new ProcessBuilder("apt-cache", "show", "linux-image-cloud-amd64")
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void tiny_hasKernelShellAndModules() throws Exception {
        assumeTrue(hasPackages(), "capability: debian-packages");
        Progress quiet =
                new Progress(new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8), false);
        Image tiny = new Images(dir, new AptSource(new Host.Real()), new Host.Real(), quiet).get("tiny");
        assertTrue(Files.size(tiny.kernel()) > 5_000_000);
        Set<String> names = new HashSet<>();
        try (CpioArchiveInputStream in = new CpioArchiveInputStream(Files.newInputStream(tiny.initrd()))) {
            for (CpioArchiveEntry e; (e = in.getNextEntry()) != null; ) {
                names.add(e.getName());
            }
        }
        for (String n : new String[] {"init", "bin/busybox", "bin/sh", "bin/poweroff", "bin/insmod"}) {
            assertTrue(names.contains(n), n);
        }
        assertEquals(
                200,
                Math.min(200, names.size()),
                "applets are read from the binary, not only the few that /init needs");
    }
}
