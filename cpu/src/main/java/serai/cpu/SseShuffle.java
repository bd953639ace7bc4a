package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SseNodes.VectorOp;

/** Instructions that move elements about within and between XMM registers. */
final class SseShuffle {
    private SseShuffle() {}

    static @Nullable VectorOp op(Decoded d) {
        int imm = (int) d.immediate & 0xff;
        return switch (d.row.operation()) {
            case "PUNPCKLBW" -> low(8);
            case "PUNPCKLWD" -> low(16);
            case "PUNPCKLDQ", "UNPCKLPS" -> low(32);
            case "PUNPCKHBW" -> high(8);
            case "PUNPCKHWD" -> high(16);
            case "PUNPCKHDQ", "UNPCKHPS" -> high(32);
            case "PUNPCKLQDQ", "UNPCKLPD" -> (c, x, low, high) -> c.vec[x + 1] = low;
            case "PUNPCKHQDQ", "UNPCKHPD" ->
                (c, x, low, high) -> {
                    c.vec[x] = c.vec[x + 1];
                    c.vec[x + 1] = high;
                };
            case "PSHUFD" ->
                (c, x, low, high) -> {
                    c.vec[x] = dword(low, high, imm) | dword(low, high, imm >> 2) << 32;
                    c.vec[x + 1] = dword(low, high, imm >> 4) | dword(low, high, imm >> 6) << 32;
                };
            case "SHUFPS" ->
                (c, x, low, high) -> {
                    long a = c.vec[x];
                    long b = c.vec[x + 1];
                    c.vec[x] = dword(a, b, imm) | dword(a, b, imm >> 2) << 32;
                    c.vec[x + 1] = dword(low, high, imm >> 4) | dword(low, high, imm >> 6) << 32;
                };
            case "SHUFPD" ->
                (c, x, low, high) -> {
                    c.vec[x] = (imm & 1) == 0 ? c.vec[x] : c.vec[x + 1];
                    c.vec[x + 1] = (imm & 2) == 0 ? low : high;
                };
            case "PSHUFLW" ->
                (c, x, low, high) -> {
                    c.vec[x] = shuffleWords(low, imm);
                    c.vec[x + 1] = high;
                };
            case "PSHUFHW" ->
                (c, x, low, high) -> {
                    c.vec[x] = low;
                    c.vec[x + 1] = shuffleWords(high, imm);
                };
            case "PSLLDQ" ->
                (c, x, count, ignored) -> {
                    // eight bytes from 16 - count of the value with 16 zero bytes below it
                    long low = c.vec[x];
                    long high = c.vec[x + 1];
                    int from = 16 - (int) Math.min(count, 16);
                    c.vec[x] = bytesAt(0, 0, low, high, from);
                    c.vec[x + 1] = bytesAt(0, 0, low, high, from + 8);
                };
            case "PSRLDQ" ->
                (c, x, count, ignored) -> {
                    long low = c.vec[x];
                    long high = c.vec[x + 1];
                    c.vec[x] = bytesAt(low, high, 0, 0, (int) count);
                    c.vec[x + 1] = bytesAt(low, high, 0, 0, (int) count + 8);
                };
            case "PALIGNR" ->
                (c, x, low, high) -> {
                    long a = c.vec[x];
                    long b = c.vec[x + 1];
                    c.vec[x] = bytesAt(low, high, a, b, imm);
                    c.vec[x + 1] = bytesAt(low, high, a, b, imm + 8);
                };
            case "PSHUFB" ->
                (c, x, low, high) -> {
                    long a = c.vec[x];
                    long b = c.vec[x + 1];
                    c.vec[x] = pick(a, b, low);
                    c.vec[x + 1] = pick(a, b, high);
                };
            case "MOVSLDUP" ->
                (c, x, low, high) -> {
                    c.vec[x] = dword(low, high, 0) * 0x1_0000_0001L;
                    c.vec[x + 1] = dword(low, high, 2) * 0x1_0000_0001L;
                };
            case "MOVSHDUP" ->
                (c, x, low, high) -> {
                    c.vec[x] = dword(low, high, 1) * 0x1_0000_0001L;
                    c.vec[x + 1] = dword(low, high, 3) * 0x1_0000_0001L;
                };
            case "MOVDDUP" ->
                (c, x, low, high) -> {
                    c.vec[x] = low;
                    c.vec[x + 1] = low;
                };
            default -> null;
        };
    }

    private static VectorOp low(int bits) {
        return (c, x, low, high) -> {
            long a = c.vec[x];
            c.vec[x] = PackedLanes.interleaveLow(a, low, bits);
            c.vec[x + 1] = PackedLanes.interleaveHigh(a, low, bits);
        };
    }

    private static VectorOp high(int bits) {
        return (c, x, low, high) -> {
            long a = c.vec[x + 1];
            c.vec[x] = PackedLanes.interleaveLow(a, high, bits);
            c.vec[x + 1] = PackedLanes.interleaveHigh(a, high, bits);
        };
    }

    /** Doubleword {@code n & 3} of a 128-bit value. */
    static long dword(long low, long high, int n) {
        return ((n & 2) == 0 ? low : high) >>> (n & 1) * 32 & 0xffffffffL;
    }

    /** PSHUFW, and one half of PSHUFLW and PSHUFHW. */
    static long shuffleWords(long v, int imm) {
        long r = 0;
        for (int i = 0; i < 4; i++) {
            r |= (v >>> (imm >> i * 2 & 3) * 16 & 0xffff) << i * 16;
        }
        return r;
    }

    /** Eight bytes from byte {@code n} of the 256-bit value that starts with {@code w0}; zeros follow it. */
    private static long bytesAt(long w0, long w1, long w2, long w3, int n) {
        int word = n >> 3;
        int shift = (n & 7) * 8;
        long low = wordAt(w0, w1, w2, w3, word);
        return shift == 0 ? low : low >>> shift | wordAt(w0, w1, w2, w3, word + 1) << 64 - shift;
    }

    private static long wordAt(long w0, long w1, long w2, long w3, int word) {
        return switch (word) {
            case 0 -> w0;
            case 1 -> w1;
            case 2 -> w2;
            case 3 -> w3;
            default -> 0;
        };
    }

    private static long pick(long low, long high, long control) {
        long r = 0;
        for (int i = 0; i < 64; i += 8) {
            int n = (int) (control >>> i) & 0xff;
            if (n < 0x80) {
                r |= (((n & 8) == 0 ? low : high) >>> (n & 7) * 8 & 0xff) << i;
            }
        }
        return r;
    }
}
