package serai.storage.luks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.storage.NativeBuffer;

/** The sector ciphers against the vectors of IEEE Std 1619-2007 Annex B and the JDK's CBC. */
class XtsTest {
    private static final HexFormat HEX = HexFormat.of();

    private static byte[] crypt(AesSectors cipher, boolean encrypt, long sector, byte[] text) {
        byte[] out = new byte[text.length];
        try (NativeBuffer b = new NativeBuffer(2L * text.length)) {
            MemorySegment.copy(text, 0, b.segment(), ValueLayout.JAVA_BYTE, 0, text.length);
            long to = b.address() + text.length;
            if (encrypt) {
                cipher.encrypt(sector, b.address(), to, text.length);
            } else {
                cipher.decrypt(sector, b.address(), to, text.length);
            }
            MemorySegment.copy(b.segment(), ValueLayout.JAVA_BYTE, text.length, out, 0, text.length);
            if (encrypt) { // in place is the same
                cipher.encrypt(sector, b.address(), b.address(), text.length);
            } else {
                cipher.decrypt(sector, b.address(), b.address(), text.length);
            }
            assertEquals(
                    -1, b.segment().asSlice(0, text.length).mismatch(b.segment().asSlice(text.length, text.length)));
        }
        return out;
    }

    private static AesSectors cipher(String spec, byte[] key, int sectorSize) throws Unsupported {
        return new AesSectors(CipherSpec.parse(spec, key.length), key.clone(), sectorSize, 0);
    }

    private static void vector(String key, long sector, byte[] plain, String expected) throws Unsupported {
        try (AesSectors c = cipher("aes-xts-plain64", HEX.parseHex(key), plain.length)) {
            assertEquals(expected, HEX.formatHex(crypt(c, true, sector, plain)));
            assertArrayEquals(plain, crypt(c, false, sector, HEX.parseHex(expected)));
        }
    }

    @Test
    void ieee1619_annexB_vectors1to3() throws Unsupported {
        vector("00".repeat(32), 0, new byte[32], "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e");
        vector(
                "11".repeat(16) + "22".repeat(16),
                0x3333333333L,
                HEX.parseHex("44".repeat(32)),
                "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0");
        vector(
                "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0" + "22".repeat(16),
                0x3333333333L,
                HEX.parseHex("44".repeat(32)),
                "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89");
    }

    private static byte[] counting() {
        byte[] b = new byte[512];
        for (int i = 0; i < b.length; i++) {
            b[i] = (byte) i;
        }
        return b;
    }

    @Test
    void ieee1619_annexB_vector4_aSectorOfAes128() throws Unsupported {
        vector("2718281828459045235360287471352631415926535897932384626433832795", 0, counting(), """
                27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89cc78cf7f5e543445f8333d8fa7f560000
                05279fa5d8b5e4ad40e736ddb4d35412328063fd2aab53e5ea1e0a9f332500a5df9487d07a5c92cc512c8866c7e860ce
                93fdf166a24912b422976146ae20ce846bb7dc9ba94a767aaef20c0d61ad02655ea92dc4c4e41a8952c651d33174be51
                a10c421110e6d81588ede82103a252d8a750e8768defffed9122810aaeb99f9172af82b604dc4b8e51bcb08235a6f434
                1332e4ca60482a4ba1a03b3e65008fc5da76b70bf1690db4eae29c5f1badd03c5ccf2a55d705ddcd86d449511ceb7ec3
                0bf12b1fa35b913f9f747a8afd1b130e94bff94effd01a91735ca1726acd0b197c4e5b03393697e126826fb6bbde8ecc
                1e08298516e2c9ed03ff3c1b7860f6de76d4cecd94c8119855ef5297ca67e9f3e7ff72b1e99785ca0a7e7720c5b36dc6
                d72cac9574c8cbbc2f801e23e56fd344b07f22154beba0f08ce8891e643ed995c94d9a69c9f1b5f499027a78572aeebd
                74d20cc39881c213ee770b1010e4bea718846977ae119f7a023ab58cca0ad752afe656bb3c17256a9f6e9bf19fdd5a38
                fc82bbe872c5539edb609ef4f79c203ebb140f2e583cb2ad15b4aa5b655016a8449277dbd477ef2c8d6c017db738b18d
                eb4a427d1923ce3ff262735779a418f20a282df920147beabe421ee5319d0568
                """.replace(
                        "\n", ""));
    }

    @Test
    void ieee1619_annexB_vector10_aSectorOfAes256() throws Unsupported {
        vector(
                "27182818284590452353602874713526624977572470936999595749669676273141592653589793238462643383279502884197169399375105820974944592",
                0xff,
                counting(),
                """
                1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b5d31e276f8fe4a8d66b317f9ac683f44
                680a86ac35adfc3345befecb4bb188fd5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0
                c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca2a3e7a7d7df7b10355165c8b9a6d0a7d
                e8b062c4500dc4cd120c0f7418dae3d0b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f
                93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec583e9645e07b8d9670655ba5bbcfecc6
                dc3966380ad8fecb17b6ba02469a020a84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1
                505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae9be69a2ffeceb1bec9de244fbe15992b
                11b77c040f12bd8f6a975a44a0f90c29a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac
                6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07059f645e8b7e9bfdef33943054ff84011493
                c27b3429eaedb4ed5376441a77ed43851ad77f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa
                773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151
                """.replace("\n", ""));
    }

    /** Of many sectors at once, each comes out as it does alone. */
    @ParameterizedTest
    @CsvSource({
        "aes-xts-plain64,64,512",
        "aes-xts-plain64,32,4096",
        "aes-cbc-essiv:sha256,16,512",
        "aes-cbc-plain64,32,1024",
        "aes-xts-plain,48,2048",
        "aes-cbc-plain64be,24,4096",
    })
    void sectorsAreApartFromEachOther(String spec, int keyBytes, int sectorSize) throws Unsupported {
        Random random = new Random(1);
        byte[] key = new byte[keyBytes];
        random.nextBytes(key);
        byte[] text = new byte[3 * AesSectors.CHUNK + 4096];
        random.nextBytes(text);
        long first = (1L << 35) - 16; // past what 32 bits hold
        try (AesSectors c = cipher(spec, key, sectorSize)) {
            byte[] all = crypt(c, true, first, text);
            assertArrayEquals(text, crypt(c, false, first, all));
            for (int at = 0; at < text.length; at += sectorSize) {
                byte[] one = java.util.Arrays.copyOfRange(text, at, at + sectorSize);
                assertArrayEquals(
                        java.util.Arrays.copyOfRange(all, at, at + sectorSize), crypt(c, true, first + at / 512, one));
            }
        }
    }

    @Test
    void cbcIsThatOfTheJdk() throws Exception {
        byte[] key = HEX.parseHex("000102030405060708090a0b0c0d0e0f");
        byte[] text = new byte[2 * 512];
        new Random(2).nextBytes(text);
        Cipher jdk = Cipher.getInstance("AES/CBC/NoPadding");
        byte[] expected = new byte[text.length];
        for (int s = 0; s < 2; s++) {
            byte[] iv = new byte[16];
            iv[0] = (byte) (7 + s);
            jdk.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new IvParameterSpec(iv));
            jdk.doFinal(text, s * 512, 512, expected, s * 512);
        }
        try (AesSectors c = cipher("aes-cbc-plain64", key, 512)) {
            assertArrayEquals(expected, crypt(c, true, 7, text));
            assertArrayEquals(text, crypt(c, false, 7, expected));
        }
    }

    @Test
    void severalThreadsAtOnceDoNotDisturbEachOther() throws Exception {
        byte[] key = new byte[64];
        new Random(3).nextBytes(key);
        try (AesSectors c = cipher("aes-xts-plain64", key, 512);
                ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<?>> all = new ArrayList<>();
            for (int t = 0; t < 8; t++) {
                byte[] text = new byte[(t + 1) * 8192];
                new Random(t).nextBytes(text);
                long sector = t * 1000L;
                byte[] expected;
                try (AesSectors alone = cipher("aes-xts-plain64", key, 512)) {
                    expected = crypt(alone, true, sector, text);
                }
                all.add(threads.submit(() -> {
                    for (int i = 0; i < 200; i++) {
                        assertArrayEquals(expected, crypt(c, true, sector, text));
                        assertArrayEquals(text, crypt(c, false, sector, expected));
                    }
                }));
            }
            for (Future<?> f : all) {
                f.get();
            }
        }
    }

    @Test
    void whatIsNoWholeSector_andAClosedCipher_areRefused() throws Unsupported {
        AesSectors c = cipher("aes-xts-plain64", new byte[64], 4096);
        assertThrows(IllegalArgumentException.class, () -> crypt(c, true, 0, new byte[512]));
        assertThrows(IllegalArgumentException.class, () -> crypt(c, true, 1, new byte[4096]));
        crypt(c, true, 8, new byte[4096]);
        c.close();
        assertThrows(IllegalStateException.class, () -> crypt(c, true, 8, new byte[4096]));
    }
}
