package serai.vmm.block;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.nbd.NbdUri;
import serai.storage.qcow2.Qcow2Disk;
import serai.storage.throttle.Limits;
import serai.storage.throttle.Throttle;
import serai.storage.track.CheckpointDisk;
import serai.storage.track.DirtyBitmap;
import serai.storage.track.TrackedDisk;

/** An open disk: an image with its layers, or a checkpoint of another one. */
public final class BlockNode {
    private final NodeConfig config;
    private final BlockDevice image;
    private final @Nullable TrackedDisk tracked;
    private final @Nullable PolicyGate gate;
    private final @Nullable BlockNode origin;

    // guarded by the BlockNodes that it is one of
    @Nullable
    String user;

    boolean busy;
    int exports;
    /** Those of them that write. */
    int writers;
    /** Transactions under way. */
    int pins;

    @Nullable
    String group;

    @Nullable
    Throttle throttle;

    /** An image. */
    BlockNode(NodeConfig config, BlockDevice image, @Nullable PolicyGate gate) {
        this.config = config;
        this.image = image;
        this.gate = gate;
        tracked = new TrackedDisk(image);
        origin = null;
    }

    /** Another disk as it was. */
    BlockNode(NodeConfig config, CheckpointDisk checkpoint, BlockNode origin) {
        this.config = config;
        this.origin = origin;
        image = checkpoint;
        gate = null;
        tracked = null;
    }

    /** Its name. */
    public String name() {
        return config.name();
    }

    /** The file, as it was named. */
    public Path file() {
        return config.file();
    }

    /** The NBD server that has it, or null if it is in a file. */
    public @Nullable NbdUri remote() {
        return config.remote();
    }

    /** Where it is, for people and programs: the file, or the server's URI. */
    public String location() {
        NbdUri at = config.remote();
        return at == null ? config.file().toString() : at.toString();
    }

    /** What the file is. */
    public ImageFormat format() {
        return config.format();
    }

    /** Whether it can only be read. */
    public boolean readOnly() {
        return image.readOnly();
    }

    /** Bytes in it. */
    public long bytes() {
        return image.size();
    }

    /** Id of the device that uses it, or null. */
    public @Nullable String user() {
        return user;
    }

    /** The layer of the format, or the checkpoint. */
    public BlockDevice image() {
        return image;
    }

    /** The layer that knows what changes; empty for a checkpoint. */
    public Optional<TrackedDisk> tracked() {
        return Optional.ofNullable(tracked);
    }

    /** The disk that it is a checkpoint of; empty for an image. */
    public Optional<BlockNode> origin() {
        return Optional.ofNullable(origin);
    }

    /** Its bitmaps, those that stand still among them. */
    public List<DirtyBitmap> bitmaps() {
        return tracked != null ? tracked.bitmaps() : image instanceof CheckpointDisk c ? c.bitmaps() : List.of();
    }

    /** The bitmap of that name. */
    public Optional<DirtyBitmap> bitmap(String name) {
        return bitmaps().stream().filter(b -> b.name().equals(name)).findFirst();
    }

    /** Whether the image keeps a bitmap when it is closed. */
    public boolean keeps(DirtyBitmap bitmap) {
        return image instanceof Qcow2Disk q && q.bitmaps().contains(bitmap);
    }

    /** What it may do in a second. */
    public Limits limits() {
        Throttle t = throttle;
        return t == null ? Limits.NONE : t.limits();
    }

    /** The disks that share its limits, or null. */
    public @Nullable String group() {
        return group;
    }

    /** Whether requests for it are in trouble: {@code ok}, {@code failed} or {@code nospace}. */
    public String ioStatus() {
        return gate == null ? PolicyGate.Health.OK.word : gate.health().word;
    }

    @Nullable
    PolicyGate gate() {
        return gate;
    }

    /** All layers below the limits: what a device gets, whose requests pass the limits before. */
    BlockDevice top() {
        return tracked != null ? tracked : image;
    }
}
