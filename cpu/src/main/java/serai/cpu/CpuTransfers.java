package serai.cpu;

import serai.machine.engine.Msr;
import serai.machine.engine.Segment;
import serai.machine.engine.VcpuHost;

/** Far transfers and fast system calls: SDM vol. 2, JMP, CALL, RET, SYSCALL and their like. */
abstract class CpuTransfers extends CpuEvents {
    long sysenterCs;
    long sysenterEsp;
    long sysenterEip;
    long star;
    long lstar;
    long cstar;
    long fmask;
    long kernelGsBase;

    CpuTransfers(VcpuHost host) {
        super(host);
    }

    private void checkIp(long ip, long d, int a) {
        boolean long64 = longMode() && (a & Segment.L) != 0;
        if (long64 ? ip << 16 >> 16 != ip : (ip & 0xffffffffL) > (descriptorLimit(d) & 0xffffffffL)) {
            throw fault(GP, 0);
        }
    }

    /** JMP far. */
    final void jumpFar(int sel, long ip, int size) {
        if (paragraphs()) {
            setParagraph(CS, sel);
            rip = size == 2 ? ip & 0xffff : ip & 0xffffffffL;
            modeChanged();
            return;
        }
        if ((sel & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) == 0) {
            int type = a & 15;
            if (type != 12 && (type != 4 || longMode())) {
                // task gates and TSSs: hardware task switches are not there yet
                throw fault(GP, sel & 0xfffc);
            }
            checkGate(sel, a);
            long target = gateTarget(sel, d, type);
            int gateSel = (int) (d >>> 16) & 0xffff;
            long gd = gateCode(gateSel);
            int ga = descriptorAttributes(gd);
            if ((ga & 4) == 0 && (ga >>> 5 & 3) != cpl) {
                throw fault(GP, gateSel & 0xfffc);
            }
            setAccessed(gateSel, gd, GP);
            setCs(gateSel, gd, cpl);
            rip = target;
            modeChanged();
            return;
        }
        checkDirect(sel, a);
        checkIp(ip, d, a);
        setAccessed(sel, d, GP);
        setCs(sel, d, cpl);
        rip = size == 2 ? ip & 0xffff : codeSize == 8 ? ip : ip & 0xffffffffL;
        modeChanged();
    }

    /** The checks of a code segment named by a far JMP or CALL. */
    private void checkDirect(int sel, int a) {
        int dpl = a >>> 5 & 3;
        if ((a & 8) == 0
                || ((a & 4) != 0 ? dpl > cpl : dpl != cpl || (sel & 3) > cpl)
                || longMode() && (a & (Segment.L | Segment.DB)) == (Segment.L | Segment.DB)) {
            throw fault(GP, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
    }

    private void checkGate(int sel, int a) {
        int dpl = a >>> 5 & 3;
        if (dpl < cpl || (sel & 3) > dpl) {
            throw fault(GP, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
    }

    private long gateTarget(int sel, long d, int type) {
        long target = d & 0xffff | (type == 12 ? d >>> 32 & 0xffff0000L : 0);
        return longMode() ? target | loadSystem(descriptorAddress(sel, GP) + 8, 4) << 32 : target;
    }

    private long gateCode(int sel) {
        if ((sel & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) == 0
                || (a & 8) == 0
                || (a >>> 5 & 3) > cpl
                || longMode() && (a & (Segment.L | Segment.DB)) != Segment.L) {
            throw fault(GP, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
        return d;
    }

    /** CALL far; {@link #rip} is the return address. */
    final void callFar(int sel, long ip, int size) {
        if (paragraphs()) {
            checkWrite(stackAddress(r[RSP] - 2 * size, size, true), size);
            push(selector[CS], size);
            push(rip, size);
            setParagraph(CS, sel);
            rip = size == 2 ? ip & 0xffff : ip & 0xffffffffL;
            modeChanged();
            return;
        }
        if ((sel & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) == 0) {
            callGate(sel, d, a);
            return;
        }
        checkDirect(sel, a);
        checkIp(ip, d, a);
        checkWrite(stackAddress(r[RSP] - 2 * size, size, true), size);
        push(selector[CS], size);
        push(rip, size);
        setAccessed(sel, d, GP);
        setCs(sel, d, cpl);
        rip = size == 2 ? ip & 0xffff : codeSize == 8 ? ip : ip & 0xffffffffL;
        modeChanged();
    }

    private void callGate(int sel, long gate, int ga) {
        int type = ga & 15;
        if (type != 12 && (type != 4 || longMode())) {
            throw fault(GP, sel & 0xfffc);
        }
        checkGate(sel, ga);
        long target = gateTarget(sel, gate, type);
        int newCs = (int) (gate >>> 16) & 0xffff;
        long d = gateCode(newCs);
        int a = descriptorAttributes(d);
        int size = longMode() ? 8 : type == 12 ? 4 : 2;
        int dpl = a >>> 5 & 3;
        if ((a & 4) != 0 || dpl == cpl) {
            checkWrite(stackAddress(r[RSP] - 2 * size, size, true), size);
            push(selector[CS], size);
            push(rip, size);
            setAccessed(newCs, d, GP);
            setCs(newCs, d, cpl);
            rip = target;
            modeChanged();
            return;
        }
        int count = longMode() ? 0 : (int) (gate >>> 32) & 31;
        long[] parameters = new long[count];
        for (int i = 0; i < count; i++) {
            parameters[i] = peek(i * size, size);
        }
        long oldSp = r[RSP];
        int oldSs = selector[SS];
        int oldCs = selector[CS];
        long newSp;
        int newSs = dpl;
        long sd = 0;
        if (longMode()) {
            newSp = loadSystem(base[TR] + 4 + dpl * 8, 8);
        } else {
            boolean tss32 = (attributes[TR] & 8) != 0;
            int at = tss32 ? 4 + dpl * 8 : 2 + dpl * 4;
            if (at + (tss32 ? 5 : 3) > (limit[TR] & 0xffffffffL)) {
                throw fault(TS, selector[TR] & 0xfffc);
            }
            newSp = loadSystem(base[TR] + at, tss32 ? 4 : 2);
            newSs = (int) loadSystem(base[TR] + at + (tss32 ? 4 : 2), 2);
            sd = descriptor(newSs, TS);
            int sa = descriptorAttributes(sd);
            if ((newSs & 3) != dpl || (sa >>> 5 & 3) != dpl || (sa & Segment.S) == 0 || (sa & 10) != 2) {
                throw fault(TS, newSs & 0xfffc);
            }
            if ((sa & Segment.P) == 0) {
                throw fault(SS_VECTOR, newSs & 0xfffc);
            }
        }
        long mask = longMode() ? -1L : (descriptorAttributes(sd) & Segment.DB) != 0 ? 0xffffffffL : 0xffff;
        long ssBase = longMode() ? 0 : descriptorBase(sd);
        int savedCpl = cpl;
        cpl = dpl;
        selectTlb();
        long sp = newSp;
        try {
            int words = 4 + count;
            checkWrite(ssBase + (sp - words * size & mask), size);
            checkWrite(ssBase + (sp - size & mask), size);
            sp = sp - size & mask;
            store(ssBase + sp, size, oldSs);
            sp = sp - size & mask;
            store(ssBase + sp, size, oldSp);
            for (int i = count - 1; i >= 0; i--) {
                sp = sp - size & mask;
                store(ssBase + sp, size, parameters[i]);
            }
            sp = sp - size & mask;
            store(ssBase + sp, size, oldCs);
            sp = sp - size & mask;
            store(ssBase + sp, size, rip);
        } finally {
            cpl = savedCpl;
            selectTlb();
        }
        setCs(newCs, d, dpl);
        if (longMode()) {
            setNullSs(dpl);
            r[RSP] = sp;
        } else {
            setSegment(SS, newSs, sd);
            setStackPointer(sp);
        }
        rip = target;
        modeChanged();
    }

    /** RET far, releasing {@code extra} bytes of parameters. */
    final void returnFar(int size, int extra) {
        long newIp = peek(0, size);
        int newCs = (int) peek(size, size) & 0xffff;
        if (paragraphs()) {
            setStackPointer(r[RSP] + 2 * size + extra);
            setParagraph(CS, newCs);
            rip = size == 2 ? newIp & 0xffff : newIp & 0xffffffffL;
            modeChanged();
            return;
        }
        if ((newCs & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        long d = descriptor(newCs, GP);
        int a = descriptorAttributes(d);
        checkReturnCs(newCs, a);
        checkIp(newIp, d, a);
        int newCpl = newCs & 3;
        boolean newLong64 = longMode() && (a & Segment.L) != 0;
        if (newCpl > cpl) {
            long newSp = peek(2 * size + extra, size);
            int newSs = (int) peek(3 * size + extra, size) & 0xffff;
            returnOuter(newCs, d, newCpl, newSs, newSp + extra, newLong64);
        } else {
            setStackPointer(r[RSP] + 2 * size + extra);
            setAccessed(newCs, d, GP);
            setCs(newCs, d, newCpl);
        }
        rip = newLong64 ? newIp : newIp & (size == 2 ? 0xffff : 0xffffffffL);
        modeChanged();
    }

    // ---- SYSCALL, SYSENTER ----

    private void flatCs(int sel, int newCpl, int sizeBits) {
        setSegment(CS, sel & 0xfffc | newCpl, 0, -1, 0xb | Segment.S | newCpl << 5 | Segment.P | sizeBits | Segment.G);
        cpl = newCpl;
        modeChanged();
    }

    private void flatSs(int sel, int newCpl) {
        setSegment(
                SS, sel & 0xfffc | newCpl, 0, -1, 0x3 | Segment.S | newCpl << 5 | Segment.P | Segment.DB | Segment.G);
    }

    final void syscall() {
        if ((efer & EFER_SCE) == 0 || codeSize != 8) {
            throw fault(UD, 0);
        }
        r[RCX] = rip;
        r[11] = flags() & ~RF;
        rip = lstar;
        int sel = (int) (star >>> 32) & 0xffff;
        writeFlags(flags() & ~fmask, 0x3f7fd5 & ~VM);
        flatCs(sel, 0, Segment.L);
        flatSs(sel + 8, 0);
    }

    final void sysret(int size) {
        if ((efer & EFER_SCE) == 0 || codeSize != 8) {
            throw fault(UD, 0);
        }
        if (cpl != 0 || size == 8 && r[RCX] << 16 >> 16 != r[RCX]) {
            throw fault(GP, 0);
        }
        int sel = (int) (star >>> 48) & 0xffff;
        writeFlags(r[11], 0x3c7fd7 & ~VM);
        if (size == 8) {
            rip = r[RCX];
            flatCs(sel + 16, 3, Segment.L);
        } else {
            rip = r[RCX] & 0xffffffffL;
            flatCs(sel, 3, Segment.DB);
        }
        flatSs(sel + 8, 3);
    }

    final void sysenter() {
        if (!protectedMode() || (sysenterCs & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        flagsRest &= ~(VM | IF | RF);
        int sel = (int) sysenterCs & 0xfffc;
        boolean long64 = longMode();
        r[RSP] = long64 ? sysenterEsp : sysenterEsp & 0xffffffffL;
        rip = long64 ? sysenterEip : sysenterEip & 0xffffffffL;
        flatCs(sel, 0, long64 ? Segment.L : Segment.DB);
        flatSs(sel + 8, 0);
    }

    final void sysexit(int size) {
        if ((sysenterCs & 0xfffc) == 0 || !protectedMode() || cpl != 0) {
            throw fault(GP, 0);
        }
        if (size == 8 && (r[RCX] << 16 >> 16 != r[RCX] || r[RDX] << 16 >> 16 != r[RDX])) {
            throw fault(GP, 0);
        }
        int sel = (int) sysenterCs & 0xfffc;
        if (size == 8) {
            r[RSP] = r[RCX];
            rip = r[RDX];
            flatCs(sel + 32, 3, Segment.L);
            flatSs(sel + 40, 3);
        } else {
            r[RSP] = r[RCX] & 0xffffffffL;
            rip = r[RDX] & 0xffffffffL;
            flatCs(sel + 16, 3, Segment.DB);
            flatSs(sel + 24, 3);
        }
    }

    final void swapgs() {
        long t = base[GS];
        base[GS] = kernelGsBase;
        kernelGsBase = t;
    }

    /** The MSRs kept here; false if it is none of them. */
    final boolean isTransferMsr(int index) {
        return switch (index) {
            case Msr.SYSENTER_CS,
                    Msr.SYSENTER_ESP,
                    Msr.SYSENTER_EIP,
                    Msr.STAR,
                    Msr.LSTAR,
                    Msr.CSTAR,
                    Msr.FMASK,
                    Msr.KERNEL_GS_BASE -> true;
            default -> false;
        };
    }

    final long readTransferMsr(int index) {
        return switch (index) {
            case Msr.SYSENTER_CS -> sysenterCs;
            case Msr.SYSENTER_ESP -> sysenterEsp;
            case Msr.SYSENTER_EIP -> sysenterEip;
            case Msr.STAR -> star;
            case Msr.LSTAR -> lstar;
            case Msr.CSTAR -> cstar;
            case Msr.FMASK -> fmask;
            default -> kernelGsBase;
        };
    }

    final void writeTransferMsr(int index, long v) {
        switch (index) {
            case Msr.SYSENTER_CS -> sysenterCs = v;
            case Msr.SYSENTER_ESP -> sysenterEsp = canonical(v);
            case Msr.SYSENTER_EIP -> sysenterEip = canonical(v);
            case Msr.STAR -> star = v;
            case Msr.LSTAR -> lstar = canonical(v);
            case Msr.CSTAR -> cstar = canonical(v);
            case Msr.FMASK -> fmask = v & 0xffffffffL;
            default -> kernelGsBase = canonical(v);
        }
    }

    final long canonical(long v) {
        if (v << 16 >> 16 != v) {
            throw fault(GP, 0);
        }
        return v;
    }
}
