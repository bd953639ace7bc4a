package serai.storage.luks;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;
import org.bouncycastle.jcajce.provider.digest.RIPEMD160;

/** The hashes that LUKS headers name. */
enum LuksHash {
    SHA1("sha1", "SHA-1", 20),
    SHA224("sha224", "SHA-224", 28),
    SHA256("sha256", "SHA-256", 32),
    SHA384("sha384", "SHA-384", 48),
    SHA512("sha512", "SHA-512", 64),
    /** Not in the JDK. */
    RIPEMD160("ripemd160", "", 20);

    private final String word;
    private final String algorithm;
    private final int bytes;

    LuksHash(String word, String algorithm, int bytes) {
        this.word = word;
        this.algorithm = algorithm;
        this.bytes = bytes;
    }

    /** As headers call it. */
    String word() {
        return word;
    }

    /** Of a digest. */
    int bytes() {
        return bytes;
    }

    /** Of a block of the hash's compression function, which HMAC pads its key to. */
    int blockBytes() {
        return this == SHA384 || this == SHA512 ? 128 : 64;
    }

    MessageDigest digest() {
        if (this == RIPEMD160) {
            return new RIPEMD160.Digest();
        }
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e); // every JDK has them
        }
    }

    static Optional<LuksHash> named(String word) {
        return Arrays.stream(values()).filter(h -> h.word.equals(word)).findFirst();
    }

    static String words() {
        return Arrays.stream(values()).map(LuksHash::word).collect(Collectors.joining(", "));
    }
}
