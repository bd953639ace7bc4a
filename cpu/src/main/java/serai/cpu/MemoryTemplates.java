package serai.cpu;

import serai.machine.memory.GuestMemory;

/**
 * Accesses to guest memory.
 *
 * <p>An access looks at the software TLB and takes the host address from it, or leaves for the interpreter: misses, devices,
 * page crossings, faults. Where guest flags are in the host's, the look has to leave them alone: BMI2's PEXT both picks the
 * entry and checks tag and page crossing (what is left of the bits above the page has to be nothing), JRCXZ decides. Where {@link FlagPlan} has them
 * elsewhere, an addition and a comparison do, in two thirds of the time.
 */
final class MemoryTemplates {
    private static final int ABOVE = 7;
    private static final int NOT_ZERO = 5;
    /** The bits of an address shifted right by nine that are eight times the number of the TLB's entry. */
    private static final int TLB_INDEX = 8 * (VcpuContext.TLB_ENTRIES - 1);

    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;
    private final FlagPlan plan;
    private int readTlb;
    private int writeTlb;

    MemoryTemplates(Assembler a, TranslationUnit unit, UnitFlow flow, FlagPlan plan) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
        this.plan = plan;
    }

    /**
     * Begins a unit.
     *
     * @param table which TLB its accesses use
     */
    void begin(int table) {
        readTlb = VcpuContext.READ_TLB + table * VcpuContext.TLB_TABLE;
        writeTlb = VcpuContext.WRITE_TLB + table * VcpuContext.TLB_TABLE;
    }

    /** The linear address of the memory operand into R11; false if that is the interpreter's affair. */
    boolean address(int i) {
        Decoded d = unit.code[i];
        if (d.disp != (int) d.disp) {
            return false;
        }
        boolean wide = d.addrSize == 8;
        int base = Assembler.NONE;
        int index = Assembler.NONE;
        long disp = d.disp;
        if (d.base == Decoded.RIP_BASE) {
            disp += unit.place[i] + d.length;
            if (disp != (int) disp) {
                return false;
            }
            a.load(Assembler.R11, Assembler.RSP, HostFrame.CODE_BASE);
            base = Assembler.R11;
        } else if (d.base != Decoded.NO_REG) {
            base = HostFrame.host(d.base);
            if (base < 0) {
                a.load(Assembler.R11, Assembler.RSP, HostFrame.slot(d.base));
                base = Assembler.R11;
            }
        }
        if (d.index != Decoded.NO_REG) {
            index = HostFrame.host(d.index);
            if (index < 0) {
                a.load(Assembler.RCX, Assembler.RSP, HostFrame.slot(d.index));
                index = Assembler.RCX;
            }
        }
        a.mem(0, wide, 0, 0x8d, Assembler.R11, base, index, d.scale, (int) disp);
        if (d.segment >= CpuRegisters.FS) {
            a.load(Assembler.RCX, Assembler.RSP, d.segment == CpuRegisters.FS ? HostFrame.FS_BASE : HostFrame.GS_BASE);
            a.lea(Assembler.R11, Assembler.R11, Assembler.RCX, 0, 0);
        }
        return true;
    }

    /** From the linear address in R11 to {@code [RCX + R11]}, or out to the interpreter. */
    void probe(int i, int size, boolean write, boolean aligned) {
        if (plan.elsewhere(i)) {
            compare(i, size, write, aligned);
        } else {
            look(i, size, write, aligned);
        }
    }

    private void look(int i, int size, boolean write, boolean aligned) {
        int tlb = write ? writeTlb : readTlb;
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.INDEX_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 3, tlb);
        a.lea(Assembler.RCX, Assembler.R11, Assembler.RCX, 0, aligned ? 0 : size - 1);
        a.pext(Assembler.RCX, Assembler.RCX, aligned ? HostFrame.ALIGNED_MASK : HostFrame.PAGE_MASK);
        long hit = a.jrcxz();
        flow.missUnless(i, size, write, aligned);
        a.here(hit);
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.INDEX_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 3, tlb + VcpuContext.TLB_DELTA);
    }

    /** The same where the host's flags are free. */
    private void compare(int i, int size, boolean write, boolean aligned) {
        int tlb = write ? writeTlb : readTlb;
        compare(a, tlb, size);
        flow.missIf(ABOVE, i, size, write, aligned);
        if (aligned) {
            a.test8(Assembler.R11, 15);
            flow.missIf(NOT_ZERO, i, size, write, true);
        }
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 0, tlb + VcpuContext.TLB_HOST);
    }

    /**
     * Looks up {@code size} bytes at the linear address in R11 where the host's flags are free: they say "above" if the TLB does not have
     * them. Otherwise R11 is the offset in the page, and RCX eight times the number of the TLB's entry.
     *
     * @param tlb the table, from RSP
     */
    static void compare(Assembler a, int tlb, int size) {
        a.rorx(Assembler.RCX, Assembler.R11, 9);
        a.and32(Assembler.RCX, TLB_INDEX);
        a.add(Assembler.R11, Assembler.RSP, Assembler.RCX, tlb);
        a.compare(Assembler.R11, GuestMemory.PAGE_SIZE - size);
    }

    /** The memory operand's 8 bytes into a host register; false if that is the interpreter's affair. */
    boolean load8(int i, int to) {
        if (!address(i)) {
            return false;
        }
        probe(i, 8, false, false);
        a.mem(0, true, 0, 0x8b, to, Assembler.RCX, Assembler.R11, 0, 0);
        return true;
    }

    /** From {@code [RCX + R11]} to {@code [R11]}. */
    void sum() {
        a.lea(Assembler.R11, Assembler.RCX, Assembler.R11, 0, 0);
    }

    void loadSpilled(int host, int guest) {
        a.load(host, Assembler.RSP, HostFrame.slot(guest));
    }

    void storeSpilled(int guest, int host) {
        a.store(Assembler.RSP, HostFrame.slot(guest), host);
    }
}
