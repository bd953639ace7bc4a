package serai.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.ref.Cleaner;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;
import serai.linux.CodeMemory;
import serai.linux.LinuxException;
import serai.linux.MachineCode;
import serai.machine.engine.CpuFeature;
import serai.machine.memory.GuestMemory;

/**
 * A vCPU's fast tier: finds or makes translated code for where it is, runs it, and does what it comes back for.
 *
 * <p>State is in the interpreter's fields whenever Java runs, but for the XMM registers, which stay in the frame until an instruction or
 * somebody outside asks for them ({@link #vectorsToJava}). The jump tables hold what was found by linear address, one for each privilege, and
 * are emptied when translations change.
 */
final class Translation {
    /** Bytes of code; when they are used up, all is forgotten. */
    private static final long CODE_SIZE = 32L << 20;

    private static final MethodHandle ENTER = MachineCode.caller(FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG));
    private static final Cleaner CLEANER = Cleaner.create();

    private static final int JUMP_BITS = 0xfffc;
    private static final int SSE = 4;

    private final Cpu cpu;
    private final long base;
    private final Assembler a;
    private final long delta;
    private final long codeStart;
    private final long codeEnd;
    private final MemorySegment enter;
    private final long miss;
    private final Translator translator;
    private final TranslatedCode units = new TranslatedCode();

    private final int[][] filled = new int[3][VcpuContext.JUMP_ENTRIES];
    private final int[] filledCount = new int[3];
    /** By table and slot: the instruction lies in global pages. */
    private final BitSet[] global = {new BitSet(), new BitSet(), new BitSet()};

    private final int[] how = {-1, -1, -1};
    /** Counts what makes all that was looked up invalid. */
    private int epoch;

    private static final int LONGEST = 16;
    /** The bytes of an instruction that lies in two pages. */
    private final MemorySegment bridge = Arena.ofAuto().allocate(2 * LONGEST);

    private boolean vectorsInFrame;

    /** Units made, bytes of them, times all was forgotten. */
    long made;

    /** Whether any has run. */
    boolean entered;

    long bytes;
    long resets;
    final ExitCounts exits = new ExitCounts();

    private Translation(Cpu cpu, CodeMemory memory) {
        this.cpu = cpu;
        base = cpu.context.base;
        delta = memory.executable() - memory.writable();
        a = new Assembler(memory.writable(), delta);
        long enterAt = a.at();
        writeEnter();
        a.align(16);
        long exit = a.at();
        long exitSaved = writeExit();
        a.align(16);
        long missAt = a.at();
        a.call(exit);
        a.bytes(UnitFlow.EXIT_JUMP, 0);
        a.int2(0);
        a.int8(0);
        a.align(64);
        codeStart = a.at();
        codeEnd = memory.writable() + memory.size();
        enter = MemorySegment.ofAddress(a.runs(enterAt));
        miss = a.runs(missAt);
        translator = new Translator(a, cpu.features, HostCpu.FEATURES, exit, exitSaved, missAt);
        GuestMemory.putLong(base + HostFrame.INDEX_MASK, 0x3ff000);
        GuestMemory.putLong(base + HostFrame.PAGE_MASK, -4096);
        GuestMemory.putLong(base + HostFrame.OFFSET_MASK, 4095);
        GuestMemory.putLong(base + HostFrame.ALIGNED_MASK, ~0xff0L);
        GuestMemory.putLong(base + HostFrame.JUMP_MASK, JUMP_BITS);
        GuestMemory.putLong(base + HostFrame.BIT_64, 63);
        GuestMemory.putLong(base + HostFrame.BIT_32, 31);
        GuestMemory.putLong(base + HostFrame.ARITHMETIC_MASK, CpuRegisters.ARITHMETIC);
        GuestMemory.putInt(base + HostFrame.HOST_MXCSR, 0x1f80);
        for (int table = 0; table < 3; table++) {
            for (int i = 0; i < VcpuContext.JUMP_ENTRIES; i++) {
                empty(table, i);
            }
        }
    }

    /** The translation of a vCPU, or null if it is not asked for ({@code -Dserai.translate=on}) or the host can't: it is no x86-64 with BMI2, or forbids executable memory. */
    static @Nullable Translation of(Cpu cpu) {
        if (!System.getProperty("serai.translate", "off").equals("on")
                || !HostCpu.FEATURES.contains(CpuFeature.BMI2)
                || !HostCpu.FEATURES.contains(CpuFeature.SSE2)) {
            return null;
        }
        try {
            CodeMemory memory = CodeMemory.create(CODE_SIZE);
            CLEANER.register(cpu, memory::close);
            return new Translation(cpu, memory);
        } catch (LinuxException e) {
            System.getLogger("serai.cpu").log(System.Logger.Level.INFO, "the engine interprets: {0}", e.getMessage());
            return null;
        }
    }

    // ---- the ways in and out ----

    private static final int[] SAVED = {
        Assembler.RBX, Assembler.RBP, Assembler.R12, Assembler.R13, Assembler.R14, Assembler.R15
    };

    private void pushOrPop(int opcode, int register) {
        if (register >= 8) {
            a.byte1(0x41);
        }
        a.byte1(opcode | register & 7);
    }

    /** {@code void enter(long base)}, by the System V ABI. */
    private void writeEnter() {
        for (int register : SAVED) {
            pushOrPop(0x50, register);
        }
        a.store(Assembler.RDI, HostFrame.HOST_RSP, Assembler.RSP);
        a.move(Assembler.RSP, Assembler.RDI);
        if (HostCpu.FEATURES.contains(CpuFeature.AVX)) {
            a.bytes(0xc5, 0xf8, 0x77); // VZEROUPPER: SSE after dirty upper halves is slow
        }
        a.mem(0, false, 1, 0xae, 2, Assembler.RSP, Assembler.NONE, 0, HostFrame.MXCSR);
        for (int i = 0; i < 16; i++) {
            a.mem(0, false, 1, 0x10, i, Assembler.RSP, Assembler.NONE, 0, HostFrame.XMM + 16 * i);
        }
        a.load(Assembler.RAX, Assembler.RSP, HostFrame.FLAGS);
        a.bytes(0x04, 0x7f, 0x9e); // add al, 127; sahf: OF is AL's
        for (int g = 0; g < 16; g++) {
            if (!HostFrame.spilled(g)) {
                a.load(HostFrame.host(g), Assembler.RSP, HostFrame.slot(g));
            }
        }
        a.load(Assembler.R11, Assembler.RSP, HostFrame.R11);
        a.mem(0, false, 0, 0xff, 4, Assembler.RSP, Assembler.NONE, 0, HostFrame.TARGET);
    }

    /**
     * The common way out, called; its return address is that of the record.
     *
     * @return another entry, for when guest flags are in the frame
     */
    private long writeExit() {
        a.store(Assembler.RSP, 8 + HostFrame.RCX, Assembler.RCX);
        a.store(Assembler.RSP, 8 + HostFrame.slot(0), Assembler.RAX);
        a.bytes(0x9f, 0x0f, 0x90, 0xc0); // lahf; seto al
        a.store(Assembler.RSP, 8 + HostFrame.FLAGS, Assembler.RAX);
        long over = a.jump();
        long saved = a.at();
        a.store(Assembler.RSP, 8 + HostFrame.RCX, Assembler.RCX);
        a.store(Assembler.RSP, 8 + HostFrame.slot(0), Assembler.RAX);
        a.patch(over, a.at());
        pushOrPop(0x58, Assembler.RCX);
        a.store(Assembler.RSP, HostFrame.EXIT, Assembler.RCX);
        for (int g = 1; g < 16; g++) {
            if (!HostFrame.spilled(g)) {
                a.store(Assembler.RSP, HostFrame.slot(g), HostFrame.host(g));
            }
        }
        a.store(Assembler.RSP, HostFrame.R11, Assembler.R11);
        a.mem(0, false, 1, 0xae, 3, Assembler.RSP, Assembler.NONE, 0, HostFrame.MXCSR);
        a.mem(0, false, 1, 0xae, 2, Assembler.RSP, Assembler.NONE, 0, HostFrame.HOST_MXCSR);
        for (int i = 0; i < 16; i++) {
            a.mem(0, false, 1, 0x11, i, Assembler.RSP, Assembler.NONE, 0, HostFrame.XMM + 16 * i);
        }
        a.load(Assembler.RSP, Assembler.RSP, HostFrame.HOST_RSP);
        for (int i = SAVED.length - 1; i >= 0; i--) {
            pushOrPop(0x58, SAVED[i]);
        }
        a.byte1(0xc3);
        return saved;
    }

    private void enter(long code) {
        long b = base;
        long[] r = cpu.r;
        for (int i = 0; i < 16; i++) {
            GuestMemory.putLong(b + 8 * i, r[i]);
        }
        long f = cpu.flags();
        GuestMemory.putLong(b + HostFrame.FLAGS, (f & 0xff) << 8 | f >>> 11 & 1);
        GuestMemory.putInt(b + HostFrame.MXCSR, cpu.mxcsr);
        GuestMemory.putLong(b + HostFrame.FS_BASE, cpu.base[CpuRegisters.FS]);
        GuestMemory.putLong(b + HostFrame.GS_BASE, cpu.base[CpuRegisters.GS]);
        GuestMemory.putLong(b + HostFrame.TARGET, code);
        int rest = cpu.flagsRest;
        GuestMemory.putLong(b + HostFrame.INTERRUPT_FLAG, rest & CpuRegisters.IF);
        GuestMemory.putLong(b + HostFrame.FLAGS_REST, rest & ~(CpuRegisters.IF | CpuRegisters.RF));
        GuestMemory.putInt(b + HostFrame.UPWARDS, (rest & CpuRegisters.DF) == 0 ? 1 : 0);
        int[] s = cpu.selector;
        GuestMemory.putLong(
                b + HostFrame.SELECTORS,
                s[0] & 0xffffL | (s[1] & 0xffffL) << 16 | (s[2] & 0xffffL) << 32 | (long) s[3] << 48);
        GuestMemory.putInt(b + HostFrame.SELECTORS + 8, s[4] & 0xffff | s[5] << 16);
        GuestMemory.putInt(b + HostFrame.QUIET, cpu.host.interrupts().pending() ? 0 : 1);
        if (!vectorsInFrame) {
            vectorsInFrame = true;
            for (int i = 0; i < 16; i++) {
                GuestMemory.putLong(b + HostFrame.XMM + 16 * i, cpu.vec[8 * i]);
                GuestMemory.putLong(b + HostFrame.XMM + 16 * i + 8, cpu.vec[8 * i + 1]);
            }
        }
        try {
            ENTER.invokeExact(enter, b);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
        for (int i = 0; i < 16; i++) {
            r[i] = GuestMemory.getLong(b + 8 * i);
        }
        int w = GuestMemory.getInt(b + HostFrame.FLAGS);
        cpu.arithmeticFlags((w >>> 8 & 0xff) | (w & 1) << 11);
        cpu.mxcsr = GuestMemory.getInt(b + HostFrame.MXCSR);
        cpu.flagsRest = cpu.flagsRest & ~CpuRegisters.IF | GuestMemory.getInt(b + HostFrame.INTERRUPT_FLAG);
    }

    /** The XMM registers into the interpreter's. */
    void vectorsToJava() {
        if (vectorsInFrame) {
            vectorsInFrame = false;
            for (int i = 0; i < 16; i++) {
                cpu.vec[8 * i] = GuestMemory.getLong(base + HostFrame.XMM + 16 * i);
                cpu.vec[8 * i + 1] = GuestMemory.getLong(base + HostFrame.XMM + 16 * i + 8);
            }
        }
    }

    // ---- what is known ----

    /** A tag that no address matches which is looked for in this slot: that of one that belongs into another. */
    private static long emptyTag(int slot) {
        return ~((slot ^ 1L) << 2);
    }

    private void empty(int table, int slot) {
        GuestMemory.putLong(base + VcpuContext.jumpTags(table) + 8L * slot, emptyTag(slot));
        GuestMemory.putLong(base + VcpuContext.jumpCode(table) + 8L * slot, miss);
    }

    private void emptyTable(int table) {
        for (int i = 0; i < filledCount[table]; i++) {
            empty(table, filled[table][i]);
        }
        filledCount[table] = 0;
    }

    /** What was found by linear addresses is void. */
    void translationsChanged() {
        epoch++;
        for (int table = 0; table < 3; table++) {
            emptyTable(table);
        }
    }

    /** The same, but for what lies in global pages. */
    void localTranslationsChanged() {
        epoch++;
        for (int table = 0; table < 3; table++) {
            int[] slots = filled[table];
            int kept = 0;
            for (int i = 0; i < filledCount[table]; i++) {
                int slot = slots[i];
                if (global[table].get(slot)) {
                    slots[kept++] = slot;
                } else {
                    empty(table, slot);
                }
            }
            filledCount[table] = kept;
        }
    }

    /** A page's code has changed; false if there was none. */
    boolean drop(long page) {
        return units.drop(page);
    }

    /** All of it. */
    void clear() {
        units.clear();
        a.at(codeStart);
        resets++;
        translationsChanged();
    }

    /** How code is translated now; -1 if not at all. */
    private int how() {
        int table = cpu.tlbTable();
        if (table > 2 || cpu.codeSize != 8 || cpu.cpl != 0 && cpu.cpl != 3) {
            return -1;
        }
        boolean sse = (cpu.cr0 & (CpuRegisters.CR0_EM | CpuRegisters.CR0_TS)) == 0
                && (cpu.cr4 & CpuRegisters.CR4_OSFXSR) != 0
                && (cpu.mxcsr & 0x1f80) == 0x1f80;
        int h = sse ? table | SSE : table;
        if (how[table] != h) {
            how[table] = h;
            emptyTable(table);
        }
        return h;
    }

    private long find(int h) {
        long rip = cpu.rip;
        int table = h & 3;
        int slot = (int) (rip & JUMP_BITS) >> 2;
        long tag = base + VcpuContext.jumpTags(table) + 8L * slot;
        long code = tag + 8L * VcpuContext.JUMP_ENTRIES;
        if (GuestMemory.getLong(tag) == ~rip) {
            return GuestMemory.getLong(code) + UnitFlow.ENTRY_CHECK;
        }
        long physical = cpu.fetchPhysical(rip);
        long host = cpu.memory.host(physical);
        if (host == 0) {
            return 0;
        }
        int place = (int) (physical & 0xfff);
        TranslatedCode.Page page = units.get(physical >>> 12);
        long entry = page == null ? 0 : page.code(h, place);
        if (entry != 0 && page != null) {
            long tail = page.tail(place);
            if (tail >= 0 && cpu.fetchPhysical((rip | 0xfff) + 1) != tail) {
                entry = 0;
            }
        }
        if (entry == 0) {
            entry = makeEntry(h, rip, physical, host - place);
        }
        if (entry == 0) {
            return 0;
        }
        if (GuestMemory.getLong(tag) == emptyTag(slot)) {
            filled[table][filledCount[table]++] = slot;
        }
        boolean tail = rip >>> 12 != rip + LONGEST >>> 12;
        global[table].set(slot, cpu.globalFetch(rip) && (!tail || cpu.globalFetch(rip + LONGEST)));
        GuestMemory.putLong(code, entry);
        GuestMemory.putLong(tag, ~rip);
        return entry + UnitFlow.ENTRY_CHECK;
    }

    /** The entry of an instruction that has none; 0 if it can't be translated. */
    private long makeEntry(int h, long rip, long physical, long host) {
        int place = (int) (physical & 0xfff);
        makeRoom();
        TranslatedCode.Page page = units.getOrCreate(physical >>> 12);
        if (page.label(h, place) == 0 || page.code(h, place) != 0) {
            if (!translate(h, rip, physical, host)) {
                return 0;
            }
        }
        if (page.code(h, place) == 0) {
            long before = a.at();
            translator.entry(place, h & 3, page.of(h));
            bytes += a.at() - before;
        }
        return page.code(h, place);
    }

    private void makeRoom() {
        if (a.at() + Translator.MAX_BYTES > codeEnd) {
            clear();
        }
    }

    /** Translates what begins at RIP; there has to be room. */
    private boolean translate(int h, long rip, long physical, long host) {
        int place = (int) (physical & 0xfff);
        cpu.protect(physical);
        TranslatedCode.Page p = units.getOrCreate(physical >>> 12);
        long before = a.at();
        boolean sse = (h & SSE) != 0;
        if (!translator.translate(host, place, 4096, h & 3, sse, p.of(h))) {
            long tail = cpu.fetchPhysical((rip | 0xfff) + 1);
            long tailHost = cpu.memory.host(tail);
            if (tailHost == 0) {
                return false;
            }
            cpu.protect(tail);
            int first = 4096 - place;
            GuestMemory.copy(host + place, bridge.address(), first);
            GuestMemory.copy(tailHost, bridge.address() + first, LONGEST);
            if (!translator.translate(bridge.address() - place, place, 4096 + LONGEST, h & 3, sse, p.of(h))) {
                return false;
            }
            p.tail(place, tail);
            units.getOrCreate(tail >>> 12).reachedFrom(physical >>> 12);
        }
        made++;
        bytes += a.at() - before;
        return true;
    }

    /** The code of the instruction at RIP, for those who come from its page; 0 if it can't be translated. */
    private long label(int h) {
        long physical = cpu.fetchPhysical(cpu.rip);
        long host = cpu.memory.host(physical);
        if (host == 0) {
            return 0;
        }
        int place = (int) (physical & 0xfff);
        TranslatedCode.Page page = units.get(physical >>> 12);
        long label = page == null ? 0 : page.label(h, place);
        if (label != 0) {
            return label;
        }
        makeRoom();
        return translate(h, cpu.rip, physical, host - place)
                ? units.getOrCreate(physical >>> 12).label(h, place)
                : 0;
    }

    // ---- running ----

    /** How far a direct jump leads at most. */
    private static final long NEAR = 1L << 32;

    private static boolean canonical(long linear) {
        return linear << 16 >> 16 == linear;
    }

    /** Runs translated code at RIP, until something is to be done that is not its affair; false if there is none and none can be made. */
    boolean run() {
        int h = how();
        if (h < 0) {
            return false;
        }
        long code = find(h);
        if (code == 0) {
            return false;
        }
        entered = true;
        cpu.translatedBegins();
        GuestMemory.putLong(base + HostFrame.R11, cpu.rip);
        while (true) {
            enter(code);
            long record = GuestMemory.getLong(base + HostFrame.EXIT) - delta;
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
                        cpu.interpretOne();
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
                    long was = resets;
                    code = label(h);
                    if (code != 0 && resets == was) {
                        a.patchRunning(record + GuestMemory.getInt(record + UnitFlow.RECORD_ARGUMENT), code);
                    }
                }
                default -> {
                    int resume = GuestMemory.getInt(record + UnitFlow.RECORD_RESUME);
                    int length = GuestMemory.getByte(record + UnitFlow.RECORD_LENGTH);
                    int argument = GuestMemory.getInt(record + UnitFlow.RECORD_ARGUMENT);
                    exits.count(argument >>> UnitFlow.RECORD_CAUSE, argument & 0xffff, cpu.rip);
                    int before = epoch;
                    cpu.interpretOne();
                    if (cpu.attentionDue()) {
                        return true;
                    }
                    if (resume != 0 && cpu.rip == codeBase + place + length && epoch == before && how() == h) {
                        code = record + delta + resume;
                        continue;
                    }
                    h = how();
                    code = h < 0 ? 0 : find(h);
                }
            }
            if (code == 0) {
                return true;
            }
            GuestMemory.putLong(base + HostFrame.R11, cpu.rip);
        }
    }
}
