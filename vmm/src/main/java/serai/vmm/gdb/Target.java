package serai.vmm.gdb;

import org.jspecify.annotations.Nullable;
import serai.machine.engine.Vcpu;
import serai.machine.memory.GuestMemory;

/** The machine that a debugger looks at, as the stub needs it: all of it stands still while the stub asks. */
public interface Target {
    /** How many vCPUs there can be; each is a thread of the debugger's, numbered from 1, while it is {@link #present}. */
    int cpus();

    /** Whether a vCPU is in the machine. */
    boolean present(int index);

    /** The vCPU of an index from 0. */
    Vcpu vcpu(int index);

    /** Its memory. */
    GuestMemory memory();

    /** Whether it can go back in time. */
    boolean reversible();

    /**
     * The debugger is about to change registers or memory.
     *
     * @throws IllegalStateException with one sentence if it may not
     */
    void changing();

    /** Does a command of the debugger's {@code monitor} and gives what it prints; null if there is no such command. */
    @Nullable
    String monitor(String command);
}
