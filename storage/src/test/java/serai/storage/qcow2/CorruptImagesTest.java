package serai.storage.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.imported.Disks;

/** Images that are damaged by hand: each works, or is refused in one sentence, soon and in little memory. */
@Timeout(value = 300, unit = TimeUnit.SECONDS)
class CorruptImagesTest {
    /** Of the heap of the JVM that opens all of them: an L1 table, 32 MiB at most, and a copy of it to be written. */
    private static final int HEAP_MIB = 128;
    /** Of all of that JVM; it has about 80 MiB beside its heap. */
    private static final int RESIDENT_MIB = 400;

    private static final Opening OPENING =
            Opening.with(References.NONE, image -> Optional.of(new byte[] {'s', 'e', 's', 'a', 'm', 'e'}));

    static List<Damages.Damage> damages() {
        return Damages.all();
    }

    @Test
    void thereAreEnough() {
        assertTrue(damages().size() >= 100, () -> damages().size() + " images");
        System.out.println(damages().size() + " damaged images");
    }

    @ParameterizedTest
    @MethodSource("damages")
    void worksOrIsRefused(Damages.Damage damage) throws IOException {
        probe(damage);
    }

    private static void probe(Damages.Damage damage) throws IOException {
        String refusal = new ImageProbe(damage.image().bytes(), OPENING).run();
        assertTrue(
                refusal.contains(damage.refusal()),
                () -> damage + ": '" + damage.refusal() + "' is not in '" + refusal + "'");
    }

    // ---- memory ----

    /** What the JVM does in which memory is measured. */
    static final class All {
        private All() {}

        public static void main(String[] args) throws IOException {
            for (Damages.Damage d : damages()) {
                probe(d);
            }
            System.out.println(Files.readString(Path.of("/proc/self/status"))
                    .lines()
                    .filter(l -> l.startsWith("VmHWM"))
                    .findFirst()
                    .orElseThrow());
        }
    }

    /** All of them in a JVM of its own: a limit to the heap alone would not hold tables that are read into native memory. */
    @Test
    @Tag("e2e")
    void allOfThem_inLittleMemory(@TempDir Path dir) throws Exception {
        Path out = dir.resolve("out");
        Process p = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx" + HEAP_MIB + "m",
                        "-XX:+UseSerialGC",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path", ".")),
                        All.class.getName())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        try {
            assertTrue(p.waitFor(280, TimeUnit.SECONDS), "hangs");
            String said = Files.readString(out);
            assertEquals(0, p.exitValue(), said);
            String peak = said.substring(said.indexOf("VmHWM")).strip();
            System.out.println(peak);
            assertTrue(Long.parseLong(peak.replaceAll("\\D", "")) < RESIDENT_MIB * 1024L, peak);
        } finally {
            p.destroyForcibly();
        }
    }

    // ---- backing chains ----

    private static Path image(Path path, String backing) throws IOException {
        ImageBytes i =
                ImageBytes.sound("cluster_size=4k").withExtension(0xe2792aca, 5, new byte[] {'q', 'c', 'o', 'w', '2'});
        return Files.write(path, i.backing(backing).bytes());
    }

    private static String refusal(Path image, boolean readOnly) {
        DiskException e = assertThrows(DiskException.class, () -> {
            try (BlockDevice d = Opening.trusted().open(image, ImageFormat.QCOW2, readOnly)) {
                Disks.all(d);
            }
        });
        Disks.assertSentence(e.getMessage());
        return e.getMessage();
    }

    @Test
    void chain_ofOneThatLeadsToItself(@TempDir Path dir) throws IOException {
        for (String name : List.of(
                "self",
                "./self",
                "../" + dir.getFileName() + "/self",
                dir.resolve("self").toString())) {
            Path p = image(dir.resolve("self"), name);
            assertTrue(refusal(p, true).endsWith("leads back to " + p.resolveSibling(name)), name);
        }
    }

    @Test
    void chain_ofTwoAndThree(@TempDir Path dir) throws IOException {
        Files.createDirectory(dir.resolve("sub"));
        Path a = image(dir.resolve("a"), "sub/b");
        image(dir.resolve("sub/b"), "../a");
        assertTrue(refusal(a, true).contains("leads back to"));
        image(dir.resolve("sub/b"), "../c");
        image(dir.resolve("c"), "a");
        assertTrue(refusal(a, true).contains("leads back to"));
        assertTrue(refusal(dir.resolve("c"), true).contains("leads back to"));
    }

    @Test
    void chain_throughSymbolicLinks(@TempDir Path dir) throws IOException {
        Path a = image(dir.resolve("a"), "link");
        Files.createSymbolicLink(dir.resolve("link"), Path.of("other"));
        Files.createSymbolicLink(dir.resolve("other"), Path.of("a"));
        assertTrue(refusal(a, true).contains("leads back to"));
        Files.delete(dir.resolve("other"));
        Files.createSymbolicLink(dir.resolve("other"), Path.of("link"));
        assertTrue(refusal(a, true).contains("does not exist"));
    }

    /** Another name of the same file is another file, as far as paths tell; the chain ends all the same. */
    @Test
    void chain_throughAHardLink(@TempDir Path dir) throws IOException {
        Path a = image(dir.resolve("a"), "b");
        Files.createLink(dir.resolve("b"), a);
        assertTrue(refusal(a, true).contains("leads back to"));
        assertTrue(refusal(a, false).contains("in use"));
    }

    @Test
    void chain_thatIsTooLong(@TempDir Path dir) throws IOException {
        for (int i = 0; i <= Opening.MAX_CHAIN; i++) {
            image(dir.resolve("i" + i), "i" + (i + 1));
        }
        Files.write(
                dir.resolve("i" + (Opening.MAX_CHAIN + 1)),
                ImageBytes.sound("cluster_size=4k").bytes());
        assertTrue(refusal(dir.resolve("i0"), true).contains("has more than 200 images"));
        try (BlockDevice d = Opening.trusted().open(dir.resolve("i2"), ImageFormat.QCOW2, true)) {
            Disks.all(d);
        }
    }

    @Test
    void chain_toWhatIsNoImage(@TempDir Path dir) throws IOException {
        Files.createDirectory(dir.resolve("sub"));
        assertTrue(refusal(image(dir.resolve("a"), "sub"), true).contains("is a directory"));
        assertTrue(refusal(image(dir.resolve("a"), "/dev/zero"), true).contains("neither a file nor a block device"));
        assertTrue(refusal(image(dir.resolve("a"), "none"), true).contains("does not exist"));
        Files.writeString(dir.resolve("text"), "text");
        assertTrue(refusal(image(dir.resolve("a"), "text"), true).contains("is no qcow2 image"));
    }

    @Test
    void dataFile_thatIsTheImageItself(@TempDir Path dir) throws IOException {
        ImageBytes i = ImageBytes.sound("cluster_size=4k").withExtension(0x44415441, 1, new byte[] {'a'});
        Path a = Files.write(dir.resolve("a"), i.word(72, Header.DATA_FILE).bytes());
        assertTrue(refusal(a, false).contains("in use"));
    }
}
