package serai.vmm.block;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import serai.machine.disk.Disk;
import serai.machine.disk.DiskGate;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.RawDisk;
import serai.storage.References;
import serai.storage.nbd.NbdDisk;
import serai.storage.nbd.NbdUri;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.throttle.Alarm;
import serai.storage.throttle.Limits;
import serai.storage.throttle.Throttle;
import serai.storage.track.CheckpointDisk;
import serai.storage.track.DirtyBitmap;

/**
 * The open disks of a VM by name, each used by one device at most. A disk is a stack of layers: its format, then what tracks changes; its
 * limits and its policy are in the gate that a device's requests pass ({@link PolicyGate}).
 */
public final class BlockNodes implements AutoCloseable {
    /** More than the slots have room for. */
    private static final int MAX_NODES = 64;

    private static final Duration FOR_EVER = Duration.ofDays(10_000);
    private static final Duration PATIENCE_AT_THE_END = Duration.ofSeconds(10);

    private static final String NAME = "[A-Za-z][A-Za-z0-9._-]{0,30}";

    private final Map<String, BlockNode> nodes = new LinkedHashMap<>();
    private final Map<String, Throttle> groups = new LinkedHashMap<>();
    private final UnaryOperator<Disk> between;
    private final @Nullable Troubles troubles;
    private final boolean attended;
    private final Secrets secrets = new Secrets();
    private final BusyBitmaps busyBitmaps = new BusyBitmaps();
    private final BlockExports exports = new BlockExports(this);
    /** Names that checkpoints under way will have. */
    private final Set<String> reserved = new HashSet<>();
    /** Where VMs are stopped and told to go on: one thread, which goes when there is nothing to do. */
    private final ThreadPoolExecutor thread = new ThreadPoolExecutor(
            1,
            1,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            Thread.ofPlatform().daemon().name("serai-disk-trouble").factory(),
            new ThreadPoolExecutor.DiscardPolicy());

    /**
     * None yet.
     *
     * @param between what each disk gets between it and its device
     * @param troubles who runs the VM; null for a run that has to repeat: errors are reported then, and there are no limits
     * @param attended whether somebody can tell a VM that is stopped to go on
     */
    public BlockNodes(UnaryOperator<Disk> between, @Nullable Troubles troubles, boolean attended) {
        this.between = between;
        this.troubles = troubles;
        this.attended = attended;
        thread.allowCoreThreadTimeOut(true);
    }

    /** The passphrases of disks. */
    public Secrets secrets() {
        return secrets;
    }

    /** What others than the guest use. */
    public BlockExports exports() {
        return exports;
    }

    /** The bitmaps that exports show. */
    BusyBitmaps busyBitmaps() {
        return busyBitmaps;
    }

    /** Whether an export shows a bitmap, so that it can't be changed. */
    public boolean busy(DirtyBitmap bitmap) {
        return busyBitmaps.contains(bitmap);
    }

    /** Refuses what is no name: as QEMU takes them, a letter first. */
    static void checkName(String what, String name) throws DiskException {
        if (!name.matches(NAME)) {
            throw new DiskException(what + " '" + printable(name)
                    + "' is not a letter and at most 30 letters, digits, '.', '_' and '-'");
        }
    }

    /** Fit for a message. */
    static String printable(String name) {
        return References.printable(name);
    }

    private void checkNew(String name) throws DiskException {
        checkName("node-name", name);
        if (nodes.containsKey(name) || reserved.contains(name)) {
            throw new DiskException("there is a block node '" + name + "' already");
        }
        if (nodes.size() + reserved.size() >= MAX_NODES) {
            throw new DiskException("a VM has at most " + MAX_NODES + " block nodes");
        }
    }

    /**
     * Opens an image and locks it.
     *
     * @throws DiskException if the name is taken, or the file or what it names is refused
     */
    public synchronized BlockNode open(NodeConfig config) throws DiskException {
        checkNew(config.name());
        if (config.limits().any() || config.group() != null) {
            checkTime();
        }
        BlockDevice image = image(config);
        try {
            Troubles t = troubles;
            PolicyGate gate = t == null
                    ? null
                    : new PolicyGate(config.name(), config.policy(), attended, Alarm.real(), thread, t);
            BlockNode n = new BlockNode(config, image, gate);
            if (image instanceof Qcow2Disk q && n.tracked().isPresent()) {
                for (DirtyBitmap b : q.bitmaps()) {
                    n.tracked().get().add(b);
                }
            }
            nodes.put(config.name(), n);
            Throttle shared = config.group() == null ? null : groups.get(config.group());
            if (shared != null && !config.limits().any()) {
                throttle(n, shared.limits(), config.group());
            } else if (config.limits().any()) {
                throttle(n, config.limits(), config.group());
            }
            return n;
        } catch (IOException e) {
            nodes.remove(config.name());
            close(config.name(), image);
            throw e instanceof DiskException d ? d : new DiskException(String.valueOf(e.getMessage()), e);
        }
    }

    private BlockDevice image(NodeConfig c) throws DiskException {
        NbdUri at = c.remote();
        if (at != null) {
            return remote(c, at);
        }
        try {
            if (c.format() == ImageFormat.RAW) {
                return RawDisk.open(c.file(), c.readOnly());
            }
            String secret = c.secret();
            Opening.Passphrases passphrases = Opening.Passphrases.NONE;
            if (secret != null) {
                byte[] passphrase = secrets.get(secret);
                passphrases = image -> Optional.of(passphrase.clone()); // of the images below it as well
            }
            BlockDevice disk = Opening.with(References.ANY, passphrases).open(c.file(), c.format(), c.readOnly());
            if (disk.readOnly() && !c.readOnly()) {
                disk.close();
                throw new DiskException("disk %s of format %s can only be read; give it with ',readonly', or convert it"
                        .formatted(c.file(), c.format().word()));
            }
            if (disk.size() == 0) {
                disk.close();
                throw new DiskException("disk " + c.file() + " has no bytes");
            }
            return disk;
        } catch (DiskException e) {
            throw e;
        } catch (IOException e) {
            throw new DiskException("disk " + c.file() + " can't be used: " + e.getMessage(), e);
        }
    }

    /**
     * A server that does not answer, or is gone, is waited for: what becomes of the guest meanwhile is for the policy of what stalls to say. There
     * is no time after which a request is sent again while its connection stands, as the server could do what it was asked first after that, over
     * what was written since. A host that is gone the kernel finds out.
     */
    private BlockDevice remote(NodeConfig c, NbdUri at) throws DiskException {
        if (troubles == null) {
            throw new DiskException("a disk of an NBD server depends on the time that passes: not with deterministic");
        }
        NbdDisk.Options options = NbdDisk.Options.DEFAULT.retry(FOR_EVER).timeout(FOR_EVER);
        try {
            NbdDisk d = NbdDisk.connect(at, c.readOnly() ? options.forReading() : options);
            if (d.readOnly() && !c.readOnly() || d.size() == 0) {
                d.close();
                throw new DiskException("disk " + at
                        + (d.size() == 0 ? " has no bytes" : " can only be read; give it with ',readonly'"));
            }
            return d;
        } catch (DiskException e) {
            throw e;
        } catch (IOException e) {
            throw new DiskException("disk " + at + " can't be used: " + e.getMessage(), e);
        }
    }

    /** Closes one that nobody uses. */
    public synchronized void close(String name) throws DiskException {
        BlockNode n = find(name);
        checkFree(n);
        for (BlockNode other : nodes.values()) {
            if (other.origin().filter(o -> o == n).isPresent()) {
                throw new DiskException("Node " + name + " is in use by checkpoint '" + other.name() + "'");
            }
        }
        nodes.remove(name);
        throttle(n, Limits.NONE, null);
        close(name, n.top());
    }

    private static void checkFree(BlockNode n) throws DiskException {
        if (n.user != null) {
            throw new DiskException("Node " + n.name() + " is in use by device '" + n.user + "'");
        }
        if (n.busy) {
            throw new DiskException("Node '" + n.name() + "' is busy: it is being resized");
        }
        if (n.exports > 0) {
            throw new DiskException("Node " + n.name() + " is in use by an export");
        }
        if (n.pins > 0) {
            throw new DiskException("Node " + n.name() + " is in use by a transaction");
        }
    }

    /**
     * The node of that name.
     *
     * @throws DiskException if there is none
     */
    public synchronized BlockNode find(String name) throws DiskException {
        BlockNode n = nodes.get(name);
        if (n == null) {
            throw new DiskException("Failed to find node with node-name='" + printable(name) + "'");
        }
        return n;
    }

    /**
     * The node that a device uses, or of that name: as QEMU looks for what a command names.
     *
     * @throws DiskException if there is none
     */
    public synchronized BlockNode lookup(String deviceOrNode) throws DiskException {
        String id = deviceOrNode.replaceFirst("^/machine/peripheral/", "");
        for (BlockNode n : nodes.values()) {
            if (id.equals(n.user)) {
                return n;
            }
        }
        BlockNode n = nodes.get(deviceOrNode);
        if (n == null) {
            String name = printable(deviceOrNode);
            throw new DiskException("Cannot find device='" + name + "' nor node-name='" + name + "'");
        }
        return n;
    }

    /** Has nodes stay until {@link #unpin}; refused if one has gone. */
    synchronized void pin(Collection<BlockNode> some) throws DiskException {
        for (BlockNode n : some) {
            if (nodes.get(n.name()) != n) {
                throw new DiskException("Node '" + n.name() + "' is gone");
            }
        }
        some.forEach(n -> n.pins++);
    }

    synchronized void unpin(Collection<BlockNode> some) {
        some.forEach(n -> n.pins--);
    }

    /** Takes a name for a checkpoint that is about to be. */
    synchronized void reserve(String name) throws DiskException {
        checkNew(name);
        reserved.add(name);
    }

    /** Gives such a name back. */
    synchronized void unreserve(String name) {
        reserved.remove(name);
    }

    /** Adds the checkpoint of a disk, under a name that is reserved. */
    synchronized void addCheckpoint(String name, BlockNode of, CheckpointDisk checkpoint) {
        reserved.remove(name);
        nodes.put(name, new BlockNode(new NodeConfig(name, of.file(), of.format(), true), checkpoint, of));
    }

    /** All of them, in the order they were opened. */
    public synchronized List<BlockNode> list() {
        return new ArrayList<>(nodes.values());
    }

    /** The node of that name, or null. */
    public synchronized @Nullable BlockNode node(String name) {
        return nodes.get(name);
    }

    /** Gives a disk another size; the caller tells its device. Whoever asks for other nodes meanwhile does not wait. */
    public void resize(String name, long bytes) throws IOException {
        BlockNode n;
        synchronized (this) {
            n = find(name);
            if (n.busy) {
                throw new DiskException("Node '" + name + "' is busy: it is being resized");
            }
            n.busy = true;
        }
        try {
            n.top().resize(bytes);
        } finally {
            synchronized (this) {
                n.busy = false;
            }
        }
    }

    // ---- limits ----

    /**
     * Sets the limits of a disk, and of those that share them.
     *
     * @param group the disks that share them, or null to leave that as it is; a disk without a group is one by itself
     */
    public synchronized void limit(String name, Limits limits, @Nullable String group) throws DiskException {
        checkTime();
        BlockNode n = find(name);
        throttle(n, limits, group != null ? group : n.group);
    }

    private void checkTime() throws DiskException {
        if (troubles == null) {
            throw new DiskException("limits of disks depend on the time that passes: not with deterministic");
        }
    }

    private void throttle(BlockNode n, Limits limits, @Nullable String group) {
        Throttle old = n.throttle;
        String oldGroup = n.group;
        PolicyGate gate = n.gate();
        if (!limits.any()) {
            n.throttle = null;
            n.group = null;
        } else if (group == null) {
            n.throttle = old == null || oldGroup != null ? new Throttle(limits, Alarm.real()) : old;
        } else {
            n.throttle = groups.computeIfAbsent(group, g -> new Throttle(limits, Alarm.real()));
            n.group = group;
        }
        Throttle now = n.throttle;
        if (now != null) {
            now.limits(limits);
        }
        if (gate != null && now != old) {
            gate.throttle(now);
        }
        if (oldGroup != null && nodes.values().stream().noneMatch(o -> oldGroup.equals(o.group))) {
            groups.remove(oldGroup);
        }
        if (old != null && now != old && !groups.containsValue(old)) {
            old.limits(Limits.NONE); // what waits there goes on
        }
    }

    // ---- users ----

    /** An export takes it. */
    synchronized void share(BlockNode n, boolean writable) throws DiskException {
        if (nodes.get(n.name()) != n) {
            throw new DiskException("Node '" + n.name() + "' is gone");
        }
        if (writable && n.user != null) {
            throw new DiskException(
                    "Conflicts with use by device '" + n.user + "', which does not allow 'write' on " + n.name());
        }
        n.exports++;
        n.writers += writable ? 1 : 0;
    }

    /** An export gives it back. */
    synchronized void unshare(BlockNode n, boolean writable) {
        n.exports--;
        n.writers -= writable ? 1 : 0;
    }

    /** A device takes it. */
    public synchronized Disk use(String name, String user) throws DiskException {
        BlockNode n = find(name);
        if (n.user != null) {
            throw new DiskException("Node " + name + " is in use by device '" + n.user + "'");
        }
        if (n.writers > 0) {
            throw new DiskException("Node " + name + " is in use by an export that writes to it");
        }
        n.user = user;
        String id = "serai-" + name;
        PolicyGate gate = n.gate();
        return between.apply(
                new Attached(n.top(), id.substring(0, Math.min(id.length(), 20)), gate == null ? DiskGate.OPEN : gate));
    }

    /** A device gives back what it had. */
    public synchronized void free(String user) {
        nodes.values().stream().filter(n -> user.equals(n.user)).forEach(n -> n.user = null);
    }

    /** The device that has it gives it back. */
    public synchronized void release(String name) {
        BlockNode n = nodes.get(name);
        if (n != null) {
            n.user = null;
        }
    }

    /** Somebody has told the VM to go on. */
    public synchronized void continued() {
        for (BlockNode n : nodes.values()) {
            PolicyGate gate = n.gate();
            if (gate != null) {
                gate.continued();
            }
        }
    }

    /** Ends all exports and closes all disks; those that an export can't let go of, as the store hangs, are left as a crash leaves them. */
    @Override
    public void close() {
        boolean free = exports.close(PATIENCE_AT_THE_END);
        synchronized (this) {
            thread.shutdownNow();
            if (!free) {
                System.getLogger("serai.disk")
                        .log(System.Logger.Level.ERROR, "an export's disk hangs, and the disks are left as they are");
                return;
            }
            for (BlockNode n : nodes.values().stream().toList().reversed()) { // checkpoints before what they are of
                giveBack(n);
                close(n.name(), n.top());
            }
            nodes.clear();
        }
    }

    /**
     * What a checkpoint took the bitmaps of a disk for may not be over: they are marked again in those that have taken their place. Too much is
     * copied by the next backup at worst.
     */
    private static void giveBack(BlockNode n) {
        BlockNode of = n.origin().orElse(null);
        if (of == null) {
            return;
        }
        for (DirtyBitmap b : n.bitmaps()) {
            of.bitmap(b.name()).filter(live -> live.size() == b.size()).ifPresent(live -> live.merge(b));
        }
    }

    private static void close(String name, BlockDevice disk) {
        try {
            disk.close();
        } catch (IOException e) {
            System.getLogger("serai.disk").log(System.Logger.Level.ERROR, "disk {0} could not be closed: {1}", name, e);
        }
    }

    /** Storage's disk as the machine wants it. */
    private record Attached(BlockDevice disk, String id, DiskGate gate) implements Disk {
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
        public boolean readNow(long offset, long host, int length) throws IOException {
            return disk.readNow(offset, host, length);
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
