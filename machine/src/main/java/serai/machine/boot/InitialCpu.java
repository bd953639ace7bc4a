package serai.machine.boot;

import serai.machine.engine.CpuState;
import serai.machine.engine.Msr;
import serai.machine.engine.Segment;
import serai.machine.memory.GuestMemory;

/** The register state in which protocols start the boot CPU, and the tables in RAM that go with it. */
final class InitialCpu {
    private static final int RCX = 1, RBX = 3, RSI = 6;
    private static final int SELECTOR_CODE = 0x10;
    private static final int SELECTOR_DATA = 0x18;
    /** Read/execute, accessed; read/write, accessed; busy TSS (SDM vol. 3, tables 3-1 and 3-2). */
    private static final int TYPE_CODE = 0xb, TYPE_DATA = 0x3, TYPE_TSS = 0xb;

    private static final int CODE_32 = TYPE_CODE | Segment.S | Segment.P | Segment.DB | Segment.G;
    private static final int CODE_64 = TYPE_CODE | Segment.S | Segment.P | Segment.L | Segment.G;

    private static final long CR0_PE = 1, CR0_ET = 1 << 4, CR0_NE = 1 << 5, CR0_WP = 1 << 16, CR0_PG = 1L << 31;
    private static final long CR4_PAE = 1 << 5;
    private static final long EFER_LME = 1 << 8, EFER_LMA = 1 << 10;
    /** The PAT after reset (SDM vol. 3, 12.12.4). */
    private static final long PAT_RESET = 0x0007040600070406L;

    private InitialCpu() {}

    /** Long mode, 4 GiB mapped one to one, RSI pointing to boot_params (boot.rst, "64-bit Boot Protocol"). */
    static CpuState linux64(GuestMemory memory, long entry, long bootParams) {
        gdt(memory, 0x00af9b000000ffffL);
        long pml4 = BootLayout.PAGE_TABLES;
        long pdpt = pml4 + 4096;
        memory.zero(pml4, 6 * 4096);
        memory.writeLong(pml4, pdpt | 3);
        for (int i = 0; i < 4; i++) {
            long pd = pdpt + 4096 + i * 4096L;
            memory.writeLong(pdpt + i * 8L, pd | 3);
            for (int j = 0; j < 512; j++) {
                memory.writeLong(pd + j * 8L, ((long) i << 30 | (long) j << 21) | 0x83); // present, writable, 2 MiB
            }
        }
        long[] gpr = new long[16];
        gpr[RSI] = bootParams;
        return flat(
                gpr,
                entry,
                CODE_64,
                BootLayout.GDT,
                new long[] {CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE, 0, pml4, CR4_PAE, 0},
                EFER_LME | EFER_LMA);
    }

    /** 32-bit protected mode, flat segments, no paging: PVH (EBX) and multiboot (EAX and EBX). */
    static CpuState flat32(GuestMemory memory, long entry, long eax, long ebx) {
        gdt(memory, 0x00cf9b000000ffffL);
        long[] gpr = new long[16];
        gpr[0] = eax;
        gpr[RBX] = ebx;
        gpr[RCX] = 0;
        return flat(gpr, entry, CODE_32, BootLayout.GDT, new long[] {CR0_ET | CR0_PE, 0, 0, 0, 0}, 0);
    }

    /** Real mode as after reset, but for where it begins. */
    static CpuState real(int selector, int ip) {
        Segment cs = new Segment(selector, (long) selector << 4, 0xffff, TYPE_CODE | Segment.S | Segment.P);
        Segment data = new Segment(0, 0, 0xffff, TYPE_DATA | Segment.S | Segment.P);
        return state(new long[16], ip, cs, data, 0, 0xffff, 0x3ff, new long[] {CR0_ET, 0, 0, 0, 0}, 0);
    }

    /** {@link #flat32} with descriptors in the segment registers alone: RAM is the guest's. */
    static CpuState wake32(long entry) {
        return flat(new long[16], entry, CODE_32, 0, new long[] {CR0_ET | CR0_PE, 0, 0, 0, 0}, 0);
    }

    /**
     * Long mode, descriptors in the segment registers alone.
     *
     * @param entry below 2^47; the gibibyte it is in is mapped one to one
     * @param tables three pages
     */
    static CpuState wake64(GuestMemory memory, long entry, long tables) {
        long pdpt = tables + 4096;
        long pd = tables + 2 * 4096;
        memory.zero(tables, 3 * 4096);
        memory.writeLong(tables + (entry >>> 39 & 511) * 8, pdpt | 3);
        memory.writeLong(pdpt + (entry >>> 30 & 511) * 8, pd | 3);
        for (int j = 0; j < 512; j++) {
            memory.writeLong(pd + j * 8L, entry >>> 30 << 30 | (long) j << 21 | 0x83);
        }
        long[] cr = {CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE, 0, tables, CR4_PAE, 0};
        return flat(new long[16], entry, CODE_64, 0, cr, EFER_LME | EFER_LMA);
    }

    private static void gdt(GuestMemory memory, long code) {
        memory.zero(BootLayout.GDT, 32);
        memory.writeLong(BootLayout.GDT + SELECTOR_CODE, code);
        memory.writeLong(BootLayout.GDT + SELECTOR_DATA, 0x00cf93000000ffffL);
    }

    /** Flat segments; {@code gdt} is where a table has them, or 0 if none has. */
    private static CpuState flat(long[] gpr, long entry, int code, long gdt, long[] cr, long efer) {
        Segment cs = new Segment(SELECTOR_CODE, 0, -1, code);
        Segment data = new Segment(SELECTOR_DATA, 0, -1, TYPE_DATA | Segment.S | Segment.P | Segment.DB | Segment.G);
        return state(gpr, entry, cs, data, gdt, gdt == 0 ? 0 : 31, 0, cr, efer);
    }

    private static CpuState state(
            long[] gpr,
            long entry,
            Segment cs,
            Segment data,
            long gdtBase,
            int gdtLimit,
            int idtLimit,
            long[] cr,
            long efer) {
        Segment ldtr = new Segment(0, 0, 0, 2 | Segment.UNUSABLE);
        Segment tr = new Segment(0, 0, 0x67, TYPE_TSS | Segment.P);
        byte[] xsave = new byte[CpuState.XSAVE_SIZE];
        Le.put16(xsave, 0, 0x37f); // FCW as FNINIT sets it
        Le.put32(xsave, 24, 0x1f80); // MXCSR after reset
        Le.put64(xsave, 512, 3); // XSTATE_BV: x87 and SSE are present
        int[] saved = Msr.saved();
        long[] msrs = new long[saved.length * 2];
        for (int i = 0; i < saved.length; i++) {
            msrs[i * 2] = saved[i] & 0xffffffffL;
            msrs[i * 2 + 1] = switch (saved[i]) {
                case Msr.EFER -> efer;
                case Msr.PAT -> PAT_RESET;
                case Msr.MISC_ENABLE -> 1; // fast strings
                case Msr.MTRR_DEF_TYPE -> Msr.MTRR_DEF_TYPE_WB;
                default -> 0;
            };
        }
        return new CpuState(
                CpuState.VERSION,
                gpr,
                entry,
                2,
                new Segment[] {data, cs, data, data, data, data, ldtr, tr},
                gdtBase,
                gdtLimit,
                0,
                idtLimit,
                cr,
                new long[] {0, 0, 0, 0, 0xffff0ff0L, 0x400},
                1,
                xsave,
                msrs,
                0,
                new byte[0],
                CpuState.Events.NONE,
                0x30000,
                0);
    }
}
