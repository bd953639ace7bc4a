package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;

/**
 * Disks of LUKS2, which QEMU does not have and cryptsetup reads by the kernel alone, as GRUB reads them. (GRUB 2.06 numbers large sectors for
 * ESSIV one by one, and dm-crypt by their place in sectors of 512 bytes, as for all vectors.)
 */
@Tag("e2e")
class LuksGrubTest {
    private static final int SIZE = 1 << 20;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"512,aes-xts-plain64", "1024,aes-xts-plain64", "4096,aes-xts-plain64", "512,aes-cbc-essiv:sha256"})
    void whatIsWritten_grubReads(int sectorSize, String cipher) throws Exception {
        Path image = directory.resolve("a.luks");
        Path key = Files.writeString(directory.resolve("key"), "open sesame");
        LuksTools.run("truncate", "--size=20M", image);
        LuksTools.run(
                "cryptsetup",
                "luksFormat",
                "--batch-mode",
                "--type=luks2",
                "--pbkdf=pbkdf2",
                "--pbkdf-force-iterations=1000",
                "--cipher=" + cipher,
                "--key-size=256",
                "--sector-size=" + sectorSize,
                image,
                key);
        byte[] content = new byte[SIZE];
        new Random(20261130).nextBytes(content);
        try (BlockDevice d = Opening.with(References.NONE, i -> Optional.of(LuksTools.bytes("open sesame")))
                .open(image, ImageFormat.LUKS, false)) {
            assertEquals(4 << 20, d.size());
            LuksTools.write(d, 0, new byte[SIZE], 0, SIZE);
            LuksTools.write(d, 512, content, 512, 512); // parts of sectors, at their begin and end
            LuksTools.write(d, 0, content, 0, 512);
            LuksTools.write(d, 1024, content, 1024, SIZE - 1024 - 3 * 512);
            LuksTools.write(d, SIZE - 3 * 512, content, SIZE - 3 * 512, 3 * 512);
            assertArrayEquals(content, LuksTools.read(d, 0, SIZE));
        }
        Path read = directory.resolve("read");
        LuksTools.tell("open sesame\n", "grub-fstest", "-C", image, "cp", "(crypto0)+" + SIZE / 512, read);
        assertArrayEquals(content, Files.readAllBytes(read));
    }
}
