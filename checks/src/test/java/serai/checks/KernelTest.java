package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The unmodified Debian kernel with busybox, on the Java engine. */
@Tag("e2e")
final class KernelTest {
    @TempDir
    Path directory;

    @Test
    void reachesAShellThatAnswersAndPowersOff() throws Exception {
        reachesAShellThatAnswersAndPowersOff(Tiny.words());
    }

    @ParameterizedTest
    @ValueSource(strings = {"generic", "tiny:bookworm", "generic:bookworm", "tiny:trixie", "generic:trixie"})
    @Tag("soak")
    void anyStockKernelReachesAShell(String name) throws Exception {
        reachesAShellThatAnswersAndPowersOff(Tiny.image(name, "timeout=900"));
    }

    private static void reachesAShellThatAnswersAndPowersOff(List<String> words) throws Exception {
        try (Vmm v = Vmm.start(words)) {
            v.awaitOutput(o -> o.contains("serai: init"), 800);
            v.awaitOutput(o -> o.contains("~ # "), 120);
            v.type("echo $((6 * 7)); uname -r\n");
            v.awaitOutput(o -> o.contains("\n42\r\n"), 60);
            v.awaitOutput(o -> o.contains("-amd64\r\n"), 60);
            v.type("poweroff -f\n");
            Vmm.Result r = v.await(60);
            assertEquals(0, r.status(), r.err());
        }
    }

    private String lastHash(List<String> words) throws Exception {
        Vmm.Result r = Vmm.run(words);
        assertEquals(0, r.status(), r.err());
        assertTrue(r.lastError().startsWith("serai: final cpu "), r.err());
        return r.lastError();
    }

    private static String hashes(String err) {
        StringBuilder b = new StringBuilder();
        err.lines()
                .filter(l -> l.startsWith("serai: hash") || l.startsWith("serai: final"))
                .forEach(l -> b.append(l).append('\n'));
        return b.toString();
    }

    @Test
    void deterministicRunsAreEqualAndOneSavedHalfWayEndsAlike() throws Exception {
        String until = "save-at=200000000";
        Path ends = directory.resolve("end");
        Path half = directory.resolve("half");
        Vmm.Result a = Vmm.run(Tiny.words("deterministic=1", "hash-every=10000000", until, "snapshot=" + ends));
        Vmm.Result b = Vmm.run(Tiny.words("deterministic=1", "hash-every=10000000", until, "snapshot=" + ends));
        assertEquals(0, a.status(), a.err());
        assertEquals(a.out(), b.out());
        assertEquals(hashes(a.err()), hashes(b.err()));
        lastHash(Tiny.words("deterministic=1", "hash-every=10000000", "save-at=97654321", "snapshot=" + half));
        String resumed = lastHash(
                Tiny.words("deterministic=1", "hash-every=10000000", "load=" + half, until, "snapshot=" + ends));
        assertEquals(a.lastError(), resumed);
    }
}
