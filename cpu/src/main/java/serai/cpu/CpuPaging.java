package serai.cpu;

import java.util.Set;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;

/**
 * Paging (SDM vol. 3, chapter 4): 32-bit, PAE and 4-level, with accessed and dirty bits.
 *
 * <p>A walk leaves word of what it has found, for the TLB: {@link #walkPage}, {@link #walkLarge}, {@link #walkGlobal}.
 */
abstract class CpuPaging extends CpuRegisters {
    static final long PAGE = GuestMemory.PAGE_SIZE;
    static final long PAGE_MASK = -PAGE;

    /** MAXPHYADDR: what CPUID 0x80000008 tells. */
    static final int PHYSICAL_BITS = 40;

    /** Reserved in a PDPTE of PAE paging: what is above MAXPHYADDR, and bits 1, 2, 5 to 8 (SDM vol. 3, table 4-8). */
    private static final long PDPTE_RESERVED = -1L << PHYSICAL_BITS | 0x1e6;

    /** From {@link #walk}: an entry has changed under it, so that it has to begin anew. */
    static final long CHANGED = -2;

    /** Page-fault error code bits, SDM vol. 3, 4.7. */
    static final int PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, PF_RESERVED = 8, PF_FETCH = 16;

    final VcpuHost host;
    final GuestMemory memory;
    /** What the CPU model promises. */
    final Set<CpuFeature> features;

    /** Of the last walk: whether it ended at a large page. */
    boolean walkLarge;

    /** Of the last walk: the linear page. */
    long walkPage;

    /** Of the last walk: whether the page is a global one. */
    boolean walkGlobal;

    /** Of the last walk that found nothing: the error code. */
    int walkError;

    long pageFaults;

    /** The CPU accesses tables of its own, which no RFLAGS.AC opens to user pages. */
    boolean implicit;

    /** The PDPTE registers of PAE paging, loaded with CR3. */
    private final long[] pdptes = new long[4];

    /** A page was written, or is about to be, that did not get into a write table: see {@link CpuGroup}. */
    boolean unfilledWrite;

    CpuPaging(VcpuHost host) {
        this.host = host;
        memory = host.memory();
        features = CpuFeature.of(host.model());
    }

    /** Raises an exception with an error code. Never returns. */
    abstract CpuException fault(int vector, int error);

    /** #GP, or #SS if the instruction in progress addresses the stack (SDM vol. 1, 3.3.7.1). */
    abstract int nonCanonicalVector();

    /** Translates for an access of the guest: the physical page; raises #PF or #GP. */
    final long translate(long linear, int access, boolean user) {
        long page = linear & PAGE_MASK;
        if ((cr0 & CR0_PG) == 0) {
            walkLarge = false;
            walkGlobal = false;
            return page & 0xfffff000L;
        }
        if (longMode() && page << 16 >> 16 != page) {
            throw fault(nonCanonicalVector(), 0);
        }
        long physical;
        do {
            physical = walk(page, access, user, true);
        } while (physical == CHANGED);
        if (physical < 0) {
            cr2 = linear;
            pageFaults++;
            throw fault(14, walkError);
        }
        return physical;
    }

    /** Translates for a debugger: no effect on the guest; -1 if nothing is mapped. */
    final long probe(long linear) {
        if ((cr0 & CR0_PG) == 0) {
            return linear & 0xffffffffL;
        }
        long p = walk(linear & PAGE_MASK, 0, false, false);
        return p < 0 ? -1 : p | linear & ~PAGE_MASK;
    }

    /** Loads the PDPTE registers from the table that CR3 will point to; #GP if a present one has a reserved bit set. */
    final void loadPdptes(long newCr3) {
        long table = newCr3 & 0xffffffe0L;
        for (int i = 0; i < 4; i++) {
            long e = entry(table + i * 8L, 8);
            if ((e & 1) != 0 && (e & PDPTE_RESERVED) != 0) {
                throw fault(CpuSegments.GP, 0);
            }
        }
        readPdptes(newCr3);
    }

    /** The same without the check: for a state that is restored. */
    final void readPdptes(long newCr3) {
        for (int i = 0; i < 4; i++) {
            pdptes[i] = entry((newCr3 & 0xffffffe0L) + i * 8L, 8);
        }
    }

    private long entry(long address, int size) {
        long h = memory.host(address);
        if (h == 0) {
            return host.mmioRead(address, size);
        }
        return size == 8 ? GuestMemory.getLong(h) : GuestMemory.getInt(h) & 0xffffffffL;
    }

    /** Sets accessed and dirty bits; false if another processor has changed the entry since. */
    private boolean updateEntry(long address, int size, long old, long bits) {
        if ((old & bits) == bits || !memory.writable(address)) {
            return true;
        }
        // a page table in a page with cached instructions: rare, and the write has to be seen
        memory.writing(address, host.index());
        memory.beforeWrite(address);
        unfilledWrite = true;
        long h = memory.host(address);
        return size == 8
                ? GuestMemory.casLong(h, old, old | bits)
                : GuestMemory.casInt(h, (int) old, (int) (old | bits));
    }

    /**
     * Walks the tables.
     *
     * @param update whether accessed and dirty bits are set
     * @return the physical page; {@link #CHANGED}; or -1, with {@link #walkError}
     */
    final long walk(long page, int access, boolean user, boolean update) {
        walkPage = page;
        boolean write = (access & PF_WRITE) != 0;
        boolean fetch = (access & PF_FETCH) != 0;
        boolean nxe = (efer & EFER_NXE) != 0;
        int error = (write ? PF_WRITE : 0)
                | (user ? PF_USER : 0)
                | (fetch && (nxe && (cr4 & CR4_PAE) != 0 || (cr4 & CR4_SMEP) != 0) ? PF_FETCH : 0);
        boolean wide = (cr4 & CR4_PAE) != 0;
        boolean four = (efer & EFER_LMA) != 0;
        int entrySize = wide ? 8 : 4;
        int levels = four ? 4 : wide ? 3 : 2;
        long table = four ? cr3 & 0x000ffffffffff000L : wide ? cr3 & 0xffffffe0L : cr3 & 0xfffff000L;
        long rights = 6; // R/W and U/S of all levels together
        boolean noExecute = false;
        for (int level = levels; ; level--) {
            int shift = 12 + (level - 1) * (wide ? 9 : 10);
            long indexMask = wide ? (level == 3 && !four ? 3 : 511) : 1023;
            long address = table + (page >>> shift & indexMask) * entrySize;
            boolean pdpte = wide && !four && level == 3;
            long e = pdpte ? pdptes[(int) (page >>> shift & 3)] : entry(address, entrySize);
            if ((e & 1) == 0) {
                walkError = error;
                return -1;
            }
            boolean isLarge = level > 1 && !pdpte && (e & 0x80) != 0 && (wide ? level <= 3 : (cr4 & CR4_PSE) != 0);
            // reserved: bits past MAXPHYADDR (40), NX without EFER.NXE, PS in a PML4E, low bits of a large frame
            long reserved = wide ? -1L << PHYSICAL_BITS & 0x000fffff_ffffffffL | (nxe ? 0 : 1L << 63) : 0;
            if (wide && !four) {
                reserved |= 0x7ff00000_00000000L;
            }
            if (pdpte) {
                reserved = 0; // looked at when it was loaded
            } else if (four && level == 4) {
                reserved |= 0x80;
            } else if (isLarge) {
                reserved |= wide ? (1L << shift) - 1 & ~0x1fffL : 0x003fe000L & ~0x001fe000L;
            }
            if ((e & reserved) != 0) {
                walkError = error | PF_PRESENT | PF_RESERVED;
                return -1;
            }
            if (!pdpte) {
                rights &= e;
                noExecute |= e < 0;
            }
            if (level == 1 || isLarge) {
                boolean userPage = (rights & 4) != 0;
                boolean denied = user
                        ? !userPage || write && (rights & 2) == 0
                        : write && (rights & 2) == 0 && (cr0 & CR0_WP) != 0;
                if (fetch) {
                    denied |= noExecute || !user && userPage && (cr4 & CR4_SMEP) != 0;
                } else if (!user && userPage && (cr4 & CR4_SMAP) != 0) {
                    denied |= (flagsRest & AC) == 0 || implicit;
                }
                if (denied) {
                    walkError = error | PF_PRESENT;
                    return -1;
                }
                if (update && !updateEntry(address, entrySize, e, write ? 0x60 : 0x20)) {
                    return CHANGED;
                }
                walkLarge = isLarge;
                walkGlobal = (e & 0x100) != 0 && (cr4 & CR4_PGE) != 0;
                if (isLarge) {
                    long frame = wide ? e & 0x000ffffffffff000L : e & 0xffc00000L | (e & 0x1fe000L) << 19;
                    return frame & -(1L << shift) | page & (1L << shift) - 1 & PAGE_MASK;
                }
                return wide ? e & 0x000ffffffffff000L : e & 0xfffff000L;
            }
            if (update && !pdpte && !updateEntry(address, entrySize, e, 0x20)) {
                return CHANGED;
            }
            table = wide ? e & 0x000ffffffffff000L : e & 0xfffff000L;
        }
    }
}
