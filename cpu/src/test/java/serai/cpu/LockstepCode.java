package serai.cpu;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import serai.cpu.LockstepProgram.Item;
import serai.cpu.LockstepProgram.Patch;

/** The items of a program that is being made, and the few instructions that its steps are held together with, in 64-bit or 32-bit code. */
final class LockstepCode {
    /** What 64-bit code has: INC, an addition, R8 to R15 and a move, which leave no flags undefined. */
    private static final int[][] ELSEWHERE_64 = {
        {0x48, 0xff, 0xc2}, {0x49, 0x01, 0xc0}, {0x4c, 0x89, 0xc1}, {0x48, 0xb9, 8, 7, 6, 5, 4, 3, 2, 1}, {0x50}, {0x5a}
    };
    /** What 32-bit code has: INC and DEC in a byte, the stack, addresses of 32 bits, an access to the stack, SAHF. */
    private static final int[][] ELSEWHERE_32 = {
        {0x42}, {0x4a}, {0x50}, {0x5a}, {0x8d, 0x44, 0x88, 0x40}, {0x8b, 0x04, 0x24}, {0x01, 0x44, 0x24, 0xfc}, {0x9e}
    };

    /** In 64-bit code: upper halves that are not zero, of RSI, RDI, RCX, RBX and RBP. */
    static final byte[] UPPER_HALVES = bytes(
            0x48, 0xb8, 0, 0, 0, 0, 1, 0, 0, 0, // mov rax, 1 << 32
            0x48, 0x8d, 0x34, 0x06, // lea rsi, [rsi + rax], and so on
            0x48, 0x8d, 0x3c, 0x07, 0x48, 0x8d, 0x0c, 0x01, 0x48, 0x8d, 0x1c, 0x03, 0x48, 0x8d, 0x6c, 0x05, 0);

    final List<Item> items = new ArrayList<>();
    /** The step that is being made. */
    int steps;

    private final boolean wide;

    /** @param wide whether it is 64-bit code */
    LockstepCode(boolean wide) {
        this.wide = wide;
    }

    void add(byte[] code, Patch patch, int at, int target, long value) {
        items.add(new Item(steps, code, patch, at, target, value, null, false));
    }

    void plain(int... code) {
        add(bytes(code), Patch.NONE, 0, -1, 0);
    }

    static byte[] bytes(int... code) {
        byte[] b = new byte[code.length];
        for (int i = 0; i < b.length; i++) {
            b[i] = (byte) code[i];
        }
        return b;
    }

    /** How many general registers there are. */
    int registers() {
        return wide ? 16 : 8;
    }

    /** Bytes of an address. */
    int size() {
        return wide ? 8 : 4;
    }

    /** From the start of a {@link #set} to its constant. */
    int constantAt() {
        return wide ? 2 : 1;
    }

    /** MOV of a register and an immediate of its size. */
    void set(int register, long value) {
        byte[] b = constant(register);
        if (wide) {
            OracleState.view(b).putLong(2, value);
        } else {
            OracleState.view(b).putInt(1, (int) value);
        }
        add(b, Patch.NONE, 0, -1, 0);
    }

    /** MOV of a register and the address of a step. */
    void setAddress(int register, int target, long plus) {
        add(constant(register), wide ? Patch.ABS64 : Patch.ABS32, constantAt(), target, plus);
    }

    private byte[] constant(int register) {
        byte[] b = new byte[constantAt() + size()];
        if (wide) {
            b[0] = (byte) (0x48 | register >> 3);
        }
        b[constantAt() - 1] = (byte) (0xb8 | register & 7);
        return b;
    }

    /** An instruction whose last byte has a register in its low three bits: without an operand size of its own. */
    void of(int register, int... code) {
        int[] c = code.clone();
        c[c.length - 1] |= register & 7;
        if (wide) {
            // REX is the last prefix
            int prefixes = c[0] == 0x66 ? 1 : 0;
            byte[] b = new byte[c.length + 1];
            for (int i = 0; i < b.length; i++) {
                b[i] = (byte) (i < prefixes ? c[i] : i == prefixes ? 0x40 | register >> 3 : c[i - 1]);
            }
            add(b, Patch.NONE, 0, -1, 0);
        } else {
            plain(c);
        }
    }

    /** An instruction with the REX prefix that its registers ask for in 64-bit code. */
    void rex(boolean w, int reg, int index, int base, int... code) {
        byte[] b = new byte[code.length + (wide ? 1 : 0)];
        if (wide) {
            b[0] = (byte) (0x40 | (w ? 8 : 0) | reg >> 1 & 4 | index >> 2 & 2 | base >> 3);
        }
        System.arraycopy(bytes(code), 0, b, b.length - code.length, code.length);
        add(b, Patch.NONE, 0, -1, 0);
    }

    /** DEC, of all of a register. */
    void decrement(int register, boolean shorter) {
        if (wide) {
            plain(0x48 | register >> 3, 0xff, 0xc8 | register & 7);
        } else if (shorter) {
            plain(0x48 | register);
        } else {
            plain(0xff, 0xc8 | register);
        }
    }

    /** A store of what {@code code} ends with to a step, perhaps through another mapping; {@code code} has its address in bytes 2 to 5. */
    void store(byte[] code, int target, long plus) {
        add(code, wide ? Patch.REL32 : Patch.ABS32, 2, target, plus);
    }

    /** Makes one item of the last ones, so that none of them is left out or entered by itself. */
    void join(int n, boolean tables) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        List<Item> last = items.subList(items.size() - n, items.size());
        last.forEach(t -> all.writeBytes(t.code()));
        last.clear();
        items.add(new Item(steps, all.toByteArray(), Patch.NONE, 0, -1, 0, null, tables));
    }

    /**
     * Instructions of the other size of code.
     *
     * @param choice which: as many digits of it, to the base of how many there are
     */
    byte[] instructionsElsewhere(int count, long choice) {
        ByteArrayOutputStream there = new ByteArrayOutputStream();
        int[][] of = wide ? ELSEWHERE_32 : ELSEWHERE_64;
        long c = choice;
        for (int i = 0; i < count; i++) {
            there.writeBytes(bytes(of[(int) Long.remainderUnsigned(c, of.length)]));
            c = Long.divideUnsigned(c, of.length);
        }
        return there.toByteArray();
    }

    /**
     * Over to code of the other size, some instructions there, and back, all in one item, which has a step of its own; the stack has to be good.
     *
     * @param other selector of the other code segment
     * @param own selector of this one
     * @param data whether DS and ES become such that 32-bit code is translated
     */
    void elsewhere(int other, int own, byte[] there, boolean data) {
        int step = steps;
        if (wide) {
            ByteArrayOutputStream b = new ByteArrayOutputStream();
            if (data) {
                b.writeBytes(bytes(
                        0xb8,
                        OracleSegments.USER_DS,
                        0,
                        0,
                        0,
                        0x8e,
                        0xd8,
                        0x8e,
                        0xc0)); // mov eax, data; mov ds, eax; mov es, eax
            }
            b.writeBytes(bytes(0x48, 0x8d, 0x05, 5, 0, 0, 0)); // lea rax, [rip + 5]
            b.writeBytes(bytes(0x6a, other, 0x50, 0x48, 0xcb)); // push other; push rax; retfq
            b.writeBytes(there);
            int jump = b.size();
            b.writeBytes(bytes(0xea, 0, 0, 0, 0, own, 0)); // jmp own:behind
            add(b.toByteArray(), Patch.ABS32, jump + 1, step, b.size());
        } else {
            ByteArrayOutputStream b = new ByteArrayOutputStream();
            b.writeBytes(bytes(0xea, 0, 0, 0, 0, other, 0)); // jmp other:behind
            int at = b.size();
            b.writeBytes(there);
            b.writeBytes(bytes(0x48, 0x8d, 0x05, 5, 0, 0, 0));
            b.writeBytes(bytes(0x6a, own, 0x50, 0x48, 0xcb));
            add(b.toByteArray(), Patch.ABS32, 1, step, at);
        }
        steps++;
    }
}
