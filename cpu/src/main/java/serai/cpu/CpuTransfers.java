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
        if (long64 ? ip << 16 >> 16 != ip : Long.compareUnsigned(ip, descriptorLimit(d) & 0xffffffffL) > 0) {
            throw fault(GP, 0);
        }
    }

    /** The faults of the two pushes of a far CALL, in their order, before the first changes anything. */
    private void checkFrame(int size) {
        checkWrite(stackAddress(r[RSP] - size, size, true), size);
        checkWrite(stackAddress(r[RSP] - 2 * size, size, true), size);
    }

    /** JMP far. */
    final void jumpFar(int sel, long ip, int size) {
        ip &= size == 2 ? 0xffff : size == 4 ? 0xffffffffL : -1L;
        if (paragraphs()) {
            checkParagraphIp(ip);
            setParagraph(CS, sel);
            rip = ip;
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
            if (toTask(sel, d, a, Reason.JUMP)) {
                return;
            }
            if (type != 12 && (type != 4 || longMode())) {
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
            checkIp(target, gd, ga);
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
        rip = ip;
        modeChanged();
    }

    /** The limit check of a far transfer in real-address and virtual-8086 mode. */
    private void checkParagraphIp(long ip) {
        if (ip > (limit[CS] & 0xffffffffL)) {
            throw fault(GP, 0);
        }
    }

    /** Far JMP or CALL by a TSS or a task gate; false if the descriptor is neither. */
    private boolean toTask(int sel, long d, int a, Reason how) {
        int type = a & 15;
        boolean gate = type == 5;
        if (longMode() || !gate && (type & 5) != 1) {
            return false;
        }
        int dpl = a >>> 5 & 3;
        if (dpl < cpl || dpl < (sel & 3)) {
            throw fault(GP, sel & 0xfffc);
        }
        if (gate && (a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
        switchTask(gate ? (int) (d >>> 16) & 0xffff : sel, how, flags());
        return true;
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
        if (!longMode()) {
            return target;
        }
        long high = loadSystem(descriptorAddress(sel, GP, 16) + 8, 8);
        if ((high >>> 40 & 0x1f) != 0) {
            throw fault(GP, sel & 0xfffc);
        }
        return target | high << 32;
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
        ip &= size == 2 ? 0xffff : size == 4 ? 0xffffffffL : -1L;
        if (paragraphs()) {
            checkParagraphIp(ip);
            checkFrame(size);
            push(selector[CS], size);
            push(rip, size);
            setParagraph(CS, sel);
            rip = ip;
            modeChanged();
            return;
        }
        if ((sel & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) == 0) {
            if (!toTask(sel, d, a, Reason.CALL)) {
                callGate(sel, d, a);
            }
            return;
        }
        checkDirect(sel, a);
        checkIp(ip, d, a);
        setAccessed(sel, d, GP);
        checkFrame(size);
        push(selector[CS], size);
        push(rip, size);
        setCs(sel, d, cpl);
        rip = ip;
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
        checkIp(target, d, a);
        if ((a & 4) != 0 || dpl == cpl) {
            setAccessed(newCs, d, GP);
            checkFrame(size);
            push(selector[CS], size);
            push(rip, size);
            setCs(newCs, d, cpl);
        } else if (longMode()) {
            callInnerLong(newCs, d, dpl);
        } else {
            int count = (int) (gate >>> 32) & 31;
            long[] values = new long[count + 4];
            values[0] = selector[SS];
            values[1] = r[RSP];
            for (int i = 0; i < count; i++) {
                values[2 + i] = peek((count - 1 - i) * size, size);
            }
            values[count + 2] = selector[CS];
            values[count + 3] = rip;
            setAccessed(newCs, d, GP);
            enterInner(dpl, size, values);
            setCs(newCs, d, dpl);
        }
        rip = target;
        modeChanged();
    }

    /** The stack of a call to an inner level of long mode: 64-bit, without parameters. */
    private void callInnerLong(int newCs, long d, int newCpl) {
        long top = taskStack(4 + newCpl * 8);
        long frame = top - 32;
        if (frame << 16 >> 16 != frame) {
            throw fault(SS_VECTOR, 0);
        }
        setAccessed(newCs, d, GP);
        int savedCpl = cpl;
        cpl = newCpl;
        selectTlb();
        try {
            checkWrite(frame, 8);
            checkWrite(top - 8, 8);
            store64(top - 8, selector[SS]);
            store64(top - 16, r[RSP]);
            store64(top - 24, selector[CS]);
            store64(frame, returnAddress());
        } finally {
            cpl = savedCpl;
            selectTlb();
        }
        setCs(newCs, d, newCpl);
        setNullSs(newCpl);
        r[RSP] = frame;
    }

    /** RET far, releasing {@code extra} bytes of parameters. */
    final void returnFar(int size, int extra) {
        long newIp = peek(0, size);
        int newCs = (int) peek(size, size) & 0xffff;
        if (paragraphs()) {
            checkParagraphIp(newIp);
            setStackPointer(r[RSP] + 2 * size + extra);
            setParagraph(CS, newCs);
            rip = newIp;
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
        writeFlags(flags() & ~fmask, 0x3f7fd5 & ~VM);
        syscallSegments();
        settleStep();
    }

    /** CS and SS as SYSCALL loads them. */
    final void syscallSegments() {
        int sel = (int) (star >>> 32) & 0xffff;
        flatCs(sel, 0, Segment.L);
        flatSs(sel + 8, 0);
    }

    /** CS and SS as SYSRET loads them. */
    final void sysretSegments(int size) {
        int sel = (int) (star >>> 48) & 0xffff;
        if (size == 8) {
            flatCs(sel + 16, 3, Segment.L);
        } else {
            flatCs(sel, 3, Segment.DB);
        }
        flatSs(sel + 8, 3);
    }

    /** SYSCALL and SYSRET: whether a single-step trap follows is a matter of TF as they leave it. */
    private void settleStep() {
        stepSettled();
        if ((flagsRest & TF) != 0) {
            debugTrap(CpuDebug.BS);
        }
    }

    final void sysret(int size) {
        if ((efer & EFER_SCE) == 0 || codeSize != 8) {
            throw fault(UD, 0);
        }
        if (cpl != 0 || size == 8 && r[RCX] << 16 >> 16 != r[RCX]) {
            throw fault(GP, 0);
        }
        writeFlags(r[11], 0x3c7fd7 & ~VM);
        rip = size == 8 ? r[RCX] : r[RCX] & 0xffffffffL;
        sysretSegments(size);
        settleStep();
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
