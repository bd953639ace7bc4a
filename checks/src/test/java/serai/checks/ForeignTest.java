package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.checks.ForeignGuest.Result;
import serai.checks.ForeignProgram.Verdict;
import serai.checks.ForeignProgram.Where;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Images;
import serai.image.Progress;

/** Programs that others wrote to test CPUs and kernels do as checks/foreign/programs.txt says. */
final class ForeignTest {
    @TempDir
    Path directory;

    @Test
    void everyProgramIsListedOnce() {
        Set<String> names = new HashSet<>();
        for (ForeignProgram p : ForeignProgram.all()) {
            assertTrue(names.add(p.toString()), p.toString());
        }
        assertTrue(names.size() > 90);
    }

    @TestFactory
    @Tag("e2e")
    Stream<DynamicTest> withTheCloudKernel() throws Exception {
        return run("tiny", p -> p.where() == Where.TINY, "memory=512M");
    }

    @TestFactory
    @Tag("e2e")
    @Tag("soak")
    Stream<DynamicTest> withTheKernelForAllMachines() throws Exception {
        return run("generic", p -> true, "memory=1G", "cpu-model=x86-64-v3");
    }

    private Stream<DynamicTest> run(String name, Predicate<ForeignProgram> which, String... words) throws Exception {
        assumeTrue(ForeignBuild.possible(), "capability: foreign-programs");
        List<ForeignProgram> programs = ForeignProgram.all().stream()
                .filter(which)
                .filter(p -> p.verdict() != Verdict.SKIP)
                .toList();
        Map<String, Result> results;
        try {
            Image image = Images.forUser(Progress.onStandardError()).get(name);
            results = ForeignGuest.run(image, programs, directory, words);
        } catch (ImageException e) {
            assumeTrue(false, "capability: debian-packages");
            throw e;
        }
        return programs.stream().map(p -> DynamicTest.dynamicTest(p.toString(), () -> judge(p, results)));
    }

    private static void judge(ForeignProgram p, Map<String, Result> results) {
        Result r = results.get(p.toString());
        assertNotNull(r, "it did not run");
        switch (p.verdict()) {
            case SAME -> assertEquals("0 same", r.status() + " " + r.judged(), r.text());
            case PASSES -> assertEquals(0, r.status(), r.text());
            case FAILS -> assertNotEquals(0, r.status(), "it passes, against the list: " + p.reason());
            case SKIP -> throw new AssertionError("it ran, against the list: " + p.reason());
        }
    }

    /** QEMU's kernels without an operating system; at their end they halt. */
    @ParameterizedTest
    @CsvSource({"hello-32, Hello World", "hello-64, Hello World"})
    @Tag("e2e")
    void withoutAnOperatingSystem(String name, String says) throws Exception {
        withoutAnOperatingSystemSoak(name, says);
    }

    /** As {@link #withoutAnOperatingSystem}, those that take longer. */
    @ParameterizedTest
    @CsvSource({"memory-32, Test complete: PASSED", "memory-64, Test complete: PASSED"})
    @Tag("e2e")
    @Tag("soak")
    void withoutAnOperatingSystemSoak(String name, String says) throws Exception {
        assumeTrue(ForeignBuild.possible(), "capability: foreign-programs");
        Path kernel;
        try {
            kernel = ForeignBuild.of("system").resolve(name);
        } catch (ImageException e) {
            assumeTrue(false, "capability: debian-packages");
            throw e;
        }
        Vmm.Result r = Vmm.run(
                "kernel=" + kernel,
                "engine=java",
                "memory=64M",
                "serial=null",
                "debugcon=stdio",
                "debug-exit=0xf4",
                "timeout=280");
        assertTrue(r.out().contains(says + "\n"), r.out() + r.err());
        assertEquals(4, r.status(), r.err());
        assertTrue(r.lastError().contains("halted for ever"), r.err());
    }
}
