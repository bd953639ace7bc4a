package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.machine.engine.Segment;

/** Ports, system registers, descriptor inspection, and all that changes the mode. */
final class SystemNodes {
    /** Raises an exception without an error code, or with 0. */
    static final class Raise extends Node {
        private final int vector;

        Raise(int vector) {
            this.vector = vector;
        }

        @Override
        void execute(Cpu c) {
            throw c.fault(vector, 0);
        }
    }

    /** IN and OUT: SDM vol. 1, 19.5.2 for the permission bitmap. */
    static void checkPort(Cpu c, int port, int size) {
        if (!c.protectedMode() || !c.vm86() && c.cpl <= (c.flagsRest >>> 12 & 3)) {
            return;
        }
        long lim = c.limit[CpuRegisters.TR] & 0xffffffffL;
        if ((c.attributes[CpuRegisters.TR] & 8) == 0 || lim < 0x67) {
            throw c.fault(CpuSegments.GP, 0);
        }
        long map = c.loadSystem(c.base[CpuRegisters.TR] + 0x66, 2);
        long at = map + (port >>> 3);
        if (at + 1 > lim) {
            throw c.fault(CpuSegments.GP, 0);
        }
        long bits = c.loadSystem(c.base[CpuRegisters.TR] + at, 2);
        if ((bits >>> (port & 7) & (1 << size) - 1) != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
    }

    private static Node port(Decoded d, boolean in) {
        int data = in ? 0 : 1;
        int size = d.size[data];
        boolean fixed = d.kind[1 - data] == Decoded.Kind.IMM;
        int number = (int) d.immediate & 0xff;
        return new Simple(c -> {
            int port = fixed ? number : (int) c.r[CpuRegisters.RDX] & 0xffff;
            checkPort(c, port, size);
            c.debug().port(port, size);
            if (in) {
                c.portReads++;
                c.set(CpuRegisters.RAX, size, c.host.portRead(port, size));
            } else {
                c.portWrites++;
                c.host.portWrite(port, size, (int) c.get(CpuRegisters.RAX, size));
            }
        });
    }

    private static void privileged(Cpu c) {
        if (c.cpl != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
    }

    /** A node for the row, or null if it is none of the rows here. */
    static @Nullable Node make(Decoded d) {
        Node n = system(d);
        if (n == null || !d.row.has("cpl0")) {
            return n;
        }
        boolean table = d.row.mnemonic().equals("LLDT") || d.row.mnemonic().equals("LTR");
        return new Simple(c -> {
            if (table && c.paragraphs()) {
                throw c.fault(CpuSegments.UD, 0);
            }
            privileged(c);
            n.execute(c);
        });
    }

    /** SGDT, SIDT, SLDT, SMSW, STR: not for user mode with CR4.UMIP. */
    private static void checkUmip(Cpu c) {
        if (c.cpl != 0 && (c.cr4 & CpuRegisters.CR4_UMIP) != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
    }

    private static @Nullable Node system(Decoded d) {
        int size = d.opSize;
        return switch (d.row.mnemonic()) {
            case "IN" -> port(d, true);
            case "OUT" -> port(d, false);
            case "HLT" -> new Simple(Cpu::halt);
            case "CLI" -> new Simple(SystemNodes::cli);
            case "STI" -> new Simple(SystemNodes::sti);
            case "PUSHF" -> new Simple(c -> pushf(c, size));
            case "POPF" -> new Simple(c -> popf(c, size));
            case "INT3" -> new Simple(c -> c.softInterrupt(CpuEvents.BP));
            case "INT1" -> new Simple(Cpu::debugInterrupt);
            case "INT" -> {
                int vector = (int) d.immediate & 0xff;
                yield new Simple(c -> c.interruptInstruction(vector));
            }
            case "INTO" ->
                new Simple(c -> {
                    if (c.of()) {
                        c.softInterrupt(CpuEvents.OF_VECTOR);
                    }
                });
            case "IRET" ->
                new Simple(c -> {
                    c.iret(size);
                    c.serialize();
                });
            case "SYSCALL" -> new Simple(Cpu::syscall);
            case "SYSRET" -> new Simple(c -> c.sysret(size == 8 ? 8 : 4));
            case "SYSENTER" -> new Simple(Cpu::sysenter);
            case "SYSEXIT" -> new Simple(c -> c.sysexit(size == 8 ? 8 : 4));
            case "SWAPGS" -> new Simple(Cpu::swapgs);
            case "CPUID" ->
                new Simple(c -> {
                    c.control().cpuid();
                    c.serialize();
                });
            case "RDTSC" ->
                new Simple(c -> {
                    checkTsc(c);
                    pair(c, c.control().tsc());
                });
            case "RDTSCP" ->
                new Simple(c -> {
                    checkTsc(c);
                    pair(c, c.control().tsc());
                    c.set(CpuRegisters.RCX, 4, c.control().tscAux());
                });
            case "RDMSR" -> new Simple(c -> pair(c, c.control().readMsr((int) c.r[CpuRegisters.RCX])));
            case "WRMSR" ->
                new Simple(c -> c.control()
                        .writeMsr(
                                (int) c.r[CpuRegisters.RCX],
                                c.r[CpuRegisters.RDX] << 32 | c.r[CpuRegisters.RAX] & 0xffffffffL));
            case "RDPMC" -> new Raise(CpuSegments.GP);
            case "RSM", "UD0", "UD1", "UD2" -> new Raise(CpuSegments.UD);
            case "CLAC", "STAC" -> {
                boolean set = d.row.mnemonic().equals("STAC");
                yield new Simple(c -> {
                    if (c.cpl != 0) {
                        throw c.fault(CpuSegments.UD, 0);
                    }
                    c.flagsRest = set ? c.flagsRest | CpuRegisters.AC : c.flagsRest & ~CpuRegisters.AC;
                    c.selectTlb();
                });
            }
            case "INVPCID" -> {
                Source.Address a = new Source.Address(d, 16, false);
                int n = d.operand[0];
                int s = d.codeSize == 8 ? 8 : 4;
                yield new Simple(c -> {
                    long at = a.address(c);
                    c.control().invalidatePcid(c.get(n, s), c.load64(at), c.load64(at + 8));
                });
            }
            case "CLTS" -> new Simple(c -> c.cr0 &= ~CpuRegisters.CR0_TS);
            case "INVD", "WBINVD" -> new Simple(c -> {});
            case "INVLPG" -> {
                Source.Address a = new Source.Address(d, 1, false);
                int segment = d.segment;
                yield new Simple(c -> c.flushPage(c.codeSize == 8 ? a.offset(c) + c.segBase(segment) : a.offset(c)));
            }
            case "MOVRC" -> {
                int to = d.operand[0];
                int cr = d.operand[1];
                int s = d.size[0];
                yield new Simple(c -> c.set(to, s, c.control().readCr(cr)));
            }
            case "MOVCR" -> {
                int cr = d.operand[0];
                int from = d.operand[1];
                int s = d.size[1];
                yield new Simple(c -> {
                    c.control().writeCr(cr, c.get(from, s));
                    c.serialize();
                });
            }
            case "MOVRD" -> {
                int to = d.operand[0];
                int dr = d.operand[1];
                int s = d.size[0];
                yield new Simple(c -> c.set(to, s, c.debug().read(dr)));
            }
            case "MOVDR" -> {
                int dr = d.operand[0];
                int from = d.operand[1];
                int s = d.size[1];
                yield new Simple(c -> c.debug().write(dr, c.get(from, s)));
            }
            case "SGDT", "SIDT", "LGDT", "LIDT" -> new TableRegister(d);
            case "SLDT", "STR", "SMSW" -> new StoreSystem(d);
            case "LLDT" -> selectorLoad(d, Cpu::loadLdt);
            case "LTR" -> selectorLoad(d, Cpu::loadTask);
            case "LMSW" -> {
                Source s = Source.of(d, 0);
                // can set PE but not clear it
                yield new Simple(c -> c.control().writeCr0(c.cr0 & ~0xeL | s.get(c) & 0xf | c.cr0 & 1));
            }
            case "LAR", "LSL", "VERR", "VERW" -> new Inspect(d);
            case "ARPL" -> new Arpl(d);
            case "MOVRS" -> {
                int segment = d.operand[0];
                Source s = Source.of(d, 1);
                yield segment == CpuRegisters.CS
                        ? new Raise(CpuSegments.UD)
                        : new Simple(c -> {
                            c.loadSegment(segment, (int) s.get(c));
                            afterSegment(c, segment);
                        });
            }
            case "MOVSR" -> new StoreSegment(d);
            case "PUSHSR" -> {
                int segment = d.operand[0];
                yield new Simple(c -> c.push(c.selector[segment], size));
            }
            case "POPSR" -> {
                int segment = d.operand[0];
                yield new Simple(c -> {
                    long sp = c.r[CpuRegisters.RSP];
                    int s = (int) c.peek(0, size) & 0xffff;
                    c.loadSegment(segment, s);
                    c.setStackPointer(sp + size);
                    afterSegment(c, segment);
                });
            }
            case "LDS" -> new LoadFar(d, CpuRegisters.DS);
            case "LES" -> new LoadFar(d, CpuRegisters.ES);
            case "LFS" -> new LoadFar(d, CpuRegisters.FS);
            case "LGS" -> new LoadFar(d, CpuRegisters.GS);
            case "LSS" -> new LoadFar(d, CpuRegisters.SS);
            default -> null;
        };
    }

    private static Node selectorLoad(Decoded d, java.util.function.ObjIntConsumer<Cpu> load) {
        Source s = Source.of(d, 0);
        return new Simple(c -> load.accept(c, (int) s.get(c)));
    }

    private static void afterSegment(Cpu c, int segment) {
        if (segment == CpuRegisters.SS) {
            c.movSsShadow = true;
            c.checkInterrupts();
        }
        c.modeChanged();
    }

    private static void checkTsc(Cpu c) {
        if ((c.cr4 & CpuRegisters.CR4_TSD) != 0 && c.cpl != 0) {
            throw c.fault(CpuSegments.GP, 0);
        }
    }

    private static void pair(Cpu c, long v) {
        c.r[CpuRegisters.RAX] = v & 0xffffffffL;
        c.r[CpuRegisters.RDX] = v >>> 32;
    }

    private static boolean mayChangeIf(Cpu c) {
        int iopl = c.flagsRest >>> 12 & 3;
        return !c.protectedMode() || (c.vm86() ? iopl == 3 : c.cpl <= iopl);
    }

    /** Whether VIF stands for IF where IOPL forbids to change that (SDM vol. 3, 21.3 and 21.4). */
    private static boolean hasVirtualIf(Cpu c) {
        return c.vm86() ? (c.cr4 & CpuRegisters.CR4_VME) != 0 : c.cpl == 3 && (c.cr4 & CpuRegisters.CR4_PVI) != 0;
    }

    private static void cli(Cpu c) {
        if (mayChangeIf(c)) {
            c.flagsRest &= ~CpuRegisters.IF;
        } else if (hasVirtualIf(c)) {
            c.flagsRest &= ~CpuRegisters.VIF;
        } else {
            throw c.fault(CpuSegments.GP, 0);
        }
    }

    private static void sti(Cpu c) {
        if (!mayChangeIf(c)) {
            if (!hasVirtualIf(c) || (c.flagsRest & CpuRegisters.VIP) != 0) {
                throw c.fault(CpuSegments.GP, 0);
            }
            c.flagsRest |= CpuRegisters.VIF;
        } else if ((c.flagsRest & CpuRegisters.IF) == 0) {
            c.flagsRest |= CpuRegisters.IF;
            c.stiShadow = true;
            c.checkInterrupts();
        }
    }

    /** Virtual-8086 mode below IOPL 3; #GP unless CR4.VME has 16-bit PUSHF and POPF work on VIF. */
    private static boolean virtualFlags(Cpu c, int size) {
        if (!c.vm86() || (c.flagsRest & CpuRegisters.IOPL) == CpuRegisters.IOPL) {
            return false;
        }
        if (size != 2 || !hasVirtualIf(c)) {
            throw c.fault(CpuSegments.GP, 0);
        }
        return true;
    }

    private static void pushf(Cpu c, int size) {
        long v = c.flags() & ~(CpuRegisters.RF | CpuRegisters.VM);
        if (virtualFlags(c, size)) {
            boolean on = (c.flagsRest & CpuRegisters.VIF) != 0;
            v = v & ~CpuRegisters.IF | CpuRegisters.IOPL | (on ? CpuRegisters.IF : 0);
        }
        c.push(v, size);
    }

    private static void popf(Cpu c, int size) {
        boolean virtual = virtualFlags(c, size);
        long mask = CpuRegisters.ARITHMETIC
                | CpuRegisters.TF
                | CpuRegisters.DF
                | CpuRegisters.NT
                | (size == 2 ? 0 : CpuRegisters.RF | CpuRegisters.AC | CpuRegisters.ID);
        if (virtual) {
            mask |= CpuRegisters.VIF;
        } else if (mayChangeIf(c)) {
            mask |= CpuRegisters.IF;
        }
        if (c.cpl == 0 && !c.vm86()) {
            mask |= CpuRegisters.IOPL;
        }
        long v = c.peek(0, size) & ~CpuRegisters.RF;
        if (virtual) {
            v = c.virtualIf(v);
        }
        c.setStackPointer(c.r[CpuRegisters.RSP] + size);
        c.writeFlags(v, mask);
        c.modeChanged();
    }

    /** SGDT, SIDT, LGDT, LIDT: six bytes, ten in 64-bit mode. */
    private static final class TableRegister extends MemNode {
        private final String op;
        private final int baseSize;
        private final long baseMask;

        TableRegister(Decoded d) {
            super(d, d.codeSize == 8 ? 10 : 6, d.row.mnemonic().startsWith("S"));
            op = d.row.mnemonic();
            baseSize = d.codeSize == 8 ? 8 : 4;
            baseMask = d.codeSize == 8 ? -1L : d.opSize == 2 && op.startsWith("L") ? 0xffffff : 0xffffffffL;
        }

        @Override
        void execute(Cpu c) {
            if (op.startsWith("S")) {
                checkUmip(c);
            }
            long a = address(c);
            switch (op) {
                case "SGDT", "SIDT" -> {
                    boolean g = op.equals("SGDT");
                    c.checkWrite(a, 2 + baseSize);
                    c.store16(a, g ? c.gdtLimit : c.idtLimit);
                    // by words, because alignment is checked on the whole alone (SDM vol. 3, table 7-7)
                    for (int i = 0; i < baseSize; i += 2) {
                        c.store16(a + 2 + i, (int) ((g ? c.gdtBase : c.idtBase) >>> i * 8));
                    }
                }
                default -> {
                    int lim = c.load16(a);
                    long b = c.load(a + 2, baseSize) & baseMask;
                    if (baseSize == 8) {
                        c.canonical(b);
                    }
                    if (op.equals("LGDT")) {
                        c.gdtBase = b;
                        c.gdtLimit = lim;
                    } else {
                        c.idtBase = b;
                        c.idtLimit = lim;
                    }
                }
            }
        }
    }

    /** SLDT, STR, SMSW: a word to memory, the operand size to a register. */
    private static final class StoreSystem extends Node {
        private final String op;
        private final Source.@Nullable Address memory;
        private final int to;
        private final int size;

        StoreSystem(Decoded d) {
            op = d.row.mnemonic();
            memory = d.isMem(0) ? new Source.Address(d, 2, true) : null;
            to = d.operand[0];
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            if (!op.equals("SMSW") && c.paragraphs()) {
                throw c.fault(CpuSegments.UD, 0);
            }
            checkUmip(c);
            long v =
                    switch (op) {
                        case "SLDT" -> c.selector[CpuRegisters.LDTR];
                        case "STR" -> c.selector[CpuRegisters.TR];
                        default -> c.cr0 & 0xffffffffL;
                    };
            if (memory != null) {
                c.store16(memory.address(c), (int) v);
            } else {
                c.set(to, size, v);
            }
        }
    }

    private static final class StoreSegment extends Node {
        private final Source.@Nullable Address memory;
        private final int to;
        private final int size;
        private final int segment;

        StoreSegment(Decoded d) {
            memory = d.isMem(0) ? new Source.Address(d, 2, true) : null;
            to = d.operand[0];
            size = d.opSize;
            segment = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            if (memory != null) {
                c.store16(memory.address(c), c.selector[segment]);
            } else {
                c.set(to, size, c.selector[segment]);
            }
        }
    }

    private static final class LoadFar extends MemNode {
        private final int segment;
        private final int size;
        private final int to;

        LoadFar(Decoded d, int segment) {
            super(d, d.opSize + 2, false);
            this.segment = segment;
            size = d.opSize;
            to = d.operand[0];
        }

        @Override
        void execute(Cpu c) {
            long a = address(c);
            long v = c.load(a, size);
            c.loadSegment(segment, c.load16(a + size));
            c.set(to, size, v);
            c.modeChanged();
        }
    }

    /** LAR, LSL, VERR, VERW: look at a descriptor without a fault (SDM vol. 3, 6.10). */
    private static final class Inspect extends Node {
        private final String op;
        private final Source from;
        private final int to;
        private final int size;

        Inspect(Decoded d) {
            op = d.row.mnemonic();
            boolean one = op.startsWith("V");
            from = Source.of(d, one ? 0 : 1);
            to = one ? -1 : d.operand[0];
            size = d.opSize;
        }

        @Override
        void execute(Cpu c) {
            if (c.paragraphs()) {
                throw c.fault(CpuSegments.UD, 0);
            }
            int sel = (int) from.get(c) & 0xffff;
            boolean ok = (sel & 0xfffc) != 0 && inTable(c, sel);
            long d = ok ? c.descriptor(sel, CpuSegments.GP) : 0;
            int a = CpuSegments.descriptorAttributes(d);
            ok = ok && valid(c, sel, a);
            if (ok && op.equals("LAR")) {
                c.set(to, size, d >>> 32 & 0xffff00);
            } else if (ok && op.equals("LSL")) {
                c.set(to, size, CpuSegments.descriptorLimit(d) & 0xffffffffL);
            }
            c.arithmeticFlags(ok ? CpuRegisters.ZF : 0, CpuRegisters.ZF);
        }

        private static boolean inTable(Cpu c, int sel) {
            boolean ldt = (sel & 4) != 0;
            if (ldt && (c.attributes[CpuRegisters.LDTR] & Segment.UNUSABLE) != 0) {
                return false;
            }
            long lim = ldt ? c.limit[CpuRegisters.LDTR] & 0xffffffffL : c.gdtLimit;
            return (sel & 0xfff8) + 7 <= lim;
        }

        private boolean valid(Cpu c, int sel, int a) {
            int type = a & 15;
            int dpl = a >>> 5 & 3;
            boolean user = (a & Segment.S) != 0;
            boolean code = user && (type & 8) != 0;
            boolean conforming = code && (type & 4) != 0;
            if (!conforming && (dpl < c.cpl || dpl < (sel & 3))) {
                return false;
            }
            boolean lm = c.longMode();
            return switch (op) {
                case "VERR" -> user && (!code || (type & 2) != 0);
                case "VERW" -> user && !code && (type & 2) != 0;
                case "LSL" -> user || type == 2 || type == 9 || type == 11 || !lm && (type == 1 || type == 3);
                default ->
                    user
                            || type == 2
                            || type == 9
                            || type == 11
                            || type == 12
                            || !lm && (type == 1 || type == 3 || type == 4 || type == 5);
            };
        }
    }

    private static final class Arpl extends Node {
        private final Source.@Nullable Address memory;
        /** The same; written, and checked for it, only if the RPL changes. */
        private final Source.@Nullable Address writable;

        private final int to;
        private final int from;

        Arpl(Decoded d) {
            memory = d.isMem(0) ? new Source.Address(d, 2, false) : null;
            writable = d.isMem(0) ? new Source.Address(d, 2, true) : null;
            to = d.operand[0];
            from = d.operand[1];
        }

        @Override
        void execute(Cpu c) {
            if (c.paragraphs()) {
                throw c.fault(CpuSegments.UD, 0);
            }
            int v = memory == null ? (int) c.get(to, 2) : c.load16(memory.address(c));
            int rpl = (int) c.r[from] & 3;
            boolean less = (v & 3) < rpl;
            if (less) {
                v = v & ~3 | rpl;
                if (writable == null) {
                    c.set(to, 2, v);
                } else {
                    c.store16(writable.address(c), v);
                }
            }
            c.arithmeticFlags(less ? CpuRegisters.ZF : 0, CpuRegisters.ZF);
        }
    }

    private SystemNodes() {}
}
