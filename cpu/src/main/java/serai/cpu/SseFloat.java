package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SoftFloat.Format;
import serai.cpu.SseNodes.VectorOp;

/**
 * Floating-point arithmetic and comparisons of SSE.
 *
 * <p>The host's own arithmetic is used when its result is certain to be the guest's: rounding to nearest, operands
 * normal or zero, a result well inside the normal range. Then inexactness is all that can be signalled; it matters no more
 * once PE is set in MXCSR, and until then the exact error tells it. All else goes to {@link SoftFloat}.
 */
final class SseFloat {
    private SseFloat() {}

    /** An operation on one element; a single is in the low 32 bits, the high ones are zero. */
    @FunctionalInterface
    interface Element {
        long apply(SoftFloat f, long a, long b);
    }

    static @Nullable VectorOp op(Decoded d) {
        String m = d.row.operation();
        if (m.length() < 4) {
            return null;
        }
        boolean single = m.endsWith("S");
        switch (m) {
            case "UCOMISS", "COMISS":
                return compareFlags(Format.SINGLE, d.row.opcode() == 0x2f);
            case "UCOMISD", "COMISD":
                return compareFlags(Format.DOUBLE, d.row.opcode() == 0x2f);
            case "HADDPD":
                return horizontalDouble(SseFloat::addDouble);
            case "HSUBPD":
                return horizontalDouble(SseFloat::subDouble);
            case "HADDPS":
                return horizontalSingle(SseFloat::addSingle);
            case "HSUBPS":
                return horizontalSingle(SseFloat::subSingle);
            case "ADDSUBPD":
                return (c, x, low, high) -> {
                    SoftFloat f = begin(c);
                    long r = subDouble(f, c.vec[x], low);
                    long s = addDouble(f, c.vec[x + 1], high);
                    end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = s;
                };
            case "ADDSUBPS":
                return (c, x, low, high) -> {
                    SoftFloat f = begin(c);
                    long r = alternate(f, c.vec[x], low);
                    long s = alternate(f, c.vec[x + 1], high);
                    end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = s;
                };
            case "RCPPS", "RSQRTPS":
                boolean root = m.equals("RSQRTPS");
                return (c, x, low, high) -> {
                    c.vec[x] = approximate((int) low, root) | approximate((int) (low >>> 32), root) << 32;
                    c.vec[x + 1] = approximate((int) high, root) | approximate((int) (high >>> 32), root) << 32;
                };
            case "RCPSS", "RSQRTSS":
                boolean rootOfOne = m.equals("RSQRTSS");
                return (c, x, low, high) -> c.vec[x] = c.vec[x] & ~0xffffffffL | approximate((int) low, rootOfOne);
            default:
        }
        Element e = element(d);
        if (e == null) {
            return null;
        }
        boolean packed = m.charAt(m.length() - 2) == 'P';
        return packed ? single ? packedSingle(e) : packedDouble(e) : single ? scalarSingle(e) : scalarDouble(e);
    }

    /** What an instruction does with each element, or with the lowest alone; null if there is no such operation. */
    static @Nullable Element element(Decoded d) {
        String m = d.row.operation();
        if (m.length() < 4 || m.charAt(m.length() - 2) != 'P' && m.charAt(m.length() - 2) != 'S') {
            return null;
        }
        // a VEX form compares in 32 ways, a legacy one in eight
        return element(m.substring(0, m.length() - 2), m.endsWith("S"), (int) d.immediate & (d.row.isVex() ? 31 : 7));
    }

    private static @Nullable Element element(String stem, boolean single, int immediate) {
        Format format = single ? Format.SINGLE : Format.DOUBLE;
        return switch (stem) {
            case "ADD" -> single ? SseFloat::addSingle : SseFloat::addDouble;
            case "SUB" -> single ? SseFloat::subSingle : SseFloat::subDouble;
            case "MUL" -> single ? SseFloat::mulSingle : SseFloat::mulDouble;
            case "DIV" -> single ? SseFloat::divSingle : SseFloat::divDouble;
            case "SQRT" -> single ? SseFloat::sqrtSingle : SseFloat::sqrtDouble;
            case "MIN" ->
                (f, a, b) -> f.compare(format, a, b, true) < 0 ? flushed(f, format, a) : flushed(f, format, b);
            case "MAX" ->
                (f, a, b) -> f.compare(format, a, b, true) == 1 ? flushed(f, format, a) : flushed(f, format, b);
            case "CMP" -> compareMask(format, immediate);
            default -> null;
        };
    }

    // ---- elements of registers ----

    static SoftFloat begin(Cpu c) {
        return c.fpu.soft.sse(c.mxcsr);
    }

    /** Notes the flags and raises the exception if one is unmasked; before any result is written. */
    static void end(Cpu c, SoftFloat f) {
        int flags = f.flags;
        if ((flags & ~c.mxcsr) == 0 && (flags & ~f.masks) == 0) {
            return;
        }
        raise(c, f, flags);
    }

    /** Notes the flags of an operation in parts, each of them done since {@link SoftFloat#collect}. */
    static void endCollected(Cpu c, SoftFloat f) {
        f.collecting = false;
        if (f.collected != 0) {
            raise(c, f, f.collected);
        }
    }

    private static void raise(Cpu c, SoftFloat f, int flags) {
        if (f.collecting) {
            f.collected |= flags;
            return;
        }
        if ((flags & SoftFloat.BEFORE & ~f.masks) != 0) {
            // no element's result is computed then: SDM vol. 1, 11.5.2
            c.mxcsr |= flags & SoftFloat.BEFORE;
        } else {
            c.mxcsr |= flags;
            if ((flags & ~f.masks) == 0) {
                return;
            }
        }
        throw c.fault((c.cr4 & CpuRegisters.CR4_OSXMMEXCPT) != 0 ? 19 : 6, 0);
    }

    private static VectorOp packedDouble(Element e) {
        return (c, x, low, high) -> {
            SoftFloat f = begin(c);
            long r = e.apply(f, c.vec[x], low);
            long s = e.apply(f, c.vec[x + 1], high);
            end(c, f);
            c.vec[x] = r;
            c.vec[x + 1] = s;
        };
    }

    private static VectorOp scalarDouble(Element e) {
        return (c, x, low, high) -> {
            SoftFloat f = begin(c);
            long r = e.apply(f, c.vec[x], low);
            end(c, f);
            c.vec[x] = r;
        };
    }

    private static VectorOp packedSingle(Element e) {
        return (c, x, low, high) -> {
            SoftFloat f = begin(c);
            long r = pair(f, e, c.vec[x], low);
            long s = pair(f, e, c.vec[x + 1], high);
            end(c, f);
            c.vec[x] = r;
            c.vec[x + 1] = s;
        };
    }

    private static long pair(SoftFloat f, Element e, long a, long b) {
        return e.apply(f, a & 0xffffffffL, b & 0xffffffffL) | e.apply(f, a >>> 32, b >>> 32) << 32;
    }

    private static VectorOp scalarSingle(Element e) {
        return (c, x, low, high) -> {
            SoftFloat f = begin(c);
            long r = e.apply(f, c.vec[x] & 0xffffffffL, low & 0xffffffffL);
            end(c, f);
            c.vec[x] = c.vec[x] & ~0xffffffffL | r;
        };
    }

    private static VectorOp horizontalDouble(Element e) {
        return (c, x, low, high) -> {
            SoftFloat f = begin(c);
            long r = e.apply(f, c.vec[x], c.vec[x + 1]);
            long s = e.apply(f, low, high);
            end(c, f);
            c.vec[x] = r;
            c.vec[x + 1] = s;
        };
    }

    private static VectorOp horizontalSingle(Element e) {
        return (c, x, low, high) -> {
            SoftFloat f = begin(c);
            long r = neighbours(f, e, c.vec[x]) | neighbours(f, e, c.vec[x + 1]) << 32;
            long s = neighbours(f, e, low) | neighbours(f, e, high) << 32;
            end(c, f);
            c.vec[x] = r;
            c.vec[x + 1] = s;
        };
    }

    private static long neighbours(SoftFloat f, Element e, long v) {
        return e.apply(f, v & 0xffffffffL, v >>> 32);
    }

    /** ADDSUBPS on two elements: the even one subtracts. */
    private static long alternate(SoftFloat f, long a, long b) {
        return subSingle(f, a & 0xffffffffL, b & 0xffffffffL) | addSingle(f, a >>> 32, b >>> 32) << 32;
    }

    // ---- doubles ----

    static boolean plainDouble(long bits) {
        int e = (int) (bits >>> 52) & 0x7ff;
        return e - 1 < 0x7fe && e != 0 || bits << 1 == 0;
    }

    /** Far enough from both ends that neither rounding nor the error term leaves the range. */
    static boolean insideDouble(long bits) {
        int e = (int) (bits >>> 52) & 0x7ff;
        return e > 128 && e < 1900;
    }

    /** Whether the host's result {@code r} is the guest's; the caller still has to see to inexactness. */
    private static boolean certain(SoftFloat f, long a, long b, long r) {
        return f.nearest && plainDouble(a) && plainDouble(b) && insideDouble(r);
    }

    static long addDouble(SoftFloat f, long a, long b) {
        double x = Double.longBitsToDouble(a);
        double y = Double.longBitsToDouble(b);
        double s = x + y;
        long r = Double.doubleToRawLongBits(s);
        if (certain(f, a, b, r)) {
            if (!f.inexactKnown) {
                double z = s - x;
                if (x - (s - z) + (y - z) != 0) {
                    f.flags |= SoftFloat.PE;
                }
            }
            return r;
        }
        return f.binary(SoftFloat.ADD, Format.DOUBLE, a, b);
    }

    static long subDouble(SoftFloat f, long a, long b) {
        double x = Double.longBitsToDouble(a);
        double y = -Double.longBitsToDouble(b);
        double s = x + y;
        long r = Double.doubleToRawLongBits(s);
        if (certain(f, a, b, r)) {
            if (!f.inexactKnown) {
                double z = s - x;
                if (x - (s - z) + (y - z) != 0) {
                    f.flags |= SoftFloat.PE;
                }
            }
            return r;
        }
        return f.binary(SoftFloat.SUB, Format.DOUBLE, a, b);
    }

    static long mulDouble(SoftFloat f, long a, long b) {
        double x = Double.longBitsToDouble(a);
        double y = Double.longBitsToDouble(b);
        double p = x * y;
        long r = Double.doubleToRawLongBits(p);
        if (certain(f, a, b, r)) {
            if (!f.inexactKnown && Math.fma(x, y, -p) != 0) {
                f.flags |= SoftFloat.PE;
            }
            return r;
        }
        return f.binary(SoftFloat.MUL, Format.DOUBLE, a, b);
    }

    static long divDouble(SoftFloat f, long a, long b) {
        double x = Double.longBitsToDouble(a);
        double y = Double.longBitsToDouble(b);
        double q = x / y;
        long r = Double.doubleToRawLongBits(q);
        if (certain(f, a, b, r) && (f.inexactKnown || insideDouble(a))) {
            if (!f.inexactKnown && Math.fma(q, y, -x) != 0) {
                f.flags |= SoftFloat.PE;
            }
            return r;
        }
        return f.binary(SoftFloat.DIV, Format.DOUBLE, a, b);
    }

    private static long sqrtDouble(SoftFloat f, long ignored, long b) {
        double x = Double.longBitsToDouble(b);
        double q = Math.sqrt(x);
        long r = Double.doubleToRawLongBits(q);
        if (f.nearest && insideDouble(b) && b > 0) {
            if (!f.inexactKnown && Math.fma(q, q, -x) != 0) {
                f.flags |= SoftFloat.PE;
            }
            return r;
        }
        return f.squareRoot(Format.DOUBLE, b);
    }

    // ---- singles: a double holds products exactly ----

    static boolean plainSingle(long bits) {
        int e = (int) bits >>> 23 & 0xff;
        return e != 0 && e != 0xff || (int) bits << 1 == 0;
    }

    static boolean certainSingle(SoftFloat f, long a, long b, float r) {
        int e = Float.floatToRawIntBits(r) >>> 23 & 0xff;
        return f.nearest && plainSingle(a) && plainSingle(b) && e > 28 && e < 0xfd;
    }

    static long bits(float v) {
        return Float.floatToRawIntBits(v) & 0xffffffffL;
    }

    private static float single(long bits) {
        return Float.intBitsToFloat((int) bits);
    }

    static long addSingle(SoftFloat f, long a, long b) {
        float x = single(a);
        float y = single(b);
        float s = x + y;
        if (certainSingle(f, a, b, s)) {
            if (!f.inexactKnown) {
                float z = s - x;
                if (x - (s - z) + (y - z) != 0) {
                    f.flags |= SoftFloat.PE;
                }
            }
            return bits(s);
        }
        return f.binary(SoftFloat.ADD, Format.SINGLE, a, b);
    }

    static long subSingle(SoftFloat f, long a, long b) {
        float x = single(a);
        float y = -single(b);
        float s = x + y;
        if (certainSingle(f, a, b, s)) {
            if (!f.inexactKnown) {
                float z = s - x;
                if (x - (s - z) + (y - z) != 0) {
                    f.flags |= SoftFloat.PE;
                }
            }
            return bits(s);
        }
        return f.binary(SoftFloat.SUB, Format.SINGLE, a, b);
    }

    static long mulSingle(SoftFloat f, long a, long b) {
        double exact = (double) single(a) * single(b);
        float p = (float) exact;
        if (certainSingle(f, a, b, p)) {
            if (p != exact) {
                f.flags |= SoftFloat.PE;
            }
            return bits(p);
        }
        return f.binary(SoftFloat.MUL, Format.SINGLE, a, b);
    }

    private static long divSingle(SoftFloat f, long a, long b) {
        float x = single(a);
        float y = single(b);
        float q = x / y;
        if (certainSingle(f, a, b, q)) {
            if ((double) q * y != x) {
                f.flags |= SoftFloat.PE;
            }
            return bits(q);
        }
        return f.binary(SoftFloat.DIV, Format.SINGLE, a, b);
    }

    private static long sqrtSingle(SoftFloat f, long ignored, long b) {
        float x = single(b);
        float q = (float) Math.sqrt(x);
        if (certainSingle(f, b, b, q) && x > 0) {
            if ((double) q * q != x) {
                f.flags |= SoftFloat.PE;
            }
            return bits(q);
        }
        return f.squareRoot(Format.SINGLE, b);
    }

    // ---- comparisons ----

    /** An operand that is handed through: under DAZ a denormal comes out as zero. */
    static long flushed(SoftFloat f, Format format, long bits) {
        if (!f.daz) {
            return bits;
        }
        int fraction = format.precision - 1;
        long exponent = ((1L << format.exponentBits) - 1) << fraction;
        return (bits & exponent) == 0 ? bits & 1L << fraction + format.exponentBits : bits;
    }

    /**
     * CMPxx: bits 1:0 of the predicate are equal, less, less or equal, unordered; bit 2 negates; bit 3 turns each around for
     * a NaN, so that equal becomes "equal or unordered", less "not at least" and unordered false; bit 4 exchanges
     * quiet and signaling (SDM vol. 2, table 3-1).
     */
    private static Element compareMask(Format format, int predicate) {
        long ones = format == Format.SINGLE ? 0xffffffffL : -1;
        int kind = predicate & 3;
        boolean negate = (predicate & 4) != 0;
        boolean turned = (predicate & 8) != 0;
        boolean exchanged = (predicate & 16) != 0;
        boolean signaling = (kind == 1 || kind == 2) != exchanged;
        return (f, a, b) -> {
            int order = f.compare(format, a, b, signaling);
            boolean holds =
                    switch (kind) {
                        case 0 -> order == 0;
                        case 1 -> order < 0;
                        case 2 -> order <= 0;
                        default -> order == 2;
                    };
            return (holds != negate) != (turned && order == 2) ? ones : 0;
        };
    }

    /** COMISx and UCOMISx. */
    private static VectorOp compareFlags(Format format, boolean signaling) {
        long mask = format == Format.SINGLE ? 0xffffffffL : -1;
        return (c, x, low, high) -> {
            SoftFloat f = begin(c);
            int order = f.compare(format, c.vec[x] & mask, low & mask, signaling);
            end(c, f);
            c.arithmeticFlags(
                    switch (order) {
                        case -1 -> CpuRegisters.CF;
                        case 0 -> CpuRegisters.ZF;
                        case 1 -> 0;
                        default -> CpuRegisters.CF | CpuRegisters.ZF | CpuRegisters.PF;
                    });
        };
    }

    // ---- RCPPS, RSQRTPS ----

    /**
     * The reciprocal, or that of the square root, cut to 12 bits: a relative error below 2^-11.99. Signals nothing; denormals are
     * zeros on either side.
     */
    private static long approximate(int bits, boolean root) {
        float x = Float.intBitsToFloat(bits);
        int sign = bits & 0x80000000;
        int result;
        if (Float.isNaN(x)) {
            result = bits | 0x00400000;
        } else if ((bits & 0x7f800000) == 0) {
            result = sign | 0x7f800000;
        } else if (root && sign != 0) {
            result = 0xffc00000;
        } else if (Float.isInfinite(x)) {
            result = sign;
        } else {
            float y = (float) (root ? 1 / Math.sqrt(x) : 1.0 / x);
            result = Math.abs(y) < Float.MIN_NORMAL ? sign : Float.floatToRawIntBits(y) + 0x400 & 0xfffff800;
        }
        return result & 0xffffffffL;
    }
}
