package serai.cpu;

import java.lang.invoke.MethodHandles;
import serai.machine.memory.GuestMemory;

/** ADD to CMP, TEST, INC, DEC, NEG, NOT in all shapes. SPEC is the operation and the operand size: {@code op << 4 | size}. */
final class AluNodes {
    static Node binary(Decoded d, int op) {
        int size = d.size[0];
        int spec = op << 4 | size;
        if (d.lock) {
            return new Locked(d, op);
        }
        if (d.isMem(0)) {
            return d.kind[1] == Decoded.Kind.IMM
                    ? Specializer.make(MemImm.class, 0x10, spec, d)
                    : Specializer.make(MemReg.class, 0x11, spec, d);
        }
        if (d.isMem(1)) {
            return Specializer.make(RegMem.class, 0x12, spec, d);
        }
        return d.kind[1] == Decoded.Kind.IMM
                ? Specializer.make(RegImm.class, 0x13, spec, d)
                : Specializer.make(RegReg.class, 0x14, spec, d);
    }

    static Node unary(Decoded d, int op) {
        int spec = op << 4 | d.size[0];
        if (d.lock) {
            return new Locked(d, op);
        }
        return d.isMem(0)
                ? Specializer.make(UnaryMem.class, 0x15, spec, d)
                : Specializer.make(UnaryReg.class, 0x16, spec, d);
    }

    static final class RegReg extends Node {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;
        private final int to;
        private final int from;

        RegReg(Decoded d) {
            to = d.operand[0];
            from = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            long v = SIZE == 1
                    ? Alu.apply(c, OP, 1, c.get8(to), c.get8(from))
                    : Alu.apply(c, OP, SIZE, c.r[to], c.r[from]);
            if (OP != Alu.CMP && OP != Alu.TEST) {
                c.set(to, SIZE, v);
            }
        }
    }

    static final class RegImm extends Node {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;
        private final int to;
        private final long imm;

        RegImm(Decoded d) {
            to = d.operand[0];
            imm = d.immediate;
        }

        @Override
        void execute(Cpu c) {
            long v = Alu.apply(c, OP, SIZE, SIZE == 1 ? c.get8(to) : c.r[to], imm);
            if (OP != Alu.CMP && OP != Alu.TEST) {
                c.set(to, SIZE, v);
            }
        }
    }

    static final class RegMem extends MemNode {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;
        private final int to;

        RegMem(Decoded d) {
            super(d, SIZE, false);
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            long b = c.load(address(c), SIZE);
            long v = Alu.apply(c, OP, SIZE, SIZE == 1 ? c.get8(to) : c.r[to], b);
            if (OP != Alu.CMP && OP != Alu.TEST) {
                c.set(to, SIZE, v);
            }
        }
    }

    /** Loads from a host address. */
    static long loadHost(long h, int size) {
        return switch (size) {
            case 1 -> GuestMemory.getByte(h) & 0xff;
            case 2 -> GuestMemory.getShort(h) & 0xffff;
            case 4 -> GuestMemory.getInt(h) & 0xffffffffL;
            default -> GuestMemory.getLong(h);
        };
    }

    /** Stores to a host address. */
    static void storeHost(long h, int size, long v) {
        switch (size) {
            case 1 -> GuestMemory.putByte(h, (byte) v);
            case 2 -> GuestMemory.putShort(h, (short) v);
            case 4 -> GuestMemory.putInt(h, (int) v);
            default -> GuestMemory.putLong(h, v);
        }
    }

    /** Compare and set by host address. */
    static boolean casHost(long h, int size, long expected, long v) {
        return switch (size) {
            case 1 -> GuestMemory.casByte(h, (byte) expected, (byte) v);
            case 2 -> GuestMemory.casShort(h, (short) expected, (short) v);
            case 4 -> GuestMemory.casInt(h, (int) expected, (int) v);
            default -> GuestMemory.casLong(h, expected, v);
        };
    }

    static final class MemReg extends MemNode {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;
        private final int from;

        MemReg(Decoded d) {
            super(d, SIZE, OP != Alu.CMP && OP != Alu.TEST);
            from = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            update(c, this, OP, SIZE, SIZE == 1 ? c.get8(from) : c.r[from]);
        }
    }

    static final class MemImm extends MemNode {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;
        private final long imm;

        MemImm(Decoded d) {
            super(d, SIZE, OP != Alu.CMP && OP != Alu.TEST);
            imm = d.immediate;
        }

        @Override
        void execute(Cpu c) {
            update(c, this, OP, SIZE, imm);
        }
    }

    static void update(Cpu c, MemNode n, int op, int size, long b) {
        long a = n.address(c);
        if (op == Alu.CMP || op == Alu.TEST) {
            Alu.apply(c, op, size, c.load(a, size), b);
            return;
        }
        long h = c.hostForUpdate(a, size);
        if (h != 0) {
            storeHost(h, size, Alu.apply(c, op, size, loadHost(h, size), b));
        } else {
            c.aloneForUpdate();
            c.store(a, size, Alu.apply(c, op, size, c.load(a, size), b));
        }
    }

    static final class UnaryReg extends Node {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;
        private final int to;

        UnaryReg(Decoded d) {
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            c.set(to, SIZE, Alu.unary(c, OP, SIZE, SIZE == 1 ? c.get8(to) : c.r[to]));
        }
    }

    static final class UnaryMem extends MemNode {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int OP = SPEC >> 4, SIZE = SPEC & 15;

        UnaryMem(Decoded d) {
            super(d, SIZE, true);
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            long h = c.hostForUpdate(a, SIZE);
            if (h != 0) {
                storeHost(h, SIZE, Alu.unary(c, OP, SIZE, loadHost(h, SIZE)));
            } else {
                c.aloneForUpdate();
                c.store(a, SIZE, Alu.unary(c, OP, SIZE, c.load(a, SIZE)));
            }
        }
    }

    /** With LOCK: a CAS loop. */
    static final class Locked extends MemNode {
        private final int op;
        private final int size;
        private final int from;
        private final long imm;

        Locked(Decoded d, int op) {
            super(d, d.size[0], true);
            this.op = op;
            size = d.size[0];
            from = d.isReg(1) ? d.operand[1] : -1;
            imm = d.immediate;
        }

        private long compute(Cpu c, long a) {
            return op > Alu.TEST
                    ? Alu.unary(c, op, size, a)
                    : Alu.apply(c, op, size, a, from >= 0 ? c.get(from, size) : imm);
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            long h = c.hostForLocked(a, size);
            if (h == 0) {
                c.exclusiveForUpdate();
                c.store(a, size, compute(c, c.load(a, size)));
                return;
            }
            long flags = c.flags();
            while (true) {
                long old = loadHost(h, size);
                long v = compute(c, old);
                if (casHost(h, size, old, v)) {
                    return;
                }
                c.arithmeticFlags(flags);
            }
        }
    }

    private AluNodes() {}
}
