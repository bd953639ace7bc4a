package serai.machine.boot;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** The initrd, or the module of a PVH or multiboot kernel. */
final class Initrd {
    /** Where it lies; both 0 if there is none. */
    record Place(long address, long size) {}

    private Initrd() {}

    /**
     * Loads it as high as allowed below the hole for devices.
     *
     * @param limit its end may not lie above
     */
    static Place load(@Nullable KernelFile initrd, Ram ram, long kernelEnd, long limit)
            throws BootException, IOException {
        if (initrd == null) {
            return new Place(0, 0);
        }
        long top = Math.min(limit, ram.map.lowRamEnd());
        long from = Math.max(kernelEnd, BootLayout.HIGH);
        long address = ram.map.highest(initrd.size(), from, top);
        if (address < 0) {
            throw new BootException(initrd + " does not fit in RAM: it has " + Ram.mebibytes(initrd.size())
                    + ", and beside the kernel the guest has " + (Math.max(0, top - from) >>> 20) + " MiB for it");
        }
        ram.copy(address, initrd, 0, initrd.size());
        return new Place(address, initrd.size());
    }
}
