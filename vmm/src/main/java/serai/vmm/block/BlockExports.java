package serai.vmm.block;

import java.io.IOException;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.nbd.NbdExport;
import serai.storage.nbd.NbdServer;
import serai.storage.track.DirtyBitmap;

/**
 * Disks that others than the guest use: the NBD server of a VM, and its exports, by the rules of QEMU's {@code block-export-add}. An export for
 * writing needs a disk that no device has, as two who write to one disk destroy it; one for reading shows what the guest writes, unless it is
 * of a checkpoint.
 *
 * <p>For any number of threads. Withdrawing an export waits for the disk; whoever asks for it does so for {@link #PATIENCE} at most, and a disk
 * that hangs longer has it go on by itself.
 */
public final class BlockExports {
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final int MAX_EXPORTS = 256;

    /**
     * An export to be.
     *
     * @param id its name among the exports
     * @param node the disk, by its name or its device's id
     * @param name what NBD clients ask for
     * @param description for people
     * @param writable whether clients may write
     * @param bitmaps the bitmaps that clients may see; those of which no node is said are the disk's, or those of the disk that it is a checkpoint of
     */
    public record Config(
            String id,
            String node,
            String name,
            String description,
            boolean writable,
            List<BlockTransaction.BitmapName> bitmaps) {}

    /**
     * What there is.
     *
     * @param node the disk's name
     * @param shuttingDown whether it is about to go
     */
    public record Info(String id, String node, boolean shuttingDown) {}

    private static final class Export {
        final String id;
        final BlockNode node;
        final NbdExport offered;
        boolean shuttingDown;

        Export(String id, BlockNode node, NbdExport offered) {
            this.id = id;
            this.node = node;
            this.offered = offered;
        }
    }

    private final BlockNodes nodes;
    private final Map<String, Export> exports = new LinkedHashMap<>();
    private @Nullable NbdServer server;
    private boolean stopping;
    private volatile Consumer<String> deleted = id -> {};

    /** None, and no server. */
    BlockExports(BlockNodes nodes) {
        this.nodes = nodes;
    }

    /** Who is told the id of an export that has gone. */
    public void onDeleted(Consumer<String> action) {
        deleted = action;
    }

    // ---- the server ----

    /**
     * Starts the server.
     *
     * @param connections clients at once
     * @throws IOException if there is one, or the address can't be had
     */
    public synchronized void start(SocketAddress address, int connections) throws IOException {
        if (server != null) {
            throw new DiskException("NBD server already running");
        }
        NbdServer.Limits usual = NbdServer.Limits.DEFAULT;
        NbdServer s =
                new NbdServer(new NbdServer.Limits(connections, usual.workers(), usual.handshake(), usual.stall()));
        try {
            s.listen(address);
        } catch (IOException e) {
            s.close();
            throw e;
        }
        server = s;
        stopping = false;
    }

    /** Ends it, and all exports. */
    public void stop() throws DiskException {
        NbdServer s = running();
        synchronized (this) {
            stopping = true;
            exports.values().forEach(e -> e.shuttingDown = true);
        }
        bounded(() -> end(s));
    }

    private void end(NbdServer s) {
        s.close();
        List<Export> all;
        synchronized (this) {
            if (server != s) {
                return; // two have asked for it
            }
            server = null;
            all = List.copyOf(exports.values());
        }
        all.forEach(this::gone);
    }

    private synchronized NbdServer running() throws DiskException {
        NbdServer s = server;
        if (s == null || stopping) {
            throw new DiskException("NBD server not running");
        }
        return s;
    }

    /** Does what may wait for a disk; returns when it is done, or after a while. */
    private static boolean bounded(Runnable work) {
        Thread t = Thread.ofVirtual().name("serai-nbd-withdraw").start(work);
        try {
            return t.join(PATIENCE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    // ---- exports ----

    /**
     * Offers a disk.
     *
     * @throws DiskException if the server does not run, a name is taken, or the disk or a bitmap can't be used so
     */
    public void add(Config c) throws IOException {
        BlockNodes.checkName("id", c.id);
        synchronized (nodes.busyBitmaps()) { // no transaction meanwhile
            NbdServer s = running();
            synchronized (this) {
                if (exports.containsKey(c.id)) {
                    throw new DiskException("Block export id '" + c.id + "' is already in use");
                }
                if (exports.size() == MAX_EXPORTS) {
                    throw new DiskException("a VM has at most " + MAX_EXPORTS + " block exports");
                }
            }
            BlockNode n = nodes.lookup(c.node);
            if (c.writable && n.readOnly()) {
                throw new DiskException("Cannot export read-only node as writable");
            }
            List<DirtyBitmap> bitmaps = bitmaps(n, c);
            NbdExport offered;
            try {
                offered = new NbdExport(c.name, n.top(), c.writable, c.description, bitmaps);
            } catch (IllegalArgumentException e) {
                throw new DiskException(String.valueOf(e.getMessage()), e);
            }
            nodes.share(n, c.writable);
            try {
                synchronized (this) {
                    if (s.exports().stream().anyMatch(o -> o.name().equals(c.name))) {
                        throw new DiskException(
                                "NBD server already has export named '" + BlockNodes.printable(c.name) + "'");
                    }
                    s.add(offered);
                    exports.put(c.id, new Export(c.id, n, offered));
                }
            } catch (IOException e) {
                nodes.unshare(n, c.writable);
                throw e;
            }
            nodes.busyBitmaps().take(bitmaps);
        }
    }

    private List<DirtyBitmap> bitmaps(BlockNode n, Config c) throws DiskException {
        List<DirtyBitmap> all = new ArrayList<>();
        for (BlockTransaction.BitmapName name : c.bitmaps) {
            BlockNode of = name.node() == null ? n : nodes.lookup(name.node());
            Optional<DirtyBitmap> found = of.bitmap(name.name());
            if (name.node() == null) {
                found = found.or(() -> n.origin().flatMap(o -> o.bitmap(name.name())));
            }
            String printable = BlockNodes.printable(name.name());
            DirtyBitmap b = found.orElseThrow(() -> new DiskException("Bitmap '" + printable + "' is not found"));
            if (nodes.busy(b)) {
                throw new DiskException(
                        "Bitmap '" + printable + "' is currently in use by another operation and cannot be used");
            }
            if (b.size() != n.bytes()) {
                throw new DiskException("Bitmap '%s' is for a disk of %d bytes, and node '%s' has %d"
                        .formatted(printable, b.size(), n.name(), n.bytes()));
            }
            // while it changes, what it says and what the disk reads are of different moments
            if (!c.writable && b.enabled() && !(of == n && n.readOnly())) {
                throw new DiskException("Enabled bitmap '" + printable + "' incompatible with readonly export");
            }
            all.add(b);
        }
        return all;
    }

    /** All of them, in the order they were added. */
    public synchronized List<Info> list() {
        return exports.values().stream()
                .map(e -> new Info(e.id, e.node.name(), e.shuttingDown))
                .toList();
    }

    /**
     * Withdraws an export.
     *
     * @param hard whether its clients are disconnected; otherwise it is refused while there are some
     * @throws DiskException if there is none of that id, or it is in use
     */
    public void remove(String id, boolean hard) throws DiskException {
        Export e;
        NbdServer s = running();
        synchronized (this) {
            e = exports.get(id);
            if (e == null) {
                throw new DiskException("Export '" + BlockNodes.printable(id) + "' is not found");
            }
            if (e.shuttingDown) {
                throw new DiskException("Export '" + e.id + "' is already shutting down");
            }
            if (!hard && s.clients(e.offered.name()) > 0) {
                throw new DiskException("export '" + e.id + "' still in use; mode 'hard' disconnects the clients");
            }
            e.shuttingDown = true;
        }
        bounded(() -> {
            s.remove(e.offered.name());
            gone(e);
        });
    }

    private void gone(Export e) {
        synchronized (this) {
            if (!exports.remove(e.id, e)) {
                return;
            }
        }
        nodes.unshare(e.node, e.offered.writable());
        nodes.busyBitmaps().release(e.offered.bitmaps());
        deleted.accept(e.id);
    }

    /**
     * Ends all, at the end of the VM.
     *
     * @return whether the disks are not used any more
     */
    boolean close(Duration patience) {
        NbdServer s;
        synchronized (this) {
            s = server;
        }
        if (s == null) {
            return true;
        }
        Thread t = Thread.ofPlatform().daemon().name("serai-nbd-end").start(() -> end(s));
        try {
            return t.join(patience);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
