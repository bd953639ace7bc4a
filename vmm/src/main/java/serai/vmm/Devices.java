package serai.vmm;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
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
import serai.storage.ImageFormat;
import serai.storage.nbd.NbdUri;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.NodeConfig;
import serai.vmm.net.Nics;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PlugException;

/** Plugs the devices on PCI into the machine: console and entropy always, disks as the configuration asks. */
final class Devices {
    /** How long a disk request takes in deterministic mode, in nanoseconds of the guest. */
    private static final long DETERMINISTIC_LATENCY = 100_000;

    /** Requests of a disk that are done at once. */
    private static final int LANE = 4;

    private static final Duration PATIENCE_AT_THE_END = Duration.ofSeconds(30);

    private Devices() {}

    /**
     * Plugs them in.
     *
     * @param random where entropy comes from
     * @param control stops the VM for disks in trouble
     * @param between what each disk gets between it and the machine
     * @param nics takes the network interfaces
     * @param parts takes what has to be closed at the end
     * @throws VmmException if a disk is refused
     */
    static Peripherals plug(
            Machine machine,
            VmConfig config,
            VirtioConsole console,
            LongSupplier random,
            Control control,
            UnaryOperator<Disk> between,
            Nics nics,
            List<AutoCloseable> parts)
            throws VmmException {
        machine.plug(Layout.CONSOLE_SLOT, console.onPci("virtio-console0", machine.memory(), machine.msi()));
        machine.plug(Layout.RNG_SLOT, VirtioRng.create("virtio-rng0", random, machine.memory(), machine.msi()));
        int queues = Math.min(config.hardware().maxCpus(), VirtioBlk.MAX_QUEUES);
        boolean repeats = config.repeat().seed() != null;
        BlockNodes nodes = new BlockNodes(
                between, repeats ? null : control, config.session().qmp() != null);
        Supplier<IoExecutor> io;
        if (repeats) {
            IoExecutor timed = new DeterministicIo(machine.timers(), DETERMINISTIC_LATENCY);
            io = () -> timed;
            parts.add(nodes);
        } else {
            ThreadIo threads = new ThreadIo(
                    machine.lock(), System::nanoTime, Runtime.getRuntime().availableProcessors());
            io = () -> threads.lane(LANE);
            parts.add(() -> close(threads, nodes));
            control.onContinue(nodes::continued);
        }
        secrets(config, nodes);
        Peripherals peripherals = new Peripherals(machine, nodes, io, queues, random);
        int next = Layout.FIRST_DISK_SLOT;
        int n = 0;
        for (DiskConfig d : config.disks()) {
            boolean sata = d.bus() == DiskConfig.Bus.SATA;
            if (!sata && d.slot() < 0 && next > Layout.LAST_DISK_SLOT) {
                throw new VmmException(
                        VmmException.USAGE,
                        "a VM has at most " + (Layout.LAST_DISK_SLOT - Layout.FIRST_DISK_SLOT + 1)
                                + " disks; more with addr=16 to 23");
            }
            String id = d.id() == null ? "disk-" + n : d.id();
            n++;
            try {
                nodes.open(node(id, d));
                if (sata) {
                    peripherals.addSata(Peripherals.IDE_HD, id, id);
                    continue;
                }
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
        cdroms(config.cdroms(), nodes, peripherals);
        nics(config, nics);
        peripherals.plugSata();
        return peripherals;
    }

    private static void cdroms(List<CdromConfig> all, BlockNodes nodes, Peripherals peripherals) throws VmmException {
        int n = 0;
        for (CdromConfig c : all) {
            String id = c.id() == null ? "cdrom-" + n : c.id();
            n++;
            try {
                nodes.open(new NodeConfig(id, c.file(), ImageFormat.RAW, true));
                peripherals.addSata(Peripherals.IDE_CD, id, id);
            } catch (DiskException e) {
                throw new VmmException(VmmException.INPUT, String.valueOf(e.getMessage()));
            } catch (PlugException e) {
                throw new VmmException(VmmException.USAGE, String.valueOf(e.getMessage()));
            }
        }
    }

    private static void nics(VmConfig config, Nics nics) throws VmmException {
        int slot = Layout.FIRST_NIC_SLOT;
        for (NicConfig n : config.nics()) {
            try {
                nics.add(n.id(), n.model(), n.mac(), n.mtu(), n.network(), n.capture(), slot++);
            } catch (IOException e) {
                throw new VmmException(
                        VmmException.HOST, "network interface %s: %s".formatted(n.id(), Reasons.of(e)), e);
            } catch (IllegalArgumentException e) {
                throw Words.usage("network interface %s: %s".formatted(n.id(), e.getMessage()));
            }
        }
    }

    private static NodeConfig node(String id, DiskConfig d) {
        DiskLayers l = d.layers();
        NbdUri remote = l.remote();
        if (remote != null) {
            return NodeConfig.remote(id, remote, d.readOnly(), l.limits(), l.group(), l.policy());
        }
        ImageFormat format = l.format() == null ? NodeConfig.formatOf(d.file()) : l.format();
        return new NodeConfig(id, d.file(), format, d.readOnly(), l.secret(), l.limits(), l.group(), l.policy());
    }

    private static void secrets(VmConfig config, BlockNodes nodes) throws VmmException {
        for (Map.Entry<String, Path> e : config.secrets().entrySet()) {
            try {
                nodes.secrets().add(e.getKey(), e.getValue());
            } catch (DiskException x) {
                throw new VmmException(VmmException.INPUT, String.valueOf(x.getMessage()));
            }
        }
    }

    /** Disks are closed when no transfer is under way. If one hangs, they would, too: they are left as a crash leaves them. */
    private static void close(ThreadIo threads, BlockNodes nodes) throws VmmException {
        if (!threads.close(PATIENCE_AT_THE_END.toMillis())) {
            throw new VmmException(
                    VmmException.HOST,
                    "requests of a disk have not come back for %d seconds, and the disks are left as they are"
                            .formatted(PATIENCE_AT_THE_END.toSeconds()));
        }
        nodes.close();
    }
}
