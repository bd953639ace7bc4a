/**
 * Virtual PC's VHD, which QEMU calls vpc, for reading: fixed, dynamic and differencing disks. {@link serai.storage.vpc.VpcDisk} is its
 * face; {@link serai.storage.Opening} opens it.
 *
 * <p>Source: Microsoft, Virtual Hard Disk Image Format Specification 1.0 (October 2006), called VHD below. All numbers are big-endian.
 *
 * <pre>
 * fixed:                 the disk | footer
 * dynamic, differencing: copy of the footer | dynamic disk header | BAT | blocks: sector bitmap, data | footer
 * </pre>
 */
@NullMarked
package serai.storage.vpc;

import org.jspecify.annotations.NullMarked;
