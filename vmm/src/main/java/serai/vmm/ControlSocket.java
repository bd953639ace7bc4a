package serai.vmm;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.vmm.net.Nics;
import serai.vmm.plug.BalloonDevice;
import serai.vmm.plug.MemoryDevice;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PluggedCpus;
import serai.vmm.qmp.BalloonCommands;
import serai.vmm.qmp.CommandTable;
import serai.vmm.qmp.Commands;
import serai.vmm.qmp.CpuCommands;
import serai.vmm.qmp.DeviceCommands;
import serai.vmm.qmp.Json;
import serai.vmm.qmp.MediumCommands;
import serai.vmm.qmp.MemoryCommands;
import serai.vmm.qmp.NetCommands;
import serai.vmm.qmp.QmpServer;
import tools.jackson.databind.node.ObjectNode;

/** Puts the control socket of a VM together: its commands, and who tells its events. */
final class ControlSocket {
    private ControlSocket() {}

    static QmpServer open(
            Path path,
            Control control,
            Machine machine,
            Peripherals peripherals,
            PluggedCpus cpus,
            @Nullable MemoryDevice memory,
            @Nullable BalloonDevice balloon,
            Nics nics)
            throws VmmException {
        CommandTable table = new CommandTable();
        QmpServer server;
        try {
            server = QmpServer.listen(path, table, version());
        } catch (IOException e) {
            throw new VmmException(
                    VmmException.HOST, "the control socket " + path + " can't be had: " + Reasons.of(e), e);
        }
        Commands.addAll(table, control, server, machine, peripherals, cpus, memory, balloon);
        new NetCommands(nics).addTo(table);
        if (memory != null) {
            memory.onSizeChanged(
                    new Throttle(size -> server.tell("MEMORY_DEVICE_SIZE_CHANGE", MemoryCommands.sizeChanged(size))));
        }
        if (balloon != null) {
            balloon.onChanged(new Throttle(left -> server.tell("BALLOON_CHANGE", BalloonCommands.changed(left))));
        }
        control.events(server);
        peripherals.onDeleted(id -> server.tell("DEVICE_DELETED", DeviceCommands.deleted(id)));
        peripherals
                .drives()
                .onMoved((id, open) -> server.tell("DEVICE_TRAY_MOVED", MediumCommands.trayMoved(id, open)));
        peripherals
                .nodes()
                .exports()
                .onDeleted(
                        id -> server.tell("BLOCK_EXPORT_DELETED", Json.object().put("id", id)));
        cpus.listener(CpuCommands.telling(server));
        server.serve();
        return server;
    }

    /** QMP has no name for a version but QEMU's own. */
    private static ObjectNode version() {
        ObjectNode v = Json.object();
        v.putObject("qemu").put("major", 0).put("minor", 1).put("micro", 0);
        return v.put("package", "Serai");
    }
}
