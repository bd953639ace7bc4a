package serai.vmm.qmp;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.vmm.block.BlockExports;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.BlockTransaction;
import tools.jackson.databind.node.ArrayNode;

/**
 * Disks for others: {@code nbd-server-start}, {@code nbd-server-stop}, {@code block-export-add}, {@code block-export-del}, {@code
 * query-block-exports}, and what they were before, {@code nbd-server-add} and {@code nbd-server-remove}. There is no TLS, so the server listens on
 * Unix sockets and on the loopback interface alone; the event {@code BLOCK_EXPORT_DELETED} is told by whoever wires it.
 */
final class ExportCommands {
    private static final int CONNECTIONS = 100;

    private final BlockExports exports;

    ExportCommands(BlockNodes nodes) {
        exports = nodes.exports();
    }

    /** What may wait for a disk, or be refused by it. */
    private interface Action {
        void with(Arguments a) throws QmpException, IOException;
    }

    void addTo(CommandTable table) {
        add(table, "nbd-server-start", List.of("addr"), List.of("tls-creds", "tls-authz", "max-connections"), a -> {
            if (a.has("tls-creds") || a.has("tls-authz")) {
                throw new QmpException("this NBD server has no TLS; it listens on Unix sockets and the loopback"
                        + " interface, and a tunnel such as ssh's takes it to other hosts");
            }
            long most = a.has("max-connections") ? a.integer("max-connections", 0, 0xffff_ffffL) : CONNECTIONS;
            exports.start(address(a.object("addr")), most == 0 ? CONNECTIONS : (int) Math.min(most, 1024));
        });
        add(table, "nbd-server-stop", List.of(), List.of(), a -> exports.stop());
        List<String> old = List.of("name", "description", "writable", "bitmap");
        add(table, "nbd-server-add", List.of("device"), old, this::addOld);
        // its exports have their names for ids
        add(
                table,
                "nbd-server-remove",
                List.of("name"),
                List.of("mode"),
                a -> exports.remove(a.string("name"), hard(a)));
        List<String> options =
                List.of("node-name", "name", "description", "writable", "writethrough", "bitmaps", "allocation-depth");
        add(table, "block-export-add", List.of("type", "id"), options, this::add);
        add(table, "block-export-del", List.of("id"), List.of("mode"), a -> exports.remove(a.string("id"), hard(a)));
        table.add("query-block-exports", a -> {
            ArrayNode all = Json.array();
            for (BlockExports.Info i : exports.list()) {
                all.addObject()
                        .put("id", i.id())
                        .put("type", "nbd")
                        .put("node-name", i.node())
                        .put("shutting-down", i.shuttingDown());
            }
            return all;
        });
    }

    private static void add(
            CommandTable table, String name, List<String> required, List<String> optional, Action action) {
        table.add(name, required, optional, a -> {
            try {
                action.with(a);
            } catch (IOException e) {
                throw new QmpException(String.valueOf(e.getMessage()));
            }
            return Json.object();
        });
    }

    private void addOld(Arguments a) throws QmpException, IOException {
        String device = a.string("device");
        String name = a.optionalString("name");
        String bitmap = a.optionalString("bitmap");
        String id = name == null ? device : name;
        exports.add(new BlockExports.Config(
                id,
                device,
                id,
                orNothing(a.optionalString("description")),
                a.bool("writable", false),
                bitmap == null ? List.of() : List.of(new BlockTransaction.BitmapName(null, bitmap))));
    }

    private void add(Arguments a) throws QmpException, IOException {
        String type = a.string("type");
        if (!type.equals("nbd")) {
            throw new QmpException("Parameter 'type' does not accept value '" + type + "': there is 'nbd'");
        }
        if (a.bool("writethrough", false)) {
            throw new QmpException("an export flushes when its client asks for it: there is no writethrough");
        }
        a.bool("allocation-depth", false); // it is there in any case
        String node = a.string("node-name");
        String name = a.optionalString("name");
        exports.add(new BlockExports.Config(
                a.string("id"),
                node,
                name == null ? node : name,
                orNothing(a.optionalString("description")),
                a.bool("writable", false),
                BitmapCommands.bitmaps(a)));
    }

    private static String orNothing(@Nullable String s) {
        return s == null ? "" : s;
    }

    private static boolean hard(Arguments a) throws QmpException {
        String mode = a.optionalString("mode");
        if (mode != null && !mode.equals("safe") && !mode.equals("hard")) {
            throw new QmpException("Parameter 'mode' does not accept value '" + mode + "'");
        }
        return "hard".equals(mode);
    }

    private static SocketAddress address(Arguments a) throws QmpException {
        a.only(List.of("type", "data"));
        String type = a.string("type");
        Arguments data = a.object("data");
        switch (type) {
            case "unix" -> {
                data.only(List.of("path"));
                try {
                    return UnixDomainSocketAddress.of(data.string("path"));
                } catch (IllegalArgumentException e) {
                    throw new QmpException(String.valueOf(e.getMessage()));
                }
            }
            case "inet" -> {
                data.only(List.of("host", "port"));
                long port = data.integer("port", 1, 65535);
                String host = data.string("host");
                try {
                    InetAddress at = InetAddress.getByName(host);
                    if (host.isEmpty() || !at.isLoopbackAddress()) {
                        throw new QmpException(
                                "host '" + host + "' is not of the loopback interface: this NBD server has"
                                        + " no TLS and lets in whoever connects; a tunnel such as ssh's takes it to other hosts");
                    }
                    return new InetSocketAddress(at, (int) port);
                } catch (UnknownHostException e) {
                    throw new QmpException("address resolution failed for " + host + ":" + port);
                }
            }
            default -> throw new QmpException("an NBD server listens on 'unix' or 'inet', not on '" + type + "'");
        }
    }
}
