package serai.cpu;

import java.util.Arrays;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import serai.cpu.Decoded.Kind;
import serai.machine.engine.CpuFeature;

/**
 * Decodes one instruction by the instruction table (SDM vol. 2, chapter 2). It knows prefixes, ModR/M, SIB and operand codes;
 * which instructions there are it takes from the rows.
 *
 * <p>It runs on the rows' numbers alone ({@link RowPlan}) and allocates nothing: the translator decodes all that a guest runs.
 */
final class Decoder {
    /** Where instruction bytes come from. */
    interface Bytes {
        /** The byte {@code offset} bytes after the start of the instruction; may raise a fault. */
        int at(int offset);
    }

    /** Why {@link #decode} failed. */
    enum Result {
        OK,
        /** #UD. */
        UNDEFINED,
        /** Longer than 15 bytes: #GP(0). */
        TOO_LONG,
        /** Longer than the bytes there were. */
        SHORT
    }

    private static final InstructionTable TABLE = InstructionTable.INSTANCE;

    /** By byte: what it is in front of an opcode; 0 if it is no prefix. */
    private static final byte[] PREFIX = new byte[256];

    private static final int SEGMENT = 1;
    private static final int SEGMENT_FS_GS = 2;
    private static final int OPERAND_SIZE = 3;
    private static final int ADDRESS_SIZE = 4;
    private static final int LOCK = 5;
    private static final int REPEAT = 6;
    /** In 64-bit mode. */
    private static final int REX = 7;

    static {
        for (int b : new int[] {0x26, 0x2e, 0x36, 0x3e}) {
            PREFIX[b] = SEGMENT;
        }
        PREFIX[0x64] = SEGMENT_FS_GS;
        PREFIX[0x65] = SEGMENT_FS_GS;
        PREFIX[0x66] = OPERAND_SIZE;
        PREFIX[0x67] = ADDRESS_SIZE;
        PREFIX[0xf0] = LOCK;
        PREFIX[0xf2] = REPEAT;
        PREFIX[0xf3] = REPEAT;
        Arrays.fill(PREFIX, 0x40, 0x50, (byte) REX);
    }

    /** Features that are not there: their rows are not there either. */
    private final long missing;

    private final InstructionBytes bytes = new InstructionBytes();
    private boolean has66;
    private boolean has67;
    private boolean hasVex;
    /** VEX.pp: the mandatory prefix that it stands for. */
    private int vexPrefix;

    private int vexLength;
    private int vexW;
    /** VEX.vvvv with its top bit, which counts outside 64-bit mode only where there is no operand. */
    private int vexVvvv;

    /** A decoder for a CPU with these features. */
    Decoder(Set<CpuFeature> features) {
        missing = ~RowPlan.mask(features);
    }

    /**
     * Decodes.
     *
     * @param codeSize 2, 4 or 8: the default size of the code segment
     * @param stackSize 2, 4 or 8
     */
    Result decode(Decoded d, Bytes source, int codeSize, int stackSize) {
        bytes.from(source);
        Result r = decode(d, codeSize, stackSize);
        return bytes.over() ? Result.TOO_LONG : r;
    }

    /**
     * Decodes from memory.
     *
     * @param host host address of the first byte, not 0
     * @param available how many bytes may be read
     * @param codeSize 2, 4 or 8: the default size of the code segment
     * @param stackSize 2, 4 or 8
     * @return {@link Result#SHORT} if the instruction has more bytes than are available
     */
    Result decode(Decoded d, long host, int available, int codeSize, int stackSize) {
        bytes.from(host, available);
        Result r = decode(d, codeSize, stackSize);
        return bytes.over() ? available < InstructionBytes.MAX_LENGTH ? Result.SHORT : Result.TOO_LONG : r;
    }

    private Result decode(Decoded d, int codeSize, int stackSize) {
        has66 = false;
        has67 = false;
        hasVex = false;
        d.codeSize = codeSize;
        d.stackSize = stackSize;
        d.lock = false;
        d.rep = Decoded.NO_REP;
        d.rex = 0;
        d.vvvv = 0;
        vexVvvv = 0;
        d.vectorSize = 16;
        d.segment = -1;
        d.modrm = 0;
        d.base = Decoded.NO_REG;
        d.index = Decoded.NO_REG;
        d.scale = 0;
        d.disp = 0;
        d.immediate = 0;
        d.immediate2 = 0;
        int opcode = prefixes(d);
        int map = 0;
        if ((opcode & 0xfe) == 0xc4) {
            map = vex(d, opcode == 0xc4);
            if (map < 0 || map > 3) {
                return Result.UNDEFINED;
            }
        }
        if (hasVex) {
            opcode = bytes.next();
        } else if (opcode == 0x0f) {
            map = 1;
            opcode = bytes.next();
            if (opcode == 0x38 || opcode == 0x3a) {
                map = opcode == 0x38 ? 2 : 3;
                opcode = bytes.next();
            }
        }
        d.opcode = opcode;
        RowPlan[] rows = TABLE.lookup(hasVex, map, opcode);
        if (rows.length == 0) {
            return Result.UNDEFINED;
        }
        boolean modrm = rows[0].has(RowPlan.MODRM);
        if (modrm) {
            d.modrm = bytes.next();
        }
        RowPlan plan = choose(rows, d);
        if (plan == null) {
            return Result.UNDEFINED;
        }
        d.row = plan.row;
        d.plan = plan;
        sizes(d, plan);
        if (plan.has(RowPlan.PREFIX_REPEAT)) {
            d.rep = Decoded.NO_REP;
        }
        d.segmentOverride = d.segment >= 0;
        if (modrm && d.mod() != 3 && !plan.has(RowPlan.MOD_IGNORED)) {
            boolean vsib = plan.has(RowPlan.VSIB);
            if (vsib && (d.addrSize == 2 || d.rm() != 4)) {
                return Result.UNDEFINED;
            }
            memory(d, vsib);
        }
        if (d.segment < 0) {
            d.segment = CpuRegisters.DS;
        }
        int[] operands = plan.operands;
        for (int i = operands.length; i < 4; i++) {
            d.kind[i] = Kind.NONE;
        }
        for (int i = 0; i < operands.length; i++) {
            if (!operand(d, i, operands[i])) {
                return Result.UNDEFINED;
            }
        }
        d.length = bytes.taken();
        if (vexVvvv != 0 && !plan.has(RowPlan.VVVV)) {
            return Result.UNDEFINED;
        }
        if (d.lock && !(plan.has(RowPlan.LOCK) && d.kind[0] == Kind.MEM)) {
            return Result.UNDEFINED;
        }
        return Result.OK;
    }

    /** Operand and address size. */
    private void sizes(Decoded d, RowPlan plan) {
        // a mandatory 66 is no operand-size prefix; the others never are
        boolean opSize66 = has66 && !plan.has(RowPlan.PREFIX_66);
        d.opSizePrefix = has66;
        if (d.codeSize == 8) {
            d.opSize = (d.rex & 8) != 0 ? 8 : opSize66 ? 2 : 4;
            if (plan.has(RowPlan.F64) || plan.has(RowPlan.D64) && d.opSize == 4) {
                d.opSize = 8;
            }
            d.addrSize = has67 ? 4 : 8;
        } else {
            d.opSize = (d.codeSize == 4) != opSize66 ? 4 : 2;
            d.addrSize = (d.codeSize == 4) != has67 ? 4 : 2;
        }
    }

    /**
     * A VEX prefix (SDM vol. 2, 2.3.5) after its first byte: leaves what it tells as a REX prefix would. Outside 64-bit mode
     * it stands where LDS and LES would have a register for memory. That real-address and virtual-8086 mode don't
     * know it is the node's affair ({@link NodeFactory}): a block serves 16-bit code of all modes.
     *
     * @return the opcode map; 0 if it is LDS or LES instead; -1 if it is undefined
     */
    private int vex(Decoded d, boolean three) {
        int b = bytes.next();
        if (d.codeSize != 8 && b < 0xc0) {
            bytes.back();
            return 0;
        }
        if (has66 || d.rep != Decoded.NO_REP || d.lock || d.rex != 0) {
            return -1;
        }
        int map = three ? b & 31 : 1;
        int last = three ? bytes.next() : b & 0x7f;
        vexLength = last >>> 2 & 1;
        vexW = three ? last >>> 7 : 0;
        d.vectorSize = vexLength != 0 ? 32 : 16;
        hasVex = true;
        vexPrefix = last & 3;
        vexVvvv = ~last >>> 3 & 15;
        d.vvvv = vexVvvv;
        if (d.codeSize == 8) {
            d.rex = 0x40 | (last & 0x80) >>> 4 | (three ? ~b >>> 5 & 7 : (~b >>> 7 & 1) << 2);
        } else {
            d.vvvv &= 7; // there are no registers 8 to 15, and no operands that W would make wider
        }
        return map == 0 ? -1 : map;
    }

    private int prefixes(Decoded d) {
        while (true) {
            int b = bytes.next();
            switch (PREFIX[b]) {
                case SEGMENT -> {
                    // in 64-bit mode the four old overrides are ignored, also against an earlier FS or GS
                    if (d.codeSize != 8) {
                        d.segment = b >>> 3 & 3; // ES, CS, SS, DS
                    }
                }
                case SEGMENT_FS_GS -> d.segment = CpuRegisters.FS + (b & 1);
                case OPERAND_SIZE -> has66 = true;
                case ADDRESS_SIZE -> has67 = true;
                case LOCK -> d.lock = true;
                case REPEAT -> d.rep = b;
                case REX -> {
                    if (d.codeSize != 8) {
                        return b;
                    }
                    int n = bytes.next();
                    // a REX counts only right before the opcode
                    if (PREFIX[n] == 0) {
                        d.rex = b;
                        return n;
                    }
                    bytes.back();
                }
                default -> {
                    return b;
                }
            }
        }
    }

    private @Nullable RowPlan choose(RowPlan[] rows, Decoded d) {
        int key = d.codeSize == 8 ? RowPlan.KEY_64 : RowPlan.KEY_NOT_64;
        if (hasVex) {
            key |= RowPlan.KEY_PREFIX << vexPrefix | RowPlan.KEY_W << vexW | RowPlan.KEY_L << vexLength;
        } else {
            int prefix = d.rep != Decoded.NO_REP ? d.rep == 0xf3 ? 2 : 3 : has66 ? 1 : 0;
            key |= RowPlan.KEY_PREFIX << prefix | RowPlan.KEY_W << (d.rex >>> 3 & 1) | RowPlan.KEY_L;
        }
        key |= d.mod() == 3 ? RowPlan.KEY_REGISTER : RowPlan.KEY_MEMORY;
        key |= RowPlan.KEY_REG << d.reg() | RowPlan.KEY_RM << d.rm();
        for (RowPlan row : rows) {
            if (row.fits(key, missing)) {
                return row;
            }
        }
        return null;
    }

    // ---- ModR/M, SIB: SDM vol. 2, 2.1.5 ----

    /** @param vsib whether the index is a vector register: any of them, there is no encoding for none */
    private void memory(Decoded d, boolean vsib) {
        boolean stackDefault = false;
        if (d.addrSize == 2) {
            int rm = d.rm();
            d.base = switch (rm) {
                case 0, 1, 7 -> CpuRegisters.RBX;
                case 2, 3 -> CpuRegisters.RBP;
                case 4 -> CpuRegisters.RSI;
                case 5 -> CpuRegisters.RDI;
                default -> d.mod() == 0 ? Decoded.NO_REG : CpuRegisters.RBP;
            };
            if (rm < 4) {
                d.index = (rm & 1) == 0 ? CpuRegisters.RSI : CpuRegisters.RDI;
            }
            stackDefault = d.base == CpuRegisters.RBP;
            d.disp = switch (d.mod()) {
                case 0 -> rm == 6 ? bytes.signed(2) : 0;
                case 1 -> (byte) bytes.next();
                default -> bytes.signed(2);
            };
        } else {
            int rm = d.rm();
            if (rm == 4) {
                int sib = bytes.next();
                d.scale = sib >>> 6;
                int index = sib >>> 3 & 7 | (d.rex & 2) << 2;
                d.index = vsib || index == 4 ? Decoded.NO_REG : index;
                d.vectorIndex = index;
                if (d.index == Decoded.NO_REG && !vsib) {
                    d.scale = 0;
                }
                int base = sib & 7;
                if (base == 5 && d.mod() == 0) {
                    d.disp = (int) bytes.signed(4);
                } else {
                    d.base = base | (d.rex & 1) << 3;
                }
            } else if (rm == 5 && d.mod() == 0) {
                d.disp = (int) bytes.signed(4);
                if (d.codeSize == 8) {
                    d.base = Decoded.RIP_BASE;
                }
            } else {
                d.base = rm | (d.rex & 1) << 3;
            }
            stackDefault = d.base == CpuRegisters.RSP || d.base == CpuRegisters.RBP;
            if (d.mod() == 1) {
                d.disp = (byte) bytes.next();
            } else if (d.mod() == 2) {
                d.disp = (int) bytes.signed(4);
            }
        }
        if (d.segment < 0) {
            d.segment = stackDefault ? CpuRegisters.SS : CpuRegisters.DS;
        }
    }

    // ---- operands ----

    private static int sizeOf(int code, Decoded d) {
        return switch (code) {
            case OperandCode.SIZE_V -> d.opSize;
            case OperandCode.SIZE_Z -> Math.min(d.opSize, 4);
            case OperandCode.SIZE_Y -> d.codeSize == 8 && d.opSize == 8 ? 8 : 4;
            case OperandCode.SIZE_P -> d.opSize + 2;
            case OperandCode.SIZE_S -> d.codeSize == 8 ? 10 : 6;
            case OperandCode.SIZE_X -> d.vectorSize;
            default -> code;
        };
    }

    private boolean general(Decoded d, int i, int number, int size) {
        d.kind[i] = Kind.REG;
        d.size[i] = size;
        // without REX, 4 to 7 are AH, CH, DH, BH
        d.operand[i] = size == 1 && d.rex == 0 && number >= 4 && number < 8 ? number - 4 + 20 : number;
        return true;
    }

    private boolean immediate(Decoded d, int i, long value, int size) {
        d.kind[i] = Kind.IMM;
        d.size[i] = size;
        d.immediate = value;
        return true;
    }

    private boolean register(Decoded d, int i, Kind kind, int number, int size) {
        d.kind[i] = kind;
        d.size[i] = size;
        d.operand[i] = number;
        return true;
    }

    private boolean mem(Decoded d, int i, int size) {
        d.kind[i] = Kind.MEM;
        d.size[i] = size;
        return true;
    }

    /** @return false if there is no such operand: #UD */
    private boolean operand(Decoded d, int i, int code) {
        int size = sizeOf(OperandCode.size(code), d);
        int reg = d.reg() | (d.rex & 4) << 1;
        int rm = d.rm() | (d.rex & 1) << 3;
        boolean isRegister = d.mod() == 3;
        return switch (OperandCode.method(code)) {
            case OperandCode.E -> isRegister ? general(d, i, rm, size) : mem(d, i, size);
            case OperandCode.G -> general(d, i, reg, size);
            case OperandCode.B -> general(d, i, d.vvvv, size);
            case OperandCode.Z -> general(d, i, d.opcode & 7 | (d.rex & 1) << 3, size);
            case OperandCode.M -> !isRegister && mem(d, i, size);
            // control and debug registers: always 32 bits, 64 in 64-bit mode; mod is ignored
            case OperandCode.R -> general(d, i, rm, d.codeSize == 8 ? 8 : 4);
            // REX.R is ignored here (SDM vol. 2, 2.2.1.2)
            case OperandCode.S -> register(d, i, Kind.SEG, d.reg(), 2) && d.reg() < 6;
            case OperandCode.C -> register(d, i, Kind.CR, reg, 8) && (reg == 0 || reg >= 2 && reg <= 4 || reg == 8);
            case OperandCode.D -> register(d, i, Kind.DR, reg, 8) && reg < 8;
            case OperandCode.V -> register(d, i, Kind.XMM, reg, size);
            case OperandCode.W -> isRegister ? register(d, i, Kind.XMM, rm, size) : mem(d, i, size);
            case OperandCode.U -> isRegister && register(d, i, Kind.XMM, rm, size);
            case OperandCode.H -> register(d, i, Kind.XMM, d.vvvv, size);
            case OperandCode.L -> {
                d.immediate = bytes.unsigned(1);
                yield register(d, i, Kind.XMM, (int) d.immediate >>> 4 & (d.codeSize == 8 ? 15 : 7), size);
            }
            case OperandCode.P -> register(d, i, Kind.MM, d.reg(), size);
            case OperandCode.Q -> isRegister ? register(d, i, Kind.MM, d.rm(), size) : mem(d, i, size);
            case OperandCode.N -> isRegister && register(d, i, Kind.MM, d.rm(), size);
            case OperandCode.O -> {
                d.disp = bytes.unsigned(d.addrSize);
                d.base = Decoded.NO_REG;
                yield mem(d, i, size);
            }
            case OperandCode.STRING -> {
                // implied memory: the string nodes know their registers
                d.size[i] = size;
                d.kind[i] = Kind.NONE;
                yield true;
            }
            case OperandCode.FIXED -> general(d, i, OperandCode.number(code), size);
            case OperandCode.SEGMENT -> register(d, i, Kind.SEG, OperandCode.number(code), size);
            case OperandCode.ST -> register(d, i, Kind.ST, 0, 10);
            case OperandCode.STI -> register(d, i, Kind.ST, d.rm(), 10);
            case OperandCode.ONE -> immediate(d, i, 1, 1);
            case OperandCode.I -> immediate(d, i, bytes.unsigned(size), size);
            case OperandCode.SIGNED -> immediate(d, i, bytes.signed(size), d.opSize);
            case OperandCode.I2 -> {
                d.kind[i] = Kind.IMM2;
                d.size[i] = 1;
                d.immediate2 = bytes.unsigned(1);
                yield true;
            }
            case OperandCode.J -> {
                d.kind[i] = Kind.REL;
                d.immediate = bytes.signed(size);
                yield true;
            }
            case OperandCode.A -> {
                d.kind[i] = Kind.FAR;
                d.immediate = bytes.unsigned(d.opSize);
                d.immediate2 = bytes.unsigned(2);
                yield true;
            }
            default -> throw new IllegalStateException(d.row.source() + ": operand code " + code);
        };
    }
}
