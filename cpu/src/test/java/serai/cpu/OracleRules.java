package serai.cpu;

import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is not compared with the physical CPU, in three lists: results that the manual leaves undefined, results that
 * are a matter of the machine and not of the instruction, and what processors of AMD do otherwise than those of Intel, whom the interpreter
 * follows. A rule names its instructions, what it leaves out, and where the manual says so.
 */
final class OracleRules {
    /** What a rule is told of a case. */
    record Outcome(OracleCase made, Decoded d, OracleState want, OracleState got) {
        /** The count of a shift or rotate, masked. */
        int count() {
            String by = d.row.operands().getLast();
            int count = by.equals("1")
                    ? 1
                    : by.equals("CL") ? (int) made.before().gpr()[CpuRegisters.RCX] : (int) d.immediate;
            return count & (d.size[0] == 8 ? 0x3f : 0x1f);
        }

        int bits() {
            return d.size[0] * 8;
        }

        /** Whether no byte's sign is set in the second operand, a vector register of 16 bytes or an MMX register. */
        boolean emptyMask() {
            boolean mmx = d.row.mnemonic().equals("MASKMOVQ");
            ByteBuffer xs = OracleState.view(made.before().xs());
            int at = mmx ? 32 + (d.operand[1] - (xs.getShort(2) >> 11) & 7) * 16 : 160 + d.operand[1] * 16;
            return ((xs.getLong(at) | (mmx ? 0 : xs.getLong(at + 8))) & 0x8080808080808080L) == 0;
        }

        boolean completed() {
            return want.vector() < 0;
        }

        /** Whether the operand, or what a string instruction goes through, may begin below 4 GiB of its segment and end above. */
        boolean wraps() {
            if (made.mode() == OracleMode.LONG || made.before().selector()[d.segment] != OracleSegments.THREAD) {
                return false;
            }
            long base = OracleSegments.base(OracleSegments.THREAD);
            if (d.hasMemory()) {
                return made.target() < base && made.target() + OracleOperands.room(d.row) > base;
            }
            return Math.abs((int) made.before().gpr()[CpuRegisters.RSI]) < STRING;
        }
    }

    /** Bytes that a case's string instruction goes through at most. */
    private static final int STRING = 40 * 8;

    /** Leaves something out, if the case is of its kind. */
    interface Effect {
        void on(OracleMask m, Outcome o);
    }

    /**
     * A rule.
     *
     * @param mnemonics a regular expression over the table's mnemonics
     * @param what what is left out, in words
     * @param reference where it is written
     */
    record Rule(String mnemonics, String what, String reference, Effect effect) {}

    /** The manual: "undefined". Beside these, the flags of a row's attribute {@code u=}. */
    static final List<Rule> UNDEFINED = List.of(
            new Rule(
                    "ROL|ROR|RCL|RCR|SHL|SHR|SAR|SHLD|SHRD",
                    "OF for counts other than 1",
                    "SDM vol. 2, RCL/RCR/ROL/ROR, SAL/SAR/SHL/SHR, SHLD, SHRD: Flags Affected",
                    (m, o) -> m.flags |= o.completed() && o.count() > 1 ? CpuRegisters.OF : 0),
            new Rule(
                    ".*",
                    "all, if an operand goes beyond 4 GiB of a segment that ends there",
                    "SDM vol. 3, 6.3: implementation-specific",
                    (m, o) -> m.everything |= o.wraps()),
            new Rule(
                    "SHL|SHR",
                    "CF for counts of the operand's size and more",
                    "SDM vol. 2, SAL/SAR/SHL/SHR: Flags Affected",
                    (m, o) -> m.flags |= o.completed() && o.count() >= o.bits() ? CpuRegisters.CF : 0),
            new Rule(
                    "SHLD|SHRD",
                    "flags and destination for counts above the operand's size",
                    "SDM vol. 2, SHLD, SHRD: Description",
                    (m, o) -> {
                        if (o.completed() && o.count() > o.bits()) {
                            m.flags |= CpuRegisters.ARITHMETIC;
                            if (o.d().isReg(0)) {
                                m.register(o.d().operand[0], 2);
                            } else {
                                m.memory(0, OracleMemory.WINDOW);
                            }
                        }
                    }),
            new Rule(
                    "BSWAP", "the destination with an operand size of 16", "SDM vol. 2, BSWAP: Description", (m, o) -> {
                        if (o.d().opSize == 2) {
                            m.register(o.d().operand[0], 2);
                        }
                    }),
            new Rule(
                    "RCPPS|RCPSS|RSQRTPS|RSQRTSS|VRCP.*|VRSQRT.*",
                    "the relative error up to 1.5 * 2^-12",
                    "SDM vol. 2, RCPPS, RSQRTPS: Description",
                    (m, o) -> m.approximate = true),
            new Rule(
                    "FXSAVE|FXRSTOR|XSAVE.*|XRSTOR.*|FRSTOR|FNSAVE|FLDENV|FNSTENV|V?MASKMOV.*|L[DEFGS]S|JMPFM|CALLFM|BOUND",
                    "which part faults first of an operand that is read or written in several",
                    "SDM vol. 3, 7.9, table 7-2: the order among the accesses of one instruction is not told",
                    (m, o) -> m.which = true),
            new Rule(
                    "FLD|FSTP",
                    "which part of ten bytes faults first",
                    "SDM vol. 3, 7.9, table 7-2",
                    (m, o) -> m.which |= o.d().row.operands().contains("Mt")),
            new Rule(
                    "BT|BTS|BTR|BTC",
                    "which fault, if the register with the bit's offset leads to an address that is not mapped or not canonical",
                    "SDM vol. 2, BT: Description; how the sum's parts are checked is not told",
                    (m, o) -> m.which |= o.d().row.operands().contains("Gv")),
            new Rule(
                    "V?MASKMOVDQU|MASKMOVQ",
                    "whether there is a fault with a mask of zeroes",
                    "SDM vol. 2, MASKMOVDQU, MASKMOVQ: implementation dependent",
                    (m, o) -> m.everything |= o.completed() != (o.got().vector() < 0) && o.emptyMask()),
            new Rule(
                    "V.*GATHER.*",
                    "how often a trap comes between elements, and but for a fault's address the state after one: the mask's lower bits",
                    "SDM vol. 2, VPGATHERDD/VPGATHERDQ: Description",
                    (m, o) -> {
                        m.steps = true;
                        m.vectors = o.completed() ? 0 : 1 << o.d().operand[2];
                    }),
            new Rule(
                    "F2XM1|FYL2X|FYL2XP1|FPTAN|FPATAN|FSIN|FCOS|FSINCOS",
                    "the last place of a transcendental result, and with it C1, PE, UE",
                    "SDM vol. 1, 8.3.10: Accuracy of Transcendental Instructions",
                    (m, o) -> {
                        m.approximate = true;
                        m.fsw = Fpu.C1 | Fpu.PE | Fpu.UE | Fpu.ES | Fpu.BUSY;
                    }));

    /** Answers that belong to the machine and not to the instruction. */
    static final List<Rule> MACHINE = List.of(
            new Rule("RDTSC|RDTSCP", "the time, and the processor's number", "SDM vol. 2, RDTSC, RDTSCP", (m, o) -> {
                m.register(CpuRegisters.RAX, 4);
                m.register(CpuRegisters.RDX, 4);
                if (o.d().row.mnemonic().equals("RDTSCP")) {
                    m.register(CpuRegisters.RCX, 4);
                }
            }),
            new Rule("CPUID", "what the model promises", "SDM vol. 2, CPUID", (m, o) -> {
                for (int i = CpuRegisters.RAX; i <= CpuRegisters.RBX; i++) {
                    m.register(i, 4);
                }
            }),
            new Rule("RDRAND|RDSEED", "the number, and whether there was one", "SDM vol. 2, RDRAND, RDSEED", (m, o) -> {
                m.register(o.d().operand[0], o.d().opSize);
                m.flags |= CpuRegisters.CF;
            }),
            new Rule("RDPID", "the processor's number", "SDM vol. 2, RDPID", (m, o) -> m.register(o.d().operand[0], 4)),
            new Rule(
                    "XGETBV",
                    "state components that the system has switched on",
                    "SDM vol. 2, XGETBV",
                    (m, o) -> m.register(CpuRegisters.RAX, 4)),
            new Rule(
                    "INT1",
                    "RIP: some hypervisors report the instruction's own address",
                    "SDM vol. 2, INT n/INTO/INT3/INT1",
                    (m, o) -> m.rip = true),
            new Rule("FXSAVE|FXSAVE64|XSAVE.*", "MXCSR_MASK", "SDM vol. 1, 11.6.6", (m, o) -> {
                long at = o.made().target();
                if (at < 0) {
                    m.memory(0, OracleMemory.WINDOW); // changed bytes: somewhere
                } else {
                    m.memory(at - o.made().dataAt() + 28, 4);
                }
            }));

    /** AMD64 manual against SDM; the interpreter does as the SDM says. */
    static final List<Rule> AMD = List.of(
            new Rule(
                    "LOOPE|LOOPNE",
                    "all with F2 or F3: AMD's processors take the condition from the prefix",
                    "SDM vol. 2, LOOP/LOOPcc: the prefixes have no meaning",
                    (m, o) -> m.everything |= o.d().rep != Decoded.NO_REP),
            new Rule(
                    ".*",
                    "all of a near branch with 66 in 64-bit mode: AMD's processors cut its target to 16 bits",
                    "SDM vol. 2, Jcc, JMP, CALL, RET: 66 is ignored; APM vol. 3, 1.2.4",
                    (m, o) -> m.everything |=
                            o.made().mode() == OracleMode.LONG && o.d().row.has("f64") && o.d().opSizePrefix),
            new Rule(
                    "LFS|LGS|LSS|JMPFM|CALLFM",
                    "all with an operand size of 64: AMD's processors take the pointer for one of 32 bits",
                    "APM vol. 3, JMP (Far), LxS; SDM vol. 2, JMP, LDS/LES/LFS/LGS/LSS",
                    (m, o) -> m.everything |= o.d().opSize == 8),
            new Rule(
                    "INS|OUTS",
                    "all of a repetition with a count of zero: AMD's processors check the port all the same",
                    "SDM vol. 2, REP: Operation",
                    (m, o) -> m.everything |= o.d().rep != Decoded.NO_REP
                            && (o.made().before().gpr()[CpuRegisters.RCX]
                                            & (o.d().addrSize == 8 ? -1L : (1L << o.d().addrSize * 8) - 1))
                                    == 0),
            new Rule(
                    "RETF",
                    "which fault, if CS's RPL is not CPL: AMD's processors read the outer stack pointer first",
                    "SDM vol. 2, RET: Operation",
                    (m, o) -> m.which = true),
            new Rule(
                    "SHA.*",
                    "all, for a memory operand that is not aligned: AMD's processors take any address",
                    "SDM vol. 2, SHA1MSG1: type 4 exceptions; APM vol. 4, SHA1MSG1: misaligned accesses",
                    (m, o) -> m.everything |=
                            o.d().isMem(1) && (!o.completed() || o.got().vector() == CpuSegments.GP)),
            new Rule(
                    "MOVRS|POPSR|LFS|LGS",
                    "the bases of FS and GS after a null selector: AMD's processors leave them",
                    "APM vol. 2, 4.5.3; SDM vol. 3, 3.4.4.1",
                    (m, o) -> m.bases = true),
            new Rule(
                    "CALLN|CALL|CALLF|CALLFM",
                    "memory, if the target is past CS's limit or not canonical: AMD's processors have pushed when they fault",
                    "SDM vol. 2, CALL: Operation; APM vol. 3, CALL",
                    (m, o) -> {
                        if (!o.completed()) {
                            m.memory(0, OracleMemory.WINDOW);
                            m.which = true;
                        }
                    }),
            new Rule(
                    ".*",
                    "whether #GP for a misaligned operand or #SS for one past SS's limit, if both are due",
                    "SDM vol. 3, table 7-2: both are of class 9",
                    (m, o) -> m.which |= o.want().vector() == CpuSegments.GP
                            && o.got().vector() == CpuSegments.SS_VECTOR
                            && o.d().row.map() > 0),
            new Rule(
                    "VPEXTRD|VPINSRD",
                    "all with VEX.W set outside 64-bit mode: AMD's processors raise #UD",
                    "SDM vol. 2, PEXTRB/PEXTRD/PEXTRQ, PINSRB/PINSRD/PINSRQ: W is ignored there",
                    (m, o) -> m.everything |=
                            o.made().mode() != OracleMode.LONG && o.want().vector() == CpuSegments.UD),
            new Rule(
                    "MASKMOVQ",
                    "the x87 registers after a fault: AMD's processors have gone over to MMX by then",
                    "SDM vol. 2, MASKMOVQ: Description",
                    (m, o) -> m.x87 |= !o.completed()),
            new Rule(
                    "RETF",
                    "bits 16 and up of RSP with a 16-bit stack: AMD's processors carry into them",
                    "SDM vol. 2, RET: Operation",
                    (m, o) -> {
                        if (o.made().mode() != OracleMode.LONG
                                && !OracleSegments.big(o.made().before().selector()[CpuRegisters.SS])) {
                            m.gpr[CpuRegisters.RSP] |= -1L << 16;
                        }
                    }),
            new Rule(
                    "CMPS",
                    "which of two operands' faults: AMD's processors read the second operand first",
                    "SDM vol. 2, CMPS: Operation",
                    (m, o) -> m.which = true));

    private OracleRules() {}

    /** What is not compared in a case; {@code d} is null if it does not decode. */
    static OracleMask mask(OracleCase c, @Nullable Decoded d, OracleState want, OracleState got) {
        OracleMask m = new OracleMask();
        if (c.mode() != OracleMode.LONG || want.selector()[CpuRegisters.CS] != OracleSegments.USER_CS) {
            // SDM vol. 1, 3.4.1.1: the upper halves are undefined outside 64-bit mode, into which far transfers lead
            for (int i = 0; i < 8; i++) {
                m.gpr[i] = -1L << 32;
            }
        }
        if (!Oracle.INTEL && pastLimit(c)) {
            m.flags |= CpuRegisters.RF;
        }
        if (d == null) {
            return m;
        }
        if (!OracleCoverage.reason(d.row).isEmpty()) {
            m.everything = true;
            return m;
        }
        if (want.vector() < 0) {
            String undefined = d.row.value("u");
            for (int i = 0; i < undefined.length(); i++) {
                m.flags |= flag(undefined.charAt(i));
            }
        }
        Outcome o = new Outcome(c, d, want, got);
        for (List<Rule> rules : Oracle.INTEL ? List.of(UNDEFINED, MACHINE) : List.of(UNDEFINED, MACHINE, AMD)) {
            for (Rule r : rules) {
                if (d.row.mnemonic().matches(r.mnemonics)) {
                    r.effect.on(m, o);
                }
            }
        }
        return m;
    }

    /**
     * Whether a case is cut off by CS's limit. AMD's processors leave RF clear in the image of that fault; SDM vol. 3, 18.3.1.1 has it set for
     * all faults.
     */
    private static boolean pastLimit(OracleCase c) {
        return c.before().selector()[CpuRegisters.CS] == OracleSegments.TIGHT_CODE32
                && c.before().rip() + c.code().length > OracleMemory.CODE_SIZE;
    }

    private static long flag(char c) {
        return switch (c) {
            case 'o' -> CpuRegisters.OF;
            case 's' -> CpuRegisters.SF;
            case 'z' -> CpuRegisters.ZF;
            case 'a' -> CpuRegisters.AF;
            case 'p' -> CpuRegisters.PF;
            default -> CpuRegisters.CF;
        };
    }
}
