package serai.storage.luks;

/**
 * What opening a volume may cost in all. How much work a passphrase takes stands in the header, which may be somebody else's: it could ask
 * for years, or for all memory.
 */
final class WorkLimit {
    /** KiB of memory for Argon2: what cryptsetup takes by default on a host with 2 GiB or more. */
    static final int MAX_ARGON2_MEMORY = 1 << 20;

    private long hashes;
    private long argon2Blocks;

    /**
     * A limit.
     *
     * @param hashes computations of HMAC in PBKDF2
     * @param argon2Blocks blocks of 1 KiB that Argon2 fills
     */
    WorkLimit(long hashes, long argon2Blocks) {
        this.hashes = hashes;
        this.argon2Blocks = argon2Blocks;
    }

    /** A few minutes at worst, on one core; a volume made for an unlock in 10 seconds is far below it. */
    static WorkLimit ofOpening() {
        return new WorkLimit(1L << 29, 1L << 27);
    }

    /** Takes what PBKDF2 needs. */
    void pbkdf2(LuksHash hash, long iterations, int keyBytes) throws Unsupported {
        long blocks = (keyBytes + hash.bytes() - 1) / hash.bytes();
        if (iterations > hashes / blocks) {
            throw new Unsupported(iterations + " iterations of PBKDF2 for a key, which takes longer than is allowed");
        }
        hashes -= iterations * blocks;
    }

    /** Takes what Argon2 needs; memory in KiB. */
    void argon2(long passes, long memory) throws Unsupported {
        if (memory > MAX_ARGON2_MEMORY) {
            throw new Unsupported(
                    memory + " KiB of memory for Argon2; at most " + MAX_ARGON2_MEMORY + " KiB are supported");
        }
        if (passes > argon2Blocks / memory) {
            throw new Unsupported(passes + " passes of Argon2 over " + memory
                    + " KiB of memory for a key, which takes longer than is allowed");
        }
        argon2Blocks -= passes * memory;
    }
}
