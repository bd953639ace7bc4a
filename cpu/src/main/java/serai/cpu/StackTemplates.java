package serai.cpu;

import serai.cpu.Decoded.Kind;

/** PUSH, POP, LEAVE and PUSHF of as many bytes as the stack's address has. */
final class StackTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final MemoryTemplates memory;

    StackTemplates(Assembler a, TranslationUnit unit, MemoryTemplates memory) {
        this.a = a;
        this.unit = unit;
        this.memory = memory;
    }

    /** Finds the place of what an instruction pushes besides what its memory operand is; {@link #pushed} follows. */
    void room(int i) {
        a.lea(unit.wide(), Assembler.R11, Assembler.R15, -unit.size());
        memory.probe(i, unit.size(), true, false);
    }

    /** A word has been pushed. */
    void pushed() {
        addRsp(-unit.size());
    }

    void addRsp(int n) {
        a.lea(unit.wide(), Assembler.R15, Assembler.R15, n);
    }

    boolean push(int i) {
        Decoded d = unit.code[i];
        if (d.opSize != unit.size()) {
            return false;
        }
        if (d.isMem(0)) {
            if (!memory.loadWord(i, Assembler.RCX)) {
                return false;
            }
            pushRcx(i);
            return true;
        }
        memory.access(i, unit.size(), true, false);
        if (d.kind[0] == Kind.IMM) {
            memory.operand(0, unit.wide(), 0, 0xc7, 0, false);
            a.int4((int) d.immediate);
        } else if (HostFrame.spilled(d.operand[0])) {
            memory.sum();
            memory.loadSpilled(Assembler.RCX, d.operand[0]);
            a.store(Assembler.R11, 0, Assembler.RCX);
        } else {
            memory.storeWord(HostFrame.host(d.operand[0]));
        }
        pushed();
        return true;
    }

    boolean pop(int i) {
        Decoded d = unit.code[i];
        if (d.opSize != unit.size() || d.isMem(0)) {
            return false;
        }
        int n = d.operand[0];
        memory.access(i, unit.size(), false, false);
        if (n == CpuRegisters.RSP) {
            memory.loadWord(Assembler.R15);
            return true;
        }
        if (HostFrame.spilled(n)) {
            memory.loadWord(Assembler.RCX);
            memory.storeSpilled(n, Assembler.RCX);
        } else {
            memory.loadWord(HostFrame.host(n));
        }
        addRsp(unit.size());
        return true;
    }

    boolean leave(int i) {
        if (unit.code[i].opSize != unit.size()) {
            return false;
        }
        memory.access(i, unit.size(), false, false);
        a.lea(unit.wide(), Assembler.R15, Assembler.RBP, unit.size());
        memory.loadWord(Assembler.RBP);
        return true;
    }

    boolean pushFlags(int i) {
        if (unit.code[i].opSize != unit.size()) {
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
        room(i);
        memory.sum();
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.CALL_TARGET);
        a.mem(0, unit.wide(), 0, 0x89, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
        pushed();
    }
}
