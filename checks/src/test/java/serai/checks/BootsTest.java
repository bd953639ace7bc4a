package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Images;
import serai.image.Progress;

/** Stock kernels boot again and again with one and with several vCPUs, all of which work, and power off. */
@Tag("e2e")
final class BootsTest {
    private static final int BOOTS = Integer.getInteger("serai.test.boots", 20);
    /** Which of the image-and-vCPUs pairs, such as {@code tiny:trixie,4}; all, if not told otherwise. */
    private static final String OF = System.getProperty("serai.test.boots.of", ".*");
    /** What /init does but for the shell, then something on every CPU. */
    private static final String WORK = "sed '/setsid/,$d' /init > /i; . /i; "
            + "for c in /sys/devices/system/cpu/cpu[0-9]*; do "
            + "taskset $(printf %x $((1 << ${c##*cpu}))) sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; echo done $i' "
            + "& done; wait; echo CPUs $(grep -c ^processor /proc/cpuinfo); "
            + "dmesg | grep -iE 'warn|bug:|stall|lockup|firmware bug|unchecked' ; poweroff -f";

    private static Image image(String name) throws InterruptedException {
        try {
            return Images.forUser(Progress.onStandardError()).get(name);
        } catch (ImageException e) {
            assumeTrue(false, "capability: debian-packages");
            throw new AssertionError(e);
        }
    }

    private static void boot(Image i, int cpus) throws Exception {
        List<String> words = new ArrayList<>(List.of(
                "kernel=" + i.kernel(),
                "initrd=" + i.initrd(),
                "append=" + i.append() + " rdinit=/bin/sh -- -c \"" + WORK + "\"",
                "engine=java",
                "memory=512M",
                "cpus=" + cpus));
        try (Vmm v = Vmm.start(words)) {
            Vmm.Result r = v.await(900);
            assertEquals(0, r.status(), () -> r.out() + r.err());
            assertTrue(r.out().contains("CPUs " + cpus + "\r\n"), r.out());
            assertEquals(cpus, r.out().split("done 2000\r\n", -1).length - 1, r.out());
            assertTrue(r.out().contains("reboot: Power down"), r.out());
        }
    }

    @Test
    void twoCpusBoot() throws Exception {
        boot(image("tiny"), 2);
    }

    static Stream<Arguments> kernels() {
        return Stream.of("tiny:bookworm", "tiny:trixie").flatMap(name -> Stream.of(1, 2, 4)
                .filter(cpus -> (name + "," + cpus).matches(OF))
                .map(cpus -> Arguments.of(name, cpus)));
    }

    @ParameterizedTest
    @MethodSource("kernels")
    @Tag("soak")
    void everyBootSucceeds(String name, int cpus) throws Exception {
        Image i = image(name);
        for (int n = 1; n <= BOOTS; n++) {
            long start = System.nanoTime();
            boot(i, cpus);
            System.out.printf(
                    "%s, %d vCPUs, boot %d of %d: %.1f s%n", name, cpus, n, BOOTS, (System.nanoTime() - start) / 1e9);
        }
    }
}
