package serai.cpu;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import serai.cpu.Decoded.Kind;
import serai.machine.engine.CpuFeature;

/**
 * Decodes one instruction by the instruction table (SDM vol. 2, chapter 2). It knows prefixes, ModR/M, SIB and operand codes;
 * which instructions there are it takes from the rows.
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
        TOO_LONG
    }

    private static final int MAX_LENGTH = 15;
    /** By VEX.pp. */
    private static final int[] VEX_PREFIXES = {0, 0x66, 0xf3, 0xf2};

    private static final InstructionTable TABLE = InstructionTable.INSTANCE;

    /** What an operand code of the table means, parsed once. */
    private record Code(char method, String size) {}

    /** All of them. Several vCPUs decode at once, so nothing is added later. */
    private static final Map<String, Code> CODES = TABLE.rows().stream()
            .flatMap(r -> r.operands().stream())
            .distinct()
            .collect(Collectors.toUnmodifiableMap(t -> t, t -> new Code(t.charAt(0), t.substring(1))));

    /** Rows of other features are not there. */
    private final Set<CpuFeature> features;

    private Bytes bytes = offset -> 0;
    private int at;
    private boolean has66;
    private boolean has67;
    /** The mandatory prefix that a VEX prefix stands for; -1 if there is none. */
    private int vexPrefix;

    private int vexLength;
    private int vexW;
    /** VEX.vvvv with its top bit, which counts outside 64-bit mode only where there is no operand. */
    private int vexVvvv;

    /** A decoder for a CPU with these features. */
    Decoder(Set<CpuFeature> features) {
        this.features = features;
    }

    /**
     * Decodes.
     *
     * @param codeSize 2, 4 or 8: the default size of the code segment
     * @param stackSize 2, 4 or 8
     */
    Result decode(Decoded d, Bytes source, int codeSize, int stackSize) {
        bytes = source;
        at = 0;
        has66 = false;
        has67 = false;
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
        try {
            return decode(d);
        } catch (TooLong e) {
            return Result.TOO_LONG;
        }
    }

    private static final class TooLong extends RuntimeException {
        TooLong() {
            super("longer than 15 bytes", null, false, false);
        }
    }

    private int next() {
        if (at >= MAX_LENGTH) {
            throw new TooLong();
        }
        return bytes.at(at++);
    }

    private Result decode(Decoded d) {
        int opcode = prefixes(d);
        int map = 0;
        vexPrefix = -1;
        if ((opcode & 0xfe) == 0xc4) {
            map = vex(d, opcode == 0xc4);
            if (map < 0 || map > 3) {
                return Result.UNDEFINED;
            }
        }
        if (vexPrefix >= 0) {
            opcode = next();
        } else if (opcode == 0x0f) {
            map = 1;
            opcode = next();
            if (opcode == 0x38 || opcode == 0x3a) {
                map = opcode == 0x38 ? 2 : 3;
                opcode = next();
            }
        }
        d.opcode = opcode;
        InstructionRow[] rows = vexPrefix >= 0 ? TABLE.lookupVex(map, opcode) : TABLE.lookup(map, opcode);
        if (rows == null) {
            return Result.UNDEFINED;
        }
        boolean modrm = rows[0].modrm();
        if (modrm) {
            d.modrm = next();
        }
        InstructionRow row = choose(rows, d);
        if (row == null) {
            return Result.UNDEFINED;
        }
        d.row = row;
        boolean long64 = d.codeSize == 8;
        // a mandatory 66 is no operand-size prefix; the others never are
        boolean opSize66 = has66 && row.prefix() != 0x66;
        d.opSizePrefix = has66;
        if (long64) {
            d.opSize = (d.rex & 8) != 0 ? 8 : opSize66 ? 2 : 4;
            if (row.has("f64") || (row.has("d64") && d.opSize == 4)) {
                d.opSize = 8;
            }
            d.addrSize = has67 ? 4 : 8;
        } else {
            d.opSize = (d.codeSize == 4) != opSize66 ? 4 : 2;
            d.addrSize = (d.codeSize == 4) != has67 ? 4 : 2;
        }
        if (row.prefix() > 0 && row.prefix() != 0x66) {
            d.rep = Decoded.NO_REP;
        }
        d.segmentOverride = d.segment >= 0;
        if (modrm && d.mod() != 3 && !row.has("modIgnored")) {
            boolean vsib = row.has("vsib");
            if (vsib && (d.addrSize == 2 || d.rm() != 4)) {
                return Result.UNDEFINED;
            }
            memory(d, vsib);
        }
        if (d.segment < 0) {
            d.segment = CpuRegisters.DS;
        }
        List<String> operands = row.operands();
        for (int i = 0; i < 4; i++) {
            d.kind[i] = Kind.NONE;
        }
        for (int i = 0; i < operands.size(); i++) {
            if (!operand(d, i, operands.get(i))) {
                return Result.UNDEFINED;
            }
        }
        d.length = at;
        if (vexVvvv != 0 && operands.stream().noneMatch(o -> o.charAt(0) == 'B' || o.charAt(0) == 'H')) {
            return Result.UNDEFINED;
        }
        if (d.lock && !(row.has("lock") && d.kind[0] == Kind.MEM)) {
            return Result.UNDEFINED;
        }
        return Result.OK;
    }

    /**
     * A VEX prefix (SDM vol. 2, 2.3.5) after its first byte: leaves what it tells as a REX prefix would. Outside 64-bit mode
     * it stands where LDS and LES would have a register for memory. That real-address and virtual-8086 mode don't
     * know it is the node's affair ({@link NodeFactory}): a block serves 16-bit code of all modes.
     *
     * @return the opcode map; 0 if it is LDS or LES instead; -1 if it is undefined
     */
    private int vex(Decoded d, boolean three) {
        int b = next();
        if (d.codeSize != 8 && b < 0xc0) {
            at--;
            return 0;
        }
        if (has66 || d.rep != Decoded.NO_REP || d.lock || d.rex != 0) {
            return -1;
        }
        int map = three ? b & 31 : 1;
        int last = three ? next() : b & 0x7f;
        vexLength = last >>> 2 & 1;
        vexW = three ? last >>> 7 : 0;
        d.vectorSize = vexLength != 0 ? 32 : 16;
        vexPrefix = VEX_PREFIXES[last & 3];
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
            int b = next();
            switch (b) {
                case 0x26 -> segment(d, CpuRegisters.ES);
                case 0x2e -> segment(d, CpuRegisters.CS);
                case 0x36 -> segment(d, CpuRegisters.SS);
                case 0x3e -> segment(d, CpuRegisters.DS);
                case 0x64 -> d.segment = CpuRegisters.FS;
                case 0x65 -> d.segment = CpuRegisters.GS;
                case 0x66 -> has66 = true;
                case 0x67 -> has67 = true;
                case 0xf0 -> d.lock = true;
                case 0xf2, 0xf3 -> d.rep = b;
                default -> {
                    if (d.codeSize == 8 && (b & 0xf0) == 0x40) {
                        int n = next();
                        // a REX counts only right before the opcode
                        if (isPrefix(n)) {
                            at--;
                            continue;
                        }
                        d.rex = b;
                        return n;
                    }
                    return b;
                }
            }
        }
    }

    private void segment(Decoded d, int segment) {
        // in 64-bit mode the four old overrides are ignored, also against an earlier FS or GS
        if (d.codeSize != 8) {
            d.segment = segment;
        }
    }

    private static boolean isPrefix(int b) {
        return switch (b) {
            case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 -> true;
            default -> (b & 0xf0) == 0x40;
        };
    }

    private static boolean prefixFits(int wanted, int pp) {
        return wanted == pp || wanted == InstructionRow.ANY_PREFIX || wanted == InstructionRow.NO_REPEAT && pp < 0xf0;
    }

    private @Nullable InstructionRow choose(InstructionRow[] rows, Decoded d) {
        int w = vexPrefix >= 0 ? vexW : d.rex >>> 3 & 1;
        int pp = vexPrefix >= 0 ? vexPrefix : d.rep != Decoded.NO_REP ? d.rep : has66 ? 0x66 : 0;
        boolean long64 = d.codeSize == 8;
        for (InstructionRow row : rows) {
            if (!prefixFits(row.prefix(), pp)) {
                continue;
            }
            if (row.rexW() != InstructionRow.ANY_W && row.rexW() != w) {
                continue;
            }
            CpuFeature needs = row.needs();
            if (needs != null && !features.contains(needs)) {
                continue;
            }
            if (row.reg() >= 0 && row.reg() != d.reg()) {
                continue;
            }
            if (row.rm() >= 0 && row.rm() != d.rm()) {
                continue;
            }
            if (row.mod() == InstructionRow.MEMORY && d.mod() == 3
                    || row.mod() == InstructionRow.REGISTER && d.mod() != 3) {
                continue;
            }
            if (vexPrefix >= 0 && !row.vexFits(vexLength)) {
                continue;
            }
            if (row.has(long64 ? "i64" : "o64")) {
                continue;
            }
            return row;
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
                case 0 -> rm == 6 ? (short) immediate(2) : 0;
                case 1 -> (byte) next();
                default -> (short) immediate(2);
            };
        } else {
            int rm = d.rm();
            if (rm == 4) {
                int sib = next();
                d.scale = sib >>> 6;
                int index = sib >>> 3 & 7 | (d.rex & 2) << 2;
                d.index = vsib || index == 4 ? Decoded.NO_REG : index;
                d.vectorIndex = index;
                if (d.index == Decoded.NO_REG && !vsib) {
                    d.scale = 0;
                }
                int base = sib & 7;
                if (base == 5 && d.mod() == 0) {
                    d.disp = (int) immediate(4);
                } else {
                    d.base = base | (d.rex & 1) << 3;
                }
            } else if (rm == 5 && d.mod() == 0) {
                d.disp = (int) immediate(4);
                if (d.codeSize == 8) {
                    d.base = Decoded.RIP_BASE;
                }
            } else {
                d.base = rm | (d.rex & 1) << 3;
            }
            stackDefault = d.base == CpuRegisters.RSP || d.base == CpuRegisters.RBP;
            if (d.mod() == 1) {
                d.disp = (byte) next();
            } else if (d.mod() == 2) {
                d.disp = (int) immediate(4);
            }
        }
        if (d.segment < 0) {
            d.segment = stackDefault ? CpuRegisters.SS : CpuRegisters.DS;
        }
    }

    private long immediate(int size) {
        long v = 0;
        for (int i = 0; i < size; i++) {
            v |= (long) next() << (i * 8);
        }
        return v;
    }

    private long signed(int size) {
        long v = immediate(size);
        int s = 64 - size * 8;
        return v << s >> s;
    }

    // ---- operands ----

    private static int sizeOf(String code, Decoded d) {
        return switch (code) {
            case "b" -> 1;
            case "w" -> 2;
            case "d", "ss" -> 4;
            case "q", "sd" -> 8;
            case "v" -> d.opSize;
            case "z" -> Math.min(d.opSize, 4);
            case "y" -> d.codeSize == 8 && d.opSize == 8 ? 8 : 4;
            case "p" -> d.opSize + 2;
            case "s" -> d.codeSize == 8 ? 10 : 6;
            case "x" -> d.vectorSize;
            case "dq" -> 16;
            case "t" -> 10;
            default -> 0;
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

    private boolean operand(Decoded d, int i, String text) {
        switch (text) {
            case "AL":
                return general(d, i, CpuRegisters.RAX, 1);
            case "CL":
                return general(d, i, CpuRegisters.RCX, 1);
            case "DX":
                return general(d, i, CpuRegisters.RDX, 2);
            case "eAX":
                return general(d, i, CpuRegisters.RAX, accumulatorSize(d));
            case "1":
                return immediate(d, i, 1, 1);
            case "ES":
                return register(d, i, Kind.SEG, 0, 2);
            case "CS":
                return register(d, i, Kind.SEG, 1, 2);
            case "SS":
                return register(d, i, Kind.SEG, 2, 2);
            case "DS":
                return register(d, i, Kind.SEG, 3, 2);
            case "FS":
                return register(d, i, Kind.SEG, 4, 2);
            case "GS":
                return register(d, i, Kind.SEG, 5, 2);
            case "ST":
                return register(d, i, Kind.ST, 0, 10);
            case "STi":
                return register(d, i, Kind.ST, d.rm(), 10);
            case "Ib":
                return immediate(d, i, immediate(1), 1);
            case "Ibs":
                return immediate(d, i, signed(1), d.opSize);
            case "Iw":
                return immediate(d, i, immediate(2), 2);
            case "Iz":
                return immediate(d, i, signed(Math.min(d.opSize, 4)), d.opSize);
            case "Iv":
                return immediate(d, i, signed(d.opSize), d.opSize);
            case "Ib2":
                d.kind[i] = Kind.IMM2;
                d.size[i] = 1;
                d.immediate2 = immediate(1);
                return true;
            case "Jb":
                d.kind[i] = Kind.REL;
                d.immediate = signed(1);
                return true;
            case "Jz":
                d.kind[i] = Kind.REL;
                d.immediate = signed(Math.min(d.opSize, 4));
                return true;
            case "Ap":
                d.kind[i] = Kind.FAR;
                d.immediate = immediate(d.opSize);
                d.immediate2 = immediate(2);
                return true;
            default:
                Code code = Objects.requireNonNull(CODES.get(text));
                return coded(d, i, code.method, sizeOf(code.size, d));
        }
    }

    /** Size of rAX as an operand: IN and OUT have no 64-bit form. */
    private static int accumulatorSize(Decoded d) {
        return switch (d.row.mnemonic()) {
            case "IN", "OUT" -> Math.min(d.opSize, 4);
            default -> d.opSize;
        };
    }

    private boolean coded(Decoded d, int i, char method, int size) {
        int reg = d.reg() | (d.rex & 4) << 1;
        int rm = d.rm() | (d.rex & 1) << 3;
        boolean isRegister = d.mod() == 3;
        switch (method) {
            case 'E':
                return isRegister ? general(d, i, rm, size) : mem(d, i, size);
            case 'G':
                return general(d, i, reg, size);
            case 'B':
                return general(d, i, d.vvvv, size);
            case 'Z':
                return general(d, i, d.opcode & 7 | (d.rex & 1) << 3, size);
            case 'M':
                return !isRegister && mem(d, i, size);
            case 'R':
                // control and debug registers: always 32 bits, 64 in 64-bit mode; mod is ignored
                return general(d, i, rm, d.codeSize == 8 ? 8 : 4);
            case 'S':
                // REX.R is ignored here (SDM vol. 2, 2.2.1.2)
                return register(d, i, Kind.SEG, d.reg(), 2) && d.reg() < 6;
            case 'C':
                return register(d, i, Kind.CR, reg, 8) && (reg == 0 || reg >= 2 && reg <= 4 || reg == 8);
            case 'D':
                return register(d, i, Kind.DR, reg, 8) && reg < 8;
            case 'V':
                return register(d, i, Kind.XMM, reg, size);
            case 'W':
                return isRegister ? register(d, i, Kind.XMM, rm, size) : mem(d, i, size);
            case 'U':
                return isRegister && register(d, i, Kind.XMM, rm, size);
            case 'H':
                return register(d, i, Kind.XMM, d.vvvv, size);
            case 'L': // in the high bits of an immediate byte
                d.immediate = immediate(1);
                return register(d, i, Kind.XMM, (int) d.immediate >>> 4 & (d.codeSize == 8 ? 15 : 7), size);
            case 'P':
                return register(d, i, Kind.MM, d.reg(), size);
            case 'Q':
                return isRegister ? register(d, i, Kind.MM, d.rm(), size) : mem(d, i, size);
            case 'N':
                return isRegister && register(d, i, Kind.MM, d.rm(), size);
            case 'O':
                d.disp = d.addrSize == 8 ? immediate(8) : immediate(d.addrSize);
                d.base = Decoded.NO_REG;
                return mem(d, i, size);
            case 'X':
            case 'Y':
                // implied memory: the string nodes know their registers
                d.size[i] = size;
                d.kind[i] = Kind.NONE;
                return true;
            default:
                throw new IllegalStateException(d.row.source() + ": operand code " + method);
        }
    }
}
