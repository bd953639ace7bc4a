package serai.cpu;

/**
 * Looks at the TLB as routines, where they are rare and their size matters more than their speed. A routine is written when a unit first asks for it.
 *
 * <p>It is called with a linear address in R11, and returns the host's in RCX, or zero if the TLB has not got all bytes. It changes nothing else, flags included.
 */
final class LookRoutines {
    /** Bytes of all of them at most. */
    static final int SIZE = 4096;

    private static final int TABLES = 3, SIZES = 33;
    /** A routine's RSP is that of a unit, less the return address. */
    private static final int RETURN = 8;

    private final Assembler a;
    private final long[] routines = new long[2 * TABLES * SIZES];

    /** Routines from where {@code a} stands. */
    LookRoutines(Assembler a) {
        this.a = a;
    }

    /**
     * A routine, as {@link Assembler#call} takes it.
     *
     * @param table which TLB it uses
     * @param size 1 to 32 bytes
     */
    long get(int table, boolean write, int size) {
        int key = (table * 2 + (write ? 1 : 0)) * SIZES + size;
        if (routines[key] == 0) {
            a.align(16);
            routines[key] = a.at();
            write((write ? VcpuContext.WRITE_TLB : VcpuContext.READ_TLB) + table * VcpuContext.TLB_TABLE, size);
        }
        return routines[key];
    }

    private void write(int tlb, int size) {
        a.pext(Assembler.RCX, Assembler.R11, RETURN + HostFrame.INDEX_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 3, RETURN + tlb);
        a.lea(Assembler.RCX, Assembler.R11, Assembler.RCX, 0, size - 1);
        a.pext(Assembler.RCX, Assembler.RCX, RETURN + HostFrame.PAGE_MASK);
        long hit = a.jrcxz();
        a.byte1(0xb9); // mov ecx, 0
        a.int4(0);
        a.byte1(0xc3);
        a.here(hit);
        a.pext(Assembler.RCX, Assembler.R11, RETURN + HostFrame.INDEX_MASK);
        a.load(Assembler.RCX, Assembler.RSP, Assembler.RCX, 3, RETURN + tlb + VcpuContext.TLB_DELTA);
        a.lea(Assembler.RCX, Assembler.RCX, Assembler.R11, 0, 0);
        a.byte1(0xc3);
    }
}
