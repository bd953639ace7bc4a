package serai.vmm.plug;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import serai.machine.Layout;
import serai.machine.Machine;
import serai.machine.ahci.Ahci;
import serai.machine.ahci.AtaDisk;
import serai.machine.ahci.SataDevice;
import serai.machine.disk.Disk;
import serai.machine.disk.IoExecutor;
import serai.machine.nvme.Nvme;
import serai.machine.pci.PciFunction;
import serai.machine.virtio.VirtioBlk;
import serai.machine.virtio.VirtioPci;
import serai.machine.virtio.VirtioRng;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.vmm.block.BlockNode;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.NodeConfig;

/**
 * The devices that a user has plugged in, by id: those of the start, which stay, and those that come and go in the slots for hot-plug.
 *
 * <p>What a guest sees of plugging is an event of the host (see {@link Machine#hostEvent}), whose text has all that a replay needs:
 * {@code plug DRIVER ID SLOT [NODE READONLY:FORMAT FILE]}, {@code unplug ID} and {@code pull ID}. Guarded by the machine lock.
 */
public final class Peripherals {
    /** A disk: {@code drive} is the name of its block node. */
    public static final String VIRTIO_BLK = "virtio-blk-pci";
    /** An NVMe controller with one namespace, for {@code drive} as well. */
    public static final String NVME = "nvme";
    /** A disk on the SATA adapter, and a CD-ROM drive there; they are there from the start, and {@code drive} is their block node. */
    public static final String IDE_HD = "ide-hd";

    public static final String IDE_CD = "ide-cd";

    /** An entropy device. */
    public static final String VIRTIO_RNG = "virtio-rng-pci";

    /**
     * A device.
     *
     * @param id the user's name of it
     * @param driver what it is, by QEMU's name
     * @param slot on PCI bus 0; -1 for what is on the SATA adapter
     * @param node the block node that it uses, or null
     */
    public record Peripheral(
            String id, String driver, int slot, @Nullable String node) {
        /** Whether it came into, or could leave, a running machine. */
        public boolean hotPluggable() {
            return slot >= Layout.FIRST_HOTPLUG_SLOT;
        }
    }

    private final Machine machine;
    private final BlockNodes nodes;
    private final Supplier<IoExecutor> io;
    private final int queues;
    private final LongSupplier random;
    private final Map<String, Peripheral> devices = new LinkedHashMap<>();
    /** Made, and on their way into the machine. */
    private final Map<String, PciFunction<?>> made = new HashMap<>();
    /** By the ids of those with disks: tells the guest that its disk has another size. */
    private final Map<String, Runnable> resized = new HashMap<>();

    private final List<SataDevice> sata = new ArrayList<>();
    private final DiskSizes sizes;
    private final CdDrives drives;

    private Consumer<String> deleted = id -> {};

    /**
     * None yet.
     *
     * @param io gives each disk what its requests are done by
     * @param queues of a virtio disk
     * @param random where entropy devices have it from
     */
    public Peripherals(Machine machine, BlockNodes nodes, Supplier<IoExecutor> io, int queues, LongSupplier random) {
        this.machine = machine;
        this.nodes = nodes;
        this.io = io;
        this.queues = queues;
        this.random = random;
        machine.onEjected(this::ejected);
        machine.onHostEvent(this::perform);
        drives = new CdDrives(machine, nodes);
        sizes = new DiskSizes(machine, nodes, id -> {
            if (!made.containsKey(id)) { // else the guest has not found it yet
                resized.getOrDefault(id, () -> {}).run();
            }
        });
    }

    /** Who is told the id of a device that has gone, with the machine lock held. */
    public void onDeleted(Consumer<String> action) {
        deleted = action;
    }

    /** All of them, in the order they came. */
    public List<Peripheral> list() {
        machine.lock().lock();
        try {
            return new ArrayList<>(devices.values());
        } finally {
            machine.lock().unlock();
        }
    }

    /** The block nodes. */
    public BlockNodes nodes() {
        return nodes;
    }

    /** How disks change their sizes. */
    public DiskSizes sizes() {
        return sizes;
    }

    /** The CD-ROM drives. */
    public CdDrives drives() {
        return drives;
    }

    /**
     * Puts a disk or a CD-ROM drive onto the SATA adapter, before the start and before {@link #plugSata}.
     *
     * @param driver {@link #IDE_HD} or {@link #IDE_CD}
     */
    public void addSata(String driver, String id, String node) throws PlugException {
        machine.lock().lock();
        try {
            if (sata.size() == Ahci.PORTS) {
                throw new PlugException("a VM has at most " + Ahci.PORTS + " SATA disks and CD-ROM drives");
            }
            BlockNode n = nodes.node(node);
            if (driver.equals(IDE_HD) && n != null && n.readOnly()) {
                throw new PlugException(
                        "a SATA disk can't be read-only: ATA has no words for that; virtio and NVMe do");
            }
            Peripheral p = new Peripheral(checkNew(id), driver, -1, node);
            sata.add(driver.equals(IDE_CD) ? drives.make(id, node) : new AtaDisk(disk(p)));
            devices.put(id, p);
        } finally {
            machine.lock().unlock();
        }
    }

    /** Plugs the SATA adapter, if there is anything on it. */
    public void plugSata() {
        if (!sata.isEmpty()) {
            machine.plug(Layout.AHCI_SLOT, new Ahci("ahci0", sata, io, machine.memory(), machine.msi()));
        }
    }

    /** Plugs a disk before the start. */
    public void addAtStart(String driver, String id, int slot, String node) throws PlugException {
        machine.lock().lock();
        try {
            Peripheral p = reserve(id, driver, slot, node);
            machine.plug(slot, made(p));
        } finally {
            machine.lock().unlock();
        }
    }

    /**
     * Plugs a device into the running machine.
     *
     * @param slot where, or -1 for the first that is free
     * @param node the block node of a disk, else null
     */
    public void add(String driver, String id, int slot, @Nullable String node) throws PlugException {
        machine.lock().lock();
        try {
            int at = slot < 0 ? freeSlot() : slot;
            if (at < Layout.FIRST_HOTPLUG_SLOT || at > Layout.LAST_HOTPLUG_SLOT) {
                throw new PlugException("slot %d is not for hot-plug; those from %#x to %#x are"
                        .formatted(at, Layout.FIRST_HOTPLUG_SLOT, Layout.LAST_HOTPLUG_SLOT));
            }
            StringBuilder event = new StringBuilder("plug " + driver + " " + id + " " + at);
            BlockNode n = node == null ? null : nodes.node(node);
            if (n != null) {
                event.append(' ').append(n.name()).append(' ').append(n.readOnly());
                event.append(':').append(n.format().word());
                event.append(' ')
                        .append(n.remote() != null ? n.location() : n.file().toAbsolutePath());
            }
            if (event.indexOf("\n") >= 0) {
                throw new PlugException("a name with a line end can't be plugged");
            }
            reserve(id, driver, at, node);
            if (!machine.hostEvent(event.toString())) {
                made.remove(id);
                ejected(at);
                throw PlugException.replayed();
            }
        } finally {
            machine.lock().unlock();
        }
    }

    /**
     * Asks the guest to give a device back; {@link #onDeleted} tells when it has.
     *
     * @param force pulls it out instead, as a hand would: the guest's driver sees it vanish
     * @throws PlugException if there is none of that id, or it is there to stay
     */
    public void remove(String id, boolean force) throws PlugException {
        machine.lock().lock();
        try {
            Peripheral p = devices.get(id);
            if (p == null) {
                throw PlugException.noDevice(id);
            }
            if (!p.hotPluggable()) {
                throw new PlugException("Device '" + id + "' is "
                        + (p.slot < 0 ? "on the SATA adapter" : "in slot " + p.slot)
                        + ", which does not support hot-plug");
            }
            if (!machine.hostEvent((force ? "pull " : "unplug ") + id)) {
                throw PlugException.replayed();
            }
        } finally {
            machine.lock().unlock();
        }
    }

    private int freeSlot() throws PlugException {
        for (int s = Layout.FIRST_HOTPLUG_SLOT; s <= Layout.LAST_HOTPLUG_SLOT; s++) {
            if (isFree(s)) {
                return s;
            }
        }
        throw new PlugException("all slots for hot-plug are taken");
    }

    private boolean isFree(int slot) {
        return devices.values().stream().noneMatch(p -> p.slot == slot);
    }

    private String checkNew(String id) throws PlugException {
        Names.check("id", id);
        if (devices.containsKey(id)) {
            throw new PlugException("Duplicate device ID '" + id + "'");
        }
        return id;
    }

    /** Makes the device; from here on its name, its slot and its disk are taken. */
    private Peripheral reserve(String id, String driver, int slot, @Nullable String node) throws PlugException {
        checkNew(id);
        if (!isFree(slot)) {
            throw new PlugException("PCI: slot " + slot + " is not available, it is in use");
        }
        Peripheral p = new Peripheral(id, driver, slot, node);
        made.put(id, make(p));
        devices.put(id, p);
        return p;
    }

    /** Names of devices in the machine follow their slots, so that a saved machine finds them again. */
    private PciFunction<?> make(Peripheral p) throws PlugException {
        String place = p.hotPluggable() ? "-slot" + p.slot : "" + (p.slot - Layout.FIRST_DISK_SLOT);
        return switch (p.driver) {
            case VIRTIO_BLK -> {
                VirtioPci f = VirtioBlk.create(
                        "virtio-blk" + place, disk(p), io.get(), queues, machine.memory(), machine.msi());
                resized.put(p.id, f::configChanged); // virtio 1.2, 5.2.5: the capacity may change
                yield f;
            }
            case NVME -> {
                Nvme f = new Nvme("nvme" + place, disk(p), io.get(), machine.memory(), machine.msi());
                resized.put(p.id, f::resized);
                yield f;
            }
            case VIRTIO_RNG -> VirtioRng.create("virtio-rng" + place, random, machine.memory(), machine.msi());
            default ->
                throw new PlugException("'%s' is not a valid device model name; there are %s, %s and %s"
                        .formatted(p.driver.replaceAll("\\p{Cntrl}", "?"), VIRTIO_BLK, NVME, VIRTIO_RNG));
        };
    }

    private Disk disk(Peripheral p) throws PlugException {
        if (p.node == null) {
            throw new PlugException("drive property not set");
        }
        try {
            return nodes.use(p.node, p.id);
        } catch (DiskException e) {
            throw new PlugException(String.valueOf(e.getMessage()));
        }
    }

    private PciFunction<?> made(Peripheral p) {
        PciFunction<?> f = made.remove(p.id);
        if (f == null) {
            throw new IllegalStateException(p.id + " was not made");
        }
        return f;
    }

    // ---- what the guest sees ----

    private void perform(String event) {
        String[] w = event.split(" ", 7);
        try {
            if (w[0].equals("plug") && w.length >= 4) {
                if (!made.containsKey(w[2])) {
                    replay(w);
                }
                Peripheral p = devices.get(w[2]);
                if (p != null) {
                    machine.hotPlug(p.slot, made(p));
                }
            } else if ((w[0].equals("unplug") || w[0].equals("pull")) && w.length == 2) {
                Peripheral p = devices.get(w[1]);
                if (p != null && w[0].equals("pull")) {
                    machine.pull(p.slot);
                } else if (p != null) {
                    machine.requestUnplug(p.slot);
                }
            } else {
                throw new PlugException("it is not known");
            }
        } catch (PlugException | DiskException e) {
            Recorded.ignored(event, e);
        }
    }

    /** A recorded event: the device, and its disk if nobody has opened it, are still to be made. */
    private void replay(String[] w) throws PlugException, DiskException {
        int slot;
        try {
            slot = Integer.parseInt(w[3]);
        } catch (NumberFormatException e) {
            throw new PlugException("'" + w[3] + "' is not a slot");
        }
        if (slot < Layout.FIRST_HOTPLUG_SLOT || slot > Layout.LAST_HOTPLUG_SLOT) {
            throw new PlugException("slot " + slot + " is not for hot-plug");
        }
        if (w.length == 7 && nodes.node(w[4]) == null) {
            String[] how = w[5].split(":", 2);
            ImageFormat format = how.length == 2 ? ImageFormat.named(how[1]) : ImageFormat.RAW;
            nodes.open(new NodeConfig(w[4], Path.of(w[6]), format, how[0].equals("true")));
        }
        reserve(w[2], w[1], slot, w.length == 7 ? w[4] : null);
    }

    private void ejected(int slot) {
        devices.values().stream().filter(p -> p.slot == slot).findFirst().ifPresent(p -> {
            devices.remove(p.id);
            resized.remove(p.id);
            nodes.free(p.id);
            deleted.accept(p.id);
        });
    }
}
