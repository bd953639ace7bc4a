package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SoftFloat.Format;
import serai.cpu.SseNodes.VectorOp;

/** SSE4.1 and SSE4.2 but for string comparisons ({@link SseStrings}), insertions and extractions ({@link SseMoves}). */
final class Sse4 {
    private Sse4() {}

    static @Nullable VectorOp op(Decoded d) {
        int imm = (int) d.immediate & 0xff;
        String m = d.row.operation();
        if (m.startsWith("PMOVSX") || m.startsWith("PMOVZX")) {
            return extend(bits(m.charAt(6)), bits(m.charAt(7)), m.charAt(4) == 'S');
        }
        return switch (m) {
            case "PBLENDVB" ->
                (c, x, low, high) -> {
                    blend(c, x, low, high, bytesOf(c.vec[0]), bytesOf(c.vec[1]));
                };
            case "BLENDVPS" ->
                (c, x, low, high) -> {
                    blend(c, x, low, high, dwordsOf(c.vec[0]), dwordsOf(c.vec[1]));
                };
            case "BLENDVPD" -> (c, x, low, high) -> blend(c, x, low, high, c.vec[0] >> 63, c.vec[1] >> 63);
            case "PBLENDW" -> blend(imm, 16);
            case "BLENDPS" -> blend(imm, 32);
            case "BLENDPD" -> blend(imm, 64);
            case "PTEST" ->
                (c, x, low, high) -> {
                    long a = c.vec[x];
                    long b = c.vec[x + 1];
                    c.arithmeticFlags(((a & low | b & high) == 0 ? CpuRegisters.ZF : 0)
                            | ((~a & low | ~b & high) == 0 ? CpuRegisters.CF : 0));
                };
            case "PACKUSDW" ->
                (c, x, low, high) -> {
                    c.vec[x] = packWords(c.vec[x], c.vec[x + 1]);
                    c.vec[x + 1] = packWords(low, high);
                };
            case "PHMINPOSUW" ->
                (c, x, low, high) -> {
                    int least = 0x10000;
                    int at = 0;
                    for (int i = 0; i < 8; i++) {
                        int w = (int) ((i < 4 ? low : high) >>> i * 16) & 0xffff;
                        if (w < least) {
                            least = w;
                            at = i;
                        }
                    }
                    c.vec[x] = least | at << 16;
                    c.vec[x + 1] = 0;
                };
            case "MPSADBW" ->
                (c, x, low, high) -> {
                    long a = c.vec[x];
                    long b = c.vec[x + 1];
                    c.vec[x] = differences(a, b, low, high, imm, 0);
                    c.vec[x + 1] = differences(a, b, low, high, imm, 4);
                };
            case "INSERTPS" -> insertSingle(imm, d.hasMemory());
            case "ROUNDPS", "ROUNDSS" -> {
                boolean packed = m.equals("ROUNDPS");
                yield (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r0 = roundSingle(f, (int) low, imm);
                    long r1 = packed ? roundSingle(f, (int) (low >>> 32), imm) : c.vec[x] >>> 32;
                    long s0 = packed ? roundSingle(f, (int) high, imm) : 0;
                    long s1 = packed ? roundSingle(f, (int) (high >>> 32), imm) : 0;
                    SseFloat.end(c, f);
                    c.vec[x] = r0 | r1 << 32;
                    if (packed) {
                        c.vec[x + 1] = s0 | s1 << 32;
                    }
                };
            }
            case "ROUNDPD", "ROUNDSD" -> {
                boolean packed = m.equals("ROUNDPD");
                yield (c, x, low, high) -> {
                    SoftFloat f = SseFloat.begin(c);
                    long r = roundDouble(f, low, imm);
                    long s = packed ? roundDouble(f, high, imm) : c.vec[x + 1];
                    SseFloat.end(c, f);
                    c.vec[x] = r;
                    c.vec[x + 1] = s;
                };
            }
            case "DPPS" -> (c, x, low, high) -> dotSingles(c, x, low, high, imm);
            case "DPPD" -> (c, x, low, high) -> dotDoubles(c, x, low, high, imm);
            default -> null;
        };
    }

    // ---- integers ----

    private static int bits(char size) {
        return switch (size) {
            case 'B' -> 8;
            case 'W' -> 16;
            case 'D' -> 32;
            default -> 64;
        };
    }

    private static VectorOp extend(int from, int to, boolean signed) {
        return (c, x, low, high) -> {
            int perHalf = 64 / to;
            c.vec[x] = extended(low, from, to, signed);
            c.vec[x + 1] = extended(low >>> perHalf * from, from, to, signed);
        };
    }

    private static long extended(long v, int from, int to, boolean signed) {
        long r = 0;
        long mask = to == 64 ? -1 : (1L << to) - 1;
        for (int i = 0; i < 64 / to; i++) {
            long e = v << 64 - (i + 1) * from;
            r |= ((signed ? e >> 64 - from : e >>> 64 - from) & mask) << i * to;
        }
        return r;
    }

    static long bytesOf(long mask) {
        return (mask >>> 7 & 0x0101010101010101L) * 0xff;
    }

    static long dwordsOf(long mask) {
        return (mask >>> 31 & 0x0000000100000001L) * 0xffffffffL;
    }

    static void blend(Cpu c, int x, long low, long high, long lowMask, long highMask) {
        c.vec[x] = c.vec[x] & ~lowMask | low & lowMask;
        c.vec[x + 1] = c.vec[x + 1] & ~highMask | high & highMask;
    }

    /** A blend by the bits of an immediate, one an element. */
    static VectorOp blend(int imm, int bits) {
        long low = mask(imm, bits);
        long high = mask(imm >> 64 / bits, bits);
        return (c, x, a, b) -> blend(c, x, a, b, low, high);
    }

    private static long mask(int imm, int bits) {
        long r = 0;
        for (int i = 0; i < 64 / bits; i++) {
            r |= (imm >> i & 1) != 0 ? -1L >>> 64 - bits << i * bits : 0;
        }
        return r;
    }

    /** Four unsigned words of four signed doublewords. */
    private static long packWords(long low, long high) {
        return word((int) low)
                | word((int) (low >>> 32)) << 16
                | word((int) high) << 32
                | word((int) (high >>> 32)) << 48;
    }

    private static long word(int v) {
        return Math.max(0, Math.min(v, 0xffff));
    }

    /** Four of MPSADBW's sums, from number {@code first}. */
    private static long differences(long a, long b, long low, long high, int imm, int first) {
        int at = (imm >> 2 & 1) * 4 + first;
        int block = (int) (((imm & 2) == 0 ? low : high) >>> (imm & 1) * 32);
        long r = 0;
        for (int i = 0; i < 4; i++) {
            int sum = 0;
            for (int j = 0; j < 4; j++) {
                int n = at + i + j;
                int e = (int) ((n < 8 ? a : b) >>> n * 8) & 0xff;
                sum += Math.abs(e - (block >>> j * 8 & 0xff));
            }
            r |= (long) sum << i * 16;
        }
        return r;
    }

    private static VectorOp insertSingle(int imm, boolean memory) {
        int from = memory ? 0 : imm >> 6;
        int to = imm >> 4 & 3;
        long clearLow = ~mask(imm & 3, 32);
        long clearHigh = ~mask(imm >> 2 & 3, 32);
        return (c, x, low, high) -> {
            long v = ((from & 2) == 0 ? low : high) >>> (from & 1) * 32 & 0xffffffffL;
            int word = x + (to >> 1);
            int shift = (to & 1) * 32;
            c.vec[word] = c.vec[word] & ~(0xffffffffL << shift) | v << shift;
            c.vec[x] &= clearLow;
            c.vec[x + 1] &= clearHigh;
        };
    }

    // ---- floating point ----

    /** ROUNDxx of a number: immediate bits 1:0 the mode, bit 2 MXCSR's instead, bit 3 no precision exception. */
    private static double rounded(SoftFloat f, double v, int imm) {
        double r =
                switch ((imm & 4) != 0 ? f.rounding : imm & 3) {
                    case SoftFloat.NEAREST -> Math.rint(v);
                    case SoftFloat.DOWN -> Math.floor(v);
                    case SoftFloat.UP -> Math.ceil(v);
                    default -> v < 0 ? Math.ceil(v) : Math.floor(v);
                };
        if (r != v && (imm & 8) == 0) {
            f.flags |= SoftFloat.PE;
        }
        return r;
    }

    private static long roundDouble(SoftFloat f, long bits, int imm) {
        double v = Double.longBitsToDouble(bits);
        if (Double.isNaN(v)) {
            f.flags |= (bits & 1L << 51) == 0 ? SoftFloat.IE : 0;
            return bits | 1L << 51;
        }
        return Double.doubleToRawLongBits(
                rounded(f, Double.longBitsToDouble(SseFloat.flushed(f, Format.DOUBLE, bits)), imm));
    }

    private static long roundSingle(SoftFloat f, int bits, int imm) {
        float v = Float.intBitsToFloat(bits);
        if (Float.isNaN(v)) {
            f.flags |= (bits & 1 << 22) == 0 ? SoftFloat.IE : 0;
            return (bits | 1 << 22) & 0xffffffffL;
        }
        float w = Float.intBitsToFloat((int) SseFloat.flushed(f, Format.SINGLE, bits & 0xffffffffL));
        return Float.floatToRawIntBits((float) rounded(f, w, imm)) & 0xffffffffL;
    }

    /**
     * DPPS: in each 128-bit half, products where the immediate's high bits ask for them, their sum where its low ones do: first
     * pairs, then both sums. Each of the three steps raises its exceptions in all halves together.
     *
     * @param t first of {@code words} words of the destination and first source
     * @param s first word of the second source
     */
    static void dotSingles(Cpu c, int t, int s, int words, int imm) {
        long[] v = c.vec;
        SoftFloat f = SseFloat.begin(c);
        for (int i = 0; i < words; i++) {
            int asked = imm >> 4 + (i & 1) * 2;
            long p = (asked & 1) == 0 ? 0 : SseFloat.mulSingle(f, v[t + i] & 0xffffffffL, v[s + i] & 0xffffffffL);
            long q = (asked & 2) == 0 ? 0 : SseFloat.mulSingle(f, v[t + i] >>> 32, v[s + i] >>> 32);
            v[t + i] = p | q << 32;
        }
        SseFloat.end(c, f);
        f = SseFloat.begin(c);
        for (int i = 0; i < words; i++) {
            v[t + i] = SseFloat.addSingle(f, v[t + i] & 0xffffffffL, v[t + i] >>> 32);
        }
        SseFloat.end(c, f);
        f = SseFloat.begin(c);
        for (int i = 0; i < words; i += 2) {
            long sum = SseFloat.addSingle(f, v[t + i], v[t + i + 1]);
            v[t + i] = ((imm & 1) != 0 ? sum : 0) | ((imm & 2) != 0 ? sum << 32 : 0);
            v[t + i + 1] = ((imm & 4) != 0 ? sum : 0) | ((imm & 8) != 0 ? sum << 32 : 0);
        }
        SseFloat.end(c, f);
    }

    /** The legacy form, and that of one half: the destination changes when no exception has come up. */
    private static void dotSingles(Cpu c, int x, long low, long high, int imm) {
        long[] v = c.vec;
        int t = CpuRegisters.SCRATCH + 4;
        v[t] = v[x];
        v[t + 1] = v[x + 1];
        v[t + 2] = low;
        v[t + 3] = high;
        dotSingles(c, t, t + 2, 2, imm);
        v[x] = v[t];
        v[x + 1] = v[t + 1];
    }

    private static void dotDoubles(Cpu c, int x, long low, long high, int imm) {
        SoftFloat f = SseFloat.begin(c);
        long p0 = (imm & 0x10) == 0 ? 0 : SseFloat.mulDouble(f, c.vec[x], low);
        long p1 = (imm & 0x20) == 0 ? 0 : SseFloat.mulDouble(f, c.vec[x + 1], high);
        SseFloat.end(c, f);
        f = SseFloat.begin(c);
        long sum = SseFloat.addDouble(f, p0, p1);
        SseFloat.end(c, f);
        c.vec[x] = (imm & 1) != 0 ? sum : 0;
        c.vec[x + 1] = (imm & 2) != 0 ? sum : 0;
    }
}
