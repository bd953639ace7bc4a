package serai.cpu;

import serai.cpu.Decoded.Kind;

/** Guest flags out of the host's and back, as {@link FlagPlan} has it. Uses RCX; {@link #stash} leaves all registers alone. */
final class FlagTemplates {
    /** Opcode of TEST of the accumulator and an immediate. */
    private static final int TEST_IMMEDIATE = 0xa8;

    private final Assembler a;
    private final TranslationUnit unit;
    private final FlagPlan plan;
    private final Templates templates;

    FlagTemplates(Assembler a, TranslationUnit unit, FlagPlan plan, Templates templates) {
        this.a = a;
        this.unit = unit;
        this.plan = plan;
        this.templates = templates;
    }

    /** What is due after instruction {@code i - 1}, where it goes on with {@code i}. */
    void before(int i) {
        if (plan.restoredBefore(i)) {
            restore(i - 1);
        }
    }

    /** What is due wherever instruction {@code i} is begun, but for a jump that carries flags along. */
    void save(int i) {
        if (plan.savedAt(i)) {
            a.move(Assembler.RCX, Assembler.RAX);
            a.bytes(0x9f, 0x0f, 0x90, 0xc0); // lahf; seto al
            a.store(Assembler.RSP, HostFrame.FLAGS, Assembler.RAX);
            a.move(Assembler.RAX, Assembler.RCX);
            if (plan.carriedInto(i)) {
                a.mem(0, false, 0, 0xc7, 0, Assembler.RSP, Assembler.NONE, 0, HostFrame.CARRIED);
                a.int4(0);
            }
        }
    }

    /** Guest flags into the host's, before instruction {@code i} goes elsewhere. Keeps R11, unless they are computed anew. */
    void restore(int i) {
        if (plan.inFrame(i)) {
            a.move(Assembler.RCX, Assembler.RAX);
            a.load(Assembler.RAX, Assembler.RSP, HostFrame.FLAGS);
            a.bytes(0x04, 0x7f, 0x9e); // add al, 127; sahf: OF is AL's
            a.move(Assembler.RAX, Assembler.RCX);
        } else if (plan.known(i)) {
            replay(plan.writer(i));
        }
    }

    /** Before an exit from instruction {@code i}, if its flags are neither in the host's flags nor in the frame. */
    void beforeExit(int i) {
        if (plan.known(i)) {
            replay(plan.writer(i));
        }
    }

    /** Keeps what an instruction is about to overwrite, if its flags may be due again. */
    void stash(int w) {
        if (!plan.stashedAt(w)) {
            return;
        }
        int n = unit.code[w].operand[0];
        if (HostFrame.spilled(n)) {
            a.load(Assembler.RCX, Assembler.RSP, HostFrame.slot(n));
            a.store(Assembler.RSP, HostFrame.STASH, Assembler.RCX);
        } else {
            a.store(Assembler.RSP, HostFrame.STASH, HostFrame.host(n));
        }
    }

    /** Computes again the flags of an instruction on registers and immediates, and nothing else. Uses R11, too. */
    void replay(int w) {
        Decoded d = unit.code[w];
        InstructionRow row = d.row;
        boolean stashed = plan.stashedAt(w);
        boolean wide = Templates.wide(d);
        if (!row.modrm()) { // the accumulator and an immediate
            if (stashed) {
                a.load(Assembler.RCX, Assembler.RSP, HostFrame.STASH);
            } else {
                a.move(Assembler.RCX, Assembler.RAX);
            }
            Templates.prefixes(a, d);
            if ((d.opcode & 0xfe) == TEST_IMMEDIATE) {
                a.op(0, wide, 0, 0xf6 | d.opcode & 1, 0, Assembler.RCX);
            } else {
                a.op(0, wide, 0, 0x80 | d.opcode & 1, d.opcode >>> 3 & 7, Assembler.RCX);
            }
            Templates.tail(a, d);
            return;
        }
        int regOp = templates.regOperand(row);
        int rmOp = templates.rmOperand(row);
        int rm = source(d, rmOp, stashed, Assembler.R11);
        int reg = d.reg();
        boolean force = d.size[rmOp] == 1 && rm >= 4;
        if (regOp != Templates.NO_OPERAND) {
            // of three operands the first is written only
            reg = d.kind[2] == Kind.IMM ? Assembler.RCX : source(d, regOp, stashed, Assembler.RCX);
            force |= d.size[regOp] == 1 && reg >= 4;
        }
        Templates.prefixes(a, d);
        a.op(0, wide, row.map(), d.opcode, reg, rm, force);
        Templates.tail(a, d);
    }

    /** The host register that has an operand as the instruction found it. */
    private int source(Decoded d, int operand, boolean stashed, int scratch) {
        int n = d.operand[operand];
        if (stashed && n == d.operand[0]) {
            a.load(scratch, Assembler.RSP, HostFrame.STASH);
            return scratch;
        }
        if (HostFrame.spilled(n)) {
            a.load(scratch, Assembler.RSP, HostFrame.slot(n));
            return scratch;
        }
        return HostFrame.host(n);
    }
}
