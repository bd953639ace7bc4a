package serai.vmm;

import java.io.IOException;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.disk.DeterministicIo;
import serai.machine.disk.Disk;
import serai.machine.disk.IoExecutor;
import serai.machine.disk.ThreadIo;
import serai.machine.nvme.Nvme;
import serai.machine.virtio.ConsolePort;
import serai.machine.virtio.VirtioBlk;
import serai.machine.virtio.VirtioConsole;
import serai.machine.virtio.VirtioRng;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.RawDisk;

/** Plugs the devices on PCI into the machine: console and entropy always, disks as the configuration asks. */
final class Devices {
    /** How long a disk request takes in deterministic mode, in nanoseconds of the guest. */
    private static final long DETERMINISTIC_LATENCY = 100_000;

    private static final int IO_THREADS = 4;

    private Devices() {}

    /**
     * Plugs them in.
     *
     * @param random where entropy comes from
     * @param parts takes what has to be closed at the end
     * @throws VmmException if a disk is refused
     */
    static void plug(Machine machine, VmConfig config, LongSupplier random, List<AutoCloseable> parts)
            throws VmmException {
        machine.plug(
                Layout.CONSOLE_SLOT,
                new VirtioConsole(List.of(ConsolePort.console(bytes -> {})))
                        .onPci("virtio-console0", machine.memory(), machine.msi()));
        machine.plug(Layout.RNG_SLOT, VirtioRng.create("virtio-rng0", random, machine.memory(), machine.msi()));
        List<VmConfig.Disk> disks = config.disks();
        if (disks.isEmpty()) {
            return;
        }
        int slots = Layout.LAST_DISK_SLOT - Layout.FIRST_DISK_SLOT + 1;
        if (disks.size() > slots) {
            throw new VmmException(VmmException.USAGE, "a VM has at most " + slots + " disks");
        }
        int queues = Math.min(config.cpus(), VirtioBlk.MAX_QUEUES);
        IoExecutor io;
        @Nullable ThreadIo threads = null;
        if (config.deterministic() != null) {
            io = new DeterministicIo(machine.timers(), DETERMINISTIC_LATENCY);
        } else {
            threads = new ThreadIo(machine.lock(), IO_THREADS);
            io = threads;
        }
        for (int i = 0; i < disks.size(); i++) {
            RawDisk disk;
            try {
                disk = RawDisk.open(disks.get(i).file(), disks.get(i).readOnly());
            } catch (DiskException e) {
                throw new VmmException(VmmException.INPUT, String.valueOf(e.getMessage()));
            }
            parts.add(disk);
            Attached attached = new Attached(disk, "serai-disk-" + i);
            machine.plug(
                    Layout.FIRST_DISK_SLOT + i,
                    switch (disks.get(i).bus()) {
                        case VIRTIO ->
                            VirtioBlk.create("virtio-blk" + i, attached, io, queues, machine.memory(), machine.msi());
                        case NVME -> new Nvme("nvme" + i, attached, io, machine.memory(), machine.msi());
                    });
        }
        if (threads != null) {
            parts.add(threads); // behind the disks: they are closed in reverse, when no transfer is under way
        }
    }

    /** Storage's disk as the machine wants it. */
    private record Attached(BlockDevice disk, String id) implements Disk {
        @Override
        public long sectors() {
            return disk.size() / 512;
        }

        @Override
        public boolean readOnly() {
            return disk.readOnly();
        }

        @Override
        public void read(long offset, long host, int length) throws IOException {
            disk.read(offset, host, length);
        }

        @Override
        public void write(long offset, long host, int length) throws IOException {
            disk.write(offset, host, length);
        }

        @Override
        public void flush() throws IOException {
            disk.flush();
        }

        @Override
        public void discard(long offset, long length) throws IOException {
            disk.discard(offset, length);
        }

        @Override
        public void zero(long offset, long length, boolean mayFree) throws IOException {
            disk.zero(offset, length, mayFree);
        }
    }
}
