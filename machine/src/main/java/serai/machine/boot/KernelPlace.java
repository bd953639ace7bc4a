package serai.machine.boot;

/** Whether a part of a kernel may lie where the kernel wants it. */
final class KernelPlace {
    private KernelPlace() {}

    /**
     * Refuses a range that is not free RAM below 4 GiB.
     *
     * @throws BootException saying how much memory the kernel needs, or what it collides with
     */
    static void check(KernelFile file, Ram ram, long address, long size) throws BootException {
        long end = address + size;
        if (end > 1L << 32) {
            throw new BootException(file + " wants to be loaded above 4 GiB, at %#x".formatted(address));
        }
        if (address < BootLayout.BOOT_DATA_END && end > BootLayout.BOOT_DATA) {
            throw new BootException(
                    file + " wants memory at %#x, where the boot loader keeps its tables".formatted(address));
        }
        if (!ram.map.isRam(address, size)) {
            if (address >= BootLayout.HIGH && end > ram.map.lowRamEnd()) {
                throw new BootException(file + " does not fit in RAM: it needs memory up to " + Ram.mebibytes(end)
                        + ", the guest has " + Ram.mebibytes(ram.map.lowRamEnd()));
            }
            throw new BootException(
                    file + " wants memory at %#x to %#x, which is not RAM of a PC".formatted(address, end - 1));
        }
    }
}
