package serai.cpu;

import java.lang.invoke.MethodHandles;

/** Shifts, rotates, bit tests and scans. */
final class BitNodes {
    static Node shift(Decoded d) {
        int spec = d.reg() << 4 | d.size[0];
        if (d.isMem(0)) {
            return new ShiftMem(d);
        }
        return d.kind[1] == Decoded.Kind.IMM
                ? Specializer.make(ShiftImm.class, 0x40, spec, d)
                : Specializer.make(ShiftCl.class, 0x41, spec, d);
    }

    static final class ShiftImm extends Node {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;
        private final int to;
        private final int count;

        ShiftImm(Decoded d) {
            to = d.operand[0];
            count = (int) d.immediate;
        }

        @Override
        void execute(Cpu c) {
            c.set(to, SIZE, Alu.shift(c, OP, SIZE, c.get(to, SIZE), count));
        }
    }

    static final class ShiftCl extends Node {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;
        private final int to;

        ShiftCl(Decoded d) {
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            c.set(to, SIZE, Alu.shift(c, OP, SIZE, c.get(to, SIZE), (int) c.r[CpuRegisters.RCX]));
        }
    }

    static final class ShiftMem extends MemNode {
        private final int op;
        private final int size;
        private final int count;

        ShiftMem(Decoded d) {
            super(d, d.size[0], true);
            op = d.reg();
            size = d.size[0];
            count = d.kind[1] == Decoded.Kind.IMM ? (int) d.immediate : -1;
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            int n = count >= 0 ? count : (int) c.r[CpuRegisters.RCX] & 0xff;
            long h = c.hostForUpdate(a, size);
            if (h != 0) {
                AluNodes.storeHost(h, size, Alu.shift(c, op, size, AluNodes.loadHost(h, size), n));
            } else {
                c.aloneForUpdate();
                c.store(a, size, Alu.shift(c, op, size, c.load(a, size), n));
            }
        }
    }

    /** SHLD and SHRD. */
    static final class DoubleShift extends Node {
        private final boolean left;
        private final int size;
        private final int to;
        private final int from;
        private final int count;

        DoubleShift(Decoded d, boolean left) {
            this.left = left;
            size = d.size[0];
            to = d.operand[0];
            from = d.operand[1];
            count = d.kind[2] == Decoded.Kind.IMM ? (int) d.immediate : -1;
        }

        @Override
        void execute(Cpu c) {
            int n = count >= 0 ? count : (int) c.r[CpuRegisters.RCX];
            c.set(to, size, Alu.doubleShift(c, left, size, c.get(to, size), c.get(from, size), n));
        }
    }

    static final class DoubleShiftMem extends MemNode {
        private final boolean left;
        private final int size;
        private final int from;
        private final int count;

        DoubleShiftMem(Decoded d, boolean left) {
            super(d, d.size[0], true);
            this.left = left;
            size = d.size[0];
            from = d.operand[1];
            count = d.kind[2] == Decoded.Kind.IMM ? (int) d.immediate : -1;
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            int n = count >= 0 ? count : (int) c.r[CpuRegisters.RCX];
            if (c.hostForUpdate(a, size) == 0) {
                c.aloneForUpdate();
            }
            c.store(a, size, Alu.doubleShift(c, left, size, c.load(a, size), c.get(from, size), n));
        }
    }

    static final int BT = 0, BTS = 1, BTR = 2, BTC = 3;

    private static long changed(int op, long v, long bit) {
        return switch (op) {
            case BTS -> v | bit;
            case BTR -> v & ~bit;
            case BTC -> v ^ bit;
            default -> v;
        };
    }

    static final class BitReg extends Node {
        private final int op;
        private final int size;
        private final int to;
        private final int from;
        private final int imm;

        BitReg(Decoded d, int op) {
            this.op = op;
            size = d.size[0];
            to = d.operand[0];
            from = d.isReg(1) ? d.operand[1] : -1;
            imm = (int) d.immediate;
        }

        @Override
        void execute(Cpu c) {
            int n = (from >= 0 ? (int) c.r[from] : imm) & size * 8 - 1;
            long v = c.get(to, size);
            c.cf((v >>> n & 1) != 0);
            if (op != BT) {
                c.set(to, size, changed(op, v, 1L << n));
            }
        }
    }

    /** With a register as the bit offset the memory operand is a bit string that reaches both ways. */
    static final class BitMem extends MemNode {
        private final int op;
        private final int size;
        private final int from;
        private final int imm;
        private final int shift;

        BitMem(Decoded d, int op) {
            super(d, d.size[0], op != BT);
            this.op = op;
            size = d.size[0];
            from = d.isReg(1) ? d.operand[1] : -1;
            imm = (int) d.immediate;
            shift = size == 8 ? 6 : size == 4 ? 5 : 4;
        }

        @Override
        void execute(Cpu c) {
            long bit = from < 0 ? imm & size * 8 - 1 : Alu.sign(size, c.r[from]);
            long a = address(c, (bit >> shift) * size);
            long mask = 1L << (bit & size * 8 - 1);
            if (op == BT) {
                c.cf((c.load(a, size) & mask) != 0);
                return;
            }
            long h = c.hostForLocked(a, size);
            if (h == 0) {
                c.exclusiveForUpdate();
                long v = c.load(a, size);
                c.store(a, size, changed(op, v, mask));
                c.cf((v & mask) != 0);
                return;
            }
            long v;
            do {
                v = AluNodes.loadHost(h, size);
            } while (!AluNodes.casHost(h, size, v, changed(op, v, mask)));
            c.cf((v & mask) != 0);
        }
    }

    /** BSF and BSR: a zero source leaves the destination as it is (as processors of both makers do). */
    static final class Scan extends Node {
        private final boolean reverse;
        private final int size;
        private final int to;
        private final Source from;

        Scan(Decoded d, boolean reverse) {
            this.reverse = reverse;
            size = d.size[0];
            to = d.operand[0];
            from = Source.of(d, 1);
        }

        @Override
        void execute(Cpu c) {
            long v = from.get(c);
            Alu.flags(c, size, v, 0);
            if (v != 0) {
                c.set(to, size, reverse ? 63 - Long.numberOfLeadingZeros(v) : Long.numberOfTrailingZeros(v));
                c.zr = 1;
            }
        }
    }

    private BitNodes() {}
}
