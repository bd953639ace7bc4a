package serai.cpu;

import serai.cpu.Decoded.Kind;

/** Jumps, calls and returns. */
final class TransferTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;
    private final MemoryTemplates memory;
    private final StackTemplates stack;
    private final FlagTemplates flags;

    TransferTemplates(
            Assembler a,
            TranslationUnit unit,
            UnitFlow flow,
            MemoryTemplates memory,
            StackTemplates stack,
            FlagTemplates flags) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
        this.memory = memory;
        this.stack = stack;
        this.flags = flags;
    }

    /** Pushes the return address to where was found. */
    private void pushReturn(int i) {
        memory.sum();
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.CODE_BASE);
        a.lea(unit.wide(), Assembler.RCX, Assembler.RCX, unit.place[i] + unit.code[i].length);
        a.mem(0, unit.wide(), 0, 0x89, Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 0);
        stack.pushed();
    }

    boolean call(int i) {
        memory.access(i, unit.size(), true, false);
        pushReturn(i);
        flags.restore(i);
        return flow.jump(UnitFlow.JMP, (int) unit.target(i));
    }

    /** Whether a direct jump's target has an address of full size, and its distance from the page's start is a number of 32 bits. */
    boolean near(int i) {
        return unit.code[i].opSize == unit.size() && unit.target(i) == (int) unit.target(i);
    }

    /** The operand of an indirect jump or call into R11. */
    private boolean indirectTarget(int i) {
        Decoded d = unit.code[i];
        if (d.opSize != unit.size()) {
            return false;
        }
        if (d.isMem(0)) {
            return memory.loadWord(i, Assembler.R11);
        } else if (HostFrame.spilled(d.operand[0])) {
            memory.loadSpilled(Assembler.R11, d.operand[0]);
        } else {
            a.move(unit.wide(), Assembler.R11, HostFrame.host(d.operand[0]));
        }
        return true;
    }

    boolean jumpIndirect(int i) {
        if (!indirectTarget(i)) {
            return false;
        }
        flags.restore(i);
        flow.transfer(i, UnitFlow.TRANSFER_JUMP, 0);
        return true;
    }

    boolean callIndirect(int i) {
        if (!indirectTarget(i)) {
            return false;
        }
        if (unit.wide()) {
            onlyCanonical(i);
        }
        a.store(Assembler.RSP, HostFrame.CALL_TARGET, Assembler.R11);
        stack.room(i);
        pushReturn(i);
        a.load(Assembler.R11, Assembler.RSP, HostFrame.CALL_TARGET);
        flags.restore(i);
        flow.lookup();
        return true;
    }

    boolean ret(int i) {
        Decoded d = unit.code[i];
        if (d.opSize != unit.size()) {
            return false;
        }
        int released = d.kind[0] == Kind.IMM ? (int) d.immediate & 0xffff : 0;
        memory.access(i, unit.size(), false, false);
        memory.loadWord(Assembler.R11);
        stack.addRsp(unit.size() + released);
        flags.restore(i);
        flow.transfer(i, UnitFlow.TRANSFER_RETURN, released);
        return true;
    }

    /**
     * Leaves a call to an address in R11 that is not canonical to the interpreter: it is to fault (SDM vol. 2, CALL) before it has written the
     * return address, perhaps over the operand that has the target.
     */
    private void onlyCanonical(int i) {
        a.byte1(0xb9);
        a.int4(47);
        a.sarx(true, Assembler.RCX, Assembler.R11, Assembler.RCX);
        long lower = a.jrcxz();
        a.not(Assembler.RCX);
        long upper = a.jrcxz();
        flow.interpretUnless(i);
        a.here(lower);
        a.here(upper);
    }
}
