package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.HostImageFile;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;

class LuksDiskTest {
    private static final byte[] PASSPHRASE = LuksTools.bytes("open sesame");
    private static final int SIZE = 1 << 20;

    @TempDir
    private Path directory;

    private Path image() {
        return directory.resolve("a.luks");
    }

    private LuksDisk create() throws IOException {
        return LuksDisk.create(
                HostImageFile.create(image()), LuksOptions.luks1().with("iter-time", "1"), PASSPHRASE, SIZE);
    }

    private static Opening opening(String passphrase) {
        return Opening.with(References.NONE, image -> Optional.of(LuksTools.bytes(passphrase)));
    }

    @Test
    void whatIsWritten_isReadAgain_andNotInTheFile() throws IOException {
        byte[] text = new byte[64 << 10];
        Arrays.fill(text, (byte) 'x');
        try (LuksDisk d = create()) {
            assertEquals(SIZE, d.size());
            LuksTools.write(d, 512, text, 0, text.length);
            assertArrayEquals(text, LuksTools.read(d, 512, text.length));
            assertThrows(IOException.class, () -> LuksTools.read(d, SIZE - 512, 1024));
            assertThrows(IOException.class, () -> LuksTools.write(d, SIZE, text, 0, 512));
        }
        String bytes = new String(Files.readAllBytes(image()), java.nio.charset.StandardCharsets.ISO_8859_1);
        assertEquals(-1, bytes.indexOf("xxxx"));
        try (BlockDevice d = opening("open sesame").open(image(), ImageFormat.LUKS, true)) {
            assertArrayEquals(text, LuksTools.read(d, 512, text.length));
        }
    }

    @Test
    void zeroedRangesReadAsZeros_discardedOnesStay() throws IOException {
        byte[] content = new byte[SIZE];
        new Random(1).nextBytes(content);
        try (LuksDisk d = create()) {
            LuksTools.write(d, 0, content, 0, SIZE);
            d.discard(0, 64 << 10);
            d.zero(512, 600 << 10, true);
            Arrays.fill(content, 512, 512 + (600 << 10), (byte) 0);
            assertArrayEquals(content, LuksTools.read(d, 0, SIZE));
        }
    }

    @Test
    void whatResizingAdds_readsAsZeros() throws IOException {
        try (LuksDisk d = create()) {
            d.resize(2 * SIZE);
            assertArrayEquals(new byte[SIZE], LuksTools.read(d, SIZE, SIZE));
            d.resize(SIZE / 2);
            assertThrows(IOException.class, () -> LuksTools.read(d, SIZE / 2, 512));
        }
    }

    @Test
    void aWrongPassphraseIsToldAsSuch() throws IOException {
        create().close();
        DiskException e =
                assertThrows(DiskException.class, () -> opening("open barley").open(image(), ImageFormat.LUKS, true));
        assertEquals("the passphrase opens no key slot of disk " + image(), e.getMessage());
        e = assertThrows(DiskException.class, () -> opening("").open(image(), ImageFormat.LUKS, true));
        assertEquals("the passphrase opens no key slot of disk " + image(), e.getMessage());
        e = assertThrows(DiskException.class, () -> Opening.trusted().open(image(), ImageFormat.LUKS, true));
        assertEquals("disk " + image() + " is encrypted, and needs a passphrase", e.getMessage());
    }

    @Test
    void aVolumeIsMadeInAnEmptyFileOnly() throws IOException {
        Files.write(image(), new byte[1]);
        try (HostImageFile f = HostImageFile.open(image(), false)) {
            DiskException e =
                    assertThrows(DiskException.class, () -> LuksDisk.create(f, LuksOptions.luks1(), PASSPHRASE, SIZE));
            assertEquals("disk " + image() + " is not empty, so no LUKS volume is made there", e.getMessage());
        }
    }
}
