package serai.cpu;

import java.lang.invoke.MethodHandles;

/** Control transfers. All end their block: {@link Cpu#rip} is the next instruction's address when they run. */
final class FlowNodes {
    /** Bits of RIP that a near transfer of this operand size keeps. */
    private static long mask(Decoded d) {
        return d.opSize == 8 ? -1L : d.opSize == 4 ? 0xffffffffL : 0xffff;
    }

    /** A 64-bit target has to be canonical and any other within CS, or the transfer itself raises #GP(0). */
    static long checked(Cpu c, long target, long mask) {
        if (mask == -1L ? target << 16 >> 16 != target : target > (c.limit[CpuRegisters.CS] & 0xffffffffL)) {
            throw c.fault(CpuSegments.GP, 0);
        }
        return target;
    }

    /** Jumps: outside 64-bit mode a target beyond the limit of CS raises #GP(0) at the transfer. */
    static void jump(Cpu c, long target, long mask) {
        if (mask != -1L) {
            checkLimit(c, target);
        }
        c.rip = target;
    }

    private static void checkLimit(Cpu c, long target) {
        if (target > (c.limit[CpuRegisters.CS] & 0xffffffffL)) {
            throw c.fault(CpuSegments.GP, 0);
        }
    }

    /** A near indirect call. As on the processor, a bad target faults when the return address is written and RSP is not. */
    static void call(Cpu c, long target, int size) {
        if (size != 8) {
            checkLimit(c, target);
        }
        long sp = c.r[CpuRegisters.RSP];
        c.push(c.rip, size);
        if (size == 8 && target << 16 >> 16 != target) {
            c.r[CpuRegisters.RSP] = sp;
            throw c.fault(CpuSegments.GP, 0);
        }
        c.rip = target;
    }

    static Node jcc(Decoded d) {
        return d.codeSize == 8 ? Specializer.make(Jcc.class, 0x30, d.opcode & 15, d) : new JccLegacy(d);
    }

    static final class Jcc extends Node {
        private static final int CONDITION = Specializer.spec(MethodHandles.lookup());
        private final long displacement;

        Jcc(Decoded d) {
            displacement = d.immediate;
        }

        @Override
        void execute(Cpu c) {
            if (c.condition(CONDITION)) {
                c.rip += displacement;
            }
        }
    }

    static final class JccLegacy extends Node {
        private final int condition;
        private final long displacement;
        private final long mask;

        JccLegacy(Decoded d) {
            condition = d.opcode & 15;
            displacement = d.immediate;
            mask = mask(d);
        }

        @Override
        void execute(Cpu c) {
            if (c.condition(condition)) {
                jump(c, c.rip + displacement & mask, mask);
            }
        }
    }

    static final class Jmp extends Node {
        private final long displacement;
        private final long mask;

        Jmp(Decoded d) {
            displacement = d.immediate;
            mask = mask(d);
        }

        @Override
        void execute(Cpu c) {
            jump(c, c.rip + displacement & mask, mask);
        }
    }

    static final class Call extends Node {
        private final long displacement;
        private final long mask;
        private final int size;

        Call(Decoded d) {
            displacement = d.immediate;
            mask = mask(d);
            size = d.opSize;
        }

        @Override
        boolean stack() {
            return true;
        }

        @Override
        void execute(Cpu c) {
            long target = c.rip + displacement & mask;
            if (mask != -1L) {
                checkLimit(c, target);
            }
            c.push(c.rip, size);
            c.rip = target;
        }
    }

    static final class JmpReg extends Node {
        private final int from;
        private final long mask;

        JmpReg(Decoded d) {
            from = d.operand[0];
            mask = mask(d);
        }

        @Override
        void execute(Cpu c) {
            jump(c, checked(c, c.r[from] & mask, mask), mask);
        }
    }

    static final class JmpMem extends MemNode {
        private final int size;

        JmpMem(Decoded d) {
            super(d, d.opSize, false);
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            long mask = size == 8 ? -1 : 0;
            jump(c, checked(c, c.load(address(c), size), mask), mask);
        }
    }

    static final class CallReg extends Node {
        private final int from;
        private final int size;
        private final long mask;

        CallReg(Decoded d) {
            from = d.operand[0];
            size = d.opSize;
            mask = mask(d);
        }

        @Override
        boolean stack() {
            return true;
        }

        @Override
        void execute(Cpu c) {
            call(c, c.r[from] & mask, size);
        }
    }

    static final class CallMem extends MemNode {
        private final int size;

        CallMem(Decoded d) {
            super(d, d.opSize, false);
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            call(c, c.load(address(c), size), size);
        }
    }

    static final class Ret extends Node {
        private final int size;
        private final int extra;

        Ret(Decoded d) {
            size = d.opSize;
            extra = (int) d.immediate;
        }

        @Override
        boolean stack() {
            return true;
        }

        @Override
        void execute(Cpu c) {
            if (size == 8) {
                c.rip = checked(c, c.load64(c.r[CpuRegisters.RSP]), -1);
                c.r[CpuRegisters.RSP] += 8 + extra;
            } else {
                long target = c.peek(0, size);
                checkLimit(c, target);
                c.rip = target;
                c.setStackPointer(c.r[CpuRegisters.RSP] + size + extra);
            }
        }
    }

    /** LOOP, LOOPE, LOOPNE, JCXZ. */
    static final class Loop extends Node {
        static final int LOOPNE = 0, LOOPE = 1, LOOP = 2, JCXZ = 3;
        private final int op;
        private final int addrSize;
        private final long displacement;
        private final long mask;

        Loop(Decoded d) {
            op = d.opcode & 3;
            addrSize = d.addrSize;
            displacement = d.immediate;
            mask = mask(d);
        }

        @Override
        void execute(Cpu c) {
            long n = c.get(CpuRegisters.RCX, addrSize);
            boolean taken;
            if (op == JCXZ) {
                taken = n == 0;
            } else {
                n--;
                taken = Alu.zero(addrSize, n) != 0 && (op == LOOP || c.zf() == (op == LOOPE));
            }
            if (taken) {
                jump(c, c.rip + displacement & mask, mask);
            }
            if (op != JCXZ) {
                c.set(CpuRegisters.RCX, addrSize, n);
            }
        }
    }

    /** Far JMP and CALL with the pointer in the instruction. */
    static final class Far extends Node {
        private final boolean call;
        private final int size;
        private final int selector;
        private final long offset;

        Far(Decoded d, boolean call) {
            this.call = call;
            size = d.opSize;
            selector = (int) d.immediate2;
            offset = d.immediate;
        }

        @Override
        void execute(Cpu c) {
            if (call) {
                c.callFar(selector, offset, size);
            } else {
                c.jumpFar(selector, offset, size);
            }
        }
    }

    /** Far JMP and CALL with the pointer in memory. */
    static final class FarMem extends MemNode {
        private final boolean call;
        private final int size;

        FarMem(Decoded d, boolean call) {
            super(d, d.opSize + 2, false);
            this.call = call;
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            long offset = c.load(a, size);
            int selector = c.load16(a + size);
            if (call) {
                c.callFar(selector, offset, size);
            } else {
                c.jumpFar(selector, offset, size);
            }
        }
    }

    static final class RetFar extends Node {
        private final int size;
        private final int extra;

        RetFar(Decoded d) {
            size = d.opSize;
            extra = (int) d.immediate;
        }

        @Override
        boolean stack() {
            return true;
        }

        @Override
        void execute(Cpu c) {
            c.returnFar(size, extra);
        }
    }

    private FlowNodes() {}
}
