package serai.vmm.qmp;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import serai.machine.pci.PciInfo;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PlugException;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Hot-plug: {@code device_add}, {@code device_del}, also of vCPUs, {@code query-pci}; the event {@code DEVICE_DELETED} is told by whoever wires it. */
public final class DeviceCommands {
    private final Peripherals devices;
    private final CpuCommands cpus;
    private final Supplier<List<PciInfo>> pci;

    /**
     * Of a VM.
     *
     * @param cpus what is plugged in other ways than on PCI
     * @param pci what is on its bus
     */
    public DeviceCommands(Peripherals devices, CpuCommands cpus, Supplier<List<PciInfo>> pci) {
        this.devices = devices;
        this.cpus = cpus;
        this.pci = pci;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        List<String> properties = new ArrayList<>(List.of("drive", "bus", "addr"));
        properties.addAll(CpuCommands.PROPERTIES);
        table.add("device_add", List.of("driver", "id"), properties, a -> {
            add(a);
            return Json.object();
        });
        // QEMU has no way to pull a device that a guest does not give back, hence the x-
        table.add("device_del", List.of("id"), List.of("x-force"), a -> {
            // as with QEMU, by its path in the object tree, too
            String id = a.string("id").replaceFirst("^/machine/peripheral/", "");
            try {
                if (cpus.remove(id)) {
                    return Json.object();
                }
                devices.remove(id, a.bool("x-force", false));
            } catch (PlugException e) {
                throw refused(e);
            }
            return Json.object();
        });
        table.add("query-pci", a -> queryPci());
    }

    /** The event's data of a device that has gone. */
    public static ObjectNode deleted(String id) {
        return Json.object().put("device", id).put("path", "/machine/peripheral/" + id);
    }

    private static QmpException refused(PlugException e) {
        return new QmpException(
                e.notFound() ? QmpException.ErrorClass.DEVICE_NOT_FOUND : QmpException.ErrorClass.GENERIC_ERROR,
                String.valueOf(e.getMessage()));
    }

    /** One at a time, so that no id is given twice. */
    private synchronized void add(Arguments a) throws QmpException {
        String id = a.string("id");
        boolean cpu = CpuCommands.isDriver(a.string("driver"));
        if (cpus.has(id) || cpu && devices.list().stream().anyMatch(p -> p.id().equals(id))) {
            throw new QmpException("Duplicate device ID '" + id + "'");
        }
        if (cpu) {
            only(a, CpuCommands.PROPERTIES);
            try {
                cpus.add(a);
            } catch (PlugException e) {
                throw refused(e);
            }
            return;
        }
        only(a, List.of("drive", "bus", "addr"));
        String bus = a.optionalString("bus");
        if (bus != null && !bus.equals("pci.0") && !bus.equals("pcie.0")) {
            throw new QmpException("Bus '" + bus + "' not found");
        }
        try {
            devices.add(a.string("driver"), id, slot(a.optionalString("addr")), a.optionalString("drive"));
        } catch (PlugException e) {
            throw refused(e);
        }
    }

    /** Refuses properties that other drivers have. */
    private static void only(Arguments a, List<String> properties) throws QmpException {
        for (String n : a.names()) {
            if (!n.equals("driver") && !n.equals("id") && !properties.contains(n)) {
                throw new QmpException("Property '%s.%s' not found".formatted(a.string("driver"), n));
            }
        }
    }

    /** A slot in hexadecimal, with or without 0x and a function of 0. */
    private static int slot(@org.jspecify.annotations.Nullable String addr) throws QmpException {
        if (addr == null) {
            return -1;
        }
        if (!addr.matches("(0x)?[0-9a-fA-F]{1,2}(\\.0)?")) {
            throw new QmpException("Property 'addr' doesn't take value '" + addr + "': it is a slot, such as 0x10");
        }
        return Integer.parseInt(addr.replaceFirst("^0x", "").replaceFirst("\\.0$", ""), 16);
    }

    private ArrayNode queryPci() {
        List<Peripherals.Peripheral> known = devices.list();
        ArrayNode buses = Json.array();
        ArrayNode on = buses.addObject().put("bus", 0).putArray("devices");
        for (PciInfo i : pci.get()) {
            ObjectNode o = on.addObject();
            o.put("bus", 0).put("slot", i.slot()).put("function", 0);
            o.putObject("class_info").put("class", i.classCode() >>> 8).put("desc", i.name());
            o.putObject("id")
                    .put("vendor", i.vendor())
                    .put("device", i.device())
                    .put("subsystem-vendor", i.subVendor())
                    .put("subsystem", i.subDevice());
            if (i.pin() != 0) {
                o.put("irq", i.irq());
            }
            o.put("irq_pin", i.pin());
            o.put(
                    "qdev_id",
                    known.stream()
                            .filter(p -> p.slot() == i.slot())
                            .map(Peripherals.Peripheral::id)
                            .findFirst()
                            .orElse(""));
            ArrayNode regions = o.putArray("regions");
            for (PciInfo.Region r : i.regions()) {
                ObjectNode region = regions.addObject();
                region.put("bar", r.bar()).put("type", r.io() ? "io" : "memory");
                region.put("address", r.address()).put("size", r.size());
                if (!r.io()) {
                    region.put("prefetch", false).put("mem_type_64", r.wide());
                }
            }
        }
        return buses;
    }
}
