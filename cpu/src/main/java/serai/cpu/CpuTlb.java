package serai.cpu;

import java.util.BitSet;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;

/**
 * The software TLB of a vCPU.
 *
 * <p>Direct-mapped, {@value #TLB_SIZE} entries, separate tables for reading and writing and for user and supervisor mode, in the native
 * memory of a {@link VcpuContext}; an entry has minus the linear page and the host address behind it. One addition and one unsigned
 * compare check the tag and a crossing of the page's end at once. A page is in a write table only when it may be written with nothing
 * else to do: it is RAM, dirty in its page-table entry, and has no flag in {@link GuestMemory} (no cached instructions, not clean in the
 * dirty log). All else takes the slow path of {@link CpuMemory}: misses, crossings, MMIO, faults.
 */
abstract class CpuTlb extends CpuPaging {
    static final int TLB_SIZE = VcpuContext.TLB_ENTRIES;
    static final int TLB_MASK = TLB_SIZE - 1;
    /** A linear address shifted right by this, masked with {@link #TLB_OFFSET}: where in a table the entry of its page is. */
    static final int TLB_SHIFT = 12 - 3;

    static final long TLB_OFFSET = TLB_MASK * 8;
    static final int HOST = VcpuContext.TLB_HOST;
    static final int REGIONS = 0x400;

    /** Indexes of the tables: supervisor, user, supervisor that may not touch user pages (SMAP), nobody. */
    private static final int SUPERVISOR = VcpuContext.SUPERVISOR,
            USER = VcpuContext.USER,
            GUARDED = VcpuContext.GUARDED,
            NONE = 3;

    /** Where the tables are. */
    final VcpuContext context = new VcpuContext();

    private final long[] fetchTlb = new long[TLB_SIZE * 2];
    /** Whether it is of a large page; unlike {@link #large}, which tells of all that a slot has had. */
    private final boolean[] largeFetch = new boolean[TLB_SIZE];

    private final long[] fetchPhysical = new long[TLB_SIZE];
    /** Which slots have been filled since the last flush, so that a flush touches only those. */
    private final int[] filled = new int[TLB_SIZE];

    private final boolean[] isFilled = new boolean[TLB_SIZE];
    private int filledCount;
    /** A bit by slot: an entry of it comes from a large page. */
    private final long[] large = new long[TLB_SIZE / 64];
    /** Regions of a GiB in which large pages have had entries since the last flush. */
    private final BitSet largeRegions = new BitSet(REGIONS);
    /** By slot, a bit for each table: the entry is not of a global page. See {@link #READ} and the like. */
    private final byte[] local = new byte[TLB_SIZE];

    /** Bits of {@link #local}: shifted by the table's number those of reading and writing, and that of fetching. */
    private static final int READ = 1, WRITE = 1 << NONE, FETCH = 1 << 2 * NONE;

    /** Slots of which entries have been local since those were last forgotten. */
    private final int[] localSlots = new int[TLB_SIZE];

    private final boolean[] isLocalSlot = new boolean[TLB_SIZE];
    private int localCount;
    /** Hashes of the pages whose addresses the code above may have kept something of: of global ones, and of others. */
    private final BitSet globalCodePages = new BitSet(0x10000);

    private final BitSet localCodePages = new BitSet(0x10000);
    /** The same by GiB, for large pages. */
    private final BitSet globalCodeRegions = new BitSet(REGIONS);

    private final BitSet localCodeRegions = new BitSet(REGIONS);

    /** Hashes of the pages, by host address, that the write tables may have: all that came since the last flush. */
    private final BitSet writtenPages = new BitSet(0x10000);

    /** Which tables are those of the present privilege, and where they are. */
    int tlbTable = SUPERVISOR;

    long readTlb = context.readTlb(SUPERVISOR);
    long writeTlb = context.writeTlb(SUPERVISOR);

    long tlbMisses;
    long tlbFlushes;

    /** Some pages are watched: those stay out of the TLB, and accesses to them are told of. */
    boolean watching;

    /** Alignment is checked (CR0.AM, RFLAGS.AC, CPL 3): the TLB stays empty, for the slow path looks at it. */
    boolean aligning;

    CpuTlb(VcpuHost host) {
        super(host);
        for (int i = 0; i < TLB_SIZE; i++) {
            invalidate(i);
            empty(context.readTlb(NONE), i);
            empty(context.writeTlb(NONE), i);
        }
    }

    /** All addresses may map anew: drop what was derived from linear addresses. */
    abstract void translationsChanged();

    /** The same for a page of linear addresses. */
    abstract void translationChanged(long linearPage);

    /** The same for all addresses but those of global pages. */
    abstract void localTranslationsChanged();

    /** Whether accesses to the linear page are watched. Asked only while {@link #watching}. */
    abstract boolean watched(long page);

    /** Whether the page an instruction was fetched from last is known as a global one. */
    final boolean globalFetch(long linear) {
        int slot = (int) (linear >>> 12) & TLB_MASK;
        return (fetchTlb[slot * 2] & PAGE_MASK) == (linear & PAGE_MASK) && (local[slot] & FETCH) == 0;
    }

    /** To be called when {@link #cpl}, RFLAGS.AC, CR0.AM or CR4.SMAP has changed. */
    final void selectTlb() {
        int table = SUPERVISOR;
        aligning = false;
        if (cpl == 3) {
            table = USER;
            if ((flagsRest & AC) != 0 && (cr0 & CR0_AM) != 0) {
                table = NONE;
                aligning = true;
            }
        } else if ((cr4 & CR4_SMAP) != 0 && ((flagsRest & AC) == 0 || implicit)) {
            table = GUARDED;
        }
        tlbTable = table;
        readTlb = context.readTlb(table);
        writeTlb = context.writeTlb(table);
    }

    /** The number of the tables of the present privilege, 0 to 3: see {@link VcpuContext}. */
    final int tlbTable() {
        return tlbTable;
    }

    private static long page(long table, int slot) {
        return -GuestMemory.getPlainLong(table + 8L * slot);
    }

    private static void empty(long table, int slot) {
        GuestMemory.putPlainLong(table + 8L * slot, -never(slot));
    }

    private static long hostPage(long table, int slot) {
        return GuestMemory.getPlainLong(table + 8L * slot + HOST);
    }

    private static void set(long table, int slot, long page, long host) {
        long e = table + 8L * slot;
        GuestMemory.putPlainLong(e, -page);
        GuestMemory.putPlainLong(e + HOST, host);
        GuestMemory.putPlainLong(e + VcpuContext.TLB_DELTA, host - page);
    }

    /** A tag that no address of the slot matches: a non-canonical page that belongs into another slot. */
    private static long never(int slot) {
        return 0x4000_0000_0000_0000L | (long) (slot ^ 1) << 12;
    }

    /** Fills an entry of the present privilege from the last walk, if reading that page may go by the TLB. */
    final void fillRead(long page, long physical) {
        long h = memory.host(physical);
        if (h != 0 && !aligning && !(watching && watched(page))) {
            int slot = (int) (page >>> 12) & TLB_MASK;
            markFilled(slot, READ << tlbTable);
            set(readTlb, slot, page, h);
        }
    }

    /** The same for writing. */
    final void fillWrite(long page, long physical) {
        if (!memory.writable(physical) || memory.pageFlags(physical) != 0 || aligning || watching && watched(page)) {
            unfilledWrite = true;
        } else {
            int slot = (int) (page >>> 12) & TLB_MASK;
            markFilled(slot, WRITE << tlbTable);
            long h = memory.host(physical);
            writtenPages.set(writtenPage(h));
            set(writeTlb, slot, page, h);
        }
    }

    /** An entry is filled from what {@link #walk} has found, and of the page there. */
    private void markFilled(int slot, int table) {
        tlbMisses++;
        if (walkLarge) {
            large[slot >> 6] |= 1L << slot;
            largeRegions.set(region(walkPage));
        }
        if (walkGlobal) {
            local[slot] &= (byte) ~table;
        } else {
            local[slot] |= (byte) table;
            if (!isLocalSlot[slot]) {
                isLocalSlot[slot] = true;
                localSlots[localCount++] = slot;
            }
        }
        if (!isFilled[slot]) {
            isFilled[slot] = true;
            filled[filledCount++] = slot;
        }
    }

    private boolean isLarge(int slot) {
        return (large[slot >> 6] >>> slot & 1) != 0;
    }

    /** Empties a slot's entries in all tables; it still counts as filled. */
    private void invalidate(int slot) {
        for (int u = 0; u < NONE; u++) {
            empty(context.readTlb(u), slot);
            empty(context.writeTlb(u), slot);
        }
        fetchTlb[slot * 2] = never(slot);
        large[slot >> 6] &= ~(1L << slot);
        local[slot] = 0;
    }

    /** Forgets all translations. */
    final void flushTlb() {
        tlbFlushes++;
        for (int i = 0; i < filledCount; i++) {
            invalidate(filled[i]);
            isFilled[filled[i]] = false;
        }
        filledCount = 0;
        forgetLocalSlots();
        largeRegions.clear();
        writtenPages.clear();
        translationsChanged();
    }

    private void forgetLocalSlots() {
        for (int i = 0; i < localCount; i++) {
            isLocalSlot[localSlots[i]] = false;
        }
        localCount = 0;
    }

    /**
     * Forgets the translations that a load of CR3 throws out: all but those of global pages (SDM vol. 3, 4.10.4.1). They are
     * kept without their PCID, so that those of other PCIDs go, too.
     */
    final void flushTlbKeepGlobal() {
        tlbFlushes++;
        for (int i = 0; i < localCount; i++) {
            int slot = localSlots[i];
            int tables = local[slot];
            for (int u = 0; u < NONE; u++) {
                if ((tables & READ << u) != 0) {
                    empty(context.readTlb(u), slot);
                }
                if ((tables & WRITE << u) != 0) {
                    empty(context.writeTlb(u), slot);
                }
            }
            if ((tables & FETCH) != 0) {
                fetchTlb[slot * 2] = never(slot);
            }
            local[slot] = 0;
        }
        forgetLocalSlots();
        localTranslationsChanged();
    }

    /**
     * INVLPG. Entries of large pages are kept by the 4-KiB page, and all of a large page have to go: those are recognized by
     * their mark and by lying in the same GiB, which drops a few too many. Kernels do this by the ten thousand while they
     * start (17,661 times in a Debian 6.1), so the rest stays.
     */
    final void flushPage(long linear) {
        tlbFlushes++;
        long page = linear & PAGE_MASK;
        int own = (int) (page >>> 12) & TLB_MASK;
        if (holds(own, page)) {
            invalidate(own);
        }
        if (largeRegions.get(region(page))) {
            for (int i = 0; i < large.length; i++) {
                for (long slots = large[i]; slots != 0; slots &= slots - 1) {
                    int slot = i * 64 + Long.numberOfTrailingZeros(slots);
                    if (holds(slot, page)) {
                        invalidate(slot);
                    }
                }
            }
        }
        int code = codePage(page);
        int region = region(page);
        if (globalCodeRegions.get(region) || localCodeRegions.get(region)) {
            translationsChanged();
        } else if (globalCodePages.get(code) || localCodePages.get(code)) {
            translationChanged(page);
        }
    }

    private boolean holds(int slot, long page) {
        for (int u = 0; u < NONE; u++) {
            if (covers(slot, page(context.readTlb(u), slot), page)
                    || covers(slot, page(context.writeTlb(u), slot), page)) {
                return true;
            }
        }
        return covers(slot, fetchTlb[slot * 2] & PAGE_MASK, page);
    }

    private boolean covers(int slot, long entry, long page) {
        return entry == page || isLarge(slot) && entry >>> 30 == page >>> 30;
    }

    private static int codePage(long linear) {
        return (int) (linear >>> 12 ^ linear >>> 28) & 0xffff;
    }

    private static int writtenPage(long hostAddress) {
        return (int) (hostAddress >>> 12) & 0xffff;
    }

    /**
     * The hash of an address's GiB. Its bits as they stand would do for none: in the upper half Linux maps all memory by large pages, and itself, at multiples of
     * many GiB, just as low in their ranges as programs are in theirs.
     */
    private static int region(long linear) {
        return (int) (linear >>> 30) * 0x9e3779b1 >>> 22;
    }

    /** Forgets which pages code was found on: nothing is derived from their addresses any more. */
    final void forgetCodePages() {
        globalCodePages.clear();
        globalCodeRegions.clear();
        forgetLocalCodePages();
    }

    /** The same of those that are not global. */
    final void forgetLocalCodePages() {
        localCodePages.clear();
        localCodeRegions.clear();
    }

    /** Drops write permission to a physical page that has got a flag (cached instructions, dirty log); whether there was any. */
    final boolean protectPhysical(long physical) {
        long h = memory.host(physical & PAGE_MASK);
        if (h == 0) {
            return false;
        }
        boolean had = false;
        if (!writtenPages.get(writtenPage(h))) {
            return false; // most pages of code: the tables need not be looked through
        }
        for (int i = 0; i < filledCount; i++) {
            int slot = filled[i];
            for (int u = 0; u < NONE; u++) {
                long table = context.writeTlb(u);
                if (hostPage(table, slot) == h) {
                    empty(table, slot);
                    GuestMemory.putPlainLong(table + 8L * slot + HOST, 0);
                    had = true;
                }
            }
        }
        return had;
    }

    /** The physical address of an instruction byte. Faults as a fetch. */
    final long fetchPhysical(long linear) {
        int slot = (int) (linear >>> 12) & TLB_MASK;
        long page = linear & PAGE_MASK;
        long key = page | (cpl == 3 ? 1 : 0);
        if (fetchTlb[slot * 2] != key) {
            long physical = translate(linear, PF_FETCH, cpl == 3);
            markFilled(slot, FETCH);
            fetchTlb[slot * 2] = key;
            largeFetch[slot] = walkLarge;
            fetchPhysical[slot] = physical;
        }
        boolean isLocal = (local[slot] & FETCH) != 0;
        if (largeFetch[slot]) {
            (isLocal ? localCodeRegions : globalCodeRegions).set(region(page));
        } else {
            (isLocal ? localCodePages : globalCodePages).set(codePage(page));
        }
        return fetchPhysical[slot] | linear & ~PAGE_MASK;
    }
}
