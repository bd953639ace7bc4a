package serai.machine.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/** The host's own stock cloud kernel, by {@code apt-get download} into target/. */
@Tag("e2e")
class DebianKernelTest {
    private static @Nullable Path kernel() throws IOException, InterruptedException {
        Path dir = Path.of("target", "debian-kernel").toAbsolutePath();
        Path boot = dir.resolve("x/boot");
        if (!Files.isDirectory(boot)) {
            Files.createDirectories(dir);
            Matcher real = Pattern.compile("Depends: (linux-image-\\S+)")
                    .matcher(run(dir, "apt-cache", "depends", "linux-image-cloud-amd64"));
            if (!real.find()) {
                return null;
            }
            run(dir, "apt-get", "download", real.group(1));
            run(dir, "sh", "-c", "dpkg-deb -x linux-image-*.deb x");
        }
        if (!Files.isDirectory(boot)) {
            return null;
        }
        try (Stream<Path> files = Files.list(boot)) {
            return files.filter(f -> String.valueOf(f.getFileName()).startsWith("vmlinuz"))
                    .findFirst()
                    .orElse(null);
        }
    }

    private static String run(Path dir, String... command) throws InterruptedException {
        try {
            Process p = new ProcessBuilder(command)
                    .directory(dir.toFile())
                    .redirectErrorStream(true)
                    .start();
            String out = new String(p.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            p.waitFor();
            return out;
        } catch (IOException e) {
            return "";
        }
    }

    @Test
    void cloudKernel_isUnpackedToItsLinkedAddress() throws Exception {
        Path kernel = kernel();
        assumeTrue(kernel != null, "capability: debian-packages");
        try (Arena arena = Arena.ofShared()) {
            long size = 512L << 20;
            GuestMemory m = new GuestMemory(
                    List.of(new RamRegion(0, size, arena.allocate(size, 4096).address(), false, -1, 0)));
            BootState s = Loader.load(
                    m, new BootSource(java.util.Objects.requireNonNull(kernel), null, "console=ttyS0"), 0xe0000);
            assertEquals(BootState.Protocol.LINUX64, s.protocol());
            assertEquals(0x1000000, s.cpu().rip());
            assertTrue(s.kernelEnd() > 32 << 20 && s.kernelEnd() < 128 << 20);
            assertTrue(m.readLong(0x1000000) != 0);
        }
    }
}
