package serai.cpu;

import serai.machine.memory.GuestMemory;

/**
 * Writes x86-64 machine code for the host (SDM vol. 2, chapter 2). Registers are numbered 0 (RAX) to 15 (R15); what is written runs
 * {@link #delta} bytes further on, as code memory is mapped twice.
 */
final class Assembler {
    static final int RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;
    static final int R8 = 8, R9 = 9, R10 = 10, R11 = 11, R12 = 12, R13 = 13, R14 = 14, R15 = 15;
    /** As an index register: none. */
    static final int NONE = -1;

    private static final int[] VEX_PP = {0, 0x66, 0xf3, 0xf2};

    /** Where the next byte is written. */
    private long at;

    private final long delta;

    /**
     * An assembler.
     *
     * @param at where it writes
     * @param delta what lies between a byte's address here and where it runs
     */
    Assembler(long at, long delta) {
        this.at = at;
        this.delta = delta;
    }

    /** Where the next byte is written. */
    long at() {
        return at;
    }

    void at(long address) {
        at = address;
    }

    /** The address at which a byte written at {@code written} runs. */
    long runs(long written) {
        return written + delta;
    }

    void bytes(int... values) {
        for (int v : values) {
            byte1(v);
        }
    }

    void byte1(int v) {
        GuestMemory.putByte(at++, (byte) v);
    }

    void int2(int v) {
        GuestMemory.putShort(at, (short) v);
        at += 2;
    }

    void int4(int v) {
        GuestMemory.putInt(at, v);
        at += 4;
    }

    void int8(long v) {
        GuestMemory.putLong(at, v);
        at += 8;
    }

    /** An immediate of 0, 1, 2, 4 or 8 bytes. */
    void immediate(long v, int size) {
        switch (size) {
            case 0 -> {}
            case 1 -> byte1((int) v);
            case 2 -> int2((int) v);
            case 4 -> int4((int) v);
            default -> int8(v);
        }
    }

    /** Fills up to a multiple of {@code alignment} with what never runs. */
    void align(int alignment) {
        while ((at & alignment - 1) != 0) {
            byte1(0xcc);
        }
    }

    private void opcode(int map, int opcode) {
        switch (map) {
            case 1 -> byte1(0x0f);
            case 2 -> bytes(0x0f, 0x38);
            case 3 -> bytes(0x0f, 0x3a);
            default -> {}
        }
        byte1(opcode);
    }

    /** REX, where anything asks for it. */
    private void rex(boolean w, int reg, int index, int base, boolean force) {
        int rex = (w ? 8 : 0) | (reg >= 8 ? 4 : 0) | (index >= 8 ? 2 : 0) | (base >= 8 ? 1 : 0);
        if (rex != 0 || force) {
            byte1(0x40 | rex);
        }
    }

    /**
     * An instruction with a register as ModR/M.rm.
     *
     * @param prefix 0, 0x66, 0xf2 or 0xf3
     * @param force whether a REX is there even if no bit of it is (SPL, BPL, SIL, DIL)
     */
    void op(int prefix, boolean w, int map, int opcode, int reg, int rm, boolean force) {
        if (prefix != 0) {
            byte1(prefix);
        }
        rex(w, reg, 0, rm, force);
        opcode(map, opcode);
        byte1(0xc0 | (reg & 7) << 3 | rm & 7);
    }

    /** The same without a forced REX. */
    void op(int prefix, boolean w, int map, int opcode, int reg, int rm) {
        op(prefix, w, map, opcode, reg, rm, false);
    }

    /** An instruction with a memory operand {@code [base + index << scale + disp]}. */
    void mem(
            int prefix,
            boolean w,
            int map,
            int opcode,
            int reg,
            int base,
            int index,
            int scale,
            int disp,
            boolean force) {
        if (prefix != 0) {
            byte1(prefix);
        }
        rex(w, reg, Math.max(index, 0), Math.max(base, 0), force);
        opcode(map, opcode);
        address(reg, base, index, scale, disp);
    }

    void mem(int prefix, boolean w, int map, int opcode, int reg, int base, int index, int scale, int disp) {
        mem(prefix, w, map, opcode, reg, base, index, scale, disp, false);
    }

    /**
     * An instruction with a VEX prefix of three bytes, up to its opcode (SDM vol. 2, 2.3.5).
     *
     * @param map 1 to 3
     * @param prefix what it stands for: 0, 0x66, 0xf2 or 0xf3
     * @param is256 its L
     */
    void vex(int map, int prefix, boolean w, boolean is256, int opcode, int reg, int vvvv, int index, int base) {
        int pp = prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0;
        byte1(0xc4);
        byte1((reg >= 8 ? 0 : 0x80) | (index >= 8 ? 0 : 0x40) | (base >= 8 ? 0 : 0x20) | map);
        byte1((w ? 0x80 : 0) | (~vvvv & 15) << 3 | (is256 ? 4 : 0) | pp);
        byte1(opcode);
    }

    /** The same, and a register as ModR/M.rm. */
    void vexOp(int map, int prefix, boolean w, boolean is256, int opcode, int reg, int vvvv, int rm) {
        vex(map, prefix, w, is256, opcode, reg, vvvv, 0, rm);
        byte1(0xc0 | (reg & 7) << 3 | rm & 7);
    }

    /** The same with a memory operand {@code [base + index + disp]}; {@code index} may be {@link #NONE}. */
    void vexMem(
            int map,
            int prefix,
            boolean w,
            boolean is256,
            int opcode,
            int reg,
            int vvvv,
            int base,
            int index,
            int disp) {
        vex(map, prefix, w, is256, opcode, reg, vvvv, Math.max(index, 0), base);
        address(reg, base, index, 0, disp);
    }

    /** ModR/M, SIB and displacement; {@code base} may be {@link #NONE}. */
    private void address(int reg, int base, int index, int scale, int disp) {
        int r = (reg & 7) << 3;
        if (base == NONE) {
            byte1(r | 4);
            byte1(scale << 6 | (index == NONE ? 4 : index & 7) << 3 | 5);
            int4(disp);
            return;
        }
        int mod = disp == 0 && (base & 7) != RBP ? 0 : (byte) disp == disp ? 0x40 : 0x80;
        if (index == NONE && (base & 7) != RSP) {
            byte1(mod | r | base & 7);
        } else {
            byte1(mod | r | 4);
            byte1(scale << 6 | (index == NONE ? 4 : index & 7) << 3 | base & 7);
        }
        if (mod == 0x40) {
            byte1(disp);
        } else if (mod == 0x80) {
            int4(disp);
        }
    }

    // ---- what the translator writes itself; none of it touches flags, unless it says so ----

    /** 64-bit {@code mov reg, [base + disp]}. */
    void load(int reg, int base, int disp) {
        mem(0, true, 0, 0x8b, reg, base, NONE, 0, disp);
    }

    /** 64-bit {@code mov reg, [base + index << scale + disp]}. */
    void load(int reg, int base, int index, int scale, int disp) {
        mem(0, true, 0, 0x8b, reg, base, index, scale, disp);
    }

    /** 64-bit {@code mov [base + disp], reg}. */
    void store(int base, int disp, int reg) {
        mem(0, true, 0, 0x89, reg, base, NONE, 0, disp);
    }

    /** {@code mov [base + disp], value}, a sign-extended one of 64 bits, or of 32. */
    void store(int base, int disp, int value, boolean wide) {
        mem(0, wide, 0, 0xc7, 0, base, NONE, 0, disp);
        int4(value);
    }

    /** {@code mov to, from}, 64 bits. */
    void move(int to, int from) {
        op(0, true, 0, 0x8b, to, from);
    }

    /** {@code mov to, from}, 64 bits, or 32, zero-extending. */
    void move(boolean wide, int to, int from) {
        op(0, wide, 0, 0x8b, to, from);
    }

    /** {@code mov to, from}, 32 bits, zero-extending. */
    void move32(int to, int from) {
        op(0, false, 0, 0x8b, to, from);
    }

    /** {@code lea reg, [base + index << scale + disp]}, 64 bits. */
    void lea(int reg, int base, int index, int scale, int disp) {
        mem(0, true, 0, 0x8d, reg, base, index, scale, disp);
    }

    /** {@code lea reg, [base + disp]}, 64 bits, or 32, zero-extending. */
    void lea(boolean wide, int reg, int base, int disp) {
        mem(0, wide, 0, 0x8d, reg, base, NONE, 0, disp);
    }

    /** {@code not reg}, 64 bits. */
    void not(int reg) {
        op(0, true, 0, 0xf7, 2, reg);
    }

    /** {@code pext to, from, [rsp + mask]}: BMI2, for its leaving the flags alone. */
    void pext(int to, int from, int mask) {
        vexMemory(2, 2, to, from, 0xf5, mask);
    }

    /** {@code pdep to, from, [rsp + mask]}. */
    void pdep(int to, int from, int mask) {
        vexMemory(2, 3, to, from, 0xf5, mask);
    }

    /** {@code sarx to, from, count}: of 64 bits, or 32. */
    void sarx(boolean w, int to, int from, int count) {
        byte1(0xc4);
        byte1((to >= 8 ? 0 : 0x80) | 0x40 | (from >= 8 ? 0 : 0x20) | 2);
        byte1((w ? 0x80 : 0) | (~count & 15) << 3 | 2);
        byte1(0xf7);
        byte1(0xc0 | (to & 7) << 3 | from & 7);
    }

    /** {@code rorx to, from, count}, 32 bits. */
    void rorx(int to, int from, int count) {
        byte1(0xc4);
        byte1((to >= 8 ? 0 : 0x80) | 0x40 | (from >= 8 ? 0 : 0x20) | 3);
        bytes(0x7b, 0xf0, 0xc0 | (to & 7) << 3 | from & 7, count);
    }

    /** A 64-bit VEX instruction {@code to, vvvv, [rsp + disp]}. */
    private void vexMemory(int map, int pp, int to, int vvvv, int opcode, int disp) {
        if (VEX_PP[pp] == 0) {
            throw new IllegalArgumentException("no prefix");
        }
        byte1(0xc4);
        byte1((to >= 8 ? 0 : 0x80) | 0x60 | map);
        byte1(0x80 | (~vvvv & 15) << 3 | pp);
        byte1(opcode);
        address(to, RSP, NONE, 0, disp);
    }

    /** {@code and reg, value}, 32 bits; changes flags. */
    void and32(int reg, int value) {
        op(0, false, 0, 0x81, 4, reg);
        int4(value);
    }

    /** {@code add reg, [base + index + disp]}, 64 bits; changes flags. */
    void add(int reg, int base, int index, int disp) {
        mem(0, true, 0, 0x03, reg, base, index, 0, disp);
    }

    /** {@code cmp reg, value}, 64 bits; changes flags. */
    void compare(int reg, int value) {
        op(0, true, 0, 0x81, 7, reg);
        int4(value);
    }

    /** 64-bit {@code test reg, reg}; changes flags. */
    void test(int reg) {
        op(0, true, 0, 0x85, reg, reg);
    }

    /** {@code test reg, value} of a low byte; changes flags. */
    void test8(int reg, int value) {
        op(0, false, 0, 0xf6, 0, reg, true);
        byte1(value);
    }

    /** {@code jrcxz} to where {@link #here} is called with the result; at most 127 bytes on. */
    long jrcxz() {
        bytes(0xe3, 0);
        return at;
    }

    /** {@code jmp} to where {@link #here} is called with the result; at most 127 bytes on. */
    long jumpShort() {
        bytes(0xeb, 0);
        return at;
    }

    /** {@code jcc} to where {@link #here} is called with the result; at most 127 bytes on. */
    long jumpShort(int condition) {
        bytes(0x70 | condition, 0);
        return at;
    }

    /** The target of a short jump that was written before. */
    void here(long after) {
        long d = at - after;
        if (d > 127) {
            throw new IllegalStateException("a short jump over " + d + " bytes");
        }
        GuestMemory.putByte(after - 1, (byte) d);
    }

    /** {@code jrcxz} back to {@code target}. */
    void jrcxz(long target) {
        long d = target - (at + 2);
        if (d < -128) {
            throw new IllegalStateException("a short jump over " + d + " bytes");
        }
        bytes(0xe3, (int) d & 0xff);
    }

    /** {@code jmp target}. */
    void jump(long target) {
        byte1(0xe9);
        int4((int) (target - (at + 4)));
    }

    /** {@code jmp} to an address at which code runs. */
    void jumpRunning(long target) {
        jump(target - delta);
    }

    /** {@link #patch} with an address at which code runs. */
    void patchRunning(long displacement, long target) {
        patch(displacement, target - delta);
    }

    /** {@code jmp} to where {@link #patch} says; the address of the displacement. */
    long jump() {
        byte1(0xe9);
        int4(0);
        return at - 4;
    }

    /** {@code jcc} to where {@link #patch} says. */
    long jump(int condition) {
        bytes(0x0f, 0x80 | condition);
        int4(0);
        return at - 4;
    }

    /** {@code call target}. */
    void call(long target) {
        byte1(0xe8);
        int4((int) (target - (at + 4)));
    }

    /** Lets a 32-bit displacement lead to {@code target}. Aligned, it is one write: whoever runs it jumps the old way or the new. */
    void patch(long displacement, long target) {
        GuestMemory.putInt(displacement, (int) (target - (displacement + 4)));
    }

    /** NOPs until a displacement {@code ahead} bytes on is aligned. */
    void alignDisplacement(int ahead) {
        switch ((int) -(at + ahead) & 3) {
            case 1 -> byte1(0x90);
            case 2 -> bytes(0x66, 0x90);
            case 3 -> bytes(0x0f, 0x1f, 0);
            default -> {}
        }
    }
}
