package serai.vmm;

import java.util.List;
import java.util.function.LongSupplier;
import serai.machine.Machine;

/** Plugs the virtio devices that the configuration asks for into the machine. */
final class Devices {
    private Devices() {}

    /**
     * Plugs them in.
     *
     * @param parts takes what has to be closed at the end
     */
    static void plug(Machine machine, VmConfig config, LongSupplier random, List<AutoCloseable> parts)
            throws VmmException {
        if (!config.disks().isEmpty()) {
            throw new VmmException(VmmException.HOST, "disks are not there yet");
        }
    }
}
