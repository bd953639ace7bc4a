package serai.storage.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.qcow2.Qcow2Disk;

/** Images of all formats are made, filled and read back. */
class NewImageTest {
    private static final int SIZE = (3 << 20) + 512;

    private final Path dir;

    NewImageTest(@TempDir Path dir) {
        this.dir = dir;
    }

    private static byte[] secret(String id) throws DiskException {
        if (!id.equals("s")) {
            throw new DiskException("there is no secret '" + id + "'");
        }
        return "open".getBytes(StandardCharsets.UTF_8);
    }

    private static NewImage image(ImageFormat format, String options) throws DiskException {
        NewImage image = NewImage.of(format, SIZE);
        for (String o : options.split(" ")) {
            image = o.isEmpty() ? image : image.with(o.substring(0, o.indexOf('=')), o.substring(o.indexOf('=') + 1));
        }
        return image;
    }

    private static BlockDevice open(Path p, ImageFormat format) throws IOException {
        return Opening.with(References.ANY, i -> Optional.of("open".getBytes(StandardCharsets.UTF_8)))
                .open(p, format, true);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            RAW||false
            RAW|preallocation=falloc|false
            RAW|preallocation=full|false
            QCOW2||false
            QCOW2||true
            QCOW2|compat=0.10 cluster_size=4k|true
            QCOW2|compression_type=zstd cluster_size=2M|true
            QCOW2|cluster_size=512|true
            QCOW2|cluster_size=2k compression_type=zstd|true
            QCOW2|extended_l2=on|true
            QCOW2|preallocation=metadata|false
            QCOW2|preallocation=falloc cluster_size=512|false
            QCOW2|preallocation=full|false
            QCOW2|encrypt.format=luks encrypt.key-secret=s encrypt.iter-time=10|false
            QCOW2|data_file=d data_file_raw=on|false
            LUKS|key-secret=s iter-time=10|false
            LUKS|version=2 key-secret=s iter-time=10 pbkdf=pbkdf2 sector-size=512|false
            """)
    void isFilledAndReadBack(ImageFormat format, @org.jspecify.annotations.Nullable String options, boolean compressed)
            throws IOException {
        Path p = dir.resolve("image");
        LayerDisk from = new LayerDisk(SIZE, 8192, null).random(new Random(1));
        NewImage image = image(format, options == null ? "" : options);
        try (BlockDevice to = image.make(HostImageFile.create(p), NewImageTest::secret)) {
            Copy.run(from, to, new Copy.Options(4, 4096, compressed, null), Progress.NONE);
        }
        try (BlockDevice d = open(p, format)) {
            assertEquals(
                    new Compare.Result(true, OptionalLong.empty(), OptionalLong.empty()),
                    Compare.run(from, d, false, 2, Progress.NONE));
            if (d instanceof Qcow2Disk q) {
                assertTrue(q.check(false, false, n -> {}).clean());
            }
        }
    }

    @Test
    void preallocated_hasItsSpace() throws IOException {
        for (String how : new String[] {"falloc", "full"}) {
            Path raw = dir.resolve("raw" + how);
            image(ImageFormat.RAW, "preallocation=" + how).create(HostImageFile.create(raw), NewImage.Secrets.NONE);
            Path qcow2 = dir.resolve("qcow2" + how);
            image(ImageFormat.QCOW2, "preallocation=" + how).create(HostImageFile.create(qcow2), NewImage.Secrets.NONE);
            for (Path p : new Path[] {raw, qcow2}) {
                try (HostImageFile f = HostImageFile.open(p, true)) {
                    assertTrue(f.allocated() >= SIZE, p + " has " + f.allocated());
                }
            }
        }
    }

    @Test
    void uponABackingFile_needsNoneToBeMade() throws IOException {
        Path p = dir.resolve("image");
        image(ImageFormat.QCOW2, "backing_file=none.raw backing_fmt=raw")
                .create(HostImageFile.create(p), NewImage.Secrets.NONE);
        assertTrue(Files.size(p) > 0);
        assertThrows(DiskException.class, () -> open(p, ImageFormat.QCOW2));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            RAW|preallocation=metadata|only qcow2 has
            RAW|cluster_size=4k|raw has no option
            RAW|preallocation=some|can't be 'some'
            QCOW2|colour=red|no option 'colour'
            QCOW2|encrypt.format=luks|needs a passphrase
            QCOW2|encrypt.key-secret=s|needs encrypt.format=luks
            QCOW2|encrypt.format=luks encrypt.key-secret=t|no secret 't'
            QCOW2|size=lots|is no size
            LUKS||needs a passphrase
            LUKS|version=3|there are 1 and 2
            VMDK||are only read
            """)
    void whatCantBe_isRefused(ImageFormat format, @org.jspecify.annotations.Nullable String options, String sentence) {
        DiskException e = assertThrows(DiskException.class, () -> image(format, options == null ? "" : options)
                .create(HostImageFile.create(dir.resolve("image")), NewImageTest::secret));
        assertTrue(String.valueOf(e.getMessage()).contains(sentence), e.getMessage());
    }

    @Test
    void aDataFileThatIsThere_isNotOverwritten() throws IOException {
        Files.writeString(dir.resolve("d"), "mine");
        assertThrows(DiskException.class, () -> image(ImageFormat.QCOW2, "data_file=d")
                .create(HostImageFile.create(dir.resolve("image")), NewImage.Secrets.NONE));
        assertEquals("mine", Files.readString(dir.resolve("d")));
    }
}
