package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What TSO forbids is not seen in a million runs of each litmus test of guests/litmus.s. */
@Tag("soak")
final class LitmusTest {
    private static final int RUNS = Integer.getInteger("serai.test.litmus", 1_000_000);

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void onlyWhatTsoAllowsIsSeen(int cpus) throws Exception {
        try (Vmm v = Vmm.start(List.of(
                "kernel=" + Guests.binary(Guests.named("litmus")),
                "engine=java",
                "cpu-model=x86-64-v3",
                "cpus=" + cpus,
                "append=" + RUNS,
                "memory=64M",
                "serial=null",
                "debugcon=stdio",
                "debug-exit=0xf4"))) {
            Vmm.Result r = v.await(3600);
            assertEquals(33, r.status(), r.err());
            System.out.printf("%d runs on %d vCPUs:%n%s", RUNS, cpus, r.out());
            for (String line : r.out().lines().toList()) {
                if (!line.startsWith("sb_relaxed=")) { // that one is allowed
                    assertEquals("0000000000000000", line.substring(line.indexOf('=') + 1), line);
                }
            }
        }
    }
}
