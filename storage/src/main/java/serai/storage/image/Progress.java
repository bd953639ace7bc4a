package serai.storage.image;

/** Hears how far something is; never called by two threads at once. */
@FunctionalInterface
public interface Progress {
    /** Nobody hears it. */
    Progress NONE = (done, total) -> {};

    /**
     * So much is done.
     *
     * @param done bytes, or other units
     * @param total of how many
     */
    void at(long done, long total);
}
