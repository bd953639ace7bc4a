package serai.machine.e1000;

import serai.machine.pci.PciState;

/**
 * State of the adapter.
 *
 * @param version 1
 * @param pci the PCI function
 * @param registers by offset / 4, without those that have state of their own
 * @param statistics by offset from the first / 4
 * @param phy the transceiver's registers
 * @param eeprom the EEPROM's pins, command, and bits gone out
 * @param checksumContext the context of checksums: three numbers, see the transmitter
 * @param segmentContext that of segmentation
 * @param ioAddress which register the data port is
 * @param causes register ICR
 * @param mask register IMS
 * @param asserted whether the interrupt has been let through
 * @param lastInterrupt when one was, in nanoseconds of the guest clock
 * @param throttle when the next may be, if one waits
 * @param link whether the cable is plugged in
 * @param broken whether it has been told to reach memory that is not there, and waits for a reset
 * @param waiting a frame that there was no room for, empty for none
 * @param verified whether its checksum has been looked at
 */
public record E1000State(
        int version,
        PciState pci,
        int[] registers,
        int[] statistics,
        int[] phy,
        int[] eeprom,
        long[] checksumContext,
        long[] segmentContext,
        int ioAddress,
        int causes,
        int mask,
        boolean asserted,
        long lastInterrupt,
        long throttle,
        boolean link,
        boolean broken,
        byte[] waiting,
        boolean verified) {}
