package serai.vmm.qmp;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import serai.machine.hotplug.CpuHotplug;
import serai.vmm.plug.PlugException;
import serai.vmm.plug.PluggedCpus;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The vCPUs: {@code query-cpus-fast}, {@code query-hotpluggable-cpus}, {@code query-acpi-ospm-status}; and what {@code device_add} and
 * {@code device_del} do with them, which {@link DeviceCommands} has.
 */
public final class CpuCommands {
    /** What {@code device_add} takes beside driver and id: what {@code query-hotpluggable-cpus} gives as {@code props}. */
    static final List<String> PROPERTIES = List.of("socket-id", "core-id", "thread-id", "node-id");

    private final RunControl vm;
    private final PluggedCpus cpus;

    /** Of a VM. */
    public CpuCommands(RunControl vm, PluggedCpus cpus) {
        this.vm = vm;
        this.cpus = cpus;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        table.add("query-cpus-fast", a -> running());
        table.add("query-hotpluggable-cpus", a -> places());
        table.add("query-acpi-ospm-status", a -> statuses());
    }

    /** Tells of them what clients of QEMU await. */
    public static PluggedCpus.Listener telling(Events events) {
        return new PluggedCpus.Listener() {
            @Override
            public void deleted(PluggedCpus.Place place) {
                events.tell("DEVICE_DELETED", name(place));
            }

            @Override
            public void reported(PluggedCpus.Place place, CpuHotplug.Report report) {
                ObjectNode data = Json.object();
                data.set("info", status(place, report));
                events.tell("ACPI_DEVICE_OST", data);
                if (report.refusesEjection()) {
                    events.tell("DEVICE_UNPLUG_GUEST_ERROR", name(place));
                }
            }
        };
    }

    private static ObjectNode name(PluggedCpus.Place place) {
        ObjectNode o = Json.object();
        if (place.id() != null) {
            o.put("device", place.id());
        }
        return o.put("path", place.path());
    }

    private ArrayNode running() {
        Map<Integer, Integer> threads =
                vm.cpus().stream().collect(Collectors.toMap(RunControl.Cpu::index, RunControl.Cpu::thread));
        ArrayNode all = Json.array();
        for (PluggedCpus.Place p : cpus.places()) {
            if (p.present()) {
                ObjectNode o = all.addObject();
                o.put("cpu-index", p.index());
                o.put("thread-id", threads.getOrDefault(p.index(), 0));
                o.put("target", "x86_64");
                o.put("qom-path", p.path());
                o.set("props", properties(p));
            }
        }
        return all;
    }

    private ArrayNode places() {
        ArrayNode all = Json.array();
        for (PluggedCpus.Place p : cpus.places().reversed()) { // QEMU's order
            ObjectNode o = all.addObject();
            o.set("props", properties(p));
            o.put("vcpus-count", 1);
            if (p.present()) {
                o.put("qom-path", p.path());
            }
            o.put("type", cpus.driver());
        }
        return all;
    }

    private static ObjectNode properties(PluggedCpus.Place p) {
        ObjectNode o = Json.object();
        o.put("socket-id", p.socket()).put("core-id", p.core()).put("thread-id", 0);
        if (p.node() >= 0) {
            o.put("node-id", p.node());
        }
        return o;
    }

    private ArrayNode statuses() {
        List<PluggedCpus.Place> places = cpus.places();
        ArrayNode all = Json.array();
        cpus.reports().forEach(r -> all.add(status(places.get(r.cpu()), r)));
        return all;
    }

    private static ObjectNode status(PluggedCpus.Place place, CpuHotplug.Report r) {
        ObjectNode o = Json.object();
        if (place.id() != null) {
            o.put("device", place.id());
        }
        o.put("slot", Integer.toString(r.cpu())).put("slot-type", "CPU");
        return o.put("source", Integer.toUnsignedLong(r.event())).put("status", Integer.toUnsignedLong(r.status()));
    }

    // ---- device_add and device_del ----

    /** Whether a driver is a CPU's. */
    static boolean isDriver(String driver) {
        return driver.endsWith(PluggedCpus.DRIVER_SUFFIX);
    }

    /** Whether an id is taken by a vCPU. */
    boolean has(String id) {
        return cpus.has(id);
    }

    /** Plugs one. */
    void add(Arguments a) throws QmpException, PlugException {
        String driver = a.string("driver");
        if (!driver.equals(cpus.driver())) {
            throw new QmpException("'%s' is not the model of this VM's vCPUs, which is '%s'"
                    .formatted(driver.replaceAll("\\p{Cntrl}", "?"), cpus.driver()));
        }
        int socket = (int) a.integer("socket-id", 0, cpus.places().size() - 1);
        a.integer("core-id", 0, 0);
        a.integer("thread-id", 0, 0);
        if (a.has("node-id")) {
            int node = cpus.places().get(socket).node();
            a.integer("node-id", node, node);
        }
        cpus.add(a.string("id"), socket);
    }

    /**
     * Asks for one.
     *
     * @param id its id, or its path in QEMU's tree of objects
     * @return false if there is none
     */
    boolean remove(String id) throws PlugException {
        PluggedCpus.Place p = cpus.find(id);
        if (p == null) {
            return false;
        }
        cpus.remove(p);
        return true;
    }
}
