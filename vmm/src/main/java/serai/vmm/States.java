package serai.vmm;

import serai.machine.engine.CpuState;

/** Small changes to a CPU's state. */
final class States {
    private States() {}

    /** The same with another count of instructions: a reboot does not turn the clock back. */
    static CpuState withInstructions(CpuState s, long instructions) {
        return new CpuState(
                s.version(),
                s.gpr(),
                s.rip(),
                s.rflags(),
                s.segments(),
                s.gdtBase(),
                s.gdtLimit(),
                s.idtBase(),
                s.idtLimit(),
                s.cr(),
                s.dr(),
                s.xcr0(),
                s.xsave(),
                s.msrs(),
                s.tscOffset(),
                s.apic(),
                s.events(),
                s.smbase(),
                instructions);
    }
}
