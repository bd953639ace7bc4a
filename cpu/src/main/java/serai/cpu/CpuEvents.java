package serai.cpu;

import serai.machine.engine.Segment;
import serai.machine.engine.VcpuHost;

/** Exceptions and interrupts (SDM vol. 3, chapter 7), and the return from them. */
abstract class CpuEvents extends CpuSegments {
    /** No error code is pushed. */
    private static final int NO_ERROR = -1;

    static final int DE = 0, DB = 1, NMI = 2, BP = 3, OF_VECTOR = 4, BR = 5, MF = 16, AC_VECTOR = 17, XM = 19;

    /** The fault that {@link CpuException#FAULT} stands for. */
    int faultVector;

    int faultError;
    boolean shutdown;
    /** NMIs are blocked until IRET. */
    boolean nmiMasked;
    /** Interrupts are blocked for the next instruction (STI). */
    boolean stiShadow;
    /** Interrupts and debug traps are blocked for the next instruction (MOV SS, POP SS). */
    boolean movSsShadow;

    long exceptions;
    long interrupts;

    CpuEvents(VcpuHost host) {
        super(host);
    }

    /** Interrupts may have become deliverable (IF, shadow, TPR): look before the next block. */
    abstract void checkInterrupts();

    @Override
    @SuppressWarnings("DoNotCallSuggester")
    final CpuException fault(int vector, int error) {
        faultVector = vector;
        faultError = pushesError(vector) ? error : NO_ERROR;
        throw CpuException.FAULT;
    }

    private static boolean pushesError(int vector) {
        return switch (vector) {
            case DF_VECTOR, TS, NP, SS_VECTOR, GP, PF_VECTOR, AC_VECTOR -> true;
            default -> false;
        };
    }

    // ---- delivery ----

    /** Delivers the fault in {@link #faultVector}; double and triple faults as they come (SDM vol. 3, table 7-5). */
    final void deliverFault() {
        exceptions++;
        int vector = faultVector;
        int error = faultError;
        while (true) {
            try {
                // a fault sets RF in the pushed image, so that an instruction breakpoint does not fire again
                deliver(vector, error, false, vector != DF_VECTOR && vector != DB ? RF : 0);
                return;
            } catch (CpuException e) {
                if (vector == DF_VECTOR) {
                    shutdown = true;
                    return;
                }
                if (contributory(vector) && contributory(faultVector)
                        || vector == PF_VECTOR && (contributory(faultVector) || faultVector == PF_VECTOR)) {
                    vector = DF_VECTOR;
                    error = 0;
                } else {
                    vector = faultVector;
                    error = faultError;
                }
            }
        }
    }

    private static boolean contributory(int vector) {
        return vector == DE || vector >= TS && vector <= GP;
    }

    /** Delivers an interrupt or trap whose return address is {@link #rip}; a fault on the way is delivered instead. */
    final void deliverEvent(int vector) {
        try {
            deliver(vector, NO_ERROR, false, 0);
        } catch (CpuException e) {
            deliverFault();
        }
    }

    /** INT n, INT3, INTO: checks the gate's privilege; faults are the instruction's own. */
    final void softInterrupt(int vector) {
        if (vm86() && (flagsRest & IOPL) != IOPL && vector != BP) {
            throw fault(GP, 0);
        }
        deliver(vector, NO_ERROR, true, 0);
    }

    private void deliver(int vector, int error, boolean soft, int rf) {
        boolean wasAlone = alone;
        alone = true; // no block goes on after this
        try {
            if (!protectedMode()) {
                deliverReal(vector);
            } else if (longMode()) {
                deliverLong(vector, error, soft, rf);
            } else {
                deliverProtected(vector, error, soft, rf);
            }
        } finally {
            alone = wasAlone;
        }
        stiShadow = false;
        movSsShadow = false;
    }

    private void deliverReal(int vector) {
        if (vector * 4 + 3 > idtLimit) {
            throw fault(GP, 0);
        }
        long entry = loadSystem(idtBase + vector * 4, 4);
        long sp = r[RSP];
        // check all three pushes before the first
        checkWrite(linear(SS, sp - 2 & 0xffff, 2, true), 2);
        checkWrite(linear(SS, sp - 6 & 0xffff, 2, true), 2);
        push(flags() & 0xffff, 2);
        push(selector[CS], 2);
        push(rip & 0xffff, 2);
        flagsRest &= ~(IF | TF | AC | RF);
        setParagraph(CS, (int) (entry >>> 16) & 0xffff);
        rip = entry & 0xffff;
        modeChanged();
    }

    private void deliverLong(int vector, int error, boolean soft, int rf) {
        int ext = soft ? 0 : 1;
        if (vector * 16 + 15 > idtLimit) {
            throw fault(GP, vector * 8 + 2 + ext);
        }
        long low = loadSystem(idtBase + vector * 16, 8);
        long high = loadSystem(idtBase + vector * 16 + 8, 8);
        int type = (int) (low >>> 40) & 0x1f;
        if (type != 14 && type != 15) {
            throw fault(GP, vector * 8 + 2 + ext);
        }
        if (soft && cpl > ((int) (low >>> 45) & 3)) {
            throw fault(GP, vector * 8 + 2);
        }
        if ((low & 1L << 47) == 0) {
            throw fault(NP, vector * 8 + 2 + ext);
        }
        int sel = (int) (low >>> 16) & 0xffff;
        long target = low & 0xffff | low >>> 32 & 0xffff0000L | high << 32;
        if ((sel & 0xfffc) == 0) {
            throw fault(GP, ext);
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        int dpl = a >>> 5 & 3;
        if ((a & Segment.S) == 0 || (a & 8) == 0 || dpl > cpl || (a & (Segment.L | Segment.DB)) != Segment.L) {
            throw fault(GP, (sel & 0xfffc) + ext);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, (sel & 0xfffc) + ext);
        }
        int newCpl = (a & 4) != 0 ? cpl : dpl;
        int ist = (int) (low >>> 32) & 7;
        long sp;
        if (ist != 0) {
            sp = taskStack(28 + ist * 8);
        } else if (newCpl != cpl) {
            sp = taskStack(4 + newCpl * 8);
        } else {
            sp = r[RSP];
        }
        sp &= ~15L;
        long flagsImage = flags() | rf;
        int bytes = error == NO_ERROR ? 40 : 48;
        long frame = sp - bytes;
        if (frame << 16 >> 16 != frame) {
            throw fault(SS_VECTOR, ext);
        }
        long oldSp = r[RSP];
        int oldSs = selector[SS];
        int oldCs = selector[CS];
        int savedCpl = cpl;
        cpl = newCpl;
        selectTlb();
        try {
            checkWrite(frame, 8);
            checkWrite(sp - 8, 8);
            long p = frame;
            if (error != NO_ERROR) {
                store64(p, error & 0xffffffffL);
                p += 8;
            }
            store64(p, rip);
            store64(p + 8, oldCs);
            store64(p + 16, flagsImage);
            store64(p + 24, oldSp);
            store64(p + 32, oldSs);
        } finally {
            cpl = savedCpl;
            selectTlb();
        }
        setAccessed(sel, d, GP);
        boolean inner = newCpl != savedCpl;
        setCs(sel, d, newCpl);
        if (inner) {
            setNullSs(newCpl);
        }
        r[RSP] = frame;
        stackSize = 8;
        rip = target;
        flagsRest &= ~(TF | VM | RF | NT | (type == 14 ? IF : 0));
        modeChanged();
    }

    /** A stack pointer from the 64-bit TSS. */
    private long taskStack(int offset) {
        if (offset + 7 > (limit[TR] & 0xffffffffL)) {
            throw fault(TS, selector[TR] & 0xfffc);
        }
        return loadSystem(base[TR] + offset, 8);
    }

    private void deliverProtected(int vector, int error, boolean soft, int rf) {
        int ext = soft ? 0 : 1;
        if (vector * 8 + 7 > idtLimit) {
            throw fault(GP, vector * 8 + 2 + ext);
        }
        long gate = loadSystem(idtBase + vector * 8, 8);
        int type = (int) (gate >>> 40) & 0x1f;
        if (type != 6 && type != 7 && type != 14 && type != 15) {
            // a task gate (5) too: hardware task switches are not there yet
            throw fault(GP, vector * 8 + 2 + ext);
        }
        if (soft && cpl > ((int) (gate >>> 45) & 3)) {
            throw fault(GP, vector * 8 + 2);
        }
        if ((gate & 1L << 47) == 0) {
            throw fault(NP, vector * 8 + 2 + ext);
        }
        int size = type >= 14 ? 4 : 2;
        int sel = (int) (gate >>> 16) & 0xffff;
        long target = gate & 0xffff | (size == 4 ? gate >>> 32 & 0xffff0000L : 0);
        if ((sel & 0xfffc) == 0) {
            throw fault(GP, ext);
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        int dpl = a >>> 5 & 3;
        if ((a & Segment.S) == 0 || (a & 8) == 0 || dpl > cpl) {
            throw fault(GP, (sel & 0xfffc) + ext);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, (sel & 0xfffc) + ext);
        }
        int newCpl = (a & 4) != 0 ? cpl : dpl;
        boolean fromVm86 = vm86();
        if (fromVm86 && newCpl != 0) {
            throw fault(GP, (sel & 0xfffc) + ext);
        }
        long flagsImage = flags() | rf;
        long oldSp = r[RSP];
        int[] old = selector.clone();
        int savedCpl = cpl;
        if (newCpl == cpl) {
            int words = error == NO_ERROR ? 3 : 4;
            checkWrite(stackAddress(oldSp - words * size, size, true), size);
            checkWrite(stackAddress(oldSp - size, size, true), size);
            push(flagsImage, size);
            push(old[CS], size);
            push(rip, size);
            if (error != NO_ERROR) {
                push(error & 0xffffffffL, size);
            }
        } else {
            boolean tss32 = (attributes[TR] & 8) != 0;
            int at = tss32 ? 4 + newCpl * 8 : 2 + newCpl * 4;
            if (at + (tss32 ? 5 : 3) > (limit[TR] & 0xffffffffL)) {
                throw fault(TS, (selector[TR] & 0xfffc) + ext);
            }
            long newSp = loadSystem(base[TR] + at, tss32 ? 4 : 2);
            int newSs = (int) loadSystem(base[TR] + at + (tss32 ? 4 : 2), 2);
            if ((newSs & 0xfffc) == 0) {
                throw fault(TS, ext);
            }
            long sd = descriptor(newSs, TS);
            int sa = descriptorAttributes(sd);
            if ((newSs & 3) != newCpl || (sa >>> 5 & 3) != newCpl || (sa & Segment.S) == 0 || (sa & 10) != 2) {
                throw fault(TS, (newSs & 0xfffc) + ext);
            }
            if ((sa & Segment.P) == 0) {
                throw fault(SS_VECTOR, (newSs & 0xfffc) + ext);
            }
            long ssBase = descriptorBase(sd);
            long mask = (sa & Segment.DB) != 0 ? 0xffffffffL : 0xffff;
            int words = (fromVm86 ? 9 : 5) + (error == NO_ERROR ? 0 : 1);
            int savedVm = flagsRest & VM;
            flagsRest &= ~VM;
            cpl = newCpl;
            selectTlb();
            long sp = newSp;
            try {
                checkWrite(ssBase + (sp - words * size & mask) & 0xffffffffL, size);
                checkWrite(ssBase + (sp - size & mask) & 0xffffffffL, size);
                long[] values = new long[words];
                int n = 0;
                if (fromVm86) {
                    values[n++] = old[GS];
                    values[n++] = old[FS];
                    values[n++] = old[DS];
                    values[n++] = old[ES];
                }
                values[n++] = old[SS];
                values[n++] = oldSp;
                values[n++] = flagsImage;
                values[n++] = old[CS];
                values[n++] = rip;
                if (error != NO_ERROR) {
                    values[n] = error & 0xffffffffL;
                }
                for (long v : values) {
                    sp = sp - size & mask;
                    store(ssBase + sp & 0xffffffffL, size, v);
                }
            } finally {
                cpl = savedCpl;
                flagsRest |= savedVm;
                selectTlb();
            }
            flagsRest &= ~VM;
            cpl = newCpl;
            selectTlb();
            setSegment(SS, newSs, sd);
            setStackPointer(sp);
            if (fromVm86) {
                for (int s : new int[] {GS, FS, DS, ES}) {
                    setSegment(s, 0, 0, 0, Segment.UNUSABLE);
                }
            }
        }
        setCs(sel, d, newCpl);
        rip = target;
        flagsRest &= ~(TF | VM | RF | NT | ((type & 1) == 0 ? IF : 0));
        modeChanged();
    }

    // ---- flags of POPF and IRET ----

    /** Writes the bits of {@code mask} in RFLAGS. */
    final void writeFlags(long value, long mask) {
        arithmeticFlags(value, mask & ARITHMETIC);
        long rest = mask & (TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID);
        flagsRest = (int) (flagsRest & ~rest | value & rest) | 2;
        checkInterrupts();
    }

    // ---- IRET ----

    final void iret(int size) {
        nmiMasked = false;
        if (!protectedMode()) {
            long newIp = peek(0, size);
            int newCs = (int) peek(size, size) & 0xffff;
            long f = peek(2 * size, size);
            setStackPointer(r[RSP] + 3 * size);
            setParagraph(CS, newCs);
            rip = size == 2 ? newIp & 0xffff : newIp & 0xffffffffL;
            writeFlags(f, size == 2 ? 0x7fd5 : 0x257fd5);
            modeChanged();
            return;
        }
        if (vm86()) {
            if ((flagsRest & IOPL) != IOPL) {
                throw fault(GP, 0);
            }
            long newIp = peek(0, size);
            int newCs = (int) peek(size, size) & 0xffff;
            long f = peek(2 * size, size);
            setStackPointer(r[RSP] + 3 * size);
            setParagraph(CS, newCs);
            rip = newIp & 0xffff;
            writeFlags(f, (size == 2 ? 0x7fd5 : 0x257fd5) & ~IOPL);
            modeChanged();
            return;
        }
        if ((flagsRest & NT) != 0) {
            // a return from a nested task: #GP in long mode; hardware task switches are not there yet
            throw fault(GP, 0);
        }
        long newIp = peek(0, size);
        int newCs = (int) peek(size, size) & 0xffff;
        long f = peek(2 * size, size);
        if (!longMode() && size == 4 && (f & VM) != 0 && cpl == 0) {
            returnToVm86(newIp, newCs, f);
            return;
        }
        if ((newCs & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        long d = descriptor(newCs, GP);
        int a = descriptorAttributes(d);
        int newCpl = newCs & 3;
        checkReturnCs(newCs, a);
        boolean outer = newCpl > cpl || codeSize == 8;
        long mask = ARITHMETIC | TF | DF | NT | (size == 2 ? 0 : RF | AC | ID);
        if (cpl <= (flagsRest >>> 12 & 3)) {
            mask |= IF;
        }
        if (cpl == 0) {
            mask |= IOPL | (size == 2 ? 0 : VIF | VIP);
        }
        boolean newLong64 = longMode() && (a & Segment.L) != 0;
        if (newLong64 ? newIp << 16 >> 16 != newIp : (newIp & 0xffffffffL) > (descriptorLimit(d) & 0xffffffffL)) {
            throw fault(GP, 0);
        }
        if (outer) {
            long newSp = peek(3 * size, size);
            int newSs = (int) peek(4 * size, size) & 0xffff;
            returnOuter(newCs, d, newCpl, newSs, newSp, newLong64);
        } else {
            setStackPointer(r[RSP] + 3 * size);
            setAccessed(newCs, d, GP);
            setCs(newCs, d, newCpl);
        }
        rip = newLong64 ? newIp : newIp & (size == 2 ? 0xffff : 0xffffffffL);
        writeFlags(f, mask);
        modeChanged();
    }

    /** The checks of CS on a far return or IRET. */
    final void checkReturnCs(int newCs, int a) {
        int rpl = newCs & 3;
        int dpl = a >>> 5 & 3;
        if ((a & Segment.S) == 0 || (a & 8) == 0 || rpl < cpl || ((a & 4) != 0 ? dpl > rpl : dpl != rpl)) {
            throw fault(GP, newCs & 0xfffc);
        }
        if (longMode() && (a & (Segment.L | Segment.DB)) == (Segment.L | Segment.DB)) {
            throw fault(GP, newCs & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, newCs & 0xfffc);
        }
    }

    /** The second half of a return that pops SS and the stack pointer too. */
    final void returnOuter(int newCs, long d, int newCpl, int newSs, long newSp, boolean newLong64) {
        long sd = 0;
        boolean nullSs = (newSs & 0xfffc) == 0;
        if (nullSs) {
            if (!newLong64 || newCpl == 3) {
                throw fault(GP, 0);
            }
        } else {
            sd = descriptor(newSs, GP);
            int sa = descriptorAttributes(sd);
            if ((newSs & 3) != newCpl || (sa >>> 5 & 3) != newCpl || (sa & Segment.S) == 0 || (sa & 10) != 2) {
                throw fault(GP, newSs & 0xfffc);
            }
            if ((sa & Segment.P) == 0) {
                throw fault(SS_VECTOR, newSs & 0xfffc);
            }
            setAccessed(newSs, sd, GP);
        }
        setAccessed(newCs, d, GP);
        boolean lower = newCpl > cpl;
        setCs(newCs, d, newCpl);
        if (nullSs) {
            setNullSs(newSs);
        } else {
            setSegment(SS, newSs, sd);
        }
        if (newLong64) {
            r[RSP] = newSp;
        } else {
            setStackPointer(newSp);
        }
        if (lower) {
            for (int s : new int[] {ES, DS, FS, GS}) {
                int sa = attributes[s];
                boolean dataOrNonConforming = (sa & 8) == 0 || (sa & 4) == 0;
                if ((selector[s] & 0xfffc) == 0) {
                    // the SDM's pseudocode has it for segments that are there; processors, Intel's and AMD's, take the
                    // RPL off a null selector, too (Linux's sigreturn selftest relies on it). FS and GS keep their base
                    selector[s] = 0;
                } else if ((sa & Segment.UNUSABLE) == 0 && dataOrNonConforming && (sa >>> 5 & 3) < newCpl) {
                    setSegment(s, 0, 0, 0, Segment.UNUSABLE);
                }
            }
        }
    }

    private void returnToVm86(long newIp, int newCs, long f) {
        long newSp = peek(12, 4);
        int[] sel = new int[6];
        sel[SS] = (int) peek(16, 4);
        sel[ES] = (int) peek(20, 4);
        sel[DS] = (int) peek(24, 4);
        sel[FS] = (int) peek(28, 4);
        sel[GS] = (int) peek(32, 4);
        sel[CS] = newCs;
        writeFlags(f, ARITHMETIC | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID);
        cpl = 3;
        selectTlb();
        for (int s = 0; s < 6; s++) {
            setParagraph(s, sel[s]);
        }
        r[RSP] = newSp & 0xffffffffL;
        rip = newIp & 0xffff;
        modeChanged();
    }
}
