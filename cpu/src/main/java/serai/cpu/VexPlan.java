package serai.cpu;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import serai.cpu.Decoded.Kind;
import serai.cpu.PackedLanes.Lane;
import serai.cpu.SseFloat.Element;
import serai.cpu.SseNodes.VectorOp;
import serai.cpu.VexNodes.WideOp;

/**
 * How a VEX form is made of operations on 128-bit halves.
 *
 * @param shape one of the constants here
 * @param first the operand that the result starts as; -1 if it starts as nothing
 * @param source the operand that is combined into it
 * @param op what to do with the low half, or with all that there is
 * @param upper what to do with the upper half
 * @param wide what to do with all of the register instead
 * @param lane what to do with each word instead
 * @param element what to do with each floating-point number instead
 */
record VexPlan(int shape, int first, int source, VectorOp op, VectorOp upper, WideOp wide, Lane lane, Element element) {
    private static final VectorOp NO_OP = (c, x, low, high) -> {};
    private static final WideOp NO_WIDE_OP = (c, t, s) -> {};
    private static final Lane NO_LANE = (a, b) -> 0;
    private static final Element NO_ELEMENT = (f, a, b) -> 0;

    /** 128 bits: the low half, the upper one is cleared. */
    static final int LOW = 0;
    /** 256 bits, each half with its own half of the source. */
    static final int HALVES = 1;
    /** 256 bits, each half with the low 128 bits of the source (counts, broadcasts). */
    static final int SHARED = 2;
    /** 256 bits out of half, a quarter or an eighth of it. */
    static final int SPREAD = 3;
    /** 128 bits out of 256. */
    static final int NARROW = 4;
    /** 256 bits across the halves. */
    static final int ACROSS = 5;
    /** Registers and the source are only read: the result is flags or in a general register. */
    static final int READ = 6;
    /** The same with 256 bits. */
    static final int READ_WIDE = 7;
    /** 128 bits, each word of 64 by itself. */
    static final int LANES = 8;
    /** 256 bits, each word by itself. */
    static final int WIDE_LANES = 9;
    /** Each word with the low word of the source, the count of a shift: 128 bits. */
    static final int SHIFT = 10;
    /** The same with 256 bits. */
    static final int WIDE_SHIFT = 11;
    /** 128 bits of doubles, each by itself. */
    static final int DOUBLES = 12;
    /** 256 bits of doubles. */
    static final int WIDE_DOUBLES = 13;
    /** 128 bits of singles. */
    static final int SINGLES = 14;
    /** 256 bits of singles. */
    static final int WIDE_SINGLES = 15;
    /** The lowest double; the rest is the first source's. */
    static final int ONE_DOUBLE = 16;
    /** The lowest single. */
    static final int ONE_SINGLE = 17;

    /** What kind of source there is. */
    static final int REGISTER = 0, MEMORY = 1, GENERAL = 2, IMMEDIATE = 3;

    /** The plan for a form, or null if it is not to be made of operations. */
    static @Nullable VexPlan of(Decoded d) {
        String operation = d.row.operation();
        boolean wide = isWide(d);
        int source = VexNodes.sourceOperand(d);
        VectorOp reader = VexReads.op(d);
        if (reader != null) {
            return new VexPlan(READ, 0, source, reader, NO_OP, NO_WIDE_OP, NO_LANE, NO_ELEMENT);
        }
        WideOp across = VexReads.wide(d);
        if (across != null) {
            return new VexPlan(READ_WIDE, 0, source, NO_OP, NO_OP, across, NO_LANE, NO_ELEMENT);
        }
        int first = d.row.operands().size() > 2 && source == 2 ? 1 : -1;
        across = VexShuffle.wide(d);
        if (across != null) {
            return new VexPlan(ACROSS, first, source, NO_OP, NO_OP, across, NO_LANE, NO_ELEMENT);
        }
        if (FusedMultiply.is(d)) {
            int other = SseNodes.xmm(d, 1);
            return new VexPlan(
                    wide ? HALVES : LOW,
                    0,
                    2,
                    FusedMultiply.op(d, other),
                    FusedMultiply.op(d, other + 2),
                    NO_WIDE_OP,
                    NO_LANE,
                    NO_ELEMENT);
        }
        Lane lane = VexShuffle.lane(operation);
        if (lane != null) {
            return new VexPlan(wide ? WIDE_LANES : LANES, first, source, NO_OP, NO_OP, NO_WIDE_OP, lane, NO_ELEMENT);
        }
        lane = PackedLanes.shift(operation);
        if (lane != null) {
            return new VexPlan(wide ? WIDE_SHIFT : SHIFT, first, source, NO_OP, NO_OP, NO_WIDE_OP, lane, NO_ELEMENT);
        }
        Element element = SseFloat.element(d);
        if (element != null) {
            return new VexPlan(elements(operation, wide), first, source, NO_OP, NO_OP, NO_WIDE_OP, NO_LANE, element);
        }
        VectorOp op = op(d, 0);
        if (op == null) {
            return null;
        }
        if (!wide) {
            return new VexPlan(LOW, first, source, op, NO_OP, NO_WIDE_OP, NO_LANE, NO_ELEMENT);
        }
        int shape = HALVES;
        if (d.size[0] == 16) {
            shape = NARROW;
        } else if (operation.contains("BROADCAST") || first >= 0 && d.size[source] == 16) {
            shape = SHARED;
        } else if (first < 0 && d.size[source] < 32) {
            shape = SPREAD;
        }
        VectorOp upper = Objects.requireNonNull(op(d, 1));
        return new VexPlan(shape, first, source, op, upper, NO_WIDE_OP, NO_LANE, NO_ELEMENT);
    }

    /** The shape of an operation on the numbers that the end of its mnemonic names. */
    private static int elements(String operation, boolean wide) {
        return switch (operation.substring(operation.length() - 2)) {
            case "PD" -> wide ? WIDE_DOUBLES : DOUBLES;
            case "PS" -> wide ? WIDE_SINGLES : SINGLES;
            case "SD" -> ONE_DOUBLE;
            default -> ONE_SINGLE;
        };
    }

    /** Whether the operation is one on 256 bits: scalar forms ignore VEX.L. */
    private static boolean isWide(Decoded d) {
        return d.vectorSize == 32 && !d.row.vex().contains(".LIG.");
    }

    /** The operation on a half; the upper one has immediate bits of its own in some. */
    private static @Nullable VectorOp op(Decoded d, int half) {
        int bits =
                switch (d.row.operation()) {
                    case "BLENDPS", "PBLENDD" -> 4;
                    case "BLENDPD", "SHUFPD", "PERMILPD" -> 2;
                    case "MPSADBW" -> 3;
                    default -> 0;
                };
        long immediate = d.immediate;
        d.immediate = immediate >>> bits * half;
        VectorOp op = VexShuffle.op(d, half);
        if (op == null) {
            op = HalfPrecision.op(d);
        }
        if (op == null) {
            op = SseNodes.op(d);
        }
        d.immediate = immediate;
        return op;
    }

    /** The constant of the node's class: one for each row, shape and kind and size of source. */
    int spec(Decoded d) {
        Kind kind = d.kind[source];
        int k =
                switch (kind) {
                    case MEM -> MEMORY;
                    case REG -> GENERAL;
                    case IMM -> IMMEDIATE;
                    default -> REGISTER;
                };
        int size = 31 - Integer.numberOfLeadingZeros(Math.max(1, d.size[source]));
        int exceptions = VexNodes.floating(d.row.operation()) ? 1 : 0;
        return d.row.number() << 11 | exceptions << 10 | size << 7 | k << 5 | shape;
    }
}
