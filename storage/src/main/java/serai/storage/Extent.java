package serai.storage;

/**
 * What a stretch of a disk is, as {@code qemu-img map} and NBD's block status tell it.
 *
 * @param length bytes it reaches at least, at least 1; the same may go on after it
 * @param zero whether it reads as zeros
 * @param data whether space is allocated for it; a stretch may be allocated and zero, or neither
 * @param compressed whether it is stored compressed
 * @param depth which image of the backing chain decides it: 0 is the topmost, {@link #NOWHERE} none of them
 * @param offset where its bytes stand in the file of that image, or {@link #NOWHERE} if no such stretch of bytes is there
 */
public record Extent(long length, boolean zero, boolean data, boolean compressed, int depth, long offset) {
    /** No image, no place. */
    public static final int NOWHERE = -1;

    /** Bytes in the topmost image's file. */
    public static Extent data(long length, long offset) {
        return new Extent(length, false, true, false, 0, offset);
    }

    /** Reads as zeros because the topmost image says so; nothing is allocated. */
    public static Extent zeros(long length) {
        return new Extent(length, true, false, false, 0, NOWHERE);
    }

    /** In no image: reads as zeros. */
    public static Extent nowhere(long length) {
        return new Extent(length, true, false, false, NOWHERE, NOWHERE);
    }

    /** The same for a part of it, or more of it. */
    public Extent withLength(long bytes) {
        return new Extent(bytes, zero, data, compressed, depth, offset);
    }

    /** As an image above sees it. */
    public Extent below() {
        return depth == NOWHERE ? this : new Extent(length, zero, data, compressed, depth + 1, offset);
    }

    /** Whether {@code next}, which begins where this ends, continues it. */
    public boolean continuedBy(Extent next) {
        return zero == next.zero
                && data == next.data
                && compressed == next.compressed
                && depth == next.depth
                && (offset == NOWHERE ? next.offset == NOWHERE : next.offset == offset + length);
    }
}
