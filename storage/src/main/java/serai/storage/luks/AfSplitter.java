package serai.storage.luks;

import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Random;

/**
 * The anti-forensic splitter (LUKS1 specification §2.4): a key is stored as stripes that are all needed to have it again, so that
 * destroying any part of them destroys the key.
 */
final class AfSplitter {
    private AfSplitter() {}

    /** The key of {@code stripes} stripes that {@code split} begins with. */
    static byte[] merge(LuksHash hash, byte[] split, int keyBytes, int stripes) {
        byte[] key = new byte[keyBytes];
        MessageDigest digest = hash.digest();
        for (int i = 0; i < stripes; i++) {
            if (i > 0) {
                diffuse(digest, hash.bytes(), key);
            }
            xor(key, split, i * keyBytes);
        }
        return key;
    }

    /** Stripes of a key, the last of which makes the others give the key. */
    static byte[] split(LuksHash hash, byte[] key, int stripes, Random random) {
        byte[] split = new byte[key.length * stripes];
        random.nextBytes(split);
        Arrays.fill(split, split.length - key.length, split.length, (byte) 0);
        byte[] last = merge(hash, split, key.length, stripes);
        xor(last, key, 0);
        System.arraycopy(last, 0, split, split.length - key.length, key.length);
        Arrays.fill(last, (byte) 0);
        return split;
    }

    private static void xor(byte[] into, byte[] from, int at) {
        for (int i = 0; i < into.length; i++) {
            into[i] ^= from[at + i];
        }
    }

    /** Each piece of a digest's size becomes the digest of its number and itself, cut off at the end. */
    private static void diffuse(MessageDigest digest, int digestBytes, byte[] block) {
        for (int at = 0, number = 0; at < block.length; at += digestBytes, number++) {
            int n = Math.min(digestBytes, block.length - at);
            digest.update(new byte[] {
                (byte) (number >>> 24), (byte) (number >>> 16), (byte) (number >>> 8), (byte) number,
            });
            digest.update(block, at, n);
            System.arraycopy(digest.digest(), 0, block, at, n);
        }
    }
}
