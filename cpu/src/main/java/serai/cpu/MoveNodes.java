package serai.cpu;

import java.lang.invoke.MethodHandles;

/** MOV, MOVZX, MOVSX, LEA, CMOVcc, SETcc, XCHG and the stack's PUSH and POP. */
final class MoveNodes {
    static Node mov(Decoded d) {
        int size = d.size[0];
        if (d.isMem(0)) {
            return d.kind[1] == Decoded.Kind.IMM
                    ? Specializer.make(MemImm.class, 0x20, size, d)
                    : Specializer.make(MemReg.class, 0x21, size, d);
        }
        if (d.isMem(1)) {
            return Specializer.make(RegMem.class, 0x22, size, d);
        }
        return d.kind[1] == Decoded.Kind.IMM
                ? Specializer.make(RegImm.class, 0x23, size, d)
                : Specializer.make(RegReg.class, 0x24, size, d);
    }

    /** MOVZX, MOVSX, MOVSXD. */
    static Node extend(Decoded d, boolean signed) {
        int spec = d.size[0] << 8 | d.size[1] << 4 | (signed ? 1 : 0);
        return d.isMem(1)
                ? Specializer.make(ExtendMem.class, 0x25, spec, d)
                : Specializer.make(ExtendReg.class, 0x26, spec, d);
    }

    static Node lea(Decoded d) {
        return Specializer.make(Lea.class, 0x27, d.size[0] << 4 | d.addrSize, d);
    }

    static Node cmov(Decoded d) {
        int spec = (d.opcode & 15) << 4 | d.size[0];
        return d.isMem(1)
                ? Specializer.make(CmovMem.class, 0x28, spec, d)
                : Specializer.make(CmovReg.class, 0x29, spec, d);
    }

    static Node setcc(Decoded d) {
        int spec = d.opcode & 15;
        return d.isMem(0) ? new SetccMem(d) : Specializer.make(SetccReg.class, 0x2a, spec, d);
    }

    static Node push(Decoded d) {
        if (d.codeSize == 8 && d.opSize == 8 && d.isReg(0)) {
            return new PushReg64(d);
        }
        return d.isMem(0) ? new PushMem(d) : new Push(d);
    }

    static Node pop(Decoded d) {
        if (d.codeSize == 8 && d.opSize == 8 && d.isReg(0)) {
            return new PopReg64(d);
        }
        return d.isMem(0) ? new PopMem(d) : new Pop(d);
    }

    static final class RegReg extends Node {
        private static final int SIZE = Specializer.spec(MethodHandles.lookup());
        private final int to;
        private final int from;

        RegReg(Decoded d) {
            to = d.operand[0];
            from = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            c.set(to, SIZE, SIZE == 1 ? c.get8(from) : c.r[from]);
        }
    }

    static final class RegImm extends Node {
        private static final int SIZE = Specializer.spec(MethodHandles.lookup());
        private final int to;
        private final long imm;

        RegImm(Decoded d) {
            to = d.operand[0];
            imm = d.immediate;
        }

        @Override
        void execute(Cpu c) {
            c.set(to, SIZE, imm);
        }
    }

    static final class RegMem extends MemNode {
        private static final int SIZE = Specializer.spec(MethodHandles.lookup());
        private final int to;

        RegMem(Decoded d) {
            super(d, SIZE, false);
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            c.set(to, SIZE, c.load(address(c), SIZE));
        }
    }

    static final class MemReg extends MemNode {
        private static final int SIZE = Specializer.spec(MethodHandles.lookup());
        private final int from;

        MemReg(Decoded d) {
            super(d, SIZE, true);
            from = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            c.store(address(c), SIZE, SIZE == 1 ? c.get8(from) : c.r[from]);
        }
    }

    static final class MemImm extends MemNode {
        private static final int SIZE = Specializer.spec(MethodHandles.lookup());
        private final long imm;

        MemImm(Decoded d) {
            super(d, SIZE, true);
            imm = d.immediate;
        }

        @Override
        void execute(Cpu c) {
            c.store(address(c), SIZE, imm);
        }
    }

    static final class ExtendReg extends Node {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int TO = SPEC >> 8, FROM = SPEC >> 4 & 15;
        private final int to;
        private final int from;

        ExtendReg(Decoded d) {
            to = d.operand[0];
            from = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            long v = c.get(from, FROM);
            c.set(to, TO, (SPEC & 1) != 0 ? Alu.sign(FROM, v) : v);
        }
    }

    static final class ExtendMem extends MemNode {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int TO = SPEC >> 8, FROM = SPEC >> 4 & 15;
        private final int to;

        ExtendMem(Decoded d) {
            super(d, FROM, false);
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            long v = c.load(address(c), FROM);
            c.set(to, TO, (SPEC & 1) != 0 ? Alu.sign(FROM, v) : v);
        }
    }

    static final class Lea extends MemNode {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int SIZE = SPEC >> 4, ADDRESS = SPEC & 15;
        private final int to;

        Lea(Decoded d) {
            super(d, 1, false);
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            c.set(to, SIZE, ADDRESS == 8 ? c.r[base] + (c.r[index] << scale) + disp : offset(c));
        }
    }

    static final class CmovReg extends Node {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int CONDITION = SPEC >> 4, SIZE = SPEC & 15;
        private final int to;
        private final int from;

        CmovReg(Decoded d) {
            to = d.operand[0];
            from = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            // a doubleword destination is zero-extended even if nothing is moved
            c.set(to, SIZE, c.condition(CONDITION) ? c.r[from] : c.r[to]);
        }
    }

    static final class CmovMem extends MemNode {
        private static final int SPEC = Specializer.spec(MethodHandles.lookup());
        private static final int CONDITION = SPEC >> 4, SIZE = SPEC & 15;
        private final int to;

        CmovMem(Decoded d) {
            super(d, SIZE, false);
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            long v = c.load(address(c), SIZE);
            c.set(to, SIZE, c.condition(CONDITION) ? v : c.r[to]);
        }
    }

    static final class SetccReg extends Node {
        private static final int CONDITION = Specializer.spec(MethodHandles.lookup());
        private final int to;

        SetccReg(Decoded d) {
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            c.set8(to, c.condition(CONDITION) ? 1 : 0);
        }
    }

    static final class SetccMem extends MemNode {
        private final int condition;

        SetccMem(Decoded d) {
            super(d, 1, true);
            condition = d.opcode & 15;
        }

        @Override
        void execute(Cpu c) {
            c.store8(address(c), c.condition(condition) ? 1 : 0);
        }
    }

    static final class PushReg64 extends Node {
        private final int from;

        PushReg64(Decoded d) {
            from = d.operand[0];
        }

        @Override
        boolean stack() {
            return true;
        }

        @Override
        void execute(Cpu c) {
            long sp = c.r[CpuRegisters.RSP] - 8;
            c.store64(sp, c.r[from]);
            c.r[CpuRegisters.RSP] = sp;
        }
    }

    static final class PopReg64 extends Node {
        private final int to;

        PopReg64(Decoded d) {
            to = d.operand[0];
        }

        @Override
        boolean stack() {
            return true;
        }

        @Override
        void execute(Cpu c) {
            long v = c.load64(c.r[CpuRegisters.RSP]);
            c.r[CpuRegisters.RSP] += 8;
            c.r[to] = v;
        }
    }

    /** A register or an immediate. */
    static final class Push extends Node {
        private final int size;
        private final int from;
        private final long imm;

        Push(Decoded d) {
            size = d.opSize;
            from = d.isReg(0) ? d.operand[0] : -1;
            imm = d.immediate;
        }

        @Override
        boolean stack() {
            return true;
        }

        @Override
        void execute(Cpu c) {
            c.push(from >= 0 ? c.r[from] : imm, size);
        }
    }

    static final class PushMem extends MemNode {
        private final int size;

        PushMem(Decoded d) {
            super(d, d.opSize, false);
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            c.push(c.load(address(c), size), size);
        }
    }

    static final class Pop extends Node {
        private final int size;
        private final int to;

        Pop(Decoded d) {
            size = d.opSize;
            to = d.operand[0];
        }

        @Override
        boolean stack() {
            return true;
        }

        @Override
        void execute(Cpu c) {
            c.set(to, size, c.pop(size));
        }
    }

    static final class PopMem extends MemNode {
        private final int size;

        PopMem(Decoded d) {
            super(d, d.opSize, true);
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            // an address with RSP in it is computed after the pop (SDM vol. 2, POP)
            long sp = c.r[CpuRegisters.RSP];
            long v = c.peek(0, size);
            c.setStackPointer(sp + size);
            try {
                c.store(address(c), size, v);
            } catch (CpuException e) {
                c.r[CpuRegisters.RSP] = sp;
                throw e;
            }
        }
    }

    /** XCHG of rAX with itself: it does not even zero-extend. */
    static final class Nop extends Node {
        @Override
        void execute(Cpu c) {}
    }

    /** XCHG of two registers. */
    static final class XchgReg extends Node {
        private final int size;
        private final int a;
        private final int b;

        XchgReg(Decoded d) {
            size = d.size[0];
            a = d.operand[0];
            b = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            long t = c.get(a, size);
            c.set(a, size, c.get(b, size));
            c.set(b, size, t);
        }
    }

    /** XCHG, XADD and CMPXCHG with memory: always or perhaps locked, done as if locked. */
    static final class Exchange extends MemNode {
        static final int XCHG = 0, XADD = 1, CMPXCHG = 2;
        private final int op;
        private final int size;
        private final int reg;

        Exchange(Decoded d, int op) {
            super(d, d.size[0], true);
            this.op = op;
            size = d.size[0];
            reg = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            long h = c.hostForLocked(a, size);
            if (h == 0) {
                c.exclusiveForUpdate();
            }
            while (true) {
                long old = h != 0 ? AluNodes.loadHost(h, size) : c.load(a, size);
                long v =
                        switch (op) {
                            case XCHG -> c.get(reg, size);
                            case XADD -> old + c.get(reg, size);
                            default -> old == c.get(CpuRegisters.RAX, size) ? c.get(reg, size) : old;
                        };
                if (h == 0) {
                    c.store(a, size, v);
                } else if (!AluNodes.casHost(h, size, old, v)) {
                    continue;
                }
                finish(c, old);
                return;
            }
        }

        private void finish(Cpu c, long old) {
            switch (op) {
                case XCHG -> c.set(reg, size, old);
                case XADD -> {
                    Alu.add(c, size, old, c.get(reg, size), 0);
                    c.set(reg, size, old);
                }
                default -> {
                    long accumulator = c.get(CpuRegisters.RAX, size);
                    Alu.sub(c, size, accumulator, old, 0);
                    if (accumulator != old) {
                        c.set(CpuRegisters.RAX, size, old);
                    }
                }
            }
        }
    }

    /** XADD and CMPXCHG of two registers. */
    static final class ExchangeReg extends Node {
        private final int op;
        private final int size;
        private final int to;
        private final int reg;

        ExchangeReg(Decoded d, int op) {
            this.op = op;
            size = d.size[0];
            to = d.operand[0];
            reg = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            long old = c.get(to, size);
            if (op == Exchange.XADD) {
                long sum = Alu.add(c, size, old, c.get(reg, size), 0);
                c.set(reg, size, old);
                c.set(to, size, sum);
                return;
            }
            long accumulator = c.get(CpuRegisters.RAX, size);
            Alu.sub(c, size, accumulator, old, 0);
            if (accumulator == old) {
                c.set(to, size, c.get(reg, size));
            } else {
                // the destination is not written: its upper half stays
                c.set(CpuRegisters.RAX, size, old);
            }
        }
    }

    /** CMPXCHG8B and CMPXCHG16B, done as if locked. */
    static final class ExchangePair extends MemNode {
        private final int half;

        ExchangePair(Decoded d) {
            super(d, d.opSize == 8 ? 16 : 8, true);
            half = d.opSize == 8 ? 8 : 4;
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            if (half == 8 && (a & 15) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            if (half == 4) {
                long h = c.hostForLocked(a, 8);
                if (h != 0) {
                    inOneGo(c, h);
                    return;
                }
            } else if (Atomic16.COMPARES) {
                long h = c.hostForUpdate(a, 16);
                if (h != 0) {
                    inOneGo16(c, h);
                    return;
                }
            }
            c.exclusiveForUpdate();
            c.checkWrite(a, half * 2);
            long low = c.load(a, half);
            long high = c.load(a + half, half);
            boolean equal = low == c.get(CpuRegisters.RAX, half) && high == c.get(CpuRegisters.RDX, half);
            if (equal) {
                low = c.get(CpuRegisters.RBX, half);
                high = c.get(CpuRegisters.RCX, half);
            }
            // written in either case, as the processor does
            c.store(a, half, low);
            c.store(a + half, half, high);
            if (!equal) {
                c.set(CpuRegisters.RAX, half, low);
                c.set(CpuRegisters.RDX, half, high);
            }
            c.arithmeticFlags(equal ? CpuRegisters.ZF : 0, CpuRegisters.ZF);
        }

        /** CMPXCHG8B of plain memory: atomic also against other processors. */
        private static void inOneGo(Cpu c, long h) {
            long expected = c.r[CpuRegisters.RDX] << 32 | c.get(CpuRegisters.RAX, 4);
            long wanted = c.r[CpuRegisters.RCX] << 32 | c.get(CpuRegisters.RBX, 4);
            long old;
            do {
                old = AluNodes.loadHost(h, 8);
            } while (!AluNodes.casHost(h, 8, old, old == expected ? wanted : old));
            if (old != expected) {
                c.set(CpuRegisters.RAX, 4, old);
                c.set(CpuRegisters.RDX, 4, old >>> 32);
            }
            c.arithmeticFlags(old == expected ? CpuRegisters.ZF : 0, CpuRegisters.ZF);
        }

        private static void inOneGo16(Cpu c, long h) {
            boolean equal = c.atomic16.compareAndSet(
                    h, c.r[CpuRegisters.RAX], c.r[CpuRegisters.RDX], c.r[CpuRegisters.RBX], c.r[CpuRegisters.RCX]);
            if (!equal) {
                c.r[CpuRegisters.RAX] = c.atomic16.foundLow();
                c.r[CpuRegisters.RDX] = c.atomic16.foundHigh();
            }
            c.arithmeticFlags(equal ? CpuRegisters.ZF : 0, CpuRegisters.ZF);
        }
    }

    private MoveNodes() {}
}
