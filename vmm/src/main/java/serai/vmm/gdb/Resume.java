package serai.vmm.gdb;

import serai.machine.Schedule;

/** What the debugger wants the machine to do. */
public sealed interface Resume {
    /** Run on. */
    record Forward(Schedule schedule) implements Resume {}

    /**
     * Go back by one instruction of a vCPU.
     *
     * @param cpu its index
     */
    record StepBack(int cpu) implements Resume {}

    /**
     * Go back to the last break- or watchpoint.
     *
     * @param cpu index of the vCPU that the debugger looks at
     */
    record RunBack(int cpu) implements Resume {}

    /** The debugger has left; run on without it. */
    record Detached() implements Resume {}

    /** End the VM. */
    record Kill() implements Resume {}
}
