package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class Pbkdf2Test {
    private static String derive(LuksHash hash, String password, String salt, int iterations, int length) {
        return HexFormat.of()
                .formatHex(Pbkdf2.derive(hash, LuksTools.bytes(password), LuksTools.bytes(salt), iterations, length));
    }

    @Test
    void rfc6070() {
        assertEquals("0c60c80f961f0e71f3a9b524af6012062fe037a6", derive(LuksHash.SHA1, "password", "salt", 1, 20));
        assertEquals("4b007901b765489abead49d926f721d065a429c1", derive(LuksHash.SHA1, "password", "salt", 4096, 20));
        assertEquals(
                "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
                derive(LuksHash.SHA1, "passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096, 25));
        assertEquals("56fa6aa75548099dcc37d7f03425e0c3", derive(LuksHash.SHA1, "pass\0word", "sa\0lt", 4096, 16));
    }

    @Test
    void rfc7914_section11() {
        assertEquals(
                "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                        + "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
                derive(LuksHash.SHA256, "passwd", "salt", 1, 64));
        assertEquals(
                "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
                        + "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
                derive(LuksHash.SHA256, "Password", "NaCl", 80000, 64));
    }

    @ParameterizedTest
    @CsvSource({"SHA1,HmacSHA1", "SHA224,HmacSHA224", "SHA256,HmacSHA256", "SHA384,HmacSHA384", "SHA512,HmacSHA512"})
    void asTheJdkHasIt(LuksHash hash, String hmac) throws Exception {
        SecretKeyFactory jdk = SecretKeyFactory.getInstance("PBKDF2With" + hmac);
        for (int length : new int[] {1, 8, 63, 64, 65, 127, 128, 129, 300}) { // of passwords: round a block of the hash
            String password = "p".repeat(length);
            byte[] salt = {1, 2, 3, (byte) length};
            byte[] expected = jdk.generateSecret(new PBEKeySpec(password.toCharArray(), salt, 7, 8 * 100))
                    .getEncoded();
            assertArrayEquals(expected, Pbkdf2.derive(hash, LuksTools.bytes(password), salt, 7, 100));
        }
    }

    @ParameterizedTest
    @EnumSource(LuksHash.class)
    void whatTheSplitterSplits_itMerges(LuksHash hash) {
        for (int keyBytes : new int[] {16, 32, 64, 77}) {
            byte[] key = new byte[keyBytes];
            new Random(keyBytes).nextBytes(key);
            byte[] split = AfSplitter.split(hash, key, 50, new Random(1));
            assertArrayEquals(key, AfSplitter.merge(hash, split, keyBytes, 50));
            split[keyBytes * 25] ^= 1;
            assertEquals(false, Arrays.equals(key, AfSplitter.merge(hash, split, keyBytes, 50)));
        }
    }
}
