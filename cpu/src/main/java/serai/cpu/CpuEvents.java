package serai.cpu;

import serai.machine.engine.Segment;
import serai.machine.engine.VcpuHost;

/** Exceptions and interrupts (SDM vol. 3, chapter 7), and the return from them. */
abstract class CpuEvents extends CpuTasks {
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

    /** A debug exception has been delivered: DR7.GD and DEBUGCTL.BTF go. */
    abstract void debugException();

    /** The instruction in progress, or an event, has dealt with TF: no single-step trap behind it. */
    abstract void stepSettled();

    /** Clears RF if an instruction has been completed since it was set (SDM vol. 3, 18.3.1.1). */
    final void expireRf() {
        if ((flagsRest & RF) != 0 && completed() != rfAt) {
            flagsRest &= ~RF;
        }
    }

    @Override
    @SuppressWarnings("DoNotCallSuggester")
    final CpuException fault(int vector, int error) {
        faultVector = vector;
        boolean selectorError = vector >= TS && vector <= GP;
        faultError = pushesError(vector) ? error | (selectorError ? ext : 0) : NO_ERROR;
        throw CpuException.FAULT;
    }

    @Override
    final void pageFault(int error) {
        faultVector = PF_VECTOR;
        faultError = error;
    }

    static boolean pushesError(int vector) {
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
                deliver(vector, error, false, vector != DF_VECTOR ? RF : 0);
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

    /** INT n: in virtual-8086 mode by IOPL and, with CR4.VME, the redirection bitmap (SDM vol. 3, 21.3). */
    final void interruptInstruction(int vector) {
        if (vm86()) {
            boolean all = (flagsRest & IOPL) == IOPL;
            if ((cr4 & CR4_VME) != 0 && !redirectionBit(vector)) {
                redirect(vector, all);
                return;
            }
            if (!all) {
                throw fault(GP, 0);
            }
        }
        softInterrupt(vector);
    }

    /** INT n outside virtual-8086 mode, INT3, INTO: checks the gate's privilege; faults are the instruction's own. */
    final void softInterrupt(int vector) {
        deliver(vector, NO_ERROR, true, 0);
    }

    /** INT1: as an interrupt from outside, whose faults are the instruction's own. */
    final void debugInterrupt() {
        deliver(DB, NO_ERROR, false, 0);
    }

    /** The bit of an interrupt in the 32 bytes below the I/O permission bitmap. */
    private boolean redirectionBit(int vector) {
        if ((attributes[TR] & 8) == 0 || (limit[TR] & 0xffffffffL) < 0x67) {
            throw fault(GP, 0);
        }
        long at = loadSystem(base[TR] + 0x66, 2) - 32 + vector / 8;
        if (at < 0 || at > (limit[TR] & 0xffffffffL)) {
            throw fault(GP, 0);
        }
        return (loadSystem(base[TR] + at, 1) >>> (vector & 7) & 1) != 0;
    }

    /** An INT n of virtual-8086 mode that its own program handles. */
    private void redirect(int vector, boolean all) {
        long entry = loadSystem(vector * 4L, 4);
        long image = flags() & 0xffff;
        if (!all) {
            image = image & ~IF | IOPL | ((flagsRest & VIF) != 0 ? IF : 0);
        }
        checkWrite(stackAddress(r[RSP] - 6, 2, true), 2);
        push(image, 2);
        push(selector[CS], 2);
        push(rip, 2);
        flagsRest &= ~(TF | (all ? IF : VIF));
        stepSettled();
        setParagraph(CS, (int) (entry >>> 16) & 0xffff);
        rip = entry & 0xffff;
        modeChanged();
    }

    private void deliver(int vector, int error, boolean soft, int rf) {
        boolean wasAlone = alone;
        alone = true; // no block goes on after this
        ext = soft ? 0 : 1;
        if (soft) {
            flagsRest &= ~RF;
        } else {
            expireRf();
        }
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
            ext = 0;
        }
        stiShadow = false;
        movSsShadow = false;
        if (vector == DB) {
            debugException();
        }
        stepSettled();
    }

    private void deliverReal(int vector) {
        if (vector * 4 + 3 > idtLimit) {
            throw fault(GP, 0);
        }
        long entry = loadSystem(idtBase + vector * 4, 4);
        long sp = r[RSP];
        // check all three pushes before the first
        checkWrite(stackAddress(sp - 2, 2, true), 2);
        checkWrite(stackAddress(sp - 6, 2, true), 2);
        push(flags() & 0xffff, 2);
        push(selector[CS], 2);
        push(rip & 0xffff, 2);
        flagsRest &= ~(IF | TF | AC | RF);
        setParagraph(CS, (int) (entry >>> 16) & 0xffff);
        rip = entry & 0xffff;
        modeChanged();
    }

    private void deliverLong(int vector, int error, boolean soft, int rf) {
        if (vector * 16 + 15 > idtLimit) {
            throw fault(GP, vector * 8 + 2);
        }
        long low = loadSystem(idtBase + vector * 16, 8);
        long high = loadSystem(idtBase + vector * 16 + 8, 8);
        int type = (int) (low >>> 40) & 0x1f;
        if (type != 14 && type != 15 || (high >>> 40 & 0x1f) != 0) {
            throw fault(GP, vector * 8 + 2);
        }
        checkGate(low, vector, soft);
        int sel = (int) (low >>> 16) & 0xffff;
        long target = low & 0xffff | low >>> 32 & 0xffff0000L | high << 32;
        long d = gateCode(sel);
        int a = descriptorAttributes(d);
        int dpl = a >>> 5 & 3;
        if ((a & (Segment.L | Segment.DB)) != Segment.L) {
            throw fault(GP, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
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
            throw fault(SS_VECTOR, 0);
        }
        if (target << 16 >> 16 != target) {
            throw fault(GP, 0);
        }
        setAccessed(sel, d, GP);
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
            store64(p, returnAddress());
            store64(p + 8, oldCs);
            store64(p + 16, flagsImage);
            store64(p + 24, oldSp);
            store64(p + 32, oldSs);
        } finally {
            cpl = savedCpl;
            selectTlb();
        }
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

    private void checkGate(long gate, int vector, boolean soft) {
        if (soft && cpl > ((int) (gate >>> 45) & 3)) {
            throw fault(GP, vector * 8 + 2);
        }
        if ((gate & 1L << 47) == 0) {
            throw fault(NP, vector * 8 + 2);
        }
    }

    /** The code segment of an interrupt or trap gate. */
    private long gateCode(int sel) {
        if ((sel & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) == 0 || (a & 8) == 0 || (a >>> 5 & 3) > cpl) {
            throw fault(GP, sel & 0xfffc);
        }
        return d;
    }

    /** A stack pointer from the 64-bit TSS. */
    final long taskStack(int offset) {
        if (offset + 7 > (limit[TR] & 0xffffffffL)) {
            throw fault(TS, selector[TR] & 0xfffc);
        }
        return loadSystem(base[TR] + offset, 8);
    }

    private void deliverProtected(int vector, int error, boolean soft, int rf) {
        if (vector * 8 + 7 > idtLimit) {
            throw fault(GP, vector * 8 + 2);
        }
        long gate = loadSystem(idtBase + vector * 8, 8);
        int type = (int) (gate >>> 40) & 0x1f;
        if (type != 5 && type != 6 && type != 7 && type != 14 && type != 15) {
            throw fault(GP, vector * 8 + 2);
        }
        checkGate(gate, vector, soft);
        int sel = (int) (gate >>> 16) & 0xffff;
        if (type == 5) {
            switchTask(sel, Reason.EVENT, flags() | rf);
            if (error != NO_ERROR) {
                push(error & 0xffffffffL, (attributes[TR] & 8) != 0 ? 4 : 2);
            }
            return;
        }
        int size = type >= 14 ? 4 : 2;
        long target = gate & 0xffff | (size == 4 ? gate >>> 32 & 0xffff0000L : 0);
        long d = gateCode(sel);
        int a = descriptorAttributes(d);
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
        int newCpl = (a & 4) != 0 ? cpl : a >>> 5 & 3;
        boolean fromVm86 = vm86();
        if (fromVm86 && newCpl != 0) {
            throw fault(GP, sel & 0xfffc);
        }
        if (target > (descriptorLimit(d) & 0xffffffffL)) {
            throw fault(GP, 0);
        }
        long flagsImage = flags() | rf;
        setAccessed(sel, d, GP);
        if (newCpl == cpl) {
            int words = error == NO_ERROR ? 3 : 4;
            checkWrite(stackAddress(r[RSP] - words * size, size, true), size);
            checkWrite(stackAddress(r[RSP] - size, size, true), size);
            push(flagsImage, size);
            push(selector[CS], size);
            push(rip, size);
            if (error != NO_ERROR) {
                push(error & 0xffffffffL, size);
            }
        } else {
            long[] values = new long[(fromVm86 ? 9 : 5) + (error == NO_ERROR ? 0 : 1)];
            int n = 0;
            if (fromVm86) {
                values[n++] = selector[GS];
                values[n++] = selector[FS];
                values[n++] = selector[DS];
                values[n++] = selector[ES];
            }
            values[n++] = selector[SS];
            values[n++] = r[RSP];
            values[n++] = flagsImage;
            values[n++] = selector[CS];
            values[n++] = rip;
            if (error != NO_ERROR) {
                values[n] = error & 0xffffffffL;
            }
            enterInner(newCpl, size, values);
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

    @Override
    final void writeFlags(long value, long mask) {
        arithmeticFlags(value, mask & ARITHMETIC);
        long rest = mask & (TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID);
        flagsRest = (int) (flagsRest & ~rest | value & rest) | 2;
        if ((rest & RF) != 0) {
            rfAt = completed() + 1;
        }
        selectTlb();
        checkInterrupts();
    }

    // ---- IRET ----

    final void iret(int size) {
        nmiMasked = false;
        boolean virtual = vm86();
        boolean all = (flagsRest & IOPL) == IOPL;
        if (virtual && !all && ((cr4 & CR4_VME) == 0 || size != 2)) {
            throw fault(GP, 0);
        }
        if (paragraphs()) {
            long newIp = peek(0, size);
            int newCs = (int) peek(size, size) & 0xffff;
            long f = peek(2 * size, size);
            if (newIp > (limit[CS] & 0xffffffffL)) {
                throw fault(GP, 0);
            }
            long mask = size == 2 ? 0x7fd5 : 0x257fd5;
            if (virtual) {
                mask &= ~IOPL;
                if (!all) {
                    f = virtualIf(f);
                    mask = mask & ~IF | VIF;
                }
            }
            setStackPointer(r[RSP] + 3 * size);
            setParagraph(CS, newCs);
            rip = newIp;
            writeFlags(f, mask);
            modeChanged();
            return;
        }
        if ((flagsRest & NT) != 0) {
            // a return from a nested task
            if (longMode()) {
                throw fault(GP, 0);
            }
            switchTask((int) loadSystem(base[TR], 2), Reason.RETURN, flags());
            return;
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
        if (newLong64
                ? newIp << 16 >> 16 != newIp
                : Long.compareUnsigned(newIp, descriptorLimit(d) & 0xffffffffL) > 0) {
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

    /**
     * What POPF and IRET make of a 16-bit flags image in virtual-8086 mode with CR4.VME and IOPL below 3: IF is VIF's (SDM vol. 2, POPF).
     */
    final long virtualIf(long image) {
        if ((image & TF) != 0 || (image & IF) != 0 && (flagsRest & VIP) != 0) {
            throw fault(GP, 0);
        }
        return image & ~VIF | ((image & IF) != 0 ? VIF : 0);
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
            if (!newLong64 || newCpl == 3 || (newSs & 3) != newCpl) {
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
        if (newIp > 0xffff) {
            throw fault(GP, 0);
        }
        long newSp = peek(12, 4);
        int[] sel = new int[6];
        sel[SS] = (int) peek(16, 4);
        sel[ES] = (int) peek(20, 4);
        sel[DS] = (int) peek(24, 4);
        sel[FS] = (int) peek(28, 4);
        sel[GS] = (int) peek(32, 4);
        sel[CS] = newCs;
        writeFlags(f, ALL_FLAGS);
        cpl = 3;
        selectTlb();
        for (int s = 0; s < 6; s++) {
            setParagraph(s, sel[s]);
        }
        r[RSP] = newSp & 0xffffffffL;
        rip = newIp;
        modeChanged();
    }
}
