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
    private static final long MISC_ENABLE_RESET = 1; // fast strings
    /** What a CPU of this model is not vulnerable to: RDCL, MDS, TAA and their like; SKIP_L1DFL_VMENTRY. */
    private static final long ARCH_CAPABILITIES = 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 8 | 7 << 13 | 1 << 24;

    private static final int FEATURE_OSXSAVE = 1 << 27;

    private final Cpu c;
    private long pat = PAT_RESET;
    private long miscEnable = MISC_ENABLE_RESET;
    private long tscAux;
    private long tscOffset;

    CpuControl(Cpu c) {
        this.c = c;
    }

    void reset() {
        pat = PAT_RESET;
        miscEnable = MISC_ENABLE_RESET;
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
        c.dr[4] = 0xffff0ff0L;
        c.dr[5] = 0x400;
        Arrays.fill(c.dr, 0, 4, 0);
    }

    /** INIT (SDM vol. 3, table 10-1): as reset, but caches, MSRs and the FPU stay; an AP then waits for a SIPI. */
    void init() {
        long[] keep = c.vec.clone();
        c.reset();
        System.arraycopy(keep, 0, c.vec, 0, keep.length);
        c.waitForSipi = c.host.index() != 0;
    }

    // ---- control registers ----

    void writeCr0(long v) {
        v = v & 0xe005003fL | CR0_ET;
        if ((v & (CR0_PG & 0xffffffffL)) != 0 && (v & CR0_PE) == 0 || (v & CR0_NW) != 0 && (v & CR0_CD) == 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        long changed = c.cr0 ^ v;
        boolean paging = (v & (CR0_PG & 0xffffffffL)) != 0;
        if ((changed & (CR0_PG & 0xffffffffL)) != 0) {
            if (paging && (c.efer & EFER_LME) != 0) {
                if ((c.cr4 & CR4_PAE) == 0 || (c.attributes[CS] & Segment.L) != 0) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                c.efer |= EFER_LMA;
            } else if (!paging) {
                if (c.codeSize == 8) {
                    throw c.fault(CpuSegments.GP, 0);
                }
                c.efer &= ~EFER_LMA;
            }
        }
        c.cr0 = (int) v;
        if ((changed & (CR0_PG & 0xffffffffL | CR0_WP | CR0_PE)) != 0) {
            c.flushTlb();
        }
        c.modeChanged();
    }

    void writeCr3(long v) {
        if ((v & 0xffffff0000000000L & ~(1L << 63)) != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        c.cr3 = c.longMode() ? v : v & 0xffffffffL;
        c.flushTlb();
    }

    void writeCr4(long v) {
        long known = CR4_VME
                | CR4_PVI
                | CR4_TSD
                | CR4_DE
                | CR4_PSE
                | CR4_PAE
                | CR4_MCE
                | CR4_PGE
                | CR4_PCE
                | CR4_OSFXSR
                | CR4_OSXMMEXCPT
                | (c.features.contains(CpuFeature.FSGSBASE) ? CR4_FSGSBASE : 0);
        if ((v & ~known) != 0 || c.longMode() && (v & CR4_PAE) == 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
        long changed = c.cr4 ^ v;
        c.cr4 = v;
        if ((changed & (CR4_PSE | CR4_PAE | CR4_PGE)) != 0) {
            c.flushTlb();
        }
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

    private int debugRegister(int n) {
        if (n == 4 || n == 5) {
            if ((c.cr4 & CR4_DE) != 0) {
                throw c.fault(CpuSegments.UD, 0);
            }
            return n;
        }
        return n > 5 ? n - 2 : n;
    }

    long readDr(int n) {
        return c.dr[debugRegister(n)];
    }

    void writeDr(int n, long v) {
        int i = debugRegister(n);
        if (i >= 4) {
            if (v >>> 32 != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            c.dr[i] = i == 4 ? v & 0xe00f | 0xffff0ff0L : v & 0xffff2bffL | 0x400;
            c.checkInterrupts(); // breakpoints are looked at between blocks
        } else {
            c.dr[i] = v;
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
        return switch (index) {
            case Msr.TSC -> tsc();
            case Msr.TSC_ADJUST -> tscOffset;
            case Msr.BIOS_SIGN_ID, Msr.MCG_CAP, 0x17a -> 0;
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
        switch (index) {
            case Msr.TSC -> tscOffset = v - c.host.tsc();
            case Msr.TSC_ADJUST -> tscOffset = v;
            case Msr.BIOS_SIGN_ID -> {}
            case Msr.MISC_ENABLE -> miscEnable = v;
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
            case Msr.TSC_AUX -> tscAux = v & 0xffffffffL;
            default -> throw c.fault(CpuSegments.GP, 0);
        }
    }

    // ---- CPUID ----

    void cpuid() {
        int leaf = (int) c.r[RAX];
        CpuModel.Leaf l = c.host.model().cpuid(leaf, (int) c.r[RCX], c.host.index());
        int ecx = l.ecx();
        if (leaf == 1 && (c.cr4 & CR4_OSXSAVE) != 0) {
            ecx |= FEATURE_OSXSAVE;
        }
        c.r[RAX] = l.eax() & 0xffffffffL;
        c.r[RBX] = l.ebx() & 0xffffffffL;
        c.r[RCX] = ecx & 0xffffffffL;
        c.r[RDX] = l.edx() & 0xffffffffL;
    }

    // ---- state ----

    CpuState save(long icount) {
        Segment[] segments = new Segment[8];
        for (int s = 0; s < 8; s++) {
            segments[s] = new Segment(c.selector[s], c.base[s], c.limit[s], c.attributes[s]);
        }
        int[] saved = Msr.saved();
        long[] msrs = new long[saved.length * 2];
        int n = 0;
        for (int index : saved) {
            long v =
                    switch (index) {
                        case Msr.MTRR_DEF_TYPE -> 0;
                        default -> readMsr(index);
                    };
            msrs[n++] = index & 0xffffffffL;
            msrs[n++] = v;
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
                c.dr.clone(),
                1,
                XsaveImage.save(c),
                msrs,
                tscOffset,
                new byte[0],
                new CpuState.Events(
                        activity,
                        false,
                        0,
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
        System.arraycopy(s.gpr(), 0, c.r, 0, 16);
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
            if (index != Msr.EFER && index != Msr.MTRR_DEF_TYPE) {
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
        if (e.exceptionPending()) {
            c.faultVector = e.exceptionVector();
            c.faultError = e.exceptionHasError() ? e.exceptionError() : -1;
            c.deliverFault();
        }
    }
}
