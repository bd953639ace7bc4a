package serai.machine.pci;

/**
 * State of a PCI function's own part.
 *
 * @param version 1
 * @param config the configuration space
 * @param msix table and pending bits of MSI-X, empty without
 * @param line level of the interrupt line
 */
public record PciState(int version, byte[] config, byte[] msix, boolean line) {}
