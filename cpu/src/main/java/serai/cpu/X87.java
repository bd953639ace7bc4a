package serai.cpu;

import java.math.BigInteger;
import serai.cpu.SoftFloat.Format;
import serai.cpu.SoftFloat.Kind;
import serai.cpu.SoftFloat.Num;

/**
 * What x87 instructions do with the register stack: SDM vol. 1, chapter 8. The nodes around it, {@link X87Nodes}, see to memory and
 * to faults of the CPU.
 *
 * <p>An operation notes its exceptions by {@link #commit}; whether it then writes a result and pops depends on which
 * are masked: invalid, denormal and zero-divide ones that are not leave the registers alone, the others don't (8.5).
 */
final class X87 {
    private static final int ONE_EXPONENT = 0x3fff;

    private X87() {}

    // ---- the stack ----

    static int physical(Fpu f, int i) {
        return f.top + i & 7;
    }

    static boolean empty(Fpu f, int i) {
        return (f.empty >>> physical(f, i) & 1) != 0;
    }

    static void unpack(Fpu f, Num n, int i) {
        int p = physical(f, i);
        f.soft.unpack(n, f.significand[p], f.signExponent[p]);
    }

    /** Writes ST(i) and makes it valid. */
    static void write(Fpu f, int i, long significand, int signExponent) {
        int p = physical(f, i);
        f.significand[p] = significand;
        f.signExponent[p] = (short) signExponent;
        f.empty &= ~(1 << p);
    }

    static void write(Fpu f, int i, Num n) {
        write(f, i, SoftFloat.significand(n), SoftFloat.signExponent(n));
    }

    static void writeIndefinite(Fpu f, int i) {
        write(f, i, 3L << 62, 0xffff);
    }

    static void pop(Fpu f) {
        f.empty |= 1 << f.top;
        f.top = f.top + 1 & 7;
    }

    /** Makes room for a push; the register is written by the caller. */
    static void push(Fpu f) {
        f.top = f.top - 1 & 7;
    }

    static SoftFloat begin(Fpu f) {
        return f.soft.x87(f.controlWord);
    }

    static boolean masked(Fpu f, int flag) {
        return (f.controlWord & flag) != 0;
    }

    /** Notes a stack fault; true if it is masked and the indefinite value is to be delivered. */
    static boolean stackFault(Fpu f, boolean overflow) {
        f.statusWord = f.statusWord & ~Fpu.C1 | Fpu.IE | Fpu.SF | (overflow ? Fpu.C1 : 0);
        f.summarize();
        return masked(f, Fpu.IE);
    }

    /** Notes the flags of the operation; true if its result is to be written. */
    static boolean commit(Fpu f) {
        SoftFloat s = f.soft;
        f.statusWord = f.statusWord & ~Fpu.C1 | s.flags;
        if ((s.flags & Fpu.PE) != 0 && s.roundedUp) {
            f.statusWord |= Fpu.C1;
        }
        f.summarize();
        return (s.flags & SoftFloat.BEFORE & ~f.controlWord) == 0;
    }

    /** Bits of the significand under precision control. */
    static int precision(Fpu f) {
        return switch (f.controlWord >>> 8 & 3) {
            case 0 -> 24;
            case 2 -> 53;
            default -> 64;
        };
    }

    // ---- arithmetic ----

    /**
     * ST(destination) = ST(destination) op source, or reversed; the source is in {@code soft.b}.
     *
     * @param sourceEmpty whether the source is an empty register
     */
    static void arithmetic(Fpu f, int operation, boolean reverse, int destination, boolean sourceEmpty, boolean pop) {
        SoftFloat s = f.soft;
        if (sourceEmpty || empty(f, destination)) {
            if (stackFault(f, false)) {
                writeIndefinite(f, destination);
                if (pop) {
                    pop(f);
                }
            }
            return;
        }
        unpack(f, s.a, destination);
        if (reverse) {
            s.r.set(s.a);
            s.a.set(s.b);
            s.b.set(s.r);
        }
        s.x87Binary(operation, precision(f));
        if (commit(f)) {
            write(f, destination, s.r);
            if (pop) {
                pop(f);
            }
        }
    }

    // ---- comparisons ----

    /** How many registers a comparison pops, whether quiet NaNs are fine, and where the answer goes. */
    record Comparison(boolean quiet, int pops, boolean toFlags) {}

    /** Compares ST(0) with {@code soft.b}. */
    static void compare(Cpu c, Comparison how, boolean sourceEmpty) {
        Fpu f = c.fpu;
        SoftFloat s = f.soft;
        int order;
        boolean done;
        if (sourceEmpty || empty(f, 0)) {
            order = 2;
            done = stackFault(f, false);
        } else {
            unpack(f, s.a, 0);
            boolean nan = s.a.isNan() || s.b.isNan();
            if (s.a.kind == Kind.UNSUPPORTED || s.b.kind == Kind.UNSUPPORTED) {
                s.flags |= Fpu.IE;
                order = 2;
            } else if (nan) {
                if (!how.quiet || s.a.kind == Kind.SIGNALING_NAN || s.b.kind == Kind.SIGNALING_NAN) {
                    s.flags |= Fpu.IE;
                }
                order = 2;
            } else {
                if (s.a.denormal || s.b.denormal) {
                    s.flags |= Fpu.DE;
                }
                order = s.order();
            }
            int c1 = f.statusWord & Fpu.C1;
            done = commit(f);
            if (how.toFlags) {
                f.statusWord |= c1; // FCOMI leaves it
            }
        }
        // the answer is given even if an unmasked exception forbids to pop
        if (how.toFlags) {
            c.arithmeticFlags(
                    switch (order) {
                        case -1 -> CpuRegisters.CF;
                        case 0 -> CpuRegisters.ZF;
                        case 1 -> 0;
                        default -> CpuRegisters.CF | CpuRegisters.ZF | CpuRegisters.PF;
                    });
        } else {
            conditions(
                    f,
                    switch (order) {
                        case -1 -> Fpu.C0;
                        case 0 -> Fpu.C3;
                        case 1 -> 0;
                        default -> Fpu.C0 | Fpu.C2 | Fpu.C3;
                    });
        }
        for (int i = 0; done && i < how.pops; i++) {
            pop(f);
        }
    }

    /** Sets C0, C2 and C3. */
    static void conditions(Fpu f, int c) {
        f.statusWord = f.statusWord & ~(Fpu.C0 | Fpu.C2 | Fpu.C3) | c;
    }

    /** FXAM. */
    static void examine(Fpu f) {
        Num n = f.soft.a;
        unpack(f, n, 0);
        int c = n.sign ? Fpu.C1 : 0;
        if (empty(f, 0)) {
            c |= Fpu.C3 | Fpu.C0;
        } else {
            c |= switch (n.kind) {
                case UNSUPPORTED -> 0;
                case QUIET_NAN, SIGNALING_NAN -> Fpu.C0;
                case INFINITE -> Fpu.C2 | Fpu.C0;
                case ZERO -> Fpu.C3;
                case FINITE -> n.denormal ? Fpu.C3 | Fpu.C2 : Fpu.C2;
            };
        }
        f.statusWord = f.statusWord & ~(Fpu.C0 | Fpu.C1 | Fpu.C2 | Fpu.C3) | c;
    }

    // ---- loads ----

    /** Pushes the number in {@code soft.b}, which came from a single or a double. */
    static void load(Fpu f) {
        SoftFloat s = f.soft;
        if (!empty(f, -1)) {
            if (stackFault(f, true)) {
                push(f);
                writeIndefinite(f, 0);
            }
            return;
        }
        s.a.set(s.b);
        if (!s.x87Special(false)) {
            s.r.set(s.a);
            if (s.a.denormal) {
                s.flags |= Fpu.DE;
            }
        }
        commit(f);
        // a denormal is loaded even if the exception is not masked
        if ((s.flags & Fpu.IE & ~f.controlWord) == 0) {
            push(f);
            write(f, 0, s.r);
        }
    }

    /** Pushes 80 bits as they are. */
    static void loadRaw(Fpu f, long significand, int signExponent) {
        boolean overflow = !empty(f, -1);
        if (overflow && !stackFault(f, true)) {
            return;
        }
        push(f);
        if (overflow) {
            writeIndefinite(f, 0);
        } else {
            f.statusWord &= ~Fpu.C1;
            write(f, 0, significand, signExponent);
        }
    }

    /** FLD ST(i). */
    static void loadRegister(Fpu f, int i) {
        if (empty(f, i)) {
            if (stackFault(f, false)) {
                push(f);
                writeIndefinite(f, 0);
            }
            return;
        }
        int p = physical(f, i);
        loadRaw(f, f.significand[p], f.signExponent[p]);
    }

    // ---- register moves ----

    static void store(Fpu f, int i, boolean pop) {
        if (empty(f, 0)) {
            if (!stackFault(f, false)) {
                return;
            }
            writeIndefinite(f, i);
        } else {
            f.statusWord &= ~Fpu.C1;
            write(f, i, f.significand[f.top], f.signExponent[f.top]);
        }
        if (pop) {
            pop(f);
        }
    }

    static void exchange(Fpu f, int i) {
        if (empty(f, 0) || empty(f, i)) {
            if (!stackFault(f, false)) {
                return;
            }
            if (empty(f, 0)) {
                writeIndefinite(f, 0);
            }
            if (empty(f, i)) {
                writeIndefinite(f, i);
            }
        } else {
            f.statusWord &= ~Fpu.C1;
        }
        int p = physical(f, i);
        long significand = f.significand[p];
        short signExponent = f.signExponent[p];
        write(f, i, f.significand[f.top], f.signExponent[f.top]);
        write(f, 0, significand, signExponent);
    }

    static void conditionalMove(Fpu f, int i, boolean condition) {
        if (empty(f, 0) || empty(f, i)) {
            if (stackFault(f, false)) {
                writeIndefinite(f, 0);
            }
            return;
        }
        if (condition) {
            int p = physical(f, i);
            write(f, 0, f.significand[p], f.signExponent[p]);
        }
    }

    /** FCHS and FABS: sign bits of the exponent word to flip and to keep. */
    static void sign(Fpu f, int xor, int and) {
        if (empty(f, 0)) {
            if (stackFault(f, false)) {
                writeIndefinite(f, 0);
            }
            return;
        }
        f.statusWord &= ~Fpu.C1;
        f.signExponent[f.top] = (short) ((f.signExponent[f.top] ^ xor) & and);
    }

    // ---- unary operations on ST(0), some with ST(1) ----

    /** Whether ST(0), and with {@code both} ST(1), are there; notes the fault and delivers its response if not. */
    static boolean operands(Fpu f, boolean both) {
        if (empty(f, 0) || both && empty(f, 1)) {
            if (stackFault(f, false)) {
                writeIndefinite(f, 0);
            }
            return false;
        }
        begin(f);
        unpack(f, f.soft.a, 0);
        if (both) {
            unpack(f, f.soft.b, 1);
        }
        return true;
    }

    static void finish(Fpu f) {
        if (commit(f)) {
            write(f, 0, f.soft.r);
        }
    }

    static void squareRoot(Fpu f) {
        if (operands(f, false)) {
            f.soft.x87SquareRoot(precision(f));
            finish(f);
        }
    }

    static void roundToInteger(Fpu f) {
        if (operands(f, false)) {
            SoftFloat s = f.soft;
            if (!s.x87Special(false)) {
                if (s.a.denormal) {
                    s.flags |= Fpu.DE;
                }
                if ((s.flags & ~f.controlWord) == 0) {
                    s.roundToIntegral();
                }
            }
            finish(f);
        }
    }

    /** FSCALE: ST(0) times two to the power of ST(1), cut to an integer. */
    static void scale(Fpu f) {
        if (!operands(f, true)) {
            return;
        }
        SoftFloat s = f.soft;
        if (!s.x87Special(true)) {
            if (s.b.kind == Kind.INFINITE) {
                boolean invalid = s.b.sign ? s.a.kind == Kind.INFINITE : s.a.kind == Kind.ZERO;
                if (invalid) {
                    s.flags |= Fpu.IE;
                    s.r.setIndefinite();
                } else {
                    s.r.set(s.b.sign ? Kind.ZERO : Kind.INFINITE, s.a.sign);
                }
            } else {
                s.r.set(s.a);
            }
            if ((s.flags & Fpu.IE) == 0 && (s.a.denormal || s.b.denormal)) {
                s.flags |= Fpu.DE;
            }
            if (s.r.kind == Kind.FINITE && s.b.kind == Kind.FINITE && s.b.exp >= 0) {
                int n = s.b.exp > 16 ? 1 << 17 : (int) (s.b.sig >>> 63 - s.b.exp);
                s.r.exp += s.b.sign ? -n : n;
            }
            if (s.b.kind != Kind.ZERO) {
                s.x87Round(64);
            }
        }
        finish(f);
    }

    /** FPREM (quotient cut) and FPREM1 (quotient to nearest). */
    static void remainder(Fpu f, boolean nearest) {
        f.statusWord &= ~Fpu.C2;
        if (!operands(f, true)) {
            return;
        }
        SoftFloat s = f.soft;
        int c = 0;
        boolean partial = false;
        long quotient = 0;
        boolean known = false;
        if (!s.x87Special(true)) {
            known = true;
            if (s.a.kind == Kind.INFINITE || s.b.kind == Kind.ZERO) {
                s.flags |= Fpu.IE;
                s.r.setIndefinite();
                known = false;
            } else {
                if (s.a.denormal || s.b.denormal) {
                    s.flags |= Fpu.DE;
                }
                s.r.set(s.a);
                if (s.a.kind == Kind.FINITE && s.b.kind == Kind.FINITE) {
                    int d = s.a.exp - s.b.exp;
                    if (d < 64) {
                        quotient = completeRemainder(s, d, nearest);
                    } else {
                        partial = true;
                        partialRemainder(s, d);
                    }
                }
                // by infinity the dividend is the result as it is, without underflow
                if (s.b.kind != Kind.INFINITE) {
                    s.x87Round(64);
                }
            }
        }
        if (commit(f)) {
            write(f, 0, s.r);
            if (known) {
                c = partial
                        ? Fpu.C2
                        : ((quotient & 4) != 0 ? Fpu.C0 : 0)
                                | ((quotient & 2) != 0 ? Fpu.C3 : 0)
                                | ((quotient & 1) != 0 ? Fpu.C1 : 0);
                f.statusWord &= ~Fpu.C1;
                conditions(f, c);
                f.statusWord |= c;
            }
        }
    }

    /** r = a - b * q for the whole quotient q, whose low bits are the answer. */
    private static long completeRemainder(SoftFloat s, int d, boolean nearest) {
        if (d < -1) {
            return 0;
        }
        // both in units of the lesser exponent's last place
        int low = Math.min(s.a.exp, s.b.exp);
        BigInteger x = SoftFloat.unsigned(s.a.sig).shiftLeft(s.a.exp - low);
        BigInteger y = SoftFloat.unsigned(s.b.sig).shiftLeft(s.b.exp - low);
        BigInteger[] q = x.divideAndRemainder(y);
        BigInteger quotient = q[0];
        BigInteger rest = q[1];
        if (nearest) {
            int order = rest.shiftLeft(1).compareTo(y);
            if (order > 0 || order == 0 && quotient.testBit(0)) {
                quotient = quotient.add(BigInteger.ONE);
                rest = rest.subtract(y);
            }
        }
        setScaled(s.r, rest, low, s.a.sign);
        return quotient.longValue();
    }

    /** Takes 32 to 63 bits off the difference of the exponents. */
    private static void partialRemainder(SoftFloat s, int d) {
        int n = 32 + (d & 31);
        BigInteger x = SoftFloat.unsigned(s.a.sig).shiftLeft(n);
        BigInteger rest = x.mod(SoftFloat.unsigned(s.b.sig));
        setScaled(s.r, rest, s.a.exp - n, s.a.sign);
    }

    /** n = rest * 2^(exp - 63), at most 64 significant bits; a zero takes {@code sign}, a negative rest flips it. */
    private static void setScaled(Num n, BigInteger rest, int exp, boolean sign) {
        if (rest.signum() == 0) {
            n.set(Kind.ZERO, sign);
            return;
        }
        BigInteger m = rest.abs();
        int bits = m.bitLength();
        n.set(Kind.FINITE, sign != rest.signum() < 0);
        n.sig = bits <= 64
                ? m.longValue() << 64 - bits
                : m.shiftRight(bits - 64).longValue();
        n.exp = exp + bits - 64;
    }

    /** FXTRACT: the exponent stays in what becomes ST(1), the significand is pushed. */
    static void extract(Fpu f) {
        if (empty(f, 0)) {
            if (stackFault(f, false)) {
                writeIndefinite(f, 0);
                push(f);
                writeIndefinite(f, 0);
            }
            return;
        }
        if (!empty(f, -1)) {
            if (stackFault(f, true)) {
                writeIndefinite(f, 0);
                push(f);
                writeIndefinite(f, 0);
            }
            return;
        }
        SoftFloat s = begin(f);
        unpack(f, s.a, 0);
        Num exponent = s.b;
        if (s.x87Special(false)) {
            exponent.set(s.r);
        } else {
            s.r.set(s.a);
            if (s.a.kind == Kind.ZERO) {
                s.flags |= Fpu.ZE;
                exponent.set(Kind.INFINITE, true);
            } else if (s.a.kind == Kind.INFINITE) {
                exponent.set(Kind.INFINITE, false);
            } else {
                if (s.a.denormal) {
                    s.flags |= Fpu.DE;
                }
                exponent.set(s.a.exp);
                s.r.exp = 0;
            }
        }
        if (commit(f)) {
            write(f, 0, exponent);
            push(f);
            write(f, 0, s.r);
        }
    }

    // ---- constants ----

    /** FLD1 to FLDZ. */
    static void constant(Fpu f, String mnemonic) {
        int rounding = f.controlWord >>> 10 & 3;
        // the significand rounded down, and what is added when the mode rounds up or to nearest
        long significand;
        int exponent = ONE_EXPONENT;
        boolean nearestUp = true;
        switch (mnemonic) {
            case "FLD1" -> {
                loadRaw(f, Long.MIN_VALUE, ONE_EXPONENT);
                return;
            }
            case "FLDZ" -> {
                loadRaw(f, 0, 0);
                return;
            }
            case "FLDL2T" -> {
                significand = 0xd49a784bcd1b8afeL;
                exponent = 0x4000;
                nearestUp = false;
            }
            case "FLDL2E" -> significand = 0xb8aa3b295c17f0bbL;
            case "FLDPI" -> {
                significand = 0xc90fdaa22168c234L;
                exponent = 0x4000;
            }
            case "FLDLG2" -> {
                significand = 0x9a209a84fbcff798L;
                exponent = 0x3ffd;
            }
            default -> {
                significand = 0xb17217f7d1cf79abL;
                exponent = 0x3ffe;
            }
        }
        boolean up = rounding == SoftFloat.UP || rounding == SoftFloat.NEAREST && nearestUp;
        loadRaw(f, significand + (up ? 1 : 0), exponent);
    }

    // ---- results for memory: flags are noted by the caller once the store has succeeded ----

    /** ST(0) as a single or a double. */
    static long toMemory(Fpu f, Format format) {
        SoftFloat s = begin(f);
        unpack(f, s.a, 0);
        if (!s.x87Special(false)) {
            s.r.set(s.a);
            s.round(format);
        }
        return SoftFloat.pack(s.r, format);
    }

    /** ST(0) as an integer of {@code bits} bits. */
    static long toInteger(Fpu f, int bits, int mode) {
        SoftFloat s = begin(f);
        unpack(f, s.a, 0);
        return s.toInteger(bits, mode);
    }

    private static final long BCD_LIMIT = 1_000_000_000_000_000_000L;
    /** Sign, exponent and upper digits of the packed BCD indefinite. */
    static final int BCD_INDEFINITE_HIGH = 0xffff;

    static final long BCD_INDEFINITE_LOW = 0xc000000000000000L;

    /** The magnitude of ST(0) as an integer of at most 18 digits, for packed BCD; IE if it has more. */
    static long toDecimal(Fpu f) {
        SoftFloat s = begin(f);
        unpack(f, s.a, 0);
        long v = s.toInteger(64, s.rounding);
        if ((s.flags & Fpu.IE) != 0 || Math.abs(v) >= BCD_LIMIT || v == Long.MIN_VALUE) {
            s.flags = Fpu.IE;
            s.roundedUp = false;
            return 0;
        }
        return Math.abs(v);
    }
}
