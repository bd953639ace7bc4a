/**
 * What the formats that are read for import have in common: VMDK, VHD and VHDX.
 *
 * <p>Such an image is a table of places and, perhaps, a parent. A format tells for a stretch of the disk where it lies ({@link
 * serai.storage.imported.ImportedImage#look}); reading, status, the parent and the refusal of writes are {@link
 * serai.storage.imported.ImportedImage}'s. Tables may be of any size, so they are read by slices through a {@link
 * serai.storage.imported.TableReader}:
 *
 * <pre>{@code
 * protected Extent look(long position, long length) throws IOException {
 *     long entry = tables.unsigned32(table + position / BLOCK * 4);
 *     long n = Math.min(length, BLOCK - position % BLOCK);
 *     return entry == 0 ? Extent.nowhere(n) : Extent.data(n, entry * 512 + position % BLOCK);
 * }
 * }</pre>
 */
@NullMarked
package serai.storage.imported;

import org.jspecify.annotations.NullMarked;
