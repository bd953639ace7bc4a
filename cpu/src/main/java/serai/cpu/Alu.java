package serai.cpu;

/** Integer arithmetic with flags. Operands may carry rubbish above {@code size} bytes unless said otherwise. */
final class Alu {
    static final int ADD = 0, OR = 1, ADC = 2, SBB = 3, AND = 4, SUB = 5, XOR = 6, CMP = 7, TEST = 8;
    static final int INC = 9, DEC = 10, NEG = 11, NOT = 12;
    static final int ROL = 0, ROR = 1, RCL = 2, RCR = 3, SHL = 4, SHR = 5, SAR = 7;

    /** Stores the lazy flags of a result and its vector of carries. */
    static void flags(Cpu c, int size, long result, long carries) {
        switch (size) {
            case 8 -> {
                c.zr = result;
                c.sr = result;
                c.cv = carries;
            }
            case 4 -> {
                long s = (int) result;
                c.zr = s;
                c.sr = s;
                c.cv = carries << 32 | carries & 8;
            }
            case 2 -> {
                long s = (short) result;
                c.zr = s;
                c.sr = s;
                c.cv = carries << 48 | carries & 8;
            }
            default -> {
                long s = (byte) result;
                c.zr = s;
                c.sr = s;
                c.cv = carries << 56 | carries & 8;
            }
        }
    }

    static long apply(Cpu c, int op, int size, long a, long b) {
        return switch (op) {
            case ADD -> add(c, size, a, b, 0);
            case OR -> logic(c, size, a | b);
            case ADC -> add(c, size, a, b, c.cf() ? 1 : 0);
            case SBB -> sub(c, size, a, b, c.cf() ? 1 : 0);
            case AND, TEST -> logic(c, size, a & b);
            case XOR -> logic(c, size, a ^ b);
            default -> sub(c, size, a, b, 0);
        };
    }

    static long add(Cpu c, int size, long a, long b, long carry) {
        long r = a + b + carry;
        flags(c, size, r, a & b | (a | b) & ~r);
        return r;
    }

    static long sub(Cpu c, int size, long a, long b, long borrow) {
        long r = a - b - borrow;
        flags(c, size, r, ~a & b | (~a | b) & r);
        return r;
    }

    private static long logic(Cpu c, int size, long r) {
        flags(c, size, r, 0);
        return r;
    }

    /** INC, DEC, NEG, NOT. */
    static long unary(Cpu c, int op, int size, long a) {
        switch (op) {
            case INC, DEC -> {
                long cf = c.cv & Long.MIN_VALUE;
                long r = op == INC ? add(c, size, a, 1, 0) : sub(c, size, a, 1, 0);
                long v = c.cv;
                long of = (v ^ v << 1) & Long.MIN_VALUE;
                c.cv = cf | (cf ^ of) >>> 1 | v & 8;
                return r;
            }
            case NEG -> {
                return sub(c, size, 0, a, 0);
            }
            default -> {
                return ~a;
            }
        }
    }

    /** Sets CF and OF, keeps the rest. */
    private static void carryOverflow(Cpu c, boolean cf, boolean of) {
        c.cv = (cf ? 1L << 63 : 0) | (cf != of ? 1L << 62 : 0) | c.cv & 8;
    }

    private static void shiftFlags(Cpu c, int size, long r, boolean cf, boolean of) {
        flags(c, size, r, 0);
        c.cv = (cf ? 1L << 63 : 0) | (cf != of ? 1L << 62 : 0);
    }

    /** Zero-extends. */
    static long zero(int size, long v) {
        return switch (size) {
            case 8 -> v;
            case 4 -> v & 0xffffffffL;
            case 2 -> v & 0xffff;
            default -> v & 0xff;
        };
    }

    /** Sign-extends. */
    static long sign(int size, long v) {
        return switch (size) {
            case 8 -> v;
            case 4 -> (int) v;
            case 2 -> (short) v;
            default -> (byte) v;
        };
    }

    /**
     * A shift or rotate.
     *
     * @param a zero-extended
     * @param count as given; masked here
     */
    static long shift(Cpu c, int op, int size, long a, int count) {
        int bits = size * 8;
        int n = count & (size == 8 ? 63 : 31);
        if (n == 0) {
            return a;
        }
        switch (op) {
            case SHL, 6 -> {
                long r = n < 64 ? a << n : 0;
                boolean cf = n <= bits && (a >>> (bits - n) & 1) != 0;
                r = zero(size, r);
                shiftFlags(c, size, r, cf, (r >>> bits - 1 & 1) != 0 != cf);
                return r;
            }
            case SHR -> {
                long r = a >>> n;
                boolean cf = (a >>> n - 1 & 1) != 0;
                shiftFlags(c, size, r, cf, (a >>> bits - 1 & 1) != 0);
                return r;
            }
            case SAR -> {
                long s = sign(size, a);
                long r = s >> n;
                shiftFlags(c, size, r, (s >> n - 1 & 1) != 0, false);
                return r;
            }
            case ROL -> {
                int k = n % bits;
                long r = k == 0 ? a : zero(size, a << k | a >>> bits - k);
                boolean cf = (r & 1) != 0;
                carryOverflow(c, cf, (r >>> bits - 1 & 1) != 0 != cf);
                return r;
            }
            case ROR -> {
                int k = n % bits;
                long r = k == 0 ? a : zero(size, a >>> k | a << bits - k);
                boolean cf = (r >>> bits - 1 & 1) != 0;
                carryOverflow(c, cf, cf != ((r >>> bits - 2 & 1) != 0));
                return r;
            }
            case RCL -> {
                long r = a;
                boolean cf = c.cf();
                for (int k = n % (bits + 1); k > 0; k--) {
                    boolean top = (r >>> bits - 1 & 1) != 0;
                    r = zero(size, r << 1 | (cf ? 1 : 0));
                    cf = top;
                }
                carryOverflow(c, cf, (r >>> bits - 1 & 1) != 0 != cf);
                return r;
            }
            default -> {
                long r = a;
                boolean cf = c.cf();
                for (int k = n % (bits + 1); k > 0; k--) {
                    boolean low = (r & 1) != 0;
                    r = r >>> 1 | (cf ? 1L << bits - 1 : 0);
                    cf = low;
                }
                carryOverflow(c, cf, (r >>> bits - 1 & 1) != (r >>> bits - 2 & 1));
                return r;
            }
        }
    }

    /** SHLD and SHRD; operands zero-extended. */
    static long doubleShift(Cpu c, boolean left, int size, long a, long b, int count) {
        int bits = size * 8;
        int n = count & (size == 8 ? 63 : 31);
        if (n == 0) {
            return a;
        }
        long r;
        boolean cf;
        if (size == 2) {
            // counts above 16 are undefined: as shifting a:b:a
            long wide = a << 32 | b << 16 | a;
            r = zero(2, left ? wide << n >>> 32 : wide >>> n);
            cf = (left ? wide >>> 48 - n & 1 : wide >>> n - 1 & 1) != 0;
        } else if (left) {
            r = zero(size, a << n | b >>> bits - n);
            cf = (a >>> bits - n & 1) != 0;
        } else {
            r = zero(size, a >>> n | b << bits - n);
            cf = (a >>> n - 1 & 1) != 0;
        }
        boolean of = ((r ^ a) >>> bits - 1 & 1) != 0;
        shiftFlags(c, size, r, cf, of);
        return r;
    }

    /** IMUL of two or three operands (sign-extended): the product; CF and OF if it does not fit. */
    static long imul(Cpu c, int size, long a, long b) {
        long r = a * b;
        boolean over = size == 8 ? Math.multiplyHigh(a, b) != r >> 63 : r != sign(size, r);
        // SF, ZF, AF and PF are undefined; SF and PF follow the result on the processors we compare with
        flags(c, size, r, 0);
        c.cv = over ? 1L << 63 : 0;
        return r;
    }

    private Alu() {}
}
