package serai.cpu;

import serai.machine.engine.Segment;
import serai.machine.engine.VcpuHost;

/** Segments, descriptors and stacks: SDM vol. 3, chapters 3 and 5. */
abstract class CpuSegments extends CpuMemory {
    static final int UD = 6, NM = 7, DF_VECTOR = 8, TS = 10, NP = 11, SS_VECTOR = 12, GP = 13, PF_VECTOR = 14;

    CpuSegments(VcpuHost host) {
        super(host);
    }

    /** What depends on the mode has to be looked at anew: CS, CR0, EFER or RFLAGS.VM has changed. */
    abstract void modeChanged();

    /** Loads CR3 with all that goes with it; #GP if it can't be had. */
    abstract void loadCr3(long v);

    final boolean protectedMode() {
        return (cr0 & CR0_PE) != 0;
    }

    final boolean vm86() {
        return (flagsRest & VM) != 0;
    }

    /** Real-address or virtual-8086 mode: segments are paragraphs. */
    final boolean paragraphs() {
        return !protectedMode() || vm86();
    }

    /** A linear address outside 64-bit mode, after the checks of the segment. */
    final long linear(int segment, long offset, int size, boolean write) {
        if (codeSize == 8) {
            return segBase(segment) + offset;
        }
        int a = attributes[segment];
        boolean ok = true;
        boolean expandDown = false;
        if (!paragraphs()) {
            int type = a & 15;
            boolean code = (type & 8) != 0;
            expandDown = !code && (type & 4) != 0;
            ok = (a & Segment.UNUSABLE) == 0 && (write ? !code && (type & 2) != 0 : !code || (type & 2) != 0);
        }
        ok &= expandDown ? fits(a, limit[segment], offset, size) : offset + size - 1 <= (limit[segment] & 0xffffffffL);
        if (!ok) {
            throw fault(segment == SS ? SS_VECTOR : GP, 0);
        }
        return base[segment] + offset & 0xffffffffL;
    }

    /** Whether bytes at an offset lie within a code or data segment of these attributes and this limit. */
    static boolean fits(int attr, int segLimit, long offset, int size) {
        long last = offset + size - 1;
        long lim = segLimit & 0xffffffffL;
        if ((attr & 12) == 4) {
            // expand-down: what is above the limit
            return offset > lim && last <= ((attr & Segment.DB) != 0 ? 0xffffffffL : 0xffff);
        }
        return last <= lim;
    }

    /** {@link CpuRegisters#rip} as a word of 64 bits: a block that ended at 4 GiB has left it there. */
    final long returnAddress() {
        return codeSize == 8 ? rip : rip & 0xffffffffL;
    }

    // ---- stack ----

    final long stackMask() {
        return stackSize == 8 ? -1L : stackSize == 4 ? 0xffffffffL : 0xffff;
    }

    /** Linear address of {@code size} bytes on the stack at offset {@code sp}. */
    final long stackAddress(long sp, int size, boolean write) {
        if (codeSize == 8) {
            if (sp << 16 >> 16 != sp) {
                throw fault(SS_VECTOR, 0); // whatever segment another operand is in
            }
            return sp;
        }
        return linear(SS, sp & stackMask(), size, write);
    }

    /** Sets the stack pointer, as wide as the stack segment says. */
    final void setStackPointer(long sp) {
        if (stackSize == 8) {
            r[RSP] = sp;
        } else if (stackSize == 4) {
            r[RSP] = sp & 0xffffffffL;
        } else {
            r[RSP] = r[RSP] & ~0xffffL | sp & 0xffff;
        }
    }

    final void push(long v, int size) {
        if (codeSize == 8) {
            long sp = r[RSP] - size;
            store(stackAddress(sp, size, true), size, v);
            r[RSP] = sp;
        } else {
            long sp = r[RSP] - size & stackMask();
            store(linear(SS, sp, size, true), size, v);
            setStackPointer(sp);
        }
    }

    final long pop(int size) {
        long v = peek(0, size);
        setStackPointer(r[RSP] + size);
        return v;
    }

    /** A value {@code offset} bytes above the stack pointer, which stays. */
    final long peek(int offset, int size) {
        return load(stackAddress(r[RSP] + offset, size, false), size);
    }

    // ---- descriptors ----

    /** The eight bytes of a descriptor; raises {@code vector}(selector) if it is outside its table. */
    final long descriptor(int sel, int vector) {
        long address = descriptorAddress(sel, vector);
        return loadSystem(address, 8);
    }

    final long descriptorAddress(int sel, int vector) {
        return descriptorAddress(sel, vector, 8);
    }

    /** The address of a descriptor of 8 or (system descriptors in long mode) 16 bytes. */
    final long descriptorAddress(int sel, int vector, int bytes) {
        long table;
        long lim;
        if ((sel & 4) != 0) {
            table = base[LDTR];
            lim = (attributes[LDTR] & Segment.UNUSABLE) != 0 ? -1 : limit[LDTR] & 0xffffffffL;
        } else {
            table = gdtBase;
            lim = gdtLimit;
        }
        if ((sel & 0xfff8) + bytes - 1 > lim) {
            throw fault(vector, sel & 0xfffc);
        }
        return table + (sel & 0xfff8);
    }

    static int descriptorAttributes(long d) {
        return (int) (d >>> 40) & 0xff | (int) (d >>> 52) << 8 & 0xf00;
    }

    static long descriptorBase(long d) {
        return d >>> 16 & 0xffffff | d >>> 32 & 0xff000000L;
    }

    static int descriptorLimit(long d) {
        int lim = (int) d & 0xffff | (int) (d >>> 32) & 0xf0000;
        return (d & 1L << 55) != 0 ? lim << 12 | 0xfff : lim;
    }

    /** Sets the accessed bit in a code or data descriptor. */
    final void setAccessed(int sel, long d, int vector) {
        if ((d & 1L << 40) == 0) {
            long address = descriptorAddress(sel, vector);
            storeSystem(address + 5, 1, d >>> 40 & 0xff | 1);
        }
    }

    final void setSegment(int s, int sel, long segBase, int segLimit, int attr) {
        selector[s] = sel & 0xffff;
        base[s] = segBase;
        limit[s] = segLimit;
        attributes[s] = attr;
        if (s == SS) {
            stackSize = codeSize == 8 ? 8 : (attr & Segment.DB) != 0 ? 4 : 2;
        }
    }

    final void setSegment(int s, int sel, long d) {
        setSegment(s, sel, descriptorBase(d), descriptorLimit(d), descriptorAttributes(d) | 1);
    }

    /** Real and virtual-8086 mode: the base alone changes with the selector (in VM86 all is fixed). */
    final void setParagraph(int s, int sel) {
        if (vm86()) {
            setSegment(s, sel, (long) (sel & 0xffff) << 4, 0xffff, 0xf3);
        } else {
            selector[s] = sel & 0xffff;
            base[s] = (long) (sel & 0xffff) << 4;
        }
    }

    /** MOV, POP and LxS to ES, SS, DS, FS or GS (SDM vol. 2, MOV). */
    final void loadSegment(int s, int sel) {
        sel &= 0xffff;
        if (paragraphs()) {
            setParagraph(s, sel);
            return;
        }
        if (s != SS) {
            loadData(s, sel, GP);
            return;
        }
        if ((sel & 0xfffc) == 0) {
            if (codeSize != 8 || cpl == 3 || (sel & 3) != cpl) {
                throw fault(GP, 0);
            }
            setNullSs(sel);
            return;
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) == 0 || (a & 10) != 2 || (sel & 3) != cpl || (a >>> 5 & 3) != cpl) {
            throw fault(GP, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(SS_VECTOR, sel & 0xfffc);
        }
        setAccessed(sel, d, GP);
        setSegment(SS, sel, d);
    }

    /**
     * Loads ES, DS, FS or GS in protected mode.
     *
     * @param vector what a bad selector raises: #GP, or #TS in a task switch
     */
    final void loadData(int s, int sel, int vector) {
        if ((sel & 0xfffc) == 0) {
            // the base of FS and GS is cleared too, as on Intel's processors
            setSegment(s, sel, 0, 0, Segment.UNUSABLE);
            return;
        }
        long d = descriptor(sel, vector);
        int a = descriptorAttributes(d);
        int dpl = a >>> 5 & 3;
        boolean code = (a & 8) != 0;
        if ((a & Segment.S) == 0 || code && (a & 2) == 0) {
            throw fault(vector, sel & 0xfffc);
        }
        if ((!code || (a & 4) == 0) && ((sel & 3) > dpl || cpl > dpl)) {
            throw fault(vector, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
        setAccessed(sel, d, vector);
        setSegment(s, sel, d);
    }

    /** Loads CS from a code descriptor that has passed its checks, with the new privilege as its RPL. */
    final void setCs(int sel, long d, int newCpl) {
        setSegment(CS, sel & 0xfffc | newCpl, d);
        cpl = newCpl;
        modeChanged();
    }

    /** SS of a return to, or a call of, 64-bit code with a null selector. */
    final void setNullSs(int rpl) {
        setSegment(SS, rpl, 0, 0, Segment.UNUSABLE | rpl << 5 | Segment.DB);
    }

    /** LLDT. */
    final void loadLdt(int sel) {
        if ((sel & 0xfffc) == 0) {
            setSegment(LDTR, sel, 0, 0, Segment.UNUSABLE);
            return;
        }
        long d = systemDescriptor(sel, GP, 2, 2);
        setSegment(LDTR, sel, systemBase(sel, d), descriptorLimit(d), descriptorAttributes(d));
    }

    /** LTR. */
    final void loadTask(int sel) {
        if ((sel & 0xfffc) == 0) {
            throw fault(GP, 0);
        }
        long d = systemDescriptor(sel, GP, 9, longMode() ? 9 : 1);
        long address = systemBase(sel, d);
        storeSystem(descriptorAddress(sel, GP) + 5, 1, d >>> 40 & 0xff | 2);
        setSegment(TR, sel, address, descriptorLimit(d), descriptorAttributes(d) | 2);
    }

    private long systemDescriptor(int sel, int vector, int type1, int type2) {
        if ((sel & 4) != 0) {
            throw fault(vector, sel & 0xfffc);
        }
        long address = descriptorAddress(sel, vector, longMode() ? 16 : 8);
        long d = loadSystem(address, 8);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) != 0
                || longMode() && (loadSystem(address + 8, 8) >>> 40 & 0x1f) != 0
                || (a & 15) != type1 && (a & 15) != type2) {
            throw fault(vector, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
        return d;
    }

    /** LDT and TSS descriptors have 64-bit bases in long mode. */
    private long systemBase(int sel, long d) {
        if (!longMode()) {
            return descriptorBase(d);
        }
        long b = descriptorBase(d) | loadSystem(descriptorAddress(sel, GP, 16) + 8, 4) << 32;
        if (b << 16 >> 16 != b) {
            throw fault(GP, sel & 0xfffc);
        }
        return b;
    }
}
