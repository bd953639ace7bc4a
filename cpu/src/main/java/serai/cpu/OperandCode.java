package serai.cpu;

/**
 * The operand codes of the instruction table (SDM vol. 2, appendix A.2) as numbers: how an operand is addressed in the low byte, how large it is in
 * the next. The table's text is looked at once, when it is read: the translator decodes millions of instructions.
 */
final class OperandCode {
    // ---- addressing methods, by their letters in the manual ----

    /** ModR/M: a general register or memory. */
    static final int E = 0;
    /** ModR/M.reg: a general register. */
    static final int G = 1;
    /** ModR/M: memory only. */
    static final int M = 2;
    /** A general register in the opcode's low three bits. */
    static final int Z = 3;
    /** ModR/M: a general register of 32 bits, 64 in 64-bit mode. */
    static final int R = 4;
    /** VEX.vvvv: a general register. */
    static final int B = 5;
    /** ModR/M.reg: a segment register. */
    static final int S = 6;
    /** ModR/M.reg: a control register. */
    static final int C = 7;
    /** ModR/M.reg: a debug register. */
    static final int D = 8;
    /** ModR/M.reg: a vector register. */
    static final int V = 9;
    /** ModR/M: a vector register or memory. */
    static final int W = 10;
    /** ModR/M: a vector register only. */
    static final int U = 11;
    /** VEX.vvvv: a vector register. */
    static final int H = 12;
    /** The high bits of an immediate byte: a vector register. */
    static final int L = 13;
    /** ModR/M.reg: an MMX register. */
    static final int P = 14;
    /** ModR/M: an MMX register or memory. */
    static final int Q = 15;
    /** ModR/M: an MMX register only. */
    static final int N = 16;
    /** Memory at an offset in the instruction. */
    static final int O = 17;
    /** Memory that a string instruction implies. */
    static final int STRING = 18;
    /** A fixed general register: its number stands in the third byte. */
    static final int FIXED = 19;
    /** A fixed segment register: its number stands in the third byte. */
    static final int SEGMENT = 20;
    /** The top of the x87 stack. */
    static final int ST = 21;
    /** ModR/M.rm: an x87 register. */
    static final int STI = 22;
    /** The constant 1. */
    static final int ONE = 23;
    /** An immediate, zero-extended. */
    static final int I = 24;
    /** An immediate of as many bytes as its size says, sign-extended to the operand size. */
    static final int SIGNED = 25;
    /** A second immediate byte. */
    static final int I2 = 26;
    /** A branch displacement. */
    static final int J = 27;
    /** A far pointer. */
    static final int A = 28;

    // ---- sizes: up to 16 that many bytes, else one of these ----

    /** The operand size. */
    static final int SIZE_V = 32;
    /** The operand size, at most 4. */
    static final int SIZE_Z = 33;
    /** 8 with a 64-bit operand size in 64-bit mode, else 4. */
    static final int SIZE_Y = 34;
    /** A far pointer in memory: the operand size and 2. */
    static final int SIZE_P = 35;
    /** A descriptor-table register: 10 in 64-bit mode, else 6. */
    static final int SIZE_S = 36;
    /** A vector. */
    static final int SIZE_X = 37;

    private OperandCode() {}

    static int method(int code) {
        return code & 0xff;
    }

    static int size(int code) {
        return code >>> 8 & 0xff;
    }

    /** Number of a {@link #FIXED} or {@link #SEGMENT} register. */
    static int number(int code) {
        return code >>> 16;
    }

    /**
     * The number for a code of the table.
     *
     * @param row where it stands
     * @throws IllegalStateException if there is no such code
     */
    static int of(String text, InstructionRow row) {
        return switch (text) {
            case "AL" -> fixed(CpuRegisters.RAX, 1);
            case "CL" -> fixed(CpuRegisters.RCX, 1);
            case "DX" -> fixed(CpuRegisters.RDX, 2);
            // IN and OUT have no 64-bit form
            case "eAX" ->
                fixed(
                        CpuRegisters.RAX,
                        row.mnemonic().equals("IN") || row.mnemonic().equals("OUT") ? SIZE_Z : SIZE_V);
            case "ES" -> segment(CpuRegisters.ES);
            case "CS" -> segment(CpuRegisters.CS);
            case "SS" -> segment(CpuRegisters.SS);
            case "DS" -> segment(CpuRegisters.DS);
            case "FS" -> segment(CpuRegisters.FS);
            case "GS" -> segment(CpuRegisters.GS);
            case "ST" -> ST;
            case "STi" -> STI;
            case "1" -> ONE;
            case "Ib" -> I | 1 << 8;
            case "Iw" -> I | 2 << 8;
            case "Ibs" -> SIGNED | 1 << 8;
            case "Iz" -> SIGNED | SIZE_Z << 8;
            case "Iv" -> SIGNED | SIZE_V << 8;
            case "Ib2" -> I2;
            case "Jb" -> J | 1 << 8;
            case "Jz" -> J | SIZE_Z << 8;
            case "Ap" -> A;
            default -> method(text.charAt(0), row) | size(text.substring(1), row) << 8;
        };
    }

    private static int fixed(int register, int size) {
        return FIXED | size << 8 | register << 16;
    }

    private static int segment(int number) {
        return SEGMENT | 2 << 8 | number << 16;
    }

    private static int method(char letter, InstructionRow row) {
        return switch (letter) {
            case 'E' -> E;
            case 'G' -> G;
            case 'M' -> M;
            case 'Z' -> Z;
            case 'R' -> R;
            case 'B' -> B;
            case 'S' -> S;
            case 'C' -> C;
            case 'D' -> D;
            case 'V' -> V;
            case 'W' -> W;
            case 'U' -> U;
            case 'H' -> H;
            case 'L' -> L;
            case 'P' -> P;
            case 'Q' -> Q;
            case 'N' -> N;
            case 'O' -> O;
            case 'X', 'Y' -> STRING;
            default -> throw new IllegalStateException(row.source() + ": operand code " + letter);
        };
    }

    private static int size(String text, InstructionRow row) {
        return switch (text) {
            case "" -> 0;
            case "b" -> 1;
            case "w" -> 2;
            case "d", "ss" -> 4;
            case "q", "sd" -> 8;
            case "t" -> 10;
            case "dq" -> 16;
            case "v" -> SIZE_V;
            case "z" -> SIZE_Z;
            case "y" -> SIZE_Y;
            case "p" -> SIZE_P;
            case "s" -> SIZE_S;
            case "x" -> SIZE_X;
            default -> throw new IllegalStateException(row.source() + ": operand size " + text);
        };
    }
}
