package serai.cpu;

import java.util.List;
import serai.machine.engine.CpuFeature;

/**
 * A row of the instruction table as numbers, made once when the table is read: what decoding and translating look at for each instruction.
 *
 * <p>Which row of an opcode an encoding means is one test: the encoding has one bit set for each of its mandatory prefix, W, L, mode, mod, reg
 * and rm, and a row has all those set that it takes.
 *
 * <pre>
 *  27      20 19      12 11  10  9    8   7  6  5  4  3  2  1  0
 *  rm 7 ... 0 reg 7 .. 0 mod mod 64 not64 L1 L0 W1 W0 F2 F3 66 none
 *                         3  not3
 * </pre>
 */
final class RowPlan {
    // ---- attributes ----

    /** LOCK is allowed with a memory destination. */
    static final int LOCK = 1;
    /** The operand size is 64 by default in 64-bit mode. */
    static final int D64 = 1 << 1;
    /** The operand size is always 64 in 64-bit mode. */
    static final int F64 = 1 << 2;
    /** Invalid in 64-bit mode. */
    static final int I64 = 1 << 3;
    /** There in 64-bit mode only. */
    static final int O64 = 1 << 4;
    /** #GP unless CPL is 0. */
    static final int CPL0 = 1 << 5;
    /** ModR/M.mod is ignored: rm is a register. */
    static final int MOD_IGNORED = 1 << 6;
    /** Ends a basic block. */
    static final int END = 1 << 7;
    /** The index is a vector register. */
    static final int VSIB = 1 << 8;
    /** #GP(0) if the memory operand is not aligned to its size. */
    static final int ALIGN = 1 << 9;
    /** Uses an MMX register. */
    static final int MMX = 1 << 10;
    /** Results differ between processors in the last bits. */
    static final int APPROXIMATE = 1 << 11;
    /** Leaves all arithmetic flags as they are if its count is zero. */
    static final int KEEPS = 1 << 12;
    /** A ModR/M byte follows. */
    static final int MODRM = 1 << 13;
    /** 66 is the mandatory prefix, so it tells nothing about the operand size. */
    static final int PREFIX_66 = 1 << 14;
    /** F2 or F3 is the mandatory prefix, so it repeats nothing. */
    static final int PREFIX_REPEAT = 1 << 15;
    /** VEX.vvvv names an operand. */
    static final int VVVV = 1 << 16;

    // ---- an encoding: one bit of each group ----

    /** Shifted left by what VEX.pp is or would be: 0 none, 1 66, 2 F3, 3 F2. */
    static final int KEY_PREFIX = 1;
    /** Shifted left by W. */
    static final int KEY_W = 1 << 4;
    /** Shifted left by VEX.L, by 0 for legacy encodings. */
    static final int KEY_L = 1 << 6;

    static final int KEY_NOT_64 = 1 << 8;
    static final int KEY_64 = 1 << 9;
    static final int KEY_MEMORY = 1 << 10;
    static final int KEY_REGISTER = 1 << 11;
    /** Shifted left by ModR/M.reg. */
    static final int KEY_REG = 1 << 12;
    /** Shifted left by ModR/M.rm. */
    static final int KEY_RM = 1 << 20;

    private static final int KEY_ALL = (1 << 28) - 1;

    final InstructionRow row;
    /** Attributes. */
    final int flags;
    /** By operand, {@link OperandCode}. */
    final int[] operands;

    /** RFLAGS bits among OF, SF, ZF, AF, PF and CF that it writes, unless {@link #KEEPS} applies. */
    final int written;
    /** Those that it leaves undefined. */
    final int undefined;
    /** Those that it depends on. */
    final int read;

    /** The bits of encodings that this row does not take. */
    private final int refused;
    /** The feature that it belongs to, as a bit of {@link #mask}; 0 if it is always there. */
    private final long needs;

    RowPlan(InstructionRow row) {
        this.row = row;
        List<String> codes = row.operands();
        operands = new int[codes.size()];
        int f = row.modrm() ? MODRM : 0;
        for (int i = 0; i < operands.length; i++) {
            operands[i] = OperandCode.of(codes.get(i), row);
            int method = OperandCode.method(operands[i]);
            f |= method == OperandCode.B || method == OperandCode.H ? VVVV : 0;
        }
        f |= row.prefix() == 0x66 ? PREFIX_66 : row.prefix() > 0 ? PREFIX_REPEAT : 0;
        int w = 0;
        int u = 0;
        int r = 0;
        for (String a : row.attributes()) {
            if (a.startsWith("w=")) {
                w = arithmetic(a, row);
            } else if (a.startsWith("u=")) {
                u = arithmetic(a, row);
            } else if (a.startsWith("r=")) {
                r = arithmetic(a, row);
            } else if (!a.startsWith("cpuid=")) {
                f |= attribute(a, row);
            }
        }
        flags = f;
        written = w;
        undefined = u;
        read = r;
        refused = KEY_ALL & ~accepted(row, f);
        CpuFeature feature = row.needs();
        needs = feature == null ? 0 : bit(feature);
    }

    /** Whether the row has this attribute, or one of several. */
    boolean has(int attribute) {
        return (flags & attribute) != 0;
    }

    /**
     * Whether it is this row that an encoding means.
     *
     * @param key the bits of the encoding
     * @param missing all features that are not there, of {@link #mask}
     */
    boolean fits(int key, long missing) {
        return (key & refused) == 0 && (needs & missing) == 0;
    }

    /** A set of features as bits. */
    static long mask(Iterable<CpuFeature> features) {
        long m = 0;
        for (CpuFeature f : features) {
            m |= bit(f);
        }
        return m;
    }

    private static long bit(CpuFeature feature) {
        if (feature.ordinal() >= 64) {
            throw new IllegalStateException("more than 64 features");
        }
        return 1L << feature.ordinal();
    }

    private static int accepted(InstructionRow row, int flags) {
        int prefix =
                switch (row.prefix()) {
                    case InstructionRow.ANY_PREFIX -> 15;
                    case InstructionRow.NO_REPEAT -> 3;
                    case 0 -> 1;
                    case 0x66 -> 2;
                    case 0xf3 -> 4;
                    default -> 8;
                };
        int length = row.isVex() && row.vexLength() != InstructionRow.ANY_LENGTH ? 1 << row.vexLength() : 3;
        int mode = (flags & I64) != 0 ? KEY_NOT_64 : (flags & O64) != 0 ? KEY_64 : KEY_NOT_64 | KEY_64;
        int mod =
                switch (row.mod()) {
                    case InstructionRow.MEMORY -> KEY_MEMORY;
                    case InstructionRow.REGISTER -> KEY_REGISTER;
                    default -> KEY_MEMORY | KEY_REGISTER;
                };
        return KEY_PREFIX * prefix
                | KEY_W * (row.rexW() == InstructionRow.ANY_W ? 3 : 1 << row.rexW())
                | KEY_L * length
                | mode
                | mod
                | KEY_REG * (row.reg() < 0 ? 0xff : 1 << row.reg())
                | KEY_RM * (row.rm() < 0 ? 0xff : 1 << row.rm());
    }

    private static int attribute(String text, InstructionRow row) {
        return switch (text) {
            case "lock" -> LOCK;
            case "d64" -> D64;
            case "f64" -> F64;
            case "i64" -> I64;
            case "o64" -> O64;
            case "cpl0" -> CPL0;
            case "modIgnored" -> MOD_IGNORED;
            case "end" -> END;
            case "vsib" -> VSIB;
            case "align" -> ALIGN;
            case "mmx" -> MMX;
            case "approximate" -> APPROXIMATE;
            case "keeps" -> KEEPS;
            default -> throw new IllegalStateException(row.source() + ": attribute " + text);
        };
    }

    /** The RFLAGS bits of an attribute such as {@code w=oszapc}. */
    private static int arithmetic(String attribute, InstructionRow row) {
        int m = 0;
        for (int i = 2; i < attribute.length(); i++) {
            m |= switch (attribute.charAt(i)) {
                case 'o' -> CpuRegisters.OF;
                case 's' -> CpuRegisters.SF;
                case 'z' -> CpuRegisters.ZF;
                case 'a' -> CpuRegisters.AF;
                case 'p' -> CpuRegisters.PF;
                case 'c' -> CpuRegisters.CF;
                default -> throw new IllegalStateException(row.source() + ": flags " + attribute);
            };
        }
        return m;
    }
}
