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
 * Memory: {@code query-memory-devices}, {@code query-memory-size-summary}, and the properties of the memory device. The event {@code MEMORY_DEVICE_SIZE_CHANGE} is told by whoever wires it.
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
    }

    /** The device, if there is one, with its properties. */
    List<QomObject> objects() {
        MemoryDevice d = device;
        return d == null ? List.of() : List.of(new Properties(d));
    }

    private record Properties(MemoryDevice device) implements QomObject {
        @Override
        public String id() {
            return MemoryDevice.ID;
        }

        @Override
        public JsonNode get(String property) throws QmpException {
            return property(device, property);
        }

        @Override
        public void set(String property, Arguments a) throws QmpException {
            if (!property.equals(REQUESTED)) {
                JsonNode unused = property(device, property); // whether there is one at all
                throw new QmpException("Property 'virtio-mem-pci." + property + "' is not writable");
            }
            try {
                device.request(a.size("value"));
            } catch (PlugException e) {
                throw new QmpException(String.valueOf(e.getMessage()));
            }
        }
    }

    /** The event's data. */
    public static ObjectNode sizeChanged(long size) {
        return Json.object().put("id", MemoryDevice.ID).put("size", size).put("qom-path", PATH);
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
