package serai.machine.engine;

/**
 * The architectural state of one vCPU between two instructions. Both engines read and write it; snapshots, migration
 * and the tests speak only in it.
 *
 * @param version {@link #VERSION}
 * @param gpr RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15
 * @param rip the instruction pointer
 * @param rflags with bit 1 set
 * @param segments ES, CS, SS, DS, FS, GS, LDTR, TR
 * @param gdtBase linear
 * @param gdtLimit 0 to 0xffff
 * @param idtBase linear
 * @param idtLimit 0 to 0xffff
 * @param cr CR0, CR2, CR3, CR4, CR8
 * @param dr DR0 to DR3, DR6, DR7
 * @param xcr0 the extended-state mask
 * @param xsave the extended state in the standard (not compacted) XSAVE format, {@link #XSAVE_SIZE} bytes: room up to
 *     AVX-512 and PKRU (SDM vol. 1, 13.4)
 * @param msrs index and value in pairs, ascending by index: those of {@link Msr#saved} that the engine keeps
 * @param tscOffset what RDTSC adds to {@link VcpuHost#tsc}
 * @param apic the local APIC's register page (4,096 bytes), kept by the machine; empty when the engine alone saves
 * @param events pending and blocked events
 * @param smbase the SMRAM base (SDM vol. 3, 32.11); 0x30000 after reset
 * @param instructions completed so far, or 0 if the engine can't count
 */
public record CpuState(
        int version,
        long[] gpr,
        long rip,
        long rflags,
        Segment[] segments,
        long gdtBase,
        int gdtLimit,
        long idtBase,
        int idtLimit,
        long[] cr,
        long[] dr,
        long xcr0,
        byte[] xsave,
        long[] msrs,
        long tscOffset,
        byte[] apic,
        Events events,
        int smbase,
        long instructions) {
    /** The version of this record's layout. */
    public static final int VERSION = 1;
    /** 576 legacy and header, AVX, MPX (reserved), opmask, ZMM_Hi256, Hi16_ZMM, PKRU: SDM vol. 1, 13.5. */
    public static final int XSAVE_SIZE = 2696;

    /** Index into {@link #segments}. */
    public static final int ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;

    /**
     * What is under way between two instructions.
     *
     * @param activity RUNNING, HALTED, WAIT_FOR_SIPI or SHUTDOWN
     * @param exceptionPending an exception has been raised and not delivered yet
     * @param exceptionVector 0 to 31
     * @param exceptionHasError whether it pushes an error code
     * @param exceptionError the error code
     * @param interruptInjected an external or software interrupt is half delivered
     * @param interruptVector its vector
     * @param interruptSoft whether it is a software one
     * @param nmiPending an NMI waits
     * @param nmiMasked NMIs are blocked until IRET
     * @param stiShadow interrupts are blocked for one instruction by STI
     * @param movSsShadow interrupts and debug traps are blocked for one instruction by MOV SS or POP SS
     * @param smm the CPU is in system-management mode
     * @param smiPending an SMI waits
     */
    public record Events(
            Activity activity,
            boolean exceptionPending,
            int exceptionVector,
            boolean exceptionHasError,
            int exceptionError,
            boolean interruptInjected,
            int interruptVector,
            boolean interruptSoft,
            boolean nmiPending,
            boolean nmiMasked,
            boolean stiShadow,
            boolean movSsShadow,
            boolean smm,
            boolean smiPending) {
        /** Nothing under way, running. */
        public static final Events NONE = new Events(
                Activity.RUNNING, false, 0, false, 0, false, 0, false, false, false, false, false, false, false);

        /** The same in another activity state. */
        public Events with(Activity newActivity) {
            return new Events(
                    newActivity,
                    exceptionPending,
                    exceptionVector,
                    exceptionHasError,
                    exceptionError,
                    interruptInjected,
                    interruptVector,
                    interruptSoft,
                    nmiPending,
                    nmiMasked,
                    stiShadow,
                    movSsShadow,
                    smm,
                    smiPending);
        }
    }

    /** What the CPU does. */
    public enum Activity {
        /** Executes. */
        RUNNING,
        /** HLT. */
        HALTED,
        /** An application processor after INIT. */
        WAIT_FOR_SIPI,
        /** After a triple fault. */
        SHUTDOWN
    }

    /** The same with the local APIC's page filled in. */
    public CpuState withApic(byte[] page) {
        return new CpuState(
                version,
                gpr,
                rip,
                rflags,
                segments,
                gdtBase,
                gdtLimit,
                idtBase,
                idtLimit,
                cr,
                dr,
                xcr0,
                xsave,
                msrs,
                tscOffset,
                page,
                events,
                smbase,
                instructions);
    }

    /** The same with another count of instructions: a reboot does not turn the clock back. */
    public CpuState withInstructions(long count) {
        return new CpuState(
                version, gpr, rip, rflags, segments, gdtBase, gdtLimit, idtBase, idtLimit, cr, dr, xcr0, xsave, msrs,
                tscOffset, apic, events, smbase, count);
    }

    /** The same where a CPU goes on: at {@code newRip} in code segment {@code cs}. */
    public CpuState withCode(Segment cs, long newRip) {
        Segment[] all = segments.clone();
        all[CS] = cs;
        return new CpuState(
                version,
                gpr,
                newRip,
                rflags,
                all,
                gdtBase,
                gdtLimit,
                idtBase,
                idtLimit,
                cr,
                dr,
                xcr0,
                xsave,
                msrs,
                tscOffset,
                apic,
                events,
                smbase,
                instructions);
    }

    /** The same in another activity state. */
    public CpuState with(Activity activity) {
        return new CpuState(
                version,
                gpr,
                rip,
                rflags,
                segments,
                gdtBase,
                gdtLimit,
                idtBase,
                idtLimit,
                cr,
                dr,
                xcr0,
                xsave,
                msrs,
                tscOffset,
                apic,
                events.with(activity),
                smbase,
                instructions);
    }

    /** The value of MSR {@code index}, or {@code otherwise} if it is not in {@link #msrs}. */
    public long msr(int index, long otherwise) {
        for (int i = 0; i < msrs.length; i += 2) {
            if (msrs[i] == (index & 0xffffffffL)) {
                return msrs[i + 1];
            }
        }
        return otherwise;
    }
}
