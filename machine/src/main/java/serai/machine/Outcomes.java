package serai.machine;

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

    private Outcomes() {}
}
