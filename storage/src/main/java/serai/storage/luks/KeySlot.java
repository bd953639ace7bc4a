package serai.storage.luks;

import java.io.IOException;
import java.util.Arrays;

/**
 * A key slot that is in use: a passphrase derives its key, and that decrypts the volume's key.
 *
 * @param number as cryptsetup counts, from 0
 * @param keyBytes of the slot's key
 */
record KeySlot(int number, Kdf kdf, int keyBytes, KeyMaterial material) {
    /** The key of the volume if the passphrase is this slot's, and else nonsense. */
    byte[] open(HeaderFile from, byte[] passphrase, WorkLimit limit) throws IOException, Unsupported {
        byte[] slotKey = kdf.derive(passphrase, keyBytes, limit);
        try {
            return material.open(from, slotKey);
        } finally {
            Arrays.fill(slotKey, (byte) 0);
        }
    }

    /** Stores the volume's key under a passphrase. */
    void store(HeaderFile to, byte[] passphrase, byte[] key, java.util.Random random) throws IOException {
        byte[] slotKey;
        try {
            slotKey = kdf.derive(passphrase, keyBytes, WorkLimit.ofOpening());
        } catch (Unsupported e) {
            throw to.unsupported(e); // it could not be opened again
        }
        try {
            material.store(to, slotKey, key, random);
        } finally {
            Arrays.fill(slotKey, (byte) 0);
        }
    }
}
