package serai.machine.pci;

import java.util.List;

/**
 * A function as its configuration space describes it at a moment.
 *
 * @param slot of bus 0
 * @param name the device's
 * @param classCode base class, sub-class and interface, 24 bits
 * @param pin interrupt pin: 1 for INTA# to 4, 0 for none
 * @param irq what the guest has written to the interrupt line register
 * @param regions its base address registers
 */
public record PciInfo(
        int slot,
        String name,
        int vendor,
        int device,
        int subVendor,
        int subDevice,
        int classCode,
        int pin,
        int irq,
        List<Region> regions) {
    /**
     * A base address register.
     *
     * @param bar 0 to 5
     * @param io ports, not memory
     * @param wide 64 bits
     * @param address where it is, decoded or not
     * @param size bytes
     */
    public record Region(int bar, boolean io, boolean wide, long address, long size) {}
}
