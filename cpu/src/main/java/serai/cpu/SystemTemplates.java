package serai.cpu;

/** Flags of the system, segment and control registers. */
final class SystemTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;
    private final MemoryTemplates memory;

    SystemTemplates(Assembler a, TranslationUnit unit, UnitFlow flow, MemoryTemplates memory) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
        this.memory = memory;
    }

    /** CLI, or STI as long as no interrupt waits for it: with none, its shadow over the next instruction makes no difference. */
    boolean interruptFlag(int i, int value) {
        if (value != 0) {
            a.mem(0, false, 0, 0x8b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.QUIET);
            long waits = a.jrcxz();
            long over = a.jump();
            a.here(waits);
            flow.interpretUnless(i);
            a.patch(over, a.at());
        }
        a.store(Assembler.RSP, HostFrame.INTERRUPT_FLAG, value, true);
        return true;
    }

    /** CLD, STD. */
    boolean directionFlag(Decoded d) {
        a.store(Assembler.RSP, HostFrame.DIRECTION_FLAG, d.row.mnemonic().equals("STD") ? CpuRegisters.DF : 0, true);
        return true;
    }

    /** SWAPGS in supervisor mode. */
    boolean swapGs() {
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.GS_BASE);
        a.load(Assembler.R11, Assembler.RSP, HostFrame.KERNEL_GS_BASE);
        a.store(Assembler.RSP, HostFrame.KERNEL_GS_BASE, Assembler.RCX);
        a.store(Assembler.RSP, HostFrame.GS_BASE, Assembler.R11);
        return true;
    }

    private static int base(Decoded d) {
        return d.row.mnemonic().endsWith("FSBASE") ? HostFrame.FS_BASE : HostFrame.GS_BASE;
    }

    /** Out to the interpreter unless CR4.FSGSBASE is set. */
    private void checkBases(int i) {
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.BASES);
        long off = a.jrcxz();
        long over = a.jump();
        a.here(off);
        flow.interpretUnless(i);
        a.patch(over, a.at());
    }

    /** RDFSBASE, RDGSBASE. */
    boolean readBase(int i) {
        Decoded d = unit.code[i];
        checkBases(i);
        int to = d.operand[0];
        int host = HostFrame.spilled(to) ? Assembler.RCX : HostFrame.host(to);
        a.mem(0, d.opSize == 8, 0, 0x8b, host, Assembler.RSP, Assembler.NONE, 0, base(d));
        if (HostFrame.spilled(to)) {
            memory.storeSpilled(to, host);
        }
        return true;
    }

    /** WRFSBASE, WRGSBASE of an address of the lower half; of others only some are canonical. */
    boolean writeBase(int i) {
        Decoded d = unit.code[i];
        checkBases(i);
        int from = d.operand[0];
        if (HostFrame.spilled(from)) {
            memory.loadSpilled(Assembler.R11, from);
        } else {
            a.move(Assembler.R11, HostFrame.host(from));
        }
        if (d.opSize != 8) {
            a.move32(Assembler.R11, Assembler.R11);
        }
        a.pext(Assembler.RCX, Assembler.R11, HostFrame.UPPER_HALF_MASK);
        long low = a.jrcxz();
        flow.interpretUnless(i);
        a.here(low);
        a.store(Assembler.RSP, base(d), Assembler.R11);
        return true;
    }

    /** MOV from CR0, CR2, CR3 or CR4 in supervisor mode. */
    boolean readControl(Decoded d) {
        int n = d.operand[1];
        int to = d.operand[0];
        if (n > 4 || n == 1) {
            return false;
        }
        int host = HostFrame.spilled(to) ? Assembler.RCX : HostFrame.host(to);
        a.mem(0, unit.wide(), 0, 0x8b, host, Assembler.RSP, Assembler.NONE, 0, HostFrame.CONTROL + 8 * n);
        if (HostFrame.spilled(to)) {
            memory.storeSpilled(to, host);
        }
        return true;
    }

    boolean storeSegment(int i) {
        Decoded d = unit.code[i];
        int slot = HostFrame.SELECTORS + 2 * d.operand[1];
        if (d.isMem(0)) {
            if (!memory.address(i)) {
                return false;
            }
            memory.probe(i, 2, true, false);
            memory.sum();
            a.mem(0, false, 1, 0xb7, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, slot); // movzx
            a.mem(0x66, false, 0, 0x89, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
            return true;
        }
        int to = d.operand[0];
        if (d.size[0] == 2) {
            if (HostFrame.spilled(to)) {
                a.mem(0, false, 1, 0xb7, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, slot); // movzx
                a.mem(0x66, false, 0, 0x89, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.slot(to));
            } else {
                a.mem(0x66, false, 0, 0x8b, HostFrame.host(to), Assembler.RSP, Assembler.NONE, 0, slot);
            }
            return true;
        }
        int host = HostFrame.spilled(to) ? Assembler.RCX : HostFrame.host(to);
        a.mem(0, false, 1, 0xb7, host, Assembler.RSP, Assembler.NONE, 0, slot); // movzx
        if (HostFrame.spilled(to)) {
            memory.storeSpilled(to, host);
        }
        return true;
    }
}
