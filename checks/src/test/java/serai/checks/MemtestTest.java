package serai.checks;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Debian's memtest86+ on the Java engine. It wants a PC: it sizes memory, reads CPUID and PCI, times itself by the TSC, paints a
 * VGA screen and sends the same to the serial port.
 */
@Tag("e2e")
final class MemtestTest {
    private static final Path PROGRAM = Path.of("/boot/memtest86+x64.bin");
    /** The line of counts, behind the escape sequences that place it. */
    private static final Pattern PASSED = Pattern.compile("Pass: +1 +Errors: 0 ");

    private static final Pattern ERRORS = Pattern.compile("Errors: [1-9]");

    private static Vmm start(int seconds) throws Exception {
        assumeTrue(Files.isReadable(PROGRAM), "capability: memtest86+");
        return Vmm.start(List.of(
                "kernel=" + PROGRAM, "append=console=ttyS0,115200", "engine=java", "memory=8M", "timeout=" + seconds));
    }

    /** The test that runs; which ones the screen shows that is drawn every two seconds depends on how fast they are. 3 is the first of those that move inversions. */
    private static final Pattern LATER = Pattern.compile("#([3-9]|10) +\\[");

    @Test
    void startsAndTests() throws Exception {
        try (Vmm v = start(120)) {
            String out = v.awaitOutput(o -> LATER.matcher(o).find(), 120);
            assertFalse(ERRORS.matcher(out).find(), out);
        }
    }

    /** Most of the time goes to the bit fade test, which waits for minutes. */
    @Test
    @Tag("soak")
    void completesAPassWithoutAnError() throws Exception {
        try (Vmm v = start(3000)) {
            String out = v.awaitOutput(
                    o -> PASSED.matcher(tail(o)).find()
                            || ERRORS.matcher(tail(o)).find(),
                    3000);
            assertFalse(ERRORS.matcher(out).find(), out);
        }
    }

    private static String tail(String s) {
        return s.substring(Math.max(0, s.length() - 20_000));
    }
}
