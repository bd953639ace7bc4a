package serai.cpu;

import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuFeature;
import serai.machine.engine.CpuModel;
import serai.machine.engine.Exit;
import serai.machine.engine.InterruptSource;
import serai.machine.engine.Segment;
import serai.machine.engine.VcpuHost;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.RamRegion;

/**
 * The interpreter under test: a whole vCPU in long mode with paging, descriptor tables and a handler for each vector,
 * made to look to ring 3 as Linux does. A case is run as the oracle runs it: TF is set, and what comes is delivered
 * through the IDT.
 */
final class OracleCpu {
    /** As a vector: the vCPU shut down. */
    static final int SHUTDOWN = 999;

    /** The features of the host's processor that the table knows: rows of others can't be compared. */
    static final Set<CpuFeature> HOST_FEATURES = hostFeatures();

    // what the CPU itself needs, at physical addresses from 0; seen by the supervisor alone at SYSTEM
    static final long SYSTEM = 0xffffc00000000000L;
    static final int SYSTEM_SIZE = 0x11000;
    static final int PD = 0x3000, DATA_PT = 0x4000, CODE_PT = 0x5000;
    static final int PDPT = 0x2000;
    private static final int PML4 = 0x1000;
    private static final int HIGH_PDPT = 0x6000, HIGH_PD = 0x7000;
    static final int HIGH_PT = 0x8000;
    static final int GDT = 0x9000, IDT = 0xa000, TSS = 0xb000, LDT = 0xc000;
    /** HLT sixteen times 256 times: vector n goes to byte 16n. */
    static final int HANDLERS = 0xd000;

    static final int SYSCALL_ENTRY = 0xe000;
    static final int STACK = 0x10000;
    private static final int TSS_LIMIT = 0x67;
    private static final long P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, NX = 1L << 63;
    static final int INT80 = 0x80;
    private static final int ENOSYS = 38;
    /** What Linux's IA32_FMASK clears on SYSCALL. */
    private static final long SYSCALL_MASK = 0x257fd5;

    private static final int MAX_STEPS = 4096;

    final GuestMemory memory;
    final CpuGroup group;
    final Cpu cpu;
    private final Decoder decoder = new Decoder(HOST_FEATURES);
    private final Decoded decoded = new Decoded();

    OracleCpu() {
        this(new Quiet(), TranslationMode.OFF, CpuGroup.CODE_SIZE);
    }

    OracleCpu(InterruptSource interrupts, TranslationMode mode, long codeSize) {
        memory = new GuestMemory(List.of(
                region(0, SYSTEM_SIZE),
                region(OracleMemory.DATA, OracleMemory.READABLE),
                region(OracleMemory.CODE, OracleMemory.CODE_SIZE)));
        group = new CpuGroup(mode, codeSize);
        cpu = new Cpu(new Host(memory, interrupts), group);
        byte[] code = new byte[OracleMemory.CODE_SIZE];
        Arrays.fill(code, OracleMemory.FILLER);
        memory.write(OracleMemory.CODE, code);
        pageTables();
        descriptorTables();
    }

    private static RamRegion region(long base, int size) {
        long host = Arena.global().allocate(size, 4096).address();
        return new RamRegion(base, size, host, false, -1, 0);
    }

    private static Set<CpuFeature> hostFeatures() {
        EnumSet<CpuFeature> all = EnumSet.noneOf(CpuFeature.class);
        for (CpuFeature f : CpuFeature.values()) {
            String flag =
                    switch (f.name()) {
                        case "SSE3" -> "pni";
                        case "CLFSH" -> "clflush";
                        case "LAHF" -> "lahf_lm";
                        case "LZCNT" -> "abm";
                        case "PREFETCHW" -> "3dnowprefetch";
                        case "SHA" -> "sha_ni";
                        case "XGETBV_ECX1", "XGETBV1" -> "xgetbv1";
                        default -> f.label().toLowerCase(Locale.ROOT);
                    };
            if (Oracle.hostHas(flag)) {
                all.add(f);
            }
        }
        return all;
    }

    private void table(int at, int index, long entry) {
        memory.writeLong(at + index * 8L, entry);
    }

    private void pageTables() {
        long all = P | RW | US | A | D;
        table(PML4, 0, PDPT | all);
        table(PDPT, 0, PD | all);
        table(PD, (int) (OracleMemory.DATA >>> 21), DATA_PT | all);
        table(PD, (int) (OracleMemory.CODE >>> 21), CODE_PT | all);
        for (int i = 0; i < OracleMemory.READABLE; i += OracleMemory.PAGE) {
            table(
                    DATA_PT,
                    i / OracleMemory.PAGE,
                    OracleMemory.DATA + i | P | US | A | D | NX | (i < OracleMemory.WRITABLE ? RW : 0));
        }
        for (int i = 0; i < OracleMemory.CODE_SIZE; i += OracleMemory.PAGE) {
            table(CODE_PT, i / OracleMemory.PAGE, OracleMemory.CODE + i | P | US | A | D);
        }
        table(PML4, (int) (SYSTEM >>> 39) & 511, HIGH_PDPT | P | RW | A);
        table(HIGH_PDPT, 0, HIGH_PD | P | RW | A);
        table(HIGH_PD, 0, HIGH_PT | P | RW | A);
        for (int i = 0; i < SYSTEM_SIZE; i += OracleMemory.PAGE) {
            table(HIGH_PT, i / OracleMemory.PAGE, i | P | RW | A | D);
        }
    }

    private void descriptorTables() {
        memory.write(GDT, OracleSegments.gdt(SYSTEM + TSS, TSS_LIMIT, SYSTEM + LDT));
        memory.write(LDT, OracleSegments.ldt());
        for (int vector = 0; vector < 256; vector++) {
            // INT3, INTO and the old system call are for ring 3
            int dpl = vector == CpuEvents.BP || vector == CpuEvents.OF_VECTOR || vector == INT80 ? 3 : 0;
            long handler = SYSTEM + HANDLERS + vector * 16L;
            memory.writeLong(
                    IDT + vector * 16L,
                    handler & 0xffff
                            | (long) OracleSegments.KERNEL_CS << 16
                            | (0x8eL | dpl << 5) << 40
                            | (handler >>> 16 & 0xffff) << 48);
            memory.writeLong(IDT + vector * 16L + 8, handler >>> 32);
        }
        byte[] halts = new byte[OracleMemory.PAGE];
        Arrays.fill(halts, (byte) 0xf4);
        memory.write(HANDLERS, halts);
        memory.write(SYSCALL_ENTRY, halts);
        memory.writeLong(TSS + 4, SYSTEM + STACK);
        // no I/O permission bitmap
        memory.writeShort(TSS + 0x66, TSS_LIMIT + 1);
    }

    /** The vCPU, in ring 3 of 64-bit mode with x87 and SSE in use. */
    Cpu ready() {
        byte[] xs = new byte[OracleState.XSAVE];
        OracleState.view(xs).putShort(0, (short) 0x37f).putInt(24, 0x1f80);
        long[] gpr = new long[16];
        int[] selector = {0, OracleSegments.USER_CS, OracleSegments.USER_DS, 0, 0, 0};
        load(
                new OracleState(OracleMemory.CODE_START, 2, gpr, selector, 0, 0, xs, new byte[OracleMemory.WINDOW]),
                OracleMemory.WINDOW_START);
        return cpu;
    }

    /** Runs one instruction on the state as it is: the exception it raised, or -1. */
    int run(byte[] code) {
        decoded.blockOffset = 0;
        Decoder.Result result = decoder.decode(decoded, i -> i < code.length ? code[i] & 0xff : 0xcc, 8, 8);
        if (result != Decoder.Result.OK) {
            return CpuSegments.UD;
        }
        Node node = NodeFactory.make(decoded);
        node.length = decoded.length;
        cpu.alone = true;
        cpu.r[CpuRegisters.BLOCK] = OracleMemory.CODE_START;
        cpu.rip = OracleMemory.CODE_START + decoded.length;
        try {
            node.execute(cpu);
            return -1;
        } catch (CpuException e) {
            return cpu.faultVector;
        }
    }

    /** The row that a case decodes to, or null if there is none. */
    @Nullable
    InstructionRow row(OracleCase c) {
        byte[] code = c.code();
        int size = c.mode().size;
        Decoder.Result result = decoder.decode(decoded, i -> i < code.length ? code[i] & 0xff : 0xcc, size, size);
        return result == Decoder.Result.OK ? decoded.row : null;
    }

    /** Runs a case. */
    OracleState execute(OracleCase c) {
        load(c.before(), c.dataAt());
        byte[] code = c.code();
        int fits = (int) Math.min(code.length, OracleMemory.CODE + OracleMemory.CODE_SIZE - c.codeAt());
        if (fits > 0) {
            memory.write(c.codeAt(), code, 0, fits);
        }
        int steps = 0;
        int vector;
        while (true) {
            vector = step();
            if (vector == CpuEvents.DB && c.repeats() && frame(0) == c.before().rip() && ++steps < MAX_STEPS) {
                resume(CpuRegisters.TF);
            } else if (vector == INT80 || vector == SYSCALL) {
                // as the child's filter answers all system calls
                if (vector == SYSCALL) {
                    pushSyscallFrame();
                }
                cpu.r[CpuRegisters.RAX] = -ENOSYS;
                resume(0);
            } else {
                break;
            }
        }
        OracleState s = state(vector, steps, c);
        if (fits > 0) {
            byte[] filler = new byte[fits];
            Arrays.fill(filler, OracleMemory.FILLER);
            memory.write(c.codeAt(), filler);
        }
        return s;
    }

    /**
     * Runs a case that {@link OracleTranslated} takes, without stepping it, so that it is translated. The breakpoint behind it, or wherever it leads, ends it.
     */
    OracleState executeToBreakpoint(OracleCase c) {
        load(c.before(), c.dataAt());
        cpu.flagsRest &= ~CpuRegisters.TF;
        cpu.modeChanged();
        byte[] code = c.code();
        memory.write(c.codeAt(), code);
        Exit exit = cpu.run(Long.MAX_VALUE);
        if (exit != Exit.HALTED_FOR_EVER || cpu.cpl == 3) {
            throw new IllegalStateException("no breakpoint: " + exit + " " + cpu.failure());
        }
        cpu.halted = false;
        int vector = (int) (cpu.rip - SYSTEM - HANDLERS) >>> 4;
        long rip = frame(0);
        if (vector == CpuEvents.BP) {
            rip--;
        }
        if (rip != c.before().rip()) {
            vector = CpuEvents.DB; // what is reported is what comes next
            memory.writeLong(STACK - 40, rip);
            memory.writeLong(STACK - 24, frame(2) & ~CpuRegisters.RF);
        }
        memory.writeLong(STACK - 24, frame(2) | CpuRegisters.TF);
        OracleState s = state(vector, 0, c);
        byte[] filler = new byte[code.length];
        Arrays.fill(filler, OracleMemory.FILLER);
        memory.write(c.codeAt(), filler);
        return s;
    }

    private static final int SYSCALL = 1000;

    /** Goes on until ring 0 is reached: the vector that led there. */
    private int step() {
        Exit exit = Exit.BUDGET;
        for (int i = 0; i < 4 && cpu.cpl == 3 && !cpu.shutdown; i++) {
            exit = cpu.run(1);
            if (exit == Exit.FAILED) {
                throw new IllegalStateException(cpu.failure());
            }
        }
        if (cpu.shutdown) {
            return SHUTDOWN;
        }
        if (cpu.cpl == 3) {
            throw new IllegalStateException("still in ring 3: " + exit);
        }
        cpu.halted = false;
        long at = cpu.rip - SYSTEM;
        if (at >= SYSCALL_ENTRY) {
            return SYSCALL;
        }
        return (int) (at - HANDLERS) >>> 4;
    }

    /** Word {@code i} of the frame of the last event, from its RIP. */
    private long frame(int i) {
        return memory.readLong(STACK - 40 + i * 8L);
    }

    /** A SYSCALL leaves its return address in registers; Linux returns from it by IRET if TF is set. */
    private void pushSyscallFrame() {
        memory.writeLong(STACK - 40, cpu.r[CpuRegisters.RCX]);
        memory.writeLong(STACK - 32, OracleSegments.USER_CS);
        memory.writeLong(STACK - 24, cpu.r[11]);
        memory.writeLong(STACK - 16, cpu.r[CpuRegisters.RSP]);
        memory.writeLong(STACK - 8, OracleSegments.USER_DS);
    }

    /** Returns to where the last event interrupted, with more flags set. */
    private void resume(long flags) {
        memory.writeLong(STACK - 24, frame(2) | flags);
        long sp = frame(3);
        cpu.r[CpuRegisters.RSP] = SYSTEM + STACK - 40;
        cpu.iret(8);
        cpu.rfAt = cpu.completed(); // no instruction has done that
        cpu.r[CpuRegisters.RSP] = sp; // all of it, also to a 16-bit stack, as Linux sees to
    }

    private OracleState state(int vector, int steps, OracleCase c) {
        byte[] xs = new byte[OracleState.XSAVE];
        XsaveImage.saveLegacy(cpu, xs, 16, true);
        ByteBuffer b = OracleState.view(xs);
        for (int i = 0; i < 32; i++) {
            b.putLong(OracleState.YMM_HIGH + i * 8, cpu.vec[i / 2 * 8 + 2 + i % 2]);
        }
        int[] selector = Arrays.copyOf(cpu.selector, 6);
        selector[CpuRegisters.CS] = (int) frame(1) & 0xffff;
        selector[CpuRegisters.SS] = (int) frame(4) & 0xffff;
        long[] gpr = Arrays.copyOf(cpu.r, 16);
        gpr[CpuRegisters.RSP] = frame(3);
        byte[] data = memory.read(c.dataAt(), OracleMemory.WINDOW);
        memory.zero(c.dataAt(), OracleMemory.WINDOW);
        long outside = OracleMemory.sum(memory.read(OracleMemory.DATA, OracleMemory.WRITABLE));
        // the word below the frame is the error code, if there is one
        int error = CpuEvents.pushesError(vector) ? (int) memory.readLong(STACK - 48) : 0;
        return new OracleState(
                vector == CpuEvents.DB ? -1 : vector,
                error,
                cpu.cr2,
                frame(0),
                frame(2),
                gpr,
                selector,
                cpu.base[CpuRegisters.FS],
                cpu.base[CpuRegisters.GS],
                xs,
                data,
                outside,
                steps);
    }

    void load(OracleState s, long dataAt) {
        memory.zero(OracleMemory.DATA, OracleMemory.WRITABLE);
        memory.write(dataAt, s.data());
        cpu.reset();
        cpu.cr0 = CpuRegisters.CR0_PE
                | CpuRegisters.CR0_MP
                | CpuRegisters.CR0_ET
                | CpuRegisters.CR0_NE
                | CpuRegisters.CR0_WP
                | CpuRegisters.CR0_AM
                | CpuRegisters.CR0_PG;
        cpu.cr3 = PML4;
        cpu.cr4 = CpuRegisters.CR4_PAE
                | CpuRegisters.CR4_OSFXSR
                | CpuRegisters.CR4_OSXMMEXCPT
                | CpuRegisters.CR4_DE
                | CpuRegisters.CR4_FSGSBASE
                | CpuRegisters.CR4_OSXSAVE;
        cpu.xcr0 = 7;
        cpu.efer = CpuRegisters.EFER_LME | CpuRegisters.EFER_LMA | CpuRegisters.EFER_SCE | CpuRegisters.EFER_NXE;
        cpu.gdtBase = SYSTEM + GDT;
        cpu.gdtLimit = 127;
        cpu.idtBase = SYSTEM + IDT;
        cpu.idtLimit = 0xfff;
        cpu.setSegment(CpuRegisters.TR, OracleSegments.TSS, SYSTEM + TSS, TSS_LIMIT, 0x8b);
        cpu.setSegment(
                CpuRegisters.LDTR, OracleSegments.LDT, SYSTEM + LDT, 8 * OracleSegments.ENTRIES.size() - 1, 0x82);
        cpu.lstar = SYSTEM + SYSCALL_ENTRY;
        cpu.star = (long) OracleSegments.USER_CS32 << 48 | (long) OracleSegments.KERNEL_CS << 32;
        cpu.fmask = SYSCALL_MASK;
        for (int i = CpuRegisters.ES; i <= CpuRegisters.GS; i++) {
            int sel = s.selector()[i];
            long d = OracleSegments.descriptor(sel);
            if (d == 0) {
                long base = i == CpuRegisters.FS ? s.fsBase() : i == CpuRegisters.GS ? s.gsBase() : 0;
                cpu.setSegment(i, sel, base, 0, Segment.UNUSABLE);
            } else {
                cpu.setSegment(i, sel, d);
            }
        }
        cpu.cpl = 3;
        cpu.flagsRest = (int) s.rflags() & ~CpuRegisters.ARITHMETIC | 2;
        cpu.arithmeticFlags(s.rflags());
        cpu.modeChanged();
        cpu.selectTlb();
        cpu.rip = s.rip();
        System.arraycopy(s.gpr(), 0, cpu.r, 0, 16);
        XsaveImage.restoreLegacy(cpu, s.xs(), 16, true);
        ByteBuffer b = OracleState.view(s.xs());
        for (int i = 0; i < 32; i++) {
            cpu.vec[i / 2 * 8 + 2 + i % 2] = b.getLong(OracleState.YMM_HIGH + i * 8);
        }
    }

    private record Host(GuestMemory memory, InterruptSource interrupts) implements VcpuHost {
        @Override
        public int index() {
            return 0;
        }

        @Override
        public int portRead(int port, int size) {
            return -1;
        }

        @Override
        public void portWrite(int port, int size, int value) {}

        @Override
        public long mmioRead(long physical, int size) {
            return -1;
        }

        @Override
        public void mmioWrite(long physical, int size, long value) {}

        @Override
        public long tsc() {
            return 0;
        }

        @Override
        public CpuModel model() {
            return new HostModel();
        }

        @Override
        public long readMsr(int index) {
            return 0;
        }

        @Override
        public void writeMsr(int index, long value) {}

        @Override
        public long random() {
            return 4;
        }
    }

    /** A model that promises what the host's processor has. */
    private static final class HostModel implements CpuModel {
        @Override
        public String name() {
            return "host";
        }

        @Override
        public Leaf cpuid(int leaf, int subleaf, int apicId) {
            int[] v = new int[4];
            for (CpuFeature f : HOST_FEATURES) {
                for (CpuFeature.Register r : CpuFeature.Register.values()) {
                    v[r.ordinal()] |= f.bit(leaf, subleaf, r);
                }
            }
            return new Leaf(v[0], v[1], v[2], v[3]);
        }
    }

    /** Nothing ever comes. */
    static class Quiet implements InterruptSource {
        @Override
        public boolean pending() {
            return false;
        }

        @Override
        public boolean externalPending() {
            return false;
        }

        @Override
        public int acknowledge() {
            return -1;
        }

        @Override
        public boolean takeNmi() {
            return false;
        }

        @Override
        public boolean takeInit() {
            return false;
        }

        @Override
        public int takeStartup() {
            return -1;
        }

        @Override
        public int taskPriority() {
            return 0;
        }

        @Override
        public void taskPriority(int priority) {}

        @Override
        public void onPending(Runnable action) {}
    }
}
