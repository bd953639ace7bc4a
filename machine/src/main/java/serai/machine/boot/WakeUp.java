package serai.machine.boot;

import org.jspecify.annotations.Nullable;
import serai.machine.Layout;
import serai.machine.acpi.Facs;
import serai.machine.engine.CpuState;
import serai.machine.memory.GuestMemory;

/**
 * How the boot CPU starts when the machine wakes from S3: what a PC's firmware would hand over to the operating system (ACPI 6.5, 5.2.10 and
 * 16.3.3). There is no firmware here, so the CPU begins at the waking vector.
 */
public final class WakeUp {
    private static final long MIB = 1 << 20;
    /** The end of the addresses that 32-bit code reaches, and of those of the lower half in 4-level paging. */
    private static final long FLAT_END = 1L << 32, LONG_END = 1L << 47;

    private WakeUp() {}

    /** The state at the waking vector that the guest has left; null if it has left none that can be reached. */
    public static @Nullable CpuState cpu(GuestMemory memory) {
        Facs.WakingVector v = Facs.wakingVector(memory);
        long at = v.address();
        return switch (v.environment()) {
            case NONE -> null;
            // "CS = vector >> 4, IP = vector & 15"
            case REAL -> at < MIB ? InitialCpu.real((int) (at >>> 4), (int) at & 15) : null;
            case FLAT_32 -> at > 0 && at < FLAT_END ? InitialCpu.wake32(at) : null;
            case LONG_64 -> at > 0 && at < LONG_END ? InitialCpu.wake64(memory, at, Layout.WAKE_PAGE_TABLES) : null;
        };
    }
}
