package serai.cpu;

import java.util.Arrays;
import serai.cpu.Templates.Template;

/**
 * Which accesses of a unit share a look at the TLB: those whose addresses differ by what is known when they are translated, as the fields of a structure or what
 * a function pushes.
 *
 * <p>The first of a group, its leader, looks whether all that the group touches lies in one page that the TLB has, and puts the host address of
 * its lowest byte into a word of the frame ({@link HostFrame#SHARED}). The others take it from there, and leave the flags alone. The word is zero where that
 * failed, and once Java has run, which may have changed the TLB: each looks for itself then.
 *
 * <p>A leader is passed on every way to those that follow it, as no group goes on past an instruction that can be entered.
 */
final class SharedLooks {
    /** Groups at a time. */
    static final int SLOTS = 4;

    /** Bytes that a group reaches over at most: the more, the more often they lie in two pages. */
    private static final int REACH = 256;
    /** A displacement from which no other can be reached by {@link #REACH} that is not one of 32 bits, too. */
    private static final long FAR = 1L << 30;

    private static final int NONE = -1;
    private static final int MAX = TranslationUnit.MAX;
    private static final int RIP = 0, ABSOLUTE = 1, FIRST = 2;

    private final TranslationUnit unit;
    private final Templates templates;

    // by instruction
    private final int[] group = new int[MAX];
    private final long[] offset = new long[MAX];

    // by group: what its addresses have in common, and from where to where it reaches beyond that
    private final int[] base = new int[MAX];
    private final int[] index = new int[MAX];
    private final int[] scale = new int[MAX];
    private final int[] segment = new int[MAX];
    private final long[] low = new long[MAX];
    private final long[] high = new long[MAX];
    private final int[] leader = new int[MAX];
    private final int[] last = new int[MAX];
    private final int[] members = new int[MAX];
    private final boolean[] writes = new boolean[MAX];
    private final int[] slot = new int[MAX];
    private int groups;
    private int firstOpen;

    // by guest register: an unknown number, and what has been added to it
    private final int[] unknown = new int[16];
    private final long[] plus = new long[16];
    private int unknowns;

    private int lastBranch;

    SharedLooks(TranslationUnit unit, Templates templates) {
        this.unit = unit;
        this.templates = templates;
    }

    /** Makes the groups of the instructions in the unit. */
    void make() {
        groups = 0;
        unknowns = FIRST;
        lastBranch = NONE;
        forgetAll();
        for (int i = 0; i < unit.count; i++) {
            group[i] = NONE;
            if (unit.entered(i)) {
                forgetAll();
            }
            if (unit.defined[i] && unit.code[i].codeSize == 8) {
                access(i);
                follow(i);
            } else {
                forgetAll();
            }
        }
        assignSlots();
    }

    /** Whether an instruction's access belongs to a group. */
    boolean shares(int i) {
        return group[i] >= 0 && slot[group[i]] >= 0;
    }

    /** Whether it does, and is not the first. */
    boolean follows(int i) {
        return shares(i) && leader[group[i]] != i;
    }

    /** The group of an access. */
    int group(int i) {
        return group[i];
    }

    /** How far an access is from the lowest byte of its group; from 0 to {@link #bytes}. */
    int distance(int i) {
        return (int) (offset[i] - low[group[i]]);
    }

    /** Bytes that a group reaches over. */
    int bytes(int g) {
        return (int) (high[g] - low[g]);
    }

    /** Whether it writes. */
    boolean writes(int g) {
        return writes[g];
    }

    /** Where in the frame the host address of its lowest byte is. */
    int slot(int g) {
        return HostFrame.SHARED + 8 * slot[g];
    }

    // ---- accesses ----

    private void access(int i) {
        Decoded d = unit.code[i];
        switch (unit.template(i)) {
            case PLAIN, SSE, VEX, VEX_GENERAL, DIVIDE -> operand(i);
            case PUSH -> {
                if (d.opSize == 8 && !d.isMem(0)) {
                    stack(i, CpuRegisters.RSP, -8, true);
                }
            }
            case CALL -> stack(i, CpuRegisters.RSP, -8, true);
            case POP -> {
                if (d.opSize == 8 && !d.isMem(0)) {
                    stack(i, CpuRegisters.RSP, 0, false);
                }
            }
            case RETURN -> {
                if (d.opSize == 8) {
                    stack(i, CpuRegisters.RSP, 0, false);
                }
            }
            case LEAVE -> {
                if (d.opSize == 8) {
                    stack(i, CpuRegisters.RBP, 0, false);
                }
            }
            default -> {}
        }
    }

    private void stack(int i, int register, int disp, boolean write) {
        join(i, unknown[register], NONE, 0, 0, plus[register] + disp, 8, write);
    }

    private void operand(int i) {
        Decoded d = unit.code[i];
        InstructionRow row = d.row;
        int regOp = templates.regOperand(row);
        int rmOp = templates.rmOperand(row);
        if (rmOp == Templates.NO_OPERAND
                || !d.isMem(rmOp)
                || d.addrSize != 8
                || Math.abs(d.disp) >= FAR
                || Templates.high(d, regOp)
                || row.mnemonic().equals("CMPXCHG8B")
                || regOp != Templates.NO_OPERAND
                        && d.isReg(regOp)
                        && row.operation().startsWith("BT")) {
            return;
        }
        int size = d.size[rmOp];
        if (size == 0 || size > 32 || templates.aligned(row, size)) {
            return;
        }
        int b = ABSOLUTE;
        long at = d.disp;
        if (d.base == Decoded.RIP_BASE) {
            b = RIP;
            at += unit.place[i] + d.length;
        } else if (d.base != Decoded.NO_REG) {
            b = unknown[d.base];
            at += plus[d.base];
        }
        int x = NONE;
        if (d.index != Decoded.NO_REG) {
            x = unknown[d.index];
            at += plus[d.index] << d.scale;
        }
        int s = d.segment >= CpuRegisters.FS ? d.segment : 0;
        boolean write = unit.template(i) != Template.DIVIDE && rmOp == 0 && templates.writes(row);
        join(i, b, x, d.scale, s, at, size, write);
    }

    private void join(int i, int b, int x, int sc, int s, long at, int size, boolean write) {
        offset[i] = at;
        for (int g = groups - 1; g >= firstOpen; g--) {
            if (base[g] == b && index[g] == x && scale[g] == sc && segment[g] == s) {
                long from = at - low[g] < 0 ? at : low[g];
                long to = at + size - high[g] > 0 ? at + size : high[g];
                if (to - from > 0 && to - from <= REACH) {
                    if (write && !writes[g] && lastBranch > leader[g]) {
                        break; // where it branches off, a page that can't be written would miss for nothing
                    }
                    low[g] = from;
                    high[g] = to;
                    writes[g] |= write;
                    last[g] = i;
                    members[g]++;
                    group[i] = g;
                    return;
                }
            }
        }
        int g = groups++;
        base[g] = b;
        index[g] = x;
        scale[g] = sc;
        segment[g] = s;
        low[g] = at;
        high[g] = at + size;
        writes[g] = write;
        leader[g] = i;
        last[g] = i;
        members[g] = 1;
        group[i] = g;
    }

    private void assignSlots() {
        int[] until = new int[SLOTS];
        Arrays.fill(until, NONE);
        for (int g = 0; g < groups; g++) {
            slot[g] = NONE;
            for (int s = 0; members[g] > 1 && s < SLOTS; s++) {
                if (until[s] < leader[g]) {
                    until[s] = last[g];
                    slot[g] = s;
                    break;
                }
            }
        }
    }

    // ---- what is known of registers ----

    private void forgetAll() {
        for (int r = 0; r < 16; r++) {
            forget(r);
        }
        firstOpen = groups;
    }

    private void forget(int register) {
        unknown[register] = unknowns++;
        plus[register] = 0;
    }

    private void set(int register, int from, long distance) {
        int u = unknown[from];
        long p = plus[from] + distance;
        unknown[register] = u;
        plus[register] = p;
    }

    /** What is known after an instruction. */
    private void follow(int i) {
        Decoded d = unit.code[i];
        switch (unit.template(i)) {
            case NOTHING, JUMP, RETURN -> {}
            case JCC -> lastBranch = i;
            case LEA -> {
                if (d.opSize == 8 && d.addrSize == 8 && d.base < 16 && d.index == Decoded.NO_REG) {
                    set(d.operand[0], d.base, d.disp);
                } else {
                    forgetOperands(d);
                }
            }
            case PLAIN -> plain(d);
            case SSE, VEX -> {
                forgetOperands(d);
                forget(CpuRegisters.RCX); // of PCMPESTRI and PCMPISTRI
            }
            case VEX_GENERAL, MOVE_IMMEDIATE, MOVE_OFFSET, SWAP_BYTES, SHIFT_CL -> forgetOperands(d);
            case DIVIDE -> {
                forget(CpuRegisters.RAX);
                forget(CpuRegisters.RDX);
            }
            case EXCHANGE_RAX -> {
                forgetOperands(d);
                forget(CpuRegisters.RAX);
            }
            case PUSH -> {
                if (d.opSize == 8) {
                    plus[CpuRegisters.RSP] -= 8;
                } else {
                    forgetAll();
                }
            }
            case POP -> {
                if (d.opSize == 8 && d.isReg(0)) {
                    plus[CpuRegisters.RSP] += 8;
                    forget(d.operand[0]);
                } else {
                    forgetAll();
                }
            }
            case LEAVE -> {
                set(CpuRegisters.RSP, CpuRegisters.RBP, 8);
                forget(CpuRegisters.RBP);
                if (d.opSize != 8) {
                    forgetAll();
                }
            }
            default -> forgetAll();
        }
    }

    private void plain(Decoded d) {
        boolean wide = d.opSize == 8 && d.isReg(0) && d.size[0] == 8;
        switch (d.row.mnemonic()) {
            case "MOV" -> {
                if (wide && d.isReg(1)) {
                    set(d.operand[0], d.operand[1], 0);
                } else {
                    forgetOperands(d);
                }
            }
            case "ADD", "SUB" -> {
                if (wide && d.kind[1] == Decoded.Kind.IMM) {
                    plus[d.operand[0]] += d.row.mnemonic().equals("ADD") ? d.immediate : -d.immediate;
                } else {
                    forgetOperands(d);
                }
            }
            case "CMP", "TEST" -> {}
            case "NOT",
                    "NEG",
                    "INC",
                    "DEC",
                    "OR",
                    "ADC",
                    "AND",
                    "SBB",
                    "XOR",
                    "MOVZX",
                    "MOVSX",
                    "IMUL",
                    "CMOVcc",
                    "SETcc",
                    "SHL",
                    "SHR",
                    "SAR",
                    "ROL",
                    "ROR",
                    "BT" -> forgetOperand(d, 0);
            default -> {
                forgetOperands(d);
                forget(CpuRegisters.RAX); // also of CMPXCHG, MUL, CBW, LAHF
                forget(CpuRegisters.RDX); // also of MUL, CWD, CMPXCHG8B
            }
        }
    }

    private void forgetOperands(Decoded d) {
        for (int o = 0; o < d.kind.length; o++) {
            forgetOperand(d, o);
        }
    }

    private void forgetOperand(Decoded d, int o) {
        if (d.isReg(o)) {
            int n = d.operand[o];
            forget(n >= 20 ? n - 20 : n);
        }
    }
}
