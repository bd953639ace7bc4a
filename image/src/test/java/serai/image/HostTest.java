package serai.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostTest {
    @TempDir
    Path dir = Path.of("");

    @Test
    void run_givesOutputAndStatus() throws Exception {
        List<String> lines = new ArrayList<>();
        int status = new Host.Real()
                .run(
                        dir,
                        Map.of("WHO", "world"),
                        List.of("sh", "-c", "echo hello $WHO; echo oops >&2; exit 7"),
                        lines::add);
        assertEquals(7, status);
        assertEquals(List.of("hello world", "oops"), lines);
    }

    @Test
    void commandOfAKilledStarter_endsWithItsChildren() throws Exception {
        // one that ignores SIGTERM, as a bootstrap does while its children are at work
        List<String> stubborn = List.of("sh", "-c", "trap '' TERM; sleep 300 & echo $!; wait; sleep 300");
        Process p = new ProcessBuilder(Host.Real.watched(stubborn)).start();
        try (BufferedReader out = p.inputReader()) {
            long child = Long.parseLong(String.valueOf(out.readLine()));
            assertTrue(ProcessHandle.of(child).orElseThrow().isAlive());
            p.getOutputStream().close(); // what the kernel does when the starter is killed
            assertTrue(p.waitFor(20, TimeUnit.SECONDS));
            for (int i = 0; i < 100 && ProcessHandle.of(child).isPresent(); i++) {
                Thread.sleep(100);
            }
            assertFalse(ProcessHandle.of(child).map(ProcessHandle::isAlive).orElse(false));
        }
    }
}
