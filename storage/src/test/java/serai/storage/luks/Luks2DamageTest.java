package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.DiskException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Headers of LUKS2 that are wrong in one place each. */
class Luks2DamageTest {
    private static final byte[] PASSPHRASE = LuksTools.bytes("open sesame");
    private static final long SIZE = 20 << 20;
    private static final int SECOND = Luks2Header.LEAST;
    private static final JsonMapper MAPPER = new JsonMapper();
    private static byte[] sound = {};

    @BeforeAll
    static void make() throws IOException {
        MemoryFile f = new MemoryFile(new byte[0], 0);
        LuksOptions how = LuksOptions.luks2().with("iter-time", "1");
        LuksVolume.create(f, how, PASSPHRASE).close();
        LuksVolume.addPassphrase(f, PASSPHRASE, LuksTools.bytes("other"), how.with("pbkdf", "pbkdf2"));
        sound = f.bytes();
    }

    private static String refusal(MemoryFile f) {
        return String.valueOf(assertThrows(DiskException.class, () -> LuksVolume.open(f, PASSPHRASE))
                .getMessage());
    }

    /** The sound one with another text in both headers. */
    private static MemoryFile with(String json) throws IOException {
        MemoryFile f = new MemoryFile(sound, SIZE);
        HeaderFile h = HeaderFile.of(f);
        Luks2Header header = Luks2Header.read(h).orElseThrow();
        new Luks2Header(header.bytes(), header.head(), json.getBytes(StandardCharsets.UTF_8))
                .write(h, new SecureRandom());
        return f;
    }

    private static String json() throws IOException {
        return new String(
                Luks2Header.read(HeaderFile.of(new MemoryFile(sound, SIZE)))
                        .orElseThrow()
                        .text(),
                StandardCharsets.UTF_8);
    }

    @Test
    void theSoundOneOpens() throws IOException {
        LuksVolume.open(with(json()), PASSPHRASE).close();
        LuksVolume.open(with(json()), LuksTools.bytes("other")).close();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "segments|{}|is a LUKS volume with 0 segments; one is supported",
                "segments/1|{}|is a LUKS volume with 2 segments; one is supported",
                "segments|7|has a damaged LUKS header: metadata has no object 'segments'",
                "segments|{\"x\":{}}|has a damaged LUKS header: segments has 'x', and they have numbers below 32",
                "segments/0|[]|has a damaged LUKS header: segments has no object '0'",
                "segments/0/type|\"linear\"|is a LUKS volume with a segment of type 'linear'; crypt is supported",
                "segments/0/integrity|{\"type\":\"hmac(sha256)\"}|is a LUKS volume with integrity protection",
                "segments/0/sector_size|513|has a damaged LUKS header: segment 0 has sectors of 513 bytes",
                "segments/0/sector_size|8192|has a damaged LUKS header: segment 0 has sectors of 8192 bytes",
                "segments/0/sector_size|\"512\"|has a damaged LUKS header: segment 0 has no number 'sector_size'",
                "segments/0/sector_size|99999999999|has a damaged LUKS header: segment 0 has no number 'sector_size'",
                "segments/0/offset|\"4096\"|has a damaged LUKS header: segment 0 is at byte 4096, and no whole sectors behind the header",
                "segments/0/offset|\"-4096\"|has a damaged LUKS header: segment 0 has no number 'offset'",
                "segments/0/offset|\"99999999999999999999\"|has a damaged LUKS header: segment 0 has no number 'offset'",
                "segments/0/offset|\"32768\"|has a damaged LUKS header: key slot 0 has 256000 bytes of keys at byte 32768, for which there is no room",
                "segments/0/size|\"1000\"|has a damaged LUKS header: segment 0 is at byte 16777216, and no whole sectors behind the header",
                "segments/0/size|\"all\"|has a damaged LUKS header: segment 0 has no number 'size'",
                "segments/0/encryption|\"serpent-xts-plain64\"|is a LUKS volume with cipher 'serpent'; aes is supported",
                "segments/0/encryption|\"aes-cbc-plain64\"|is a LUKS volume with a key of 512 bits for aes-cbc",
                "segments/0/encryption|\"capi:xts(aes)-plain64\"|is a LUKS volume with cipher 'capi:xts(aes)'; aes is supported",
                "segments/0/encryption|null|has a damaged LUKS header: segment 0 has no text 'encryption'",
                "segments/0/iv_tweak|1|has a damaged LUKS header: segment 0 has no text 'iv_tweak'",
                "config/requirements|{\"mandatory\":[\"online-reencrypt-v2\"]}|is a LUKS volume with the requirement 'online-reencrypt-v2'",
                "config/requirements|{\"mandatory\":7}|has a damaged LUKS header: config requirements has no list 'mandatory'",
                "config|null|has a damaged LUKS header: metadata has no object 'config'",
                "config/keyslots_size|\"4096\"|has a damaged LUKS header: key slot 0 has its key at byte 32768+258048, not in the area for keys",
                "digests|{}|has a damaged LUKS header: segment 0 has no digest",
                "digests/0/type|\"sha3\"|is a LUKS volume with a digest of type 'sha3'; pbkdf2 is supported",
                "digests/0/hash|\"md5\"|is a LUKS volume with hash 'md5'; there are sha1, sha224, sha256, sha384, sha512, ripemd160",
                "digests/0/iterations|0|has a damaged LUKS header: digest 0 has 0 iterations",
                "digests/0/iterations|2147483647|is a LUKS volume whose key slot 0 comes with 2147483647 iterations of PBKDF2 for a key, which takes longer than is allowed",
                "digests/0/salt|\"!\"|has a damaged LUKS header: digest 0 has no 1 to 512 bytes as Base64 in 'salt'",
                "digests/0/digest|\"AA==\"|has a damaged LUKS header: digest 0 has 1 bytes, and sha256 has 32",
                "digests/0/keyslots|[]|is a LUKS volume without a key slot in use",
                "digests/0/keyslots|[0]|has a damaged LUKS header: digest 0 has a list of others than texts in 'keyslots'",
                "digests/0/keyslots|[\"1\"]|PASSPHRASE",
                "keyslots/0/priority|0|PASSPHRASE",
                "keyslots/99|{}|has a damaged LUKS header: keyslots has '99', and they have numbers below 32",
                "keyslots/0/type|\"reencrypt\"|PASSPHRASE, which also has key slot 0 with type 'reencrypt'; luks2 is supported",
                "keyslots/0/area/type|\"journal\"|PASSPHRASE, which also has key slot 0 with an area of type 'journal'; raw is supported",
                "keyslots/0/area/offset|\"0\"|has a damaged LUKS header: key slot 0 has its key at byte 0+258048, not in the area for keys",
                "keyslots/0/area/offset|\"99999999999999\"|has a damaged LUKS header: key slot 0 has its key at byte 99999999999999+258048, not in the area for keys",
                "keyslots/0/area/offset|\"36864\"|has a damaged LUKS header: key slots 0 and 1 have their keys in the same place",
                "keyslots/0/area/size|\"4096\"|has a damaged LUKS header: key slot 0 has 256000 bytes of keys at byte 32768, for which there is no room",
                "keyslots/0/area/key_size|17|PASSPHRASE, which also has key slot 0 with a key of 136 bits for aes-xts",
                "keyslots/0/area/encryption|\"cipher_null-ecb\"|PASSPHRASE, which also has key slot 0 with cipher 'cipher_null'; aes is supported",
                "keyslots/0/af/stripes|0|has a damaged LUKS header: key slot 0 has 0 stripes of 64 bytes",
                "keyslots/0/af/stripes|2147483647|has a damaged LUKS header: key slot 0 has 2147483647 stripes of 64 bytes",
                "keyslots/0/key_size|0|has a damaged LUKS header: key slot 0 has 4000 stripes of 0 bytes",
                "keyslots/0/key_size|32|has a damaged LUKS header: its key slots have keys of several sizes for one disk",
                "keyslots/0/kdf/type|\"scrypt\"|PASSPHRASE, which also has key slot 0 with keys by 'scrypt'; pbkdf2, argon2i and argon2id are supported",
                "keyslots/0/kdf/memory|2097152|is a LUKS volume whose key slot 0 comes with 2097152 KiB of memory for Argon2; at most 1048576 KiB are supported",
                "keyslots/0/kdf/memory|2147483647|is a LUKS volume whose key slot 0 comes with 2147483647 KiB of memory for Argon2; at most 1048576 KiB are supported",
                "keyslots/0/kdf/memory|7|has a damaged LUKS header: key slot 0 has 4 passes of Argon2 over 7 KiB in 2 lanes",
                "keyslots/0/kdf/time|2147483647|is a LUKS volume whose key slot 0 comes with 2147483647 passes of Argon2 over 8192 KiB of memory for a key, which takes longer than is allowed",
                "keyslots/0/kdf/time|0|has a damaged LUKS header: key slot 0 has 0 passes of Argon2 over 8192 KiB in 2 lanes",
                "keyslots/0/kdf/cpus|17|has a damaged LUKS header: key slot 0 has 4 passes of Argon2 over 8192 KiB in 17 lanes",
                "keyslots/0/kdf/cpus|0|has a damaged LUKS header: key slot 0 has 4 passes of Argon2 over 8192 KiB in 0 lanes",
                "keyslots/0/kdf/time|-1|has a damaged LUKS header: key slot 0 kdf has no number 'time'",
                "keyslots/1/kdf/iterations|0|has a damaged LUKS header: key slot 1 kdf has 0 iterations",
            })
    void aWrongValueIsRefusedInOneSentence(String path, String value, String expected) throws IOException {
        ObjectNode root = (ObjectNode) MAPPER.readTree(json());
        ObjectNode at = root;
        String[] names = path.split("/");
        for (String name : Arrays.copyOf(names, names.length - 1)) {
            at = (ObjectNode) at.get(name);
        }
        at.set(names[names.length - 1], MAPPER.readTree(value));
        ObjectNode kdf = (ObjectNode) root.path("keyslots").path("0").path("kdf");
        if (kdf.has("cpus") && kdf.get("cpus").isInt() && !path.endsWith("cpus")) {
            kdf.put("cpus", 2); // the same on hosts with more processors
        }
        String sentence = expected.startsWith("PASSPHRASE")
                ? expected.replace("PASSPHRASE", "the passphrase opens no key slot of disk a.luks")
                : "disk a.luks " + expected;
        assertEquals(sentence, refusal(with(root.toString())));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "7", "{", "{}}", "{\"a\":1,\"a\":2}", "{\"config\":{},}", "{\"x\":1e999999999}"})
    void whatIsNoSoundJsonIsRefusedInOneSentence(String json) throws IOException {
        String message = refusal(with(json));
        assertEquals("disk a.luks has a damaged LUKS header: ", message.substring(0, 39));
        assertEquals(-1, message.indexOf('\n'));
    }

    @Test
    void deepJsonIsRefusedInOneSentence() throws IOException {
        String message = refusal(with("{\"a\":" + "[".repeat(10_000)));
        assertEquals("disk a.luks has a damaged LUKS header: its metadata is not sound JSON", message.substring(0, 69));
    }

    @Test
    void oneDamagedHeaderHarmsNothing() throws IOException {
        for (int at : new int[] {0, 5, 8, 20, 100, 256, 448, 5000, SECOND, SECOND + 8, SECOND + 16, SECOND + 5000}) {
            byte[] bytes = sound.clone();
            bytes[at] ^= 0x40;
            LuksVolume.open(new MemoryFile(bytes, SIZE), PASSPHRASE).close();
        }
    }

    @Test
    void theHeaderThatWasWrittenLastCounts() throws IOException {
        byte[] bytes = with(json().replace("iv_tweak\":\"0", "iv_tweak\":\"8")).bytes();
        byte[] mixed = sound.clone(); // as if the host had failed between the two
        System.arraycopy(bytes, 0, mixed, 0, SECOND);
        assertEquals(
                8, LuksHeader.read(HeaderFile.of(new MemoryFile(mixed, SIZE))).firstSector());
        mixed = bytes.clone();
        System.arraycopy(sound, 0, mixed, 0, SECOND);
        assertEquals(
                8, LuksHeader.read(HeaderFile.of(new MemoryFile(mixed, SIZE))).firstSector());
    }

    @Test
    void twoDamagedHeadersAreRefusedInOneSentence() {
        byte[] bytes = sound.clone();
        bytes[5000] ^= 1;
        bytes[SECOND + 5000] ^= 1;
        assertEquals(
                "disk a.luks has a damaged LUKS header: the first header has a wrong checksum",
                refusal(new MemoryFile(bytes, SIZE)));
        bytes[0] = 0;
        assertEquals(
                "disk a.luks has a damaged LUKS header: the second header has a wrong checksum",
                refusal(new MemoryFile(bytes, SIZE)));
        ByteBuffer.wrap(bytes).putLong(SECOND + 256, 1234);
        assertEquals(
                "disk a.luks has a damaged LUKS header: the second header says that it is at byte 1234, and is at 16384",
                refusal(new MemoryFile(bytes, SIZE)));
        bytes[SECOND] = 0;
        assertEquals("disk a.luks is no LUKS volume", refusal(new MemoryFile(bytes, SIZE)));
    }

    @Test
    void aFileThatEndsEarlyIsRefused() {
        assertEquals(
                "disk a.luks has a damaged LUKS header: key slot 0 has 256000 bytes of keys at byte 32768, for which there is no room",
                refusal(new MemoryFile(Arrays.copyOf(sound, 100_000), 100_000)));
    }
}
