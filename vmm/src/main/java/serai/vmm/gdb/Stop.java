package serai.vmm.gdb;

import org.jspecify.annotations.Nullable;
import serai.machine.engine.Watchpoint;

/**
 * Why the machine stands still.
 *
 * @param cpu index of the vCPU that it is about
 * @param signal one of the constants here
 * @param cause what the debugger may want to know beyond the signal
 * @param watchpoint what was hit, with {@link Cause#WATCHPOINT}
 */
public record Stop(
        int cpu, int signal, Cause cause, @Nullable Watchpoint watchpoint) {
    /** Nothing has happened: those that run wait for those that are held. */
    public static final int NONE = 0;
    /** Ctrl-C of the debugger. */
    public static final int SIGINT = 2;
    /** A breakpoint or a step. */
    public static final int SIGTRAP = 5;
    /** The guest has shut down (triple fault). */
    public static final int SIGSEGV = 11;

    /** What brought it to a stand. */
    public enum Cause {
        /** A step, Ctrl-C, the guest's end. */
        OTHER,
        /** A breakpoint. */
        BREAKPOINT,
        /** A watchpoint. */
        WATCHPOINT,
        /** Going back, the first moment that is remembered. */
        HISTORY_BEGINS
    }

    /** For no cause but the signal. */
    public static Stop signal(int cpu, int signal) {
        return new Stop(cpu, signal, Cause.OTHER, null);
    }

    /** At a breakpoint. */
    public static Stop breakpoint(int cpu) {
        return new Stop(cpu, SIGTRAP, Cause.BREAKPOINT, null);
    }

    /** At a watchpoint. */
    public static Stop watchpoint(int cpu, Watchpoint w) {
        return new Stop(cpu, SIGTRAP, Cause.WATCHPOINT, w);
    }

    /** Where history begins. */
    public static Stop historyBegins(int cpu) {
        return new Stop(cpu, SIGTRAP, Cause.HISTORY_BEGINS, null);
    }
}
