package serai.storage.luks;

import serai.linux.LinuxException;

/** How a passphrase becomes the key of a key slot. */
sealed interface Kdf {
    /** Derives a key, if the work is within the limit. */
    byte[] derive(byte[] passphrase, int keyBytes, WorkLimit limit) throws Unsupported;

    /** In a few words, for people. */
    String description();

    /** PBKDF2 with HMAC. */
    record Pbkdf2Kdf(LuksHash hash, long iterations, byte[] salt) implements Kdf {
        @Override
        public byte[] derive(byte[] passphrase, int keyBytes, WorkLimit limit) throws Unsupported {
            limit.pbkdf2(hash, iterations, keyBytes);
            return Pbkdf2.derive(hash, passphrase, salt, iterations, keyBytes);
        }

        @Override
        public String description() {
            return "pbkdf2 with " + hash.word() + ", " + iterations + " iterations";
        }
    }

    /**
     * Argon2, in LUKS2 only.
     *
     * @param memory KiB, at least 8 times {@code lanes}
     */
    record Argon2Kdf(Argon2.Type type, int passes, int memory, int lanes, byte[] salt) implements Kdf {
        @Override
        public byte[] derive(byte[] passphrase, int keyBytes, WorkLimit limit) throws Unsupported {
            limit.argon2(passes, memory);
            try {
                return Argon2.derive(type, passphrase, salt, passes, memory, lanes, keyBytes);
            } catch (LinuxException e) {
                throw new Unsupported(
                        memory + " KiB of memory for Argon2, which this host has not (" + e.getMessage() + ")");
            }
        }

        @Override
        public String description() {
            return "%s, %d passes over %d KiB, %d lanes".formatted(type.word(), passes, memory, lanes);
        }
    }
}
