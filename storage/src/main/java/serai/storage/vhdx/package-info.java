/**
 * Hyper-V's VHDX, for reading: fixed, dynamic and differencing disks. {@link serai.storage.vhdx.VhdxDisk} is its face; {@link
 * serai.storage.Opening} opens it.
 *
 * <p>Source: [MS-VHDX], Virtual Hard Disk v2 (VHDX) File Format, revision 8.0, called VHDX below. All numbers are little-endian.
 *
 * <pre>
 *   0  file type identifier   192 KiB  region table        1 MiB and on, each at a multiple of 1 MiB:
 *  64 KiB  header 1           256 KiB  its copy              the log, the BAT, the metadata, blocks
 * 128 KiB  header 2
 * </pre>
 *
 * <p>A file whose writer was stopped has its last changes of tables in the log alone. {@link serai.storage.vhdx.Log} finds them, and all
 * else reads the file through {@link serai.storage.vhdx.ReplayedFile}, which shows it as if they had been written.
 */
@NullMarked
package serai.storage.vhdx;

import org.jspecify.annotations.NullMarked;
