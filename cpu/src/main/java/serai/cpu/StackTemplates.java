package serai.cpu;

import serai.cpu.Decoded.Kind;

/** PUSH, POP, LEAVE and PUSHF of 8 bytes. */
final class StackTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final MemoryTemplates memory;

    StackTemplates(Assembler a, TranslationUnit unit, MemoryTemplates memory) {
        this.a = a;
        this.unit = unit;
        this.memory = memory;
    }

    /** Finds the place of what an instruction pushes besides what its memory operand is. */
    void push8(int i) {
        a.lea(Assembler.R11, Assembler.R15, Assembler.NONE, 0, -8);
        memory.probe(i, 8, true, false);
    }

    void addRsp(int n) {
        a.lea(Assembler.R15, Assembler.R15, Assembler.NONE, 0, n);
    }

    boolean push(int i) {
        Decoded d = unit.code[i];
        if (d.opSize != 8) {
            return false;
        }
        if (d.isMem(0)) {
            if (!memory.load8(i, Assembler.RCX)) {
                return false;
            }
            pushRcx(i);
            return true;
        }
        memory.access(i, 8, true, false);
        if (d.kind[0] == Kind.IMM) {
            memory.operand(0, true, 0, 0xc7, 0, false);
            a.int4((int) d.immediate);
        } else if (HostFrame.spilled(d.operand[0])) {
            memory.sum();
            memory.loadSpilled(Assembler.RCX, d.operand[0]);
            a.store(Assembler.R11, 0, Assembler.RCX);
        } else {
            memory.store8(HostFrame.host(d.operand[0]));
        }
        addRsp(-8);
        return true;
    }

    boolean pop(int i) {
        Decoded d = unit.code[i];
        if (d.opSize != 8 || d.isMem(0)) {
            return false;
        }
        int n = d.operand[0];
        memory.access(i, 8, false, false);
        if (n == CpuRegisters.RSP) {
            memory.load8(Assembler.R15);
            return true;
        }
        if (HostFrame.spilled(n)) {
            memory.load8(Assembler.RCX);
            memory.storeSpilled(n, Assembler.RCX);
        } else {
            memory.load8(HostFrame.host(n));
        }
        addRsp(8);
        return true;
    }

    boolean leave(int i) {
        if (unit.code[i].opSize != 8) {
            return false;
        }
        memory.access(i, 8, false, false);
        a.lea(Assembler.R15, Assembler.RBP, Assembler.NONE, 0, 8);
        memory.load8(Assembler.RBP);
        return true;
    }

    boolean pushFlags(int i) {
        if (unit.code[i].opSize != 8) {
            return false;
        }
        a.bytes(0x9c, 0x59); // pushfq; pop rcx
        a.pext(Assembler.RCX, Assembler.RCX, HostFrame.ARITHMETIC_MASK);
        a.pdep(Assembler.RCX, Assembler.RCX, HostFrame.ARITHMETIC_MASK);
        a.load(Assembler.R11, Assembler.RSP, HostFrame.FLAGS_REST);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
        for (int flag : new int[] {HostFrame.INTERRUPT_FLAG, HostFrame.DIRECTION_FLAG, HostFrame.ACCESS_FLAG}) {
            a.load(Assembler.R11, Assembler.RSP, flag);
            a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
        }
        pushRcx(i);
        return true;
    }

    private void pushRcx(int i) {
        a.store(Assembler.RSP, HostFrame.CALL_TARGET, Assembler.RCX);
        push8(i);
        memory.sum();
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.CALL_TARGET);
        a.store(Assembler.R11, 0, Assembler.RCX);
        addRsp(-8);
    }
}
