package serai.vmm.qmp;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Of {@code qom-set} and {@code qom-get} what concerns the devices that have properties to look at. */
final class QomCommands {
    private static final String PERIPHERAL = "/machine/peripheral/";

    private final Map<String, QomObject> objects = new TreeMap<>();

    QomCommands(List<QomObject> all) {
        all.forEach(o -> objects.put(o.id(), o));
    }

    /** Puts them into the table. */
    void addTo(CommandTable table) {
        table.add("qom-set", List.of("path", "property", "value"), List.of(), a -> {
            at(a.string("path")).set(a.string("property"), a);
            return Json.object();
        });
        table.add("qom-get", List.of("path", "property"), List.of(), a -> at(a.string("path"))
                .get(a.string("property")));
    }

    /** By its path or its id alone. */
    private QomObject at(String path) throws QmpException {
        QomObject o = objects.get(path.startsWith(PERIPHERAL) ? path.substring(PERIPHERAL.length()) : path);
        if (o == null) {
            throw new QmpException(QmpException.ErrorClass.DEVICE_NOT_FOUND, "Device '" + path + "' not found");
        }
        return o;
    }
}
