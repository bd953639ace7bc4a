package serai.cpu;

import serai.cpu.Decoded.Kind;
import serai.machine.memory.GuestMemory;

/**
 * Where guest flags are while a unit runs: in the host's flags, or for a stretch of instructions that neither read nor write them, in the
 * frame ({@link HostFrame#FLAGS}). Accesses to memory are quicker there, as they may use the host's flags. Saving them takes five instructions,
 * and so does restoring them, which is not due if the stretch ends with an instruction that writes all of them. Exits from a stretch find the flags in the
 * frame, so what a fault shows is exact even where no instruction would have looked.
 *
 * <p>A stretch begins wherever code can be entered, as flags are in the host's there.
 */
final class FlagPlan {
    /** Accesses from which a stretch pays that has to restore flags at its end; one is enough for others. */
    private static final int WORTH_RESTORING = 2;

    private static final int LIVE = 0, UNTOUCHED = 1, OVERWRITTEN = 2;
    private static final int MAX = TranslationUnit.MAX;

    private final TranslationUnit unit;
    private final boolean[] entered = new boolean[MAX + 1];
    private final boolean[] inFrame = new boolean[MAX + 1];
    private final boolean[] saved = new boolean[MAX + 1];
    private final boolean[] restored = new boolean[MAX + 1];

    FlagPlan(TranslationUnit unit) {
        this.unit = unit;
    }

    /** Whether guest flags are in the frame while an instruction runs, until it writes them. */
    boolean inFrame(int i) {
        return inFrame[i];
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
    void plan() {
        int count = unit.count;
        for (int i = 0; i <= count; i++) {
            entered[i] = i < count && unit.afterCall[i];
            inFrame[i] = false;
            saved[i] = false;
            restored[i] = false;
        }
        for (int i = 0; i < count; i++) {
            if (unit.defined[i] && isDirectJump(i)) {
                long target = unit.target(i);
                if (target >= 0 && target < GuestMemory.PAGE_SIZE) {
                    int to = unit.at((int) target);
                    if (to >= 0) {
                        entered[to] = true;
                    }
                }
            }
        }
        int i = 0;
        while (i < count) {
            i = stretch(i);
        }
    }

    /** Plans one that begins at {@code from}, or none; where to look next. */
    private int stretch(int from) {
        int first = -1;
        int last = -1;
        int accesses = 0;
        int i = from;
        boolean overwritten = false;
        boolean leaves = false;
        while (i < unit.count && !(i > from && entered[i])) {
            int effect = effect(i);
            if (effect == LIVE) {
                break;
            }
            if (accesses(i)) {
                first = first < 0 ? i : first;
                last = i;
                accesses++;
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
        if (first >= 0 && (overwritten || accesses >= WORTH_RESTORING)) {
            int end = overwritten ? i : last + 1;
            saved[first] = true;
            for (int j = first; j < end; j++) {
                inFrame[j] = true;
            }
            restored[end] = !overwritten && !(leaves && end == i);
        }
        return Math.max(i, from + 1);
    }

    private int effect(int i) {
        if (!unit.defined[i]) {
            return LIVE;
        }
        switch (unit.template(i)) {
            case INTERPRET, LAST, JCC, JUMP, PUSH_FLAGS, STRING -> {
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

    private boolean isDirectJump(int i) {
        return switch (unit.template(i)) {
            case JCC, JUMP, CALL -> true;
            default -> false;
        };
    }

    /** Whether it looks at the TLB. */
    private boolean accesses(int i) {
        Decoded d = unit.code[i];
        return switch (unit.template(i)) {
            case PUSH, POP, LEAVE, CALL, CALL_INDIRECT, RETURN -> true;
            case PLAIN, SSE, SHIFT_CL, DIVIDE, COMPARE_16, JUMP_INDIRECT ->
                d.kind[0] == Kind.MEM || d.kind[1] == Kind.MEM || d.kind[2] == Kind.MEM;
            default -> false;
        };
    }
}
