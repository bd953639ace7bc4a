package serai.cpu;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuState;
import serai.machine.engine.Exit;
import serai.machine.engine.ProfileSink;
import serai.machine.engine.Segment;
import serai.machine.engine.Vcpu;
import serai.machine.engine.VcpuHost;
import serai.machine.engine.VcpuStats;
import serai.machine.engine.Watchpoint;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;

/**
 * A virtual x86-64 CPU that interprets, and runs what {@link Translation} finds of 64-bit and 32-bit code.
 *
 * <h2>The loop</h2>
 *
 * Guest code runs by the {@link Block}: look one up by RIP, run its nodes in order, go on. Between two blocks, and only there,
 * one field, {@link #runWord}, is looked at: interrupts, kicks, single stepping, breakpoints all set it. The way to
 * a block is a direct-mapped table by RIP, tagged with a generation and the mode, so that a TLB flush drops all of it by counting up.
 *
 * <h2>Precise state</h2>
 *
 * Registers are written by instructions as they complete. RIP is known only at the start of a block ({@link #BLOCK}) and its end; a
 * fault finds its instruction by {@link #cursor}. An instruction that touches a device, or writes a page with cached
 * instructions, throws {@link CpuException#ALONE} before it has changed anything, and is run again as a block of its own: so devices
 * see exact instruction counts, and interrupts they raise are taken right after it, wherever blocks begin and end.
 */
final class Cpu extends CpuTransfers implements Vcpu {
    private static final int JUMP_SIZE = 1 << 13;
    private static final int GENERATIONS = 1 << 13;
    private static final long RIP_MASK = 0xffff_ffff_ffffL;

    private final long[] jumpTag = new long[JUMP_SIZE];
    private final @Nullable Block[] jumpBlock = new Block[JUMP_SIZE];
    private final CodeCache codeCache = new CodeCache();
    private final BlockBuilder builder = new BlockBuilder(this);
    private final CpuGroup group;
    /** Pages whose code others have written. */
    private final PageMail writtenCode = new PageMail();
    /** Pages that others have marked as code, and that may be in this TLB for writing. */
    final PageMail giveUp = new PageMail();

    /** Guest memory has been unplugged: the TLB may have host addresses of it. */
    private volatile boolean memoryGone;

    /** Decoded code is not worth its memory. */
    private volatile boolean blocksIdle;

    private final CpuControl control = new CpuControl(this);
    private final CpuDebug debug = new CpuDebug(this);
    final Atomic16 atomic16 = new Atomic16();
    private final boolean avx = features.contains(CpuFeature.AVX);
    private int pauses;

    /** Address of the word that is zero if something is to be done before the next block. Set by any thread. */
    private final long runWord = context.base + HostFrame.RUN;

    private volatile boolean kicked;
    private volatile @Nullable Thread runner;
    /** Whether it may be in the middle of a block. */
    volatile boolean inRun;
    /** A serializing instruction waits for the others' open requests. */
    private boolean settling;

    /** Generation and mode, in the bits of a jump tag above the address. */
    private long jumpKey;

    private int generation = 1;
    /** Code size and privilege, as blocks depend on them: {@code codeSize / 4 | (cpl == 3 ? 4 : 0)}. */
    int mode;

    private long icount;
    private int cursor;
    private @Nullable Block current;

    boolean halted;
    boolean waitForSipi;
    private String failure = "";
    /** The debugger has been told of a breakpoint at {@link #passedAt}, a linear address. */
    private boolean passBreakpoint;

    private long passedAt;
    /** Whether the instruction being stepped has settled for itself what becomes of TF. */
    private boolean stepSettled;

    long halts;
    long portReads;
    long portWrites;

    /**
     * A vCPU.
     *
     * @throws IllegalStateException if the group has to translate and the host can't
     */
    Cpu(VcpuHost host, CpuGroup group) {
        super(host);
        this.group = group;
        group.add(this);
        TranslationCache cache = group.translationCache(features);
        translation = cache == null ? null : new Translation(this, cache);
        reset();
        memory.addCodeListener(page -> {
            if (cache != null) {
                cache.drop(page); // before the mail: whoever has read it finds the units gone
            }
            if (Thread.currentThread() == runner) {
                dropCode(page);
            } else {
                writtenCode.add(page);
                wantAttention();
            }
        });
        PluggableRam pluggable = memory.pluggable();
        if (pluggable != null) {
            pluggable.onUnplugged(() -> {
                memoryGone = true;
                wantAttention();
            });
        }
        host.interrupts().onPending(this::wantAttention);
    }

    /** From any thread: something is to be done before the next block. */
    private void wantAttention() {
        checkInterrupts();
        GuestMemory.fence();
    }

    // ---- modes ----

    @Override
    void modeChanged() {
        int a = attributes[CS];
        if (!protectedMode()) {
            cpl = 0;
            codeSize = (a & Segment.DB) != 0 ? 4 : 2;
        } else if (vm86()) {
            cpl = 3;
            codeSize = 2;
        } else {
            codeSize = longMode() && (a & Segment.L) != 0 ? 8 : (a & Segment.DB) != 0 ? 4 : 2;
        }
        stackSize = codeSize == 8 ? 8 : (attributes[SS] & Segment.DB) != 0 ? 4 : 2;
        selectTlb();
        int m = codeSize / 4 | (cpl == 3 ? 4 : 0);
        mode = m;
        if (codeSize != 8 && (base[CS] != codeBase || limit[CS] != codeLimit)) {
            // jump tags hold RIP, not the linear address, and their blocks lie within the limit
            codeBase = base[CS];
            codeLimit = limit[CS];
            translationsChanged();
        }
        jumpKey = ((long) generation << 3 | mode) << 48;
        if ((flagsRest & TF) != 0) {
            checkInterrupts();
        }
    }

    private long codeBase;
    private int codeLimit;

    @Override
    void translationsChanged() {
        forgetCodePages();
        if (translation != null) {
            translation.translationsChanged();
        }
        blocksChanged();
    }

    @Override
    void translationChanged(long linearPage) {
        if (translation != null) {
            translation.translationChanged(linearPage);
        }
        blocksChanged();
    }

    @Override
    void localTranslationsChanged() {
        if (translation != null) {
            translation.localTranslationsChanged();
            forgetLocalCodePages();
        } else {
            forgetCodePages();
        }
        blocksChanged();
    }

    /** No block is found by its linear address any more. */
    private void blocksChanged() {
        generation++;
        if (generation == GENERATIONS) {
            generation = 1;
            Arrays.fill(jumpTag, 0);
        }
        jumpKey = ((long) generation << 3 | mode) << 48;
    }

    @Override
    void checkInterrupts() {
        GuestMemory.putInt(runWord, 0);
    }

    @Override
    int nonCanonicalVector() {
        Block b = current;
        return b != null && b.nodes[cursor].stack() ? SS_VECTOR : GP;
    }

    @Override
    boolean onlyCpu() {
        return group.single();
    }

    /** Whether other vCPUs have to see aligned moves of 16 bytes as one access each. */
    boolean inOnePiece() {
        return avx && !group.single();
    }

    private void dropCode(long page) {
        if (codeCache.dropPage(page)) {
            blocksChanged();
        }
        if (translation != null) {
            translation.forgetDropped();
            // even if no units have gone: that may have been noticed before
            Arrays.fill(ones, null);
        }
    }

    // ---- running ----

    @Override
    public Exit run(long maxInstructions) {
        group.enter();
        inRun = true;
        try {
            return runInGroup(maxInstructions);
        } finally {
            vectorsToJava();
            inRun = false;
            group.leave();
        }
    }

    private Exit runInGroup(long maxInstructions) {
        long limit = maxInstructions > Long.MAX_VALUE - icount ? Long.MAX_VALUE : icount + maxInstructions;
        runner = Thread.currentThread();
        if (sampler != null) {
            sampler.on();
        }
        wantAttention();
        CpuException next = null;
        while (true) {
            try {
                if (next == CpuException.ALONE) {
                    next = null;
                    runAlone();
                } else if (next == CpuException.EXCLUSIVE) {
                    next = null;
                    runExclusive();
                }
                return runBlocks(limit);
            } catch (CpuException e) {
                Block b = current;
                if (b != null) {
                    rip = r[BLOCK] + b.nodes[cursor].blockOffset;
                    icount += cursor;
                    cursor = 0;
                    current = null;
                }
                if (e == CpuException.FAULT) {
                    debug.drop();
                    deliverFault();
                    // it counts: handlers that fault themselves complete no instruction, and a bounded run has to end
                    icount++;
                    checkInterrupts();
                } else if (e == CpuException.AGAIN) {
                    repeatBegun();
                } else {
                    next = e;
                }
            } catch (RuntimeException | StackOverflowError e) {
                failure = "the interpreter failed at rip %#x: %s".formatted(rip, e);
                System.getLogger("serai.cpu").log(System.Logger.Level.DEBUG, failure, e);
                current = null;
                cursor = 0;
                return Exit.FAILED;
            }
        }
    }

    /** The next instruction as a block of its own. */
    private void runAlone() {
        alone = true;
        try {
            runPart(single(), 1);
        } finally {
            alone = false;
        }
    }

    /** The same while all other vCPUs stand still. */
    private void runExclusive() {
        alone(() -> {
            answerRequests(); // those that came while this one stood still
            exclusive = true;
            try {
                runAlone();
            } finally {
                exclusive = false;
            }
        });
    }

    /** Does something, between two blocks, while all other vCPUs stand still between two of theirs. */
    private void alone(Runnable action) {
        inRun = false;
        group.begin(this);
        inRun = true;
        try {
            action.run();
        } finally {
            group.end();
        }
    }

    private Exit runBlocks(long limit) {
        while (true) {
            if (GuestMemory.getInt(runWord) == 0) {
                Exit e = attend(limit);
                if (e != null) {
                    return e;
                }
            }
            if (limit == Long.MAX_VALUE && translation != null && translation.run()) {
                continue;
            }
            long start = rip;
            int slot = slot(start);
            Block b = jumpBlock[slot];
            if (b == null || jumpTag[slot] != (start & RIP_MASK | jumpKey)) {
                if (icount >= limit) {
                    return Exit.BUDGET; // before a fault of the fetch, which counts
                }
                b = find(start, slot);
            }
            Node[] nodes = b.nodes;
            int n = nodes.length;
            if (n > limit - icount) {
                if (icount >= limit) {
                    return Exit.BUDGET;
                }
                runPart(b, (int) (limit - icount));
                continue;
            }
            if (b.vectors) {
                vectorsToJava();
            }
            r[BLOCK] = start;
            rip = start + b.bytes;
            current = b;
            for (int i = 0; i < n; i++) {
                cursor = i;
                nodes[i].execute(this);
            }
            icount += n;
            cursor = 0;
            current = null;
        }
    }

    private static int slot(long start) {
        return (int) (start ^ start >>> 13) & JUMP_SIZE - 1;
    }

    // ---- translated code ----

    private static final int ONES = 1 << 12;
    /** Single instructions that translated code leaves to the interpreter, by physical address. */
    private final @Nullable Block[] ones = new Block[ONES];

    private final @Nullable Translation translation;
    private @Nullable GuestSampler sampler;

    /** Translated code is about to run: it counts as an instruction, as it has one at least. */
    void translatedBegins() {
        icount++;
    }

    /** Delivers the page fault that {@link #refill} has found to translated code; true if it is not to go on at once. */
    boolean deliverPageFault() {
        debug.drop();
        deliverFault();
        if (shutdown) {
            checkInterrupts();
        }
        return shutdown;
    }

    private void vectorsToJava() {
        if (translation != null) {
            translation.frame.vectorsToJava();
        }
    }

    /**
     * Runs the instruction at RIP, alone, for translated code; or several.
     *
     * @param bytes of all of them; what is less than one is one
     */
    void interpret(int bytes) {
        long physical = fetchPhysical(rip);
        int slot = (int) (physical ^ physical >>> 12) & ONES - 1;
        Block b = ones[slot];
        if (b == null || b.physical != physical || b.mode != mode) {
            b = builder.build(rip, physical, Integer.MAX_VALUE, bytes);
            if (b.tailPage < 0 && (memory.pageFlags(physical) & GuestMemory.CODE) != 0) {
                ones[slot] = b;
            }
        }
        alone = b.nodes.length == 1;
        try {
            runPart(b, b.nodes.length);
        } finally {
            alone = false;
        }
    }

    /** All decoded code is to go, when the vCPU next runs: what it has belongs to its thread. From any thread. */
    void forgetBlocks() {
        blocksIdle = true;
        wantAttention();
    }

    /** Makes room for translated code; the caller goes on from {@link #run}'s loop. */
    void evictTranslations(TranslationCache cache) {
        alone(cache::evict);
    }

    /** Runs the first {@code n} instructions of a block. */
    private void runPart(Block b, int n) {
        if (b.vectors) {
            vectorsToJava();
        }
        long start = rip;
        r[BLOCK] = start;
        // the block is cut: a node that ends one is its last, and is reached only if n is the whole
        rip = n < b.nodes.length ? start + b.nodes[n].blockOffset : start + b.bytes;
        if (codeSize != 8) {
            rip &= 0xffffffffL;
        }
        current = b;
        for (int i = 0; i < n; i++) {
            cursor = i;
            b.nodes[i].execute(this);
        }
        icount += n;
        cursor = 0;
        current = null;
    }

    long linearRip(long ip) {
        return codeSize == 8 ? ip : base[CS] + ip & 0xffffffffL;
    }

    /** The slow way to a block: by its physical address, or by decoding it. */
    private Block find(long start, int slot) {
        if (codeSize != 8) {
            if (start >>> 32 != 0) {
                // a block of 32-bit code ran past 4 GiB
                rip = start & 0xffffffffL;
                start = rip;
            }
            if (pastLimit(start)) {
                throw fault(GP, 0);
            }
        }
        long linear = linearRip(start);
        long physical = fetchPhysical(linear);
        Block b = codeCache.get(physical, mode);
        if (b != null && b.tailPage >= 0 && fetchPhysical((linear | 0xfff) + 1) != b.tailPage) {
            b = null;
        }
        if (b == null) {
            if (codeCache.full()) {
                codeCache.clear();
                translationsChanged();
            }
            boolean ram = memory.host(physical) != 0;
            if (ram) {
                protect(physical); // before its bytes are read: a write after that is told
            }
            b = builder.build(start, physical, Integer.MAX_VALUE);
            if (!ram) {
                return b; // instructions from a device: never kept
            }
            if (b.tailPage >= 0 && protect(b.tailPage)) {
                b = builder.build(start, physical, Integer.MAX_VALUE);
            }
            codeCache.put(b);
        }
        if (pastLimit(start + b.bytes - 1)) {
            return cutAtLimit(b, start);
        }
        jumpTag[slot] = start & RIP_MASK | jumpKey;
        jumpBlock[slot] = b;
        return b;
    }

    private boolean pastLimit(long ip) {
        return codeSize != 8 && ip > (limit[CS] & 0xffffffffL);
    }

    /** The instruction at RIP, as a block of its own. */
    private Block single() {
        if (codeSize != 8) {
            rip &= 0xffffffffL;
            if (pastLimit(rip)) {
                throw fault(GP, 0);
            }
        }
        Block b = builder.build(rip, fetchPhysical(linearRip(rip)), 1);
        return pastLimit(rip + b.bytes - 1) ? cutAtLimit(b, rip) : b;
    }

    /** The part of a block that lies within the limit of CS; the instruction that does not raises #GP(0). */
    private Block cutAtLimit(Block b, long start) {
        int n = 0;
        while (!pastLimit(start + b.nodes[n].blockOffset + b.nodes[n].length - 1)) {
            n++;
        }
        Node[] nodes = Arrays.copyOf(b.nodes, n + 1);
        Node beyond = new SystemNodes.Raise(GP);
        beyond.blockOffset = b.nodes[n].blockOffset;
        beyond.length = 1;
        nodes[n] = beyond;
        return new Block(nodes, beyond.blockOffset + 1, b.physical, b.mode, b.tailPage, b.vectors);
    }

    /** From now on writes to the page are told; false if they are already. */
    boolean protect(long physical) {
        if ((memory.pageFlags(physical) & GuestMemory.CODE) != 0) {
            return false;
        }
        memory.markCode(physical);
        protectPhysical(physical);
        if (!onlyCpu()) {
            group.protect(this, physical >>> 12, memory.writers(physical));
        }
        return true;
    }

    /** What other vCPUs ask for; see {@link CpuGroup}. */
    private void answerRequests() {
        if (blocksIdle) {
            blocksIdle = false;
            codeCache.clear();
            Arrays.fill(ones, null);
            Arrays.fill(jumpBlock, null);
            blocksChanged();
        }
        if (memoryGone) {
            memoryGone = false; // before the flush: what goes meanwhile sets it again
            flushTlb();
        }
        giveUp.drain(
                page -> {
                    boolean may = protectPhysical(page << 12) || unfilledWrite;
                    memory.stoppedWriting(page << 12, host.index());
                    if (may) {
                        memory.codeWritten(page << 12);
                    }
                },
                () -> {
                    flushTlb();
                    memory.allCodeWritten();
                });
        unfilledWrite = false;
        writtenCode.drain(this::dropCode, () -> {
            codeCache.clear();
            if (translation != null) {
                Arrays.fill(ones, null);
            }
            translationsChanged();
        });
    }

    /** A serializing instruction: SDM vol. 3, 9.3. Its block ends with it. */
    void serialize() {
        GuestMemory.fence();
        if (group.unsettled()) {
            settling = true;
            checkInterrupts();
        }
    }

    /** PAUSE, in a loop that waits for another vCPU: that one may need the host's processor. */
    void pauseHint() {
        if (!onlyCpu() && (++pauses & 63) == 0) {
            Thread.yield();
        }
    }

    /** Waits until others have answered what is asked of them. */
    private void settle() {
        settling = false;
        for (int i = 0; !group.settled(this); i++) {
            if (group.stopping()) {
                pause();
            }
            answerRequests();
            if ((i & 63) == 63) {
                Thread.yield();
            } else {
                Thread.onSpinWait();
            }
        }
        answerRequests();
    }

    private void pause() {
        inRun = false;
        group.pause();
        inRun = true;
    }

    /** Between two blocks, with {@link #runWord} zero: what {@link #run} returns, or null to go on. */
    private @Nullable Exit attend(long limit) {
        while (true) {
            GuestMemory.putInt(runWord, 1);
            GuestMemory.fence(); // before what others ask for is looked at
            if (group.stopping()) {
                pause();
            }
            answerRequests();
            if (sampler != null) {
                sampler.drain(linearRip(rip));
            }
            if (settling) {
                settle();
            }
            if (shutdown) {
                checkInterrupts();
                return Exit.SHUTDOWN;
            }
            if (kicked) {
                kicked = false;
                checkInterrupts();
                return Exit.KICKED;
            }
            if (debug.hasHit()) {
                checkInterrupts();
                return Exit.WATCHPOINT;
            }
            if (debug.pending() && !movSsShadow) {
                halted = false;
                debug.take();
                deliverEvent(DB);
                continue;
            }
            if (host.interrupts().pending()) {
                if (takeInterrupt()) {
                    continue;
                }
            }
            if (waitForSipi) {
                checkInterrupts();
                return Exit.HALTED;
            }
            if (halted) {
                checkInterrupts();
                return (flagsRest & IF) == 0 ? Exit.HALTED_FOR_EVER : Exit.HALTED;
            }
            if (icount >= limit) {
                checkInterrupts();
                return Exit.BUDGET;
            }
            boolean step = stiShadow || movSsShadow || (flagsRest & TF) != 0;
            if (debug.code()) {
                long linear = linearRip(rip);
                if (!step && limit == Long.MAX_VALUE && !debug.codeInPage(linear) && runPagesWithoutBreakpoints()) {
                    passBreakpoint = false;
                    continue;
                }
                checkInterrupts();
                if (!(passBreakpoint && passedAt == linear) && debug.debuggerStopsAt(linear)) {
                    return Exit.BREAKPOINT;
                }
                passBreakpoint = false;
                expireRf();
                if ((flagsRest & RF) == 0 && !movSsShadow && debug.guestStopsAt(linear)) {
                    deliverEvent(DB);
                    icount++; // as a fault does
                    continue;
                }
                Block b = step ? null : find(rip, slot(rip));
                if (b == null || debug.codeIn(linear, b.bytes)) {
                    stepOne();
                } else {
                    runPart(b, (int) Math.min(b.nodes.length, limit - icount));
                }
                continue;
            }
            passBreakpoint = false;
            if (step) {
                checkInterrupts();
                stepOne();
                continue;
            }
            return null;
        }
    }

    /** Runs translated code, which comes back before it enters a page with a breakpoint; false if there is none. */
    private boolean runPagesWithoutBreakpoints() {
        try {
            return translation != null && translation.run();
        } finally {
            checkInterrupts(); // and that is looked for before anything else runs, after a fault, too
        }
    }

    /** The breakpoints that {@link CpuDebug#codeInPage} knows have changed: translated code may have had ways into their pages. */
    void codeBreakpointsChanged() {
        if (translation != null) {
            translation.translationsChanged();
        }
    }

    /** One instruction, with what single stepping and the shadows ask for after it. */
    private void stepOne() {
        boolean trap = (flagsRest & TF) != 0;
        boolean hadSti = stiShadow;
        boolean hadMovSs = movSsShadow;
        stepSettled = false;
        Block b = single();
        long next = rip + b.bytes;
        boolean repeats = false;
        alone = true;
        try {
            try {
                runPart(b, 1);
            } catch (CpuException e) {
                if (e != CpuException.EXCLUSIVE) {
                    throw e;
                }
                rip = r[BLOCK];
                current = null;
                runExclusive();
            }
        } catch (CpuException e) {
            if (e != CpuException.AGAIN) {
                throw e;
            }
            // an iteration of a repeated instruction
            rip = r[BLOCK];
            current = null;
            repeatBegun();
            repeats = true;
        } finally {
            alone = false;
            if (hadSti) {
                stiShadow = false;
            }
            if (hadMovSs) {
                movSsShadow = false;
            }
        }
        // a load of SS has no trap of its own, as on the processor
        if (trap && !stepSettled && !movSsShadow && control.stepTraps(rip != next && !repeats)) {
            debug.trap(CpuDebug.BS);
        }
    }

    /** A repeated instruction that has done an iteration and is not through: events find RF set (SDM vol. 3, 18.3.1.1). */
    private void repeatBegun() {
        flagsRest |= RF;
        rfAt = icount;
    }

    @Override
    void instructionDone() {
        stepSettled = true;
        if (current != null) {
            icount += cursor + 1;
            cursor = 0;
            current = null;
        }
    }

    private boolean takeInterrupt() {
        if (host.interrupts().takeInit()) {
            init();
            return true;
        }
        if (waitForSipi) {
            int vector = host.interrupts().takeStartup();
            if (vector < 0) {
                return false;
            }
            waitForSipi = false;
            setSegment(CS, vector << 8, (long) vector << 12, 0xffff, attributes[CS]);
            rip = 0;
            modeChanged();
            return true;
        }
        if (movSsShadow) {
            return false;
        }
        if (!nmiMasked && host.interrupts().takeNmi()) {
            halted = false;
            nmiMasked = true;
            interrupts++;
            deliverEvent(NMI);
            return true;
        }
        if ((flagsRest & IF) != 0 && !stiShadow && host.interrupts().externalPending()) {
            int vector = host.interrupts().acknowledge();
            if (vector >= 0) {
                halted = false;
                interrupts++;
                deliverEvent(vector);
                return true;
            }
        }
        return false;
    }

    // ---- what nodes call ----

    CpuControl control() {
        return control;
    }

    CpuDebug debug() {
        return debug;
    }

    @Override
    void debugTrap(int dr6) {
        debug.trap(dr6);
    }

    @Override
    void debugException() {
        // a trap that MOV SS held back over INT1 or an instruction breakpoint is told of with it: a second #DB before
        // the handler's first instruction would take the same stack of the IST and overwrite the first's frame
        debug.take();
        dr[5] &= ~CpuDebug.GENERAL_DETECT;
        control.debugException();
    }

    @Override
    void stepSettled() {
        stepSettled = true;
    }

    @Override
    boolean watched(long page) {
        return debug.inPage(page);
    }

    @Override
    void accessed(long linear, int size, boolean write) {
        debug.access(linear, size, write);
    }

    @Override
    void loadCr3(long v) {
        control.loadCr3(v);
    }

    @Override
    long completed() {
        return icount + cursor;
    }

    void halt() {
        halted = true;
        halts++;
        checkInterrupts();
    }

    /** Whether each iteration of a repeated instruction is to be trapped after. */
    boolean stepping() {
        return (flagsRest & TF) != 0;
    }

    /** Whether a long instruction should make way. */
    boolean attentionDue() {
        return stepping() || GuestMemory.getInt(runWord) == 0;
    }

    /** Back to power-on state (SDM vol. 3, table 10-1). */
    void reset() {
        xcr0 = 1;
        mxcsr = 0x1f80;
        fpu.reset();
        Arrays.fill(vec, 0);
        control.reset();
        init();
    }

    /** INIT, and of a power-on what INIT does, too: all but MSRs, XCR0 and the extended state. */
    void init() {
        Arrays.fill(r, 0);
        r[RDX] = 0x306a9;
        for (int s = ES; s <= GS; s++) {
            setSegment(s, 0, 0, 0xffff, 0x93);
        }
        setSegment(CS, 0xf000, 0xffff0000L, 0xffff, 0x9b);
        setSegment(LDTR, 0, 0, 0xffff, 0x82);
        setSegment(TR, 0, 0, 0xffff, 0x8b);
        gdtBase = 0;
        gdtLimit = 0xffff;
        idtBase = 0;
        idtLimit = 0xffff;
        cr0 = CR0_ET | CR0_NW | CR0_CD;
        cr2 = 0;
        cr3 = 0;
        cr4 = 0;
        efer = 0;
        cpl = 0;
        flagsRest = 2;
        arithmeticFlags(0);
        rip = 0xfff0;
        halted = false;
        shutdown = false;
        waitForSipi = host.index() != 0;
        nmiMasked = false;
        stiShadow = false;
        movSsShadow = false;
        control.init();
        debug.drop();
        debug.changed();
        flushTlb();
        modeChanged();
    }

    // ---- Vcpu ----

    @Override
    public void kick() {
        kicked = true;
        wantAttention();
    }

    @Override
    public boolean countsInstructions() {
        return true;
    }

    @Override
    public long instructions() {
        return icount + cursor;
    }

    void instructions(long n) {
        icount = n;
    }

    @Override
    public CpuState save() {
        return control.save(icount);
    }

    @Override
    public void restore(CpuState state) {
        control.restore(state);
        passBreakpoint = false;
        debug.changed();
        flushTlb();
        modeChanged();
        wantAttention();
    }

    @Override
    public void breakpoints(long[] linearAddresses) {
        debug.breakpoints(linearAddresses);
    }

    @Override
    public void passBreakpoint() {
        passBreakpoint = true;
        passedAt = linearRip(rip);
    }

    @Override
    public void watchpoints(List<Watchpoint> list) {
        debug.watchpoints(list);
    }

    @Override
    public @Nullable Watchpoint watchpointHit() {
        return debug.takeHit();
    }

    @Override
    public long translate(long linear) {
        return probe(linear);
    }

    @Override
    public String failure() {
        return failure;
    }

    @Override
    public VcpuStats stats() {
        Map<String, Long> exits = new LinkedHashMap<>();
        exits.put("port-read", portReads);
        exits.put("port-write", portWrites);
        exits.put("mmio-read", mmioReads);
        exits.put("mmio-write", mmioWrites);
        exits.put("hlt", halts);
        exits.put("interrupt", interrupts);
        exits.put("exception", exceptions);
        exits.put("page-fault", pageFaults);
        exits.put("tlb-flush", tlbFlushes);
        if (translation != null) {
            exits.put("units", translation.made);
            exits.put("unit-bytes", translation.bytes);
            exits.put("code-evictions", translation.evictions);
            exits.put(
                    "code-evictions-idle",
                    host.index() == 0 ? translation.cache.trimmed() : 0); // all vCPUs': once in a sum
            exits.putAll(translation.exits.report());
        }
        // translated code doesn't count
        return new VcpuStats(translation != null && translation.entered ? -1 : icount, exits, tlbMisses);
    }

    @Override
    public void profile(ProfileSink sink) {
        sampler = new GuestSampler(context, translation == null ? null : translation.cache, sink);
    }

    @Override
    public void close() {
        if (sampler != null) {
            sampler.close();
        }
    }
}
