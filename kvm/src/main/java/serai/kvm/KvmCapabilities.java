package serai.kvm;

import serai.linux.Fd;

/**
 * What this host's KVM offers beyond what the engine can't do without.
 *
 * @param tsc how the guest's TSC gets its frequency
 * @param hostTscKhz the host's TSC frequency as KVM tells it, in kHz; 0 if it doesn't
 * @param userMsrs MSRs that KVM does not know reach the machine (KVM_CAP_X86_USER_SPACE_MSR)
 * @param msrFilter MSRs that KVM knows can be given to the machine all the same (KVM_CAP_X86_MSR_FILTER)
 * @param readOnlyMemory ROM is mapped into the guest; else each load from it exits, and no code can run there
 * @param guestDebug breakpoints and single steps; breakpoints by single steps where debug registers have no effect
 * @param xcrs XCR0 can be read and set
 * @param tscOffset the TSC can be moved exactly; else by writing the MSR, late by the time that takes, or (a software
 *     flavour of KVM) not at all: a restored guest then sees the host's TSC, and a state saved says by how much it differs
 * @param xsaveSize bytes of the extended state as KVM gives it
 */
public record KvmCapabilities(
        Tsc tsc,
        int hostTscKhz,
        boolean userMsrs,
        boolean msrFilter,
        boolean readOnlyMemory,
        boolean guestDebug,
        boolean xcrs,
        boolean tscOffset,
        int xsaveSize) {
    /** How RDTSC in the guest runs. */
    public enum Tsc {
        /** At {@link serai.machine.engine.CpuModel#TSC_HZ}: the CPU scales it. */
        SCALED,
        /** At that frequency because it happens to be the host's own. */
        NATIVE,
        /**
         * At the host's frequency: the CPU can't scale. CPUID tells the guest the fixed frequency all the same (a guest
         * must not see which host it is on), so a guest that takes its time from the TSC runs its clock fast or slow by
         * hostTscKhz / 1,000,000. The other timers of the machine are right.
         */
        UNSCALED
    }

    static int check(Fd fd, int capability) {
        return Math.max(0, fd.ioctl(Kvm.CHECK_EXTENSION, capability));
    }
}
