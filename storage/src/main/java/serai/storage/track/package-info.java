/**
 * What has changed on a disk, and what it was at a moment: the parts of incremental backup.
 *
 * <p>A {@link serai.storage.track.DirtyBitmap} says what has been written. A {@link serai.storage.track.TrackedDisk} marks it there, and
 * has moments at which no write is under way on any of several disks. At such a moment a bitmap is exchanged for a fresh one, and a
 * {@link serai.storage.track.CheckpointDisk} begins to keep what the disk holds then: the boundary of a backup is the boundary of its
 * bitmap.
 *
 * <pre>{@code
 * TrackedDisk disk = new TrackedDisk(image);
 * disk.add(new DirtyBitmap("nightly", disk.size(), 65536));
 * ...
 * CheckpointDisk view = TrackedDisk.atBoundary(List.of(disk), () -> {
 *     DirtyBitmap changed = disk.rotate("nightly");
 *     return disk.checkpoint(Path.of("/var/tmp"), List.of(changed));
 * });
 * }</pre>
 */
@NullMarked
package serai.storage.track;

import org.jspecify.annotations.NullMarked;
