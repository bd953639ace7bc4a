package serai.cpu;

import static serai.cpu.CpuRegisters.*;

import java.util.Arrays;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuModel;
import serai.machine.engine.CpuState;
import serai.machine.engine.GeneralProtection;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;

/** Control registers, MSRs, CPUID, and the architectural state in and out. */
final class CpuControl {
    private static final long PAT_RESET = 0x0007040600070406L;
    /** Fast strings. */
    private static final long MISC_ENABLE_WRITABLE = 1;
    /** Read-only: no branch trace store, no precise event-based sampling. */
    private static final long MISC_ENABLE_FIXED = 1 << 11 | 1 << 12;

    private static final long MISC_ENABLE_RESET = MISC_ENABLE_WRITABLE | MISC_ENABLE_FIXED;
    /** DEBUGCTL: single steps trap after branches alone (SDM vol. 3, 18.4.3). */
    private static final long BTF = 2;
    /** What a CPU of this model is not vulnerable to: RDCL, MDS, TAA and their like; SKIP_L1DFL_VMENTRY. */
    private static final long ARCH_CAPABILITIES = 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 8 | 7 << 13 | 1 << 24;

    private static final long PG = CR0_PG & 0xffffffffL;
    /** MOV to CR3 with CR4.PCIDE: translations of the new PCID may be kept. */
    private static final long KEEP_TRANSLATIONS = 1L << 63;

    private static final int FEATURE_OSXSAVE = 1 << 27;
    private static final int XSAVE_LEAF = 0xd;

    private final Cpu c;
    private long pat = PAT_RESET;
    private long miscEnable = MISC_ENABLE_RESET;
    private final Mtrrs mtrrs = new Mtrrs();
    private long debugCtl;
    private long tscAux;
    private long tscOffset;

    CpuControl(Cpu c) {
        this.c = c;
    }

    void reset() {
        pat = PAT_RESET;
        miscEnable = MISC_ENABLE_RESET;
        mtrrs.reset();
        tscAux = 0;
        tscOffset = 0;
        c.star = 0;
        c.lstar = 0;
        c.cstar = 0;
        c.fmask = 0;
        c.kernelGsBase = 0;
        c.sysenterCs = 0;
        c.sysenterEsp = 0;
        c.sysenterEip = 0;
    }

    /** Debug registers: an INIT resets them, and no MSR but DEBUGCTL. */
    void init() {
        debugCtl = 0;
        c.dr[4] = CpuDebug.DR6_RESET & 0xffffffffL;
        c.dr[5] = 0x400;
        Arrays.fill(c.dr, 0, 4, 0);
    }

    // ---- control registers ----

    void writeCr0(long v) {
        v = v & 0xe005003fL | CR0_ET;
        boolean paging = (v & PG) != 0;
        if (paging && (v & CR0_PE) == 0 || (v & CR0_NW) != 0 && (v & CR0_CD) == 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        long changed = c.cr0 ^ v;
        int efer = c.efer;
        if ((changed & PG) != 0) {
            if (paging && (efer & EFER_LME) != 0) {
                if ((c.cr4 & CR4_PAE) == 0 || (c.attributes[CS] & Segment.L) != 0 || (c.attributes[TR] & 15) <= 3) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                efer |= EFER_LMA;
            } else if (!paging) {
                if (c.codeSize == 8 || (c.cr4 & CR4_PCIDE) != 0) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                efer &= ~EFER_LMA;
            }
        }
        if (paging && (changed & (PG | CR0_CD | CR0_NW)) != 0 && (c.cr4 & CR4_PAE) != 0 && (efer & EFER_LMA) == 0) {
            c.loadPdptes(c.cr3);
        }
        c.efer = efer;
        c.cr0 = (int) v;
        if ((changed & (PG | CR0_WP | CR0_PE)) != 0) {
            c.flushTlb();
        }
        c.modeChanged();
    }

    private void writeCr3(long v) {
        if (!c.longMode()) {
            loadCr3(v & 0xffffffffL);
            return;
        }
        boolean pcid = (c.cr4 & CR4_PCIDE) != 0;
        long kept = pcid ? v & ~KEEP_TRANSLATIONS : v;
        if (kept >>> CpuPaging.PHYSICAL_BITS != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        c.cr3 = kept;
        c.flushTlbKeepGlobal();
    }

    /** CR3 outside long mode, by MOV or a task switch; with PAE #GP if a PDPTE has a reserved bit set (SDM vol. 3, 4.4.1). */
    void loadCr3(long v) {
        if (pae()) {
            c.loadPdptes(v);
        }
        c.cr3 = v;
        c.flushTlbKeepGlobal();
    }

    private boolean pae() {
        return (c.cr0 & PG) != 0 && (c.cr4 & CR4_PAE) != 0 && !c.longMode();
    }

    private long knownCr4() {
        long known = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
        known |= c.features.contains(CpuFeature.VME) ? CR4_VME | CR4_PVI : 0;
        known |= c.features.contains(CpuFeature.FSGSBASE) ? CR4_FSGSBASE : 0;
        known |= c.features.contains(CpuFeature.XSAVE) ? CR4_OSXSAVE : 0;
        known |= c.features.contains(CpuFeature.PCID) ? CR4_PCIDE : 0;
        known |= c.features.contains(CpuFeature.SMEP) ? CR4_SMEP : 0;
        known |= c.features.contains(CpuFeature.SMAP) ? CR4_SMAP : 0;
        return known | (c.features.contains(CpuFeature.UMIP) ? CR4_UMIP : 0);
    }

    void writeCr4(long v) {
        if ((v & ~knownCr4()) != 0 || c.longMode() && (v & CR4_PAE) == 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        long changed = c.cr4 ^ v;
        if ((changed & v & CR4_PCIDE) != 0 && (!c.longMode() || (c.cr3 & 0xfff) != 0)) {
            throw c.fault(CpuSegments.GP, 0);
        }
        if ((c.cr0 & PG) != 0
                && !c.longMode()
                && (v & CR4_PAE) != 0
                && (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) != 0) {
            c.loadPdptes(c.cr3);
        }
        c.cr4 = v;
        if ((changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP)) != 0) {
            c.flushTlb();
        }
        c.selectTlb();
        if ((changed & CR4_DE) != 0) {
            c.debug().changed();
        }
    }

    /**
     * INVPCID (SDM vol. 2). Translations are kept without their PCID, and all of them but those of global pages, which
     * belong to every PCID, go when CR3 is written; so there is only the present PCID's to throw out.
     */
    void invalidatePcid(long type, long low, long linear) {
        if (type > 3 || type < 0 || low >>> 12 != 0 || (cannotName(low) && type < 2)) {
            throw c.fault(CpuSegments.GP, 0);
        }
        if (type != 0) {
            c.flushTlb();
            return;
        }
        c.canonical(linear);
        if ((c.cr3 & 0xfff) == (low & 0xfff) || (c.cr4 & CR4_PCIDE) == 0) {
            c.flushPage(linear);
        }
    }

    /** Without CR4.PCIDE there is only PCID 0. */
    private boolean cannotName(long pcid) {
        return (c.cr4 & CR4_PCIDE) == 0 && (pcid & 0xfff) != 0;
    }

    /** Whether a single step traps: with DEBUGCTL.BTF only after a branch. */
    boolean stepTraps(boolean branched) {
        return branched || (debugCtl & BTF) == 0;
    }

    /** A debug exception is delivered. */
    void debugException() {
        debugCtl &= ~BTF;
    }

    long readCr(int n) {
        return switch (n) {
            case 0 -> c.cr0 & 0xffffffffL;
            case 2 -> c.cr2;
            case 3 -> c.cr3;
            case 4 -> c.cr4;
            default -> c.host.interrupts().taskPriority();
        };
    }

    void writeCr(int n, long v) {
        switch (n) {
            case 0 -> {
                if (v >>> 32 != 0) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                writeCr0(v);
            }
            case 2 -> c.cr2 = v;
            case 3 -> writeCr3(v);
            case 4 -> writeCr4(v);
            default -> {
                if ((v & ~15) != 0) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                c.host.interrupts().taskPriority((int) v);
                c.checkInterrupts();
            }
        }
    }

    // ---- time ----

    long tsc() {
        return c.host.tsc() + tscOffset;
    }

    long tscAux() {
        return tscAux;
    }

    // ---- MSRs ----

    long readMsr(int index) {
        if (c.isTransferMsr(index)) {
            return c.readTransferMsr(index);
        }
        if (c.host.ownsMsr(index)) {
            try {
                // the machine's deadline knows nothing of this vCPU's offset
                long v = c.host.readMsr(index);
                return index == Msr.TSC_DEADLINE && v != 0 ? v + tscOffset : v;
            } catch (GeneralProtection e) {
                throw c.fault(CpuSegments.GP, 0);
            }
        }
        if (Mtrrs.owns(index)) {
            return mtrrs.read(index);
        }
        return switch (index) {
            case Msr.TSC -> tsc();
            case Msr.DEBUGCTL -> debugCtl;
            case Msr.TSC_ADJUST -> tscOffset;
            case Msr.PLATFORM_ID, Msr.BIOS_SIGN_ID, Msr.MCG_CAP, 0x17a -> 0;
            case Msr.ARCH_CAPABILITIES -> ARCH_CAPABILITIES;
            case Msr.MISC_ENABLE -> miscEnable;
            case Msr.PAT -> pat;
            case Msr.EFER -> c.efer;
            case Msr.FS_BASE -> c.base[FS];
            case Msr.GS_BASE -> c.base[GS];
            case Msr.TSC_AUX -> tscAux;
            default -> throw c.fault(CpuSegments.GP, 0);
        };
    }

    void writeMsr(int index, long v) {
        if (c.isTransferMsr(index)) {
            c.writeTransferMsr(index, v);
            return;
        }
        if (c.host.ownsMsr(index)) {
            try {
                c.host.writeMsr(index, index == Msr.TSC_DEADLINE && v != 0 ? v - tscOffset : v);
            } catch (GeneralProtection e) {
                throw c.fault(CpuSegments.GP, 0);
            }
            c.checkInterrupts();
            return;
        }
        if (Mtrrs.owns(index)) {
            if (!mtrrs.write(index, v)) {
                throw c.fault(CpuSegments.GP, 0);
            }
            return;
        }
        switch (index) {
            case Msr.DEBUGCTL -> {
                if ((v & ~BTF) != 0) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                debugCtl = v;
            }
            case Msr.TSC -> tscOffset = v - c.host.tsc();
            case Msr.TSC_ADJUST -> tscOffset = v;
            case Msr.BIOS_SIGN_ID -> {}
            case Msr.MISC_ENABLE -> {
                if (((v ^ miscEnable) & ~MISC_ENABLE_WRITABLE & ~MISC_ENABLE_FIXED) != 0) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                miscEnable = v & MISC_ENABLE_WRITABLE | MISC_ENABLE_FIXED;
            }
            case Msr.PAT -> {
                for (int i = 0; i < 64; i += 8) {
                    long type = v >>> i & 0xff;
                    if (type > 7 || type == 2 || type == 3) {
                        throw c.fault(CpuSegments.GP, 0);
                    }
                }
                pat = v;
            }
            case Msr.EFER -> {
                int known = EFER_SCE | EFER_LME | EFER_NXE | EFER_LMA;
                if ((v & ~(long) known) != 0 || (c.cr0 & CR0_PG & 0xffffffffL) != 0 && ((v ^ c.efer) & EFER_LME) != 0) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                c.efer = (int) v & ~EFER_LMA | c.efer & EFER_LMA;
                c.flushTlb();
            }
            case Msr.FS_BASE -> c.base[FS] = c.canonical(v);
            case Msr.GS_BASE -> c.base[GS] = c.canonical(v);
            case Msr.TSC_AUX -> {
                if (v >>> 32 != 0) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                tscAux = v;
            }
            default -> throw c.fault(CpuSegments.GP, 0);
        }
    }

    // ---- CPUID ----

    void cpuid() {
        int leaf = (int) c.r[RAX];
        CpuModel.Leaf l = c.host.model().cpuid(leaf, (int) c.r[RCX], c.host.index());
        int ebx = l.ebx();
        int ecx = l.ecx();
        if (leaf == 1 && (c.cr4 & CR4_OSXSAVE) != 0) {
            ecx |= FEATURE_OSXSAVE;
        } else if (leaf == XSAVE_LEAF && c.features.contains(CpuFeature.XSAVE)) {
            // sub-leaf 1 tells of the compacted format, of the same size here
            int subleaf = (int) c.r[RCX];
            boolean size = subleaf == 0 || subleaf == 1 && c.features.contains(CpuFeature.XSAVEC);
            ebx = size ? XsaveNodes.areaSize(c.xcr0) : ebx;
        }
        c.r[RAX] = l.eax() & 0xffffffffL;
        c.r[RBX] = ebx & 0xffffffffL;
        c.r[RCX] = ecx & 0xffffffffL;
        c.r[RDX] = l.edx() & 0xffffffffL;
    }

    // ---- state ----

    CpuState save(long icount) {
        c.expireRf();
        Segment[] segments = new Segment[8];
        for (int s = 0; s < 8; s++) {
            segments[s] = new Segment(c.selector[s], c.base[s], c.limit[s], c.attributes[s]);
        }
        int[] saved = Msr.saved();
        long[] msrs = new long[saved.length * 2];
        int n = 0;
        for (int index : saved) {
            msrs[n++] = index & 0xffffffffL;
            msrs[n++] = readMsr(index);
        }
        CpuState.Activity activity = c.shutdown
                ? CpuState.Activity.SHUTDOWN
                : c.waitForSipi
                        ? CpuState.Activity.WAIT_FOR_SIPI
                        : c.halted ? CpuState.Activity.HALTED : CpuState.Activity.RUNNING;
        return new CpuState(
                CpuState.VERSION,
                Arrays.copyOf(c.r, 16),
                c.rip,
                c.flags(),
                segments,
                c.gdtBase,
                c.gdtLimit,
                c.idtBase,
                c.idtLimit,
                new long[] {
                    c.cr0 & 0xffffffffL,
                    c.cr2,
                    c.cr3,
                    c.cr4,
                    c.host.interrupts().taskPriority()
                },
                c.debug().saved(),
                c.xcr0,
                XsaveImage.save(c),
                msrs,
                tscOffset,
                new byte[0],
                new CpuState.Events(
                        activity,
                        c.debug().pending(),
                        CpuEvents.DB,
                        false,
                        0,
                        false,
                        0,
                        false,
                        false,
                        c.nmiMasked,
                        c.stiShadow,
                        c.movSsShadow,
                        false,
                        false),
                0x30000,
                icount);
    }

    /**
     * Takes over a state.
     *
     * @throws IllegalArgumentException if the version is not known or an array has the wrong length
     */
    void restore(CpuState s) {
        if (s.version() != CpuState.VERSION
                || s.gpr().length != 16
                || s.segments().length != 8
                || s.cr().length != 5
                || s.dr().length != 6) {
            throw new IllegalArgumentException("not a CPU state of version " + CpuState.VERSION);
        }
        if (!XsaveNodes.valid(c, s.xcr0())) {
            throw new IllegalArgumentException("XCR0 is %#x, which this CPU model can't have".formatted(s.xcr0()));
        }
        System.arraycopy(s.gpr(), 0, c.r, 0, 16);
        c.xcr0 = s.xcr0();
        c.cr0 = (int) s.cr()[0];
        c.cr2 = s.cr()[1];
        c.cr3 = s.cr()[2];
        c.cr4 = s.cr()[3];
        c.efer = (int) s.msr(Msr.EFER, 0);
        c.flagsRest = (int) s.rflags() & ~ARITHMETIC | 2;
        c.arithmeticFlags(s.rflags());
        for (int i = 0; i < 8; i++) {
            Segment g = s.segments()[i];
            c.selector[i] = g.selector();
            c.base[i] = g.base();
            c.limit[i] = g.limit();
            c.attributes[i] = g.attributes();
        }
        c.cpl = c.attributes[SS] >>> 5 & 3;
        c.gdtBase = s.gdtBase();
        c.gdtLimit = s.gdtLimit();
        c.idtBase = s.idtBase();
        c.idtLimit = s.idtLimit();
        System.arraycopy(s.dr(), 0, c.dr, 0, 6);
        XsaveImage.restore(c, s.xsave());
        for (int i = 0; i < s.msrs().length; i += 2) {
            int index = (int) s.msrs()[i];
            if (index != Msr.EFER) {
                writeMsr(index, s.msrs()[i + 1]);
            }
        }
        tscOffset = s.tscOffset();
        c.rip = s.rip();
        CpuState.Events e = s.events();
        c.halted = e.activity() == CpuState.Activity.HALTED;
        c.shutdown = e.activity() == CpuState.Activity.SHUTDOWN;
        c.waitForSipi = e.activity() == CpuState.Activity.WAIT_FOR_SIPI;
        c.nmiMasked = e.nmiMasked();
        c.stiShadow = e.stiShadow();
        c.movSsShadow = e.movSsShadow();
        c.instructions(s.instructions());
        c.host.interrupts().taskPriority((int) s.cr()[4]);
        c.modeChanged();
        c.rfAt = c.completed();
        c.debug().drop();
        if ((c.cr0 & PG) != 0 && (c.cr4 & CR4_PAE) != 0 && !c.longMode()) {
            c.readPdptes(c.cr3);
        }
        if (e.exceptionPending() && e.exceptionVector() == CpuEvents.DB) {
            c.debug().restorePending();
        } else if (e.exceptionPending()) {
            c.faultVector = e.exceptionVector();
            c.faultError = e.exceptionHasError() ? e.exceptionError() : -1;
            c.deliverFault();
        }
    }
}
