package serai.cpu;

import serai.cpu.StringRoutines.Operation;

/** String instructions. */
final class StringTemplates {
    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;
    private final MemoryTemplates memory;
    private final StringRoutines routines;
    private int kind;

    StringTemplates(Assembler a, TranslationUnit unit, UnitFlow flow, MemoryTemplates memory, StringRoutines routines) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
        this.memory = memory;
        this.routines = routines;
    }

    /**
     * Begins a unit.
     *
     * @param newKind its {@link UnitKind}
     */
    void begin(int newKind) {
        kind = newKind;
    }

    /** MOVS, STOS, LODS, CMPS, SCAS with addresses of the code's size and in flat segments; REP LODS is the interpreter's. */
    boolean string(int i) {
        Decoded d = unit.code[i];
        boolean code = !unit.wide() && d.segment == CpuRegisters.CS;
        if (d.addrSize != unit.size() || code || d.segment >= CpuRegisters.FS) {
            return false;
        }
        String m = d.row.mnemonic();
        int size = (d.opcode & 1) == 0 ? 1 : d.opSize;
        if (d.rep == Decoded.NO_REP) {
            switch (m) {
                case "MOVS" -> move(i, size);
                case "STOS" -> store(i, size);
                case "LODS" -> load(i, size);
                case "CMPS" -> compare(i, size);
                default -> scan(i, size);
            }
            return true;
        }
        if (m.equals("LODS")) {
            return false;
        }
        a.call(routines.get(Operation.valueOf(m), d.rep == 0xf3, Integer.numberOfTrailingZeros(size), kind));
        long through = a.jrcxz();
        flow.interpretUnless(i);
        a.here(through);
        return true;
    }

    private void read(int i, int pointer, int size) {
        a.move(unit.wide(), Assembler.R11, pointer);
        memory.probe(i, size, false, false);
    }

    /** An instruction on {@code size} bytes of a register and memory at {@code [base + index]}; {@code opcode} is that of bytes. */
    private void operate(int opcode, int size, int reg, int base, int index) {
        a.mem(size == 2 ? 0x66 : 0, size == 8, 0, size == 1 ? opcode : opcode | 1, reg, base, index, 0, 0);
    }

    private void move(int i, int size) {
        read(i, Assembler.RSI, size);
        operate(0x8a, size, Assembler.RCX, Assembler.RCX, Assembler.R11);
        a.store(Assembler.RSP, HostFrame.STRING_SOURCE, Assembler.RCX);
        a.move(unit.wide(), Assembler.R11, Assembler.RDI);
        memory.probe(i, size, true, false);
        memory.sum();
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.STRING_SOURCE);
        operate(0x88, size, Assembler.RCX, Assembler.R11, Assembler.NONE);
        advance(true, true, size);
    }

    private void store(int i, int size) {
        a.move(unit.wide(), Assembler.R11, Assembler.RDI);
        memory.probe(i, size, true, false);
        operate(0x88, size, Assembler.RAX, Assembler.RCX, Assembler.R11);
        advance(false, true, size);
    }

    private void load(int i, int size) {
        read(i, Assembler.RSI, size);
        operate(0x8a, size, Assembler.RAX, Assembler.RCX, Assembler.R11);
        advance(true, false, size);
    }

    private void compare(int i, int size) {
        read(i, Assembler.RSI, size);
        operate(0x8a, size, Assembler.RCX, Assembler.RCX, Assembler.R11);
        a.store(Assembler.RSP, HostFrame.STRING_SOURCE, Assembler.RCX);
        read(i, Assembler.RDI, size);
        memory.sum();
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.STRING_SOURCE);
        operate(0x3a, size, Assembler.RCX, Assembler.R11, Assembler.NONE);
        advance(true, true, size);
    }

    private void scan(int i, int size) {
        read(i, Assembler.RDI, size);
        operate(0x3a, size, Assembler.RAX, Assembler.RCX, Assembler.R11);
        advance(false, true, size);
    }

    /** RSI and RDI an element further, as DF says; touches no flag. */
    private void advance(boolean source, boolean target, int size) {
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.DIRECTION_FLAG);
        long up = a.jrcxz();
        add(source, target, -2 * size);
        a.here(up);
        add(source, target, size);
    }

    private void add(boolean source, boolean target, int n) {
        if (source) {
            a.lea(unit.wide(), Assembler.RSI, Assembler.RSI, n);
        }
        if (target) {
            a.lea(unit.wide(), Assembler.RDI, Assembler.RDI, n);
        }
    }
}
