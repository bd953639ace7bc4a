package serai.cpu;

/**
 * Accesses to guest memory.
 *
 * <p>An access looks at the software TLB and takes the host address from it, or leaves for the interpreter: misses, devices,
 * page crossings, faults. Guest flags are in the host's all the time, so the look has to leave them alone: BMI2's PEXT both picks the
 * entry and checks tag and page crossing (what is left of the bits above the page has to be nothing), JRCXZ decides.
 */
final class MemoryTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;
    private int readTlb;
    private int writeTlb;

    MemoryTemplates(Assembler a, TranslationUnit unit, UnitFlow flow) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
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
        probe(i, size, write, aligned, -1);
    }

    /** The same for {@code 1 << times} bytes, fewer than 4096, for each that R10 counts, if {@code times} is not negative. */
    void probe(int i, int size, boolean write, boolean aligned, int times) {
        int tlb = write ? writeTlb : readTlb;
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.INDEX_MASK);
        times8();
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 1, tlb);
        a.not(Assembler.RCX);
        a.lea(Assembler.RCX, Assembler.R11, Assembler.RCX, 0, aligned ? 1 : size);
        if (times >= 0) {
            a.lea(Assembler.RCX, Assembler.RCX, Assembler.R10, times, 0);
        }
        a.pext(Assembler.RCX, Assembler.RCX, aligned ? HostFrame.ALIGNED_MASK : HostFrame.PAGE_MASK);
        long hit = a.jrcxz();
        flow.interpretUnless(i);
        a.here(hit);
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.INDEX_MASK);
        times8();
        a.pext(Assembler.R11, Assembler.R11, HostFrame.OFFSET_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 1, tlb + 8);
    }

    private void times8() {
        a.mem(0, false, 0, 0x8d, Assembler.RCX, Assembler.NONE, Assembler.RCX, 3, 0);
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
