package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SoftFloat.Format;
import serai.cpu.SseNodes.VectorOp;

/** F16C: conversions between half and single precision (SDM vol. 1, 14.4). */
final class HalfPrecision {
    private HalfPrecision() {}

    static @Nullable VectorOp op(Decoded d) {
        int imm = (int) d.immediate;
        return switch (d.row.operation()) {
            case "CVTPH2PS" ->
                (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = widen(f, low) | widen(f, low >>> 16) << 32;
                    long s = widen(f, low >>> 32) | widen(f, low >>> 48) << 32;
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = s;
                };
            case "CVTPS2PH" ->
                (c, x, low, high) -> {
                    c.vec[x] = narrow(c, low, high, imm);
                    c.vec[x + 1] = 0;
                };
            default -> null;
        };
    }

    /** A single of a half: always exact, and a denormal is taken as it is, without DE and whatever DAZ. */
    private static long widen(SoftFloat f, long half) {
        int h = (int) half & 0xffff;
        if ((h & 0x7fff) > 0x7c00) {
            f.flags |= (h & 0x200) == 0 ? SoftFloat.IE : 0;
            return (h & 0x8000L) << 16 | 0x7fc00000L | (h & 0x3ffL) << 13;
        }
        return Float.floatToRawIntBits(Float.float16ToFloat((short) h)) & 0xffffffffL;
    }

    /** Four halves of four singles, rounded as the immediate says: bits 1:0, or MXCSR's way with bit 2. FTZ has no effect. */
    private static long narrow(Cpu c, long low, long high, int imm) {
        SoftFloat f = SseFloat.begin(c);
        int rounding = f.rounding;
        boolean ftz = f.ftz;
        f.rounding = (imm & 4) != 0 ? rounding : imm & 3;
        f.ftz = false;
        long r = f.convert(Format.SINGLE, Format.HALF, low & 0xffffffffL)
                | f.convert(Format.SINGLE, Format.HALF, low >>> 32) << 16
                | f.convert(Format.SINGLE, Format.HALF, high & 0xffffffffL) << 32
                | f.convert(Format.SINGLE, Format.HALF, high >>> 32) << 48;
        f.rounding = rounding;
        f.ftz = ftz;
        SseFloat.end(c, f);
        return r;
    }

    /** VCVTPS2PH to memory. */
    static final class Store extends MemNode {
        private final int source;
        private final int imm;
        private final boolean wide;

        Store(Decoded d) {
            super(d, d.size[0], true);
            source = SseNodes.xmm(d, 1);
            imm = (int) d.immediate;
            wide = d.vectorSize == 32;
        }

        @Override
        void execute(Cpu c) {
            VexNodes.check(c);
            long a = address(c);
            c.checkWrite(a, wide ? 16 : 8); // before MXCSR changes
            long[] v = c.vec;
            SoftFloat f = c.fpu.soft;
            f.collect();
            long low = narrow(c, v[source], v[source + 1], imm);
            long high = wide ? narrow(c, v[source + 2], v[source + 3], imm) : 0;
            SseFloat.endCollected(c, f);
            if (wide) {
                c.store64(a + 8, high);
            }
            c.store64(a, low);
        }
    }
}
