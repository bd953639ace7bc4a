package serai.vmm.qmp;

import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.storage.ImageFormat;
import serai.storage.nbd.NbdUri;
import serai.storage.throttle.Limits;
import serai.vmm.block.BlockNode;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.DiskPolicy;
import serai.vmm.block.NodeConfig;
import serai.vmm.plug.CdDrives;
import serai.vmm.plug.DiskSizes;
import serai.vmm.plug.PlugException;

/** Disks by name: {@code blockdev-add}, {@code blockdev-del}, {@code block_resize}, and their limits. */
public final class BlockCommands {
    private final BlockNodes nodes;
    private final DiskSizes sizes;
    private final CdDrives drives;

    /** Of a VM. */
    public BlockCommands(BlockNodes nodes, DiskSizes sizes, CdDrives drives) {
        this.nodes = nodes;
        this.sizes = sizes;
        this.drives = drives;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        List<String> properties = List.of("read-only", "file", "filename", "key-secret", "encrypt", "server", "export");
        table.add("blockdev-add", List.of("driver", "node-name"), properties, a -> {
            open(a);
            return Json.object();
        });
        table.add("blockdev-del", List.of("node-name"), List.of(), a -> {
            try {
                nodes.close(a.string("node-name"));
            } catch (DiskException e) {
                throw new QmpException(String.valueOf(e.getMessage()));
            }
            return Json.object();
        });
        // QEMU cuts off without asking, hence the x-
        table.add("block_resize", List.of("size"), List.of("device", "node-name", "x-shrink"), a -> {
            resize(a);
            return Json.object();
        });
        new BlockQueries(nodes, drives).addTo(table);
        new ThrottleCommands(nodes).addTo(table);
        new BitmapCommands(nodes).addTo(table);
        new ExportCommands(nodes).addTo(table);
        new ObjectCommands(nodes).addTo(table);
    }

    /** An image in a file: a format upon {@code file}, or {@code file} alone for a raw one. */
    private void open(Arguments a) throws QmpException {
        String driver = a.string("driver");
        if (driver.equals("nbd")) {
            remote(a);
            return;
        }
        ImageFormat format = ImageFormat.RAW;
        Arguments file = a;
        String secret = null;
        if (driver.equals("file") || driver.equals("host_device")) {
            a.only(List.of("driver", "node-name", "read-only", "filename"));
        } else {
            format = format(driver);
            file = file(a);
            secret = secret(a, format);
        }
        try {
            nodes.open(new NodeConfig(
                    a.string("node-name"),
                    Path.of(file.string("filename")),
                    format,
                    a.bool("read-only", false),
                    secret,
                    Limits.NONE,
                    null,
                    DiskPolicy.DEFAULT));
        } catch (DiskException | InvalidPathException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }

    /** What an NBD server has: QEMU's {@code BlockdevOptionsNbd}, without TLS. */
    private void remote(Arguments a) throws QmpException {
        a.only(List.of("driver", "node-name", "read-only", "server", "export"));
        Arguments server = a.object("server");
        String export = a.has("export") ? a.string("export") : "";
        try {
            NbdUri at;
            switch (server.string("type")) {
                case "unix" -> {
                    server.only(List.of("type", "path"));
                    at = new NbdUri.Unix(Path.of(server.string("path")), export);
                }
                case "inet" -> {
                    server.only(List.of("type", "host", "port"));
                    at = new NbdUri.Tcp(server.string("host"), (int) server.integer("port", 1, 65535), export);
                }
                default -> throw new QmpException("an NBD server listens on 'unix' or 'inet'");
            }
            nodes.open(NodeConfig.remote(
                    a.string("node-name"), at, a.bool("read-only", false), Limits.NONE, null, DiskPolicy.DEFAULT));
        } catch (DiskException | InvalidPathException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }

    private static ImageFormat format(String driver) throws QmpException {
        for (ImageFormat f : ImageFormat.values()) {
            if (f.word().equals(driver)) {
                return f;
            }
        }
        throw new QmpException(
                "block driver '" + driver + "' is not there; file, host_device, nbd, " + ImageFormat.words() + " are");
    }

    private static Arguments file(Arguments a) throws QmpException {
        if (!a.has("file")) {
            throw new QmpException("Parameter 'file' is missing");
        }
        Arguments file = a.object("file");
        file.only(List.of("driver", "filename", "node-name"));
        String under = file.string("driver");
        if (!under.equals("file") && !under.equals("host_device")) {
            throw new QmpException("an image lies in a 'file' or a 'host_device', not in '" + under + "'");
        }
        return file;
    }

    private static @Nullable String secret(Arguments a, ImageFormat format) throws QmpException {
        switch (format) {
            case LUKS -> {
                a.only(List.of("driver", "node-name", "read-only", "file", "key-secret"));
                return a.string("key-secret");
            }
            case QCOW2 -> {
                a.only(List.of("driver", "node-name", "read-only", "file", "encrypt"));
                if (!a.has("encrypt")) {
                    return null;
                }
                Arguments e = a.object("encrypt");
                e.only(List.of("format", "key-secret"));
                if (!e.string("format").equals("luks")) {
                    throw new QmpException("an encrypted qcow2 image has the format 'luks'");
                }
                return e.string("key-secret");
            }
            case RAW, VMDK, VPC, VHDX -> {
                a.only(List.of("driver", "node-name", "read-only", "file"));
                return null;
            }
        }
        throw new IllegalStateException(format.word());
    }

    /** A node by the id of the device that uses it, or by its name. */
    static BlockNode node(BlockNodes nodes, @Nullable String device, @Nullable String node) throws QmpException {
        String id = device == null ? null : device.replaceFirst("^/machine/peripheral/", "");
        return nodes.list().stream()
                .filter(n -> id == null ? n.name().equals(node) : id.equals(n.user()))
                .findFirst()
                .orElseThrow(() -> new QmpException("Cannot find device='%s' nor node-name='%s'"
                        .formatted(device == null ? "" : device, node == null ? "" : node)));
    }

    private void resize(Arguments a) throws QmpException {
        BlockNode n = node(nodes, a.optionalString("device"), a.optionalString("node-name"));
        try {
            sizes.resize(n.name(), a.integer("size", Long.MIN_VALUE, Long.MAX_VALUE), a.bool("x-shrink", false));
        } catch (PlugException | IOException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }
}
