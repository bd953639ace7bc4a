package serai.cpu;

import java.util.function.IntBinaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Packed-integer operations that treat each 64-bit half of a register alone: an MMX instruction applies one once, its
 * SSE2 form twice. Those that string functions of C libraries live on (compare, subtract, minimum of bytes) work on all
 * bytes of the word at once; the others go lane by lane.
 */
final class PackedLanes {
    /** {@code a} is the destination, {@code b} the source. */
    @FunctionalInterface
    interface Lane {
        long apply(long a, long b);
    }

    /** The top bits of bytes, words and doublewords. */
    private static final long TOP8 = 0x8080808080808080L, TOP16 = 0x8000800080008000L, TOP32 = 0x8000000080000000L;

    private PackedLanes() {}

    /** The operation of a mnemonic, or null if it is not one on separate halves. */
    static @Nullable Lane of(String mnemonic) {
        return switch (mnemonic) {
            case "PAND", "ANDPS", "ANDPD" -> (a, b) -> a & b;
            case "PANDN", "ANDNPS", "ANDNPD" -> (a, b) -> ~a & b;
            case "POR", "ORPS", "ORPD" -> (a, b) -> a | b;
            case "PXOR", "XORPS", "XORPD" -> (a, b) -> a ^ b;
            case "PADDB" -> (a, b) -> add(a, b, TOP8);
            case "PADDW" -> (a, b) -> add(a, b, TOP16);
            case "PADDD" -> (a, b) -> add(a, b, TOP32);
            case "PADDQ" -> (a, b) -> a + b;
            case "PSUBB" -> (a, b) -> subtract(a, b, TOP8);
            case "PSUBW" -> (a, b) -> subtract(a, b, TOP16);
            case "PSUBD" -> (a, b) -> subtract(a, b, TOP32);
            case "PSUBQ" -> (a, b) -> a - b;
            case "PCMPEQB" -> PackedLanes::equalBytes;
            case "PCMPEQW" -> PackedLanes::equalWords;
            case "PCMPEQD" -> PackedLanes::equalDwords;
            case "PCMPGTB" -> (a, b) -> ~atLeast8(b ^ TOP8, a ^ TOP8);
            case "PCMPGTW" -> (a, b) -> ~atLeast16(b ^ TOP16, a ^ TOP16);
            case "PCMPGTD" -> (a, b) -> dwords(a, b, (x, y) -> x > y ? -1 : 0);
            case "PMINUB" -> (a, b) -> select(atLeast8(a, b), b, a);
            case "PMAXUB" -> (a, b) -> select(atLeast8(a, b), a, b);
            case "PMINSW" -> (a, b) -> select(atLeast16(a ^ TOP16, b ^ TOP16), b, a);
            case "PMAXSW" -> (a, b) -> select(atLeast16(a ^ TOP16, b ^ TOP16), a, b);
            case "PADDSB" -> (a, b) -> bytes(a, b, (x, y) -> Math.clamp((byte) x + (byte) y, -128, 127));
            case "PADDSW" -> (a, b) -> words(a, b, (x, y) -> signedWord((short) x + (short) y));
            case "PADDUSB" -> (a, b) -> bytes(a, b, (x, y) -> Math.min(x + y, 255));
            case "PADDUSW" -> (a, b) -> words(a, b, (x, y) -> Math.min(x + y, 65535));
            case "PSUBSB" -> (a, b) -> bytes(a, b, (x, y) -> Math.clamp((byte) x - (byte) y, -128, 127));
            case "PSUBSW" -> (a, b) -> words(a, b, (x, y) -> signedWord((short) x - (short) y));
            case "PSUBUSB" -> (a, b) -> bytes(a, b, (x, y) -> Math.max(x - y, 0));
            case "PSUBUSW" -> (a, b) -> words(a, b, (x, y) -> Math.max(x - y, 0));
            case "PAVGB" -> (a, b) -> bytes(a, b, (x, y) -> x + y + 1 >> 1);
            case "PAVGW" -> (a, b) -> words(a, b, (x, y) -> x + y + 1 >> 1);
            case "PMULLW" -> (a, b) -> words(a, b, (x, y) -> x * y);
            case "PMULHW" -> (a, b) -> words(a, b, (x, y) -> (short) x * (short) y >> 16);
            case "PMULHUW" -> (a, b) -> words(a, b, (x, y) -> x * y >>> 16);
            case "PMULHRSW" -> (a, b) -> words(a, b, (x, y) -> (((short) x * (short) y >> 14) + 1) >> 1);
            case "PMULUDQ" -> (a, b) -> (a & 0xffffffffL) * (b & 0xffffffffL);
            case "PMADDWD" -> PackedLanes::multiplyAddWords;
            case "PMADDUBSW" -> PackedLanes::multiplyAddBytes;
            case "PSADBW" -> PackedLanes::sumOfDifferences;
            case "PSIGNB" -> (a, b) -> bytes(a, b, (x, y) -> sign((byte) x, (byte) y));
            case "PSIGNW" -> (a, b) -> words(a, b, (x, y) -> sign((short) x, (short) y));
            case "PSIGND" -> (a, b) -> dwords(a, b, PackedLanes::sign);
            case "PABSB" -> (a, b) -> bytes(a, b, (x, y) -> Math.abs((byte) y));
            case "PABSW" -> (a, b) -> words(a, b, (x, y) -> Math.abs((short) y));
            case "PABSD" -> (a, b) -> dwords(a, b, (x, y) -> Math.abs(y));
            case "PMINSB" -> (a, b) -> select(atLeast8(a ^ TOP8, b ^ TOP8), b, a);
            case "PMAXSB" -> (a, b) -> select(atLeast8(a ^ TOP8, b ^ TOP8), a, b);
            case "PMINUW" -> (a, b) -> select(atLeast16(a, b), b, a);
            case "PMAXUW" -> (a, b) -> select(atLeast16(a, b), a, b);
            case "PMINSD" -> (a, b) -> dwords(a, b, Math::min);
            case "PMAXSD" -> (a, b) -> dwords(a, b, Math::max);
            case "PMINUD" -> (a, b) -> dwords(a, b, (x, y) -> Integer.compareUnsigned(x, y) < 0 ? x : y);
            case "PMAXUD" -> (a, b) -> dwords(a, b, (x, y) -> Integer.compareUnsigned(x, y) < 0 ? y : x);
            case "PMULLD" -> (a, b) -> dwords(a, b, (x, y) -> x * y);
            case "PMULDQ" -> (a, b) -> (long) (int) a * (int) b;
            case "PCMPEQQ" -> (a, b) -> a == b ? -1 : 0;
            case "PCMPGTQ" -> (a, b) -> a > b ? -1 : 0;
            default -> null;
        };
    }

    /** The shift of a mnemonic: {@code b} is the unsigned 64-bit count. Null if it is not a shift of elements. */
    static @Nullable Lane shift(String mnemonic) {
        return switch (mnemonic) {
            case "PSLLW" -> (a, n) -> past(n, 16) ? 0 : a << n & repeat16(0xffff << (int) n);
            case "PSLLD" -> (a, n) -> past(n, 32) ? 0 : a << n & repeat32(-1 << (int) n);
            case "PSLLQ" -> (a, n) -> past(n, 64) ? 0 : a << n;
            case "PSRLW" -> (a, n) -> past(n, 16) ? 0 : a >>> n & repeat16(0xffff >>> (int) n);
            case "PSRLD" -> (a, n) -> past(n, 32) ? 0 : a >>> n & repeat32(-1 >>> (int) n);
            case "PSRLQ" -> (a, n) -> past(n, 64) ? 0 : a >>> n;
            case "PSRAW" ->
                (a, n) -> {
                    int count = past(n, 16) ? 15 : (int) n;
                    return words(a, 0, (x, y) -> (short) x >> count);
                };
            case "PSRAD" ->
                (a, n) -> {
                    int count = past(n, 32) ? 31 : (int) n;
                    return a >> 32 >> count << 32 | (int) a >> count & 0xffffffffL;
                };
            default -> null;
        };
    }

    private static boolean past(long count, int bits) {
        return Long.compareUnsigned(count, bits) >= 0;
    }

    private static long repeat16(int v) {
        return (v & 0xffffL) * 0x0001000100010001L;
    }

    private static long repeat32(int v) {
        return (v & 0xffffffffL) * 0x0000000100000001L;
    }

    // ---- all elements at once; "top" has the top bit of each ----

    static long add(long a, long b, long top) {
        return (a & ~top) + (b & ~top) ^ (a ^ b) & top;
    }

    static long subtract(long a, long b, long top) {
        return (a | top) - (b & ~top) ^ (a ^ ~b) & top;
    }

    static long equalBytes(long a, long b) {
        long x = a ^ b;
        long zero = ~((x & ~TOP8) + ~TOP8 | x | ~TOP8);
        return (zero >>> 7) * 0xff;
    }

    static long equalWords(long a, long b) {
        long x = a ^ b;
        long zero = ~((x & ~TOP16) + ~TOP16 | x | ~TOP16);
        return (zero >>> 15) * 0xffff;
    }

    static long equalDwords(long a, long b) {
        long x = a ^ b;
        return ((int) x == 0 ? 0xffffffffL : 0) | ((int) (x >>> 32) == 0 ? 0xffffffffL << 32 : 0);
    }

    /** The top bit of each element: whether {@code a >= b}, unsigned. */
    private static long atLeast(long a, long b, long top) {
        long low = (a | top) - (b & ~top);
        return (a & ~b | ~(a ^ b) & low) & top;
    }

    private static long atLeast8(long a, long b) {
        return (atLeast(a, b, TOP8) >>> 7) * 0xff;
    }

    private static long atLeast16(long a, long b) {
        return (atLeast(a, b, TOP16) >>> 15) * 0xffff;
    }

    /** Bits of {@code a} where the mask is set, of {@code b} elsewhere. */
    private static long select(long mask, long a, long b) {
        return a & mask | b & ~mask;
    }

    static long minimumBytes(long a, long b) {
        return select(atLeast8(a, b), b, a);
    }

    // ---- element by element; elements come zero-extended, doublewords as they are ----

    static long bytes(long a, long b, IntBinaryOperator f) {
        long r = 0;
        for (int i = 0; i < 64; i += 8) {
            r |= (f.applyAsInt((int) (a >>> i) & 0xff, (int) (b >>> i) & 0xff) & 0xffL) << i;
        }
        return r;
    }

    static long words(long a, long b, IntBinaryOperator f) {
        long r = 0;
        for (int i = 0; i < 64; i += 16) {
            r |= (f.applyAsInt((int) (a >>> i) & 0xffff, (int) (b >>> i) & 0xffff) & 0xffffL) << i;
        }
        return r;
    }

    static long dwords(long a, long b, IntBinaryOperator f) {
        return f.applyAsInt((int) a, (int) b) & 0xffffffffL
                | (long) f.applyAsInt((int) (a >>> 32), (int) (b >>> 32)) << 32;
    }

    static int signedWord(int v) {
        return Math.clamp(v, Short.MIN_VALUE, Short.MAX_VALUE);
    }

    private static int sign(int x, int y) {
        return y < 0 ? -x : y == 0 ? 0 : x;
    }

    private static long multiplyAddWords(long a, long b) {
        long r = 0;
        for (int i = 0; i < 64; i += 32) {
            int low = (short) (a >>> i) * (short) (b >>> i);
            int high = (short) (a >>> i + 16) * (short) (b >>> i + 16);
            r |= (low + high & 0xffffffffL) << i;
        }
        return r;
    }

    /** Unsigned bytes of the destination times signed bytes of the source, neighbours added with saturation. */
    private static long multiplyAddBytes(long a, long b) {
        long r = 0;
        for (int i = 0; i < 64; i += 16) {
            int low = ((int) (a >>> i) & 0xff) * (byte) (b >>> i);
            int high = ((int) (a >>> i + 8) & 0xff) * (byte) (b >>> i + 8);
            r |= (signedWord(low + high) & 0xffffL) << i;
        }
        return r;
    }

    private static long sumOfDifferences(long a, long b) {
        int sum = 0;
        for (int i = 0; i < 64; i += 8) {
            sum += Math.abs(((int) (a >>> i) & 0xff) - ((int) (b >>> i) & 0xff));
        }
        return sum;
    }

    /** PMOVMSKB of one half: the top bits of its bytes as eight bits. */
    static int topBits(long v) {
        // the multiplication gathers bit 8i + 7 at bit 56 + i
        return (int) (((v & TOP8) >>> 7) * 0x0102040810204080L >>> 56);
    }

    // ---- packs and interleaves: two words to one, one half of two words to one ----

    static long packSignedBytes(long low, long high) {
        long r = 0;
        for (int i = 0; i < 4; i++) {
            r |= (Math.clamp((short) (low >>> i * 16), -128, 127) & 0xffL) << i * 8;
            r |= (Math.clamp((short) (high >>> i * 16), -128, 127) & 0xffL) << i * 8 + 32;
        }
        return r;
    }

    static long packUnsignedBytes(long low, long high) {
        long r = 0;
        for (int i = 0; i < 4; i++) {
            r |= (long) Math.clamp((short) (low >>> i * 16), 0, 255) << i * 8;
            r |= (long) Math.clamp((short) (high >>> i * 16), 0, 255) << i * 8 + 32;
        }
        return r;
    }

    static long packSignedWords(long low, long high) {
        return signedWord((int) low) & 0xffffL
                | (signedWord((int) (low >>> 32)) & 0xffffL) << 16
                | (signedWord((int) high) & 0xffffL) << 32
                | (signedWord((int) (high >>> 32)) & 0xffffL) << 48;
    }

    /** Interleaves the low halves: the element size in bits is 8, 16 or 32. */
    static long interleaveLow(long a, long b, int bits) {
        return spread(a, bits) | spread(b, bits) << bits;
    }

    /** Interleaves the high halves. */
    static long interleaveHigh(long a, long b, int bits) {
        return interleaveLow(a >>> 32, b >>> 32, bits);
    }

    /** Spreads the elements of the low 32 bits to twice their distance. */
    private static long spread(long v, int bits) {
        long x = v & 0xffffffffL;
        if (bits <= 16) {
            x = (x | x << 16) & 0x0000ffff0000ffffL;
        }
        if (bits == 8) {
            x = (x | x << 8) & 0x00ff00ff00ff00ffL;
        }
        return x;
    }

    /** The two horizontal results (add or subtract neighbours) of four words. */
    static long horizontalWords(long v, IntBinaryOperator f) {
        return f.applyAsInt((short) v, (short) (v >>> 16)) & 0xffffL
                | (f.applyAsInt((short) (v >>> 32), (short) (v >>> 48)) & 0xffffL) << 16;
    }

    /** The horizontal result of two doublewords. */
    static long horizontalDwords(long v, IntBinaryOperator f) {
        return f.applyAsInt((int) v, (int) (v >>> 32)) & 0xffffffffL;
    }
}
