package serai.machine.virtio;

import java.util.List;
import serai.machine.pci.PciState;

/**
 * State of a virtio device on PCI.
 *
 * @param version 2
 * @param pci the PCI function
 * @param driverFeatures what the driver accepted
 * @param deviceSelect feature word selected for reading
 * @param driverSelect feature word selected for writing
 * @param queueSelect queue selected
 * @param status device status
 * @param configVector MSI-X vector of configuration changes, 0xffff for none
 * @param generation how often the configuration has changed, 8 bits
 * @param isr interrupt status
 * @param broken the device waits for a reset
 * @param queues by index
 * @param work the device's own, see its class
 */
public record VirtioState(
        int version,
        PciState pci,
        long driverFeatures,
        int deviceSelect,
        int driverSelect,
        int queueSelect,
        int status,
        int configVector,
        int generation,
        int isr,
        boolean broken,
        List<QueueState> queues,
        long[] work) {}
