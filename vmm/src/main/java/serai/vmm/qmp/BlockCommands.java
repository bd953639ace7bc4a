package serai.vmm.qmp;

import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import serai.storage.DiskException;
import serai.vmm.plug.BlockNodes;
import serai.vmm.plug.DiskSizes;
import serai.vmm.plug.PlugException;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Disks by name: {@code blockdev-add}, {@code blockdev-del}, {@code block_resize}, {@code query-block}, {@code query-named-block-nodes}. */
public final class BlockCommands {
    private final BlockNodes nodes;
    private final DiskSizes sizes;

    /** Of a VM. */
    public BlockCommands(BlockNodes nodes, DiskSizes sizes) {
        this.nodes = nodes;
        this.sizes = sizes;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        table.add("blockdev-add", List.of("driver", "node-name"), List.of("read-only", "file", "filename"), a -> {
            open(a);
            return Json.object();
        });
        table.add("blockdev-del", List.of("node-name"), List.of(), a -> {
            try {
                nodes.close(a.string("node-name"));
            } catch (PlugException e) {
                throw new QmpException(String.valueOf(e.getMessage()));
            }
            return Json.object();
        });
        // QEMU cuts off without asking, hence the x-
        table.add("block_resize", List.of("size"), List.of("device", "node-name", "x-shrink"), a -> {
            resize(a);
            return Json.object();
        });
        table.add("query-block", a -> block());
        table.add("query-named-block-nodes", List.of(), List.of("flat"), a -> named());
    }

    /** A raw image, as {@code raw} upon {@code file} or as {@code file} alone. */
    private void open(Arguments a) throws QmpException {
        String driver = a.string("driver");
        Arguments file;
        switch (driver) {
            case "raw" -> {
                a.only(List.of("driver", "node-name", "read-only", "file"));
                file = a.object("file");
                file.only(List.of("driver", "filename", "node-name"));
                String under = file.string("driver");
                if (!under.equals("file") && !under.equals("host_device")) {
                    throw new QmpException("a raw disk lies in a 'file' or a 'host_device', not in '" + under + "'");
                }
            }
            case "file", "host_device" -> {
                a.only(List.of("driver", "node-name", "read-only", "filename"));
                file = a;
            }
            default -> throw new QmpException("block driver '" + driver + "' is not there; raw and file are");
        }
        try {
            nodes.open(a.string("node-name"), Path.of(file.string("filename")), a.bool("read-only", false));
        } catch (PlugException | DiskException | InvalidPathException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }

    /** Of a node by its name, or by the id of the device that uses it. */
    private void resize(Arguments a) throws QmpException {
        String device = a.optionalString("device");
        String node = a.optionalString("node-name");
        String id = device == null ? null : device.replaceFirst("^/machine/peripheral/", "");
        BlockNodes.Node n = nodes.list().stream()
                .filter(o -> id == null ? o.name().equals(node) : id.equals(o.user()))
                .findFirst()
                .orElseThrow(() -> new QmpException("Cannot find device='%s' nor node-name='%s'"
                        .formatted(device == null ? "" : device, node == null ? "" : node)));
        try {
            sizes.resize(n.name(), a.integer("size", Long.MIN_VALUE, Long.MAX_VALUE), a.bool("x-shrink", false));
        } catch (PlugException | IOException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }

    private ArrayNode block() {
        ArrayNode all = Json.array();
        for (BlockNodes.Node n : nodes.list()) {
            if (n.user() != null) {
                ObjectNode o = all.addObject();
                o.put("device", "");
                o.put("qdev", "/machine/peripheral/" + n.user());
                o.put("type", "unknown");
                o.put("removable", false);
                o.put("locked", false);
                o.put("io-status", "ok");
                o.set("inserted", inserted(n));
            }
        }
        return all;
    }

    private ArrayNode named() {
        ArrayNode all = Json.array();
        nodes.list().forEach(n -> all.add(inserted(n)));
        return all;
    }

    private static ObjectNode inserted(BlockNodes.Node n) {
        ObjectNode o = Json.object();
        o.put("node-name", n.name());
        o.put("drv", "raw");
        o.put("file", n.file().toString());
        o.put("ro", n.readOnly());
        o.put("encrypted", false);
        o.put("backing_file_depth", 0);
        o.putObject("cache").put("writeback", true).put("direct", false).put("no-flush", false);
        o.putObject("image")
                .put("filename", n.file().toString())
                .put("format", "raw")
                .put("virtual-size", n.bytes());
        return o;
    }
}
