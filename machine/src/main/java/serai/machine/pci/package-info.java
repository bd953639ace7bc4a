/** PCI: configuration space by ports and by memory, base address registers, MSI, MSI-X, interrupt lines (PCI 3.0, PCIe base 5.0). */
@NullMarked
package serai.machine.pci;

import org.jspecify.annotations.NullMarked;
