package serai.cpu;

import serai.cpu.Templates.Template;
import serai.machine.memory.GuestMemory;

/** The guest instructions that are translated together: see {@link Translator}. */
final class TranslationUnit {
    /** Instructions at most. */
    static final int MAX = 32;

    /** Instructions that the interpreter runs, too, where an exit before and one after would cost more. */
    private static final int BETWEEN = 3;

    private static final int PAGE = GuestMemory.PAGE_SIZE;

    private final Decoder decoder;
    private final Templates templates;

    final Decoded[] code = new Decoded[MAX];
    /** Offsets from the page's start; one more than there are instructions. */
    final int[] place = new int[MAX + 1];
    /** Whether it is an instruction at all. */
    final boolean[] defined = new boolean[MAX];
    /** Whether the instruction before is a call. */
    final boolean[] afterCall = new boolean[MAX];

    int count;

    private final boolean[] entered = new boolean[MAX + 1];
    private final int[] indexAt = new int[PAGE];
    private int kind;

    TranslationUnit(Decoder decoder, Templates templates) {
        this.decoder = decoder;
        this.templates = templates;
        for (int i = 0; i < MAX; i++) {
            code[i] = new Decoded();
        }
    }

    /**
     * Decodes.
     *
     * @param host host address of the guest page
     * @param start offset of the first instruction in it
     * @param end offset up to which its bytes may be read; past the page for an instruction that goes on in the next one, which is a
     *     unit of its own
     * @param kind its {@link UnitKind}
     * @param labels what is translated already: the unit ends before
     */
    void decode(long host, int start, int end, int kind, UnitFlow.Labels labels) {
        this.kind = kind;
        int size = size();
        for (int i = 0; i < count; i++) {
            indexAt[place[i]] = 0;
        }
        count = 0;
        int at = start;
        while (count < MAX && at < PAGE && (end == PAGE || count == 0)) {
            if (count > 0 && labels.at(at) != 0) {
                break;
            }
            Decoded d = code[count];
            Decoder.Result result = decoder.decode(d, host + at, end - at, size, size);
            if (result == Decoder.Result.SHORT) {
                break;
            }
            place[count] = at;
            afterCall[count] = count > 0 && isCall(count - 1);
            defined[count] = result == Decoder.Result.OK;
            indexAt[at] = ++count;
            if (result != Decoder.Result.OK) {
                d.length = 1;
                at++;
                break;
            }
            at += d.length;
            if (!goesOn(count - 1)) {
                break;
            }
        }
        place[count] = at;
        for (int i = 0; i <= MAX; i++) {
            entered[i] = i < count && afterCall[i];
        }
        for (int i = 0; i < count; i++) {
            if (defined[i] && isDirectJump(i)) {
                int to = targetHere(i);
                if (to >= 0) {
                    entered[to] = true;
                }
            }
        }
    }

    private boolean isDirectJump(int i) {
        return switch (template(i)) {
            case JCC, JUMP, CALL -> true;
            default -> false;
        };
    }

    /**
     * How many instructions the interpreter is to run at once, beginning with one that is its affair: a sequence for the x87, with few others between,
     * takes one exit.
     */
    int interpretedTogether(int i, FlagPlan plan) {
        int n = 1;
        if (inSequence(i)) {
            for (int k = i + 1; k <= i + n + BETWEEN && k < count && canJoin(k, plan); k++) {
                if (place[k + 1] - place[i] > Byte.MAX_VALUE) {
                    break;
                }
                n = inSequence(k) ? k - i + 1 : n;
            }
        }
        return n;
    }

    private boolean canJoin(int i, FlagPlan plan) {
        return defined[i]
                && !entered[i]
                && !plan.due(i)
                && (inSequence(i)
                        || switch (template(i)) {
                            case NOTHING, PLAIN, LEA, MOVE_IMMEDIATE, MOVE_OFFSET, COUNT, PUSH, POP -> true;
                            default -> false;
                        });
    }

    private boolean inSequence(int i) {
        return defined[i] && templates.inSequence(code[i].row);
    }

    /** Whether an instruction may be entered from within the unit, or after a call. */
    boolean entered(int i) {
        return entered[i];
    }

    /** Whether it is 64-bit code. */
    boolean wide() {
        return !UnitKind.is32(kind);
    }

    /** Bytes of an address, of what calls push and PUSH does by default: 8, or 4 in 32-bit code. */
    int size() {
        return wide() ? 8 : 4;
    }

    /** Where a direct jump or call leads, as an offset from the page's start. */
    long target(int i) {
        return place[i] + code[i].length + code[i].immediate;
    }

    /** The instruction here that a direct jump or call leads to; -1 if it leads elsewhere. */
    int targetHere(int i) {
        long target = target(i);
        return target >= 0 && target < PAGE ? at((int) target) : -1;
    }

    /** The instruction at an offset in the page; -1 if none of these begins there. */
    int at(int offset) {
        return indexAt[offset] - 1;
    }

    Template template(int i) {
        return templates.of(code[i].row);
    }

    boolean isCall(int i) {
        return defined[i] && (template(i) == Template.CALL || template(i) == Template.CALL_INDIRECT);
    }

    /** Whether the instruction after this one may be next without a jump. */
    boolean goesOn(int i) {
        return defined[i]
                && switch (template(i)) {
                    case LAST, JUMP, JUMP_INDIRECT, RETURN, SYSCALL, SYSRET -> false;
                    case ALLOW_ACCESS -> UnitKind.tlb(kind) != VcpuContext.GUARDED;
                    default -> true;
                };
    }
}
