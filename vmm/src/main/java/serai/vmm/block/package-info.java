/**
 * The disks of a VM, by name: {@link serai.vmm.block.BlockNodes} opens images and puts layers over them (what has changed, what a disk may do
 * in a second), {@link serai.vmm.block.DiskPolicy} says what becomes of requests that fail or hang.
 */
@NullMarked
package serai.vmm.block;

import org.jspecify.annotations.NullMarked;
