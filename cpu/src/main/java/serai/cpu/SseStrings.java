package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SseNodes.VectorOp;

/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM: SDM vol. 1, 10.3.1 and vol. 2, 4.1.
 *
 * <p>The immediate: bit 0 words or bytes, bit 1 signed, bits 3:2 the comparison, bits 5:4 the polarity, bit 6 which form of the
 * result. The first operand is the set, ranges or needle, the second the text.
 */
final class SseStrings {
    private static final int EQUAL_ANY = 0, RANGES = 1, EQUAL_EACH = 2;

    private SseStrings() {}

    static @Nullable VectorOp op(Decoded d) {
        int imm = (int) d.immediate & 0xff;
        boolean wide = (d.rex & 8) != 0;
        return switch (d.row.operation()) {
            case "PCMPESTRI", "PCMPESTRM" -> {
                boolean index = d.row.operation().endsWith("I");
                yield (c, x, low, high) -> {
                    int n = elements(imm);
                    int la = length(c.r[CpuRegisters.RAX], wide, n);
                    int lb = length(c.r[CpuRegisters.RDX], wide, n);
                    finish(c, imm, index, compare(imm, c.vec[x], c.vec[x + 1], la, low, high, lb), la, lb);
                };
            }
            case "PCMPISTRI", "PCMPISTRM" -> {
                boolean index = d.row.operation().endsWith("I");
                yield (c, x, low, high) -> {
                    int la = terminated(imm, c.vec[x], c.vec[x + 1]);
                    int lb = terminated(imm, low, high);
                    finish(c, imm, index, compare(imm, c.vec[x], c.vec[x + 1], la, low, high, lb), la, lb);
                };
            }
            default -> null;
        };
    }

    private static int elements(int imm) {
        return (imm & 1) == 0 ? 16 : 8;
    }

    /** The magnitude of a length register, at most the elements that there are. */
    private static int length(long register, boolean wide, int n) {
        long v = wide ? register : (int) register;
        return v > n || v < -n ? n : (int) Math.abs(v);
    }

    /** Elements before the first zero. */
    private static int terminated(int imm, long low, long high) {
        int n = elements(imm);
        for (int i = 0; i < n; i++) {
            if (element(imm, low, high, i) == 0) {
                return i;
            }
        }
        return n;
    }

    private static int element(int imm, long low, long high, int i) {
        return switch (imm & 3) {
            case 0 -> (int) ((i < 8 ? low : high) >>> i * 8) & 0xff;
            case 1 -> (int) ((i < 4 ? low : high) >>> i * 16) & 0xffff;
            case 2 -> (byte) ((i < 8 ? low : high) >>> i * 8);
            default -> (short) ((i < 4 ? low : high) >>> i * 16);
        };
    }

    /** A bit for each element of the text (the manual's IntRes2). */
    private static int compare(int imm, long aLow, long aHigh, int la, long bLow, long bHigh, int lb) {
        int n = elements(imm);
        int kind = imm >> 2 & 3;
        int result = 0;
        for (int j = 0; j < n; j++) {
            boolean holds =
                    switch (kind) {
                        case EQUAL_ANY, RANGES ->
                            j < lb && in(imm, aLow, aHigh, la, element(imm, bLow, bHigh, j), kind);
                        case EQUAL_EACH ->
                            j < la && j < lb
                                    ? element(imm, aLow, aHigh, j) == element(imm, bLow, bHigh, j)
                                    : j >= la && j >= lb;
                        default -> startsAt(imm, aLow, aHigh, la, bLow, bHigh, lb, j);
                    };
            if (holds) {
                result |= 1 << j;
            }
        }
        int all = (1 << n) - 1;
        return switch (imm >> 4 & 3) {
            case 1 -> result ^ all;
            case 3 -> result ^ (1 << lb) - 1;
            default -> result;
        };
    }

    private static boolean in(int imm, long low, long high, int length, int element, int kind) {
        if (kind == EQUAL_ANY) {
            for (int i = 0; i < length; i++) {
                if (element(imm, low, high, i) == element) {
                    return true;
                }
            }
            return false;
        }
        for (int i = 0; i + 1 < length; i += 2) {
            if (element >= element(imm, low, high, i) && element <= element(imm, low, high, i + 1)) {
                return true;
            }
        }
        return false;
    }

    /** Whether the needle begins at element {@code j} of the text; it may reach beyond the register's end. */
    private static boolean startsAt(int imm, long aLow, long aHigh, int la, long bLow, long bHigh, int lb, int j) {
        int n = elements(imm);
        for (int i = 0; i < la && j + i < n; i++) {
            if (j + i >= lb || element(imm, aLow, aHigh, i) != element(imm, bLow, bHigh, j + i)) {
                return false;
            }
        }
        return true;
    }

    private static void finish(Cpu c, int imm, boolean index, int result, int la, int lb) {
        int n = elements(imm);
        boolean top = (imm & 0x40) != 0;
        if (index) {
            c.r[CpuRegisters.RCX] = result == 0
                    ? n
                    : top ? 31 - Integer.numberOfLeadingZeros(result) : Integer.numberOfTrailingZeros(result);
        } else if (top) {
            int bits = 128 / n;
            c.vec[0] = spread(result, bits);
            c.vec[1] = spread(result >>> 64 / bits, bits);
        } else {
            c.vec[0] = result;
            c.vec[1] = 0;
        }
        c.arithmeticFlags((result != 0 ? CpuRegisters.CF : 0)
                | (lb < n ? CpuRegisters.ZF : 0)
                | (la < n ? CpuRegisters.SF : 0)
                | ((result & 1) != 0 ? CpuRegisters.OF : 0));
    }

    /** Elements of all ones where the mask has a bit. */
    private static long spread(int mask, int bits) {
        long r = 0;
        for (int i = 0; i < 64 / bits; i++) {
            r |= (mask >>> i & 1) != 0 ? (1L << bits) - 1 << i * bits : 0;
        }
        return r;
    }
}
