package serai.cpu;

import org.jspecify.annotations.Nullable;
import serai.cpu.SoftFloat.Format;
import serai.cpu.SoftFloat.Kind;

/** Nodes of x87 instructions: operands from registers and memory, and the faults of the CPU; the rest is {@link X87}. */
final class X87Nodes {
    private X87Nodes() {}

    /** The node of an instruction, or null if it is not one of x87. */
    static @Nullable Node make(Decoded d) {
        String m = d.row.mnemonic();
        if (d.row.map() != 0 || m.charAt(0) != 'F') {
            return null;
        }
        Node n = X87Control.make(d);
        if (n == null) {
            n = comparison(d, m);
        }
        if (n == null) {
            n = arithmetic(d, m);
        }
        if (n == null) {
            n = move(d, m);
        }
        return n == null ? unary(d, m) : n;
    }

    // ---- what every instruction does ----

    static void available(Cpu c) {
        if ((c.cr0 & (CpuRegisters.CR0_EM | CpuRegisters.CR0_TS)) != 0) {
            throw c.fault(7, 0);
        }
    }

    /** A pending exception before a waiting instruction: #MF, or with CR0.NE clear FERR#, which nobody is wired to. */
    static void pending(Cpu c) {
        if ((c.cr0 & CpuRegisters.CR0_NE) != 0) {
            throw c.fault(16, 0);
        }
    }

    /** Before a waiting instruction. */
    static Fpu enter(Cpu c) {
        available(c);
        if ((c.fpu.statusWord & Fpu.ES) != 0) {
            pending(c);
        }
        return c.fpu;
    }

    /** The 11 bits of an opcode that the FPU keeps. */
    private static int opcode(Decoded d) {
        return (d.opcode & 7) << 8 | d.modrm;
    }

    // ---- shapes ----

    @FunctionalInterface
    interface Operation {
        void apply(Cpu c, Fpu f);
    }

    /** An instruction on registers. */
    static final class Registers extends Node {
        private final Operation operation;
        private final int opcode;

        Registers(Decoded d, Operation operation) {
            this.operation = operation;
            opcode = opcode(d);
        }

        @Override
        void execute(Cpu c) {
            Fpu f = enter(c);
            f.lastIp = c.r[CpuRegisters.BLOCK] + blockOffset;
            f.lastOpcode = opcode;
            operation.apply(c, f);
        }
    }

    /** What a memory operand holds. */
    private enum Type {
        SINGLE(4),
        DOUBLE(8),
        EXTENDED(10),
        SHORT(2),
        INT(4),
        LONG(8),
        DECIMAL(10);

        final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }

        static Type of(Decoded d, String mnemonic) {
            boolean integer = mnemonic.startsWith("FI");
            return switch (d.size[0]) {
                case 2 -> SHORT;
                case 4 -> integer ? INT : SINGLE;
                case 8 -> integer ? LONG : DOUBLE;
                default -> mnemonic.startsWith("FB") ? DECIMAL : EXTENDED;
            };
        }
    }

    /** An instruction with a source in memory, which comes in {@code soft.b}, an extended one as it is. */
    private static final class Source extends MemNode {
        private final Type type;
        private final Operation operation;
        private final int opcode;

        Source(Decoded d, Type type, Operation operation) {
            super(d, type.bytes, false);
            this.type = type;
            this.operation = operation;
            opcode = opcode(d);
        }

        @Override
        void execute(Cpu c) {
            Fpu f = enter(c);
            long a = address(c);
            SoftFloat s = X87.begin(f);
            switch (type) {
                case SINGLE -> s.unpack(s.b, c.load32(a) & 0xffffffffL, Format.SINGLE);
                case DOUBLE -> s.unpack(s.b, c.load64(a), Format.DOUBLE);
                case SHORT -> s.b.set((short) c.load16(a));
                case INT -> s.b.set(c.load32(a));
                case LONG -> s.b.set(c.load64(a));
                case DECIMAL -> decimal(s.b, c.load64(a), c.load16(a + 8));
                case EXTENDED -> {
                    s.b.sig = c.load64(a);
                    s.b.exp = c.load16(a + 8);
                }
            }
            f.lastIp = c.r[CpuRegisters.BLOCK] + blockOffset;
            f.lastOpcode = opcode;
            f.lastData = a;
            operation.apply(c, f);
        }
    }

    private static void decimal(SoftFloat.Num n, long low, int high) {
        long v = 0;
        for (int i = 17; i >= 0; i--) {
            long digit = i < 16 ? low >>> i * 4 & 15 : high >>> (i - 16) * 4 & 15;
            v = v * 10 + digit;
        }
        boolean sign = (high & 0x8000) != 0;
        n.set(v);
        n.sign = sign;
        if (v == 0) {
            n.set(Kind.ZERO, sign);
        }
    }

    // ---- arithmetic ----

    private static @Nullable Node arithmetic(Decoded d, String m) {
        boolean memory = d.isMem(0);
        String name = memory && m.startsWith("FI") ? "F" + m.substring(2) : m;
        boolean pop = !memory && name.endsWith("P");
        name = pop ? name.substring(0, name.length() - 1) : name;
        int operation =
                switch (name) {
                    case "FADD" -> SoftFloat.ADD;
                    case "FMUL" -> SoftFloat.MUL;
                    case "FSUB", "FSUBR" -> SoftFloat.SUB;
                    case "FDIV", "FDIVR" -> SoftFloat.DIV;
                    default -> -1;
                };
        if (operation < 0) {
            return null;
        }
        boolean reverse = name.endsWith("R");
        if (memory) {
            return new Source(d, Type.of(d, m), (c, f) -> X87.arithmetic(f, operation, reverse, 0, false, false));
        }
        int destination = d.operand[0];
        int source = d.operand[1];
        return new Registers(d, (c, f) -> {
            SoftFloat s = X87.begin(f);
            X87.unpack(f, s.b, source);
            X87.arithmetic(f, operation, reverse, destination, X87.empty(f, source), pop);
        });
    }

    // ---- comparisons ----

    private static @Nullable Node comparison(Decoded d, String m) {
        String name = m.startsWith("FICOM") ? "FCOM" + m.substring(5) : m;
        X87.Comparison how =
                switch (name) {
                    case "FCOM" -> new X87.Comparison(false, 0, false);
                    case "FCOMP" -> new X87.Comparison(false, 1, false);
                    case "FCOMPP" -> new X87.Comparison(false, 2, false);
                    case "FUCOM" -> new X87.Comparison(true, 0, false);
                    case "FUCOMP" -> new X87.Comparison(true, 1, false);
                    case "FUCOMPP" -> new X87.Comparison(true, 2, false);
                    case "FCOMI" -> new X87.Comparison(false, 0, true);
                    case "FCOMIP" -> new X87.Comparison(false, 1, true);
                    case "FUCOMI" -> new X87.Comparison(true, 0, true);
                    case "FUCOMIP" -> new X87.Comparison(true, 1, true);
                    case "FTST" -> new X87.Comparison(false, 0, false);
                    default -> null;
                };
        if (how == null) {
            return name.equals("FXAM") ? new Registers(d, (c, f) -> X87.examine(f)) : null;
        }
        if (d.isMem(0)) {
            return new Source(d, Type.of(d, m), (c, f) -> X87.compare(c, how, false));
        }
        if (name.equals("FTST")) {
            return new Registers(d, (c, f) -> {
                X87.begin(f).b.set(Kind.ZERO, false);
                X87.compare(c, how, false);
            });
        }
        int source = how.pops() == 2 ? 1 : d.operand[1];
        return new Registers(d, (c, f) -> {
            SoftFloat s = X87.begin(f);
            X87.unpack(f, s.b, source);
            X87.compare(c, how, X87.empty(f, source));
        });
    }

    // ---- loads, stores, register moves ----

    private static @Nullable Node move(Decoded d, String m) {
        int i = d.operand[0];
        switch (m) {
            case "FLD", "FILD", "FBLD":
                if (!d.isMem(0)) {
                    return new Registers(d, (c, f) -> X87.loadRegister(f, i));
                }
                Type type = Type.of(d, m);
                return new Source(
                        d,
                        type,
                        type == Type.EXTENDED
                                ? (c, f) -> X87.loadRaw(f, f.soft.b.sig, f.soft.b.exp)
                                : (c, f) -> X87.load(f));
            case "FST", "FSTP", "FIST", "FISTP", "FISTTP", "FBSTP":
                if (d.isMem(0)) {
                    return new Store(d, Type.of(d, m), !m.endsWith("T"), m.equals("FISTTP"));
                }
                return new Registers(d, (c, f) -> X87.store(f, i, m.equals("FSTP")));
            case "FSTPNCE":
                return new Registers(d, (c, f) -> {
                    // stores without a check for an empty register
                    X87.write(f, i, f.significand[f.top], f.signExponent[f.top]);
                    X87.pop(f);
                });
            case "FXCH":
                return new Registers(d, (c, f) -> X87.exchange(f, i));
            default:
                break;
        }
        if (m.startsWith("FCMOV")) {
            boolean negate = m.startsWith("FCMOVN");
            String condition = m.substring(negate ? 6 : 5);
            int source = d.operand[1];
            return new Registers(d, (c, f) -> {
                boolean holds =
                        switch (condition) {
                            case "B" -> c.cf();
                            case "E" -> c.zf();
                            case "BE" -> c.cf() || c.zf();
                            default -> c.pf();
                        };
                X87.conditionalMove(f, source, holds != negate);
            });
        }
        return null;
    }

    /** Stores ST(0): the memory is written before anything of the FPU changes, as that may fault. */
    private static final class Store extends MemNode {
        private final Type type;
        private final boolean pop;
        private final boolean truncate;
        private final int opcode;

        Store(Decoded d, Type type, boolean pop, boolean truncate) {
            super(d, type.bytes, true);
            this.type = type;
            this.pop = pop;
            this.truncate = truncate;
            opcode = opcode(d);
        }

        @Override
        void execute(Cpu c) {
            Fpu f = enter(c);
            long a = address(c);
            c.checkWrite(a, type.bytes);
            f.lastIp = c.r[CpuRegisters.BLOCK] + blockOffset;
            f.lastOpcode = opcode;
            f.lastData = a;
            if (X87.empty(f, 0)) {
                if (X87.masked(f, Fpu.IE)) {
                    storeIndefinite(c, a);
                }
                if (X87.stackFault(f, false) && pop) {
                    X87.pop(f);
                }
                return;
            }
            if (type == Type.EXTENDED) {
                c.store64(a, f.significand[f.top]);
                c.store16(a + 8, f.signExponent[f.top]);
                f.statusWord &= ~Fpu.C1;
                X87.pop(f);
                return;
            }
            int mode = truncate ? SoftFloat.ZERO_MODE : f.controlWord >>> 10 & 3;
            long v =
                    switch (type) {
                        case SINGLE -> X87.toMemory(f, Format.SINGLE);
                        case DOUBLE -> X87.toMemory(f, Format.DOUBLE);
                        case DECIMAL -> X87.toDecimal(f);
                        default -> X87.toInteger(f, type.bytes * 8, mode);
                    };
            int prevents = Fpu.IE | Fpu.OE | Fpu.UE;
            boolean stored = (f.soft.flags & prevents & ~f.controlWord) == 0;
            if (stored) {
                if (type != Type.DECIMAL) {
                    c.store(a, type.bytes, v);
                } else if ((f.soft.flags & Fpu.IE) != 0) {
                    storeIndefinite(c, a);
                } else {
                    storeDecimal(c, a, v, f.soft.a.sign);
                }
            } else {
                f.soft.flags &= prevents;
                f.soft.roundedUp = false;
            }
            X87.commit(f);
            if (stored && pop) {
                X87.pop(f);
            }
        }

        private void storeIndefinite(Cpu c, long a) {
            switch (type) {
                case SINGLE -> c.store32(a, 0xffc00000);
                case DOUBLE -> c.store64(a, 0xfff8000000000000L);
                case EXTENDED, DECIMAL -> {
                    c.store64(a, X87.BCD_INDEFINITE_LOW);
                    c.store16(a + 8, X87.BCD_INDEFINITE_HIGH);
                }
                default -> c.store(a, type.bytes, -1L << type.bytes * 8 - 1);
            }
        }

        private static void storeDecimal(Cpu c, long a, long magnitude, boolean sign) {
            long low = 0;
            int high = sign ? 0x8000 : 0;
            long rest = magnitude;
            for (int i = 0; i < 18; i++) {
                long digit = rest % 10;
                rest /= 10;
                if (i < 16) {
                    low |= digit << i * 4;
                } else {
                    high |= (int) digit << (i - 16) * 4;
                }
            }
            c.store64(a, low);
            c.store16(a + 8, high);
        }
    }

    // ---- constants and unary operations ----

    private static @Nullable Node unary(Decoded d, String m) {
        return switch (m) {
            case "FLD1", "FLDL2T", "FLDL2E", "FLDPI", "FLDLG2", "FLDLN2", "FLDZ" ->
                new Registers(d, (c, f) -> X87.constant(f, m));
            case "FCHS" -> new Registers(d, (c, f) -> X87.sign(f, 0x8000, 0xffff));
            case "FABS" -> new Registers(d, (c, f) -> X87.sign(f, 0, 0x7fff));
            case "FSQRT" -> new Registers(d, (c, f) -> X87.squareRoot(f));
            case "FRNDINT" -> new Registers(d, (c, f) -> X87.roundToInteger(f));
            case "FSCALE" -> new Registers(d, (c, f) -> X87.scale(f));
            case "FPREM" -> new Registers(d, (c, f) -> X87.remainder(f, false));
            case "FPREM1" -> new Registers(d, (c, f) -> X87.remainder(f, true));
            case "FXTRACT" -> new Registers(d, (c, f) -> X87.extract(f));
            case "FINCSTP" ->
                new Registers(d, (c, f) -> {
                    f.top = f.top + 1 & 7;
                    f.statusWord &= ~Fpu.C1;
                });
            case "FDECSTP" ->
                new Registers(d, (c, f) -> {
                    f.top = f.top - 1 & 7;
                    f.statusWord &= ~Fpu.C1;
                });
            default -> null;
        };
    }
}
