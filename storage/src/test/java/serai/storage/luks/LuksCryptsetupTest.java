package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.HostImageFile;

/** Volumes as cryptsetup makes them. It needs no device mapper for their headers; what is in the disk is {@code LuksGrubTest}'s. */
@Tag("e2e")
class LuksCryptsetupTest {
    private static final byte[] PASSPHRASE = LuksTools.bytes("open sesame");
    private static final String QUICK = "--pbkdf-force-iterations=1000";
    private static final String QUICK_ARGON2 = "--pbkdf-force-iterations=4";

    @TempDir
    private Path directory;

    private Path image;
    private Path keyFile;

    @BeforeEach
    void files() throws Exception {
        image = directory.resolve("a.luks");
        keyFile = Files.write(directory.resolve("key"), PASSPHRASE);
    }

    private void format(String... options) throws Exception {
        Files.deleteIfExists(image);
        LuksTools.run("truncate", "--size=32M", image);
        List<Object> command = new ArrayList<>(List.of("cryptsetup", "luksFormat", "--batch-mode"));
        command.addAll(List.of(options));
        command.addAll(List.of(image, keyFile));
        LuksTools.run(command.toArray());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--type=luks1 " + QUICK,
                "--type=luks1 --key-size=256 --hash=sha1 " + QUICK,
                "--type=luks2 --pbkdf=pbkdf2 " + QUICK,
                "--type=luks2 --pbkdf=pbkdf2 --hash=sha512 --key-size=256 --sector-size=4096 " + QUICK,
                "--type=luks2 --pbkdf=argon2i --pbkdf-memory=3333 --pbkdf-parallel=3 " + QUICK_ARGON2,
                "--type=luks2 --pbkdf=argon2id --pbkdf-memory=65536 --sector-size=512 " + QUICK_ARGON2,
                "--type=luks2 --pbkdf=argon2id --pbkdf-memory=32 --luks2-metadata-size=64k --luks2-keyslots-size=4m "
                        + QUICK_ARGON2,
            })
    void itsVolumesOpen(String options) throws Exception {
        format(options.split(" "));
        try (HostImageFile f = HostImageFile.open(image, true);
                LuksVolume v = LuksVolume.open(f, PASSPHRASE)) {
            assertEquals(options.contains("luks1") ? 1 : 2, v.version());
            String dump = LuksTools.run("cryptsetup", "luksDump", image);
            assertTrue(dump.contains(v.uuid()), dump);
        }
    }
}
