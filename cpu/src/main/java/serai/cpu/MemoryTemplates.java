package serai.cpu;

import java.util.Arrays;
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
    private static final int ZERO = 4;
    private static final int NOT_ZERO = 5;
    /** The bits of an address shifted right by nine that are eight times the number of the TLB's entry. */
    private static final int TLB_INDEX = 8 * (VcpuContext.TLB_ENTRIES - 1);

    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;
    private final FlagPlan plan;
    private final SharedLooks looks;
    private final LookRoutines routines;
    private int table;
    private final SegmentTemplates segments;
    private int readTlb;
    private int writeTlb;

    /** Where an operand is after a look, besides RCX: R11 or nothing, and a distance. */
    private int index;

    private int distance;

    // looks out of line, of accesses that share one
    private final long[] aloneFrom = new long[TranslationUnit.MAX];
    private final long[] aloneBack = new long[TranslationUnit.MAX];
    private final int[] aloneIndex = new int[TranslationUnit.MAX];
    private final int[] aloneSize = new int[TranslationUnit.MAX];
    private final boolean[] aloneWrites = new boolean[TranslationUnit.MAX];
    private int alone;
    /** By group: whether its leader has been written. */
    private final boolean[] led = new boolean[TranslationUnit.MAX];

    MemoryTemplates(
            Assembler a, TranslationUnit unit, UnitFlow flow, FlagPlan plan, SharedLooks looks, LookRoutines routines) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
        this.plan = plan;
        this.looks = looks;
        this.routines = routines;
        segments = new SegmentTemplates(a, unit, flow);
    }

    /**
     * Begins a unit.
     *
     * @param newTable which TLB its accesses use
     */
    void begin(int newTable) {
        table = newTable;
        readTlb = VcpuContext.READ_TLB + table * VcpuContext.TLB_TABLE;
        writeTlb = VcpuContext.WRITE_TLB + table * VcpuContext.TLB_TABLE;
        alone = 0;
        Arrays.fill(led, false);
    }

    /** Ends a unit: what is out of line. */
    void end() {
        for (int n = 0; n < alone; n++) {
            int i = aloneIndex[n];
            a.patch(aloneFrom[n], a.at());
            if (!looks.follows(i)) {
                a.store(Assembler.RSP, looks.slot(looks.group(i)), 0, true);
            }
            linear(i, 0);
            a.call(routines.get(table, aloneWrites[n], aloneSize[n]));
            long miss = a.jrcxz();
            if (looks.distance(i) != 0) {
                a.lea(Assembler.RCX, Assembler.RCX, Assembler.NONE, 0, -looks.distance(i));
            }
            a.jump(aloneBack[n]);
            a.here(miss);
            flow.missed(i, aloneSize[n], aloneWrites[n]);
        }
    }

    /**
     * Finds the memory that an instruction accesses: its memory operand, or for one without what is on the stack. It is {@link #operand} then.
     *
     * @param size bytes
     * @param aligned whether its address has to be a multiple of them
     * @return false if that is the interpreter's affair
     */
    boolean access(int i, int size, boolean write, boolean aligned) {
        if (!looks.shares(i) || looks.follows(i) && !led[looks.group(i)]) {
            if (!linear(i, 0)) {
                return false;
            }
            probe(i, size, write, aligned);
            return true;
        }
        int g = looks.group(i);
        boolean free = plan.elsewhere(i);
        long from;
        if (looks.follows(i)) {
            a.load(Assembler.RCX, Assembler.RSP, looks.slot(g));
            if (free) {
                a.test(Assembler.RCX);
                from = a.jump(ZERO);
            } else {
                long zero = a.jrcxz();
                long shared = a.jumpShort();
                a.here(zero);
                from = a.jump();
                a.here(shared);
            }
        } else {
            if (!linear(i, looks.distance(i))) {
                return false;
            }
            from = free ? compareGroup(g) : lookForGroup(g);
            a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
            a.store(Assembler.RSP, looks.slot(g), Assembler.RCX);
            led[g] = true;
        }
        aloneFrom[alone] = from;
        aloneBack[alone] = a.at();
        aloneIndex[alone] = i;
        aloneSize[alone] = size;
        aloneWrites[alone++] = write;
        index = Assembler.NONE;
        distance = looks.distance(i);
        return true;
    }

    private long compareGroup(int g) {
        int tlb = looks.writes(g) ? writeTlb : readTlb;
        compare(a, tlb, looks.bytes(g));
        long from = a.jump(ABOVE);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 0, tlb + VcpuContext.TLB_HOST);
        return from;
    }

    private long lookForGroup(int g) {
        int tlb = looks.writes(g) ? writeTlb : readTlb;
        long hit = look(tlb, looks.bytes(g) - 1, HostFrame.PAGE_MASK);
        long from = a.jump();
        a.here(hit);
        delta(tlb);
        return from;
    }

    /** The linear address of what an instruction accesses, less {@code distance}, into R11; false if that is the interpreter's affair. */
    private boolean linear(int i, int distance) {
        switch (unit.template(i)) {
            case PUSH, CALL -> a.lea(unit.wide(), Assembler.R11, Assembler.R15, -unit.size() - distance);
            case POP, RETURN -> a.lea(unit.wide(), Assembler.R11, Assembler.R15, -distance);
            case LEAVE -> a.lea(unit.wide(), Assembler.R11, Assembler.RBP, -distance);
            default -> {
                return address(i, distance);
            }
        }
        return true;
    }

    /** An instruction on a register and the memory that was found. */
    void operand(int prefix, boolean wide, int map, int opcode, int reg, boolean force) {
        a.mem(prefix, wide, map, opcode, reg, Assembler.RCX, index, 0, distance, force);
    }

    /** The same with a VEX prefix: see {@link Assembler#vex}. */
    void vexOperand(int map, int prefix, boolean wide, boolean is256, int opcode, int reg, int vvvv) {
        a.vexMem(map, prefix, wide, is256, opcode, reg, vvvv, Assembler.RCX, index, distance);
    }

    /** {@code mov} of a register, as large as an address, to the memory that was found. */
    void storeWord(int reg) {
        operand(0, unit.wide(), 0, 0x89, reg, false);
    }

    /** The same of the memory that was found to a register. */
    void loadWord(int reg) {
        operand(0, unit.wide(), 0, 0x8b, reg, false);
    }

    /** The linear address of the memory operand into R11; false if that is the interpreter's affair. */
    boolean address(int i) {
        return address(i, 0);
    }

    private boolean address(int i, int less) {
        Decoded d = unit.code[i];
        // outside 64-bit mode an offset in the instruction has no sign, and addresses are cut to 32 bits
        long disp = unit.wide() ? d.disp - less : (int) d.disp;
        if (d.addrSize == 2 || !unit.wide() && d.segment == CpuRegisters.CS) {
            return false;
        }
        boolean wide = d.addrSize == 8;
        int base = Assembler.NONE;
        int index = Assembler.NONE;
        if (d.base == Decoded.RIP_BASE) {
            disp += unit.place[i] + d.length;
        }
        if (disp != (int) disp) {
            return false;
        }
        if (d.base == Decoded.RIP_BASE) {
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
        if (d.segment >= CpuRegisters.FS && !unit.wide()) {
            return segments.linear(i);
        }
        if (d.segment >= CpuRegisters.FS) {
            a.load(Assembler.RCX, Assembler.RSP, d.segment == CpuRegisters.FS ? HostFrame.FS_BASE : HostFrame.GS_BASE);
            a.lea(Assembler.R11, Assembler.R11, Assembler.RCX, 0, 0);
        }
        return true;
    }

    /** From the linear address in R11 to the {@link #operand} {@code [RCX + R11]}, or out to the interpreter. */
    void probe(int i, int size, boolean write, boolean aligned) {
        index = Assembler.R11;
        distance = 0;
        if (plan.elsewhere(i)) {
            compare(i, size, write, aligned);
        } else {
            look(i, size, write, aligned);
        }
    }

    private void look(int i, int size, boolean write, boolean aligned) {
        int tlb = write ? writeTlb : readTlb;
        long hit = look(
                tlb,
                aligned ? 0 : size - 1,
                !aligned ? HostFrame.PAGE_MASK : size == 32 ? HostFrame.ALIGNED_32_MASK : HostFrame.ALIGNED_MASK);
        flow.missUnless(i, size, write, aligned);
        a.here(hit);
        delta(tlb);
    }

    /** A jump that is taken if the TLB has the page of the address in R11, and what lies {@code last} bytes further is in it, too. */
    private long look(int tlb, int last, int mask) {
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.INDEX_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 3, tlb);
        a.lea(Assembler.RCX, Assembler.R11, Assembler.RCX, 0, last);
        a.pext(Assembler.RCX, Assembler.RCX, mask);
        return a.jrcxz();
    }

    private void delta(int tlb) {
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.INDEX_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 3, tlb + VcpuContext.TLB_DELTA);
    }

    /** The same where the host's flags are free. */
    private void compare(int i, int size, boolean write, boolean aligned) {
        int tlb = write ? writeTlb : readTlb;
        compare(a, tlb, size);
        flow.missIf(ABOVE, i, size, write, aligned);
        if (aligned) {
            a.test8(Assembler.R11, size - 1);
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

    /** The memory operand, as large as an address, into a host register; false if that is the interpreter's affair. */
    boolean loadWord(int i, int to) {
        if (!address(i)) {
            return false;
        }
        probe(i, unit.size(), false, false);
        loadWord(to);
        return true;
    }

    /** The host address of the memory that was found into R11. */
    void sum() {
        a.lea(Assembler.R11, Assembler.RCX, index, 0, distance);
    }

    void loadSpilled(int host, int guest) {
        a.load(host, Assembler.RSP, HostFrame.slot(guest));
    }

    void storeSpilled(int guest, int host) {
        a.store(Assembler.RSP, HostFrame.slot(guest), host);
    }
}
