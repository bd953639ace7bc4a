/**
 * VMware's VMDK: monolithic and split, sparse and flat, stream-optimised images are read ({@link serai.storage.vmdk.VmdkDisk}, opened by
 * {@link serai.storage.Opening}), and stream-optimised ones are written for export ({@link serai.storage.vmdk.StreamOptimizedWriter}).
 *
 * <p>Source: VMware, Virtual Disk Format 5.0 and 1.1, called VMDK below. All numbers are little-endian, places are sectors of 512 bytes.
 *
 * <p>A disk is a descriptor, which is text, and extents, one after the other. Flat extents are bytes. A sparse one has a {@link
 * serai.storage.vmdk.SparseHeader}, which may contain the descriptor, too; its grain directory names grain tables, whose entries name
 * grains:
 *
 * <pre>
 * header | descriptor | grain directory, tables (and once more, redundant) | grains
 * header | descriptor | marker, compressed grain | … | marker, grain table | … | marker, grain directory | footer | end of stream
 * </pre>
 */
@NullMarked
package serai.storage.vmdk;

import org.jspecify.annotations.NullMarked;
