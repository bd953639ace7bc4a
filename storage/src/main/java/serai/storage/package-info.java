/** The block stack: what disks are made of. Today raw images and block devices, {@link serai.storage.RawDisk}. */
@NullMarked
package serai.storage;

import org.jspecify.annotations.NullMarked;
