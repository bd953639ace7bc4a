package serai.cpu;

import serai.cpu.Decoded.Kind;

/**
 * Instructions with a VEX prefix (SDM vol. 2, 2.3), written again with general registers renamed; vector registers keep their numbers.
 *
 * <p>For registers that live in the frame there are RCX in ModR/M.reg and VEX.vvvv, and R11 in ModR/M.rm. A destination may share one with a source, which
 * the instruction has read before it writes.
 */
final class VexTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final MemoryTemplates memory;
    private final Templates templates;

    VexTemplates(Assembler a, TranslationUnit unit, MemoryTemplates memory, Templates templates) {
        this.a = a;
        this.unit = unit;
        this.memory = memory;
        this.templates = templates;
    }

    /** Writes an instruction; false if it is the interpreter's. */
    boolean vex(int i) {
        Decoded d = unit.code[i];
        InstructionRow row = d.row;
        if (!unit.wide() && !row.modrm()) {
            return false; // VZEROUPPER and VZEROALL leave registers 8 to 15 alone outside 64-bit mode
        }
        int regOp = templates.regOperand(row);
        int rmOp = templates.rmOperand(row);
        int vvvvOp = templates.vvvvOperand(row);
        int rm = rmOp == Templates.NO_OPERAND ? d.rm() : d.operand[rmOp];
        boolean inMemory = rmOp != Templates.NO_OPERAND && d.isMem(rmOp);
        if (inMemory) {
            int size = d.size[rmOp];
            if (size == 0
                    || size > 32
                    || !memory.access(i, size, rmOp == 0 && templates.writes(row), templates.aligned(row, size))) {
                return false;
            }
        }
        boolean mulx = row.mnemonic().equals("MULX");
        int reg = regOp == Templates.NO_OPERAND ? d.reg() : d.operand[regOp];
        int vvvv = vvvvOp == Templates.NO_OPERAND ? 0 : d.operand[vvvvOp];
        int guestReg = spilled(d, regOp) ? reg : -1;
        int guestRm = spilled(d, rmOp) ? rm : -1;
        int guestVvvv = spilled(d, vvvvOp) ? vvvv : -1;
        if (inMemory && (guestReg >= 0 || guestVvvv >= 0)) {
            memory.sum();
        }
        if (general(d, rmOp)) {
            rm = guestRm >= 0 ? Assembler.R11 : HostFrame.host(rm);
            if (guestRm >= 0) {
                memory.loadSpilled(Assembler.R11, guestRm);
            }
        }
        if (general(d, vvvvOp)) {
            // the low half of MULX, which writes it before the high one, into the same register if there is only one
            boolean second = mulx && guestVvvv != guestReg;
            vvvv = guestVvvv < 0 ? HostFrame.host(vvvv) : second ? Assembler.R11 : Assembler.RCX;
            if (guestVvvv >= 0 && vvvvOp != 0 && !mulx) {
                memory.loadSpilled(Assembler.RCX, guestVvvv);
            }
        }
        if (general(d, regOp)) {
            reg = guestReg >= 0 ? Assembler.RCX : HostFrame.host(reg);
        }
        write(d, row, reg, vvvv, inMemory, guestReg >= 0 || guestVvvv >= 0, rm);
        if (guestReg >= 0 && regOp == 0) {
            memory.storeSpilled(guestReg, Assembler.RCX);
        }
        if (guestVvvv >= 0 && (vvvvOp == 0 || mulx)) {
            memory.storeSpilled(guestVvvv, vvvv);
        }
        if (guestRm >= 0 && rmOp == 0) {
            memory.storeSpilled(guestRm, Assembler.R11);
        }
        if (templates.leavesEcx(row)) {
            a.move32(Assembler.R10, Assembler.RCX);
        }
        return true;
    }

    private static boolean general(Decoded d, int operand) {
        return operand != Templates.NO_OPERAND && d.isReg(operand);
    }

    private static boolean spilled(Decoded d, int operand) {
        return general(d, operand) && HostFrame.spilled(d.operand[operand]);
    }

    private void write(Decoded d, InstructionRow row, int reg, int vvvv, boolean inMemory, boolean summed, int rm) {
        // W widens nothing outside 64-bit mode, but chooses between instructions there, too
        boolean wide = Templates.wide(d) || !unit.wide() && row.rexW() == 1;
        boolean is256 = d.vectorSize == 32;
        if (!row.modrm()) {
            a.vex(row.map(), row.prefix(), wide, is256, row.opcode(), 0, 0, 0, 0);
            return;
        }
        if (!inMemory) {
            a.vexOp(row.map(), row.prefix(), wide, is256, d.opcode, reg, vvvv, rm);
        } else if (summed) {
            a.vexMem(row.map(), row.prefix(), wide, is256, d.opcode, reg, vvvv, Assembler.R11, Assembler.NONE, 0);
        } else {
            memory.vexOperand(row.map(), row.prefix(), wide, is256, d.opcode, reg, vvvv);
        }
        for (int o = 0; o < d.kind.length; o++) {
            if (d.kind[o] == Kind.XMM && row.operands().get(o).startsWith("L")) {
                a.byte1(d.operand[o] << 4); // a register in the high half of an immediate
            }
        }
        Templates.tail(a, d);
    }
}
