package serai.cpu;

import java.math.BigInteger;

/**
 * Binary floating-point arithmetic by the letter of IEEE 754 and SDM vol. 1, 4.8 and 4.9: every rounding mode, every
 * exception flag, denormals, three formats. SSE comes here when the host's arithmetic doesn't tell all that is asked
 * for (see {@link SseFloat}), x87 always.
 *
 * <h2>Numbers</h2>
 *
 * An operation unpacks its operands to {@link #a} and {@link #b}: a finite number is {@code sig * 2^(exp - 63)} with
 * the top bit of {@code sig} set, whatever its format. The result comes to {@link #r} with 64 more bits in {@code
 * low}, of which only "zero, below, at or above a half" matters; {@link #round} then makes it one of a format.
 *
 * <h2>Exceptions</h2>
 *
 * {@link #flags} collects IE, DE, ZE, OE, UE, PE as MXCSR and the x87 status word have them. A masked exception gets the
 * manual's response; what an unmasked one leads to is the caller's affair.
 */
final class SoftFloat {
    static final int IE = Fpu.IE, DE = Fpu.DE, ZE = Fpu.ZE, OE = Fpu.OE, UE = Fpu.UE, PE = Fpu.PE;
    /** Exceptions found before anything is computed. */
    static final int BEFORE = IE | DE | ZE;

    /** Rounding modes, as in the RC fields. */
    static final int NEAREST = 0, DOWN = 1, UP = 2, ZERO_MODE = 3;

    static final int ADD = 0, SUB = 1, MUL = 2, DIV = 3;

    /** A format of memory and registers. */
    enum Format {
        HALF(11, 5),
        SINGLE(24, 8),
        DOUBLE(53, 11),
        EXTENDED(64, 15);

        /** Bits of the significand with the leading one. */
        final int precision;

        final int exponentBits;
        /** The greatest exponent, and the bias. */
        final int emax;
        /** The least exponent of a normal number. */
        final int emin;

        Format(int precision, int exponentBits) {
            this.precision = precision;
            this.exponentBits = exponentBits;
            emax = (1 << exponentBits - 1) - 1;
            emin = 1 - emax;
        }
    }

    /** What a number is. */
    enum Kind {
        ZERO,
        FINITE,
        INFINITE,
        QUIET_NAN,
        SIGNALING_NAN,
        /** Encodings of the extended format that no processor since the 80387 accepts. */
        UNSUPPORTED
    }

    /** An unpacked number. */
    static final class Num {
        Kind kind = Kind.ZERO;
        boolean sign;
        int exp;
        /** Of a NaN: the payload, left-aligned, with bits 63 and 62 (quiet) as in the extended format. */
        long sig;

        long low;
        boolean denormal;

        boolean isNan() {
            return kind == Kind.QUIET_NAN || kind == Kind.SIGNALING_NAN;
        }

        void set(Num n) {
            kind = n.kind;
            sign = n.sign;
            exp = n.exp;
            sig = n.sig;
            low = n.low;
            denormal = n.denormal;
        }

        void set(Kind newKind, boolean newSign) {
            kind = newKind;
            sign = newSign;
            exp = 0;
            sig = newKind == Kind.ZERO ? 0 : Long.MIN_VALUE;
            low = 0;
            denormal = false;
        }

        /** An integer. */
        void set(long v) {
            if (v == 0) {
                set(Kind.ZERO, false);
                return;
            }
            set(Kind.FINITE, v < 0);
            long m = Math.abs(v);
            int shift = Long.numberOfLeadingZeros(m);
            sig = m << shift;
            exp = 63 - shift;
        }

        /** The QNaN that stands for an invalid result. */
        void setIndefinite() {
            set(Kind.QUIET_NAN, true);
            sig = 3L << 62;
        }

        void quiet() {
            kind = Kind.QUIET_NAN;
            sig |= 3L << 62;
        }
    }

    final Num a = new Num();
    final Num b = new Num();
    final Num r = new Num();
    private final Num addend = new Num();

    int rounding;
    /** Exceptions that are masked. */
    int masks = 0x3f;

    boolean daz;
    boolean ftz;
    int flags;
    /** Whether the last rounding went away from zero (x87: C1). */
    boolean roundedUp;
    /** Rounding to nearest with PE masked: the host's arithmetic may do. */
    boolean nearest;
    /** PE need not be found: it is set in MXCSR already. */
    boolean inexactKnown;

    /**
     * The flags of several operations are gathered in {@link #collected} before any of them counts: elements in both halves of a
     * YMM register raise exceptions together.
     */
    boolean collecting;

    int collected;

    private int mxcsr = -1;

    // ---- SSE environment ----

    /** Starts an SSE operation under {@code value} of MXCSR. */
    SoftFloat sse(int value) {
        flags = 0;
        if (value != mxcsr) {
            mxcsr = value;
            rounding = value >>> 13 & 3;
            masks = value >>> 7 & 0x3f;
            daz = (value & 0x40) != 0;
            ftz = (value & 0x8000) != 0;
            nearest = rounding == NEAREST && (masks & PE) != 0;
            inexactKnown = (value & PE) != 0;
        }
        return this;
    }

    /** Starts an SSE operation in parts. */
    void collect() {
        collecting = true;
        collected = 0;
    }

    /** Starts an x87 operation under a control word. */
    SoftFloat x87(int controlWord) {
        flags = 0;
        roundedUp = false;
        mxcsr = -1;
        rounding = controlWord >>> 10 & 3;
        masks = controlWord & 0x3f;
        daz = false;
        ftz = false;
        return this;
    }

    private boolean masked(int flag) {
        return (masks & flag) != 0;
    }

    // ---- formats ----

    /** Unpacks a single or double. Under DAZ a denormal is a zero. */
    void unpack(Num n, long bits, Format f) {
        int fractionBits = f.precision - 1;
        int e = (int) (bits >>> fractionBits) & (1 << f.exponentBits) - 1;
        long fraction = bits << 64 - fractionBits >>> 1;
        n.sign = (bits >>> fractionBits + f.exponentBits & 1) != 0;
        n.low = 0;
        n.denormal = false;
        if (e == (1 << f.exponentBits) - 1) {
            n.kind = fraction == 0 ? Kind.INFINITE : fraction << 1 < 0 ? Kind.QUIET_NAN : Kind.SIGNALING_NAN;
            n.sig = fraction | Long.MIN_VALUE;
        } else if (e == 0) {
            unpackDenormal(n, fraction, f.emin);
            if (daz && n.denormal) {
                n.set(Kind.ZERO, n.sign);
            }
        } else {
            n.kind = Kind.FINITE;
            n.exp = e - f.emax;
            n.sig = fraction | Long.MIN_VALUE;
        }
    }

    private static void unpackDenormal(Num n, long sig, int emin) {
        if (sig == 0) {
            n.kind = Kind.ZERO;
            n.sig = 0;
        } else {
            n.kind = Kind.FINITE;
            n.denormal = true;
            int shift = Long.numberOfLeadingZeros(sig);
            n.sig = sig << shift;
            n.exp = emin - shift;
        }
    }

    /** Unpacks an extended number. */
    void unpack(Num n, long sig, short signExponent) {
        int e = signExponent & 0x7fff;
        n.sign = signExponent < 0;
        n.low = 0;
        n.denormal = false;
        n.sig = sig;
        if (e == 0) {
            unpackDenormal(n, sig, Format.EXTENDED.emin);
        } else if (sig >= 0) {
            n.kind = Kind.UNSUPPORTED;
        } else if (e == 0x7fff) {
            n.kind = sig == Long.MIN_VALUE ? Kind.INFINITE : sig << 1 < 0 ? Kind.QUIET_NAN : Kind.SIGNALING_NAN;
        } else {
            n.kind = Kind.FINITE;
            n.exp = e - Format.EXTENDED.emax;
        }
    }

    /** Packs a number that fits a single or double. */
    static long pack(Num n, Format f) {
        int fractionBits = f.precision - 1;
        long sign = (n.sign ? 1L : 0) << fractionBits + f.exponentBits;
        long allOnes = ((1L << f.exponentBits) - 1) << fractionBits;
        return switch (n.kind) {
            case ZERO -> sign;
            case INFINITE -> sign | allOnes;
            case QUIET_NAN, SIGNALING_NAN, UNSUPPORTED -> sign | allOnes | n.sig << 1 >>> 64 - fractionBits;
            case FINITE ->
                n.exp < f.emin
                        ? sign | n.sig >>> f.emin - n.exp + 64 - f.precision
                        : sign | (long) (n.exp + f.emax) << fractionBits | n.sig << 1 >>> 64 - fractionBits;
        };
    }

    /** The significand of an extended number. */
    static long significand(Num n) {
        return switch (n.kind) {
            case ZERO -> 0;
            case INFINITE -> Long.MIN_VALUE;
            case QUIET_NAN, SIGNALING_NAN, UNSUPPORTED -> n.sig;
            case FINITE -> n.exp < Format.EXTENDED.emin ? n.sig >>> Format.EXTENDED.emin - n.exp : n.sig;
        };
    }

    /** Sign and exponent of an extended number. */
    static short signExponent(Num n) {
        int e =
                switch (n.kind) {
                    case ZERO -> 0;
                    case INFINITE, QUIET_NAN, SIGNALING_NAN, UNSUPPORTED -> 0x7fff;
                    case FINITE -> n.exp < Format.EXTENDED.emin ? 0 : n.exp + Format.EXTENDED.emax;
                };
        return (short) (e | (n.sign ? 0x8000 : 0));
    }

    // ---- operations: a and b are not NaN, the result goes to r unrounded; false if it is invalid ----

    /** Addition, subtraction, multiplication or division; sets ZE for a division by zero. */
    boolean compute(int operation) {
        switch (operation) {
            case ADD:
                return add(b.sign);
            case SUB:
                return add(!b.sign);
            case MUL:
                return multiply();
            default:
                return divide();
        }
    }

    private boolean add(boolean signOfB) {
        if (a.kind == Kind.INFINITE || b.kind == Kind.INFINITE) {
            if (a.kind == b.kind && a.sign != signOfB) {
                return false;
            }
            r.set(Kind.INFINITE, a.kind == Kind.INFINITE ? a.sign : signOfB);
            return true;
        }
        if (a.kind == Kind.ZERO || b.kind == Kind.ZERO) {
            if (a.kind == b.kind) {
                r.set(Kind.ZERO, a.sign == signOfB ? a.sign : rounding == DOWN);
            } else if (a.kind == Kind.ZERO) {
                r.set(b);
                r.sign = signOfB;
            } else {
                r.set(a);
            }
            return true;
        }
        int order = Long.compareUnsigned(a.sig, b.sig);
        order = order != 0 ? order : Long.compareUnsigned(a.low, b.low);
        boolean swap = a.exp < b.exp || a.exp == b.exp && order < 0;
        Num big = swap ? b : a;
        Num small = swap ? a : b;
        r.set(Kind.FINITE, swap ? signOfB : a.sign);
        int shift = big.exp - small.exp;
        long high = 0;
        long low = 0;
        // what falls off past the 128 bits
        long lost = 1;
        if (shift == 0) {
            high = small.sig;
            low = small.low;
            lost = 0;
        } else if (shift < 64) {
            high = small.sig >>> shift;
            low = small.sig << 64 - shift | small.low >>> shift;
            lost = small.low << 64 - shift;
        } else if (shift == 64) {
            low = small.sig;
            lost = small.low;
        } else if (shift < 128) {
            low = small.sig >>> shift - 64;
            lost = small.sig << 128 - shift | small.low;
        }
        low |= lost != 0 ? 1 : 0;
        r.exp = big.exp;
        if (a.sign == signOfB) {
            r.low = big.low + low;
            boolean carryIn = Long.compareUnsigned(r.low, low) < 0;
            r.sig = big.sig + high + (carryIn ? 1 : 0);
            if (Long.compareUnsigned(r.sig, high) < 0 || carryIn && r.sig == high) {
                r.low = r.sig << 63 | r.low >>> 1 | r.low & 1;
                r.sig = r.sig >>> 1 | Long.MIN_VALUE;
                r.exp++;
            }
        } else {
            r.low = big.low - low;
            r.sig = big.sig - high - (Long.compareUnsigned(big.low, low) < 0 ? 1 : 0);
            normalize();
            if (r.sig == 0) {
                r.set(Kind.ZERO, rounding == DOWN);
            }
        }
        return true;
    }

    /** Shifts r's significand up to where its top bit is set. */
    private void normalize() {
        if (r.sig == 0) {
            r.sig = r.low;
            r.low = 0;
            r.exp -= 64;
        }
        int n = Long.numberOfLeadingZeros(r.sig);
        if (n > 0 && n < 64) {
            r.sig = r.sig << n | r.low >>> 64 - n;
            r.low <<= n;
            r.exp -= n;
        }
    }

    private boolean multiply() {
        boolean sign = a.sign != b.sign;
        if (a.kind == Kind.INFINITE || b.kind == Kind.INFINITE) {
            if (a.kind == Kind.ZERO || b.kind == Kind.ZERO) {
                return false;
            }
            r.set(Kind.INFINITE, sign);
        } else if (a.kind == Kind.ZERO || b.kind == Kind.ZERO) {
            r.set(Kind.ZERO, sign);
        } else {
            r.set(Kind.FINITE, sign);
            r.sig = Math.unsignedMultiplyHigh(a.sig, b.sig);
            r.low = a.sig * b.sig;
            r.exp = a.exp + b.exp + 1;
            normalize();
        }
        return true;
    }

    private boolean divide() {
        boolean sign = a.sign != b.sign;
        if (a.kind == Kind.INFINITE || b.kind == Kind.ZERO) {
            if (a.kind == b.kind) {
                return false;
            }
            if (a.kind != Kind.INFINITE) {
                flags |= ZE;
            }
            r.set(Kind.INFINITE, sign);
        } else if (a.kind == Kind.ZERO || b.kind == Kind.INFINITE) {
            if (a.kind == b.kind) {
                return false;
            }
            r.set(Kind.ZERO, sign);
        } else {
            r.set(Kind.FINITE, sign);
            boolean below = Long.compareUnsigned(a.sig, b.sig) < 0;
            long high = below ? a.sig : a.sig >>> 1;
            long low = below ? 0 : a.sig << 63;
            r.exp = a.exp - b.exp - (below ? 1 : 0);
            long quotient = 0;
            long remainder = high;
            for (int i = 63; i >= 0; i--) {
                boolean carry = remainder < 0;
                remainder = remainder << 1 | low >>> i & 1;
                quotient <<= 1;
                if (carry || Long.compareUnsigned(remainder, b.sig) >= 0) {
                    remainder -= b.sig;
                    quotient |= 1;
                }
            }
            r.sig = quotient;
            r.low = half(remainder, b.sig);
        }
        return true;
    }

    /** The place of {@code remainder / divisor} against a half, as bits after the last. */
    private static long half(long remainder, long divisor) {
        if (remainder == 0) {
            return 0;
        }
        int order = remainder < 0 ? 1 : Long.compareUnsigned(remainder << 1, divisor);
        return order < 0 ? 1L << 62 : order == 0 ? 1L << 63 : 3L << 62;
    }

    /** The square root of a. */
    boolean squareRoot() {
        if (a.kind == Kind.ZERO) {
            r.set(a);
            return true;
        }
        if (a.sign) {
            return false;
        }
        if (a.kind == Kind.INFINITE) {
            r.set(a);
            return true;
        }
        r.set(Kind.FINITE, false);
        boolean odd = (a.exp & 1) != 0;
        BigInteger square = unsigned(a.sig).shiftLeft(odd ? 64 : 63);
        BigInteger[] root = square.sqrtAndRemainder();
        r.sig = root[0].longValue();
        r.exp = a.exp - (odd ? 1 : 0) >> 1;
        // a half more squared is root^2 + root + 1/4: never reached exactly
        r.low = root[1].signum() == 0 ? 0 : root[1].compareTo(root[0]) > 0 ? 3L << 62 : 1L << 62;
        return true;
    }

    static BigInteger unsigned(long v) {
        BigInteger i = BigInteger.valueOf(v & Long.MAX_VALUE);
        return v < 0 ? i.setBit(63) : i;
    }

    // ---- rounding ----

    private long roundedSig;
    private boolean inexact;
    private boolean carry;

    /** Rounds a significand with {@code drop} bits too many (and those of {@code low}). */
    private void roundBits(long sig, long low, int drop, boolean sign) {
        boolean half;
        boolean rest;
        long unit = 1L << drop;
        if (drop == 0) {
            half = low < 0;
            rest = low << 1 != 0;
        } else {
            half = (sig >>> drop - 1 & 1) != 0;
            rest = (sig & (unit >>> 1) - 1) != 0 || low != 0;
        }
        inexact = half || rest;
        roundedUp = switch (rounding) {
            case NEAREST -> half && (rest || (sig & unit) != 0);
            case DOWN -> sign && inexact;
            case UP -> !sign && inexact;
            default -> false;
        };
        roundedSig = sig & -unit;
        carry = false;
        if (roundedUp) {
            roundedSig += unit;
            carry = roundedSig == 0;
        }
    }

    /** Rounds r to a format. */
    void round(Format f) {
        round(f.precision, f.emin, f.emax, 0);
    }

    /**
     * Rounds r.
     *
     * @param precision bits of the significand
     * @param emin the least exponent of a normal number
     * @param emax the greatest exponent
     * @param wrap what an unmasked overflow or underflow takes from or adds to the exponent; 0 if the caller has no
     *     use for such a result
     */
    void round(int precision, int emin, int emax, int wrap) {
        if (r.kind != Kind.FINITE) {
            return;
        }
        int drop = 64 - precision;
        roundBits(r.sig, r.low, drop, r.sign);
        int exp = carry ? r.exp + 1 : r.exp;
        if (exp > emax) {
            flags |= OE;
            if (masked(OE)) {
                flags |= PE;
                boolean infinite =
                        switch (rounding) {
                            case NEAREST -> true;
                            case DOWN -> r.sign;
                            case UP -> !r.sign;
                            default -> false;
                        };
                roundedUp = infinite;
                if (infinite) {
                    r.set(Kind.INFINITE, r.sign);
                } else {
                    r.sig = -1L << drop;
                    r.exp = emax;
                }
                return;
            }
            exp -= wrap;
            if (wrap != 0 && exp > emax) {
                // FSCALE can overflow farther than the wrapped exponent reaches
                flags |= PE;
                roundedUp = true;
                r.set(Kind.INFINITE, r.sign);
                return;
            }
        } else if (exp < emin) {
            if (!masked(UE)) {
                flags |= UE;
                exp += wrap;
                if (wrap != 0 && exp < emin) {
                    flags |= PE;
                    roundedUp = false;
                    r.set(Kind.ZERO, r.sign);
                    return;
                }
            } else if (ftz) {
                flags |= UE | PE;
                r.set(Kind.ZERO, r.sign);
                return;
            } else {
                roundDenormal(drop, emin);
                return;
            }
        }
        if (inexact) {
            flags |= PE;
        }
        r.sig = carry ? Long.MIN_VALUE : roundedSig;
        r.exp = exp;
        r.low = 0;
    }

    /** A tiny result with underflow masked: fewer bits, UE only if some are lost. */
    private void roundDenormal(int drop, int emin) {
        int shift = emin - r.exp;
        long sig = shift < 64 ? r.sig >>> shift : 0;
        long low = shift == 0
                ? r.low
                : shift < 64
                        ? r.sig << 64 - shift | (r.low != 0 ? 1 : 0)
                        : shift == 64 ? r.sig | (r.low != 0 ? 1 : 0) : 1;
        roundBits(sig, low, drop, r.sign);
        if (inexact) {
            flags |= UE | PE;
        }
        if (roundedSig == 0) {
            r.set(Kind.ZERO, r.sign);
            return;
        }
        int n = Long.numberOfLeadingZeros(roundedSig);
        r.sig = roundedSig << n;
        r.exp = emin - n;
        r.low = 0;
    }

    // ---- whole SSE operations ----

    /** Whether a flag raised so far is unmasked. */
    boolean unmasked() {
        return (flags & ~masks) != 0;
    }

    /** The NaN result of an operation with at least one NaN: the first operand's if it is one (SDM vol. 1, table 4-7). */
    private void sseNan() {
        if (a.kind == Kind.SIGNALING_NAN || b.kind == Kind.SIGNALING_NAN) {
            flags |= IE;
        }
        r.set(a.isNan() ? a : b);
        r.quiet();
    }

    /** ADDSD and its like on one element. */
    long binary(int operation, Format f, long x, long y) {
        unpack(a, x, f);
        unpack(b, y, f);
        int before = flags;
        flags = 0;
        if (a.isNan() || b.isNan()) {
            sseNan();
        } else if (!compute(operation)) {
            flags |= IE;
            r.setIndefinite();
        } else {
            if ((a.denormal || b.denormal) && (flags & ZE) == 0) {
                flags |= DE;
            }
            if (!unmasked()) {
                round(f);
            }
        }
        flags |= before;
        return pack(r, f);
    }

    /**
     * VFMADD213SD and its like on one element: {@code x * y + z} with one rounding.
     *
     * @param negateProduct whether the product's sign is turned, if it is a number
     * @param negateAddend whether the addend's is
     */
    long fused(Format f, long x, long y, long z, boolean negateProduct, boolean negateAddend) {
        unpack(a, x, f);
        unpack(b, y, f);
        unpack(addend, z, f);
        int before = flags;
        flags = 0;
        if (a.isNan() || b.isNan() || addend.isNan()) {
            if (a.kind == Kind.SIGNALING_NAN || b.kind == Kind.SIGNALING_NAN || addend.kind == Kind.SIGNALING_NAN) {
                flags |= IE;
            }
            r.set(a.isNan() ? a : b.isNan() ? b : addend);
            r.quiet();
        } else {
            boolean denormal = a.denormal || b.denormal || addend.denormal;
            boolean valid = multiply();
            if (valid) {
                a.set(r);
                a.sign ^= negateProduct;
                b.set(addend);
                valid = add(b.sign != negateAddend);
            }
            if (!valid) {
                flags |= IE;
                r.setIndefinite();
            } else {
                flags |= denormal ? DE : 0;
                if (!unmasked()) {
                    round(f);
                }
            }
        }
        flags |= before;
        return pack(r, f);
    }

    /** SQRTSD and its like on one element. */
    long squareRoot(Format f, long x) {
        unpack(a, x, f);
        b.set(Kind.ZERO, false);
        int before = flags;
        flags = 0;
        if (a.isNan()) {
            sseNan();
        } else if (!squareRoot()) {
            flags |= IE;
            r.setIndefinite();
        } else {
            if (a.denormal) {
                flags |= DE;
            }
            if (!unmasked()) {
                round(f);
            }
        }
        flags |= before;
        return pack(r, f);
    }

    /** CVTSD2SS and CVTSS2SD. */
    long convert(Format from, Format to, long x) {
        unpack(a, x, from);
        b.set(Kind.ZERO, false);
        int before = flags;
        flags = 0;
        if (a.isNan()) {
            sseNan();
        } else {
            if (a.denormal) {
                flags |= DE;
            }
            r.set(a);
            if (!unmasked()) {
                round(to);
            }
        }
        flags |= before;
        return pack(r, to);
    }

    /** CVTSI2SD and its like. */
    long fromInteger(long v, Format to) {
        r.set(v);
        round(to);
        return pack(r, to);
    }

    /**
     * Compares two elements: -1, 0, 1, or 2 if unordered.
     *
     * @param signaling whether a quiet NaN raises IE too
     */
    int compare(Format f, long x, long y, boolean signaling) {
        unpack(a, x, f);
        unpack(b, y, f);
        if (a.isNan() || b.isNan()) {
            if (signaling || a.kind == Kind.SIGNALING_NAN || b.kind == Kind.SIGNALING_NAN) {
                flags |= IE;
            }
            return 2;
        }
        if (a.denormal || b.denormal) {
            flags |= DE;
        }
        return order();
    }

    /** The order of a and b, which are not NaN. */
    int order() {
        if (a.kind == Kind.ZERO && b.kind == Kind.ZERO) {
            return 0;
        }
        int signOfA = a.kind == Kind.ZERO ? 0 : a.sign ? -1 : 1;
        int signOfB = b.kind == Kind.ZERO ? 0 : b.sign ? -1 : 1;
        if (signOfA != signOfB) {
            return signOfA < signOfB ? -1 : 1;
        }
        int magnitude;
        if (a.kind == Kind.INFINITE || b.kind == Kind.INFINITE) {
            magnitude = a.kind == b.kind ? 0 : a.kind == Kind.INFINITE ? 1 : -1;
        } else if (a.exp != b.exp) {
            magnitude = a.exp < b.exp ? -1 : 1;
        } else {
            magnitude = Long.compareUnsigned(a.sig, b.sig);
        }
        return signOfA < 0 ? -Integer.signum(magnitude) : Integer.signum(magnitude);
    }

    /**
     * a, a finite number or zero, as an integer of {@code bits} bits; sets PE, or IE if it does not fit and gives the
     * indefinite integer.
     */
    long toInteger(int bits, int mode) {
        long indefinite = -1L << bits - 1;
        if (a.kind == Kind.ZERO) {
            return 0;
        }
        if (a.kind != Kind.FINITE || a.exp > 63) {
            flags |= IE;
            return indefinite;
        }
        integerPart(mode);
        long max = a.sign ? 1L << bits - 1 : (1L << bits - 1) - 1;
        if (carry || Long.compareUnsigned(roundedSig, max) > 0) {
            flags |= IE;
            roundedUp = false;
            return indefinite;
        }
        if (inexact) {
            flags |= PE;
        }
        return a.sign ? -roundedSig : roundedSig;
    }

    /** Rounds the magnitude of a, at most 63 in exponent, to an integer in roundedSig. */
    private void integerPart(int mode) {
        int saved = rounding;
        rounding = mode;
        int shift = 63 - a.exp;
        long sig = shift < 64 ? a.sig >>> shift : 0;
        long low = shift == 0 ? 0 : shift < 64 ? a.sig << 64 - shift : shift == 64 ? a.sig : 1;
        roundBits(sig, low, 0, a.sign);
        rounding = saved;
    }

    /** r = a rounded to an integer (FRNDINT); sets PE. */
    void roundToIntegral() {
        r.set(a);
        roundedUp = false;
        if (a.kind != Kind.FINITE || a.exp >= 63) {
            return;
        }
        integerPart(rounding);
        boolean sign = a.sign;
        r.set(roundedSig);
        r.sign = sign;
        if (inexact) {
            flags |= PE;
        }
    }

    // ---- whole x87 operations on a and b; the result is in r, false if it is not to be written ----

    /** Deals with operands that are not numbers: true if there was one, the result then is in r. */
    boolean x87Special(boolean binary) {
        if (a.kind == Kind.UNSUPPORTED || binary && b.kind == Kind.UNSUPPORTED) {
            flags |= IE;
            r.setIndefinite();
            return true;
        }
        if (!a.isNan() && !(binary && b.isNan())) {
            return false;
        }
        if (a.kind == Kind.SIGNALING_NAN || binary && b.kind == Kind.SIGNALING_NAN) {
            flags |= IE;
        }
        Num chosen;
        if (!binary || !b.isNan()) {
            chosen = a;
        } else if (!a.isNan()) {
            chosen = b;
        } else if (a.kind != b.kind) {
            // SDM vol. 1, table 4-7: the quiet one of an SNaN and a QNaN
            chosen = a.kind == Kind.QUIET_NAN ? a : b;
        } else {
            // of two alike the one with the larger significand
            int order = Long.compareUnsigned(a.sig, b.sig);
            chosen = order > 0 ? a : order < 0 ? b : a.sign ? b : a;
        }
        r.set(chosen);
        r.quiet();
        return true;
    }

    /** FADD, FSUB, FMUL, FDIV of a and b at {@code precision} bits. */
    void x87Binary(int operation, int precision) {
        if (x87Special(true)) {
            return;
        }
        if (!compute(operation)) {
            flags |= IE;
            r.setIndefinite();
            return;
        }
        if ((a.denormal || b.denormal) && (flags & ZE) == 0) {
            flags |= DE;
        }
        x87Round(precision);
    }

    void x87SquareRoot(int precision) {
        if (x87Special(false)) {
            return;
        }
        if (!squareRoot()) {
            flags |= IE;
            r.setIndefinite();
            return;
        }
        if (a.denormal) {
            flags |= DE;
        }
        x87Round(precision);
    }

    /** Rounds r to a register, unless an exception found before forbids a result. */
    void x87Round(int precision) {
        roundedUp = false;
        if ((flags & BEFORE & ~masks) == 0) {
            round(precision, Format.EXTENDED.emin, Format.EXTENDED.emax, 3 << 13);
        }
    }
}
