package serai.kvm;

import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;

/** What INIT and the start-up IPI make of a CPU. */
final class ResetState {
    private static final int DATA = Segment.P | Segment.S | 3;
    private static final int CODE = Segment.P | Segment.S | 11;
    private static final long CR0_CACHE_BITS = 3L << 29;
    private static final long CR0_ET = 1 << 4;

    private ResetState() {}

    /**
     * After INIT: as after reset, except that extended state, the other MSRs, the TSC and CR0's cache bits stay (SDM vol. 3,
     * 10.1.1, table 10-1).
     *
     * @param signature CPUID 1 EAX, found in EDX
     */
    static CpuState init(CpuState old, int signature, CpuState.Activity activity) {
        long[] gpr = new long[16];
        gpr[2] = signature & 0xffffffffL;
        Segment data = new Segment(0, 0, 0xffff, DATA);
        Segment[] segments = {
            data,
            new Segment(0xf000, 0xffff0000L, 0xffff, CODE),
            data,
            data,
            data,
            data,
            new Segment(0, 0, 0xffff, Segment.P | 2),
            new Segment(0, 0, 0xffff, Segment.P | 11)
        };
        long[] msrs = old.msrs().clone();
        for (int i = 0; i < msrs.length; i += 2) {
            if ((int) msrs[i] == Msr.EFER) {
                msrs[i + 1] = 0;
            }
        }
        return new CpuState(
                CpuState.VERSION,
                gpr,
                0xfff0,
                2,
                segments,
                0,
                0xffff,
                0,
                0xffff,
                new long[] {old.cr()[0] & CR0_CACHE_BITS | CR0_ET, 0, 0, 0, 0},
                new long[] {0, 0, 0, 0, 0xffff0ff0L, 0x400},
                old.xcr0(),
                old.xsave(),
                msrs,
                old.tscOffset(),
                old.apic(),
                CpuState.Events.NONE.with(activity),
                old.smbase(),
                old.instructions());
    }

    /** After a start-up IPI in the state that INIT left (SDM vol. 3, 10.4.3): at {@code vector} × 4,096, real mode. */
    static CpuState startup(CpuState s, int vector) {
        return s.withCode(new Segment(vector << 8, (long) vector << 12, 0xffff, CODE), 0)
                .with(CpuState.Activity.RUNNING);
    }

    static CpuState withTscOffset(CpuState s, long tscOffset) {
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
                tscOffset,
                s.apic(),
                s.events(),
                s.smbase(),
                s.instructions());
    }
}
