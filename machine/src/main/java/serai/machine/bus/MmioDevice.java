package serai.machine.bus;

/** A device in guest-physical memory space. Called with the machine lock held. */
public interface MmioDevice {
    /**
     * Reads from the device.
     *
     * @param offset bytes from the start of the region the device was mapped at
     * @param size 1, 2, 4 or 8 bytes; the access never leaves the region
     * @return the value, zero-extended
     */
    long readMmio(long offset, int size);

    /**
     * Writes to the device.
     *
     * @param offset bytes from the start of the region the device was mapped at
     * @param size 1, 2, 4 or 8 bytes; the access never leaves the region
     * @param value the value; bits past {@code size} are zero
     */
    void writeMmio(long offset, int size, long value);
}
