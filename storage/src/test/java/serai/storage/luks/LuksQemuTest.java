package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Tag;
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

/** LUKS1 as qemu-img makes and reads it. */
@Tag("e2e")
class LuksQemuTest {
    private static final int SIZE = 3 << 20;
    private static final byte[] PASSPHRASE = LuksTools.bytes("open sesame");
    private static final Opening OPENING = Opening.with(References.NONE, image -> Optional.of(PASSPHRASE));

    @TempDir
    private Path directory;

    private static void qemuImg(String command, Object... arguments) throws Exception {
        Object[] all = new Object[arguments.length + 4];
        all[0] = "qemu-img";
        all[1] = command;
        all[2] = "--object";
        all[3] = "secret,id=s,data=open sesame";
        System.arraycopy(arguments, 0, all, 4, arguments.length);
        for (int tries = 0; ; tries++) {
            try {
                LuksTools.run(all);
                return;
            } catch (AssertionError e) { // QEMU 7.2 gives up where PBKDF2 took no CPU time that the kernel counted
                if (tries == 50 || !String.valueOf(e.getMessage()).contains("Unable to get accurate CPU usage")) {
                    throw e;
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "cipher-alg=aes-256",
        "'cipher-alg=aes-128,ivgen-alg=plain,hash-alg=sha1'",
        "'cipher-alg=aes-192,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha512'",
        "'cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=ripemd160'",
        "'cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=plain64'",
        "'cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=plain'",
    })
    void whatOneWrites_theOtherReads(String options) throws Exception {
        byte[] content = new byte[SIZE];
        new Random(20261130).nextBytes(content);
        Path plain = Files.write(directory.resolve("plain"), content);
        Path theirs = directory.resolve("theirs.luks");
        qemuImg("convert", "-f", "raw", "-O", "luks", "-o", "key-secret=s,iter-time=10," + options, plain, theirs);
        try (BlockDevice d = OPENING.open(theirs, ImageFormat.LUKS, false)) {
            assertEquals(SIZE, d.size());
            assertArrayEquals(content, LuksTools.read(d, 0, SIZE));
            System.arraycopy(LuksTools.bytes("changed here"), 0, content, 100_000, 12);
            LuksTools.write(d, 512, content, 512, SIZE - 1024);
            d.flush();
        }
        assertTheyRead(content, theirs);

        LuksOptions ours = LuksOptions.luks1().with("iter-time", "10");
        for (String o : options.split(",")) {
            ours = ours.with(o.split("=")[0], o.split("=")[1]);
        }
        Path made = directory.resolve("ours.luks");
        try (LuksDisk d = LuksDisk.create(HostImageFile.create(made), ours, PASSPHRASE, SIZE)) {
            LuksTools.write(d, 0, content, 0, SIZE);
            d.flush();
        }
        assertTheyRead(content, made);
    }

    private void assertTheyRead(byte[] content, Path image) throws Exception {
        Path back = directory.resolve("back");
        qemuImg("convert", "--image-opts", "driver=luks,key-secret=s,file.filename=" + image, "-O", "raw", back);
        assertArrayEquals(content, Files.readAllBytes(back));
    }

    @Test
    void otherCiphersAreRefusedByName() throws Exception {
        Path image = directory.resolve("a.luks");
        qemuImg("create", "-f", "luks", "-o", "key-secret=s,iter-time=10,cipher-alg=twofish-256", image, "1M");
        DiskException e = assertThrows(DiskException.class, () -> OPENING.open(image, ImageFormat.LUKS, true));
        assertEquals("disk " + image + " is a LUKS volume with cipher 'twofish'; aes is supported", e.getMessage());
    }
}
