package serai.cpu;

import java.math.BigInteger;
import serai.cpu.SoftFloat.Kind;
import serai.cpu.SoftFloat.Num;

/**
 * The transcendental functions of x87, in fixed-point arithmetic of {@value #P} fraction bits: results are correctly rounded but for
 * the rarest of ties, so at most one unit in the last place from a processor's (whose error the manual bounds by
 * one unit). Arguments of the trigonometric ones are reduced by pi cut to 66 bits, as processors do (SDM vol. 1, 8.3.8):
 * that is part of what programs see.
 *
 * <p>Microseconds a call: nobody that minds still uses these instructions.
 */
final class X87Functions {
    private static final int P = 320;
    /** Arguments with a smaller exponent are replaced by the first term of the series: the next is below 2^-64 of it. */
    private static final int TINY = -68;

    private static final BigInteger ONE = BigInteger.ONE.shiftLeft(P);
    private static final BigInteger LN2 = naturalLogarithm(BigInteger.ONE, BigInteger.valueOf(3));
    /** Pi by Machin's formula. */
    private static final BigInteger PI = arcTangentOfInverse(5)
            .shiftLeft(4)
            .subtract(arcTangentOfInverse(239).shiftLeft(2));
    /** Half of pi as the processors' argument reduction has it. */
    private static final BigInteger HALF_PI_66 = new BigInteger("C90FDAA22168C234C", 16).shiftLeft(P - 67);

    private X87Functions() {}

    enum Function {
        SIN,
        COS,
        TAN,
        SINCOS
    }

    // ---- series; all values are integers in units of 2^-P ----

    private static BigInteger multiply(BigInteger x, BigInteger y) {
        return x.multiply(y).shiftRight(P);
    }

    private static BigInteger divide(BigInteger x, BigInteger y) {
        return x.shiftLeft(P).divide(y);
    }

    private static BigInteger arcTangentOfInverse(int n) {
        return arcTangent(ONE.divide(BigInteger.valueOf(n)));
    }

    /** Of an argument well below one. */
    private static BigInteger arcTangent(BigInteger x) {
        BigInteger square = multiply(x, x).negate();
        BigInteger power = x;
        BigInteger sum = x;
        for (int n = 3; power.signum() != 0 && power.bitLength() > 1; n += 2) {
            power = multiply(power, square);
            sum = sum.add(power.divide(BigInteger.valueOf(n)));
        }
        return sum;
    }

    /** ln((1 + z) / (1 - z)) for z = x / y: twice the inverse hyperbolic tangent. */
    private static BigInteger naturalLogarithm(BigInteger x, BigInteger y) {
        BigInteger z = x.shiftLeft(P).divide(y);
        BigInteger square = multiply(z, z);
        BigInteger power = z;
        BigInteger sum = z;
        for (int n = 3; power.signum() != 0 && power.bitLength() > 1; n += 2) {
            power = multiply(power, square);
            sum = sum.add(power.divide(BigInteger.valueOf(n)));
        }
        return sum.shiftLeft(1);
    }

    /** The series of e^x from the term of {@code first}, taking every {@code step}th, with alternating signs or not. */
    private static BigInteger powers(BigInteger x, int first, int step, boolean alternate) {
        BigInteger term = first == 0 ? ONE : x;
        BigInteger sum = term;
        int n = first;
        BigInteger factor = step == 1 ? x : multiply(x, x);
        while (term.bitLength() > 1) {
            n += step;
            term = multiply(term, factor).divide(BigInteger.valueOf(step == 1 ? n : (long) n * (n - 1)));
            if (alternate) {
                term = term.negate();
            }
            sum = sum.add(term);
        }
        return sum;
    }

    private static BigInteger sine(BigInteger x) {
        return powers(x, 1, 2, true);
    }

    private static BigInteger cosine(BigInteger x) {
        return powers(x, 0, 2, true);
    }

    // ---- numbers ----

    /** A number as fixed point; its exponent is at least {@link #TINY} or so and at most 64. */
    private static BigInteger fixed(Num n) {
        if (n.kind == Kind.ZERO) {
            return BigInteger.ZERO;
        }
        BigInteger m = SoftFloat.unsigned(n.sig).shiftLeft(P + n.exp - 63);
        return n.sign ? m.negate() : m;
    }

    /** r = value * 2^exp, not exact: so that it is never taken for one, bits below the last are set. */
    private static void set(Num r, BigInteger value, int exp, boolean sign) {
        BigInteger m = value.abs();
        if (m.signum() == 0) {
            r.set(Kind.ZERO, sign);
            return;
        }
        int bits = m.bitLength();
        r.set(Kind.FINITE, sign);
        BigInteger wide = bits <= 128 ? m.shiftLeft(128 - bits) : m.shiftRight(bits - 128);
        r.sig = wide.shiftRight(64).longValue();
        r.low = wide.longValue() | 1;
        r.exp = exp + bits - 1;
    }

    /** r = a, less or more by a trace. */
    private static void nudge(Num r, Num a, boolean towardsZero) {
        r.set(a);
        r.denormal = false;
        if (!towardsZero) {
            r.low = 1;
        } else if (a.sig == Long.MIN_VALUE) {
            r.sig = -1;
            r.low = -1;
            r.exp--;
        } else {
            r.sig = a.sig - 1;
            r.low = -1;
        }
    }

    private static void invalid(SoftFloat s) {
        s.flags |= Fpu.IE;
        s.r.setIndefinite();
    }

    private static void denormal(SoftFloat s, boolean both) {
        if (s.a.denormal || both && s.b.denormal) {
            s.flags |= Fpu.DE;
        }
    }

    // ---- the instructions ----

    /** F2XM1: 2^x - 1 for x from -1 to 1; beyond, where the manual leaves it undefined, x itself. */
    static void exponential(Fpu f) {
        if (!X87.operands(f, false)) {
            return;
        }
        SoftFloat s = f.soft;
        if (!s.x87Special(false)) {
            denormal(s, false);
            Num a = s.a;
            if (a.kind == Kind.INFINITE) {
                if (a.sign) {
                    s.r.set(-1);
                } else {
                    s.r.set(a);
                }
            } else if (a.kind == Kind.ZERO || a.exp > 0 || a.exp == 0 && (a.sig != Long.MIN_VALUE || !a.sign)) {
                s.r.set(a);
            } else if (a.exp == 0) {
                s.r.set(-1);
                s.r.exp = -1;
            } else if (a.exp < TINY) {
                set(s.r, SoftFloat.unsigned(a.sig).multiply(LN2), a.exp - 63 - P, a.sign);
            } else {
                BigInteger x = multiply(fixed(a), LN2);
                set(s.r, powers(x, 0, 1, false).subtract(ONE), -P, a.sign);
            }
            s.x87Round(64);
        }
        X87.finish(f);
    }

    /** FYL2X and, with {@code plusOne}, FYL2XP1: ST(1) = ST(1) * log2(ST(0)), and a pop. */
    static void logarithm(Fpu f, boolean plusOne) {
        if (X87.empty(f, 0) || X87.empty(f, 1)) {
            if (X87.stackFault(f, false)) {
                X87.writeIndefinite(f, 1);
                X87.pop(f);
            }
            return;
        }
        X87.operands(f, true);
        SoftFloat s = f.soft;
        if (!s.x87Special(true)) {
            if (plusOne) {
                logarithmPlusOne(s);
            } else {
                logarithm(s);
            }
            s.x87Round(64);
        }
        if (X87.commit(f)) {
            X87.write(f, 1, s.r);
            X87.pop(f);
        }
    }

    private static void logarithm(SoftFloat s) {
        Num x = s.a;
        Num y = s.b;
        if (x.kind == Kind.ZERO) {
            if (y.kind == Kind.ZERO) {
                invalid(s);
            } else {
                if (y.kind != Kind.INFINITE) {
                    s.flags |= Fpu.ZE;
                }
                s.r.set(Kind.INFINITE, !y.sign);
            }
            return;
        }
        boolean one = x.kind == Kind.FINITE && x.exp == 0 && x.sig == Long.MIN_VALUE;
        boolean above = x.kind == Kind.INFINITE || x.exp >= 0;
        if (x.sign || y.kind == Kind.INFINITE && one || x.kind == Kind.INFINITE && y.kind == Kind.ZERO) {
            invalid(s);
            return;
        }
        denormal(s, true);
        if (y.kind == Kind.INFINITE || x.kind == Kind.INFINITE) {
            s.r.set(Kind.INFINITE, y.sign == above);
            s.r.sign = above ? y.sign : !y.sign;
        } else if (y.kind == Kind.ZERO || one) {
            s.r.set(Kind.ZERO, above ? y.sign : !y.sign);
        } else {
            BigInteger log = binaryLogarithm(SoftFloat.unsigned(x.sig).shiftLeft(P - 63), x.exp);
            boolean exact = x.sig == Long.MIN_VALUE;
            set(s.r, log.multiply(SoftFloat.unsigned(y.sig)), y.exp - 63 - P, y.sign != log.signum() < 0);
            if (exact) {
                s.r.low &= ~1L;
            }
        }
    }

    /** log2(m * 2^e) for m from 1 to 2. */
    private static BigInteger binaryLogarithm(BigInteger m, int e) {
        // the series is short round 1, and an argument just below 1 must not lose digits: take m from 3/4 to 3/2
        boolean halve = m.compareTo(ONE.add(ONE.shiftRight(1))) > 0;
        BigInteger n = halve ? m.shiftRight(1) : m;
        return divide(naturalLogarithm(n.subtract(ONE), n.add(ONE)), LN2)
                .add(BigInteger.valueOf(halve ? e + 1 : e).shiftLeft(P));
    }

    private static void logarithmPlusOne(SoftFloat s) {
        Num x = s.a;
        Num y = s.b;
        if (x.kind == Kind.INFINITE) {
            if (x.sign || y.kind == Kind.ZERO) {
                invalid(s);
            } else {
                denormal(s, true);
                s.r.set(Kind.INFINITE, y.sign);
            }
            return;
        }
        if (y.kind == Kind.INFINITE) {
            if (x.kind == Kind.ZERO) {
                invalid(s);
            } else {
                denormal(s, true);
                s.r.set(Kind.INFINITE, x.sign != y.sign);
            }
            return;
        }
        denormal(s, true);
        if (x.kind == Kind.ZERO || y.kind == Kind.ZERO) {
            s.r.set(Kind.ZERO, x.sign != y.sign);
            return;
        }
        if (x.exp >= 0 && x.sign) {
            // no logarithm; undefined by the manual, processors hand the argument through
            s.r.set(x);
            return;
        }
        boolean sign = x.sign != y.sign;
        if (x.exp < TINY) {
            BigInteger q = SoftFloat.unsigned(x.sig).shiftLeft(2 * P).divide(LN2);
            set(s.r, q.multiply(SoftFloat.unsigned(y.sig)), x.exp + y.exp - 126 - P, sign);
            return;
        }
        BigInteger log;
        if (x.exp > P) {
            // the one is nothing
            set(
                    s.r,
                    binaryLogarithm(SoftFloat.unsigned(x.sig).shiftLeft(P - 63), x.exp)
                            .multiply(SoftFloat.unsigned(y.sig)),
                    y.exp - 63 - P,
                    sign);
            return;
        }
        BigInteger v = fixed(x);
        if (x.exp < -1) {
            log = divide(naturalLogarithm(v, v.add(ONE.shiftLeft(1))), LN2);
        } else {
            BigInteger sum = v.add(ONE);
            int e = sum.bitLength() - 1 - P;
            log = binaryLogarithm(e > 0 ? sum.shiftRight(e) : sum.shiftLeft(-e), e);
        }
        set(s.r, log.multiply(SoftFloat.unsigned(y.sig)), y.exp - 63 - P, sign);
    }

    /** FPATAN: ST(1) = the angle of the point (ST(0), ST(1)), and a pop. */
    static void arcTangent(Fpu f) {
        if (X87.empty(f, 0) || X87.empty(f, 1)) {
            if (X87.stackFault(f, false)) {
                X87.writeIndefinite(f, 1);
                X87.pop(f);
            }
            return;
        }
        X87.operands(f, true);
        SoftFloat s = f.soft;
        if (!s.x87Special(true)) {
            denormal(s, true);
            angle(s);
            s.x87Round(64);
        }
        if (X87.commit(f)) {
            X87.write(f, 1, s.r);
            X87.pop(f);
        }
    }

    private static void angle(SoftFloat s) {
        Num x = s.a;
        Num y = s.b;
        if (x.kind == Kind.INFINITE && y.kind == Kind.INFINITE) {
            BigInteger quarter = PI.shiftRight(2);
            set(s.r, x.sign ? quarter.multiply(BigInteger.valueOf(3)) : quarter, -P, y.sign);
        } else if (y.kind == Kind.ZERO || x.kind == Kind.INFINITE) {
            if (x.sign) {
                set(s.r, PI, -P, y.sign);
            } else {
                s.r.set(Kind.ZERO, y.sign);
            }
        } else if (x.kind == Kind.ZERO || y.kind == Kind.INFINITE) {
            set(s.r, PI.shiftRight(1), -P, y.sign);
        } else {
            int d = y.exp - x.exp;
            if (d < TINY && !x.sign) {
                // the quotient, less by a trace
                BigInteger q = SoftFloat.unsigned(y.sig).shiftLeft(P).divide(SoftFloat.unsigned(x.sig));
                set(s.r, q.subtract(BigInteger.ONE), d - P, y.sign);
                return;
            }
            BigInteger angle;
            if (Math.abs(d) > 2 * P) {
                angle = d < 0 ? BigInteger.ONE : PI.shiftRight(1).subtract(BigInteger.ONE);
            } else {
                angle = angle(SoftFloat.unsigned(y.sig), SoftFloat.unsigned(x.sig), d);
            }
            set(s.r, x.sign ? PI.subtract(angle) : angle, -P, y.sign);
        }
    }

    /** The arc tangent of {@code y * 2^d / x}. */
    private static BigInteger angle(BigInteger y, BigInteger x, int d) {
        BigInteger up = d > 0 ? y.shiftLeft(d) : y;
        BigInteger down = d < 0 ? x.shiftLeft(-d) : x;
        boolean steep = up.compareTo(down) > 0;
        BigInteger t = steep ? divide(down, up) : divide(up, down);
        // half the angle three times: t / (1 + sqrt(1 + t^2))
        for (int i = 0; i < 3; i++) {
            BigInteger root = ONE.add(multiply(t, t)).shiftLeft(P).sqrt();
            t = divide(t, ONE.add(root));
        }
        BigInteger a = arcTangent(t).shiftLeft(3);
        return steep ? PI.shiftRight(1).subtract(a) : a;
    }

    /** FSIN, FCOS, FPTAN (pushes 1), FSINCOS (pushes the cosine). Arguments from 2^63 on are left alone, with C2. */
    static void trigonometric(Fpu f, Function function) {
        boolean pushes = function == Function.TAN || function == Function.SINCOS;
        boolean overflow = pushes && !X87.empty(f, -1);
        f.statusWord &= ~Fpu.C2;
        if (X87.empty(f, 0) || overflow) {
            if (X87.stackFault(f, overflow && !X87.empty(f, 0))) {
                X87.writeIndefinite(f, 0);
                if (pushes) {
                    X87.push(f);
                    X87.writeIndefinite(f, 0);
                }
            }
            return;
        }
        X87.operands(f, false);
        SoftFloat s = f.soft;
        Num a = s.a;
        Num second = s.b;
        if (s.x87Special(false)) {
            second.set(s.r);
        } else if (a.kind == Kind.INFINITE) {
            invalid(s);
            second.set(s.r);
        } else {
            if (a.kind == Kind.FINITE && a.exp >= 63) {
                f.statusWord = f.statusWord & ~Fpu.C1 | Fpu.C2;
                return;
            }
            denormal(s, false);
            evaluate(s, function, second);
        }
        if (X87.commit(f)) {
            X87.write(f, 0, s.r);
            if (pushes) {
                X87.push(f);
                X87.write(f, 0, second);
            }
        }
    }

    private static void evaluate(SoftFloat s, Function function, Num second) {
        Num a = s.a;
        Num r = s.r;
        if (a.kind == Kind.ZERO) {
            if (function == Function.COS) {
                r.set(1);
            } else {
                r.set(a);
                second.set(1);
            }
            return;
        }
        if (a.exp < TINY / 2) {
            // sin x = x - x^3/6, tan x = x + x^3/3, cos x = 1 - x^2/2
            second.set(1);
            if (function == Function.COS) {
                nudge(r, second, true);
            } else {
                if (function == Function.SINCOS) {
                    nudge(r, second, true);
                    s.x87Round(64);
                    second.set(r);
                }
                nudge(r, a, function != Function.TAN);
            }
            s.x87Round(64);
            return;
        }
        BigInteger x = fixed(a).abs();
        BigInteger[] q = x.add(HALF_PI_66.shiftRight(1)).divideAndRemainder(HALF_PI_66);
        BigInteger rest = q[1].subtract(HALF_PI_66.shiftRight(1));
        int quadrant = q[0].intValue() & 3;
        BigInteger sin = sine(rest);
        BigInteger cos = cosine(rest);
        BigInteger sinX = (quadrant & 1) == 0 ? sin : cos;
        BigInteger cosX = (quadrant & 1) == 0 ? cos : sin;
        boolean sinSign = (quadrant >= 2) != (sinX.signum() < 0) != a.sign;
        boolean cosSign = (quadrant == 1 || quadrant == 2) != cosX.signum() < 0;
        switch (function) {
            case SIN -> set(r, sinX, -P, sinSign);
            case COS -> set(r, cosX, -P, cosSign);
            case TAN -> {
                second.set(1);
                set(r, divide(sinX, cosX), -P, sinSign != cosSign);
            }
            case SINCOS -> {
                set(r, cosX, -P, cosSign);
                s.x87Round(64);
                second.set(r);
                set(r, sinX, -P, sinSign);
            }
        }
        s.x87Round(64);
    }
}
