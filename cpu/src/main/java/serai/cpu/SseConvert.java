package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SoftFloat.Format;
import serai.cpu.SseNodes.VectorOp;

/** Conversions between singles, doubles and integers in XMM, MMX and general registers. */
final class SseConvert {
    private SseConvert() {}

    // ---- XMM and general registers ----

    static @Nullable Node make(Decoded d) {
        boolean truncate = d.row.operation().startsWith("CVTT");
        return switch (d.row.operation()) {
            case "CVTSI2SS", "CVTSI2SD" -> {
                Format to = d.row.operation().endsWith("SS") ? Format.SINGLE : Format.DOUBLE;
                yield d.isMem(1) ? new FromMemory(d, to) : new FromRegister(d, to);
            }
            case "CVTSS2SI", "CVTTSS2SI" -> toGeneral(d, Format.SINGLE, truncate);
            case "CVTSD2SI", "CVTTSD2SI" -> toGeneral(d, Format.DOUBLE, truncate);
            default -> null;
        };
    }

    static @Nullable VectorOp op(Decoded d) {
        boolean truncate = d.row.operation().startsWith("CVTT");
        return switch (d.row.operation()) {
            case "CVTSI2SS", "CVTSI2SD" -> { // only the VEX forms come here
                Format to = d.row.operation().endsWith("SS") ? Format.SINGLE : Format.DOUBLE;
                boolean wide = d.size[2] == 8;
                yield (c, x, low, high) -> fromInteger(c, x, wide ? low : (int) low, to);
            }
            case "CVTSS2SD" ->
                (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = widen(f, low);
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                };
            case "CVTSD2SS" ->
                (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = f.convert(Format.DOUBLE, Format.SINGLE, low);
                    SseFloat.end(c, f);
                    c.vec[x] = c.vec[x] & ~0xffffffffL | r;
                };
            case "CVTPS2PD" ->
                (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = widen(f, low);
                    long s = widen(f, low >>> 32);
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = s;
                };
            case "CVTPD2PS" ->
                (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = f.convert(Format.DOUBLE, Format.SINGLE, low)
                            | f.convert(Format.DOUBLE, Format.SINGLE, high) << 32;
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = 0;
                };
            case "CVTDQ2PD" ->
                (c, x, low, high) -> {
                    c.vec[x] = Double.doubleToRawLongBits((int) low);
                    c.vec[x + 1] = Double.doubleToRawLongBits((int) (low >>> 32));
                };
            case "CVTDQ2PS" ->
                (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = singles(f, low);
                    long s = singles(f, high);
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = s;
                };
            case "CVTPS2DQ", "CVTTPS2DQ" ->
                (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = integers(f, low, truncate);
                    long s = integers(f, high, truncate);
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = s;
                };
            case "CVTPD2DQ", "CVTTPD2DQ" ->
                (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = integers(f, low, high, truncate);
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = 0;
                };
            default -> null;
        };
    }

    private static long widen(SoftFloat f, long single) {
        int e = (int) single >>> 23 & 0xff;
        if (e != 0 && e != 0xff) {
            return Double.doubleToRawLongBits(Float.intBitsToFloat((int) single));
        }
        return f.convert(Format.SINGLE, Format.DOUBLE, single & 0xffffffffL);
    }

    /** Two singles of two 32-bit integers. */
    private static long singles(SoftFloat f, long v) {
        return f.fromInteger(v << 32 >> 32, Format.SINGLE) | f.fromInteger(v >> 32, Format.SINGLE) << 32;
    }

    /** Two 32-bit integers of two singles. */
    private static long integers(SoftFloat f, long v, boolean truncate) {
        return integer(f, v & 0xffffffffL, Format.SINGLE, 32, truncate) & 0xffffffffL
                | integer(f, v >>> 32, Format.SINGLE, 32, truncate) << 32;
    }

    /** Two 32-bit integers of two doubles. */
    private static long integers(SoftFloat f, long low, long high, boolean truncate) {
        return integer(f, low, Format.DOUBLE, 32, truncate) & 0xffffffffL
                | integer(f, high, Format.DOUBLE, 32, truncate) << 32;
    }

    private static long integer(SoftFloat f, long value, Format from, int bits, boolean truncate) {
        f.unpack(f.a, value, from);
        return f.toInteger(bits, truncate ? SoftFloat.ZERO_MODE : f.rounding);
    }

    private static void fromInteger(Cpu c, int destination, long v, Format to) {
        SoftFloat f = SseFloat.begin(c);
        long r = f.fromInteger(v, to);
        SseFloat.end(c, f);
        c.vec[destination] = to == Format.SINGLE ? c.vec[destination] & ~0xffffffffL | r : r;
    }

    private static final class FromRegister extends Node {
        private final int destination;
        private final int source;
        private final boolean wide;
        private final Format to;

        FromRegister(Decoded d, Format to) {
            destination = SseNodes.xmm(d, 0);
            source = d.operand[1];
            wide = d.size[1] == 8;
            this.to = to;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            if (!wide && to == Format.DOUBLE) {
                c.vec[destination] = Double.doubleToRawLongBits((int) c.r[source]);
            } else {
                fromInteger(c, destination, wide ? c.r[source] : (int) c.r[source], to);
            }
        }
    }

    private static final class FromMemory extends MemNode {
        private final int destination;
        private final boolean wide;
        private final Format to;

        FromMemory(Decoded d, Format to) {
            super(d, d.size[1], false);
            destination = SseNodes.xmm(d, 0);
            wide = d.size[1] == 8;
            this.to = to;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            long a = address(c);
            fromInteger(c, destination, wide ? c.load64(a) : c.load32(a), to);
        }
    }

    private static Node toGeneral(Decoded d, Format from, boolean truncate) {
        return d.isMem(1) ? new ToGeneralFromMemory(d, from, truncate) : new ToGeneral(d, from, truncate);
    }

    static void toGeneral(Cpu c, int destination, int size, long value, Format from, boolean truncate) {
        if (from == Format.DOUBLE && truncate) {
            // what compilers use: the host's conversion, where it is exact
            double x = Double.longBitsToDouble(value);
            int i = (int) x;
            if (i == x) {
                c.set(destination, size, i);
                return;
            }
        }
        SoftFloat f = SseFloat.begin(c);
        long r = integer(f, from == Format.SINGLE ? value & 0xffffffffL : value, from, size * 8, truncate);
        SseFloat.end(c, f);
        c.set(destination, size, r);
    }

    private static final class ToGeneral extends Node {
        private final int destination;
        private final int size;
        private final int source;
        private final Format from;
        private final boolean truncate;

        ToGeneral(Decoded d, Format from, boolean truncate) {
            destination = d.operand[0];
            size = d.size[0];
            source = SseNodes.xmm(d, 1);
            this.from = from;
            this.truncate = truncate;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            toGeneral(c, destination, size, c.vec[source], from, truncate);
        }
    }

    private static final class ToGeneralFromMemory extends MemNode {
        private final int destination;
        private final int size;
        private final Format from;
        private final boolean truncate;

        ToGeneralFromMemory(Decoded d, Format from, boolean truncate) {
            super(d, d.size[1], false);
            destination = d.operand[0];
            size = d.size[0];
            this.from = from;
            this.truncate = truncate;
        }

        @Override
        void execute(Cpu c) {
            SseNodes.check(c);
            long a = address(c);
            toGeneral(c, destination, size, from == Format.SINGLE ? c.load32(a) : c.load64(a), from, truncate);
        }
    }

    // ---- XMM and MMX registers ----

    /** Conversions with an MMX operand. */
    static @Nullable Node makeMmx(Decoded d) {
        boolean truncate = d.row.operation().startsWith("CVTT");
        return switch (d.row.operation()) {
            case "CVTPI2PS" ->
                fromMmx(d, (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = singles(f, low);
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                });
            case "CVTPI2PD" ->
                fromMmx(d, (c, x, low, high) -> {
                    c.vec[x] = Double.doubleToRawLongBits((int) low);
                    c.vec[x + 1] = Double.doubleToRawLongBits((int) (low >>> 32));
                });
            case "CVTPS2PI", "CVTTPS2PI" -> toMmx(d, (f, low, high) -> integers(f, low, truncate));
            case "CVTPD2PI", "CVTTPD2PI" -> toMmx(d, (f, low, high) -> integers(f, low, high, truncate));
            default -> null;
        };
    }

    private static Node fromMmx(Decoded d, VectorOp op) {
        if (d.isMem(1)) {
            // no MMX register is used: the x87 state stays
            return SseNodes.vector(d, op);
        }
        int destination = SseNodes.xmm(d, 0);
        int source = d.operand[1] & 7;
        return new Node() {
            @Override
            void execute(Cpu c) {
                SseNodes.check(c);
                MmxNodes.check(c);
                MmxNodes.enter(c.fpu);
                op.apply(c, destination, c.fpu.significand[source], 0);
            }
        };
    }

    /** A 64-bit result of an XMM source. */
    @FunctionalInterface
    private interface Narrow {
        long apply(SoftFloat f, long low, long high);
    }

    private static Node toMmx(Decoded d, Narrow op) {
        int destination = d.operand[0] & 7;
        VectorOp vector = (c, x, low, high) -> {
            // the stack becomes valid even if the conversion faults, as processors do it
            MmxNodes.enter(c.fpu);
            SoftFloat f = SseFloat.begin(c);
            long r = op.apply(f, low, high);
            SseFloat.end(c, f);
            MmxNodes.write(c.fpu, destination, r);
        };
        Node node = SseNodes.vector(d, vector);
        return new Node() {
            @Override
            void execute(Cpu c) {
                SseNodes.check(c);
                MmxNodes.check(c);
                node.execute(c);
            }
        };
    }
}
