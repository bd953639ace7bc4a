package serai.machine;

import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.boot.WakeUp;
import serai.machine.engine.CpuState;
import serai.machine.memory.GuestMemory;
import serai.machine.pci.PciBus;
import serai.machine.pm.PowerManagement;

/**
 * The machine's way into S3 and out of it (ACPI 6.5, 16.1.4 and 16.3). There is no firmware, so what a PC's does at waking is done here: the chipset
 * as after power-on, PCI addresses assigned as they were then, and the boot CPU at the waking vector. RAM is not touched.
 */
final class Suspension {
    private final PowerManagement pm;
    private final PciBus pci;
    private final GuestMemory memory;

    Suspension(PowerManagement pm, PciBus pci, GuestMemory memory) {
        this.pm = pm;
        this.pci = pci;
        this.memory = memory;
    }

    /** Whether the vCPUs are not to run: the guest has entered S3. With the machine lock held. */
    boolean sleeping() {
        return pm.sleeping();
    }

    /** Whether the devices are off already. With the machine lock held. */
    boolean asleep() {
        return pm.asleep();
    }

    /** Whether something has come that wakes the machine. With the machine lock held. */
    boolean wakes() {
        return pm.wakes();
    }

    /** No vCPU runs any more: the devices lose their power. With the machine lock held. */
    void fallAsleep(List<Device<?>> devices) {
        devices.forEach(Device::sleep);
        pm.fallenAsleep();
    }

    /** The power is back. With the machine lock held. The state of the boot CPU; null if the guest has left no vector to go to. */
    @Nullable
    CpuState wake() {
        pm.awake();
        pci.assignBars();
        return WakeUp.cpu(memory);
    }
}
