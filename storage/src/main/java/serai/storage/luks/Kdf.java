package serai.storage.luks;

/** How a passphrase becomes the key of a key slot. */
sealed interface Kdf {
    /** Derives a key, if the work is within the limit. */
    byte[] derive(byte[] passphrase, int keyBytes, WorkLimit limit) throws Unsupported;

    /** PBKDF2 with HMAC. */
    record Pbkdf2Kdf(LuksHash hash, long iterations, byte[] salt) implements Kdf {
        @Override
        public byte[] derive(byte[] passphrase, int keyBytes, WorkLimit limit) throws Unsupported {
            limit.pbkdf2(hash, iterations, keyBytes);
            return Pbkdf2.derive(hash, passphrase, salt, iterations, keyBytes);
        }
    }
}
