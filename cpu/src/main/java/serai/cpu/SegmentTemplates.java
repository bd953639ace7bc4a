package serai.cpu;

/**
 * Accesses of 32-bit code through FS and GS, where systems keep what belongs to a thread or a processor. Their segments may begin anywhere. Whether all
 * 4 GiB of one can be used is told by the mask {@link HostFrame#FS_OUTSIDE}, or GS_OUTSIDE: what the offset of an operand's last byte has of it lies
 * outside. Offsets near 4 GiB are frequent, for the variables of threads lie below the segment's base.
 */
final class SegmentTemplates {
    /** The mask of a segment of which 4 GiB can be read and written. */
    static final long ABOVE_4_GIB = -1L << 32;
    /** That of any other: the interpreter looks closer. Offsets are never looked at where that would find nothing, see {@link #linear}. */
    static final long EVERYTHING = -1;

    private final Assembler a;
    private final TranslationUnit unit;
    private final UnitFlow flow;

    SegmentTemplates(Assembler a, TranslationUnit unit, UnitFlow flow) {
        this.a = a;
        this.unit = unit;
        this.flow = flow;
    }

    /** From the offset of the memory operand, in R11, to its linear address, or out to the interpreter; false if that is the interpreter's affair. */
    boolean linear(int i) {
        Decoded d = unit.code[i];
        int size = 0;
        for (int o = 0; o < d.kind.length; o++) {
            size = d.isMem(o) ? d.size[o] : size;
        }
        if (size == 0) {
            return false;
        }
        boolean fs = d.segment == CpuRegisters.FS;
        // of a single byte the one behind it, so that it is never zero what is looked at
        a.lea(true, Assembler.RCX, Assembler.R11, Math.max(size - 1, 1));
        a.pext(Assembler.RCX, Assembler.RCX, fs ? HostFrame.FS_OUTSIDE : HostFrame.GS_OUTSIDE);
        long inside = a.jrcxz();
        flow.interpretUnless(i);
        a.here(inside);
        a.load(Assembler.RCX, Assembler.RSP, fs ? HostFrame.FS_BASE : HostFrame.GS_BASE);
        a.mem(0, false, 0, 0x8d, Assembler.R11, Assembler.R11, Assembler.RCX, 0, 0);
        return true;
    }
}
