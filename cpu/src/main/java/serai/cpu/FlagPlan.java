package serai.cpu;

import java.util.Arrays;
import java.util.Set;
import serai.cpu.Decoded.Kind;
import serai.cpu.Templates.Template;

/**
 * Where guest flags are while a unit runs: in the host's flags, or for a stretch of instructions that neither read nor write them, elsewhere.
 * Accesses to memory are quicker there, as they may use the host's flags. Exits from a stretch still tell them, so what a
 * fault shows is exact even where no instruction would have looked.
 *
 * <ul>
 *   <li><b>Known</b>: the instruction that wrote them is computed again where they are needed. Its operands are registers that nothing has
 *       changed since, but for the one that it writes itself, which it puts into the frame before ({@link HostFrame#STASH}).
 *   <li><b>In the frame</b> ({@link HostFrame#FLAGS}): saving them there takes five instructions, and so does restoring them.
 * </ul>
 *
 * Where a jump back leads to a stretch of the second kind, and knows its flags, it carries them along: it tells in the frame what
 * computes them ({@link HostFrame#CARRIED}), and enters behind the saving. So a loop saves flags once, and not each time around.
 *
 * <p>Nothing is due at the end of a stretch if that is an instruction which writes all of them. A stretch begins wherever code can be
 * entered, as flags are in the host's there.
 */
final class FlagPlan {
    /** Accesses from which a stretch pays that has to restore flags at its end; one is enough for others. */
    private static final int WORTH_RESTORING = 2;

    /** Instructions whose flags depend on their operands alone, and which write no other register than the first operand's. */
    private static final Set<String> REPLAYED =
            Set.of("ADD", "OR", "AND", "SUB", "XOR", "CMP", "TEST", "NEG", "SHL", "SHR", "SAR", "IMUL");

    private static final int NONE = -1;
    private static final int ALL = 0xffff;
    private static final int STACK_POINTER = 1 << CpuRegisters.RSP;
    private static final int LIVE = 0, UNTOUCHED = 1, OVERWRITTEN = 2;
    private static final int MAX = TranslationUnit.MAX;

    private final TranslationUnit unit;
    private final SharedLooks looks;
    private final boolean[] inFrame = new boolean[MAX + 1];
    private final boolean[] saved = new boolean[MAX + 1];
    private final boolean[] restored = new boolean[MAX + 1];
    private final boolean[] stashed = new boolean[MAX + 1];
    private final int[] writer = new int[MAX + 1];
    /** By the first instruction of a stretch that is overwritten: the last that may exit; or {@link #NONE}. */
    private final int[] exitsUpTo = new int[MAX + 1];
    /** By a jump back: the instruction whose flags it carries; or {@link #NONE}. */
    private final int[] carried = new int[MAX + 1];

    private final boolean[] carriedInto = new boolean[MAX + 1];

    FlagPlan(TranslationUnit unit, SharedLooks looks) {
        this.unit = unit;
        this.looks = looks;
    }

    /** Whether guest flags are in the frame while an instruction runs, until it writes them. */
    boolean inFrame(int i) {
        return inFrame[i];
    }

    /** Whether guest flags are those of {@link #writer}, to be computed again, while an instruction runs, until it writes them. */
    boolean known(int i) {
        return writer[i] >= 0;
    }

    /** The instruction that wrote flags which are known. */
    int writer(int i) {
        return writer[i];
    }

    /** The instruction whose flags a jump back carries along, past the saving at its target; negative if it carries none. */
    int carriedBy(int i) {
        return carried[i];
    }

    /** Whether {@link HostFrame#CARRIED} tells where guest flags are while an instruction runs. */
    boolean carriedInto(int i) {
        return carriedInto[i];
    }

    /** Whether an instruction puts its first operand into the frame before it writes it. */
    boolean stashedAt(int i) {
        return stashed[i];
    }

    /** Whether the host's flags may be changed while an instruction runs. */
    boolean elsewhere(int i) {
        return inFrame[i] || writer[i] >= 0;
    }

    /** Whether an instruction has anything to do with flags that are elsewhere than in the host's. */
    boolean due(int i) {
        return elsewhere(i) || saved[i] || restored[i] || stashed[i];
    }

    /** Whether an instruction's code begins with saving them. */
    boolean savedAt(int i) {
        return saved[i];
    }

    /** Whether they are restored after the instruction before, where it goes on with this one. */
    boolean restoredBefore(int i) {
        return restored[i];
    }

    /** Makes the plan for the instructions in the unit. */
    void make() {
        int count = unit.count;
        for (int i = 0; i <= count; i++) {
            inFrame[i] = false;
            saved[i] = false;
            restored[i] = false;
            stashed[i] = false;
            writer[i] = NONE;
            exitsUpTo[i] = NONE;
            carried[i] = NONE;
            carriedInto[i] = false;
        }
        int i = 0;
        while (i < count) {
            i = stretch(i);
        }
        for (int j = 0; j < count; j++) {
            if (unit.defined[j] && (unit.template(j) == Template.JCC || unit.template(j) == Template.JUMP)) {
                int to = unit.targetHere(j);
                if (to >= 0 && to <= j) {
                    loop(to, j);
                }
            }
        }
    }

    /** Lets the jump at {@code j} carry flags to {@code head}, if that saves them. */
    private void loop(int head, int j) {
        int first = head;
        while (!saved[first]) {
            if (first >= j || effect(first) != UNTOUCHED || unit.entered(first + 1)) {
                return;
            }
            first++;
        }
        int last = exitsUpTo[first];
        if (last == NONE) {
            return;
        }
        int changed = 0;
        for (int i = head; i < last; i++) {
            changed |= changes(i);
        }
        int w = replayable(j, changed);
        if (w == NONE) {
            return;
        }
        carried[j] = w;
        stashed[w] |= writesFirst(w);
        saved[first] = false;
        saved[head] = true;
        exitsUpTo[head] = last;
        Arrays.fill(inFrame, head, first, true);
        Arrays.fill(carriedInto, head, last + 1, true);
    }

    /** Plans one that begins at {@code from}, or none; where to look next. */
    private int stretch(int from) {
        int first = -1;
        int last = -1;
        int lastExit = -1;
        int accesses = 0;
        int i = from;
        boolean overwritten = false;
        boolean leaves = false;
        while (i < unit.count && !(i > from && unit.entered(i))) {
            int effect = effect(i);
            if (effect == LIVE) {
                break;
            }
            if (accesses(i)) {
                first = first < 0 ? i : first;
                last = i;
                accesses++;
            }
            if (!staysInside(i)) {
                lastExit = i;
            }
            i++;
            if (effect == OVERWRITTEN) {
                overwritten = true;
                break;
            }
            if (!unit.goesOn(i - 1) || unit.isCall(i - 1)) {
                leaves = true;
                break;
            }
        }
        if (first >= 0) {
            int end = overwritten ? i : last + 1;
            boolean restores = !overwritten && !(leaves && end == i);
            int w = leaves ? NONE : replayableUpTo(first, overwritten ? lastExit : end);
            if (w >= 0) {
                stashed[w] |= writesFirst(w);
                Arrays.fill(writer, first, end, w);
                restored[end] = restores;
            } else if (overwritten || accesses >= WORTH_RESTORING) {
                saved[first] = true;
                exitsUpTo[first] = overwritten ? lastExit : NONE;
                Arrays.fill(inFrame, first, end, true);
                restored[end] = restores;
            }
        }
        return Math.max(i, from + 1);
    }

    /** The instruction that has written the flags which {@code first} finds, if it can be computed again up to {@code end}; or {@link #NONE}. */
    private int replayableUpTo(int first, int end) {
        int changed = 0;
        for (int i = first; i < end; i++) {
            changed |= changes(i);
        }
        return replayable(first, changed);
    }

    /** The same, if the registers {@code changed} are to change. */
    private int replayable(int before, int alsoChanged) {
        int changed = alsoChanged;
        for (int w = before - 1; w >= 0 && !unit.entered(w + 1); w--) {
            if (!unit.defined[w]) {
                return NONE;
            }
            switch (unit.template(w)) {
                case INTERPRET, LAST -> {
                    return NONE;
                }
                default -> {}
            }
            if ((unit.code[w].plan.written | unit.code[w].plan.undefined) != 0) {
                return canReplay(w) && (inputs(w) & changed) == 0 ? w : NONE;
            }
            changed |= changes(w);
        }
        return NONE;
    }

    private boolean canReplay(int w) {
        Decoded d = unit.code[w];
        if (unit.template(w) != Template.PLAIN
                || !REPLAYED.contains(d.row.mnemonic())
                || d.plan.has(RowPlan.KEEPS) && !countIsNotZero(d)) {
            return false;
        }
        for (int o = 0; o < d.kind.length; o++) {
            if (d.kind[o] == Kind.MEM || Templates.high(d, o)) {
                return false;
            }
        }
        return true;
    }

    /** Whether an instruction that can be replayed overwrites a register that it reads. */
    private boolean writesFirst(int w) {
        Decoded d = unit.code[w];
        return switch (d.row.mnemonic()) {
            case "CMP", "TEST" -> false;
            case "IMUL" -> d.kind[2] != Kind.IMM || d.operand[0] == d.operand[1];
            default -> true;
        };
    }

    /** The guest registers that an instruction which can be replayed needs unchanged: a bit each. */
    private int inputs(int w) {
        Decoded d = unit.code[w];
        int all = 0;
        boolean written = !d.row.mnemonic().equals("CMP") && !d.row.mnemonic().equals("TEST");
        for (int o = 0; o < d.kind.length; o++) {
            if (d.kind[o] == Kind.REG && !(written && d.operand[o] == d.operand[0])) {
                all |= 1 << d.operand[o];
            }
        }
        return all;
    }

    /** The guest registers that an instruction may change which leaves the flags alone: a bit each. */
    private int changes(int i) {
        Decoded d = unit.code[i];
        return switch (unit.template(i)) {
            case NOTHING, JCC, CLEAR_INTERRUPT, SET_INTERRUPT -> 0;
            case SSE, VEX, LEA, MOVE_IMMEDIATE, MOVE_OFFSET, SWAP_BYTES, STORE_SEGMENT -> register(d, 0);
            case PLAIN -> d.row.modrm() && !d.row.mnemonic().equals("XCHG") ? register(d, 0) : ALL;
            case PUSH -> STACK_POINTER;
            case POP -> STACK_POINTER | register(d, 0);
            case LEAVE -> STACK_POINTER | 1 << CpuRegisters.RBP;
            default -> ALL;
        };
    }

    private static int register(Decoded d, int operand) {
        if (d.kind[operand] != Kind.REG) {
            return 0;
        }
        int n = d.operand[operand];
        return 1 << (n >= 20 ? n - 20 : n);
    }

    private int effect(int i) {
        if (!unit.defined[i]) {
            return LIVE;
        }
        switch (unit.template(i)) {
            case INTERPRET, LAST, JCC, JUMP, PUSH_FLAGS, STRING, ALLOW_ACCESS, FORBID_ACCESS, SYSCALL, SYSRET -> {
                return LIVE;
            }
            default -> {}
        }
        Decoded d = unit.code[i];
        RowPlan plan = d.plan;
        int changed = plan.written | plan.undefined;
        if (plan.read != 0) {
            return LIVE;
        }
        if (changed == 0) {
            return UNTOUCHED;
        }
        if (plan.has(RowPlan.KEEPS) && !countIsNotZero(d)) {
            return LIVE;
        }
        return changed == CpuRegisters.ARITHMETIC ? OVERWRITTEN : LIVE;
    }

    /** Whether it shifts by an immediate that the processor doesn't take for 0. */
    private static boolean countIsNotZero(Decoded d) {
        int mask = d.size[0] == 8 ? 63 : 31;
        for (Kind k : d.kind) {
            if (k == Kind.IMM) {
                return (d.immediate & mask) != 0;
            }
        }
        return false;
    }

    /** Whether an instruction is sure to run without an exit. */
    private boolean staysInside(int i) {
        Decoded d = unit.code[i];
        return switch (unit.template(i)) {
            case NOTHING, MOVE_IMMEDIATE -> true;
            case LEA -> d.opSize >= 4 && d.addrSize >= 4 && d.base != Decoded.RIP_BASE;
            case PLAIN -> {
                boolean sure = d.row.modrm();
                for (int o = 0; o < d.kind.length; o++) {
                    sure &= d.kind[o] != Kind.MEM && !Templates.high(d, o);
                }
                yield sure;
            }
            default -> false;
        };
    }

    /** Whether it looks at the TLB. */
    private boolean accesses(int i) {
        if (looks.follows(i)) {
            return false;
        }
        Decoded d = unit.code[i];
        return switch (unit.template(i)) {
            case PUSH, POP, LEAVE, MOVE_OFFSET, CALL, CALL_INDIRECT, RETURN -> true;
            case PLAIN, SSE, VEX, VEX_GENERAL, SHIFT_CL, DIVIDE, COMPARE_16, JUMP_INDIRECT ->
                d.kind[0] == Kind.MEM || d.kind[1] == Kind.MEM || d.kind[2] == Kind.MEM;
            default -> false;
        };
    }
}
