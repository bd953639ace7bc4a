package serai.kvm;

import serai.machine.memory.GuestMemory;

/**
 * Linear to guest-physical by the guest's own tables, for the debugger. KVM_TRANSLATE would set accessed bits, and is
 * wrong on hosts whose KVM shadows paging in software.
 */
final class PageWalk {
    private static final long CR0_PG = 1L << 31;
    private static final long CR4_PSE = 1 << 4;
    private static final long CR4_PAE = 1 << 5;
    private static final long CR4_LA57 = 1 << 12;
    private static final long EFER_LMA = 1 << 10;
    private static final long PRESENT = 1;
    private static final long LARGE = 1 << 7;
    private static final long FRAME = 0x000f_ffff_ffff_f000L;

    private PageWalk() {}

    /** SDM vol. 3, 5.3 to 5.5: the guest-physical address, or -1. */
    static long translate(GuestMemory memory, long cr0, long cr3, long cr4, long efer, long linear) {
        if ((cr0 & CR0_PG) == 0) {
            return linear & 0xffffffffL;
        }
        if ((cr4 & CR4_PAE) == 0) {
            return legacy(memory, cr3, cr4, linear & 0xffffffffL);
        }
        boolean longMode = (efer & EFER_LMA) != 0;
        int levels = !longMode ? 3 : (cr4 & CR4_LA57) != 0 ? 5 : 4;
        long address = longMode ? linear : linear & 0xffffffffL;
        int bits = 12 + 9 * levels;
        if (longMode && address << (64 - bits) >> (64 - bits) != address) {
            return -1;
        }
        long table = longMode ? cr3 & FRAME : cr3 & 0xffffffe0L;
        for (int level = levels; level >= 1; level--) {
            int shift = 12 + 9 * (level - 1);
            int index = (int) (address >>> shift) & (!longMode && level == 3 ? 3 : 511);
            long at = table + 8L * index;
            if (memory.host(at) == 0) {
                return -1;
            }
            long entry = GuestMemory.getLong(memory.host(at));
            if ((entry & PRESENT) == 0) {
                return -1;
            }
            if (level == 1 || ((level == 2 || (level == 3 && longMode)) && (entry & LARGE) != 0)) {
                long mask = (1L << shift) - 1;
                return entry & FRAME & ~mask | address & mask;
            }
            table = entry & FRAME;
        }
        return -1;
    }

    private static long legacy(GuestMemory memory, long cr3, long cr4, long linear) {
        long at = (cr3 & 0xfffff000L) + (linear >>> 22) * 4;
        if (memory.host(at) == 0) {
            return -1;
        }
        long entry = GuestMemory.getInt(memory.host(at)) & 0xffffffffL;
        if ((entry & PRESENT) == 0) {
            return -1;
        }
        if ((entry & LARGE) != 0 && (cr4 & CR4_PSE) != 0) {
            return (entry >>> 13 & 0xff) << 32 | entry & 0xffc00000L | linear & 0x3fffff; // PSE-36
        }
        at = (entry & 0xfffff000L) + (linear >>> 12 & 0x3ff) * 4;
        if (memory.host(at) == 0) {
            return -1;
        }
        entry = GuestMemory.getInt(memory.host(at)) & 0xffffffffL;
        return (entry & PRESENT) == 0 ? -1 : entry & 0xfffff000L | linear & 0xfff;
    }
}
