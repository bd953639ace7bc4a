package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.linux.MachineCode;

/** A guest's profile names its functions. */
@Tag("e2e")
final class ProfileTest {
    @Test
    void theTimeIsThatOfTheFunctionThatRuns(@TempDir Path directory) throws Exception {
        assumeTrue(MachineCode.x86(), "capability: x86-64");
        Path binary = Guests.binary(Guests.named("loop"));
        for (String engine : List.of("java", "java,translate=off")) {
            Path profile = directory.resolve(engine);
            Vmm.Result r = Vmm.run(
                    "kernel=" + binary,
                    "engine=" + engine,
                    "memory=64M",
                    "serial=null",
                    "debug-exit=0xf4",
                    "timeout=3",
                    "profile=" + profile,
                    "symbols=" + binary);
            // interpreted it may take longer than that
            assertTrue(List.of(33, 124).contains(r.status()), r.err());
            String table = Files.readString(profile);
            assertTrue(table.matches("# [1-9]\\d* samples .*\n#.*\n.* 0x[0-9a-f]{16}  main\n(?s:.*)"), table);
        }
    }

    @Test
    void aPlaceThatCantBeWrittenIsRefusedBeforeTheGuestRuns(@TempDir Path directory) throws Exception {
        Path binary = Guests.binary(Guests.named("loop"));
        for (Path file : List.of(directory, directory.resolve("none/profile"))) {
            Vmm.Result r = Vmm.run("kernel=" + binary, "engine=java", "serial=null", "profile=" + file);
            assertEquals(6, r.status(), r.err());
            assertTrue(r.lastError().contains("the profile can't be written to " + file + ": "), r.err());
        }
    }

    @Test
    void deterministicRunsHaveNone(@TempDir Path directory) throws Exception {
        Vmm.Result r = Vmm.run("kernel=none", "profile=" + directory.resolve("p"), "deterministic=1");
        assertEquals(2, r.status(), r.err());
        assertTrue(r.lastError().endsWith("no profile with deterministic"), r.err());
    }
}
