package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.image.Image;
import serai.image.ImageException;
import serai.image.Images;
import serai.image.Progress;

/** Debian's unmodified cloud kernel without an initrd: NVMe and ext4 are built in, so it mounts its root by itself. */
@Tag("e2e")
final class NvmeRootTest {
    private static final Path BUSYBOX = Path.of("/bin/busybox");

    @TempDir
    Path directory;

    private static String shell(String command, Path... arguments) throws IOException, InterruptedException {
        List<String> words =
                new java.util.ArrayList<>(List.of("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + command, "sh"));
        for (Path a : arguments) {
            words.add(a.toString());
        }
        Process p = new ProcessBuilder(words).redirectErrorStream(true).start();
        String out = new String(p.getInputStream().readAllBytes());
        assertEquals(0, p.waitFor(), command + ": " + out);
        return out;
    }

    private Path disk(String init) throws Exception {
        assumeTrue(Files.isExecutable(BUSYBOX), "capability: busybox");
        Path tree = directory.resolve("tree");
        for (String d : List.of("bin", "dev", "proc", "sys")) {
            Files.createDirectories(tree.resolve(d));
        }
        Files.copy(BUSYBOX, tree.resolve("bin/busybox"));
        Path script = Files.writeString(tree.resolve("init"), "#!/bin/busybox sh\n" + init);
        assertTrue(script.toFile().setExecutable(true, false));
        Path disk = directory.resolve("root.raw");
        try (RandomAccessFile f = new RandomAccessFile(disk.toFile(), "rw")) {
            f.setLength(32 << 20);
        }
        shell("mke2fs -q -F -t ext4 -d \"$1\" \"$2\"", tree, disk);
        return disk;
    }

    private static Image kernel() throws InterruptedException {
        try {
            return Images.forUser(Progress.onStandardError()).get("tiny");
        } catch (ImageException e) {
            assumeTrue(false, "capability: debian-packages");
            throw new AssertionError(e);
        }
    }

    private static Vmm.Result boot(Image image, Path disk) throws Exception {
        return Vmm.run(
                "kernel=" + image.kernel(),
                "append=console=ttyS0 root=/dev/nvme0n1 rw init=/init panic=-1",
                "disk=" + disk + ",bus=nvme",
                "engine=java",
                "memory=512M",
                "no-reboot=true",
                "timeout=280");
    }

    @Test
    void mountsItsRootWithoutAnInitrd_andKeepsWhatItWrites() throws Exception {
        Image image = kernel();
        Path disk = disk("""
                busybox=/bin/busybox
                $busybox mount -t proc proc /proc
                $busybox mount -t devtmpfs dev /dev
                $busybox grep ' / ' /proc/mounts
                $busybox dd if=/dev/zero bs=64k count=64 2>/dev/null | $busybox tr '\\0' x >/big
                $busybox sync
                echo 3 >/proc/sys/vm/drop_caches
                echo "sum $($busybox md5sum </big)"
                echo "kept $((6 * 7))" >/kept
                $busybox mount -o remount,ro /
                $busybox poweroff -f
                """);
        Vmm.Result r = boot(image, disk);
        assertEquals(0, r.status(), r.out() + r.err());
        assertTrue(r.out().contains("/dev/root / ext4 rw"), r.out());
        assertTrue(r.out().contains("sum " + sumOfXs()), r.out());
        shell("e2fsck -fn \"$1\"", disk);
        assertEquals("kept 42\n", shell("debugfs -R 'cat /kept' \"$1\" 2>/dev/null", disk));
    }

    private static String sumOfXs() throws Exception {
        byte[] b = new byte[4 << 20];
        java.util.Arrays.fill(b, (byte) 'x');
        return java.util.HexFormat.of()
                .formatHex(java.security.MessageDigest.getInstance("MD5").digest(b));
    }
}
