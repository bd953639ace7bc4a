/**
 * The network adapter of Intel's 82540EM, which every system of the last twenty years has a driver for: for guests without one for virtio. Facts are
 * from Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453), "SDM" in this package.
 *
 * <p>{@link serai.machine.e1000.E1000} is the function on PCI with its registers; Receiver and Transmitter have its two rings of descriptors, Phy and
 * Eeprom are the chips beside it.
 */
@NullMarked
package serai.machine.e1000;

import org.jspecify.annotations.NullMarked;
