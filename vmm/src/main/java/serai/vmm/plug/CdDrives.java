package serai.vmm.plug;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.machine.ahci.CdDrive;
import serai.machine.disk.Disk;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.vmm.block.BlockNode;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.NodeConfig;

/**
 * The CD-ROM drives of a VM by id: their trays, and the block nodes in them.
 *
 * <p>What the host does to one is an event (see {@link Machine#hostEvent}): {@code cdrom ID open FORCE}, {@code cdrom ID close}, {@code
 * cdrom ID remove} and {@code cdrom ID insert NODE FORMAT FILE}. In deterministic mode some may wait while others are given already: what can be
 * done is told by how the drive will be then. Guarded by the machine lock.
 */
public final class CdDrives {
    private static final String WORD = "cdrom";
    private static final int MAX_NAME = 20;

    /**
     * A drive.
     *
     * @param open whether its tray is
     * @param locked whether the guest keeps it closed
     * @param node the block node that lies in it, or null
     */
    public record Info(
            String id,
            boolean open,
            boolean locked,
            @Nullable String node) {}

    /**
     * A block node for a drive.
     *
     * @param owned whether it is nobody else's, and is closed when it is taken out
     */
    private record Medium(String node, Disk disk, boolean owned) {}

    /** A drive, and how it will be when the events that wait are done. */
    private static final class Slot {
        final CdDrive drive;

        @Nullable
        Medium medium;

        @Nullable
        Medium coming;

        int waiting;
        boolean open;
        boolean full;

        Slot(CdDrive drive, Medium medium) {
            this.drive = drive;
            this.medium = medium;
        }
    }

    private final Machine machine;
    private final BlockNodes nodes;
    private final Map<String, Slot> slots = new LinkedHashMap<>();
    private BiConsumer<String, Boolean> moved = (id, open) -> {};
    private int unnamed;

    CdDrives(Machine machine, BlockNodes nodes) {
        this.machine = machine;
        this.nodes = nodes;
        machine.onHostEvent(WORD, this::perform);
    }

    /** Who is told the id of a drive whose tray is open now, or closed, with the machine lock held. */
    public void onMoved(BiConsumer<String, Boolean> action) {
        moved = action;
    }

    /** Makes a drive with a medium, before the start. */
    CdDrive make(String id, String node) throws PlugException {
        Medium m = take(node, id, true);
        CdDrive drive = new CdDrive(id.substring(0, Math.min(id.length(), MAX_NAME)), m.disk);
        slots.put(id, new Slot(drive, m));
        drive.onMoved(open -> moved.accept(id, open));
        return drive;
    }

    private BlockNode check(String node) throws PlugException {
        BlockNode n = nodes.node(node);
        if (n == null) {
            throw new PlugException("Node '" + Names.printable(node) + "' not found");
        }
        long blocks = n.bytes() / CdDrive.BLOCK;
        if (blocks < 1 || blocks > CdDrive.MAX_BLOCKS) {
            throw new PlugException("%s has %d bytes, and a CD has 1 to %d blocks of %d"
                    .formatted(n.file(), n.bytes(), CdDrive.MAX_BLOCKS, CdDrive.BLOCK));
        }
        return n;
    }

    private Medium take(String node, String id, boolean owned) throws PlugException {
        check(node);
        try {
            return new Medium(node, nodes.use(node, id), owned);
        } catch (DiskException e) {
            throw new PlugException(String.valueOf(e.getMessage()));
        }
    }

    /** All of them. */
    public List<Info> list() {
        machine.lock().lock();
        try {
            List<Info> all = new ArrayList<>();
            slots.forEach((id, s) -> {
                settle(s);
                all.add(new Info(id, s.drive.isOpen(), s.drive.isLocked(), s.medium == null ? null : s.medium.node));
            });
            return all;
        } finally {
            machine.lock().unlock();
        }
    }

    /** If nothing waits, it is as it is; a medium that a restored state did not have is put away. */
    private void settle(Slot s) {
        if (s.waiting == 0) {
            s.open = s.drive.isOpen();
            s.full = s.drive.hasMedium();
        }
        if (!s.drive.hasMedium()) {
            release(s.medium);
            s.medium = null;
        }
    }

    private void release(@Nullable Medium m) {
        if (m == null) {
            return;
        }
        nodes.release(m.node);
        if (m.owned) {
            try {
                nodes.close(m.node);
            } catch (DiskException e) {
                System.getLogger("serai.plug").log(System.Logger.Level.WARNING, e.getMessage());
            }
        }
    }

    /** What is done to a drive, with the lock held. */
    @FunctionalInterface
    private interface Action {
        void on(Slot s) throws PlugException;
    }

    private void with(String id, Action action) throws PlugException {
        machine.lock().lock();
        try {
            Slot s = slots.get(id);
            if (s == null) {
                throw PlugException.noDevice(id);
            }
            settle(s);
            action.on(s);
        } finally {
            machine.lock().unlock();
        }
    }

    private void send(String id, Slot s, String event) throws PlugException {
        s.waiting++;
        if (!machine.hostEvent(WORD + " " + id + " " + event)) {
            s.waiting--;
            throw PlugException.replayed();
        }
    }

    /**
     * Opens the tray, or asks the guest to if it has locked it.
     *
     * @param force opens it all the same
     * @return whether it is open
     */
    public boolean open(String id, boolean force) throws PlugException {
        boolean[] open = new boolean[1];
        with(id, s -> {
            open[0] = s.open || force || !s.drive.isLocked();
            send(id, s, "open " + force);
            s.open = open[0];
        });
        return open[0];
    }

    /** Closes the tray. */
    public void close(String id) throws PlugException {
        with(id, s -> {
            send(id, s, "close");
            s.open = false;
        });
    }

    /** Takes the medium out of the open tray, if there is one. */
    public void remove(String id) throws PlugException {
        with(id, s -> {
            if (!s.open) {
                throw new PlugException("Tray of device '" + id + "' is not open");
            }
            if (s.full) {
                send(id, s, "remove");
                s.full = false;
            }
        });
    }

    /** Puts a block node into the open tray. */
    public void insert(String id, String node) throws PlugException {
        with(id, s -> insert(id, s, node, false));
    }

    private void insert(String id, Slot s, String node, boolean owned) throws PlugException {
        if (!s.open) {
            throw new PlugException("Tray of the device is not open");
        }
        if (s.full) {
            throw new PlugException("There already is a medium in the device");
        }
        if (s.coming != null) {
            throw new PlugException("another medium is on its way into device '" + id + "'");
        }
        BlockNode n = check(node);
        String file = n.file().toAbsolutePath().toString();
        if (file.indexOf('\n') >= 0) {
            throw new PlugException("a name with a line end can't be inserted");
        }
        s.coming = take(node, id, owned);
        try {
            send(id, s, "insert " + node + " " + n.format().word() + " " + file);
        } catch (PlugException e) {
            s.coming = null;
            nodes.release(node);
            throw e;
        }
        s.full = true;
    }

    /**
     * Takes out what is there, puts in a file, and closes the tray.
     *
     * @throws PlugException if the guest keeps the tray closed
     * @throws DiskException if the file is refused
     */
    public void change(String id, Path file, boolean force) throws PlugException, DiskException {
        String node = newName();
        nodes.open(new NodeConfig(node, file, ImageFormat.RAW, true));
        boolean done = false;
        try {
            check(node);
            with(id, s -> {
                eject(id, s, force);
                insert(id, s, node, true);
            });
            done = true;
            close(id);
        } finally {
            if (!done) {
                nodes.close(node);
            }
        }
    }

    private String newName() {
        machine.lock().lock();
        try {
            String name;
            do {
                name = "medium-" + unnamed++;
            } while (nodes.node(name) != null);
            return name;
        } finally {
            machine.lock().unlock();
        }
    }

    /** Opens the tray and takes the medium out. */
    public void eject(String id, boolean force) throws PlugException {
        with(id, s -> eject(id, s, force));
    }

    private void eject(String id, Slot s, boolean force) throws PlugException {
        if (!open(id, force)) {
            throw new PlugException(
                    "Device '" + id + "' is locked and force was not specified, wait for tray to open and try again");
        }
        if (s.full) {
            remove(id);
        }
    }

    private void perform(String event) {
        String[] w = event.split(" ", 5);
        Slot s = slots.get(w[0]);
        try {
            if (s == null || w.length < 2) {
                throw new PlugException("there is no such drive");
            }
            s.waiting = Math.max(0, s.waiting - 1);
            switch (w[1]) {
                case "open" -> s.drive.open(w.length > 2 && w[2].equals("true"));
                case "close" -> s.drive.close();
                case "remove" -> {
                    s.drive.remove();
                    settle(s);
                }
                case "insert" -> {
                    if (w.length < 5) {
                        throw new PlugException("it does not say what to insert");
                    }
                    put(w[0], s, new NodeConfig(w[2], Path.of(w[4]), ImageFormat.named(w[3]), true));
                }
                default -> throw new PlugException("it is not known");
            }
        } catch (PlugException | IOException | IllegalStateException e) {
            Recorded.ignored(WORD + " " + event, e);
        }
    }

    private void put(String id, Slot s, NodeConfig config) throws PlugException, DiskException {
        String node = config.name();
        Medium m = s.coming;
        s.coming = null;
        if (m == null || !m.node.equals(node)) { // recorded: nobody has it open here
            boolean open = nodes.node(node) != null;
            if (!open) {
                nodes.open(config);
            }
            m = take(node, id, !open);
        }
        try {
            s.drive.insert(m.disk);
            s.medium = m;
        } catch (IllegalStateException e) {
            release(m); // the guest has closed the tray meanwhile
            throw e;
        }
    }
}
