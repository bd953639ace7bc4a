package serai.storage.luks;

import java.security.DigestException;
import java.security.MessageDigest;
import java.util.Arrays;

/**
 * PBKDF2 with HMAC (RFC 8018 §5.2), of passphrases that are bytes: the JDK's takes characters only.
 *
 * <p>The states of the hash after HMAC's two padded keys are computed once and cloned, so an iteration is two compressions, as in
 * cryptsetup, where {@code javax.crypto.Mac} takes four.
 */
final class Pbkdf2 {
    private final MessageDigest inner;
    private final MessageDigest outer;
    private final int hashBytes;

    private Pbkdf2(LuksHash hash, byte[] password) {
        hashBytes = hash.bytes();
        byte[] key = new byte[hash.blockBytes()];
        if (password.length > key.length) { // RFC 2104 §2
            byte[] hashed = hash.digest().digest(password);
            System.arraycopy(hashed, 0, key, 0, hashed.length);
            Arrays.fill(hashed, (byte) 0);
        } else {
            System.arraycopy(password, 0, key, 0, password.length);
        }
        inner = padded(hash, key, 0x36);
        outer = padded(hash, key, 0x5c);
        Arrays.fill(key, (byte) 0);
    }

    private static MessageDigest padded(LuksHash hash, byte[] key, int pad) {
        byte[] block = new byte[key.length];
        for (int i = 0; i < key.length; i++) {
            block[i] = (byte) (key[i] ^ pad);
        }
        MessageDigest d = hash.digest();
        d.update(block);
        Arrays.fill(block, (byte) 0);
        return d;
    }

    /**
     * Derives a key.
     *
     * @param iterations at least 1
     * @param length bytes of the key
     */
    static byte[] derive(LuksHash hash, byte[] password, byte[] salt, long iterations, int length) {
        return new Pbkdf2(hash, password).key(salt, iterations, length);
    }

    /** How many iterations a key of that size can have in a second, measured in a tenth of one. */
    static long iterationsPerSecond(LuksHash hash, int length) {
        byte[] nothing = new byte[32];
        long n = 1000;
        while (true) {
            long start = System.nanoTime();
            derive(hash, nothing, nothing, n, length);
            long nanos = Math.max(1, System.nanoTime() - start);
            if (nanos > 100_000_000) {
                return n * 1_000_000_000 / nanos;
            }
            n *= 2;
        }
    }

    private byte[] key(byte[] salt, long iterations, int length) {
        byte[] key = new byte[length];
        byte[] first = Arrays.copyOf(salt, salt.length + 4);
        byte[] u = new byte[hashBytes];
        byte[] t = new byte[hashBytes];
        try {
            for (int done = 0, block = 1; done < length; done += hashBytes, block++) {
                for (int i = 0; i < 4; i++) {
                    first[salt.length + i] = (byte) (block >>> 24 - 8 * i);
                }
                hmac(first, u);
                System.arraycopy(u, 0, t, 0, hashBytes);
                for (long i = 1; i < iterations; i++) {
                    hmac(u, u);
                    for (int k = 0; k < hashBytes; k++) {
                        t[k] ^= u[k];
                    }
                }
                System.arraycopy(t, 0, key, done, Math.min(hashBytes, length - done));
            }
            return key;
        } catch (CloneNotSupportedException | DigestException e) {
            throw new AssertionError(e); // all of LuksHash are cloneable, and the arrays have room
        } finally {
            Arrays.fill(u, (byte) 0);
            Arrays.fill(t, (byte) 0);
        }
    }

    private void hmac(byte[] text, byte[] to) throws CloneNotSupportedException, DigestException {
        MessageDigest d = (MessageDigest) inner.clone();
        d.update(text);
        d.digest(to, 0, hashBytes);
        d = (MessageDigest) outer.clone();
        d.update(to);
        d.digest(to, 0, hashBytes);
    }
}
