package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HexFormat;
import java.util.Random;
import org.bouncycastle.crypto.generators.Argon2BytesGenerator;
import org.bouncycastle.crypto.params.Argon2Parameters;
import org.junit.jupiter.api.Test;

class Argon2Test {
    private static String derive(Argon2.Type type, int passes, int kibibytes, int lanes) throws Exception {
        return HexFormat.of()
                .formatHex(Argon2.derive(
                        type, LuksTools.bytes("password"), LuksTools.bytes("somesalt"), passes, kibibytes, lanes, 32));
    }

    /** Of the reference implementation's tests. */
    @Test
    void vectorsOfTheReferenceImplementation() throws Exception {
        assertEquals(
                "c1628832147d9720c5bd1cfd61367078729f6dfb6f8fea9ff98158e0d7816ed0", derive(Argon2.Type.I, 2, 65536, 1));
        assertEquals(
                "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe", derive(Argon2.Type.ID, 2, 256, 1));
    }

    @Test
    void asBouncyCastleHasIt() throws Exception {
        long seed = 20261130;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 200; i++) {
            Argon2.Type type = random.nextBoolean() ? Argon2.Type.I : Argon2.Type.ID;
            int lanes = 1 + random.nextInt(5);
            int kibibytes = 8 * lanes + random.nextInt(3000);
            int passes = 1 + random.nextInt(3);
            byte[] password = new byte[random.nextInt(100)];
            random.nextBytes(password);
            byte[] salt = new byte[8 + random.nextInt(60)];
            random.nextBytes(salt);
            byte[] expected = new byte[4 + random.nextInt(200)];
            Argon2BytesGenerator g = new Argon2BytesGenerator();
            g.init(new Argon2Parameters.Builder(
                            type == Argon2.Type.I ? Argon2Parameters.ARGON2_i : Argon2Parameters.ARGON2_id)
                    .withParallelism(lanes)
                    .withMemoryAsKB(kibibytes)
                    .withIterations(passes)
                    .withSalt(salt)
                    .build());
            g.generateBytes(password, expected);
            assertArrayEquals(expected, Argon2.derive(type, password, salt, passes, kibibytes, lanes, expected.length));
        }
    }
}
