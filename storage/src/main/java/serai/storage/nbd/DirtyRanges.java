package serai.storage.nbd;

/** What of a disk has changed, as an export tells it in the meta context {@code qemu:dirty-bitmap:NAME}. Used from several threads at once. */
public interface DirtyRanges {
    /** The bitmap's name. */
    String name();

    /** Where the next changed byte at or after {@code from} is; at least the disk's size if there is none. */
    long nextDirty(long from);

    /** Where the next unchanged byte at or after {@code from} is; at least the disk's size if there is none. */
    long nextClean(long from);
}
