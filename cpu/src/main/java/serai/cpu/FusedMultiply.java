package serai.cpu;

import serai.cpu.SoftFloat.Format;
import serai.cpu.SseNodes.VectorOp;

/**
 * FMA: a product and a sum with one rounding (SDM vol. 1, 14.5). The digits in the mnemonic tell which operands are the factors, and
 * which is added: in 132 the first and third are multiplied and the second is added.
 *
 * <p>As in {@link SseFloat} the host's arithmetic does where its result is certain; as there is no cheap way to tell whether it was
 * exact, only when PE is set already.
 */
final class FusedMultiply {
    private FusedMultiply() {}

    /** What happens to the signs of product and addend, by element. */
    private record Signs(boolean product, boolean evenAddend, boolean oddAddend) {}

    static boolean is(Decoded d) {
        return d.row.operation().startsWith("FM") || d.row.operation().startsWith("FNM");
    }

    /**
     * The operation.
     *
     * @param second index into {@link CpuRegisters#vec} of the second operand's half; the first is the destination, the third the
     *     source
     */
    static VectorOp op(Decoded d, int second) {
        String m = d.row.operation();
        int digits = m.length() - 5;
        String order = m.substring(digits, digits + 3);
        Signs signs =
                switch (m.substring(1, digits)) {
                    case "MADD" -> new Signs(false, false, false);
                    case "MSUB" -> new Signs(false, true, true);
                    case "NMADD" -> new Signs(true, false, false);
                    case "NMSUB" -> new Signs(true, true, true);
                    case "MADDSUB" -> new Signs(false, true, false);
                    default -> new Signs(false, false, true);
                };
        boolean single = m.endsWith("S");
        boolean packed = m.charAt(m.length() - 2) == 'P';
        return switch (order) {
            case "132" ->
                (c, x, low, high) -> run(
                        c,
                        x,
                        signs,
                        single,
                        packed,
                        c.vec[x],
                        c.vec[x + 1],
                        low,
                        high,
                        c.vec[second],
                        c.vec[second + 1]);
            case "213" ->
                (c, x, low, high) -> run(
                        c,
                        x,
                        signs,
                        single,
                        packed,
                        c.vec[second],
                        c.vec[second + 1],
                        c.vec[x],
                        c.vec[x + 1],
                        low,
                        high);
            default ->
                (c, x, low, high) -> run(
                        c,
                        x,
                        signs,
                        single,
                        packed,
                        c.vec[second],
                        c.vec[second + 1],
                        low,
                        high,
                        c.vec[x],
                        c.vec[x + 1]);
        };
    }

    /** Factors a and b, addend z; the result goes to {@code c.vec[x]}. */
    private static void run(
            Cpu c,
            int x,
            Signs s,
            boolean single,
            boolean packed,
            long a0,
            long a1,
            long b0,
            long b1,
            long z0,
            long z1) {
        SoftFloat f = SseFloat.begin(c);
        long r0;
        long r1 = c.vec[x + 1];
        if (single) {
            r0 = single(f, a0 & 0xffffffffL, b0 & 0xffffffffL, z0 & 0xffffffffL, s.product, s.evenAddend);
            if (packed) {
                r0 |= single(f, a0 >>> 32, b0 >>> 32, z0 >>> 32, s.product, s.oddAddend) << 32;
                r1 = single(f, a1 & 0xffffffffL, b1 & 0xffffffffL, z1 & 0xffffffffL, s.product, s.evenAddend)
                        | single(f, a1 >>> 32, b1 >>> 32, z1 >>> 32, s.product, s.oddAddend) << 32;
            } else {
                r0 |= c.vec[x] & ~0xffffffffL;
            }
        } else {
            r0 = twice(f, a0, b0, z0, s.product, s.evenAddend);
            if (packed) {
                r1 = twice(f, a1, b1, z1, s.product, s.oddAddend);
            }
        }
        SseFloat.end(c, f);
        c.vec[x] = r0;
        c.vec[x + 1] = r1;
    }

    /** On doubles. */
    private static long twice(SoftFloat f, long a, long b, long z, boolean negateProduct, boolean negateAddend) {
        if (f.nearest
                && f.inexactKnown
                && SseFloat.plainDouble(a)
                && SseFloat.plainDouble(b)
                && SseFloat.plainDouble(z)) {
            double x = Double.longBitsToDouble(negateProduct ? a ^ Long.MIN_VALUE : a);
            double addend = Double.longBitsToDouble(negateAddend ? z ^ Long.MIN_VALUE : z);
            long r = Double.doubleToRawLongBits(Math.fma(x, Double.longBitsToDouble(b), addend));
            if (SseFloat.insideDouble(r)) {
                return r;
            }
        }
        return f.fused(Format.DOUBLE, a, b, z, negateProduct, negateAddend);
    }

    private static long single(SoftFloat f, long a, long b, long z, boolean negateProduct, boolean negateAddend) {
        if (f.inexactKnown) {
            float x = Float.intBitsToFloat((int) (negateProduct ? a ^ 0x80000000L : a));
            float addend = Float.intBitsToFloat((int) (negateAddend ? z ^ 0x80000000L : z));
            float r = Math.fma(x, Float.intBitsToFloat((int) b), addend);
            if (SseFloat.certainSingle(f, a, b, r) && SseFloat.plainSingle(z)) {
                return SseFloat.bits(r);
            }
        }
        return f.fused(Format.SINGLE, a, b, z, negateProduct, negateAddend);
    }
}
