package serai.storage.luks;

import java.security.MessageDigest;
import java.util.Arrays;

/** By which a volume's key is known to be right: a digest of it, by PBKDF2. */
record KeyDigest(LuksHash hash, long iterations, byte[] salt, byte[] digest) {
    static KeyDigest of(LuksHash hash, long iterations, byte[] salt, byte[] key, int digestBytes) {
        return new KeyDigest(hash, iterations, salt, Pbkdf2.derive(hash, key, salt, iterations, digestBytes));
    }

    boolean matches(byte[] key, WorkLimit limit) throws Unsupported {
        limit.pbkdf2(hash, iterations, digest.length);
        byte[] d = Pbkdf2.derive(hash, key, salt, iterations, digest.length);
        boolean same = MessageDigest.isEqual(d, digest);
        Arrays.fill(d, (byte) 0);
        return same;
    }
}
