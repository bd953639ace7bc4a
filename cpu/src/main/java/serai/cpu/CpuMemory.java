package serai.cpu;

import java.util.BitSet;
import java.util.Set;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;

/**
 * Linear memory of a vCPU: a software TLB before a page walk.
 *
 * <h2>The TLB</h2>
 *
 * Direct-mapped, {@value #TLB_SIZE} entries, separate tables for reading and writing and for user and supervisor mode, in the native
 * memory of a {@link VcpuContext}; an entry has minus the linear page and the host address behind it. One addition and one unsigned
 * compare check the tag and a crossing of the page's end at once. A page is in a write table only when it may be written with nothing
 * else to do: it is RAM, dirty in its page-table entry, and has no flag in {@link GuestMemory} (no cached instructions, not clean in the
 * dirty log). All else takes the slow path: misses, crossings, MMIO, faults.
 *
 * <h2>The walk</h2>
 *
 * SDM vol. 3, chapter 4: 32-bit, PAE and 4-level paging, with accessed and dirty bits. PAE reads its four PDPTEs
 * from memory at each walk and not at the load of CR3.
 */
abstract class CpuMemory extends CpuRegisters {
    private static final int TLB_SIZE = VcpuContext.TLB_ENTRIES;
    private static final int TLB_MASK = TLB_SIZE - 1;
    /** A linear address shifted right by this, masked with {@link #TLB_OFFSET}: where in a table the entry of its page is. */
    private static final int TLB_SHIFT = 12 - 3;

    private static final long TLB_OFFSET = TLB_MASK * 8;
    private static final int HOST = VcpuContext.TLB_HOST;
    private static final int REGIONS = 0x400;
    private static final long PAGE = GuestMemory.PAGE_SIZE;
    private static final long PAGE_MASK = -PAGE;

    /** MAXPHYADDR: what CPUID 0x80000008 tells. */
    static final int PHYSICAL_BITS = 40;

    /** Reserved in a PDPTE of PAE paging: what is above MAXPHYADDR, and bits 1, 2, 5 to 8 (SDM vol. 3, table 4-8). */
    private static final long PDPTE_RESERVED = -1L << PHYSICAL_BITS | 0x1e6;

    /** From the walk: an entry has changed under it, so that it has to begin anew. */
    private static final long CHANGED = -2;

    /** Page-fault error code bits, SDM vol. 3, 4.7. */
    private static final int PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, PF_RESERVED = 8, PF_FETCH = 16;

    final VcpuHost host;
    final GuestMemory memory;
    /** What the CPU model promises. */
    final Set<CpuFeature> features;

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

    private boolean walkLarge;
    private long walkPage;
    private boolean walkGlobal;
    /** Which tables are those of the present privilege, and where they are. */
    private int tlbTable = SUPERVISOR;

    private long readTlb = context.readTlb(SUPERVISOR);
    private long writeTlb = context.writeTlb(SUPERVISOR);

    long tlbMisses;
    long tlbFlushes;
    long mmioReads;
    long mmioWrites;
    long pageFaults;

    /**
     * The instruction in progress runs alone, not in the middle of a block: it may touch devices (which see the exact
     * instruction count, and whose interrupts are taken right after it) and write pages with cached instructions. Others that need to
     * throw {@link CpuException#ALONE} before they have changed anything.
     */
    boolean alone;

    /** Some pages are watched: those stay out of the TLB, and accesses to them are told of. */
    boolean watching;

    /** Alignment is checked (CR0.AM, RFLAGS.AC, CPL 3): the TLB stays empty, for the slow path looks at it. */
    private boolean aligning;

    /** The CPU accesses tables of its own, which no RFLAGS.AC opens to user pages. */
    private boolean implicit;

    /** The PDPTE registers of PAE paging, loaded with CR3. */
    private final long[] pdptes = new long[4];

    /** And all other vCPUs stand still meanwhile. */
    boolean exclusive;

    /** A page was written, or is about to be, that did not get into a write table: see {@link CpuGroup}. */
    boolean unfilledWrite;

    private int walkError;

    CpuMemory(VcpuHost host) {
        this.host = host;
        memory = host.memory();
        features = CpuFeature.of(host.model());
        for (int i = 0; i < TLB_SIZE; i++) {
            invalidate(i);
            empty(context.readTlb(NONE), i);
            empty(context.writeTlb(NONE), i);
        }
    }

    // ---- what the CPU above provides ----

    /** Raises an exception with an error code. Never returns. */
    abstract CpuException fault(int vector, int error);

    /** Makes a page fault the one to deliver. */
    abstract void pageFault(int error);

    /** #GP, or #SS if the instruction in progress addresses the stack (SDM vol. 1, 3.3.7.1). */
    abstract int nonCanonicalVector();

    /** Whether the machine has no other vCPU. */
    abstract boolean onlyCpu();

    /** All addresses may map anew: drop what was derived from linear addresses. */
    abstract void translationsChanged();

    /** The same for a page of linear addresses. */
    abstract void translationChanged(long linearPage);

    /** The same for all addresses but those of global pages. */
    abstract void localTranslationsChanged();

    /** Whether the page an instruction was fetched from last is known as a global one. */
    final boolean globalFetch(long linear) {
        int slot = (int) (linear >>> 12) & TLB_MASK;
        return (fetchTlb[slot * 2] & PAGE_MASK) == (linear & PAGE_MASK) && (local[slot] & FETCH) == 0;
    }

    /** Whether accesses to the linear page are watched. Asked only while {@link #watching}. */
    abstract boolean watched(long page);

    /** An access to memory by the slow path, after its checks. Only while {@link #watching}. */
    abstract void accessed(long linear, int size, boolean write);

    // ---- loads ----

    final int load8(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 1) <= 0) {
            return GuestMemory.getByte(GuestMemory.getPlainLong(e + HOST) + off) & 0xff;
        }
        return (int) loadSlow(linear, 1) & 0xff;
    }

    final int load16(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 2) <= 0) {
            return GuestMemory.getShort(GuestMemory.getPlainLong(e + HOST) + off) & 0xffff;
        }
        return (int) loadSlow(linear, 2) & 0xffff;
    }

    final int load32(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 4) <= 0) {
            return GuestMemory.getInt(GuestMemory.getPlainLong(e + HOST) + off);
        }
        return (int) loadSlow(linear, 4);
    }

    final long load64(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 8) <= 0) {
            return GuestMemory.getLong(GuestMemory.getPlainLong(e + HOST) + off);
        }
        return loadSlow(linear, 8);
    }

    /** A load of 1, 2, 4 or 8 bytes, zero-extended. */
    final long load(long linear, int size) {
        return switch (size) {
            case 1 -> load8(linear);
            case 2 -> load16(linear);
            case 4 -> load32(linear) & 0xffffffffL;
            default -> load64(linear);
        };
    }

    // ---- stores ----

    final void store8(long linear, int v) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 1) <= 0) {
            GuestMemory.putByte(GuestMemory.getPlainLong(e + HOST) + off, (byte) v);
        } else {
            storeSlow(linear, 1, v);
        }
    }

    final void store16(long linear, int v) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 2) <= 0) {
            GuestMemory.putShort(GuestMemory.getPlainLong(e + HOST) + off, (short) v);
        } else {
            storeSlow(linear, 2, v);
        }
    }

    final void store32(long linear, int v) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 4) <= 0) {
            GuestMemory.putInt(GuestMemory.getPlainLong(e + HOST) + off, v);
        } else {
            storeSlow(linear, 4, v);
        }
    }

    final void store64(long linear, long v) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 8) <= 0) {
            GuestMemory.putLong(GuestMemory.getPlainLong(e + HOST) + off, v);
        } else {
            storeSlow(linear, 8, v);
        }
    }

    /** A store of 1, 2, 4 or 8 bytes. */
    final void store(long linear, int size, long v) {
        switch (size) {
            case 1 -> store8(linear, (int) v);
            case 2 -> store16(linear, (int) v);
            case 4 -> store32(linear, (int) v);
            default -> store64(linear, v);
        }
    }

    /** Faults now if {@code size} bytes can't be written: for instructions that read, compute, then write. */
    final void checkWrite(long linear, int size) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        if (Long.compareUnsigned(linear + GuestMemory.getPlainLong(e), PAGE - size) > 0) {
            long last = (linear + size - 1) & PAGE_MASK;
            writablePhysical(linear);
            if (last != (linear & PAGE_MASK)) {
                writablePhysical(last);
            }
        }
    }

    /**
     * Host address behind {@code size} bytes at {@code linear} for a read-modify-write in one go, or 0 if they cross a page or aren't
     * plain RAM (then load, compute and store in turn). Faults as a write.
     */
    final long hostForUpdate(long linear, int size) {
        long e = writeTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - size) > 0) {
            checkWrite(linear, size);
            off = linear + GuestMemory.getPlainLong(e);
            if (Long.compareUnsigned(off, PAGE - size) > 0) {
                return 0;
            }
        }
        return GuestMemory.getPlainLong(e + HOST) + off;
    }

    /** For an update that {@link #hostForUpdate} can't do in one go: it must run alone. */
    final void aloneForUpdate() {
        if (!alone) {
            throw CpuException.ALONE;
        }
    }

    /** For a locked update that {@link #hostForLocked} can't do in one go: it must run while all other vCPUs stand still. */
    final void exclusiveForUpdate() {
        if (onlyCpu()) {
            aloneForUpdate();
        } else if (!exclusive) {
            throw CpuException.EXCLUSIVE;
        }
    }

    /** As {@link #hostForUpdate}, for a compare-and-set: 0 also where the host has none at this alignment. */
    final long hostForLocked(long linear, int size) {
        long h = hostForUpdate(linear, size);
        return GuestMemory.casPossible(h, size) ? h : 0;
    }

    /** Host address of the byte at {@code linear} for a run of reads up to the end of its page, or 0. Faults. */
    final long hostForRead(long linear) {
        long e = readTlb + (linear >>> TLB_SHIFT & TLB_OFFSET);
        long off = linear + GuestMemory.getPlainLong(e);
        if (Long.compareUnsigned(off, PAGE - 1) > 0) {
            long physical = translate(linear, 0, cpl == 3);
            fillRead(linear & PAGE_MASK, physical);
            off = linear + GuestMemory.getPlainLong(e);
            if (Long.compareUnsigned(off, PAGE - 1) > 0) {
                return 0;
            }
        }
        return GuestMemory.getPlainLong(e + HOST) + off;
    }

    // ---- slow paths ----

    private long loadSlow(long linear, int size) {
        long page = linear & PAGE_MASK;
        int in = (int) (linear & ~PAGE_MASK);
        if (in + size > PAGE) {
            // x86 does a crossing access in parts; faults of the second part come before any effect
            int first = (int) PAGE - in;
            long a = translate(linear, 0, cpl == 3) | in;
            long b = translate(page + PAGE, 0, cpl == 3);
            checkAccess(linear, size, false);
            return readBytes(a, first) | readBytes(b, size - first) << (first * 8);
        }
        long physical = translate(linear, 0, cpl == 3);
        checkAccess(linear, size, false);
        fillRead(page, physical);
        return readPhysical(physical | in, size);
    }

    private long readBytes(long physical, int bytes) {
        long v = 0;
        for (int i = 0; i < bytes; i++) {
            v |= (readPhysical(physical + i, 1) & 0xff) << (i * 8);
        }
        return v;
    }

    /** What is looked at in the slow path alone, once the access can't fault by its pages: alignment, then breakpoints. */
    private void checkAccess(long linear, int size, boolean write) {
        if (aligning && (linear & size - 1) != 0) {
            throw fault(CpuEvents.AC_VECTOR, 0);
        }
        if (watching) {
            accessed(linear, size, write);
        }
    }

    private void storeSlow(long linear, int size, long v) {
        long page = linear & PAGE_MASK;
        int in = (int) (linear & ~PAGE_MASK);
        if (in + size > PAGE) {
            int first = (int) PAGE - in;
            long a = writablePhysical(linear) | in;
            long b = writablePhysical(page + PAGE);
            checkAccess(linear, size, true);
            for (int i = 0; i < first; i++) {
                writePhysical(a + i, 1, v >>> (i * 8) & 0xff);
            }
            for (int i = first; i < size; i++) {
                writePhysical(b + i - first, 1, v >>> (i * 8) & 0xff);
            }
            return;
        }
        long physical = writablePhysical(linear) | in;
        checkAccess(linear, size, true);
        writePhysical(physical, size, v);
    }

    /** Translates for writing, sees to the page's flags, fills the TLB: the physical page. */
    private long writablePhysical(long linear) {
        long page = linear & PAGE_MASK;
        long physical = translate(linear, PF_WRITE, cpl == 3);
        memory.writing(physical, host.index()); // before its flags are looked at
        if ((memory.pageFlags(physical) & GuestMemory.CODE) != 0 && !alone) {
            throw CpuException.ALONE;
        }
        memory.beforeWrite(physical);
        fillWrite(page, physical);
        return physical;
    }

    private long readPhysical(long physical, int size) {
        long h = memory.host(physical);
        if (h == 0) {
            if (!alone) {
                throw CpuException.ALONE;
            }
            mmioReads++;
            return host.mmioRead(physical, size);
        }
        return switch (size) {
            case 1 -> GuestMemory.getByte(h) & 0xff;
            case 2 -> GuestMemory.getShort(h) & 0xffff;
            case 4 -> GuestMemory.getInt(h) & 0xffffffffL;
            default -> GuestMemory.getLong(h);
        };
    }

    private void writePhysical(long physical, int size, long v) {
        if (!memory.writable(physical)) {
            if (!alone) {
                throw CpuException.ALONE;
            }
            mmioWrites++;
            host.mmioWrite(physical, size, size == 8 ? v : v & (1L << size * 8) - 1);
            return;
        }
        long h = memory.host(physical);
        switch (size) {
            case 1 -> GuestMemory.putByte(h, (byte) v);
            case 2 -> GuestMemory.putShort(h, (short) v);
            case 4 -> GuestMemory.putInt(h, (int) v);
            default -> GuestMemory.putLong(h, v);
        }
    }

    /** What {@link #refill} has done. */
    enum Refill {
        /** The TLB has the access now. */
        DONE,
        /** The access raises the page fault that {@code faultVector} and the like tell of; it has not been delivered. */
        FAULT,
        /** The access is none that the TLB can have: it is to be made. */
        NO
    }

    /**
     * Fills the TLB for an access that it didn't have; no exception is thrown, for those take longer than all else here.
     *
     * @param size 1 to 16
     */
    final Refill refill(long linear, int size, boolean write) {
        long page = linear & PAGE_MASK;
        if ((linear & ~PAGE_MASK) + size > PAGE
                || (cr0 & CR0_PG) == 0
                || page << 16 >> 16 != page
                || aligning
                || watching) {
            return Refill.NO;
        }
        long physical;
        do {
            physical = walk(page, write ? PF_WRITE : 0, cpl == 3, true);
        } while (physical == CHANGED);
        if (physical < 0) {
            cr2 = linear;
            pageFaults++;
            pageFault(walkError);
            return Refill.FAULT;
        }
        if (!write) {
            if (memory.host(physical) == 0) {
                return Refill.NO;
            }
            fillRead(page, physical);
            return Refill.DONE;
        }
        if (!memory.writable(physical)) {
            return Refill.NO;
        }
        memory.writing(physical, host.index()); // before its flags are looked at
        if (memory.pageFlags(physical) != 0) {
            return Refill.NO;
        }
        fillWrite(page, physical);
        return Refill.DONE;
    }

    // ---- accesses of the CPU itself: descriptor tables, TSS, stacks of another privilege ----

    /** A supervisor load whatever the privilege (descriptor tables, TSS). */
    final long loadSystem(long linear, int size) {
        int saved = enterSystem();
        try {
            return load(linear, size);
        } finally {
            leaveSystem(saved);
        }
    }

    /** A supervisor store whatever the privilege. */
    final void storeSystem(long linear, int size, long v) {
        int saved = enterSystem();
        try {
            store(linear, size, v);
        } finally {
            leaveSystem(saved);
        }
    }

    /** Faults now if the CPU itself can't write {@code size} bytes, which may lie in two pages. */
    final void checkSystemWrite(long linear, int size) {
        int saved = enterSystem();
        try {
            checkWrite(linear, 1);
            checkWrite(linear + size - 1, 1);
        } finally {
            leaveSystem(saved);
        }
    }

    private int enterSystem() {
        int saved = cpl;
        implicit = true;
        cpl = 0;
        selectTlb();
        return saved;
    }

    private void leaveSystem(int saved) {
        implicit = false;
        cpl = saved;
        selectTlb();
    }

    // ---- TLB upkeep ----

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

    private void fillRead(long page, long physical) {
        long h = memory.host(physical);
        if (h != 0 && !aligning && !(watching && watched(page))) {
            int slot = (int) (page >>> 12) & TLB_MASK;
            markFilled(slot, READ << tlbTable);
            set(readTlb, slot, page, h);
        }
    }

    private void fillWrite(long page, long physical) {
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

    // ---- the walk ----

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

    private long walk(long page, int access, boolean user, boolean update) {
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
