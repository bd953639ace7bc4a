package serai.cpu;

/** The interrupt flag, and segment registers read. */
final class SystemTemplates {
    private final Assembler a;
    private final UnitFlow flow;

    SystemTemplates(Assembler a, UnitFlow flow) {
        this.a = a;
        this.flow = flow;
    }

    /** CLI, or STI as long as no interrupt waits for it: with none, its shadow over the next instruction makes no difference. */
    boolean interruptFlag(int i, int value) {
        if (value != 0) {
            a.mem(0, false, 0, 0x8b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.QUIET);
            long waits = a.jrcxz();
            long over = a.jump();
            a.here(waits);
            flow.interpretUnless(i);
            a.patch(over, a.at());
        }
        a.mem(0, true, 0, 0xc7, 0, Assembler.RSP, Assembler.NONE, 0, HostFrame.INTERRUPT_FLAG);
        a.int4(value);
        return true;
    }

    boolean storeSegment(Decoded d) {
        if (!d.isReg(0) || d.size[0] == 2 || HostFrame.spilled(d.operand[0])) {
            return false;
        }
        a.mem(
                0,
                false,
                1,
                0xb7,
                HostFrame.host(d.operand[0]),
                Assembler.RSP,
                Assembler.NONE,
                0,
                HostFrame.SELECTORS + 2 * d.operand[1]);
        return true;
    }
}
