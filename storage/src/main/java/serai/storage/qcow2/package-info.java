/**
 * Images of QEMU's format qcow2, versions 2 and 3.
 *
 * <p>{@link serai.storage.qcow2.Qcow2Disk} is the face. Behind it {@code Header}, {@code L2Entry}, {@code SnapshotTable} and {@code
 * BitmapDirectory} describe what stands in the file; {@code L2Tables} and {@code Refcounts} hold the two trees of tables, {@code Metadata} writes them in
 * an order that no crash can hurt, {@code Clusters} changes what the disk is mapped to.
 *
 * <pre>{@code
 * try (HostImageFile file = HostImageFile.create(Path.of("disk.qcow2"))) {
 *     Qcow2Disk.create(file, Qcow2Options.ofSize(20L << 30));
 * }
 * }</pre>
 */
@NullMarked
package serai.storage.qcow2;

import org.jspecify.annotations.NullMarked;
