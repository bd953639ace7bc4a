package serai.storage.qcow2;

/**
 * A persistent bitmap of an image.
 *
 * @param name unique in the image
 * @param granularity bytes that a bit stands for
 * @param inconsistent whether a writer that has not ended had it, so that it tells nothing any more; it can only be removed
 * @param auto whether writes are marked in it as soon as the disk is opened for writing
 */
public record BitmapInfo(String name, long granularity, boolean inconsistent, boolean auto) {}
