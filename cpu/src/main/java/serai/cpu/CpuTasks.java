package serai.cpu;

import serai.machine.engine.Segment;
import serai.machine.engine.VcpuHost;

/**
 * The task state segment: stacks of inner privilege levels (SDM vol. 3, 6.8.5) and hardware task switches (chapter 8).
 * Nothing of this is there in long mode but the TSS itself, whose stack pointers {@link CpuEvents} reads.
 *
 * <h2>Where a task switch may fault</h2>
 *
 * Up to the point where TR is loaded a fault is one of the old task, which is as it was: all that the switch reads and writes is
 * tried before the first write. After it a fault is one of the new task, raised before its first instruction
 * (8.3): {@link #instructionDone} tells the interpreter that the instruction which switched is complete.
 */
abstract class CpuTasks extends CpuSegments {
    /** What leads to a task. */
    enum Reason {
        JUMP,
        CALL,
        EVENT,
        RETURN
    }

    private static final int LIMIT32 = 0x67, LIMIT16 = 0x2b;
    /** Offsets in a 32-bit TSS (SDM vol. 3, figure 8-2). */
    private static final int CR3_32 = 28, EIP_32 = 32, SEGMENTS_32 = 72, LDT_32 = 96, TRAP_32 = 100;
    /** Offsets in a 16-bit TSS (figure 8-10). */
    private static final int IP_16 = 14, SEGMENTS_16 = 34, LDT_16 = 42;
    /** Bits of DR7 that a task switch clears: L0 to L3 and LE. */
    private static final int LOCAL_BREAKPOINTS = 0x155;

    static final int DR6_TASK_SWITCH = 1 << 15;

    /** The EXT bit of error codes: 1 while an event is delivered that the program has not asked for (SDM vol. 3, 7.13). */
    int ext;

    CpuTasks(VcpuHost host) {
        super(host);
    }

    /**
     * The instruction count at which RF was set. RF lasts until the next instruction is complete, which is told by the count, so
     * that no instruction has to clear it.
     */
    long rfAt;

    /** Instructions completed so far. */
    abstract long completed();

    /** The instruction in progress counts as complete: what it raises from here on belongs to the instruction at {@link #rip}. */
    abstract void instructionDone();

    /** Debug traps by their bits in DR6, to be delivered before the next instruction. */
    abstract void debugTrap(int dr6);

    /** Writes the bits of {@code mask} in RFLAGS. */
    abstract void writeFlags(long value, long mask);

    // ---- inner stacks ----

    /**
     * Enters an inner privilege level outside long mode: pushes values on its stack, the first of them uppermost, and loads SS, ESP
     * and the CPL. Leaves virtual-8086 mode.
     */
    final void enterInner(int newCpl, int size, long[] values) {
        boolean tss32 = (attributes[TR] & 8) != 0;
        int at = tss32 ? 4 + newCpl * 8 : 2 + newCpl * 4;
        if (at + (tss32 ? 5 : 3) > (limit[TR] & 0xffffffffL)) {
            throw fault(TS, selector[TR] & 0xfffc);
        }
        long top = loadSystem(base[TR] + at, tss32 ? 4 : 2);
        int ss = (int) loadSystem(base[TR] + at + (tss32 ? 4 : 2), 2);
        if ((ss & 0xfffc) == 0) {
            throw fault(TS, 0);
        }
        long d = descriptor(ss, TS);
        int a = descriptorAttributes(d);
        if (!isStack(a) || (ss & 3) != newCpl || (a >>> 5 & 3) != newCpl) {
            throw fault(TS, ss & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(SS_VECTOR, ss & 0xfffc);
        }
        setAccessed(ss, d, TS);
        long mask = (a & Segment.DB) != 0 ? 0xffffffffL : 0xffff;
        long[] address = new long[values.length];
        for (int i = 0; i < values.length; i++) {
            long offset = top - (i + 1) * size & mask;
            if (!fits(a, descriptorLimit(d), offset, size)) {
                throw fault(SS_VECTOR, ss & 0xfffc);
            }
            address[i] = descriptorBase(d) + offset & 0xffffffffL;
        }
        int savedCpl = cpl;
        cpl = newCpl;
        selectTlb();
        try {
            for (long linear : address) {
                checkWrite(linear, size);
            }
            for (int i = 0; i < values.length; i++) {
                store(address[i], size, values[i]);
            }
        } catch (CpuException e) {
            cpl = savedCpl;
            selectTlb();
            throw e;
        }
        flagsRest &= ~VM;
        setSegment(SS, ss, d);
        r[RSP] = top & ~mask | top - values.length * size & mask;
    }

    private static boolean isStack(int a) {
        return (a & Segment.S) != 0 && (a & 10) == 2;
    }

    // ---- task switches ----

    /**
     * Switches to a task.
     *
     * @param sel selector of a TSS
     * @param how what leads there
     * @param flagsImage RFLAGS as the old task will find them
     */
    final void switchTask(int sel, Reason how, long flagsImage) {
        aloneForUpdate();
        boolean back = how == Reason.RETURN;
        int refusal = back ? TS : GP;
        if ((sel & 4) != 0 || (sel & 0xfffc) == 0) {
            throw fault(refusal, sel & 0xfffc);
        }
        long d = descriptor(sel, refusal);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) != 0 || (a & 7) != (back ? 3 : 1)) {
            throw fault(refusal, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
        boolean wide = (a & 8) != 0;
        if ((descriptorLimit(d) & 0xffffffffL) < (wide ? LIMIT32 : LIMIT16)) {
            throw fault(TS, sel & 0xfffc);
        }
        long to = descriptorBase(d);
        int oldSel = selector[TR];
        long oldType = gdtBase + (oldSel & 0xfff8) + 5;
        long newType = gdtBase + (sel & 0xfff8) + 5;
        boolean nested = how == Reason.CALL || how == Reason.EVENT;
        // try every access that is to come
        NewTask task = read(to, wide);
        checkSystemWrite(base[TR] + ((attributes[TR] & 8) != 0 ? EIP_32 : IP_16), (attributes[TR] & 8) != 0 ? 64 : 28);
        checkSystemWrite(oldType, 1);
        checkSystemWrite(newType, 1);
        if (nested) {
            checkSystemWrite(to, 2);
        }
        saveTask(back ? flagsImage & ~NT : flagsImage);
        if (!nested && (oldSel & 0xfffc) != 0) {
            storeSystem(oldType, 1, loadSystem(oldType, 1) & ~2L);
        }
        if (!back) {
            storeSystem(newType, 1, loadSystem(newType, 1) | 2);
        }
        if (nested) {
            storeSystem(to, 2, oldSel);
        }
        setSegment(TR, sel, to, descriptorLimit(d), a | 2);
        cr0 |= CR0_TS;
        dr[5] &= ~LOCAL_BREAKPOINTS;
        try {
            load(task, nested);
        } finally {
            instructionDone();
            rfAt = completed();
            modeChanged();
        }
        if (task.trap) {
            debugTrap(DR6_TASK_SWITCH);
        }
    }

    /** What a TSS holds of a task; general registers and segments in the order of their numbers. */
    private record NewTask(
            long cr3, boolean hasCr3, long ip, long flags, long[] general, int[] segments, int ldt, boolean trap) {}

    private NewTask read(long at, boolean wide) {
        long[] general = new long[8];
        int[] segments = new int[6];
        int size = wide ? 4 : 2;
        long ip = at + (wide ? EIP_32 : IP_16);
        for (int i = 0; i < 8; i++) {
            general[i] = loadSystem(ip + (2 + i) * size, size);
        }
        for (int i = 0; i < (wide ? 6 : 4); i++) {
            segments[i] = (int) loadSystem(at + (wide ? SEGMENTS_32 + i * 4 : SEGMENTS_16 + i * 2), 2);
        }
        return new NewTask(
                wide ? loadSystem(at + CR3_32, 4) : 0,
                wide,
                loadSystem(ip, size),
                loadSystem(ip + size, size),
                general,
                segments,
                (int) loadSystem(at + (wide ? LDT_32 : LDT_16), 2),
                wide && (loadSystem(at + TRAP_32, 2) & 1) != 0);
    }

    private void saveTask(long flagsImage) {
        boolean wide = (attributes[TR] & 8) != 0;
        int size = wide ? 4 : 2;
        long ip = base[TR] + (wide ? EIP_32 : IP_16);
        storeSystem(ip, size, rip);
        storeSystem(ip + size, size, flagsImage);
        for (int i = 0; i < 8; i++) {
            storeSystem(ip + (2 + i) * size, size, r[i]);
        }
        for (int i = 0; i < (wide ? 6 : 4); i++) {
            storeSystem(base[TR] + (wide ? SEGMENTS_32 + i * 4 : SEGMENTS_16 + i * 2), 2, selector[i]);
        }
    }

    /** Loads a task. Faults are the new task's: first everything that can't fault, then LDTR, CS, SS and the rest. */
    private void load(NewTask task, boolean nested) {
        rip = task.ip;
        for (int i = 0; i < 8; i++) {
            r[i] = task.general[i];
        }
        writeFlags(task.flags | (nested ? NT : 0), task.hasCr3 ? ALL_FLAGS : ALL_FLAGS & 0xffff);
        if (!task.hasCr3) {
            flagsRest &= ~(RF | VM);
        }
        for (int s = 0; s < 6; s++) {
            setSegment(s, task.segments[s], 0, 0, Segment.UNUSABLE);
        }
        setSegment(LDTR, task.ldt, 0, 0, Segment.UNUSABLE);
        cpl = vm86() ? 3 : task.segments[CS] & 3;
        selectTlb();
        if (task.hasCr3 && (cr0 & CR0_PG) != 0) {
            loadCr3(task.cr3);
        }
        if ((task.ldt & 0xfffc) != 0) {
            long d = (task.ldt & 4) != 0 ? 0 : descriptor(task.ldt, TS);
            int a = descriptorAttributes(d);
            if ((a & (Segment.P | Segment.S | 15)) != (Segment.P | 2)) {
                throw fault(TS, task.ldt & 0xfffc);
            }
            setSegment(LDTR, task.ldt, descriptorBase(d), descriptorLimit(d), a);
        }
        if (vm86()) {
            for (int s = 0; s < 6; s++) {
                setParagraph(s, task.segments[s]);
            }
        } else {
            loadTaskCode(task.segments[CS]);
            loadTaskStack(task.segments[SS]);
            for (int s : new int[] {ES, DS, FS, GS}) {
                loadData(s, task.segments[s], TS);
            }
        }
        if (rip > (limit[CS] & 0xffffffffL)) {
            throw fault(GP, 0);
        }
    }

    private void loadTaskCode(int cs) {
        if ((cs & 0xfffc) == 0) {
            throw fault(TS, 0);
        }
        long d = descriptor(cs, TS);
        int a = descriptorAttributes(d);
        int dpl = a >>> 5 & 3;
        boolean conforming = (a & 4) != 0;
        if ((a & (Segment.S | 8)) != (Segment.S | 8) || (conforming ? dpl > (cs & 3) : dpl != (cs & 3))) {
            throw fault(TS, cs & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, cs & 0xfffc);
        }
        setAccessed(cs, d, TS);
        setSegment(CS, cs, d);
    }

    private void loadTaskStack(int ss) {
        if ((ss & 0xfffc) == 0) {
            throw fault(TS, 0);
        }
        long d = descriptor(ss, TS);
        int a = descriptorAttributes(d);
        if (!isStack(a) || (ss & 3) != cpl || (a >>> 5 & 3) != cpl) {
            throw fault(TS, ss & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(SS_VECTOR, ss & 0xfffc);
        }
        setAccessed(ss, d, TS);
        setSegment(SS, ss, d);
    }
}
