package serai.vmm.qmp;

import java.util.List;
import serai.vmm.net.Nics;

/** The network interfaces: {@code set_link}. */
public final class NetCommands {
    private final Nics nics;

    /** Of a VM. */
    public NetCommands(Nics nics) {
        this.nics = nics;
    }

    /** Puts them into the table. */
    public void addTo(CommandTable table) {
        table.add("set_link", List.of("name", "up"), List.of(), a -> {
            String name = a.string("name");
            boolean up = a.bool("up", true);
            if (!nics.setLink(name, up)) {
                throw new QmpException(QmpException.ErrorClass.DEVICE_NOT_FOUND, "Device '" + name + "' not found");
            }
            return Json.object();
        });
    }
}
