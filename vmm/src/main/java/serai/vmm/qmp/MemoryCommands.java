package serai.vmm.qmp;

import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.vmm.plug.MemoryDevice;
import serai.vmm.plug.PlugException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.LongNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Memory: {@code query-memory-devices}, {@code query-memory-size-summary}, and of {@code qom-set} and {@code qom-get} what concerns the memory
 * device. The event {@code MEMORY_DEVICE_SIZE_CHANGE} is told by whoever wires it.
 */
public final class MemoryCommands {
    private static final String PATH = "/machine/peripheral/" + MemoryDevice.ID;
    private static final String REQUESTED = "requested-size";

    private final long base;
    private final @Nullable MemoryDevice device;

    /**
     * Of a VM.
     *
     * @param base bytes of RAM that are always there
     * @param device what can be plugged beside them, or null
     */
    public MemoryCommands(long base, @Nullable MemoryDevice device) {
        this.base = base;
        this.device = device;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        table.add("query-memory-devices", a -> devices());
        table.add("query-memory-size-summary", a -> Json.object()
                .put("base-memory", base)
                .put("plugged-memory", device == null ? 0 : device.info().plugged()));
        table.add("qom-set", List.of("path", "property", "value"), List.of(), a -> {
            MemoryDevice d = at(a.string("path"));
            if (!a.string("property").equals(REQUESTED)) {
                property(d, a.string("property")); // whether there is one at all
                throw new QmpException("Property 'virtio-mem-pci." + a.string("property") + "' is not writable");
            }
            try {
                d.request(a.size("value"));
            } catch (PlugException e) {
                throw new QmpException(String.valueOf(e.getMessage()));
            }
            return Json.object();
        });
        table.add(
                "qom-get",
                List.of("path", "property"),
                List.of(),
                a -> property(at(a.string("path")), a.string("property")));
    }

    /** The event's data. */
    public static ObjectNode sizeChanged(long size) {
        return Json.object().put("id", MemoryDevice.ID).put("size", size).put("qom-path", PATH);
    }

    private MemoryDevice at(String path) throws QmpException {
        MemoryDevice d = device;
        if (d == null || !path.equals(PATH) && !path.equals(MemoryDevice.ID)) {
            throw new QmpException(QmpException.ErrorClass.DEVICE_NOT_FOUND, "Device '" + path + "' not found");
        }
        return d;
    }

    private static JsonNode property(MemoryDevice device, String name) throws QmpException {
        MemoryDevice.Info i = device.info();
        return LongNode.valueOf(
                switch (name) {
                    case REQUESTED -> i.requested();
                    case "size" -> i.plugged();
                    case "block-size" -> i.block();
                    case "memaddr" -> i.address();
                    case "node" -> i.node();
                    default -> throw new QmpException("Property 'virtio-mem-pci." + name + "' not found");
                });
    }

    private ArrayNode devices() {
        ArrayNode all = Json.array();
        if (device != null) {
            MemoryDevice.Info i = device.info();
            all.addObject()
                    .put("type", "virtio-mem")
                    .putObject("data")
                    .put("id", MemoryDevice.ID)
                    .put("memaddr", i.address())
                    .put("requested-size", i.requested())
                    .put("size", i.plugged())
                    .put("max-size", i.max())
                    .put("block-size", i.block())
                    .put("node", i.node())
                    .put("memdev", "/objects/mem" + MemoryDevice.ID);
        }
        return all;
    }
}
