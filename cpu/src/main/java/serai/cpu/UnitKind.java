package serai.cpu;

import serai.machine.engine.Segment;

/**
 * What a unit is made for, as a number: which TLB its accesses use, whether SSE and AVX may be used with all exceptions masked, and the size of the code. Units of different kinds
 * have nothing in common, not even links or entries of jump tables, so none is entered while another kind is due.
 *
 * <p>32-bit code, of protected and of compatibility mode alike, is translated where segmentation does nothing: CS, DS, ES and SS begin at 0 and
 * reach to 4 GiB, data can be read and written, the stack pointer has 32 bits. So all systems have it that use paging; the rest is the
 * interpreter's. FS and GS may begin anywhere, see {@link SegmentTemplates}. That is looked at whenever translated code is left, and what loads
 * a segment register leaves it.
 */
final class UnitKind {
    /** Instead of a kind: code is not translated now. */
    static final int NONE = -1;

    /** SSE instructions are translated. */
    static final int SSE = 4;

    /** And those of AVX. */
    static final int AVX = 8;

    static final int VECTORS = SSE | AVX;

    /** 32-bit code, not 64-bit. */
    static final int CODE_32 = 16;

    /** How many jump tables there are for each size of code: one for each TLB. */
    static final int TABLES = 3;

    private static final int WRITABLE = 2, EXPAND_DOWN = 4, CODE = 8;

    private UnitKind() {}

    /** The number of its TLB: {@link VcpuContext#SUPERVISOR} and the like. */
    static int tlb(int kind) {
        return kind & 3;
    }

    /** The number of its jump table. */
    static int jumpTable(int kind) {
        return tlb(kind) + (is32(kind) ? TABLES : 0);
    }

    /** The kind, without SSE and AVX, whose jump table this is. */
    static int ofJumpTable(int table) {
        return table < TABLES ? table : table - TABLES | CODE_32;
    }

    static boolean is32(int kind) {
        return (kind & CODE_32) != 0;
    }

    /** What a CPU is to run now, or {@link #NONE}. */
    static int of(Cpu cpu) {
        int kind = cpu.tlbTable();
        if (kind >= TABLES || cpu.cpl != 0 && cpu.cpl != 3) {
            return NONE;
        }
        if (cpu.codeSize != 8) {
            if (!flat(cpu)) {
                return NONE;
            }
            kind |= CODE_32;
        }
        boolean sse = (cpu.cr0 & (CpuRegisters.CR0_EM | CpuRegisters.CR0_TS)) == 0
                && (cpu.cr4 & CpuRegisters.CR4_OSFXSR) != 0
                && (cpu.mxcsr & 0x1f80) == 0x1f80;
        return !sse ? kind : VexNodes.enabled(cpu) ? kind | VECTORS : kind | SSE;
    }

    /** Whether segmentation does nothing to 32-bit code. */
    private static boolean flat(Cpu cpu) {
        return cpu.codeSize == 4
                && cpu.stackSize == 4
                && !cpu.paragraphs()
                && cpu.base[CpuRegisters.CS] == 0
                && cpu.limit[CpuRegisters.CS] == -1
                && flatData(cpu, CpuRegisters.SS)
                && flatData(cpu, CpuRegisters.DS)
                && flatData(cpu, CpuRegisters.ES);
    }

    private static boolean flatData(Cpu cpu, int segment) {
        return cpu.base[segment] == 0 && all(cpu, segment);
    }

    /** Whether all 4 GiB of a segment can be read and written as data, wherever it begins (SDM vol. 3, 3.4.5.1). */
    static boolean all(Cpu cpu, int segment) {
        int a = cpu.attributes[segment];
        return cpu.limit[segment] == -1 && (a & (Segment.UNUSABLE | CODE | EXPAND_DOWN | WRITABLE)) == WRITABLE;
    }
}
