/**
 * The block stack: what disks are made of.
 *
 * <p>A {@link serai.storage.BlockDevice} is a disk, or a layer of one. The lowest is an image format, which lies in an {@link
 * serai.storage.ImageFile}. {@link serai.storage.Opening} opens an image and the ones that it names, as far as {@link
 * serai.storage.References} allow it; {@link serai.storage.ImageFormat} says why the format is never guessed:
 *
 * <pre>{@code
 * try (BlockDevice disk = Opening.trusted().open(Path.of("disk.qcow2"), ImageFormat.QCOW2, true);
 *         NativeBuffer sector = new NativeBuffer(512)) {
 *     disk.read(0, sector.address(), 512);
 * }
 * }</pre>
 */
@NullMarked
package serai.storage;

import org.jspecify.annotations.NullMarked;
