package serai.cpu;

import serai.machine.memory.GuestMemory;

/**
 * Repeated string instructions, as routines that units call: a part that lies within a page on each side is the host's own instruction
 * on host addresses, and so on to the end, without an exit. Each part leaves the guest's registers as so many iterations do.
 *
 * <p>A routine is written when a unit first asks for it. It is called with guest state as between two instructions, and returns it so, with RCX zero
 * if the instruction is through; if not, it is to be begun again by the interpreter: something is to be done first, or an element lies where the TLB has
 * nothing, or in two pages.
 */
final class StringRoutines {
    /** Bytes of all of them at most. */
    static final int SIZE = 80 * 1024;

    private static final int OPERATIONS = 4, REPEATS = 2, SIZES = 4, TABLES = 2 * UnitKind.TABLES;
    private static final int PAGE = GuestMemory.PAGE_SIZE;
    private static final int ABOVE = 7, EQUAL = 4, NOT_EQUAL = 5;
    /** ZF in the second byte of the frame's flags. */
    private static final int ZF = 0x40;

    /** What is repeated; {@code opcode} is that of bytes. */
    enum Operation {
        MOVS(0xa4, true, true),
        STOS(0xaa, false, true),
        CMPS(0xa6, true, false),
        SCAS(0xae, false, false);

        private final int opcode;
        private final boolean source;
        private final boolean writes;

        Operation(int opcode, boolean source, boolean writes) {
            this.opcode = opcode;
            this.source = source;
            this.writes = writes;
        }
    }

    private final Assembler a;
    private final long[] routines = new long[OPERATIONS * REPEATS * SIZES * TABLES];
    private final long[] toDone = new long[8];
    private final long[] toRefused = new long[8];
    private int done;
    private int refused;
    /** Whether addresses and counts have 64 bits, not 32. */
    private boolean wide;

    /** Routines from where {@code a} stands. */
    StringRoutines(Assembler a) {
        this.a = a;
    }

    /**
     * A routine, as {@link Assembler#call} takes it.
     *
     * @param whileEqual REPE; of no meaning but to CMPS and SCAS
     * @param shift logarithm of an element's bytes
     * @param kind of the units that call it
     */
    long get(Operation operation, boolean whileEqual, int shift, int kind) {
        boolean compares = !operation.writes;
        int repeat = compares && !whileEqual ? 1 : 0;
        int key = ((operation.ordinal() * REPEATS + repeat) * SIZES + shift) * TABLES + UnitKind.jumpTable(kind);
        if (routines[key] == 0) {
            a.align(16);
            routines[key] = a.at();
            wide = !UnitKind.is32(kind);
            write(operation, repeat == 1 ? 0xf2 : 0xf3, shift, UnitKind.tlb(kind));
        }
        return routines[key];
    }

    private void write(Operation operation, int repeat, int shift, int table) {
        done = 0;
        refused = 0;
        a.byte1(0x59); // pop rcx
        a.store(Assembler.RSP, HostFrame.RETURN, Assembler.RCX);
        saveFlags(Assembler.RCX);
        a.load(Assembler.RCX, Assembler.RSP, HostFrame.DIRECTION_FLAG);
        a.op(0, true, 0, 0x85, Assembler.RCX, Assembler.RCX); // test
        long downwards = a.jump(NOT_EQUAL);
        parts(operation, repeat, shift, table, true);
        a.patch(downwards, a.at());
        parts(operation, repeat, shift, table, false);
        for (int i = 0; i < done; i++) {
            a.patch(toDone[i], a.at());
        }
        leave(0);
        for (int i = 0; i < refused; i++) {
            a.patch(toRefused[i], a.at());
        }
        leave(1);
    }

    private void saveFlags(int scratch) {
        a.move(scratch, Assembler.RAX);
        a.bytes(0x9f, 0x0f, 0x90, 0xc0); // lahf; seto al
        a.store(Assembler.RSP, HostFrame.FLAGS, Assembler.RAX);
        a.move(Assembler.RAX, scratch);
    }

    private void leave(int result) {
        a.move(Assembler.RCX, Assembler.RAX);
        a.load(Assembler.RAX, Assembler.RSP, HostFrame.FLAGS);
        a.bytes(0x04, 0x7f, 0x9e); // add al, 127; sahf: OF is AL's
        a.move(Assembler.RAX, Assembler.RCX);
        moveToRcx(result);
        a.mem(0, false, 0, 0xff, 4, Assembler.RSP, Assembler.NONE, 0, HostFrame.RETURN);
    }

    private void moveToRcx(int value) {
        a.byte1(0xb9);
        a.int4(value);
    }

    private void refusedIf(int condition) {
        toRefused[refused++] = a.jump(condition);
    }

    private void doneIf(int condition) {
        toDone[done++] = a.jump(condition);
    }

    /** Part by part, in one direction. Host flags are free from here on. */
    private void parts(Operation operation, int repeat, int shift, int table, boolean up) {
        long loop = a.at();
        testCount();
        doneIf(EQUAL);
        if (operation.source) {
            side(Assembler.RSI, VcpuContext.READ_TLB, shift, table, up, HostFrame.STRING_SOURCE);
            a.store(Assembler.RSP, HostFrame.STRING_LIMIT, Assembler.RCX);
        }
        int tlb = operation.writes ? VcpuContext.WRITE_TLB : VcpuContext.READ_TLB;
        side(Assembler.RDI, tlb, shift, table, up, HostFrame.STRING_TARGET);
        if (operation.source) {
            // cmp rcx, [limit]; cmova rcx, [limit]
            a.mem(0, true, 0, 0x3b, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.STRING_LIMIT);
            a.mem(0, true, 1, 0x47, Assembler.RCX, Assembler.RSP, Assembler.NONE, 0, HostFrame.STRING_LIMIT);
        }
        a.op(0, wide, 0, 0x3b, Assembler.R10, Assembler.RCX); // cmp r10, rcx
        a.op(0, wide, 1, 0x42, Assembler.RCX, Assembler.R10); // cmovb rcx, r10
        a.store(Assembler.RSP, HostFrame.STRING_COUNT, Assembler.RCX);
        if (operation.source) {
            a.store(Assembler.RSP, HostFrame.STRING_RSI, Assembler.RSI);
            a.load(Assembler.RSI, Assembler.RSP, HostFrame.STRING_SOURCE);
        }
        a.store(Assembler.RSP, HostFrame.STRING_RDI, Assembler.RDI);
        a.load(Assembler.RDI, Assembler.RSP, HostFrame.STRING_TARGET);
        if (!up) {
            a.byte1(0xfd); // std
        }
        repeated(operation, repeat, shift);
        if (!up) {
            a.byte1(0xfc); // cld
        }
        if (operation.writes) {
            a.load(Assembler.R11, Assembler.RSP, HostFrame.STRING_COUNT);
        } else {
            saveFlags(Assembler.R11);
            a.load(Assembler.R11, Assembler.RSP, HostFrame.STRING_COUNT);
            a.op(0, true, 0, 0x2b, Assembler.R11, Assembler.RCX); // sub: so many were looked at
        }
        a.op(0, wide, 0, 0x2b, Assembler.R10, Assembler.R11); // sub
        if (!up) {
            a.op(0, true, 0, 0xf7, 3, Assembler.R11); // neg
        }
        if (operation.source) {
            a.load(Assembler.RSI, Assembler.RSP, HostFrame.STRING_RSI);
            a.mem(0, wide, 0, 0x8d, Assembler.RSI, Assembler.RSI, Assembler.R11, shift, 0); // lea
        }
        a.load(Assembler.RDI, Assembler.RSP, HostFrame.STRING_RDI);
        a.mem(0, wide, 0, 0x8d, Assembler.RDI, Assembler.RDI, Assembler.R11, shift, 0); // lea
        if (!operation.writes) {
            a.mem(0, false, 0, 0xf6, 0, Assembler.RSP, Assembler.NONE, 0, HostFrame.FLAGS + 1); // test
            a.byte1(ZF);
            doneIf(repeat == 0xf2 ? NOT_EQUAL : EQUAL);
        }
        a.mem(0, false, 0, 0x83, 7, Assembler.RSP, Assembler.NONE, 0, HostFrame.RUN); // cmp
        a.byte1(0);
        a.patch(a.jump(NOT_EQUAL), loop);
        testCount();
        doneIf(EQUAL);
        toRefused[refused++] = a.jump();
    }

    private void testCount() {
        a.op(0, wide, 0, 0x85, Assembler.R10, Assembler.R10);
    }

    /** Looks up the element at a pointer: its host address to the frame, and how many there are from it to the page's end to RCX. */
    private void side(int pointer, int tables, int shift, int table, boolean up, int hostAddress) {
        int tlb = tables + table * VcpuContext.TLB_TABLE;
        a.move(wide, Assembler.R11, pointer);
        MemoryTemplates.compare(a, tlb, 1 << shift);
        refusedIf(ABOVE);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 0, tlb + VcpuContext.TLB_HOST);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
        a.store(Assembler.RSP, hostAddress, Assembler.RCX);
        if (up) {
            moveToRcx(PAGE);
            a.op(0, false, 0, 0x2b, Assembler.RCX, Assembler.R11); // sub
        } else {
            a.lea(Assembler.RCX, Assembler.R11, Assembler.NONE, 0, 1 << shift);
        }
        if (shift != 0) {
            a.op(0, false, 0, 0xc1, 5, Assembler.RCX); // shr
            a.byte1(shift);
        }
    }

    private void repeated(Operation operation, int repeat, int shift) {
        if (shift == 1) {
            a.byte1(0x66);
        }
        a.byte1(repeat);
        if (shift == 3) {
            a.byte1(0x48);
        }
        a.byte1(operation.opcode | (shift == 0 ? 0 : 1));
    }
}
