package serai.cpu;

import serai.machine.memory.GuestMemory;

/**
 * A vCPU's fast tier: finds or makes translated code for where it is, runs it, and does what it comes back for.
 *
 * <p>State is in the interpreter's fields whenever Java runs, but for the XMM registers, which stay in the frame until an instruction or
 * somebody outside asks for them ({@link FrameExchange#vectorsToJava}). The jump tables hold what was found by linear address, one for each privilege, and
 * are emptied when translations change.
 */
final class Translation {

    final Cpu cpu;
    final TranslationCache cache;
    final FrameExchange frame;
    private final long base;
    private final long delta;
    /** {@link TranslationCache#dropped} when the jump tables were last emptied for it. */
    private long droppedSeen;

    private final JumpTables jumps;

    /** {@link UnitKind#VECTORS}: of all that the jump tables know. */
    private int vectors;

    /** Counts what makes all that was looked up invalid. */
    private int epoch;

    private static final int LONGEST = 16;

    /** The instruction that {@link #refill} was last asked for, and the last two pages. */
    private long refilledAt = -1;

    private long refilled;
    private long refilledBefore;

    /** Units that were made for this vCPU, bytes of them, times it had to evict others for them. */
    long made;

    long bytes;
    long evictions;

    /** Whether any has run. */
    boolean entered;

    final ExitCounts exits = new ExitCounts();

    /** The translation of a vCPU. */
    Translation(Cpu cpu, TranslationCache cache) {
        if (!cache.features.equals(cpu.features)) {
            throw new IllegalArgumentException("the vCPUs of a machine have the same features");
        }
        this.cpu = cpu;
        this.cache = cache;
        base = cpu.context.base;
        delta = cache.delta;
        jumps = new JumpTables(base, cache.gate.miss + delta);
        frame = new FrameExchange(cpu, cache);
        GuestMemory.putLong(base + HostFrame.INDEX_MASK, (VcpuContext.TLB_ENTRIES - 1L) << 12);
        GuestMemory.putLong(base + HostFrame.PAGE_MASK, -4096);
        GuestMemory.putLong(base + HostFrame.WAY_OUT, cache.gate.exit + cache.delta);
        GuestMemory.putLong(base + HostFrame.ALIGNED_MASK, ~0xff0L);
        GuestMemory.putLong(base + HostFrame.ALIGNED_32_MASK, ~0xfe0L);
        GuestMemory.putLong(base + HostFrame.BIT_64, 63);
        GuestMemory.putLong(base + HostFrame.BIT_32, 31);
        GuestMemory.putLong(base + HostFrame.ARITHMETIC_MASK, CpuRegisters.ARITHMETIC);
    }

    // ---- what is known ----

    /** What was found by linear addresses is void. */
    void translationsChanged() {
        epoch++;
        jumps.emptyAll();
    }

    /** The same, but for what lies in global pages. */
    void localTranslationsChanged() {
        epoch++;
        jumps.emptyLocal();
    }

    /** Takes units that have gone since this was last asked out of the jump tables. */
    void forgetDropped() {
        if (cache.dropped() != droppedSeen) {
            epoch++;
            droppedSeen = cache.droppedSince(droppedSeen, page -> {
                if (page == TranslationCache.EVERYTHING) {
                    jumps.emptyAll();
                } else {
                    jumps.emptyPage(page);
                }
            });
        }
    }

    /** What was found in a linear page, or by an instruction that reaches into it, is void. */
    void translationChanged(long linearPage) {
        epoch++;
        jumps.emptyLinear(linearPage);
    }

    /** How code is translated now: {@link UnitKind}. */
    private int how() {
        int h = UnitKind.of(cpu);
        int v = h & UnitKind.VECTORS;
        if (h != UnitKind.NONE && vectors != v) {
            // all tables, for translated code goes from one to the other
            vectors = v;
            jumps.emptyAll();
            frame.wide((v & UnitKind.AVX) != 0);
        }
        return h;
    }

    /** Where to enter code for RIP; {@link TranslationCache#NONE}, {@link TranslationCache#FULL}. */
    private long find(int h) {
        if (UnitKind.is32(h)) {
            cpu.rip &= 0xffffffffL; // what came last may have ended at 4 GiB
        }
        long rip = cpu.rip;
        int table = UnitKind.jumpTable(h);
        long known = jumps.get(table, rip);
        if (known != 0) {
            return known + UnitFlow.ENTRY_CHECK;
        }
        if (cpu.debug().codeInPage(cpu.linearRip(rip))) {
            return TranslationCache.NONE;
        }
        long physical = cpu.fetchPhysical(rip);
        long entry = cache.find(this, h, physical, TranslationCache.NOT_GIVEN);
        if (entry == TranslationCache.TAIL) {
            if (endsAddresses(h, rip)) {
                return TranslationCache.NONE;
            }
            entry = cache.find(this, h, physical, cpu.fetchPhysical((rip | 0xfff) + 1));
        }
        if (entry == TranslationCache.NONE || entry == TranslationCache.FULL) {
            return entry;
        }
        boolean tail = rip >>> 12 != rip + LONGEST >>> 12;
        boolean global = cpu.globalFetch(rip) && (!tail || cpu.globalFetch(rip + LONGEST));
        jumps.put(table, rip, entry, physical >>> 12, global);
        return entry + UnitFlow.ENTRY_CHECK;
    }

    /** Where to go on at RIP after a direct jump within the page; from now on it leads there. Otherwise as {@link #find}. */
    private long link(int h, long displacement) {
        long physical = cpu.fetchPhysical(cpu.rip);
        long label = cache.link(this, h, physical, TranslationCache.NOT_GIVEN, displacement);
        if (label == TranslationCache.TAIL && endsAddresses(h, cpu.rip)) {
            return TranslationCache.NONE;
        }
        return label == TranslationCache.TAIL
                ? cache.link(this, h, physical, cpu.fetchPhysical((cpu.rip | 0xfff) + 1), displacement)
                : label;
    }

    /** Whether no page follows that of an address: an instruction that goes on there faults. */
    private static boolean endsAddresses(int h, long rip) {
        return UnitKind.is32(h) && rip >>> 12 == 0xfffff;
    }

    // ---- running ----

    /** How far a direct jump leads at most. */
    private static final long NEAR = 1L << 32;

    /** The row of RDTSC: Linux has one in each system call. */
    private static final int TIME_STAMP = InstructionTable.INSTANCE.rows().stream()
            .filter(r -> r.mnemonic().equals("RDTSC"))
            .findFirst()
            .orElseThrow()
            .number();

    private boolean mayReadTimeStamp() {
        return cpu.cpl == 0 || (cpu.cr4 & CpuRegisters.CR4_TSD) == 0;
    }

    private static boolean canonical(long linear) {
        return linear << 16 >> 16 == linear;
    }

    /** Runs translated code at RIP, until something is to be done that is not its affair; false if there is none and none can be made. */
    boolean run() {
        int h = how();
        if (h < 0) {
            return false;
        }
        forgetDropped(); // those that others have evicted, while this vCPU was outside
        long code = find(h);
        if (code == TranslationCache.NONE) {
            return false;
        }
        if (code == TranslationCache.FULL) {
            evict();
            return true;
        }
        entered = true;
        cpu.translatedBegins();
        GuestMemory.putLong(base + HostFrame.R11, cpu.rip);
        boolean changed = true;
        while (true) {
            if (changed) {
                frame.enter(code);
            } else {
                frame.again(code);
            }
            changed = false;
            h = how(); // SYSRET and their like change the table
            long record = GuestMemory.getLong(
                    base + HostFrame.EXIT); // read where it runs: where it was written need not be mapped
            int kind = GuestMemory.getByte(record);
            int place = GuestMemory.getShort(record + UnitFlow.RECORD_PLACE);
            long codeBase = GuestMemory.getLong(base + HostFrame.CODE_BASE);
            cpu.rip = codeBase + place;
            switch (kind) {
                case UnitFlow.EXIT_POLL -> {
                    exits.count(ExitCounts.POLL, cpu.rip);
                    return true;
                }
                case UnitFlow.EXIT_JUMP -> {
                    long target = GuestMemory.getLong(base + HostFrame.R11);
                    int transfer = GuestMemory.getInt(base + HostFrame.TRANSFER);
                    if (!canonical(target)
                            && transfer != 0
                            && canonical(codeBase + NEAR)
                            && canonical(codeBase - NEAR)) {
                        // no direct jump leads there: the transfer itself is to fault. Undo it and let the interpreter
                        // do so
                        cpu.r[CpuRegisters.RSP] -= UnitFlow.addedToRsp(transfer);
                        cpu.rip = codeBase + (transfer & 0xfff);
                        cpu.interpret(1);
                        return true;
                    }
                    exits.count(ExitCounts.JUMP, target);
                    cpu.rip = target;
                    if (cpu.attentionDue()) {
                        return true;
                    }
                    code = find(h);
                }
                case UnitFlow.EXIT_LINK -> {
                    exits.count(ExitCounts.LINK, cpu.rip);
                    code = link(h, record - delta + GuestMemory.getInt(record + UnitFlow.RECORD_ARGUMENT));
                }
                default -> {
                    int argument = GuestMemory.getInt(record + UnitFlow.RECORD_ARGUMENT);
                    int cause = argument >>> UnitFlow.RECORD_CAUSE & 15;
                    exits.count(cause, argument & 0xffff, cpu.rip);
                    if (cause == ExitCounts.ACCESS) {
                        CpuMemory.Refill refilled = refill(argument >>> UnitFlow.RECORD_ACCESS);
                        if (refilled != CpuMemory.Refill.NO) {
                            if (refilled == CpuMemory.Refill.FAULT && cpu.deliverPageFault() || cpu.attentionDue()) {
                                return true;
                            }
                            if (refilled == CpuMemory.Refill.DONE) {
                                code = record + GuestMemory.getInt(record + UnitFlow.RECORD_AGAIN);
                                cpu.translatedBegins();
                                continue;
                            }
                            changed = true;
                            h = how();
                            code = h < 0 ? TranslationCache.NONE : find(h);
                            break;
                        }
                    }
                    int resume = GuestMemory.getInt(record + UnitFlow.RECORD_RESUME);
                    int length = GuestMemory.getByte(record + UnitFlow.RECORD_LENGTH);
                    int before = epoch;
                    if (cause == ExitCounts.INSTRUCTION && (argument & 0xffff) == TIME_STAMP && mayReadTimeStamp()) {
                        frame.timeStamp(cpu.control().tsc());
                        cpu.rip += length;
                        cpu.translatedBegins();
                    } else {
                        cpu.interpret(length);
                        changed = true;
                    }
                    if (cpu.attentionDue()) {
                        return true;
                    }
                    if (resume != 0 && cpu.rip == codeBase + place + length && epoch == before && how() == h) {
                        code = record + resume;
                        continue;
                    }
                    h = how();
                    code = h < 0 ? TranslationCache.NONE : find(h);
                }
            }
            if (code == TranslationCache.NONE) {
                return true;
            }
            if (code == TranslationCache.FULL) {
                evict();
                return true;
            }
            GuestMemory.putLong(base + HostFrame.R11, cpu.rip);
        }
    }

    /** Sees to an access that the TLB didn't have: whatever its instruction, if only the TLB has it then. */
    private CpuMemory.Refill refill(int access) {
        boolean stored = (access & UnitFlow.ACCESS_STORED) != 0;
        long linear = GuestMemory.getLong(base + (stored ? HostFrame.ADDRESS : HostFrame.R11));
        long page = linear >>> 12;
        if (cpu.rip == refilledAt && (page == refilled || page == refilledBefore)) {
            // two pages of one instruction that drive each other out
            refilledAt = -1;
            return CpuMemory.Refill.NO;
        }
        int size = access & UnitFlow.ACCESS_SIZE;
        if ((access & UnitFlow.ACCESS_ALIGNED) != 0 && (linear & size - 1) != 0) {
            return CpuMemory.Refill.NO;
        }
        CpuMemory.Refill result = cpu.refill(linear, size, (access & UnitFlow.ACCESS_WRITES) != 0);
        refilledAt = cpu.rip;
        refilledBefore = refilled;
        refilled = page;
        return result;
    }

    private void evict() {
        evictions++;
        cpu.evictTranslations(cache);
    }
}
