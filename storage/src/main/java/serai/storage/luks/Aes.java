package serai.storage.luks;

import java.security.GeneralSecurityException;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/**
 * AES on whole buffers, block by block (ECB), what the modes of disks are built on: the JDK has an intrinsic for it that does many blocks
 * at once, and no XTS. For one thread at a time.
 */
final class Aes {
    static final int BLOCK = 16;

    private final Cipher cipher;

    Aes(byte[] key, boolean encrypt) {
        try {
            cipher = Cipher.getInstance("AES/ECB/NoPadding");
            cipher.init(encrypt ? Cipher.ENCRYPT_MODE : Cipher.DECRYPT_MODE, new SecretKeySpec(key, "AES"));
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e); // every JDK has it, and CipherSpec knows the sizes of keys
        }
    }

    /** Whole blocks at the start of an array, in place. */
    void apply(byte[] data, int bytes) {
        try {
            cipher.update(data, 0, bytes, data, 0);
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e); // there is room
        }
    }
}
