package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.DiskException;
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

    private void assertOpens(byte[] passphrase) throws Exception {
        Path key = Files.write(directory.resolve("tried"), passphrase);
        LuksTools.run("cryptsetup", "open", "--test-passphrase", "--key-file=" + key, image);
    }

    @ParameterizedTest
    @CsvSource({
        "1,''",
        "1,'cipher-alg=aes-128,hash-alg=sha1'",
        "1,'cipher-alg=aes-192,cipher-mode=cbc,ivgen-alg=essiv'",
        "2,''",
        "2,'cipher-alg=aes-128,sector-size=4096,hash-alg=sha512'",
        "2,'pbkdf=argon2i,sector-size=2048'",
        "2,'pbkdf=pbkdf2,cipher-mode=cbc,ivgen-alg=essiv'",
    })
    void ourVolumesOpenThere(int version, String options) throws Exception {
        LuksOptions how = (version == 1 ? LuksOptions.luks1() : LuksOptions.luks2()).with("iter-time", "1");
        for (String o : options.isEmpty() ? new String[0] : options.split(",")) {
            how = how.with(o.split("=")[0], o.split("=")[1]);
        }
        byte[] second = {0, 1, 10, (byte) 0xff, 13, 10};
        byte[] third = LuksTools.bytes("open third");
        try (LuksDisk d = LuksDisk.create(HostImageFile.create(image), how, PASSPHRASE, 1 << 20)) {
            assertEquals(1 << 20, d.size());
        }
        assertOpens(PASSPHRASE);
        String dump = LuksTools.run("cryptsetup", "luksDump", image);
        try (HostImageFile f = HostImageFile.open(image, false)) {
            LuksInfo info = LuksInfo.read(f);
            assertTrue(dump.contains(info.uuid()), dump);
            assertEquals(1, info.slots().size());
            assertEquals(1, LuksVolume.addPassphrase(f, PASSPHRASE, second, how));
            assertEquals(2, LuksVolume.addPassphrase(f, second, third, how));
        }
        assertOpens(second);
        assertOpens(third);
        try (HostImageFile f = HostImageFile.open(image, false)) {
            assertEquals(1, LuksVolume.removePassphrase(f, second));
            LuksVolume.open(f, third).close();
            DiskException e = assertThrows(DiskException.class, () -> LuksVolume.open(f, second));
            assertEquals("the passphrase opens no key slot of disk " + image, e.getMessage());
            assertEquals(1, LuksVolume.addPassphrase(f, third, second, how));
            assertEquals(0, LuksVolume.removePassphrase(f, PASSPHRASE));
            assertEquals(2, LuksVolume.removePassphrase(f, third));
            e = assertThrows(DiskException.class, () -> LuksVolume.removePassphrase(f, second));
            assertEquals(
                    "disk " + image + " has no other passphrase, and would be lost without this one", e.getMessage());
        }
        assertOpens(second);
        assertThrows(AssertionError.class, () -> assertOpens(third));
        LuksTools.run("cryptsetup", "luksDump", image);
        assertThatTheyAddOne(second);
    }

    private void assertThatTheyAddOne(byte[] existing) throws Exception {
        byte[] added = LuksTools.bytes("theirs");
        Path old = Files.write(directory.resolve("old"), existing);
        Path key = Files.write(directory.resolve("added"), added);
        LuksTools.run(
                "cryptsetup",
                "luksAddKey",
                "--batch-mode",
                "--pbkdf=pbkdf2",
                "--pbkdf-force-iterations=1000",
                "--key-slot=7",
                "--key-file=" + old,
                image,
                key);
        try (HostImageFile f = HostImageFile.open(image, true)) {
            LuksVolume.open(f, added).close();
            assertEquals(7, LuksInfo.read(f).slots().getLast().number());
        }
    }
}
