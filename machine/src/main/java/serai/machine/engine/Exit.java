package serai.machine.engine;

/** Why {@link Vcpu#run} came back. */
public enum Exit {
    /** The budget of instructions is used up. */
    BUDGET,
    /** {@link Vcpu#kick} was called, or the machine's attention is needed: run due timers, look at requests. */
    KICKED,
    /** HLT (or MWAIT) with no deliverable interrupt; call run again once {@link VcpuHost#interrupts} has one. */
    HALTED,
    /** HLT with interrupts off: only an NMI, INIT or a reset leads out of it; call run again once {@link VcpuHost#interrupts} has one. */
    HALTED_FOR_EVER,
    /** Triple fault or shutdown. */
    SHUTDOWN,
    /** A breakpoint of the debugger was reached; its instruction has not run, and does not before {@link Vcpu#passBreakpoint}. */
    BREAKPOINT,
    /** A watchpoint of the debugger was hit, which {@link Vcpu#watchpointHit} tells; the instruction is complete. */
    WATCHPOINT,
    /** The engine can't go on; {@link Vcpu#failure} says why. */
    FAILED
}
