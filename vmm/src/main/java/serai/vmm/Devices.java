package serai.vmm;

import java.util.List;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.disk.DeterministicIo;
import serai.machine.disk.Disk;
import serai.machine.disk.IoExecutor;
import serai.machine.disk.ThreadIo;
import serai.machine.virtio.VirtioBlk;
import serai.machine.virtio.VirtioConsole;
import serai.machine.virtio.VirtioRng;
import serai.storage.DiskException;
import serai.vmm.plug.BlockNodes;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PlugException;

/** Plugs the devices on PCI into the machine: console and entropy always, disks as the configuration asks. */
final class Devices {
    /** How long a disk request takes in deterministic mode, in nanoseconds of the guest. */
    private static final long DETERMINISTIC_LATENCY = 100_000;

    /** Requests of a disk that are done at once. */
    private static final int LANE = 4;

    private Devices() {}

    /**
     * Plugs them in.
     *
     * @param random where entropy comes from
     * @param between what each disk gets between it and the machine
     * @param parts takes what has to be closed at the end
     * @throws VmmException if a disk is refused
     */
    static Peripherals plug(
            Machine machine,
            VmConfig config,
            VirtioConsole console,
            LongSupplier random,
            UnaryOperator<Disk> between,
            List<AutoCloseable> parts)
            throws VmmException {
        machine.plug(Layout.CONSOLE_SLOT, console.onPci("virtio-console0", machine.memory(), machine.msi()));
        machine.plug(Layout.RNG_SLOT, VirtioRng.create("virtio-rng0", random, machine.memory(), machine.msi()));
        int queues = Math.min(config.hardware().maxCpus(), VirtioBlk.MAX_QUEUES);
        BlockNodes nodes = new BlockNodes(between);
        parts.add(nodes);
        Supplier<IoExecutor> io;
        if (config.repeat().seed() != null) {
            IoExecutor timed = new DeterministicIo(machine.timers(), DETERMINISTIC_LATENCY);
            io = () -> timed;
        } else {
            ThreadIo threads = new ThreadIo(machine.lock());
            parts.add(threads); // behind the disks: they are closed in reverse, when no transfer is under way
            io = () -> threads.lane(LANE);
        }
        Peripherals peripherals = new Peripherals(machine, nodes, io, queues, random);
        int next = Layout.FIRST_DISK_SLOT;
        int n = 0;
        for (DiskConfig d : config.disks()) {
            if (d.slot() < 0 && next > Layout.LAST_DISK_SLOT) {
                throw new VmmException(
                        VmmException.USAGE,
                        "a VM has at most " + (Layout.LAST_DISK_SLOT - Layout.FIRST_DISK_SLOT + 1)
                                + " disks; more with addr=16 to 23");
            }
            String id = d.id() == null ? "disk-" + n : d.id();
            n++;
            try {
                nodes.open(id, d.file(), d.readOnly());
                peripherals.addAtStart(
                        d.bus() == DiskConfig.Bus.NVME ? Peripherals.NVME : Peripherals.VIRTIO_BLK,
                        id,
                        d.slot() < 0 ? next++ : d.slot(),
                        id);
            } catch (DiskException e) {
                throw new VmmException(VmmException.INPUT, String.valueOf(e.getMessage()));
            } catch (PlugException e) {
                throw new VmmException(VmmException.USAGE, String.valueOf(e.getMessage()));
            }
        }
        return peripherals;
    }
}
