/** Virtio 1.2: split and packed virtqueues, the PCI transport, and the devices network, block, console, entropy and memory; transport and devices apart. */
@NullMarked
package serai.machine.virtio;

import org.jspecify.annotations.NullMarked;
