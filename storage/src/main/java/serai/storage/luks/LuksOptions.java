package serai.storage.luks;

import java.util.Locale;
import serai.storage.DiskException;

/**
 * How a new volume is made. The words of {@link #with} are those of {@code qemu-img create -f luks -o}, in qcow2 with {@code encrypt.}
 * before them.
 *
 * @param version 1 or 2
 * @param cipherBits bits of an AES key: 128, 192 or 256; XTS has two of them
 * @param mode "xts" or "cbc"
 * @param ivs "plain", "plain64" or "essiv"
 * @param hashName of PBKDF2 and the anti-forensic splitter: sha1, sha224, sha256, sha384, sha512, ripemd160
 * @param iterationMillis milliseconds that an unlock is to take on this host, 1 to 60,000
 */
public record LuksOptions(int version, int cipherBits, String mode, String ivs, String hashName, int iterationMillis) {
    /** Iterations below which the digest of a key is never taken, as in cryptsetup. */
    private static final int LEAST_ITERATIONS = 1000;
    /** What a header of LUKS1 has room for and any opener bears. */
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
            throw new IllegalArgumentException(
                    "iter-time is " + iterationMillis + " milliseconds, and has to be 1 to 60000");
        }
        parse(cipherBits, mode, ivs);
        hash(hashName);
    }

    /** LUKS1 with AES-256 in XTS mode, SHA-256 and one second for an unlock. */
    public static LuksOptions luks1() {
        return new LuksOptions(1, 256, "xts", "plain64", "sha256", 1000);
    }

    /**
     * With an option of qemu-img changed.
     *
     * @param option cipher-alg (aes-128, aes-192, aes-256), cipher-mode, ivgen-alg, ivgen-hash-alg, hash-alg or iter-time
     * @throws DiskException if there is no such option or value
     */
    public LuksOptions with(String option, String value) throws DiskException {
        String v = value.toLowerCase(Locale.ROOT);
        try {
            return switch (option) {
                case "cipher-alg" -> {
                    if (!v.matches("aes-(128|192|256)")) {
                        throw new DiskException("cipher-alg is '" + value + "'; there are aes-128, aes-192, aes-256");
                    }
                    yield new LuksOptions(
                            version, Integer.parseInt(v.substring(4)), mode, ivs, hashName, iterationMillis);
                }
                case "cipher-mode" -> new LuksOptions(version, cipherBits, v, ivs, hashName, iterationMillis);
                case "ivgen-alg" -> new LuksOptions(version, cipherBits, mode, v, hashName, iterationMillis);
                case "ivgen-hash-alg" -> {
                    if (!v.equals("sha256")) {
                        throw new DiskException("ivgen-hash-alg is '" + value + "'; there is sha256");
                    }
                    yield this;
                }
                case "hash-alg" -> new LuksOptions(version, cipherBits, mode, ivs, v, iterationMillis);
                case "iter-time" ->
                    new LuksOptions(
                            version, cipherBits, mode, ivs, hashName, v.matches("\\d{1,6}") ? Integer.parseInt(v) : 0);
                default ->
                    throw new DiskException(
                            "there is no option '" + option
                                    + "' of LUKS; there are cipher-alg, cipher-mode, ivgen-alg, ivgen-hash-alg, hash-alg, iter-time");
            };
        } catch (IllegalArgumentException e) {
            throw new DiskException("a LUKS volume can't be made with " + e.getMessage(), e);
        }
    }

    /** Bytes before the disk: the header and the key slots. */
    public long headerBytes() {
        return Luks1.payloadOffset(spec().keyBytes());
    }

    CipherSpec spec() {
        return parse(cipherBits, mode, ivs);
    }

    LuksHash hash() {
        return hash(hashName);
    }

    /** Iterations of PBKDF2 for a slot, so that an unlock takes as long as is asked for. */
    long slotIterations(int keyBytes) {
        return iterations(keyBytes, iterationMillis);
    }

    /** Iterations for the digest: an eighth of a slot's, as in cryptsetup. */
    long digestIterations(int digestBytes) {
        return iterations(digestBytes, Math.max(1, iterationMillis / 8));
    }

    private long iterations(int bytes, int millis) {
        long perSecond = Pbkdf2.iterationsPerSecond(hash(), bytes);
        return Math.clamp(perSecond * millis / 1000, LEAST_ITERATIONS, MOST_ITERATIONS);
    }

    private static LuksHash hash(String name) {
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
