package serai.cpu;

import java.nio.ByteBuffer;
import java.util.List;

/**
 * The descriptors that both sides have: the GDT of 64-bit Linux, as far as ring 3 can tell, and an LDT of segments of
 * every kind that {@code modify_ldt} grants.
 */
final class OracleSegments {
    /** Selectors of Linux's GDT. */
    static final int USER_CS32 = 0x23,
            USER_DS = 0x2b,
            USER_CS = 0x33,
            KERNEL_CS32 = 0x08,
            KERNEL_CS = 0x10,
            TSS = 0x40,
            LDT = 0x50;

    /** Linux's descriptor for getcpu: its limit tells the processor, so it is no case for a comparison. */
    static final int PER_CPU = 0x78;

    /** Contents of a segment, as struct user_desc names them. */
    private static final int DATA = 0, EXPAND_DOWN = 1, CODE = 2;

    /**
     * An entry of the LDT.
     *
     * @param base linear
     * @param limit as the descriptor has it
     * @param big 32-bit code, or a 32-bit stack and upper bound
     * @param contents {@link #DATA}, {@link #EXPAND_DOWN} or {@link #CODE}
     * @param restricted data can't be written, or code can't be read
     * @param pages the limit counts pages
     * @param present whether it is there
     */
    record Entry(long base, int limit, boolean big, int contents, boolean restricted, boolean pages, boolean present) {
        long descriptor() {
            if (limit == 0) {
                return 0; // as modify_ldt does with one that is empty in each field
            }
            long type = 1 | (restricted ? 0 : 2) | contents << 2;
            return limit & 0xffff
                    | (base & 0xffffff) << 16
                    | (type | 0x70 | (present ? 0x80 : 0)) << 40
                    | (long) (limit >>> 16 & 15) << 48
                    | (big ? 1L << 54 : 0)
                    | (pages ? 1L << 55 : 0)
                    | (base >>> 24 & 0xff) << 56;
        }

        private int flags() {
            return (big ? 1 : 0)
                    | contents << 1
                    | (restricted ? 1 << 3 : 0)
                    | (pages ? 1 << 4 : 0)
                    | (present ? 0 : 1 << 5);
        }
    }

    static final int FLAT_CODE32 = 7, CODE16 = 15, TIGHT_CODE32 = 23, EXECUTE_ONLY = 31;
    static final int DATA_LIMITED = 39, WINDOW_ONLY = 47, DOWN32 = 55, DOWN16 = 63, READ_ONLY = 71, STACK16 = 79;
    static final int ABSENT_DATA = 87, ABSENT_CODE = 95, EMPTY = 103, FLAT_DATA = 111, STACK16_DOWN = 119;
    /** All 4 GiB from somewhere on, as what belongs to a thread. */
    static final int THREAD = 127;

    /** Entry n has the selector 8n + 7. */
    static final List<Entry> ENTRIES = List.of(
            new Entry(0, 0xfffff, true, CODE, false, true, true),
            new Entry(OracleMemory.CODE, 0xffff, false, CODE, false, false, true),
            new Entry(OracleMemory.CODE, OracleMemory.CODE_SIZE - 1, true, CODE, false, false, true),
            new Entry(0, 0xfffff, true, CODE, true, true, true),
            new Entry(OracleMemory.DATA, OracleMemory.WRITABLE - 1, true, DATA, false, false, true),
            new Entry(OracleMemory.WINDOW_START, OracleMemory.WINDOW - 1, true, DATA, false, false, true),
            new Entry(OracleMemory.WINDOW_START - 0x10000, 0xffff, true, EXPAND_DOWN, false, false, true),
            new Entry(OracleMemory.WINDOW_START - 0xf000, 0xefff, false, EXPAND_DOWN, false, false, true),
            new Entry(0, 0xfffff, true, DATA, true, true, true),
            new Entry(OracleMemory.DATA, 0xffff, false, DATA, false, false, true),
            new Entry(0, 0xfffff, true, DATA, false, true, false),
            new Entry(0, 0xfffff, true, CODE, false, true, false),
            new Entry(0, 0, false, DATA, true, false, false),
            new Entry(0, 0xfffff, true, DATA, false, true, true),
            new Entry(OracleMemory.WINDOW_START - 0xf000, 0xefff, false, EXPAND_DOWN, false, false, true),
            new Entry(OracleMemory.WINDOW_START + 0x1f3, 0xfffff, true, DATA, false, true, true));

    private OracleSegments() {}

    /** The child's first input: the number of entries, and a struct user_desc for each. */
    static byte[] userDescriptors() {
        ByteBuffer b = OracleState.view(new byte[4 + 16 * ENTRIES.size()]);
        b.putInt(ENTRIES.size());
        for (int i = 0; i < ENTRIES.size(); i++) {
            Entry e = ENTRIES.get(i);
            b.putInt(i).putInt((int) e.base).putInt(e.limit).putInt(e.flags());
        }
        return b.array();
    }

    /** The LDT. */
    static byte[] ldt() {
        ByteBuffer b = OracleState.view(new byte[8 * ENTRIES.size()]);
        ENTRIES.forEach(e -> b.putLong(e.descriptor()));
        return b.array();
    }

    /**
     * The GDT.
     *
     * @param tss linear address of the TSS, of {@code tssLimit} + 1 bytes
     * @param ldt linear address of the LDT
     */
    static byte[] gdt(long tss, int tssLimit, long ldt) {
        ByteBuffer b = OracleState.view(new byte[128]);
        b.putLong(0x08, 0x00cf9b000000ffffL);
        b.putLong(0x10, 0x00af9b000000ffffL);
        b.putLong(0x18, 0x00cf93000000ffffL);
        b.putLong(0x20, 0x00cffb000000ffffL);
        b.putLong(0x28, 0x00cff3000000ffffL);
        b.putLong(0x30, 0x00affb000000ffffL);
        system(b, TSS, tss, tssLimit, 0x8b);
        system(b, LDT, ldt, 8 * ENTRIES.size() - 1, 0x82);
        b.putLong(PER_CPU, 0x0040f50000000000L);
        return b.array();
    }

    private static void system(ByteBuffer b, int at, long base, int limit, int attributes) {
        b.putLong(at, limit & 0xffff | (base & 0xffffff) << 16 | (long) attributes << 40 | (base >>> 24 & 0xff) << 56);
        b.putLong(at + 8, base >>> 32);
    }

    /** The descriptor behind a selector that ring 3 starts with; 0 for a null one. */
    static long descriptor(int selector) {
        if ((selector & 0xfffc) == 0) {
            return 0;
        }
        return (selector & 4) != 0
                ? ENTRIES.get(selector >> 3).descriptor()
                : OracleState.view(gdt(0, 0, 0)).getLong(selector & 0xfff8);
    }

    /** Whether a state's segments are those in which 32-bit code is translated: see {@link UnitKind}. */
    static boolean flat(OracleState s) {
        int[] sel = s.selector();
        boolean all = true;
        for (int segment : new int[] {CpuRegisters.CS, CpuRegisters.SS, CpuRegisters.DS, CpuRegisters.ES}) {
            long d = descriptor(sel[segment]);
            boolean kind = segment == CpuRegisters.CS || (CpuSegments.descriptorAttributes(d) & 0xf) == 3;
            all &= kind && CpuSegments.descriptorBase(d) == 0 && CpuSegments.descriptorLimit(d) == -1;
        }
        return all && big(sel[CpuRegisters.SS]);
    }

    /** The base behind such a selector. */
    static long base(int selector) {
        return CpuSegments.descriptorBase(descriptor(selector));
    }

    /** Whether such a selector's segment is a 32-bit one. */
    static boolean big(int selector) {
        return (descriptor(selector) & 1L << 54) != 0;
    }
}
