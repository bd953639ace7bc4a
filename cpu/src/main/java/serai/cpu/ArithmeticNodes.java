package serai.cpu;

import java.math.BigInteger;

/** Multiplication, division and decimal adjustment. */
final class ArithmeticNodes {
    /** IMUL with two or three operands. */
    static final class Imul extends Node {
        private final int size;
        private final int to;
        private final Source a;
        private final int b;
        private final long imm;

        Imul(Decoded d) {
            size = d.size[0];
            to = d.operand[0];
            a = Source.of(d, 1);
            b = d.kind[2] == Decoded.Kind.NONE ? to : -1;
            imm = d.immediate;
        }

        @Override
        void execute(Cpu c) {
            long x = Alu.sign(size, a.get(c));
            c.set(to, size, Alu.imul(c, size, x, b >= 0 ? Alu.sign(size, c.r[b]) : imm));
        }
    }

    /** MUL and one-operand IMUL: rDX:rAX, AX for bytes. */
    static final class Multiply extends Node {
        private final boolean signed;
        private final int size;
        private final Source from;

        Multiply(Decoded d, boolean signed) {
            this.signed = signed;
            size = d.size[0];
            from = Source.of(d, 0);
        }

        @Override
        void execute(Cpu c) {
            long a = c.get(CpuRegisters.RAX, size);
            long b = from.get(c);
            long low;
            boolean over;
            if (size == 8) {
                low = a * b;
                long high = signed ? Math.multiplyHigh(a, b) : Math.unsignedMultiplyHigh(a, b);
                c.r[CpuRegisters.RAX] = low;
                c.r[CpuRegisters.RDX] = high;
                over = high != (signed ? low >> 63 : 0);
            } else {
                low = signed ? Alu.sign(size, a) * Alu.sign(size, b) : a * b;
                over = low != (signed ? Alu.sign(size, low) : Alu.zero(size, low));
                if (size == 1) {
                    c.set(CpuRegisters.RAX, 2, low);
                } else {
                    c.set(CpuRegisters.RAX, size, low);
                    c.set(CpuRegisters.RDX, size, low >> size * 8);
                }
            }
            Alu.flags(c, size, low, 0);
            c.cv = over ? 1L << 63 : 0;
        }
    }

    /** DIV and IDIV. */
    static final class Divide extends Node {
        private final boolean signed;
        private final int size;
        private final Source by;

        Divide(Decoded d, boolean signed) {
            this.signed = signed;
            size = d.size[0];
            by = Source.of(d, 0);
        }

        @Override
        void execute(Cpu c) {
            long b = by.get(c);
            if (b == 0) {
                throw c.fault(CpuEvents.DE, 0);
            }
            if (size == 8) {
                divide64(c, b);
                return;
            }
            long a = size == 1
                    ? c.get(CpuRegisters.RAX, 2)
                    : c.get(CpuRegisters.RDX, size) << size * 8 | c.get(CpuRegisters.RAX, size);
            long q;
            long rem;
            if (signed) {
                a = Alu.sign(size * 2, a);
                b = Alu.sign(size, b);
                if (a == Long.MIN_VALUE && b == -1) {
                    throw c.fault(CpuEvents.DE, 0);
                }
                q = a / b;
                rem = a % b;
                if (q != Alu.sign(size, q)) {
                    throw c.fault(CpuEvents.DE, 0);
                }
            } else {
                q = Long.divideUnsigned(a, b);
                rem = Long.remainderUnsigned(a, b);
                if (q != Alu.zero(size, q)) {
                    throw c.fault(CpuEvents.DE, 0);
                }
            }
            if (size == 1) {
                c.set(CpuRegisters.RAX, 2, q & 0xff | (rem & 0xff) << 8);
            } else {
                c.set(CpuRegisters.RAX, size, q);
                c.set(CpuRegisters.RDX, size, rem);
            }
        }

        private void divide64(Cpu c, long b) {
            long low = c.r[CpuRegisters.RAX];
            long high = c.r[CpuRegisters.RDX];
            if (high == (signed ? low >> 63 : 0)) {
                if (signed && low == Long.MIN_VALUE && b == -1) {
                    throw c.fault(CpuEvents.DE, 0);
                }
                c.r[CpuRegisters.RAX] = signed ? low / b : Long.divideUnsigned(low, b);
                c.r[CpuRegisters.RDX] = signed ? low % b : Long.remainderUnsigned(low, b);
                return;
            }
            BigInteger a = signed
                    ? BigInteger.valueOf(high).shiftLeft(64).or(unsigned(low))
                    : unsigned(high).shiftLeft(64).or(unsigned(low));
            BigInteger[] qr = a.divideAndRemainder(signed ? BigInteger.valueOf(b) : unsigned(b));
            if (signed ? qr[0].bitLength() > 63 : qr[0].bitLength() > 64) {
                throw c.fault(CpuEvents.DE, 0);
            }
            c.r[CpuRegisters.RAX] = qr[0].longValue();
            c.r[CpuRegisters.RDX] = qr[1].longValue();
        }

        private static BigInteger unsigned(long v) {
            BigInteger b = BigInteger.valueOf(v & Long.MAX_VALUE);
            return v < 0 ? b.setBit(63) : b;
        }
    }

    /** CBW, CWDE, CDQE. */
    static final class Cbw extends Node {
        private final int size;

        Cbw(Decoded d) {
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            c.set(CpuRegisters.RAX, size, Alu.sign(size / 2, c.r[CpuRegisters.RAX]));
        }
    }

    /** CWD, CDQ, CQO. */
    static final class Cwd extends Node {
        private final int size;

        Cwd(Decoded d) {
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            c.set(CpuRegisters.RDX, size, Alu.sign(size, c.r[CpuRegisters.RAX]) >> 63);
        }
    }

    /** DAA, DAS, AAA, AAS, AAM, AAD (SDM vol. 2, their operation sections). */
    static final class Decimal extends Node {
        private final String op;
        private final int imm;

        Decimal(Decoded d) {
            op = d.row.mnemonic();
            imm = (int) d.immediate & 0xff;
        }

        @Override
        void execute(Cpu c) {
            int al = (int) c.r[CpuRegisters.RAX] & 0xff;
            int ah = (int) c.r[CpuRegisters.RAX] >>> 8 & 0xff;
            boolean low = (al & 15) > 9 || c.af();
            switch (op) {
                case "DAA", "DAS" -> {
                    int sign = op.equals("DAA") ? 1 : -1;
                    boolean high = al > 0x99 || c.cf();
                    boolean borrow = low && sign < 0 && al < 6;
                    int v = al + (low ? 6 * sign : 0) + (high ? 0x60 * sign : 0);
                    c.set(CpuRegisters.RAX, 1, v);
                    result(c, v, high || borrow || c.cf(), low);
                }
                case "AAA", "AAS" -> {
                    int sign = op.equals("AAA") ? 1 : -1;
                    int ax = (int) c.r[CpuRegisters.RAX] & 0xffff;
                    if (low) {
                        ax += 0x106 * sign;
                    }
                    c.set(CpuRegisters.RAX, 2, ax & 0xff0f);
                    result(c, ax & 15, low, low);
                }
                case "AAM" -> {
                    if (imm == 0) {
                        throw c.fault(CpuEvents.DE, 0);
                    }
                    c.set(CpuRegisters.RAX, 2, al / imm << 8 | al % imm);
                    result(c, al % imm, false, false);
                }
                default -> {
                    int v = al + ah * imm & 0xff;
                    c.set(CpuRegisters.RAX, 2, v);
                    result(c, v, false, false);
                }
            }
        }

        private static void result(Cpu c, int v, boolean cf, boolean af) {
            Alu.flags(c, 1, v, 0);
            c.cv = (cf ? 3L << 62 : 0) | (af ? 8 : 0);
        }
    }

    private ArithmeticNodes() {}
}
