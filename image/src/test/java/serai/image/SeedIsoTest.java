package serai.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SeedIsoTest {
    @TempDir
    Path directory;

    private static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void othersFindTheFilesByTheirRealNames() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/xorriso")), "capability: xorriso");
        Path iso = directory.resolve("seed.iso");
        byte[] large = new byte[5_000];
        java.util.Arrays.fill(large, (byte) 'x');
        SeedIso.write(iso, Map.of("user-data", bytes("#cloud-config\n"), "meta-data", large, "empty", new byte[0]));
        Process p = new ProcessBuilder(
                        "xorriso", "-osirrox", "on", "-indev", iso.toString(), "-extract", "/", directory + "/out")
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("log").toFile())
                .start();
        assertEquals(0, p.waitFor(), () -> log());
        assertTrue(log().contains("Volume id    : 'cidata'"), log());
        assertArrayEquals(large, Files.readAllBytes(directory.resolve("out/meta-data")));
        assertEquals("#cloud-config\n", Files.readString(directory.resolve("out/user-data")));
        assertEquals(0, Files.size(directory.resolve("out/empty")));
    }

    private String log() {
        try {
            return Files.readString(directory.resolve("log"));
        } catch (IOException e) {
            return e.toString();
        }
    }

    @Test
    void theSameDataAreTheSameInstance() {
        String one = new String(
                SeedIso.files(bytes("a"), "h").getOrDefault("meta-data", new byte[0]), StandardCharsets.UTF_8);
        assertEquals(
                one,
                new String(
                        SeedIso.files(bytes("a"), "h").getOrDefault("meta-data", new byte[0]), StandardCharsets.UTF_8));
        assertNotEquals(
                one,
                new String(
                        SeedIso.files(bytes("b"), "h").getOrDefault("meta-data", new byte[0]), StandardCharsets.UTF_8));
        assertTrue(one.endsWith("local-hostname: h\n"), one);
    }

    @Test
    void keysAreQuoted() {
        assertTrue(new String(SeedIso.letIn(List.of("ssh-ed25519 AAAA \"me\\you\"")), StandardCharsets.UTF_8)
                .endsWith("ssh_authorized_keys:\n  - \"ssh-ed25519 AAAA \\\"me\\\\you\\\"\"\n"));
    }

    @Test
    void whatIsTooLargeIsRefused() {
        Path iso = directory.resolve("seed.iso");
        assertThrows(IOException.class, () -> SeedIso.write(iso, Map.of("user-data", new byte[(1 << 20) + 1])));
    }
}
