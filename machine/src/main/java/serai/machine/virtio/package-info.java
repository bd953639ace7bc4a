/** Virtio 1.2: split and packed virtqueues, the PCI transport, and the devices block, console and entropy; transport and devices apart. */
@NullMarked
package serai.machine.virtio;

import org.jspecify.annotations.NullMarked;
