package serai.machine;

import java.util.function.LongSupplier;
import serai.machine.acpi.Numa;
import serai.machine.engine.CpuModel;
import serai.machine.time.Clock;
import serai.machine.uart.SerialBackend;

/**
 * What a machine is made with, beside its memory and its engine.
 *
 * @param cpus vCPUs at the start, 1 to {@link Layout#MAX_CPUS}
 * @param maxCpus how many there can be; more than {@code cpus} makes a machine that vCPUs are plugged into while it runs. The model has
 *     to tell of a package for each of them then: that is what is plugged
 * @param model what CPUID tells
 * @param clock the guest's time; with a {@link serai.machine.time.VirtualClock} the machine is deterministic
 * @param random values of RDRAND; seeded in deterministic mode
 * @param serial where COM1's output goes
 * @param debugConsole where port 0xe9's output goes
 * @param numa the NUMA nodes that the guest is told of
 * @param hpet whether it has high precision event timers
 * @param debugExitPort the port whose value ends the VM, or -1 for none
 */
public record MachineConfig(
        int cpus,
        int maxCpus,
        CpuModel model,
        Clock clock,
        LongSupplier random,
        SerialBackend serial,
        SerialBackend debugConsole,
        Numa numa,
        boolean hpet,
        int debugExitPort) {
    /** @throws IllegalArgumentException if there are more vCPUs at the start than there can be */
    public MachineConfig {
        if (maxCpus < cpus) {
            throw new IllegalArgumentException(cpus + " vCPUs of at most " + maxCpus);
        }
    }

    /** Whether vCPUs come and go while the machine runs. */
    public boolean cpusPluggable() {
        return maxCpus > cpus;
    }
}
