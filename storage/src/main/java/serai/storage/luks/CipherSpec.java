package serai.storage.luks;

import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A cipher as dm-crypt writes it, {@code aes-xts-plain64} or {@code aes-cbc-essiv:sha256}. Of ciphers there is AES alone.
 *
 * @param xts whether the mode is XTS; else it is CBC
 * @param essivHash the hash of ESSIV, null without that
 * @param keyBytes of the key: for XTS twice that of AES
 */
record CipherSpec(boolean xts, IvGenerator ivs, @Nullable LuksHash essivHash, int keyBytes) {
    /**
     * Parses one.
     *
     * @throws Unsupported if there is none like that here
     */
    static CipherSpec parse(String text, long keyBytes) throws Unsupported {
        String[] parts = text.split("-", 3);
        if (!parts[0].equals("aes")) {
            throw new Unsupported("cipher '" + parts[0] + "'; aes is supported");
        }
        String mode = parts.length > 1 ? parts[1] : "";
        if (!mode.equals("xts") && !mode.equals("cbc")) {
            throw new Unsupported("cipher mode '" + mode + "' of aes; xts and cbc are supported");
        }
        String[] iv = (parts.length > 2 ? parts[2] : "").split(":", 2);
        IvGenerator ivs = IvGenerator.named(iv[0])
                .orElseThrow(() ->
                        new Unsupported("initialization vectors '" + iv[0] + "'; there are " + IvGenerator.words()));
        LuksHash hash = null;
        if (ivs == IvGenerator.ESSIV) {
            String word = iv.length > 1 ? iv[1] : "";
            hash = LuksHash.named(word)
                    .filter(h -> h.bytes() == 32) // the digest is a key of AES
                    .orElseThrow(() -> new Unsupported("essiv with hash '" + word + "'; sha256 is supported"));
        } else if (iv.length > 1) {
            throw new Unsupported("initialization vectors '" + iv[0] + "' with a hash");
        }
        boolean xts = mode.equals("xts");
        List<Long> sizes = xts ? List.of(32L, 48L, 64L) : List.of(16L, 24L, 32L);
        if (!sizes.contains(keyBytes)) {
            throw new Unsupported("a key of " + keyBytes * 8 + " bits for aes-" + mode);
        }
        return new CipherSpec(xts, ivs, hash, (int) keyBytes);
    }

    /** As dm-crypt writes the mode: {@code xts-plain64}. */
    String mode() {
        return (xts ? "xts-" : "cbc-") + ivs.word() + (essivHash == null ? "" : ":" + essivHash.word());
    }

    @Override
    public String toString() {
        return "aes-" + mode();
    }

    AesSectors.Worker worker(byte[] key, int sectorSize, boolean encrypt) {
        Aes essiv = null;
        if (essivHash != null) {
            MessageDigest digest = essivHash.digest();
            byte[] hashed = digest.digest(key);
            essiv = new Aes(hashed, true);
            Arrays.fill(hashed, (byte) 0);
        }
        return xts
                ? new XtsWorker(ivs, essiv, key, sectorSize, encrypt)
                : new CbcWorker(ivs, essiv, key, sectorSize, encrypt);
    }
}
