package serai.cpu;

import java.util.Set;
import serai.cpu.Decoded.Kind;
import serai.machine.engine.CpuFeature;

/**
 * How the translator treats each row of the instruction table. Most are written again as they stand, with registers renamed; some are
 * written anew; the rest is left to the interpreter, one instruction at a time.
 */
final class Templates {
    /** What the translator does with a row. */
    enum Template {
        /** The interpreter runs it, and translated code goes on after it. */
        INTERPRET,
        /** The interpreter runs it, and what follows is not looked at. */
        LAST,
        /** Written again with other registers. */
        PLAIN,
        /** The same for SSE, as long as the guest may use it. */
        SSE,
        /** The same with a VEX prefix, for AVX and its like, as long as the guest may use it. */
        VEX,
        /** The same of general registers. */
        VEX_GENERAL,
        NOTHING,
        LEA,
        MOVE_OFFSET,
        COUNT,
        SHIFT_CL,
        DIVIDE,
        COMPARE_16,
        MOVE_IMMEDIATE,
        SWAP_BYTES,
        EXCHANGE_RAX,
        PUSH,
        POP,
        LEAVE,
        PUSH_FLAGS,
        CLEAR_INTERRUPT,
        SET_INTERRUPT,
        SET_DIRECTION,
        ALLOW_ACCESS,
        FORBID_ACCESS,
        SWAP_GS,
        READ_BASE,
        WRITE_BASE,
        READ_CONTROL,
        STORE_SEGMENT,
        STRING,
        JCC,
        JUMP,
        JUMP_INDIRECT,
        CALL,
        CALL_INDIRECT,
        RETURN,
        SYSCALL,
        SYSRET
    }

    /** As the number of an operand: none. */
    static final int NO_OPERAND = 15;

    private static final Set<String> PLAIN = Set.of(
            "ADD",
            "OR",
            "ADC",
            "SBB",
            "AND",
            "SUB",
            "XOR",
            "CMP",
            "TEST",
            "NOT",
            "NEG",
            "INC",
            "DEC",
            "MUL",
            "IMUL1",
            "IMUL",
            "CBW",
            "CWD",
            "MOV",
            "MOVZX",
            "MOVSX",
            "XCHG",
            "CMPXCHG",
            "XADD",
            "CMOVcc",
            "SETcc",
            "CMC",
            "CLC",
            "STC",
            "LAHF",
            "SAHF",
            "BSF",
            "BSR",
            "TZCNT",
            "LZCNT",
            "POPCNT",
            "CRC32",
            "ADCX",
            "ADOX",
            "MOVBE",
            "LFENCE",
            "MFENCE",
            "SFENCE",
            "CMPXCHG8B");
    private static final Set<String> SHIFTS = Set.of("SHL", "SHR", "SAR", "ROL", "ROR", "RCL", "RCR", "SHLD", "SHRD");
    private static final Set<String> BITS = Set.of("BT", "BTS", "BTR", "BTC");
    private static final Set<String> LAST = Set.of(
            "JMPF",
            "JMPFM",
            "RETF",
            "IRET",
            "SYSCALL",
            "SYSRET",
            "SYSENTER",
            "SYSEXIT",
            "INT",
            "INT1",
            "INT3",
            "INTO",
            "HLT",
            "CALLF",
            "CALLFM",
            "UD0",
            "UD1",
            "UD2",
            "RSM");
    /** Invalid in 64-bit mode as these rows have them, but there in another form. */
    private static final Set<String> NOT_64 = Set.of("INC", "DEC", "LAHF", "SAHF");
    /** In the SSE tables, but with memory, modes or state of their own. */
    private static final Set<String> NOT_SSE = Set.of(
            "EMMS",
            "FXRSTOR",
            "FXSAVE",
            "LDMXCSR",
            "STMXCSR",
            "MASKMOVDQU",
            "MASKMOVQ",
            "XGETBV",
            "XSETBV",
            "XRSTOR",
            "XSAVE",
            "XSAVEC",
            "XSAVEOPT");
    /** Memory operands of 16 bytes that need not be aligned. */
    private static final Set<String> UNALIGNED =
            Set.of("MOVUPS", "MOVUPD", "MOVDQU", "LDDQU", "PCMPESTRI", "PCMPESTRM", "PCMPISTRI", "PCMPISTRM");

    private static final Set<String> ALIGNED_VEX =
            Set.of("VMOVAPS", "VMOVAPD", "VMOVDQA", "VMOVNTPS", "VMOVNTPD", "VMOVNTDQ", "VMOVNTDQA");

    /** First letters of operand codes with VEX. */
    private static final String KNOWN_VEX = "EGMRVWUHLBI";

    /** First letters of operand codes that can be written again; in the order of the table's head. */
    private static final String KNOWN = "EGMRZSIJOXYVWUACD1e";

    private static final Set<String> READS = Set.of("CMP", "TEST", "BT", "MUL", "IMUL1");

    private final Template[] byRow;
    private final boolean[] writes;
    private final boolean[] inSequence;
    private final boolean[] aligned;
    private final byte[] modrmOperands;
    private final byte[] vvvvOperands;

    /**
     * Templates for what the host's processor has.
     *
     * @param host its features: an instruction of another is interpreted
     */
    Templates(Set<CpuFeature> host) {
        var rows = InstructionTable.INSTANCE.rows();
        byRow = new Template[rows.size()];
        writes = new boolean[byRow.length];
        inSequence = new boolean[byRow.length];
        aligned = new boolean[byRow.length];
        modrmOperands = new byte[byRow.length];
        vvvvOperands = new byte[byRow.length];
        for (InstructionRow r : rows) {
            int i = r.number();
            byRow[i] = r.needs() != null && !host.contains(r.needs()) ? fallback(r) : choose(r);
            inSequence[i] = byRow[i] == Template.INTERPRET && !r.source().contains("-base") && !r.has("end");
            writes[i] = !r.operands().isEmpty() && !READS.contains(r.mnemonic());
            aligned[i] =
                    byRow[i] == Template.SSE && !UNALIGNED.contains(r.mnemonic()) || ALIGNED_VEX.contains(r.mnemonic());
            vvvvOperands[i] = NO_OPERAND;
            int reg = NO_OPERAND;
            int rm = NO_OPERAND;
            for (int o = 0; o < r.operands().size(); o++) {
                switch (r.operands().get(o).charAt(0)) {
                    case 'G', 'V' -> reg = o;
                    case 'E', 'M', 'R', 'W', 'U' -> rm = o;
                    case 'H', 'B' -> vvvvOperands[i] = (byte) o;
                    default -> {}
                }
            }
            modrmOperands[i] = (byte) (rm << 4 | reg);
        }
    }

    private static Template fallback(InstructionRow r) {
        return LAST.contains(r.mnemonic()) ? Template.LAST : Template.INTERPRET;
    }

    private static Template choose(InstructionRow r) {
        String m = r.mnemonic();
        if (r.isVex()) {
            return chooseVex(r);
        }
        boolean not64 = r.has("i64") && !NOT_64.contains(m);
        if (not64 || r.operands().stream().anyMatch(o -> !KNOWN.contains(o.substring(0, 1)))) {
            return fallback(r);
        }
        if (r.source().contains("instructions-sse")) {
            for (String o : r.operands()) {
                if ("PQNXY".indexOf(o.charAt(0)) >= 0) {
                    return Template.INTERPRET; // MMX registers are the x87's
                }
            }
            return NOT_SSE.contains(m) ? Template.INTERPRET : Template.SSE;
        }
        if (!r.source().contains("instructions-base")) {
            return Template.INTERPRET;
        }
        String first = r.operands().isEmpty() ? "" : r.operands().getFirst();
        String last = r.operands().isEmpty() ? "" : r.operands().getLast();
        if (m.equals("XCHG") && first.equals("Zv")) {
            return Template.EXCHANGE_RAX;
        }
        if (m.matches("INC|DEC") && first.equals("Zv")) {
            return Template.COUNT;
        }
        if (m.equals("MOV")) {
            if (first.startsWith("Z")) {
                return Template.MOVE_IMMEDIATE;
            }
            return first.startsWith("O") || last.startsWith("O") ? Template.MOVE_OFFSET : Template.PLAIN;
        }
        if (SHIFTS.contains(m)) {
            return last.equals("CL") ? Template.SHIFT_CL : Template.PLAIN;
        }
        if (BITS.contains(m)) {
            return Template.PLAIN; // a bit's number in a register with memory is left to the interpreter when it is met
        }
        if (PLAIN.contains(m)) {
            return Template.PLAIN;
        }
        return switch (m) {
            case "NOP", "PREFETCHW" -> Template.NOTHING;
            case "LEA" -> Template.LEA;
            case "DIV", "IDIV" -> Template.DIVIDE;
            case "CMPXCHG16B" -> Template.COMPARE_16;
            case "BSWAP" -> Template.SWAP_BYTES;
            case "PUSH" -> Template.PUSH;
            case "POP" -> Template.POP;
            case "PUSHF" -> Template.PUSH_FLAGS;
            case "CLI" -> Template.CLEAR_INTERRUPT;
            case "STI" -> Template.SET_INTERRUPT;
            case "CLD", "STD" -> Template.SET_DIRECTION;
            case "STAC" -> Template.ALLOW_ACCESS;
            case "CLAC" -> Template.FORBID_ACCESS;
            case "SWAPGS" -> Template.SWAP_GS;
            case "RDFSBASE", "RDGSBASE" -> Template.READ_BASE;
            case "WRFSBASE", "WRGSBASE" -> Template.WRITE_BASE;
            case "MOVRC" -> Template.READ_CONTROL;
            case "SYSCALL" -> Template.SYSCALL;
            case "SYSRET" -> Template.SYSRET;
            case "MOVSR" -> Template.STORE_SEGMENT;
            case "STOS", "MOVS", "LODS", "CMPS", "SCAS" -> Template.STRING;
            case "LEAVE" -> Template.LEAVE;
            case "Jcc" -> Template.JCC;
            case "JMP" -> Template.JUMP;
            case "JMPN" -> Template.JUMP_INDIRECT;
            case "CALL" -> Template.CALL;
            case "CALLN" -> Template.CALL_INDIRECT;
            case "RET" -> Template.RETURN;
            default -> fallback(r);
        };
    }

    private static Template chooseVex(InstructionRow r) {
        String m = r.mnemonic();
        if (r.has("vsib")
                || m.contains("MASKMOV")
                || m.endsWith("MXCSR")
                || r.operands().stream().anyMatch(o -> KNOWN_VEX.indexOf(o.charAt(0)) < 0)) {
            return Template.INTERPRET;
        }
        return r.source().contains("instructions-base") ? Template.VEX_GENERAL : Template.VEX;
    }

    /** Whether it is the interpreter's, and does no more than compute: so the next one may be run with it. */
    boolean inSequence(InstructionRow row) {
        return inSequence[row.number()];
    }

    Template of(InstructionRow row) {
        return byRow[row.number()];
    }

    /** Whether its first operand is written. */
    boolean writes(InstructionRow row) {
        return writes[row.number()];
    }

    /** Whether a memory operand of so many bytes has to be aligned. */
    boolean aligned(InstructionRow row, int size) {
        return size >= 16 && aligned[row.number()];
    }

    /** Whether an instruction leaves a result in ECX, which it doesn't name. */
    boolean leavesEcx(InstructionRow row) {
        return row.operation().endsWith("STRI") && row.operation().startsWith("PCMP");
    }

    /** Which operand stands in VEX.vvvv, or {@link #NO_OPERAND}. */
    int vvvvOperand(InstructionRow row) {
        return vvvvOperands[row.number()];
    }

    /** Which operand stands in ModR/M.reg, or {@link #NO_OPERAND}. */
    int regOperand(InstructionRow row) {
        return modrmOperands[row.number()] & 15;
    }

    /** Which operand stands in ModR/M.rm, or {@link #NO_OPERAND}. */
    int rmOperand(InstructionRow row) {
        return modrmOperands[row.number()] >>> 4 & 15;
    }

    /** Bytes of immediates at the end of the instruction. */
    static int immediateBytes(Decoded d) {
        int n = 0;
        for (String o : d.row.operands()) {
            n += switch (o) {
                case "Ib", "Ibs" -> 1;
                case "Iw" -> 2;
                case "Iz" -> Math.min(d.opSize, 4);
                case "Iv" -> d.opSize;
                default -> 0;
            };
        }
        return n;
    }

    /** Writes the prefixes LOCK and 66 that an instruction has. */
    static void prefixes(Assembler a, Decoded d) {
        if (d.lock) {
            a.byte1(0xf0);
        }
        if (d.row.prefix() == 0x66 || d.opSizePrefix) {
            a.byte1(0x66);
        }
    }

    /** Its mandatory prefix F2 or F3, or 0. */
    static int repeat(Decoded d) {
        return d.row.prefix() == 0xf2 || d.row.prefix() == 0xf3 ? d.row.prefix() : 0;
    }

    /** Whether it has REX.W. */
    static boolean wide(Decoded d) {
        return (d.rex & 8) != 0;
    }

    /** Writes the immediates at its end. */
    static void tail(Assembler a, Decoded d) {
        a.immediate(d.immediate, immediateBytes(d));
    }

    /** Whether an operand is one of AH, CH, DH, BH. */
    static boolean high(Decoded d, int operand) {
        return operand < 4 && d.kind[operand] == Kind.REG && d.operand[operand] >= 20;
    }
}
