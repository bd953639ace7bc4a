package serai.cpu;

/** Instructions that are written again as they stand, with other registers: most of them; and LEA. */
final class PlainTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final MemoryTemplates memory;
    private final Templates templates;

    PlainTemplates(Assembler a, TranslationUnit unit, MemoryTemplates memory, Templates templates) {
        this.a = a;
        this.unit = unit;
        this.memory = memory;
        this.templates = templates;
    }

    boolean plain(int i) {
        Decoded d = unit.code[i];
        InstructionRow row = d.row;
        if (!row.modrm()) {
            if (row.map() != 0) {
                return false;
            }
            Templates.prefixes(a, d);
            if (Templates.wide(d)) {
                a.byte1(0x48);
            }
            a.byte1(d.opcode);
            Templates.tail(a, d);
            return true;
        }
        int regOp = templates.regOperand(row);
        int rmOp = templates.rmOperand(row);
        boolean inMemory = rmOp != Templates.NO_OPERAND && d.isMem(rmOp);
        if (Templates.high(d, regOp) || Templates.high(d, rmOp)) {
            return highByte(i, regOp, rmOp, inMemory);
        }
        boolean general = regOp != Templates.NO_OPERAND && d.isReg(regOp);
        int reg = regOp == Templates.NO_OPERAND ? d.reg() : d.operand[regOp];
        int regGuest = reg;
        boolean regSpilled = general && HostFrame.spilled(reg);
        boolean bothWritten = row.mnemonic().equals("XCHG") || row.mnemonic().equals("XADD");
        boolean regWritten = bothWritten || regOp == 0 && templates.writes(row);
        boolean rmWritten = bothWritten || rmOp == 0 && templates.writes(row);
        boolean force = general && d.size[regOp] == 1 && reg >= 4;
        if (general) {
            reg = regSpilled ? Assembler.RCX : HostFrame.host(reg);
        }
        if (inMemory) {
            if (general && row.operation().startsWith("BT")) {
                return bitString(i, reg, regSpilled);
            }
            int size = row.mnemonic().equals("CMPXCHG8B") ? 8 : d.size[rmOp];
            if (size == 0
                    || size > 16
                    || !memory.access(i, size, rmOp == 0 && templates.writes(row), templates.aligned(row, size))) {
                return false;
            }
            if (row.mnemonic().equals("CMPXCHG8B")) {
                memory.sum();
                a.move(Assembler.RCX, Assembler.R10);
                Templates.prefixes(a, d);
                a.mem(0, false, row.map(), d.opcode, reg, Assembler.R11, Assembler.NONE, 0, 0);
                return true;
            }
            if (regSpilled) {
                memory.sum();
                memory.loadSpilled(Assembler.RCX, regGuest);
                Templates.prefixes(a, d);
                a.mem(
                        Templates.repeat(d),
                        Templates.wide(d),
                        row.map(),
                        d.opcode,
                        reg,
                        Assembler.R11,
                        Assembler.NONE,
                        0,
                        0,
                        force);
                Templates.tail(a, d);
                if (regWritten) {
                    memory.storeSpilled(regGuest, Assembler.RCX);
                }
            } else {
                Templates.prefixes(a, d);
                memory.operand(Templates.repeat(d), Templates.wide(d), row.map(), d.opcode, reg, force);
                Templates.tail(a, d);
            }
        } else {
            int rm = rmOp == Templates.NO_OPERAND ? d.rm() : d.operand[rmOp];
            boolean rmGeneral = rmOp != Templates.NO_OPERAND && d.isReg(rmOp);
            int rmGuest = rm;
            boolean rmSpilled = rmGeneral && HostFrame.spilled(rm);
            if (rmGeneral) {
                force |= d.size[rmOp] == 1 && rm >= 4;
                rm = rmSpilled ? Assembler.R11 : HostFrame.host(rm);
            }
            if (regSpilled) {
                memory.loadSpilled(Assembler.RCX, regGuest);
            }
            boolean same = regSpilled && rmSpilled && regGuest == rmGuest;
            if (same) {
                rm = Assembler.RCX;
            } else if (rmSpilled) {
                memory.loadSpilled(Assembler.R11, rmGuest);
            }
            Templates.prefixes(a, d);
            a.op(Templates.repeat(d), Templates.wide(d), row.map(), d.opcode, reg, rm, force);
            Templates.tail(a, d);
            if (regSpilled && (regWritten || same && rmWritten)) {
                memory.storeSpilled(regGuest, Assembler.RCX);
            }
            if (rmSpilled && !same && rmWritten) {
                memory.storeSpilled(rmGuest, Assembler.R11);
            }
        }
        if (templates.leavesEcx(row)) {
            a.move32(Assembler.R10, Assembler.RCX);
        }
        return true;
    }

    /** MOV between the accumulator and an address that stands in the instruction. */
    boolean moveOffset(int i) {
        Decoded d = unit.code[i];
        boolean store = d.isMem(0);
        int size = d.size[0];
        if (!memory.address(i)) {
            return false;
        }
        memory.probe(i, size, store, false);
        Templates.prefixes(a, d);
        int opcode = (store ? 0x88 : 0x8a) | d.opcode & 1;
        a.mem(0, Templates.wide(d), 0, opcode, Assembler.RAX, Assembler.RCX, Assembler.R11, 0, 0);
        return true;
    }

    /** BT and its like with the bit's number in a register, which may lie anywhere before or after the operand (SDM vol. 1, 3.1.1.9). */
    private boolean bitString(int i, int reg, boolean spilled) {
        Decoded d = unit.code[i];
        boolean w = d.opSize == 8;
        boolean based = !unit.wide() && d.segment >= CpuRegisters.FS;
        if (spilled || d.opSize == 2 || d.addrSize != unit.size() || based || !memory.address(i)) {
            return false;
        }
        a.byte1(0xb9);
        a.int4(w ? 6 : 5);
        a.sarx(w, Assembler.RCX, reg, Assembler.RCX);
        if (!w) {
            a.op(0, true, 0, 0x63, Assembler.RCX, Assembler.RCX);
        }
        a.mem(0, unit.wide(), 0, 0x8d, Assembler.R11, Assembler.R11, Assembler.RCX, w ? 3 : 2, 0);
        boolean test = d.row.operation().equals("BT");
        memory.probe(i, d.opSize, !test, false);
        memory.sum();
        if (d.lock) {
            a.pext(Assembler.RCX, reg, w ? HostFrame.BIT_64 : HostFrame.BIT_32);
            a.byte1(0xf0);
            a.mem(0, w, 1, d.opcode, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
            return true;
        }
        a.mem(0, w, 0, 0x8b, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
        a.op(0, w, 1, d.opcode, reg, Assembler.RCX);
        if (!test) {
            a.mem(0, w, 0, 0x89, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
        }
        return true;
    }

    /** An operand is AH, CH, DH or BH: no REX prefix then, so the guest's RCX has to be in RCX. */
    private boolean highByte(int i, int regOp, int rmOp, boolean inMemory) {
        Decoded d = unit.code[i];
        boolean usesRcx = isRcx(d, regOp) || !inMemory && isRcx(d, rmOp);
        int reg = regOp == Templates.NO_OPERAND ? d.reg() : noRex(d, regOp);
        if (reg < 0) {
            return false;
        }
        if (inMemory) {
            if (usesRcx || !memory.address(i)) {
                return false;
            }
            memory.probe(i, d.size[rmOp], rmOp == 0 && templates.writes(d.row), false);
            a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
            Templates.prefixes(a, d);
            a.mem(Templates.repeat(d), false, d.row.map(), d.opcode, reg, Assembler.RCX, Assembler.NONE, 0, 0);
            Templates.tail(a, d);
            return true;
        }
        int rm = noRex(d, rmOp);
        if (rm < 0) {
            return false;
        }
        if (usesRcx) {
            a.move(Assembler.RCX, Assembler.R10);
        }
        Templates.prefixes(a, d);
        a.op(Templates.repeat(d), false, d.row.map(), d.opcode, reg, rm);
        Templates.tail(a, d);
        if (usesRcx) {
            a.move(Assembler.R10, Assembler.RCX);
        }
        return true;
    }

    private static boolean isRcx(Decoded d, int operand) {
        return operand < 4 && d.isReg(operand) && (d.operand[operand] == 1 || d.operand[operand] == 21);
    }

    /** The number of a register in an instruction without REX; -1 if it can't be there. */
    private static int noRex(Decoded d, int operand) {
        if (!d.isReg(operand)) {
            return -1;
        }
        int n = d.operand[operand];
        return n >= 20 ? n - 16 : n < 4 || n > 4 && n < 8 && d.size[operand] > 1 ? n : -1;
    }

    boolean leaOperand(int i) {
        Decoded d = unit.code[i];
        int segment = d.segment;
        d.segment = CpuRegisters.DS; // LEA knows no segment base
        boolean known = memory.address(i);
        d.segment = segment;
        if (!known) {
            return false;
        }
        int n = d.operand[0];
        if (d.opSize == 2) {
            if (HostFrame.spilled(n)) {
                return false;
            }
            a.byte1(0x66);
            a.op(0, false, 0, 0x8b, HostFrame.host(n), Assembler.R11);
        } else if (HostFrame.spilled(n)) {
            if (d.opSize == 4) {
                a.move32(Assembler.R11, Assembler.R11);
            }
            memory.storeSpilled(n, Assembler.R11);
        } else {
            a.op(0, d.opSize == 8, 0, 0x8b, HostFrame.host(n), Assembler.R11);
        }
        return true;
    }
}
