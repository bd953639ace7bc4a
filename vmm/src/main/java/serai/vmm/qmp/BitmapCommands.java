package serai.vmm.qmp;

import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.storage.DiskException;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.BlockTransaction;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Bitmaps of what changes: {@code block-dirty-bitmap-add}, {@code -remove}, {@code -clear}, {@code -enable}, {@code -disable}, {@code -merge},
 * each alone, or several of them in a {@code transaction}, which does all at one boundary of the writes, or nothing. And, of our own, {@code
 * x-blockdev-checkpoint}: the disk {@code node} as it is at that boundary becomes the node {@code node-name}, for reading, until {@code
 * blockdev-del}; it takes the bitmaps {@code rotate} with it, and the disk goes on with clean ones of the same names.
 */
final class BitmapCommands {
    /** What a command, or an action of a transaction, adds to one. */
    private interface Part {
        void addTo(BlockTransaction t, Arguments a) throws QmpException, DiskException;
    }

    /** More than a backup of all disks has. */
    private static final int MAX_ACTIONS = 1024;

    private final BlockNodes nodes;
    private final List<Action> actions = new ArrayList<>();

    private record Action(String name, List<String> required, List<String> optional, Part part) {}

    BitmapCommands(BlockNodes nodes) {
        this.nodes = nodes;
        List<String> named = List.of("node", "name");
        action(
                "block-dirty-bitmap-add",
                named,
                List.of("granularity", "persistent", "disabled"),
                (t, a) -> t.add(
                        a.string("node"),
                        a.string("name"),
                        granularity(a),
                        a.bool("persistent", false),
                        a.bool("disabled", false)));
        action("block-dirty-bitmap-remove", named, (t, a) -> t.remove(a.string("node"), a.string("name")));
        action("block-dirty-bitmap-clear", named, (t, a) -> t.clear(a.string("node"), a.string("name")));
        action("block-dirty-bitmap-enable", named, (t, a) -> t.enable(a.string("node"), a.string("name")));
        action("block-dirty-bitmap-disable", named, (t, a) -> t.disable(a.string("node"), a.string("name")));
        action(
                "block-dirty-bitmap-merge",
                List.of("node", "target", "bitmaps"),
                (t, a) -> t.merge(a.string("node"), a.string("target"), bitmaps(a)));
        // QEMU has it in two parts, which need a third disk: blockdev-backup with sync=none, and a bitmap that is
        // disabled for one that is added
        action(
                "x-blockdev-checkpoint",
                List.of("node", "node-name"),
                List.of("directory", "rotate"),
                (t, a) -> t.checkpoint(a.string("node"), a.string("node-name"), directory(a), strings(a, "rotate")));
    }

    private void action(String name, List<String> required, Part part) {
        action(name, required, List.of(), part);
    }

    private void action(String name, List<String> required, List<String> optional, Part part) {
        actions.add(new Action(name, required, optional, part));
    }

    void addTo(CommandTable table) {
        for (Action c : actions) {
            table.add(c.name, c.required, c.optional, a -> {
                BlockTransaction t = new BlockTransaction(nodes);
                try {
                    c.part.addTo(t, a);
                    t.commit();
                } catch (IOException e) {
                    throw new QmpException(String.valueOf(e.getMessage()));
                }
                return Json.object();
            });
        }
        action("abort", List.of(), (t, a) -> t.abort());
        table.add("transaction", List.of("actions"), List.of("properties"), a -> {
            transaction(a);
            return Json.object();
        });
    }

    private void transaction(Arguments a) throws QmpException {
        if (a.has("properties")) {
            Arguments p = a.object("properties");
            p.only(List.of("completion-mode"));
            String mode = p.optionalString("completion-mode");
            if (mode != null && !mode.equals("individual") && !mode.equals("grouped")) {
                throw new QmpException("Parameter 'completion-mode' does not accept value '" + mode + "'");
            } // it is for jobs that outlive the transaction, and there are none
        }
        List<Arguments> all = a.objects("actions");
        if (all.size() > MAX_ACTIONS) {
            throw new QmpException("a transaction has at most " + MAX_ACTIONS + " actions");
        }
        BlockTransaction t = new BlockTransaction(nodes);
        try {
            for (Arguments one : all) {
                one.only(List.of("type", "data"));
                String type = one.string("type");
                Action action = actions.stream()
                        .filter(x -> x.name.equals(type))
                        .findFirst()
                        .orElseThrow(() -> new QmpException("Parameter 'type' does not accept value '" + type + "'"));
                Arguments data = one.object("data");
                List<String> known = new ArrayList<>(action.required);
                known.addAll(action.optional);
                data.only(known);
                for (String r : action.required) {
                    if (!data.has(r)) {
                        throw new QmpException("Parameter '" + r + "' is missing");
                    }
                }
                action.part.addTo(t, data);
            }
            t.commit();
        } catch (IOException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }

    private static @Nullable Path directory(Arguments a) throws QmpException {
        String d = a.optionalString("directory");
        try {
            return d == null ? null : Path.of(d);
        } catch (InvalidPathException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }

    private static List<String> strings(Arguments a, String name) throws QmpException {
        List<String> all = new ArrayList<>();
        for (JsonNode n : a.array(name)) {
            if (!n.isString()) {
                throw new QmpException("Invalid parameter type for '" + name + "', expected: string");
            }
            all.add(n.stringValue());
        }
        return all;
    }

    private static long granularity(Arguments a) throws QmpException {
        if (!a.has("granularity")) {
            return BlockTransaction.DEFAULT_GRANULARITY;
        }
        long g = a.integer("granularity", 0, 0xffff_ffffL);
        if (g < 512 || Long.bitCount(g) != 1) {
            throw new QmpException("Granularity must be a power of 2, and at least 512");
        }
        return g;
    }

    /** Names of bitmaps: a string for one of the node itself, or an object that says of which node. */
    static List<BlockTransaction.BitmapName> bitmaps(Arguments a) throws QmpException {
        List<BlockTransaction.BitmapName> all = new ArrayList<>();
        for (JsonNode n : a.array("bitmaps")) {
            if (n instanceof ObjectNode o) {
                Arguments external = new Arguments(o);
                external.only(List.of("node", "name"));
                all.add(new BlockTransaction.BitmapName(external.string("node"), external.string("name")));
            } else if (n.isString()) {
                all.add(new BlockTransaction.BitmapName(null, n.stringValue()));
            } else {
                throw new QmpException("Invalid parameter type for 'bitmaps', expected: string");
            }
        }
        return all;
    }
}
