package serai.machine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.fuzz.GuidedFuzz;
import serai.machine.boot.LoaderFuzzTest;

/** Jazzer, guided by coverage, on each device and each boot loader: a few seconds each, and for long. */
class GuidedFuzzTest {
    private static final Path SEEDS = Path.of("src/test/resources/serai/machine/DeviceFuzzTestInputs");

    @TempDir
    Path dir = Path.of("");

    /** What Jazzer calls in that JVM. */
    public static void fuzzerTestOneInput(byte[] input) {
        HostileGuest.run(Part.valueOf(System.getProperty("serai.fuzz.part", "PIT")), input);
    }

    private GuidedFuzz device(Part part) {
        return new GuidedFuzz(GuidedFuzzTest.class, "serai.machine.**", dir)
                .property("serai.fuzz.part", part)
                .seeds(SEEDS.resolve(part.target()));
    }

    private GuidedFuzz loader(String kind) throws IOException {
        Path seeds = Files.createDirectory(dir.resolve("seeds"));
        LoaderFuzzTest.seeds(seeds);
        return new GuidedFuzz(LoaderFuzzTest.class, "serai.machine.**", dir)
                .property("serai.fuzz.kernel", kind)
                .seeds(seeds);
    }

    @ParameterizedTest
    @EnumSource
    @Tag("e2e")
    void device_aFewSeconds(Part part) throws Exception {
        device(part).run(GuidedFuzz.BRIEFLY);
    }

    @ParameterizedTest
    @ValueSource(strings = {"bzImage", "elf", "multiboot"})
    @Tag("e2e")
    void loader_aFewSeconds(String kind) throws Exception {
        loader(kind).run(GuidedFuzz.BRIEFLY);
    }

    @ParameterizedTest
    @EnumSource
    @Tag("soak")
    void device_forLong(Part part) throws Exception {
        device(part).run(GuidedFuzz.LONG);
    }

    @ParameterizedTest
    @ValueSource(strings = {"bzImage", "elf", "multiboot"})
    @Tag("soak")
    void loader_forLong(String kind) throws Exception {
        loader(kind).run(GuidedFuzz.LONG);
    }
}
