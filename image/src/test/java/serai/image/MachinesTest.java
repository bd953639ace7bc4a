package serai.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachinesTest {
    @TempDir
    Path dir = Path.of("");

    private final Progress quiet =
            new Progress(new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8), false);
    private final FakeHost host = new FakeHost();
    private Path cache = Path.of("");
    private Path root = Path.of("");

    @BeforeEach
    void pristine() throws IOException {
        cache = Files.createDirectories(dir.resolve("cache"));
        root = dir.resolve("machines");
        for (String f : List.of("vmlinuz", "initrd.cpio", "disk.raw")) {
            Files.writeString(cache.resolve(f), "pristine " + f);
        }
    }

    private Machines machines() {
        return new Machines(
                root,
                n -> new Image(
                        n, cache.resolve("vmlinuz"), cache.resolve("initrd.cpio"), "x", cache.resolve("disk.raw")),
                host,
                quiet);
    }

    private static Path disk(Image i) {
        Path d = i.disk();
        assertTrue(d != null);
        return d;
    }

    private List<String> left() throws IOException {
        try (Stream<Path> left = Files.list(root)) {
            return left.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void machine_keepsItsDiskAndItsKernel() throws Exception {
        Image first = machines().get("debian", false);
        assertEquals("pristine disk.raw", Files.readString(disk(first)));
        Files.writeString(disk(first), "written");
        Files.writeString(cache.resolve("vmlinuz"), "newer");
        Image again = machines().get("debian", false);
        assertEquals(first, again);
        assertEquals("written", Files.readString(disk(again)));
        assertEquals("pristine vmlinuz", Files.readString(again.kernel()));
        assertEquals("pristine disk.raw", Files.readString(cache.resolve("disk.raw")));
        assertEquals(
                root.resolve("debian-trixie/disk.raw"),
                machines().get("debian:trixie", false).disk());
    }

    @Test
    void reset_startsFromTheImage() throws Exception {
        Files.writeString(disk(machines().get("debian", true)), "written");
        assertEquals("pristine disk.raw", Files.readString(disk(machines().get("debian", true))));
        assertEquals(List.of("debian", "lock"), left());
    }

    @Test
    void reset_ofARunningMachineIsRefused() throws Exception {
        Path disk = disk(machines().get("debian", false));
        Files.writeString(disk, "written");
        try (FileChannel vm = FileChannel.open(disk, StandardOpenOption.WRITE);
                FileLock lock = vm.lock()) {
            assertTrue(lock.isValid());
            assertEquals(
                    "the machine debian is running; end it before you reset it",
                    assertThrows(ImageException.class, () -> machines().get("debian", true))
                            .getMessage());
        }
        assertEquals("written", Files.readString(disk));
        assertEquals(List.of("debian", "lock"), left());
    }

    @Test
    void fullDisk_isOneSentenceAndLeavesWhatThereWas() throws Exception {
        Path disk = disk(machines().get("debian", false));
        Files.writeString(disk, "written");
        host.failing.put("cp", "cp: error writing 'disk.raw': No space left on device");
        assertEquals(
                "the machine of image debian can't be made in " + root + ": No space left on device",
                assertThrows(ImageException.class, () -> machines().get("debian", true))
                        .getMessage());
        assertEquals("written", Files.readString(disk));
        assertThrows(ImageException.class, () -> machines().temporary("debian"));
        try (Stream<Path> left = Files.list(root.resolve("temporary"))) {
            assertEquals(0, left.count());
        }
        assertEquals(List.of("debian", "lock", "temporary"), left());
    }

    @Test
    void whatAKilledProcessLeft_isCleanedUp() throws Exception {
        Files.createDirectories(root.resolve("debian.partial"));
        Files.createDirectories(root.resolve("debian.old"));
        Files.writeString(root.resolve("debian.partial/disk.raw"), "half");
        machines().get("debian", false);
        assertEquals(List.of("debian", "lock"), left());

        Files.createDirectories(root.resolve("temporary/killed"));
        Files.writeString(root.resolve("temporary/killed/disk.raw"), "half");
        try (Machines.Temporary t = machines().temporary("debian")) {
            assertFalse(Files.exists(root.resolve("temporary/killed")));
            assertTrue(Files.exists(disk(t.image())));
        }
    }

    @Test
    void temporaryMachine_isFreshAndLeavesNothing() throws Exception {
        Files.writeString(disk(machines().get("debian", false)), "written");
        Path used;
        try (Machines.Temporary t = machines().temporary("debian");
                Machines.Temporary other = machines().temporary("debian")) {
            used = disk(t.image());
            assertEquals("pristine disk.raw", Files.readString(used));
            assertFalse(used.equals(other.image().disk()));
            assertTrue(Files.exists(used), "the second leaves the first alone");
        }
        assertFalse(Files.exists(used.getParent()));
        assertEquals("written", Files.readString(disk(machines().get("debian", false))));
    }
}
