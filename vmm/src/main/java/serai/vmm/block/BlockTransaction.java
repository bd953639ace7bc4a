package serai.vmm.block;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.qcow2.BitmapInfo;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.track.CheckpointDisk;
import serai.storage.track.CopyStore;
import serai.storage.track.DirtyBitmap;
import serai.storage.track.TrackedDisk;

/**
 * Changes of bitmaps, and checkpoints, of one or several disks, that are made at one boundary of their writes (see {@link TrackedDisk}): all of them, or none if
 * one is refused. Names and refusals are those of QEMU's {@code block-dirty-bitmap-*}.
 *
 * <pre>{@code
 * new BlockTransaction(nodes)
 *         .disable("disk-0", "monday")
 *         .add("disk-0", "tuesday", BlockTransaction.DEFAULT_GRANULARITY, true, false)
 *         .commit();
 * }</pre>
 *
 * <p>Each change sees what those before it have done. To be used once, by one thread.
 */
public final class BlockTransaction {
    /** As QEMU has it: the cluster of a qcow2 image, 4 KiB at least, and 64 KiB for others. */
    public static final long DEFAULT_GRANULARITY = 0;

    /** Of a disk: each write looks at all of them. */
    private static final int MAX_BITMAPS = 256;

    /**
     * A bitmap.
     *
     * @param node the disk, or the checkpoint, that it is of; null for the one that is meant anyway
     */
    public record BitmapName(@Nullable String node, String name) {}

    /** A part of it. */
    private interface Step {
        void run() throws IOException;
    }

    private final BlockNodes nodes;
    private final List<Step> steps = new ArrayList<>();
    private final List<Beginning> checkpoints = new ArrayList<>();
    private final Set<BlockNode> involved = new LinkedHashSet<>();
    /** The last one first. */
    private final Deque<Step> undo = new ArrayDeque<>();
    /** What can't be undone, and does not fail. */
    private final List<Step> last = new ArrayList<>();

    /** Of the disks of a VM. */
    public BlockTransaction(BlockNodes nodes) {
        this.nodes = nodes;
    }

    // ---- what it is to do ----

    /**
     * Adds a bitmap.
     *
     * @param granularity bytes that a bit stands for, or {@link #DEFAULT_GRANULARITY}
     * @param persistent whether the image keeps it, which has to be qcow2
     * @param disabled whether nothing is marked in it until it is enabled
     */
    public BlockTransaction add(String node, String name, long granularity, boolean persistent, boolean disabled)
            throws DiskException {
        BlockNode n = disk(node);
        steps.add(() -> {
            checkNew(n, name);
            DirtyBitmap b;
            try {
                b = new DirtyBitmap(name, n.bytes(), granularity == 0 ? granularity(n) : granularity);
            } catch (IllegalArgumentException e) {
                throw new DiskException(String.valueOf(e.getMessage()), e);
            }
            if (disabled) {
                b.disable();
            }
            put(n, b, persistent);
        });
        return this;
    }

    /** Removes one, from the image, too. */
    public BlockTransaction remove(String node, String name) throws DiskException {
        BlockNode n = disk(node);
        steps.add(() -> {
            if (inconsistent(n, name)) {
                Qcow2Disk q = keeper(n);
                last.add(() -> q.removeBitmap(name));
                return;
            }
            take(n, usable(n, name));
        });
        return this;
    }

    /** Makes one clean. */
    public BlockTransaction clear(String node, String name) throws DiskException {
        BlockNode n = disk(node);
        steps.add(() -> {
            DirtyBitmap b = usable(n, name);
            keep(b);
            b.clearAll();
        });
        return this;
    }

    /** Has writes marked in one from now on. */
    public BlockTransaction enable(String node, String name) throws DiskException {
        return enabled(node, name, true);
    }

    /** Has them not marked. */
    public BlockTransaction disable(String node, String name) throws DiskException {
        return enabled(node, name, false);
    }

    private BlockTransaction enabled(String node, String name, boolean now) throws DiskException {
        BlockNode n = disk(node);
        steps.add(() -> {
            DirtyBitmap b = usable(n, name);
            boolean before = b.enabled();
            undo.push(() -> enabled(b, before));
            enabled(b, now);
        });
        return this;
    }

    private static void enabled(DirtyBitmap b, boolean now) {
        if (now) {
            b.enable();
        } else {
            b.disable();
        }
    }

    /** Marks in one what others have marked; they may be of other nodes of the same size, and in use. */
    public BlockTransaction merge(String node, String target, List<BitmapName> sources) throws DiskException {
        BlockNode n = disk(node);
        List<BlockNode> of = new ArrayList<>();
        for (BitmapName s : sources) {
            of.add(s.node == null ? n : involve(nodes.lookup(s.node)));
        }
        steps.add(() -> {
            DirtyBitmap to = usable(n, target);
            keep(to);
            for (int i = 0; i < of.size(); i++) {
                DirtyBitmap from = existing(of.get(i), sources.get(i).name);
                try {
                    to.merge(from);
                } catch (IllegalArgumentException e) {
                    throw new DiskException(
                            "Bitmaps are of different sizes (destination size is %d) and can't be merged"
                                    .formatted(to.size()),
                            e);
                }
            }
        });
        return this;
    }

    /**
     * Keeps what a disk holds at the boundary, as a node of its own, for reading.
     *
     * @param checkpoint the name of that node
     * @param directory for the file that old blocks are copied to before they change; null for the directory of the disk's file
     * @param rotate bitmaps that go over to the checkpoint as they are; the disk has clean ones of the same names from the boundary on, which
     *     an image keeps if it kept the others. When the checkpoint is closed these are forgotten: if what they were for has failed, merge
     *     them into those of the disk before
     */
    public BlockTransaction checkpoint(String node, String checkpoint, @Nullable Path directory, List<String> rotate)
            throws DiskException {
        BlockNode n = disk(node);
        Path file = n.file().toAbsolutePath();
        if (directory == null && (n.remote() != null || !Files.isRegularFile(file))) {
            throw new DiskException(
                    "disk " + n.location() + " is no file with a directory: give one for the checkpoint");
        }
        Path parent = file.getParent();
        Beginning b = new Beginning(checkpoint, n, directory == null && parent != null ? parent : directory);
        checkpoints.add(b);
        steps.add(() -> {
            List<DirtyBitmap> rotated = new ArrayList<>();
            for (String name : rotate) {
                rotated.add(rotate(n, usable(n, name), undo));
            }
            CheckpointDisk c = tracked(n).checkpoint(b.store(), rotated);
            b.disk = c;
            undo.push(c::close);
        });
        return this;
    }

    private static DirtyBitmap rotate(BlockNode n, DirtyBitmap old, Deque<Step> undo) throws IOException {
        Qcow2Disk q = n.keeps(old) ? keeper(n) : null;
        boolean enabled = old.enabled();
        tracked(n).rotate(old.name());
        undo.push(() -> {
            tracked(n).remove(old.name());
            enabled(old, enabled);
            tracked(n).add(old);
        });
        if (q != null) {
            DirtyBitmap fresh = n.bitmap(old.name()).orElseThrow();
            q.removeBitmap(old.name());
            q.addBitmap(fresh);
            undo.push(() -> {
                q.removeBitmap(old.name());
                q.addBitmap(old);
            });
        }
        return old;
    }

    /** A checkpoint that is about to be. */
    private static final class Beginning {
        final String name;
        final BlockNode of;
        final @Nullable Path directory;

        @Nullable
        CopyStore store;

        @Nullable
        CheckpointDisk disk;

        Beginning(String name, BlockNode of, @Nullable Path directory) {
            this.name = name;
            this.of = of;
            this.directory = directory;
        }

        CopyStore store() {
            CopyStore s = store;
            if (s == null) {
                throw new IllegalStateException("checkpoint " + name + " has no store");
            }
            return s;
        }
    }

    /** Has all of it fail: for tests of clients. */
    public BlockTransaction abort() {
        steps.add(() -> {
            throw new DiskException("Transaction aborted using Abort action");
        });
        return this;
    }

    // ---- how it is done ----

    /**
     * Does all of it.
     *
     * @throws DiskException if a part is refused, or there was no moment without a write for ten seconds; nothing has changed then
     */
    public void commit() throws IOException {
        nodes.pin(involved);
        List<String> reserved = new ArrayList<>();
        boolean done = false;
        try {
            for (Beginning b : checkpoints) {
                nodes.reserve(b.name);
                reserved.add(b.name);
                // before the boundary, at which all writes wait
                b.store = CopyStore.in(Objects.requireNonNull(b.directory));
            }
            synchronized (nodes.busyBitmaps()) {
                TrackedDisk.atBoundary(tracked(), () -> {
                    run();
                    return this;
                });
            }
            done = true;
            for (Beginning b : checkpoints) {
                nodes.addCheckpoint(b.name, b.of, Objects.requireNonNull(b.disk));
            }
        } finally {
            if (!done) {
                reserved.forEach(nodes::unreserve);
                checkpoints.forEach(b -> {
                    if (b.store != null) {
                        b.store.close();
                    }
                });
            }
            nodes.unpin(involved);
        }
    }

    private List<TrackedDisk> tracked() {
        return involved.stream()
                .flatMap(n -> n.tracked().or(() -> origin(n)).stream())
                .toList();
    }

    private static Optional<TrackedDisk> origin(BlockNode n) {
        return n.origin().flatMap(BlockNode::tracked);
    }

    private void run() throws IOException {
        try {
            for (Step s : steps) {
                s.run();
            }
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            while (!undo.isEmpty()) {
                try {
                    undo.pop().run();
                } catch (IOException | RuntimeException x) {
                    e.addSuppressed(x);
                }
            }
            throw e;
        }
        for (Step s : last) {
            s.run();
        }
    }

    // ---- its parts ----

    /** A node whose writes are tracked. */
    private BlockNode disk(String name) throws DiskException {
        BlockNode n = nodes.lookup(name);
        if (n.tracked().isEmpty()) {
            throw new DiskException("Node '" + n.name() + "' is a checkpoint, whose bitmaps do not change");
        }
        return involve(n);
    }

    private BlockNode involve(BlockNode n) {
        involved.add(n);
        return n;
    }

    private static TrackedDisk tracked(BlockNode n) {
        return n.tracked().orElseThrow();
    }

    private static void checkNew(BlockNode n, String name) throws DiskException {
        if (name.isEmpty()) {
            throw new DiskException("Bitmap name cannot be empty");
        }
        if (name.indexOf(0) >= 0 || name.getBytes(StandardCharsets.UTF_8).length > DirtyBitmap.MAX_NAME) {
            throw new DiskException("Bitmap name too long, or with a zero: it has at most 1023 bytes");
        }
        if (n.bitmap(name).isPresent() || inconsistent(n, name)) {
            throw new DiskException("Bitmap already exists: " + BlockNodes.printable(name));
        }
        if (n.bitmaps().size() >= MAX_BITMAPS) {
            throw new DiskException("a disk has at most " + MAX_BITMAPS + " bitmaps");
        }
    }

    private static long granularity(BlockNode n) {
        return n.image() instanceof Qcow2Disk q ? Math.max(4096, q.info().clusterSize()) : 1 << 16;
    }

    /** Whether the image has one of that name that tells nothing any more. */
    private static boolean inconsistent(BlockNode n, String name) {
        return n.image() instanceof Qcow2Disk q
                && q.bitmapInfos().stream().filter(BitmapInfo::inconsistent).anyMatch(i -> i.name()
                        .equals(name));
    }

    private static DirtyBitmap existing(BlockNode n, String name) throws DiskException {
        if (inconsistent(n, name)) {
            throw new DiskException("Bitmap '" + BlockNodes.printable(name)
                    + "' is inconsistent and cannot be used; block-dirty-bitmap-remove deletes it from the disk");
        }
        return n.bitmap(name)
                .orElseThrow(() -> new DiskException("Dirty bitmap '" + BlockNodes.printable(name) + "' not found"));
    }

    /** One that may be changed. */
    private DirtyBitmap usable(BlockNode n, String name) throws DiskException {
        DirtyBitmap b = existing(n, name);
        if (nodes.busyBitmaps().contains(b)) {
            throw new DiskException("Bitmap '" + BlockNodes.printable(name)
                    + "' is currently in use by another operation and cannot be used");
        }
        return b;
    }

    /** Keeps what is marked in it for {@link #undo}. */
    private void keep(DirtyBitmap b) {
        DirtyBitmap before = b.copy("before");
        undo.push(() -> {
            b.clearAll();
            b.merge(before);
        });
    }

    private static Qcow2Disk keeper(BlockNode n) throws DiskException {
        if (!(n.image() instanceof Qcow2Disk q)) {
            throw new DiskException(
                    "Cannot store dirty bitmaps in file '%s': format %s has no place for them, qcow2 has"
                            .formatted(n.location(), n.format().word()));
        }
        if (q.readOnly()) {
            throw new DiskException("Cannot change dirty bitmaps in file '" + n.file() + "': it is read-only");
        }
        return q;
    }

    private void put(BlockNode n, DirtyBitmap b, boolean persistent) throws IOException {
        Qcow2Disk q = persistent ? keeper(n) : null;
        tracked(n).add(b);
        undo.push(() -> tracked(n).remove(b.name()));
        if (q != null) {
            q.addBitmap(b);
            undo.push(() -> q.removeBitmap(b.name()));
        }
    }

    private void take(BlockNode n, DirtyBitmap b) throws IOException {
        boolean persistent = n.keeps(b);
        if (persistent) {
            Qcow2Disk q = keeper(n);
            q.removeBitmap(b.name());
            undo.push(() -> q.addBitmap(b));
        }
        tracked(n).remove(b.name());
        undo.push(() -> tracked(n).add(b));
    }
}
