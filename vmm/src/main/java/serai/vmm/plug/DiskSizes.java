package serai.vmm.plug;

import java.io.IOException;
import java.util.function.Consumer;
import serai.machine.Machine;
import serai.storage.BlockDevice;
import serai.vmm.block.BlockNode;
import serai.vmm.block.BlockNodes;

/**
 * Gives disks another size while the machine runs.
 *
 * <p>What a guest sees of it is an event of the host (see {@link Machine#hostEvent}): {@code resize NODE BYTES}. In real time the disk has
 * its new size before the guest is told, as a file system may take its time for that; in deterministic mode both are one, between two
 * instructions.
 */
public final class DiskSizes {
    private static final String WORD = "resize";

    private final Machine machine;
    private final BlockNodes nodes;
    private final Consumer<String> tell;

    /**
     * Of a VM's disks.
     *
     * @param tell tells the device of an id that its disk has another size, with the machine lock held
     */
    DiskSizes(Machine machine, BlockNodes nodes, Consumer<String> tell) {
        this.machine = machine;
        this.nodes = nodes;
        this.tell = tell;
        machine.onHostEvent(WORD, this::perform);
    }

    /**
     * Resizes a disk.
     *
     * @param node its name
     * @param bytes a multiple of 512
     * @param shrink whether it may get smaller, and lose what lies behind
     * @throws PlugException if that can't be; nothing has been changed
     * @throws IOException if the disk refuses or fails
     */
    public void resize(String node, long bytes, boolean shrink) throws PlugException, IOException {
        BlockNode n = nodes.node(node);
        if (n == null) {
            throw new PlugException("Cannot find device='' nor node-name='" + Names.printable(node) + "'");
        }
        check(n, bytes, shrink);
        if (!machine.deterministic()) {
            nodes.resize(node, bytes);
        }
        if (!machine.hostEvent(WORD + " " + node + " " + bytes)) {
            throw PlugException.replayed();
        }
    }

    private void check(BlockNode n, long bytes, boolean shrink) throws PlugException {
        if (bytes <= 0) {
            throw new PlugException("Parameter 'size' expects a >0 size");
        }
        if (bytes % BlockDevice.SECTOR != 0) {
            throw new PlugException("The new size must be a multiple of " + BlockDevice.SECTOR);
        }
        if (n.readOnly()) {
            throw new PlugException("Image is read-only");
        }
        if (bytes < n.bytes() && machine.deterministic()) {
            throw new PlugException("a disk of a run that repeats can't shrink: what it loses could not be had back");
        }
        if (bytes < n.bytes() && !shrink) {
            throw new PlugException(
                    "node '%s' has %d bytes, and shrinking it loses those behind the new end; say so with x-shrink"
                            .formatted(n.name(), n.bytes()));
        }
    }

    private void perform(String event) {
        String[] w = event.split(" ", 2);
        try {
            BlockNode n = nodes.node(w[0]);
            if (n == null) {
                throw new PlugException("there is no node '" + w[0] + "'");
            }
            long bytes = w.length == 2 ? Long.parseLong(w[1]) : 0;
            if (machine.deterministic() && bytes != n.bytes()) {
                check(n, bytes, false);
                nodes.resize(n.name(), bytes);
            }
            if (n.user() != null) {
                tell.accept(n.user());
            }
        } catch (PlugException | IOException | NumberFormatException e) {
            Recorded.ignored(WORD + " " + event, e);
        }
    }
}
