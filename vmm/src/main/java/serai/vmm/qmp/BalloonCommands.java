package serai.vmm.qmp;

import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.vmm.plug.BalloonDevice;
import serai.vmm.plug.PlugException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.BooleanNode;
import tools.jackson.databind.node.LongNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The memory balloon: {@code balloon}, {@code query-balloon}, and its properties, of which {@code guest-stats} has the statistics. The event
 * {@code BALLOON_CHANGE} is told by whoever wires it.
 */
public final class BalloonCommands {
    private static final String STATISTICS = "guest-stats", INTERVAL = "guest-stats-polling-interval";
    private static final List<String> ON = List.of("deflate-on-oom", "free-page-reporting");
    /** QEMU's names, by tag. */
    private static final List<String> NAMES = List.of(
            "stat-swap-in",
            "stat-swap-out",
            "stat-major-faults",
            "stat-minor-faults",
            "stat-free-memory",
            "stat-total-memory",
            "stat-available-memory",
            "stat-disk-caches",
            "stat-htlb-pgalloc",
            "stat-htlb-pgfail",
            "stat-oom-kills",
            "stat-alloc-stalls",
            "stat-async-scans",
            "stat-direct-scans",
            "stat-async-reclaims",
            "stat-direct-reclaims");

    private final @Nullable BalloonDevice device;

    /** Of a VM with a balloon, or without one. */
    public BalloonCommands(@Nullable BalloonDevice device) {
        this.device = device;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        table.add("balloon", List.of("value"), List.of(), a -> {
            BalloonDevice d = device();
            long value = a.size("value");
            allowed(() -> d.request(value));
            return Json.object();
        });
        table.add("query-balloon", a -> changed(device().left()));
    }

    /** The event's data, and what {@code query-balloon} gives. */
    public static ObjectNode changed(long left) {
        return Json.object().put("actual", left);
    }

    /** The device, if there is one, with its properties. */
    List<QomObject> objects() {
        BalloonDevice d = device;
        return d == null ? List.of() : List.of(new Properties(d));
    }

    private BalloonDevice device() throws QmpException {
        BalloonDevice d = device;
        if (d == null) {
            throw new QmpException(QmpException.ErrorClass.DEVICE_NOT_ACTIVE, "No balloon device has been activated");
        }
        return d;
    }

    /** Something that may be refused. */
    @FunctionalInterface
    private interface Action {
        void run() throws PlugException;
    }

    private static void allowed(Action a) throws QmpException {
        try {
            a.run();
        } catch (PlugException e) {
            throw new QmpException(String.valueOf(e.getMessage()));
        }
    }

    private record Properties(BalloonDevice device) implements QomObject {
        @Override
        public String id() {
            return BalloonDevice.ID;
        }

        @Override
        public JsonNode get(String property) throws QmpException {
            if (property.equals(STATISTICS)) {
                return statistics();
            }
            if (property.equals(INTERVAL)) {
                return LongNode.valueOf(device.interval());
            }
            if (ON.contains(property)) {
                return BooleanNode.TRUE;
            }
            throw new QmpException("Property 'virtio-balloon-pci." + property + "' not found");
        }

        /** What the guest has not said is the largest number, as QEMU shows it. */
        private ObjectNode statistics() {
            BalloonDevice.Statistics s = device.statistics();
            ObjectNode values = Json.object();
            for (int tag = 0; tag < NAMES.size(); tag++) {
                values.put(NAMES.get(tag), new java.math.BigInteger(Long.toUnsignedString(s.values()[tag])));
            }
            ObjectNode all = Json.object();
            all.set("stats", values);
            return all.put("last-update", s.when().getEpochSecond());
        }

        @Override
        public void set(String property, Arguments a) throws QmpException {
            if (!property.equals(INTERVAL)) {
                JsonNode unused = get(property); // whether there is one at all
                throw new QmpException("Property 'virtio-balloon-pci." + property + "' is not writable");
            }
            long seconds = a.integer("value", Long.MIN_VALUE, Long.MAX_VALUE);
            allowed(() -> device.interval(seconds));
        }
    }
}
