package serai.machine;

/** Why {@link Machine#run} came back. */
public sealed interface Outcome {
    /** The guest has entered S5. */
    record PowerOff() implements Outcome {}

    /** The guest has entered S4: as S5, but it has saved itself to a disk before. */
    record Hibernated() implements Outcome {}

    /** The guest has entered S3, its devices are off: {@link Machine#run} again to wait for what wakes it. */
    record Suspended() implements Outcome {}

    /** What has slept in S3 is awake: {@link Machine#run} again to run it. */
    record Woken() implements Outcome {}

    /** The guest asks for a reset: {@link Machine#reset}, load the kernel anew, run again; or end. */
    record Reset() implements Outcome {}

    /**
     * The guest has written the debug-exit port.
     *
     * @param status {@code (value << 1) | 1}
     */
    record DebugExit(int status) implements Outcome {}

    /**
     * A triple fault.
     *
     * @param cpu index of its vCPU
     */
    record TripleFault(int cpu) implements Outcome {}

    /**
     * All vCPUs are halted with interrupts off, or were never started.
     *
     * @param cpu index of the first that has halted
     */
    record HaltedForEver(int cpu) implements Outcome {}

    /** The deterministic run waits for an interrupt that nothing will ever raise. */
    record NothingToWaitFor() implements Outcome {}

    /**
     * The engine can't go on.
     *
     * @param why one sentence
     * @param cpu index of the vCPU
     */
    record Failed(String why, int cpu) implements Outcome {}

    /** {@link Machine#stop} was called, or the count of instructions given to run is reached. */
    record Stopped() implements Outcome {}

    /**
     * A breakpoint or watchpoint of the debugger.
     *
     * @param cpu index of the vCPU that reached it
     */
    record Breakpoint(int cpu) implements Outcome {}
}
