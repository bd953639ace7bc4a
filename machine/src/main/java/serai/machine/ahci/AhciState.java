package serai.machine.ahci;

import java.util.List;
import serai.machine.pci.PciState;

/**
 * State of an AHCI adapter.
 *
 * @param version 1
 * @param pci the PCI function
 * @param control register GHC, as far as it can be written
 * @param interrupts register IS
 * @param told bits of it that a message has been sent for
 * @param ports those with a device
 */
public record AhciState(int version, PciState pci, int control, int interrupts, int told, List<Port> ports) {
    /**
     * State of a port.
     *
     * @param number from 0
     * @param list registers PxCLB and PxCLBU
     * @param area registers PxFB and PxFBU
     * @param interrupts register PxIS, without what follows from {@code errors}
     * @param enabled register PxIE
     * @param command register PxCMD, as far as it can be written
     * @param taskFile register PxTFD
     * @param signature register PxSIG
     * @param control register PxSCTL
     * @param errors register PxSERR
     * @param active register PxSACT
     * @param issued register PxCI
     * @param last slot that was taken last, or -1
     * @param stopped whether nothing is taken until the list is started anew
     * @param unsent whether the device's signature is yet to be written to memory
     * @param inSoftReset whether a soft reset has begun
     * @param device the device's own, see its class
     * @param commands under way: when each is due, its slot, flags, FIS, ATAPI command, and buffers
     */
    public record Port(
            int number,
            long list,
            long area,
            int interrupts,
            int enabled,
            int command,
            int taskFile,
            int signature,
            int control,
            int errors,
            int active,
            int issued,
            int last,
            boolean stopped,
            boolean unsent,
            boolean inSoftReset,
            long[] device,
            long[] commands) {}
}
