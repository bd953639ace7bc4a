package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.storage.DiskException;

/** Headers of LUKS1 that are wrong in one place each. */
class Luks1DamageTest {
    private static final byte[] PASSPHRASE = LuksTools.bytes("open sesame");
    private static final long SIZE = 4 << 20;
    private static byte[] sound = {};

    @BeforeAll
    static void make() throws IOException {
        MemoryFile f = new MemoryFile(new byte[0], 0);
        LuksVolume.create(f, LuksOptions.luks1().with("iter-time", "1"), PASSPHRASE)
                .close();
        sound = f.bytes();
    }

    private static String refusal(byte[] bytes, long size) {
        return String.valueOf(
                assertThrows(DiskException.class, () -> LuksVolume.open(new MemoryFile(bytes, size), PASSPHRASE))
                        .getMessage());
    }

    @Test
    void theSoundOneOpens() throws IOException {
        LuksVolume.open(new MemoryFile(sound, SIZE), PASSPHRASE).close();
    }

    @ParameterizedTest
    @CsvSource({
        "104, 1, 'has a damaged LUKS header: the disk begins at byte 512, inside the header'",
        "104, 0, 'has a damaged LUKS header: the disk begins at byte 0, inside the header'",
        "104, 100, 'has a damaged LUKS header: key slot 0 has its key at byte 4096+256000, not between the header and the disk'",
        "108, 0, 'is a LUKS volume with a key of 0 bits for aes-xts'",
        "108, 33, 'is a LUKS volume with a key of 264 bits for aes-xts'",
        "108, -1, 'is a LUKS volume with a key of 34359738360 bits for aes-xts'",
        "164, 0, 'has a damaged LUKS header: a key is derived by 0 iterations'",
        "164, -1, 'is a LUKS volume whose key slot 0 comes with 4294967295 iterations of PBKDF2 for a key, which takes longer than is allowed'",
        "208, 1, 'has a damaged LUKS header: key slot 0 is neither in use nor not (0x00000001)'",
        "208, 57005, 'is a LUKS volume without a key slot in use'",
        "212, 0, 'has a damaged LUKS header: a key is derived by 0 iterations'",
        "212, -2, 'is a LUKS volume whose key slot 0 comes with 4294967294 iterations of PBKDF2 for a key, which takes longer than is allowed'",
        "216, 7, 'PASSPHRASE'",
        "112, 7, 'PASSPHRASE'",
        "248, 0, 'has a damaged LUKS header: key slot 0 has its key at byte 0+256000, not between the header and the disk'",
        "248, 1, 'has a damaged LUKS header: key slot 0 has its key at byte 512+256000, not between the header and the disk'",
        "248, -1, 'has a damaged LUKS header: key slot 0 has its key at byte 2199023255040+256000, not between the header and the disk'",
        "248, 512, 'has a damaged LUKS header: key slots 0 and 1 have their keys in the same place'",
        "252, 0, 'has a damaged LUKS header: key slot 0 has 0 stripes, and there are 1 to 65536'",
        "252, -1, 'has a damaged LUKS header: key slot 0 has 4294967295 stripes, and there are 1 to 65536'",
        "252, 65536, 'has a damaged LUKS header: key slot 0 has its key at byte 4096+4194304, not between the header and the disk'",
        "252, 3999, 'PASSPHRASE'",
        "300, -7, 'has a damaged LUKS header: key slot 1 has 4294967289 stripes, and there are 1 to 65536'",
        "544, 99, 'has a damaged LUKS header: key slot 7 is neither in use nor not (0x00000063)'",
        "4, 0, 'is no LUKS volume'",
    })
    void aWrongNumberIsRefusedInOneSentence(int at, int value, String expected) {
        byte[] bytes = sound.clone();
        ByteBuffer.wrap(bytes).putInt(at, value);
        assertEquals(sentence(expected), refusal(bytes, SIZE));
    }

    private static String sentence(String expected) {
        return expected.equals("PASSPHRASE")
                ? "the passphrase opens no key slot of disk a.luks"
                : "disk a.luks " + expected;
    }

    @ParameterizedTest
    @CsvSource({
        "8, serpent, 'is a LUKS volume with cipher ''serpent''; aes is supported'",
        "8, aesaesaesaesaesaesaesaesaesaesaesaes, 'is a LUKS volume with cipher ''aesaesaesaesaesaesaesaesaesaesae''; aes is supported'",
        "8, '\t\u0007x', 'is a LUKS volume with cipher ''??x''; aes is supported'",
        "40, ecb, 'is a LUKS volume with cipher mode ''ecb'' of aes; xts and cbc are supported'",
        "40, xts, 'is a LUKS volume with initialization vectors ''''; there are plain, plain64, plain64be, essiv'",
        "40, xts-benbi, 'is a LUKS volume with initialization vectors ''benbi''; there are plain, plain64, plain64be, essiv'",
        "40, xts-plain64:sha256, 'is a LUKS volume with initialization vectors ''plain64'' with a hash'",
        "40, cbc-essiv:md5, 'is a LUKS volume with essiv with hash ''md5''; sha256 is supported'",
        "40, cbc-essiv:sha1, 'is a LUKS volume with essiv with hash ''sha1''; sha256 is supported'",
        "40, cbc-plain64, 'is a LUKS volume with a key of 512 bits for aes-cbc'",
        "72, whirlpool, 'is a LUKS volume with hash ''whirlpool''; there are sha1, sha224, sha256, sha384, sha512, ripemd160'",
        "72, sha512, 'PASSPHRASE'",
        "6, '\u0000\u0003', 'is a LUKS volume of version 3; 1 and 2 are supported'",
        "6, '\u0000\u0002', 'has a damaged LUKS header: the first header has 7018142038163980288 bytes, and a power of two from 16384 to 4194304 is right'",
        "0, LUXS, 'is no LUKS volume'",
    })
    void aWrongNameIsRefusedInOneSentence(int at, String text, String expected) {
        byte[] bytes = sound.clone();
        byte[] field = new byte[at == 0 ? 4 : at == 6 ? 2 : 32];
        byte[] t = text.getBytes(StandardCharsets.ISO_8859_1);
        System.arraycopy(t, 0, field, 0, Math.min(t.length, field.length));
        System.arraycopy(field, 0, bytes, at, field.length);
        assertEquals(sentence(expected), refusal(bytes, SIZE));
    }

    @Test
    void aFileThatEndsEarlyIsRefused() {
        assertEquals(
                "disk a.luks has a damaged LUKS header: key slot 0 has its key behind the end of the file",
                refusal(java.util.Arrays.copyOf(sound, 100_000), 100_000));
        assertEquals("disk a.luks is no LUKS volume", refusal(new byte[0], 0));
        DiskException e = assertThrows(
                DiskException.class,
                () -> LuksDisk.open(
                        new MemoryFile(sound, Luks1.payloadOffset(64) + 100),
                        serai.storage.Opening.with(
                                serai.storage.References.NONE, i -> java.util.Optional.of(PASSPHRASE))));
        assertEquals(
                "disk a.luks has its encrypted part at byte 2068480+0, which is not in the file of 2068580 bytes",
                e.getMessage());
    }
}
