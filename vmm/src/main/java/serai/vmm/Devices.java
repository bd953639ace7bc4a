package serai.vmm;

import java.util.List;
import java.util.function.LongSupplier;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.disk.DeterministicIo;
import serai.machine.disk.IoExecutor;
import serai.machine.disk.ThreadIo;
import serai.machine.virtio.VirtioBlk;
import serai.machine.virtio.VirtioConsole;
import serai.machine.virtio.VirtioRng;

/** Plugs the virtio devices that the configuration asks for into the machine, each in the slot its type has. */
final class Devices {
    private static final int MAX_DISKS = Layout.LAST_DISK_SLOT - Layout.FIRST_DISK_SLOT + 1;
    /** A good SSD's: what a request takes in deterministic mode. */
    private static final long LATENCY_NANOS = 100_000;

    private Devices() {}

    /**
     * Plugs them in.
     *
     * @param random where the entropy device takes from
     * @param parts takes what has to be closed at the end
     */
    static void plug(Machine machine, VmConfig config, LongSupplier random, List<AutoCloseable> parts)
            throws VmmException {
        // nothing is connected to it yet: COM1 is the console
        machine.plug(
                Layout.CONSOLE_SLOT, VirtioConsole.create("console0", b -> {}, machine.memory(), machine.msi()));
        machine.plug(Layout.RNG_SLOT, VirtioRng.create("rng0", random, machine.memory(), machine.msi()));
        if (config.disks().isEmpty()) {
            return;
        }
        if (config.disks().size() > MAX_DISKS) {
            throw new VmmException(
                    VmmException.USAGE,
                    "%d disks are too many: a machine has %d"
                            .formatted(config.disks().size(), MAX_DISKS));
        }
        IoExecutor io;
        if (config.deterministic() != null) {
            io = new DeterministicIo(machine.timers(), LATENCY_NANOS);
        } else {
            ThreadIo threads = new ThreadIo(machine.lock(), 2);
            parts.add(threads);
            io = threads;
        }
        int slot = Layout.FIRST_DISK_SLOT;
        for (VmConfig.Disk d : config.disks()) {
            RawFileDisk disk = RawFileDisk.open(d.file(), d.readOnly());
            parts.add(parts.size() - (config.deterministic() != null ? 0 : 1), disk); // closed after the threads
            machine.plug(
                    slot,
                    VirtioBlk.create(
                            "disk" + (slot - Layout.FIRST_DISK_SLOT), disk, io, machine.memory(), machine.msi()));
            slot++;
        }
    }
}
