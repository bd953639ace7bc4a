package serai.cpu;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;

/** Random values with a liking for corners, of the kind that a row computes with. */
final class OracleValues {
    private static final long[] INTEGERS = {
        0,
        1,
        2,
        -1,
        -2,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000L,
        0xffffffffL,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        0x5555555555555555L,
        0xaaaaaaaaaaaaaaaaL,
        0x0123456789abcdefL,
        10,
        63,
        64,
        31,
        32
    };
    private static final int[] CHARACTERS = {0, 1, 'a', 'a', 'b', 'b', 'c', 'z', 0x80, 0xff};
    private static final double[] DOUBLES = {
        0.0,
        -0.0,
        1.0,
        -1.0,
        1.5,
        2.0,
        0.5,
        3.0,
        10.0,
        1.0 / 3,
        -2.0 / 3,
        Math.PI,
        1e10,
        1e-10,
        1e300,
        -1e300,
        1e-300,
        Double.MIN_VALUE,
        -Double.MIN_VALUE,
        Double.MIN_NORMAL,
        Double.MAX_VALUE,
        -Double.MAX_VALUE,
        Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY,
        Double.NaN,
        2147483647.0,
        2147483647.5,
        2147483648.0,
        -2147483648.5,
        -2147483649.0,
        0x1p63,
        -0x1p63,
        32767.5,
        -32768.5,
        0.499999,
        2.5,
        -2.5,
        0x1.8p52,
        Float.MIN_VALUE,
        Float.MIN_NORMAL,
        Float.MAX_VALUE,
        1.0000000001,
        16777217.0,
        3.5e38
    };

    private final SplittableRandom random;

    OracleValues(SplittableRandom random) {
        this.random = random;
    }

    private boolean chance(int oneIn) {
        return random.nextInt(oneIn) == 0;
    }

    long integer() {
        return switch (random.nextInt(4)) {
            case 0 -> INTEGERS[random.nextInt(INTEGERS.length)];
            case 1 -> random.nextLong() >> random.nextInt(64);
            case 2 -> INTEGERS[random.nextInt(INTEGERS.length)] + random.nextInt(-2, 3);
            default -> random.nextLong();
        };
    }

    long doubleBits() {
        return switch (random.nextInt(8)) {
            case 0, 1, 2 -> Double.doubleToRawLongBits(DOUBLES[random.nextInt(DOUBLES.length)]);
            case 3 -> random.nextLong();
            case 4 -> Double.doubleToRawLongBits(random.nextInt(-100, 100));
            case 5 -> Double.doubleToRawLongBits(random.nextDouble(-4, 4));
            // near the ends of the range of exponents, and special: NaN payloads, denormals
            case 6 -> random.nextLong() & 0x800fffffffffffffL | (long) special(11) << 52;
            default ->
                random.nextLong() & 0x8000000000000000L
                        | (long) (1023 + random.nextInt(-70, 70)) << 52
                        | random.nextLong() & 0xfffffffffffffL & -1L << random.nextInt(52);
        };
    }

    int floatBits() {
        return switch (random.nextInt(8)) {
            case 0, 1, 2 -> Float.floatToRawIntBits((float) DOUBLES[random.nextInt(DOUBLES.length)]);
            case 3 -> random.nextInt();
            case 4 -> Float.floatToRawIntBits(random.nextInt(-100, 100));
            case 5 -> Float.floatToRawIntBits((float) random.nextDouble(-4, 4));
            case 6 -> random.nextInt() & 0x807fffff | special(8) << 23;
            default ->
                random.nextInt() & 0x80000000
                        | 127 + random.nextInt(-35, 35) << 23
                        | random.nextInt() & 0x7fffff & -1 << random.nextInt(23);
        };
    }

    /** A biased exponent near the bottom, the top or half-way to either (so that products come near the ends). */
    private int special(int bits) {
        int max = (1 << bits) - 1;
        int near = random.nextInt(0, 4);
        return switch (random.nextInt(6)) {
            case 0 -> 0;
            case 1 -> max;
            case 2 -> near;
            case 3 -> max - near;
            case 4 -> max / 4 + near;
            default -> max * 3 / 4 - near;
        };
    }

    void extended(ByteBuffer b, int at) {
        long significand;
        int exponent;
        switch (random.nextInt(8)) {
            case 0, 1 -> {
                double d = DOUBLES[random.nextInt(DOUBLES.length)];
                long bits = Double.doubleToRawLongBits(d);
                int e = (int) (bits >>> 52) & 0x7ff;
                boolean zero = e == 0;
                significand = zero ? 0 : bits << 11 | Long.MIN_VALUE;
                exponent = zero ? 0 : e == 0x7ff ? 0x7fff : e - 1023 + 16383;
                exponent |= (int) (bits >>> 48) & 0x8000;
            }
            case 2 -> {
                significand = random.nextLong() | Long.MIN_VALUE;
                exponent = special(15) | (random.nextBoolean() ? 0x8000 : 0);
            }
            case 3 -> {
                // unnormal, pseudo-denormal, pseudo-NaN and their like
                significand = random.nextLong() & (random.nextBoolean() ? Long.MAX_VALUE : -1);
                exponent = special(15) | (random.nextBoolean() ? 0x8000 : 0);
            }
            case 4 -> {
                long n = random.nextLong(1, 1000);
                int shift = Long.numberOfLeadingZeros(n);
                significand = n << shift;
                exponent = 16383 + 63 - shift | (random.nextBoolean() ? 0x8000 : 0);
            }
            case 5 -> {
                significand = Long.MIN_VALUE >> random.nextInt(64);
                exponent = 16383 + random.nextInt(-70, 70) | (random.nextBoolean() ? 0x8000 : 0);
            }
            case 6 -> {
                significand = random.nextBoolean() ? 0 : Long.MIN_VALUE;
                exponent = (significand == 0 ? 0 : special(15)) | (random.nextBoolean() ? 0x8000 : 0);
            }
            default -> {
                significand = random.nextLong() | Long.MIN_VALUE;
                exponent = 16383 + random.nextInt(-70, 70) | (random.nextBoolean() ? 0x8000 : 0);
            }
        }
        b.putLong(at, significand).putShort(at + 8, (short) exponent);
    }

    /** Eight bytes for a vector register or memory, of the kind that the row computes with. */
    long word(char kind) {
        return switch (chance(8) ? 'i' : kind) {
            case 's' -> floatBits() & 0xffffffffL | (long) floatBits() << 32;
            case 'd' -> doubleBits();
            case 'h' -> {
                // half precision: every kind of value is frequent among random ones but infinities and NaNs
                long a = random.nextLong();
                yield chance(3) ? a | 0x7c00L << 16 * random.nextInt(4) : a;
            }
            case 'b' -> {
                // bytes near zero and near the ends of their range
                long a = random.nextLong();
                long b = random.nextLong();
                long signs = random.nextLong() & 0x8080808080808080L;
                yield a & b & 0x7f7f7f7f7f7f7f7fL | signs;
            }
            case 't' -> {
                // strings: few different characters, zeros among them
                long v = 0;
                for (int i = 0; i < 64; i += 8) {
                    v |= (long) (chance(10) ? random.nextInt(256) : CHARACTERS[random.nextInt(CHARACTERS.length)]) << i;
                }
                yield chance(2) ? v : v & 0x00ff00ff00ff00ffL;
            }
            default -> integer();
        };
    }

    static char kind(InstructionRow row) {
        String m = row.operation();
        if (m.equals("CVTPH2PS")) {
            return 'h';
        }
        if (m.matches("FN?M(ADD|SUB).*|GATHER.*|PERMIL.*|MASKMOVP.*|BROADCASTS.*|TESTP.")) {
            return m.endsWith("D") ? 'd' : 's';
        }
        if (m.startsWith("PCMPE") && m.contains("STR") || m.startsWith("PCMPISTR")) {
            return 't';
        }
        if (m.matches("ROUND.*|DPP.|BLENDV?P.")) {
            return m.endsWith("D") ? 'd' : 's';
        }
        if (m.startsWith("CVT")) {
            String from = m.substring(m.startsWith("CVTT") ? 4 : 3).replaceAll("2.*", "");
            return from.endsWith("I") || from.equals("DQ") ? 'i' : from.endsWith("D") ? 'd' : 's';
        }
        if (row.map() == 1 && (m.endsWith("PD") || m.endsWith("SD"))) {
            return 'd';
        }
        if (row.map() == 1 && (m.endsWith("PS") || m.endsWith("SS"))) {
            return 's';
        }
        return row.map() == 2 || row.map() == 3 || m.startsWith("P") ? 'b' : 'i';
    }

    /** An XSAVE image with registers of the row's kind, control words and flags of all sorts. */
    byte[] image(InstructionRow row) {
        char kind = kind(row);
        ByteBuffer b = ByteBuffer.allocate(OracleState.XSAVE).order(ByteOrder.LITTLE_ENDIAN);
        boolean x87 = row.source().startsWith("instructions-x87");
        int control = chance(2)
                ? 0x37f
                : chance(4) ? random.nextInt(0x10000) & 0x1f7f | 0x40 : random.nextInt(0x10000) & 0xf00 | 0x7f;
        b.putShort(0, (short) control);
        int top = random.nextInt(8);
        int flags = chance(2) ? 0 : random.nextInt(64) & (chance(16) ? 0x3f : control);
        b.putShort(2, (short) (top << 11 | flags | random.nextInt(0x10000) & 0x4700));
        b.putShort(4, (short) (x87 && !chance(4) ? 0xff : random.nextInt(256)));
        b.putInt(
                24,
                chance(2)
                        ? 0x1f80 | random.nextInt(64)
                        : chance(3) ? random.nextInt(0x10000) : 0x1f80 | random.nextInt(0x10000) & 0xe07f);
        b.putInt(28, 0xffff);
        for (int i = 0; i < 8; i++) {
            if (x87 || chance(2)) {
                extended(b, 32 + i * 16);
            } else {
                b.putLong(32 + i * 16, word(kind)).putShort(32 + i * 16 + 8, (short) -1);
            }
        }
        for (int i = 0; i < 32; i++) {
            b.putLong(160 + i * 8, word(kind));
            b.putLong(OracleState.YMM_HIGH + i * 8, word(kind));
        }
        if (chance(4)) {
            // equal operands
            int from = random.nextInt(16);
            for (int i = 0; i < 16; i += chance(2) ? 1 : 2) {
                b.putLong(160 + i * 16, b.getLong(160 + from * 16));
                b.putLong(168 + i * 16, b.getLong(168 + from * 16));
                b.putLong(OracleState.YMM_HIGH + i * 16, b.getLong(OracleState.YMM_HIGH + from * 16));
            }
        }
        return b.array();
    }
}
