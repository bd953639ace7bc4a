package serai.storage.luks;

import java.security.SecureRandom;
import java.util.Locale;
import java.util.Set;
import serai.storage.DiskException;

/**
 * How a new volume is made, or a passphrase added. The words of {@link #with} are those of {@code qemu-img create -f luks -o}, in qcow2 with
 * {@code encrypt.} before them, and those of cryptsetup for what LUKS2 has beyond that.
 *
 * @param version 1 or 2
 * @param cipherBits bits of an AES key: 128, 192 or 256; XTS has two of them
 * @param mode "xts" or "cbc"
 * @param ivs "plain", "plain64", "plain64be" or "essiv"
 * @param hash of PBKDF2 and the anti-forensic splitter: sha1, sha224, sha256, sha384, sha512, ripemd160
 * @param pbkdf how passphrases become keys: "pbkdf2", in LUKS2 "argon2i" or "argon2id", too
 * @param iterationMillis milliseconds that an unlock is to take on this host, 1 to 60,000
 * @param sectorSize bytes that are encrypted as a unit: 512, in LUKS2 up to 4096
 */
public record LuksOptions(
        int version,
        int cipherBits,
        String mode,
        String ivs,
        String hash,
        String pbkdf,
        int iterationMillis,
        int sectorSize) {
    /** Bytes of the salts that are made. */
    static final int SALT = 32;

    /** Iterations below which PBKDF2 is never taken, as in cryptsetup. */
    private static final int LEAST_ITERATIONS = 1000;
    /** What any opener bears. */
    private static final long MOST_ITERATIONS = 1 << 27;

    /**
     * Checks.
     *
     * @throws IllegalArgumentException if one of them is out of its range or there is no such cipher or hash
     */
    public LuksOptions {
        if (version != 1 && version != 2) {
            throw new IllegalArgumentException("LUKS version " + version + "; there are 1 and 2");
        }
        if (iterationMillis < 1 || iterationMillis > 60_000) {
            throw new IllegalArgumentException("an iter-time that is not 1 to 60000 milliseconds");
        }
        if (!Set.of("pbkdf2", "argon2i", "argon2id").contains(pbkdf)) {
            throw new IllegalArgumentException("pbkdf '" + pbkdf + "'; there are pbkdf2, argon2i, argon2id");
        }
        if (sectorSize < 512 || sectorSize > 4096 || Integer.bitCount(sectorSize) != 1) {
            throw new IllegalArgumentException("sectors that are not of 512, 1024, 2048 or 4096 bytes");
        }
        if (version == 1 && (!pbkdf.equals("pbkdf2") || sectorSize != 512)) {
            throw new IllegalArgumentException("Argon2 or sectors of more than 512 bytes, which are of LUKS2");
        }
        parse(cipherBits, mode, ivs);
        hashNamed(hash);
    }

    /** LUKS1 with AES-256 in XTS mode, SHA-256 and one second for an unlock. */
    public static LuksOptions luks1() {
        return new LuksOptions(1, 256, "xts", "plain64", "sha256", "pbkdf2", 1000, 512);
    }

    /** LUKS2 with the same, and Argon2id. Sectors have 512 bytes, as guests write those. */
    public static LuksOptions luks2() {
        return new LuksOptions(2, 256, "xts", "plain64", "sha256", "argon2id", 1000, 512);
    }

    /**
     * With an option changed.
     *
     * @param option cipher-alg (aes-128, aes-192, aes-256), cipher-mode, ivgen-alg, ivgen-hash-alg, hash-alg, iter-time (milliseconds), or
     *     pbkdf and sector-size in LUKS2
     * @throws DiskException if there is no such option or value
     */
    public LuksOptions with(String option, String value) throws DiskException {
        String v = value.toLowerCase(Locale.ROOT);
        int n = v.matches("\\d{1,6}") ? Integer.parseInt(v) : 0;
        try {
            return switch (option) {
                case "cipher-alg" -> with(cipherBits(v), mode, ivs, hash, pbkdf, iterationMillis, sectorSize);
                case "cipher-mode" -> with(cipherBits, v, ivs, hash, pbkdf, iterationMillis, sectorSize);
                case "ivgen-alg" -> with(cipherBits, mode, v, hash, pbkdf, iterationMillis, sectorSize);
                case "ivgen-hash-alg" -> {
                    if (!v.equals("sha256")) {
                        throw new IllegalArgumentException("ivgen-hash-alg '" + value + "'; there is sha256");
                    }
                    yield this;
                }
                case "hash-alg" -> with(cipherBits, mode, ivs, v, pbkdf, iterationMillis, sectorSize);
                case "pbkdf" -> with(cipherBits, mode, ivs, hash, v, iterationMillis, sectorSize);
                case "iter-time" -> with(cipherBits, mode, ivs, hash, pbkdf, n, sectorSize);
                case "sector-size" -> with(cipherBits, mode, ivs, hash, pbkdf, iterationMillis, n);
                default ->
                    throw new IllegalArgumentException(
                            "option '" + option + "'; there are cipher-alg, cipher-mode, ivgen-alg, "
                                    + "ivgen-hash-alg, hash-alg, iter-time, pbkdf, sector-size");
            };
        } catch (IllegalArgumentException e) {
            throw new DiskException("a LUKS volume can't be made with " + e.getMessage(), e);
        }
    }

    private LuksOptions with(
            int cipherBits, String mode, String ivs, String hash, String pbkdf, int iterationMillis, int sectorSize) {
        return new LuksOptions(version, cipherBits, mode, ivs, hash, pbkdf, iterationMillis, sectorSize);
    }

    private static int cipherBits(String algorithm) {
        if (!algorithm.matches("aes-(128|192|256)")) {
            throw new IllegalArgumentException("cipher-alg '" + algorithm + "'; there are aes-128, aes-192, aes-256");
        }
        return Integer.parseInt(algorithm.substring(4));
    }

    /** Bytes before the disk: the header and the key slots. */
    public long headerBytes() {
        return version == 1 ? Luks1.payloadOffset(spec().keyBytes()) : Luks2Writer.PAYLOAD;
    }

    CipherSpec spec() {
        return parse(cipherBits, mode, ivs);
    }

    /** For a new key slot. */
    Kdf kdf(int keyBytes, SecureRandom random) {
        for (Argon2.Type type : Argon2.Type.values()) {
            if (pbkdf.equals(type.word())) {
                return Argon2Cost.kdf(type, iterationMillis, salt(random));
            }
        }
        return pbkdf2(hashNamed(hash), keyBytes, random);
    }

    /** For a new key slot of LUKS1, where the hash is the volume's. */
    Kdf.Pbkdf2Kdf pbkdf2(LuksHash with, int keyBytes, SecureRandom random) {
        return new Kdf.Pbkdf2Kdf(with, iterations(with, keyBytes, iterationMillis), salt(random));
    }

    /** Of a new key: an eighth of the work for a slot, as in cryptsetup. */
    KeyDigest digest(byte[] key, int bytes, SecureRandom random) {
        LuksHash h = hashNamed(hash);
        return KeyDigest.of(h, iterations(h, bytes, Math.max(1, iterationMillis / 8)), salt(random), key, bytes);
    }

    private static long iterations(LuksHash hash, int bytes, int millis) {
        long perSecond = Pbkdf2.iterationsPerSecond(hash, bytes);
        return Math.clamp(perSecond * millis / 1000, LEAST_ITERATIONS, MOST_ITERATIONS);
    }

    private static byte[] salt(SecureRandom random) {
        byte[] salt = new byte[SALT];
        random.nextBytes(salt);
        return salt;
    }

    private static LuksHash hashNamed(String name) {
        return LuksHash.named(name)
                .orElseThrow(() -> new IllegalArgumentException("hash '" + name + "'; there are " + LuksHash.words()));
    }

    private static CipherSpec parse(int bits, String mode, String ivs) {
        try {
            return CipherSpec.parse(
                    "aes-" + mode + "-" + (ivs.equals("essiv") ? "essiv:sha256" : ivs),
                    (mode.equals("xts") ? 2L : 1L) * bits / 8);
        } catch (Unsupported e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }
}
