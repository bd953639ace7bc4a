package serai.checks;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Images;
import serai.image.Progress;

/** The image tiny for tests: a stock Debian kernel and a busybox shell on the serial line. */
final class Tiny {
    private static final AtomicInteger COMMANDS = new AtomicInteger();

    private Tiny() {}

    /** The VMM's words for it, on the Java engine, and more. */
    static List<String> words(String... more) throws InterruptedException {
        return image("tiny", more);
    }

    /** The same for another image that lives in its initramfs. */
    static List<String> image(String name, String... more) throws InterruptedException {
        Image i;
        try {
            i = Images.forUser(Progress.onStandardError()).get(name);
        } catch (ImageException e) {
            assumeTrue(false, "capability: debian-packages");
            throw new AssertionError(e);
        }
        List<String> w = new ArrayList<>(List.of(
                "kernel=" + i.kernel(), "initrd=" + i.initrd(), "append=" + i.append(), "engine=java", "memory=512M"));
        w.addAll(List.of(more));
        if (w.stream().noneMatch(o -> o.startsWith("timeout="))) {
            w.add("timeout=280");
        }
        return w;
    }

    /** Waits for the shell. */
    static void awaitShell(Vmm v) throws InterruptedException {
        v.awaitOutput(o -> o.contains("~ # "), 240);
    }

    /**
     * Has the shell run a command.
     *
     * @return what it printed
     */
    static String shell(Vmm v, String command) throws Exception {
        String begin = "<" + COMMANDS.incrementAndGet() + ":";
        // the marks are put together by the shell, so that its echo of the line is not taken for them
        v.type("echo '" + begin + "''begin'; " + command + "; echo '" + begin + "''end'\n");
        String out = v.awaitOutput(o -> o.contains(begin + "end"), 60);
        return out.substring(out.lastIndexOf(begin + "begin") + begin.length() + 5, out.lastIndexOf(begin + "end"))
                .replace("\r", "")
                .strip();
    }

    /** Repeats a command until it prints something that contains a text. */
    static String awaitShell(Vmm v, String command, String text) throws Exception {
        String said = "";
        for (int i = 0; i < 40; i++) {
            said = shell(v, command);
            if (said.contains(text)) {
                return said;
            }
            Thread.sleep(250);
        }
        throw new AssertionError("'" + command + "' never said '" + text + "': " + said);
    }
}
