/** The block stack outside of a guest, beside QEMU's: {@code bench/disk}; and the NBD servers: {@code bench/nbd}. */
@NullMarked
package serai.bench.disk;

import org.jspecify.annotations.NullMarked;
