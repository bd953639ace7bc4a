package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.PackedLanes.Lane;
import serai.cpu.SseNodes.VectorOp;
import serai.cpu.VexNodes.WideOp;

/** Permutations, broadcasts, blends and shifts that only VEX forms have. */
final class VexShuffle {
    private VexShuffle() {}

    /**
     * An operation on each half; null if it is not one of those.
     *
     * @param half 0 or 1, for operations with one more register operand
     */
    static @Nullable VectorOp op(Decoded d, int half) {
        int imm = (int) d.immediate & 0xff;
        boolean byImmediate = d.row.operands().getLast().equals("Ib");
        int mask = d.row.operands().size() == 4 ? d.operand[3] * 8 + half * 2 : 0;
        return switch (d.row.operation()) {
            case "BROADCASTSS", "PBROADCASTD" -> broadcast(0xffffffffL, 0x0000000100000001L);
            case "PBROADCASTW" -> broadcast(0xffff, 0x0001000100010001L);
            case "PBROADCASTB" -> broadcast(0xff, 0x0101010101010101L);
            case "BROADCASTSD", "PBROADCASTQ" -> broadcast(-1, 1);
            case "BROADCASTF128", "BROADCASTI128" ->
                (c, x, low, high) -> {
                    c.vec[x] = low;
                    c.vec[x + 1] = high;
                };
            case "PERMILPS" ->
                byImmediate
                        ? (c, x, low, high) -> {
                            c.vec[x] = SseShuffle.dword(low, high, imm) | SseShuffle.dword(low, high, imm >> 2) << 32;
                            c.vec[x + 1] =
                                    SseShuffle.dword(low, high, imm >> 4) | SseShuffle.dword(low, high, imm >> 6) << 32;
                        }
                        : (c, x, low, high) -> {
                            long a = c.vec[x];
                            long b = c.vec[x + 1];
                            c.vec[x] = SseShuffle.dword(a, b, (int) low)
                                    | SseShuffle.dword(a, b, (int) (low >>> 32)) << 32;
                            c.vec[x + 1] = SseShuffle.dword(a, b, (int) high)
                                    | SseShuffle.dword(a, b, (int) (high >>> 32)) << 32;
                        };
            case "PERMILPD" ->
                byImmediate
                        ? (c, x, low, high) -> {
                            c.vec[x] = (imm & 1) == 0 ? low : high;
                            c.vec[x + 1] = (imm & 2) == 0 ? low : high;
                        }
                        : (c, x, low, high) -> {
                            long a = c.vec[x];
                            long b = c.vec[x + 1];
                            c.vec[x] = (low & 2) == 0 ? a : b;
                            c.vec[x + 1] = (high & 2) == 0 ? a : b;
                        };
            case "PBLENDD" -> Sse4.blend(imm, 32);
            case "PBLENDVB" ->
                (c, x, low, high) ->
                        Sse4.blend(c, x, low, high, Sse4.bytesOf(c.vec[mask]), Sse4.bytesOf(c.vec[mask + 1]));
            case "BLENDVPS" ->
                (c, x, low, high) ->
                        Sse4.blend(c, x, low, high, Sse4.dwordsOf(c.vec[mask]), Sse4.dwordsOf(c.vec[mask + 1]));
            case "BLENDVPD" ->
                (c, x, low, high) -> Sse4.blend(c, x, low, high, c.vec[mask] >> 63, c.vec[mask + 1] >> 63);
            default -> null;
        };
    }

    private static VectorOp broadcast(long mask, long places) {
        return (c, x, low, high) -> {
            long v = (low & mask) * places;
            c.vec[x] = v;
            c.vec[x + 1] = v;
        };
    }

    /** An operation on each 64-bit word by itself; null if it is not one of those. */
    static @Nullable Lane lane(String operation) {
        return switch (operation) {
            // shifts of each element by the element of the source
            case "PSLLVD" -> (a, b) -> PackedLanes.dwords(a, b, (x, n) -> n >>> 5 != 0 ? 0 : x << n);
            case "PSRLVD" -> (a, b) -> PackedLanes.dwords(a, b, (x, n) -> n >>> 5 != 0 ? 0 : x >>> n);
            case "PSRAVD" -> (a, b) -> PackedLanes.dwords(a, b, (x, n) -> x >> (n >>> 5 != 0 ? 31 : n));
            case "PSLLVQ" -> (a, n) -> n >>> 6 != 0 ? 0 : a << n;
            case "PSRLVQ" -> (a, n) -> n >>> 6 != 0 ? 0 : a >>> n;
            default -> PackedLanes.of(operation);
        };
    }

    /** An operation across the halves; null if it is not one of those. */
    static @Nullable WideOp wide(Decoded d) {
        int imm = (int) d.immediate & 0xff;
        return switch (d.row.operation()) {
            case "PERM2F128", "PERM2I128" ->
                (c, t, s) -> {
                    long[] v = c.vec;
                    int low = t + (imm & 1) * 2;
                    int high = t + (imm >> 4 & 1) * 2;
                    low = (imm & 2) == 0 ? low : low - t + s;
                    high = (imm & 0x20) == 0 ? high : high - t + s;
                    long w0 = (imm & 8) != 0 ? 0 : v[low];
                    long w1 = (imm & 8) != 0 ? 0 : v[low + 1];
                    long w2 = (imm & 0x80) != 0 ? 0 : v[high];
                    long w3 = (imm & 0x80) != 0 ? 0 : v[high + 1];
                    v[t] = w0;
                    v[t + 1] = w1;
                    v[t + 2] = w2;
                    v[t + 3] = w3;
                };
            case "INSERTF128", "INSERTI128" ->
                (c, t, s) -> {
                    c.vec[t + (imm & 1) * 2] = c.vec[s];
                    c.vec[t + (imm & 1) * 2 + 1] = c.vec[s + 1];
                };
            case "EXTRACTF128", "EXTRACTI128" ->
                (c, t, s) -> {
                    c.vec[t] = c.vec[s + (imm & 1) * 2];
                    c.vec[t + 1] = c.vec[s + (imm & 1) * 2 + 1];
                    c.vec[t + 2] = 0;
                    c.vec[t + 3] = 0;
                };
            case "PERMD", "PERMPS" ->
                (c, t, s) -> {
                    // the first source has the indices
                    for (int i = 0; i < 4; i++) {
                        long n = c.vec[t + i];
                        c.vec[t + i] = dword(c.vec, s, (int) n) | dword(c.vec, s, (int) (n >>> 32)) << 32;
                    }
                };
            case "PERMQ", "PERMPD" ->
                (c, t, s) -> {
                    for (int i = 0; i < 4; i++) {
                        c.vec[t + i] = c.vec[s + (imm >> i * 2 & 3)];
                    }
                };
            case "DPPS" -> d.vectorSize == 32 ? (c, t, s) -> Sse4.dotSingles(c, t, s, 4, imm) : null;
            default -> null;
        };
    }

    /** Doubleword {@code n & 7} of a 256-bit value. */
    private static long dword(long[] v, int s, int n) {
        return v[s + (n >> 1 & 3)] >>> (n & 1) * 32 & 0xffffffffL;
    }
}
