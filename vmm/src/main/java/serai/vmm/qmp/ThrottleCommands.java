package serai.vmm.qmp;

import java.util.ArrayList;
import java.util.List;
import serai.storage.DiskException;
import serai.vmm.block.BlockNodes;
import serai.vmm.block.LimitWords;

/** Limits of disks: {@code block_set_io_throttle}. */
final class ThrottleCommands {
    private static final List<String> REQUIRED = List.of("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr");

    private final BlockNodes nodes;

    ThrottleCommands(BlockNodes nodes) {
        this.nodes = nodes;
    }

    void addTo(CommandTable table) {
        List<String> optional = new ArrayList<>(LimitWords.qmpNames());
        optional.removeAll(REQUIRED);
        optional.addAll(List.of("device", "id", "group"));
        table.add("block_set_io_throttle", REQUIRED, optional, a -> {
            limit(a);
            return Json.object();
        });
    }

    /** All limits at once: those that are not named are none afterwards. */
    private void limit(Arguments a) throws QmpException {
        LimitWords words = new LimitWords();
        for (String name : a.names()) {
            if (LimitWords.qmpNames().contains(name)) {
                words.take(name.replaceFirst("^x-", ""), a.integer(name, 0, Long.MAX_VALUE));
            }
        }
        String id = a.optionalString("id");
        String device = id != null ? id : a.string("device");
        String group = a.optionalString("group");
        try {
            nodes.limit(BlockCommands.node(nodes, device, null).name(), words.limits(), group);
        } catch (DiskException | IllegalArgumentException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }
}
