package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.machine.boot.LoaderFuzzTest;

/** Jazzer, guided by coverage, on each device and each boot loader for {@code serai.fuzz.seconds} (60); each in a JVM of its own, as it wants it. */
@Tag("soak")
class FuzzSoakTest {
    @TempDir
    Path dir = Path.of("");

    /** What Jazzer calls in that JVM. */
    public static void fuzzerTestOneInput(byte[] input) {
        HostileGuest.run(Part.valueOf(System.getProperty("serai.fuzz.part", "PIT")), input);
    }

    @ParameterizedTest
    @EnumSource
    void device(Part part) throws IOException, InterruptedException {
        fuzz(FuzzSoakTest.class, "-Dserai.fuzz.part=" + part);
    }

    @ParameterizedTest
    @ValueSource(strings = {"bzImage", "elf", "multiboot"})
    void loader(String kind) throws IOException, InterruptedException {
        fuzz(LoaderFuzzTest.class, "-Dserai.fuzz.kernel=" + kind);
    }

    private void fuzz(Class<?> target, String property) throws IOException, InterruptedException {
        long seconds = Long.getLong("serai.fuzz.seconds", 60);
        Path log = dir.resolve("log");
        Process p = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xmx1g",
                        property,
                        "-cp",
                        classPath(),
                        "com.code_intelligence.jazzer.Jazzer",
                        "--target_class=" + target.getName(),
                        "--instrumentation_includes=serai.machine.**",
                        "-max_len=4096",
                        "-timeout=20",
                        "-max_total_time=" + seconds))
                .directory(dir.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            assertTrue(p.waitFor(seconds + 120, TimeUnit.SECONDS), () -> property + " hangs");
        } finally {
            p.destroyForcibly();
        }
        assertEquals(0, p.exitValue(), () -> property + ": " + tail(log));
    }

    private static String classPath() {
        return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path", "."));
    }

    private static String tail(Path log) {
        try {
            String s = Files.readString(log);
            return s.substring(Math.max(0, s.length() - 8000));
        } catch (IOException e) {
            return e.toString();
        }
    }
}
