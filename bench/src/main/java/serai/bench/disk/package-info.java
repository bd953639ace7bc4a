/** The block stack outside of a guest, beside QEMU's: {@code bench/disk}. */
@NullMarked
package serai.bench.disk;

import org.jspecify.annotations.NullMarked;
