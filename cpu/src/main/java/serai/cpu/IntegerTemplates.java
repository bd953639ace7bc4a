package serai.cpu;

/** Integer instructions whose operands are bound to registers that are other ones here, or that could fault. */
final class IntegerTemplates {
    /** The bits of {@link HostFrame#UPPER_HALF_MASK} of a negative number. */
    private static final int NEGATIVE = 0x1ffff;

    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;
    private final MemoryTemplates memory;
    private final Templates templates;

    IntegerTemplates(Assembler a, TranslationUnit unit, UnitFlow flow, MemoryTemplates memory, Templates templates) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
        this.memory = memory;
        this.templates = templates;
    }

    boolean shift(int i) {
        Decoded d = unit.code[i];
        InstructionRow row = d.row;
        int regOp = templates.regOperand(row);
        int rmOp = templates.rmOperand(row);
        int reg = d.reg();
        if (Templates.high(d, rmOp)) {
            return false;
        }
        if (regOp != Templates.NO_OPERAND) {
            if (HostFrame.spilled(d.operand[regOp])) {
                return false;
            }
            reg = HostFrame.host(d.operand[regOp]);
        }
        if (d.isMem(rmOp)) {
            if (!memory.address(i)) {
                return false;
            }
            memory.probe(i, d.size[rmOp], true, false);
            memory.sum();
            a.move32(Assembler.RCX, Assembler.R10);
            Templates.prefixes(a, d);
            a.mem(0, Templates.wide(d), row.map(), d.opcode, reg, Assembler.R11, Assembler.NONE, 0, 0);
            return true;
        }
        int n = d.operand[rmOp];
        boolean spilled = HostFrame.spilled(n);
        int rm = spilled ? Assembler.R11 : HostFrame.host(n);
        if (spilled) {
            memory.loadSpilled(Assembler.R11, n);
        }
        a.move32(Assembler.RCX, Assembler.R10);
        Templates.prefixes(a, d);
        a.op(0, Templates.wide(d), row.map(), d.opcode, reg, rm, d.size[rmOp] == 1 && n >= 4);
        if (spilled) {
            memory.storeSpilled(n, Assembler.R11);
        }
        return true;
    }

    /**
     * A division by what is not zero (nor -1, if signed), of a dividend that is no wider than the quotient: as compilers write it. All
     * else could raise the host's #DE.
     */
    boolean divide(int i) {
        Decoded d = unit.code[i];
        int size = d.size[0];
        if (size < 4) {
            return false;
        }
        boolean w = size == 8;
        if (d.isMem(0)) {
            if (!memory.access(i, size, false, false)) {
                return false;
            }
            memory.operand(0, w, 0, 0x8b, Assembler.R11, false);
        } else if (HostFrame.spilled(d.operand[0])) {
            a.mem(0, w, 0, 0x8b, Assembler.R11, Assembler.RSP, Assembler.NONE, 0, HostFrame.slot(d.operand[0]));
        } else {
            a.op(0, w, 0, 0x8b, Assembler.R11, HostFrame.host(d.operand[0]));
        }
        boolean signed = d.row.mnemonic().equals("IDIV");
        if (!signed && !unit.wide()) {
            divideLong(i);
            return true;
        }
        a.move(Assembler.RCX, Assembler.R11);
        long zero = a.jrcxz();
        long minusOne = 0;
        if (signed) {
            a.mem(0, w, 0, 0x8d, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 1);
            minusOne = a.jrcxz();
            a.byte1(0xb9);
            a.int4(w ? 63 : 31);
            a.sarx(w, Assembler.RCX, Assembler.RAX, Assembler.RCX);
            a.not(Assembler.RCX);
            a.mem(0, w, 0, 0x8d, Assembler.RCX, Assembler.RCX, Assembler.RDX, 0, 1);
        } else {
            a.op(0, w, 0, 0x8b, Assembler.RCX, Assembler.RDX);
        }
        long good = a.jrcxz();
        a.here(zero);
        if (signed) {
            a.here(minusOne);
        }
        flow.interpretUnless(i);
        a.here(good);
        a.op(0, w, 0, 0xf7, signed ? 7 : 6, Assembler.R11);
        return true;
    }

    /**
     * DIV by R11, of a dividend of 64 bits, with which 32-bit code computes with long numbers: the quotient has 32 if the dividend's
     * upper half is less than the divisor.
     */
    private void divideLong(int i) {
        a.move32(Assembler.RCX, Assembler.RDX);
        a.not(Assembler.R11);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 1); // their difference
        a.not(Assembler.R11);
        a.pext(Assembler.RCX, Assembler.RCX, HostFrame.UPPER_HALF_MASK);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.NONE, 0, -NEGATIVE);
        long good = a.jrcxz();
        flow.interpretUnless(i);
        a.here(good);
        a.op(0, false, 0, 0xf7, 6, Assembler.R11);
    }

    boolean compare16(int i) {
        if (!memory.address(i)) {
            return false;
        }
        memory.probe(i, 16, true, true);
        memory.sum();
        a.move(Assembler.RCX, Assembler.R10);
        if (unit.code[i].lock) {
            a.byte1(0xf0);
        }
        a.mem(0, true, 1, 0xc7, 1, Assembler.R11, Assembler.NONE, 0, 0);
        return true;
    }

    boolean moveImmediate(Decoded d) {
        int n = d.operand[0];
        int size = d.size[0];
        if (n >= 20) {
            if (n == 21) {
                a.move(Assembler.RCX, Assembler.R10);
            }
            a.byte1(0xb0 | n - 16);
            a.byte1((int) d.immediate);
            if (n == 21) {
                a.move(Assembler.R10, Assembler.RCX);
            }
            return true;
        }
        boolean spilled = HostFrame.spilled(n);
        int host = spilled ? Assembler.RCX : HostFrame.host(n);
        if (spilled && size < 4) {
            memory.loadSpilled(host, n);
        }
        if (size == 2) {
            a.byte1(0x66);
        }
        int rex = (size == 8 ? 8 : 0) | (host >= 8 ? 1 : 0);
        if (rex != 0 || size == 1 && host >= 4) {
            a.byte1(0x40 | rex);
        }
        a.byte1((size == 1 ? 0xb0 : 0xb8) | host & 7);
        a.immediate(d.immediate, size);
        if (spilled) {
            memory.storeSpilled(n, host);
        }
        return true;
    }

    /** INC and DEC in one byte, which is a REX prefix on the host. */
    boolean count(Decoded d) {
        Templates.prefixes(a, d);
        a.op(0, false, 0, 0xff, d.row.mnemonic().equals("INC") ? 0 : 1, HostFrame.host(d.operand[0]));
        return true;
    }

    boolean swapBytes(Decoded d) {
        if (d.opSizePrefix) {
            return false;
        }
        int n = d.operand[0];
        boolean spilled = HostFrame.spilled(n);
        int host = spilled ? Assembler.RCX : HostFrame.host(n);
        if (spilled) {
            memory.loadSpilled(host, n);
        }
        int rex = (Templates.wide(d) ? 8 : 0) | (host >= 8 ? 1 : 0);
        if (rex != 0) {
            a.byte1(0x40 | rex);
        }
        a.bytes(0x0f, 0xc8 | host & 7);
        if (spilled) {
            memory.storeSpilled(n, host);
        }
        return true;
    }

    boolean exchange(Decoded d) {
        int n = d.operand[0];
        if (n == 0) {
            return true; // NOP
        }
        boolean spilled = HostFrame.spilled(n);
        int host = spilled ? Assembler.RCX : HostFrame.host(n);
        if (spilled) {
            memory.loadSpilled(host, n);
        }
        Templates.prefixes(a, d);
        a.op(0, Templates.wide(d), 0, 0x87, Assembler.RAX, host);
        if (spilled) {
            memory.storeSpilled(n, host);
        }
        return true;
    }
}
