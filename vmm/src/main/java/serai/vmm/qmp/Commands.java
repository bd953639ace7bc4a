package serai.vmm.qmp;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.Machine;
import serai.vmm.plug.BalloonDevice;
import serai.vmm.plug.MemoryDevice;
import serai.vmm.plug.Peripherals;
import serai.vmm.plug.PluggedCpus;

/** Which groups of commands a VM has. */
public final class Commands {
    private Commands() {}

    /**
     * Puts all of them into the table.
     *
     * @param events where commands that are events themselves tell so
     * @param memory what can be plugged, or null
     * @param balloon the memory balloon, or null
     */
    public static void addAll(
            CommandTable table,
            RunControl vm,
            Events events,
            Machine machine,
            Peripherals devices,
            PluggedCpus cpus,
            @Nullable MemoryDevice memory,
            @Nullable BalloonDevice balloon) {
        new StatusCommands(vm).addTo(table);
        new PowerCommands(vm, events).addTo(table);
        new BlockCommands(devices.nodes(), devices.sizes(), devices.drives()).addTo(table);
        new MediumCommands(devices.drives()).addTo(table);
        CpuCommands cpuCommands = new CpuCommands(vm, cpus);
        cpuCommands.addTo(table);
        new DeviceCommands(devices, cpuCommands, machine::pciFunctions).addTo(table);
        MemoryCommands memoryCommands = new MemoryCommands(machine.memory().ramSize(), memory);
        memoryCommands.addTo(table);
        BalloonCommands balloonCommands = new BalloonCommands(balloon);
        balloonCommands.addTo(table);
        List<QomObject> objects = new ArrayList<>(memoryCommands.objects());
        objects.addAll(balloonCommands.objects());
        new QomCommands(objects).addTo(table);
    }
}
