package serai.vmm.plug;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import serai.machine.disk.Disk;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.RawDisk;

/** The open disks of a VM by name, each used by one device at most. */
public final class BlockNodes implements AutoCloseable {
    /** More than the slots have room for. */
    private static final int MAX_NODES = 64;

    /**
     * An open disk.
     *
     * @param name unique in the VM
     * @param file the raw image, as it was named
     * @param readOnly whether it can only be read
     * @param bytes its size
     * @param user id of the device that uses it, or null
     */
    public record Node(
            String name,
            Path file,
            boolean readOnly,
            long bytes,
            @Nullable String user) {}

    private static final class Open {
        final Path file;
        final BlockDevice disk;

        @Nullable
        String user;

        boolean resizing;

        Open(Path file, BlockDevice disk) {
            this.file = file;
            this.disk = disk;
        }
    }

    private final Map<String, Open> nodes = new LinkedHashMap<>();
    private final UnaryOperator<Disk> between;

    /**
     * None yet.
     *
     * @param between what each disk gets between it and its device
     */
    public BlockNodes(UnaryOperator<Disk> between) {
        this.between = between;
    }

    /**
     * Opens a raw image and locks it.
     *
     * @throws PlugException if the name is taken
     * @throws DiskException if the file is refused
     */
    public synchronized void open(String name, Path file, boolean readOnly) throws PlugException, DiskException {
        Names.check("node-name", name);
        if (nodes.containsKey(name)) {
            throw new PlugException("there is a block node '" + name + "' already");
        }
        if (nodes.size() == MAX_NODES) {
            throw new PlugException("a VM has at most " + MAX_NODES + " block nodes");
        }
        nodes.put(name, new Open(file, RawDisk.open(file, readOnly)));
    }

    /** Closes one that no device uses. */
    public synchronized void close(String name) throws PlugException {
        Open o = find(name);
        if (o.user != null) {
            throw new PlugException("Node " + name + " is in use by device '" + o.user + "'");
        }
        if (o.resizing) {
            throw new PlugException("Node '" + name + "' is busy: it is being resized");
        }
        nodes.remove(name);
        close(name, o.disk);
    }

    private Open find(String name) throws PlugException {
        Open o = nodes.get(name);
        if (o == null) {
            throw new PlugException("Failed to find node with node-name='" + name + "'");
        }
        return o;
    }

    /** All of them, in the order they were opened. */
    public synchronized List<Node> list() {
        List<Node> l = new ArrayList<>();
        nodes.forEach((n, o) -> l.add(new Node(n, o.file, o.disk.readOnly(), o.disk.size(), o.user)));
        return l;
    }

    /** The node of that name, or null. */
    public synchronized @Nullable Node node(String name) {
        return list().stream().filter(n -> n.name().equals(name)).findFirst().orElse(null);
    }

    /** Gives a disk another size; the caller tells its device. Whoever asks for other nodes meanwhile does not wait. */
    void resize(String name, long bytes) throws PlugException, IOException {
        Open o;
        synchronized (this) {
            o = find(name);
            if (o.resizing) {
                throw new PlugException("Node '" + name + "' is busy: it is being resized");
            }
            o.resizing = true;
        }
        try {
            o.disk.resize(bytes);
        } finally {
            synchronized (this) {
                o.resizing = false;
            }
        }
    }

    /** A device takes it. */
    synchronized Disk use(String name, String user) throws PlugException {
        Open o = find(name);
        if (o.user != null) {
            throw new PlugException("Node " + name + " is in use by device '" + o.user + "'");
        }
        o.user = user;
        String id = "serai-" + name;
        return between.apply(new Attached(o.disk, id.substring(0, Math.min(id.length(), 20))));
    }

    /** A device gives back what it had. */
    synchronized void free(String user) {
        nodes.values().stream().filter(o -> user.equals(o.user)).forEach(o -> o.user = null);
    }

    @Override
    public synchronized void close() {
        nodes.forEach((name, o) -> close(name, o.disk));
        nodes.clear();
    }

    private static void close(String name, BlockDevice disk) {
        try {
            disk.close();
        } catch (IOException e) {
            System.getLogger("serai.disk").log(System.Logger.Level.ERROR, "disk {0} could not be closed: {1}", name, e);
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
