package serai.cpu;

/** String instructions. */
final class StringTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;
    private final MemoryTemplates memory;

    StringTemplates(Assembler a, TranslationUnit unit, UnitFlow flow, MemoryTemplates memory) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
        this.memory = memory;
    }

    /** REP STOS and REP MOVS upwards within a page: the rest, and all that is not repeated, is the interpreter's. */
    boolean string(int i) {
        Decoded d = unit.code[i];
        if (d.rep == Decoded.NO_REP || d.addrSize != 8 || d.segment >= CpuRegisters.FS) {
            return false;
        }
        boolean move = d.row.mnemonic().equals("MOVS");
        int size = (d.opcode & 1) == 0 ? 1 : d.opSize;
        int shift = Integer.numberOfTrailingZeros(size);
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.DIRECTION_FLAG);
        long upwards = a.jrcxz();
        long downwards = a.jump();
        a.here(upwards);
        a.pext(
                Assembler.RCX,
                Assembler.R10,
                HostFrame.PAGE_MASK); // few enough for a page, so that no product overflows
        long few = a.jrcxz();
        a.patch(downwards, a.at());
        flow.interpretUnless(i);
        a.here(few);
        if (move) {
            a.move(Assembler.R11, Assembler.RSI);
            memory.probeRepeated(i, false, shift);
            memory.sum();
            a.store(Assembler.RSP, HostFrame.STRING_SOURCE, Assembler.R11);
        }
        a.move(Assembler.R11, Assembler.RDI);
        memory.probeRepeated(i, true, shift);
        memory.sum();
        if (move) {
            a.lea(Assembler.RCX, Assembler.RSI, Assembler.R10, shift, 0);
            a.store(Assembler.RSP, HostFrame.STRING_RSI, Assembler.RCX);
            a.load(Assembler.RSI, Assembler.RSP, HostFrame.STRING_SOURCE);
        }
        a.lea(Assembler.RCX, Assembler.RDI, Assembler.R10, shift, 0);
        a.store(Assembler.RSP, HostFrame.STRING_RDI, Assembler.RCX);
        a.move(Assembler.RDI, Assembler.R11);
        a.move(Assembler.RCX, Assembler.R10);
        if (size == 2) {
            a.byte1(0x66);
        }
        a.byte1(0xf3);
        if (size == 8) {
            a.byte1(0x48);
        }
        a.byte1(d.opcode);
        a.move(Assembler.R10, Assembler.RCX);
        a.load(Assembler.RDI, Assembler.RSP, HostFrame.STRING_RDI);
        if (move) {
            a.load(Assembler.RSI, Assembler.RSP, HostFrame.STRING_RSI);
        }
        return true;
    }
}
