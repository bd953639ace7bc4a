package serai.machine;

import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.Exit;

/** What an exit of a vCPU means for the machine. */
final class Outcomes {
    /** For an exit that ends a run; for the others, that it was stopped. */
    static Outcome of(Exit exit, MachineCpu cpu) {
        return switch (exit) {
            case HALTED_FOR_EVER -> new Outcome.HaltedForEver(cpu.index());
            case SHUTDOWN -> new Outcome.TripleFault(cpu.index());
            case BREAKPOINT, WATCHPOINT -> new Outcome.Breakpoint(cpu.index());
            case FAILED -> new Outcome.Failed(cpu.vcpu().failure(), cpu.index());
            case BUDGET, KICKED, HALTED -> new Outcome.Stopped();
        };
    }

    /**
     * The end of a run in which no vCPU can go on, of which the first that has ever run is named; null while one can. With the machine lock
     * held.
     */
    static @Nullable Outcome allDead(List<MachineCpu> cpus) {
        if (!cpus.stream().allMatch(MachineCpu::dead)) {
            return null;
        }
        for (MachineCpu c : cpus) {
            if (c.haltedForEver) {
                return new Outcome.HaltedForEver(c.index());
            }
        }
        return new Outcome.HaltedForEver(0);
    }

    private Outcomes() {}
}
