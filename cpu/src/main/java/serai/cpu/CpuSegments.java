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
        long last = offset + size - 1;
        long lim = limit[segment] & 0xffffffffL;
        if (expandDown) {
            long top = (a & Segment.DB) != 0 ? 0xffffffffL : 0xffff;
            ok &= offset > lim && last <= top;
        } else {
            ok &= last <= lim;
        }
        if (!ok) {
            throw fault(segment == SS ? SS_VECTOR : GP, 0);
        }
        return base[segment] + offset & 0xffffffffL;
    }

    // ---- stack ----

    final long stackMask() {
        return stackSize == 8 ? -1L : stackSize == 4 ? 0xffffffffL : 0xffff;
    }

    /** Linear address of {@code size} bytes on the stack at offset {@code sp}. */
    final long stackAddress(long sp, int size, boolean write) {
        return codeSize == 8 ? sp : linear(SS, sp & stackMask(), size, write);
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
            store(sp, size, v);
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
        long table;
        long lim;
        if ((sel & 4) != 0) {
            table = base[LDTR];
            lim = (attributes[LDTR] & Segment.UNUSABLE) != 0 ? -1 : limit[LDTR] & 0xffffffffL;
        } else {
            table = gdtBase;
            lim = gdtLimit;
        }
        if ((sel & 0xfff8) + 7 > lim) {
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
        if ((sel & 0xfffc) == 0) {
            if (s == SS && (codeSize != 8 || cpl == 3 || (sel & 3) != cpl)) {
                throw fault(GP, 0);
            }
            // the base of FS and GS is cleared too, as on Intel's processors
            setSegment(s, sel, 0, 0, Segment.UNUSABLE | (s == SS ? cpl << 5 | Segment.DB : 0));
            return;
        }
        long d = descriptor(sel, GP);
        int a = descriptorAttributes(d);
        int type = a & 15;
        int dpl = a >>> 5 & 3;
        int rpl = sel & 3;
        if (s == SS) {
            if ((a & Segment.S) == 0 || (type & 8) != 0 || (type & 2) == 0 || rpl != cpl || dpl != cpl) {
                throw fault(GP, sel & 0xfffc);
            }
            if ((a & Segment.P) == 0) {
                throw fault(SS_VECTOR, sel & 0xfffc);
            }
        } else {
            boolean code = (type & 8) != 0;
            if ((a & Segment.S) == 0 || code && (type & 2) == 0) {
                throw fault(GP, sel & 0xfffc);
            }
            if ((!code || (type & 4) == 0) && (rpl > dpl || cpl > dpl)) {
                throw fault(GP, sel & 0xfffc);
            }
            if ((a & Segment.P) == 0) {
                throw fault(NP, sel & 0xfffc);
            }
        }
        setAccessed(sel, d, GP);
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
        long d = descriptor(sel, vector);
        int a = descriptorAttributes(d);
        if ((a & Segment.S) != 0 || (a & 15) != type1 && (a & 15) != type2) {
            throw fault(vector, sel & 0xfffc);
        }
        if ((a & Segment.P) == 0) {
            throw fault(NP, sel & 0xfffc);
        }
        return d;
    }

    /** LDT and TSS descriptors have 64-bit bases in long mode. */
    private long systemBase(int sel, long d) {
        long b = descriptorBase(d);
        return longMode() ? b | loadSystem(descriptorAddress(sel, GP) + 8, 4) << 32 : b;
    }
}
