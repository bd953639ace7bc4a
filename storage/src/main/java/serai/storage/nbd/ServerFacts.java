package serai.storage.nbd;

/**
 * What a client knows of the export that it has chosen.
 *
 * @param size bytes
 * @param flags transmission flags
 * @param structured whether its replies may be structured
 * @param tellsAllocation whether it tells base:allocation
 * @param allocation the id of that
 * @param minBlock bytes that requests are multiples of
 * @param maxPayload bytes of a READ or WRITE at most
 */
record ServerFacts(
        long size,
        int flags,
        boolean structured,
        boolean tellsAllocation,
        int allocation,
        int minBlock,
        int maxPayload) {
    boolean has(int flag) {
        return (flags & flag) != 0;
    }
}
