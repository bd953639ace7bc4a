package serai.machine;

import java.util.List;
import serai.machine.engine.CpuState;

/**
 * Everything of a machine but its RAM.
 *
 * @param version {@link #VERSION}
 * @param type name of the machine type
 * @param memory bytes of RAM
 * @param pluggable bytes that can be plugged beside it
 * @param clockNanos the guest clock
 * @param clockSkipped in deterministic mode: what the clock has skipped, else 0
 * @param turn in deterministic mode: which vCPU has the turn, else 0
 * @param turnLeft in deterministic mode: instructions left of it, else 0
 * @param cpus by index
 * @param devices in the machine's order
 */
public record MachineState(
        int version,
        String type,
        long memory,
        long pluggable,
        long clockNanos,
        long clockSkipped,
        int turn,
        long turnLeft,
        List<CpuState> cpus,
        List<DeviceState> devices) {
    /** The version of this record's layout. */
    public static final int VERSION = 3;

    /**
     * A device's state.
     *
     * @param name of the device
     * @param state its record, of the class that the device of this name has
     */
    public record DeviceState(String name, Record state) {}
}
