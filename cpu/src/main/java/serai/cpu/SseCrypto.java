package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SseNodes.VectorOp;

/**
 * AES (FIPS 197), carry-less multiplication, SHA-1 and SHA-256 (FIPS 180-4) on XMM registers. A state of AES is four columns, each a
 * doubleword with row 0 in its low byte.
 */
final class SseCrypto {
    /** The S-box and its inverse. */
    private static final int[] BOX = new int[256], INVERSE_BOX = new int[256];
    /** MixColumns after the S-box, for a byte in row 0; InvMixColumns after the inverse one. Other rows rotate it. */
    private static final int[] MIX = new int[256], INVERSE_MIX = new int[256];

    static {
        // powers of the generator 3 and their inverses, from 1 through all of the field's 255
        int p = 1;
        int q = 1;
        do {
            p = p ^ times2(p);
            q ^= q << 1;
            q ^= q << 2;
            q ^= q << 4;
            q &= 0xff;
            q ^= (q & 0x80) != 0 ? 0x09 : 0;
            int s = q ^ rotate(q, 1) ^ rotate(q, 2) ^ rotate(q, 3) ^ rotate(q, 4) ^ 0x63;
            BOX[p] = s;
        } while (p != 1);
        BOX[0] = 0x63;
        for (int i = 0; i < 256; i++) {
            int s = BOX[i];
            INVERSE_BOX[s] = i;
            int d = times2(s);
            MIX[i] = d | s << 8 | s << 16 | (d ^ s) << 24;
            int two = times2(i);
            int four = times2(two);
            int eight = times2(four);
            INVERSE_MIX[s] = eight ^ four ^ two | (eight ^ i) << 8 | (eight ^ four ^ i) << 16 | (eight ^ two ^ i) << 24;
        }
    }

    private SseCrypto() {}

    private static int times2(int v) {
        return (v << 1 ^ ((v & 0x80) != 0 ? 0x1b : 0)) & 0xff;
    }

    private static int rotate(int v, int n) {
        return (v << n | v >>> 8 - n) & 0xff;
    }

    static @Nullable VectorOp op(Decoded d) {
        int imm = (int) d.immediate & 0xff;
        return switch (d.row.operation()) {
            case "AESENC" -> (c, x, low, high) -> round(c, x, low, high, MIX, 1, true);
            case "AESENCLAST" -> (c, x, low, high) -> round(c, x, low, high, BOX, 1, false);
            case "AESDEC" -> (c, x, low, high) -> round(c, x, low, high, INVERSE_MIX, 3, true);
            case "AESDECLAST" -> (c, x, low, high) -> round(c, x, low, high, INVERSE_BOX, 3, false);
            case "AESIMC" ->
                (c, x, low, high) -> {
                    c.vec[x] = inverseMix(low) | inverseMix(low >>> 32) << 32;
                    c.vec[x + 1] = inverseMix(high) | inverseMix(high >>> 32) << 32;
                };
            case "AESKEYGENASSIST" ->
                (c, x, low, high) -> {
                    c.vec[x] = keyWords((int) (low >>> 32), imm);
                    c.vec[x + 1] = keyWords((int) (high >>> 32), imm);
                };
            case "PCLMULQDQ" ->
                (c, x, low, high) -> {
                    long a = c.vec[x + (imm & 1)];
                    long b = (imm & 16) == 0 ? low : high;
                    c.vec[x] = multiply(a, b);
                    // the product of the mirrored factors is mirrored, so its low half is the high one
                    c.vec[x + 1] = Long.reverse(multiply(Long.reverse(a), Long.reverse(b))) >>> 1;
                };
            default -> sha(d.row.operation(), imm);
        };
    }

    // ---- AES ----

    private static int column(long low, long high, int n) {
        return (int) (((n & 2) == 0 ? low : high) >>> (n & 1) * 32);
    }

    /**
     * A round: row r of column c comes from column c + r * step.
     *
     * @param mixed whether {@code table} has the columns mixed, else single bytes
     */
    private static void round(Cpu c, int x, long keyLow, long keyHigh, int[] table, int step, boolean mixed) {
        long low = c.vec[x];
        long high = c.vec[x + 1];
        long r0 = 0;
        long r1 = 0;
        for (int n = 0; n < 4; n++) {
            int b0 = table[column(low, high, n) & 0xff];
            int b1 = table[column(low, high, n + step) >>> 8 & 0xff];
            int b2 = table[column(low, high, n + 2 * step) >>> 16 & 0xff];
            int b3 = table[column(low, high, n + 3 * step) >>> 24];
            int v = mixed
                    ? b0 ^ Integer.rotateLeft(b1, 8) ^ Integer.rotateLeft(b2, 16) ^ Integer.rotateLeft(b3, 24)
                    : b0 | b1 << 8 | b2 << 16 | b3 << 24;
            long w = (v & 0xffffffffL) << (n & 1) * 32;
            if (n < 2) {
                r0 |= w;
            } else {
                r1 |= w;
            }
        }
        c.vec[x] = r0 ^ keyLow;
        c.vec[x + 1] = r1 ^ keyHigh;
    }

    /** InvMixColumns of one column: the table's S-box is undone first. */
    private static long inverseMix(long v) {
        int w = (int) v;
        return (INVERSE_MIX[BOX[w & 0xff]]
                        ^ Integer.rotateLeft(INVERSE_MIX[BOX[w >>> 8 & 0xff]], 8)
                        ^ Integer.rotateLeft(INVERSE_MIX[BOX[w >>> 16 & 0xff]], 16)
                        ^ Integer.rotateLeft(INVERSE_MIX[BOX[w >>> 24]], 24))
                & 0xffffffffL;
    }

    /** SubWord, and RotWord of it with the round constant. */
    private static long keyWords(int w, int constant) {
        int s = BOX[w & 0xff] | BOX[w >>> 8 & 0xff] << 8 | BOX[w >>> 16 & 0xff] << 16 | BOX[w >>> 24] << 24;
        return s & 0xffffffffL | (long) (Integer.rotateRight(s, 8) ^ constant) << 32;
    }

    // ---- PCLMULQDQ ----

    /**
     * The low 64 bits of a product without carries. Integer products of numbers with a bit in every fourth place keep
     * their carries in the three between: at most 16 terms meet, and 16 only in the top place, whose carry falls off.
     */
    private static long multiply(long a, long b) {
        long r = 0;
        for (int place = 0; place < 4; place++) {
            long sum = 0;
            for (int i = 0; i < 4; i++) {
                long m = EVERY_FOURTH << i;
                long n = EVERY_FOURTH << (place - i & 3);
                sum ^= (a & m) * (b & n);
            }
            r |= sum & EVERY_FOURTH << place;
        }
        return r;
    }

    private static final long EVERY_FOURTH = 0x1111111111111111L;

    // ---- SHA: doublewords 3 (high) to 0 ----

    private static @Nullable VectorOp sha(String mnemonic, int imm) {
        return switch (mnemonic) {
            case "SHA1NEXTE" ->
                (c, x, low, high) -> {
                    int e = Integer.rotateLeft((int) (c.vec[x + 1] >>> 32), 30);
                    c.vec[x] = low;
                    c.vec[x + 1] = pair((int) high, (int) (high >>> 32) + e);
                };
            case "SHA1MSG1" ->
                (c, x, low, high) -> {
                    c.vec[x + 1] ^= c.vec[x];
                    c.vec[x] ^= high;
                };
            case "SHA1MSG2" ->
                (c, x, low, high) -> {
                    long a = c.vec[x];
                    long b = c.vec[x + 1];
                    // W13, W14, W15 are doublewords 2, 1 and 0 of the source
                    int w16 = Integer.rotateLeft((int) (b >>> 32) ^ (int) high, 1);
                    int w17 = Integer.rotateLeft((int) b ^ (int) (low >>> 32), 1);
                    int w18 = Integer.rotateLeft((int) (a >>> 32) ^ (int) low, 1);
                    int w19 = Integer.rotateLeft((int) a ^ w16, 1);
                    c.vec[x] = pair(w19, w18);
                    c.vec[x + 1] = pair(w17, w16);
                };
            case "SHA1RNDS4" -> (c, x, low, high) -> sha1Rounds(c, x, low, high, imm & 3);
            case "SHA256RNDS2" -> SseCrypto::sha256Rounds;
            case "SHA256MSG1" ->
                (c, x, low, high) -> {
                    long a = c.vec[x];
                    long b = c.vec[x + 1];
                    c.vec[x] = pair((int) a + small0((int) (a >>> 32)), (int) (a >>> 32) + small0((int) b));
                    c.vec[x + 1] = pair((int) b + small0((int) (b >>> 32)), (int) (b >>> 32) + small0((int) low));
                };
            case "SHA256MSG2" ->
                (c, x, low, high) -> {
                    int w16 = (int) c.vec[x] + small1((int) high);
                    int w17 = (int) (c.vec[x] >>> 32) + small1((int) (high >>> 32));
                    int w18 = (int) c.vec[x + 1] + small1(w16);
                    int w19 = (int) (c.vec[x + 1] >>> 32) + small1(w17);
                    c.vec[x] = pair(w16, w17);
                    c.vec[x + 1] = pair(w18, w19);
                };
            default -> null;
        };
    }

    private static long pair(int low, int high) {
        return low & 0xffffffffL | (long) high << 32;
    }

    private static int small0(int v) {
        return Integer.rotateRight(v, 7) ^ Integer.rotateRight(v, 18) ^ v >>> 3;
    }

    private static int small1(int v) {
        return Integer.rotateRight(v, 17) ^ Integer.rotateRight(v, 19) ^ v >>> 10;
    }

    private static final int[] SHA1_CONSTANTS = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};

    private static void sha1Rounds(Cpu cpu, int x, long low, long high, int stage) {
        int a = (int) (cpu.vec[x + 1] >>> 32);
        int b = (int) cpu.vec[x + 1];
        int c = (int) (cpu.vec[x] >>> 32);
        int d = (int) cpu.vec[x];
        int e = 0; // W0 has it already
        for (int i = 0; i < 4; i++) {
            int w = column(low, high, 3 - i);
            int f =
                    switch (stage) {
                        case 0 -> b & c ^ ~b & d;
                        case 2 -> b & c ^ b & d ^ c & d;
                        default -> b ^ c ^ d;
                    };
            int next = f + Integer.rotateLeft(a, 5) + w + e + SHA1_CONSTANTS[stage];
            e = d;
            d = c;
            c = Integer.rotateLeft(b, 30);
            b = a;
            a = next;
        }
        cpu.vec[x] = pair(d, c);
        cpu.vec[x + 1] = pair(b, a);
    }

    /** Two rounds: C, D, G, H in the destination, A, B, E, F in the source, the sums of words and constants in XMM0. */
    private static void sha256Rounds(Cpu cpu, int x, long low, long high) {
        int a = (int) (high >>> 32);
        int b = (int) high;
        int c = (int) (cpu.vec[x + 1] >>> 32);
        int d = (int) cpu.vec[x + 1];
        int e = (int) (low >>> 32);
        int f = (int) low;
        int g = (int) (cpu.vec[x] >>> 32);
        int h = (int) cpu.vec[x];
        long words = cpu.vec[0];
        for (int i = 0; i < 2; i++) {
            int big1 = Integer.rotateRight(e, 6) ^ Integer.rotateRight(e, 11) ^ Integer.rotateRight(e, 25);
            int big0 = Integer.rotateRight(a, 2) ^ Integer.rotateRight(a, 13) ^ Integer.rotateRight(a, 22);
            int t = (e & f ^ ~e & g) + big1 + (int) (words >>> i * 32) + h;
            int next = t + (a & b ^ a & c ^ b & c) + big0;
            h = g;
            g = f;
            f = e;
            e = t + d;
            d = c;
            c = b;
            b = a;
            a = next;
        }
        cpu.vec[x] = pair(f, e);
        cpu.vec[x + 1] = pair(b, a);
    }
}
