/** Directories of the host that a guest sees: 9P2000.L for {@link serai.machine.virtio.Virtio9p}. */
@NullMarked
package serai.vmm.share;

import org.jspecify.annotations.NullMarked;
