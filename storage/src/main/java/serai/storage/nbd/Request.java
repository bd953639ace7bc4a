package serai.storage.nbd;

/**
 * What a client asks for.
 *
 * @param offset unsigned
 * @param length bytes, less than 4 GiB
 */
record Request(int flags, int command, long cookie, long offset, long length) {
    /** Whether any of these flags is set. */
    boolean has(int flag) {
        return (flags & flag) != 0;
    }
}
