package serai.cpu;

/**
 * A decoded instruction: the row of the table and its operands, resolved. Mutable and used again for the next
 * instruction; nodes copy what they need.
 */
final class Decoded {
    /** {@link #kind} of an operand. */
    enum Kind {
        /** None. */
        NONE,
        /** A general register: {@link #operand} 0 to 15, or 20 to 23 for AH, CH, DH, BH. */
        REG,
        /** The memory operand (there is one at most). */
        MEM,
        /** An immediate: its value, sign- or zero-extended as the form asks, is in {@link #immediate}. */
        IMM,
        /** A second immediate (ENTER): in {@link #immediate2}. */
        IMM2,
        /** A branch displacement, in {@link #immediate}, relative to the next instruction. */
        REL,
        /** A far pointer: offset in {@link #immediate}, selector in {@link #immediate2}. */
        FAR,
        /** A segment register: 0 ES to 5 GS. */
        SEG,
        /** A control register. */
        CR,
        /** A debug register. */
        DR,
        /** An XMM register, or the YMM register that it is the low half of. */
        XMM,
        /** An MMX register. */
        MM,
        /** An x87 stack register ST(i). */
        ST
    }

    /** No prefix; the values of {@link #rep} otherwise are 0xf2 and 0xf3. */
    static final int NO_REP = 0;
    /** As {@link #base} or {@link #index}: none (register 16 always reads zero). */
    static final int NO_REG = 16;
    /** As {@link #base}: the start of the basic block; {@link #disp} is relative to the next instruction. */
    static final int RIP_BASE = 17;

    @SuppressWarnings("NullAway.Init") // set by the decoder before anybody reads it
    InstructionRow row;

    /** The row as numbers. */
    @SuppressWarnings("NullAway.Init") // set with the row
    RowPlan plan;

    /** Bytes, 1 to 15. */
    int length;
    /** Operand size in bytes: 2, 4 or 8. */
    int opSize;
    /** Address size in bytes: 2, 4 or 8. */
    int addrSize;
    /** Stack address size in bytes: 2, 4 or 8. */
    int stackSize;
    /** Size of the code segment in bytes: 2, 4 or 8 (64-bit mode). */
    int codeSize;

    boolean lock;
    int rep;
    /** Whether a 66 prefix was there. */
    boolean opSizePrefix;
    /** The REX byte, or 0. */
    int rex;
    /** VEX.vvvv as a register number; 0 if there is none. */
    int vvvv;
    /** Bytes of a vector: 16, or 32 with VEX.L. */
    int vectorSize;
    /** The opcode byte (for rows with a register in it). */
    int opcode;
    /** The ModR/M byte, or 0. */
    int modrm;

    /** Operands, as many as the row has; the rest {@link Kind#NONE}. */
    final Kind[] kind = new Kind[4];
    /** By operand: the register number. */
    final int[] operand = new int[4];
    /** By operand: its size in bytes (of memory, register or immediate). */
    final int[] size = new int[4];

    long immediate;
    long immediate2;

    // ---- the memory operand ----

    /** Base register 0 to 15, {@link #NO_REG} or {@link #RIP_BASE}. */
    int base;
    /** Index register 0 to 15, or {@link #NO_REG}. */
    int index;
    /** Vector register whose elements are the indices (VSIB), 0 to 15; there is no {@link #index} then. */
    int vectorIndex;
    /** Shift of the index, 0 to 3. */
    int scale;

    long disp;
    /** The segment in effect: 0 ES, 1 CS, 2 SS, 3 DS, 4 FS, 5 GS. */
    int segment;
    /** Whether a prefix overrode the segment. */
    boolean segmentOverride;

    /** Offset of this instruction from the start of its basic block. */
    int blockOffset;

    int mod() {
        return modrm >>> 6;
    }

    int reg() {
        return modrm >>> 3 & 7;
    }

    int rm() {
        return modrm & 7;
    }

    /** Whether the source or destination is in memory. */
    boolean hasMemory() {
        return isMem(0) || isMem(1) || isMem(2);
    }

    boolean isMem(int i) {
        return kind[i] == Kind.MEM;
    }

    boolean isReg(int i) {
        return kind[i] == Kind.REG;
    }
}
