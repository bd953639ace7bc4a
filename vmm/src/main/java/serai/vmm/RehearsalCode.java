package serai.vmm;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * 64-bit code for the translator to practise on: many small functions of what compilers write, each called a few times. It brings its data
 * and its stack, above 4 MiB.
 */
final class RehearsalCode {
    private static final int FUNCTIONS = 4000;
    private static final int ROUNDS = 3;
    private static final int SHORTEST = 12, LONGEST = 40;
    private static final int DATA = 0x800000;
    private static final int STACK = 0x700000;

    /** RAX, RCX, RDX, RBX, RSI, R8, R9, R10, R12, R15: some of each kind that the translator treats in its own way. */
    private static final int[] REGISTERS = {0, 1, 2, 3, 6, 8, 9, 10, 12, 15};

    private static final int[] ARITHMETIC = {0x01, 0x09, 0x21, 0x29, 0x31, 0x39, 0x85, 0x89, 0x03, 0x2b, 0x3b, 0x8b};
    private static final int[] LOADS_AND_STORES = {0x8b, 0x89, 0x8b, 0x89, 0x03, 0x01, 0x3b, 0x39, 0x33};
    private static final int[] VECTORS = {0x10, 0x11, 0x28, 0x29, 0x58, 0x59, 0x54, 0x57};

    private final Random random = new Random(1);
    private final ByteArrayOutputStream code = new ByteArrayOutputStream();
    private final List<Integer> functions = new ArrayList<>();

    /** The code; it begins with what is to run first, and goes on behind itself. */
    byte[] bytes() {
        // mov edi, DATA; mov esp, STACK; mov ebp, ROUNDS; jmp over the functions
        write(0xbf);
        write4(DATA);
        write(0xbc);
        write4(STACK);
        write(0xbd);
        write4(ROUNDS);
        write(0xe9);
        int patch = code.size();
        write4(0);
        for (int i = 0; i < FUNCTIONS; i++) {
            function();
        }
        int start = code.size();
        for (int f : functions) {
            write(0xe8);
            write4(f - (code.size() + 4));
        }
        write(0xff, 0xcd); // dec ebp
        write(0x0f, 0x85); // jnz start
        write4(start - (code.size() + 4));
        byte[] all = code.toByteArray();
        ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).putInt(patch, start - (patch + 4));
        return all;
    }

    private void write(int... bytes) {
        for (int b : bytes) {
            code.write(b);
        }
    }

    private void write4(int v) {
        write(v, v >> 8, v >> 16, v >> 24);
    }

    private int pick(int[] from) {
        return from[random.nextInt(from.length)];
    }

    private static int rex(int reg, int rm) {
        return 0x48 | reg >> 3 << 2 | rm >> 3;
    }

    private static int registers(int reg, int rm) {
        return 0xc0 | (reg & 7) << 3 | rm & 7;
    }

    /** ModR/M and displacement of [rdi + n], a multiple of 16. */
    private void data(int reg) {
        write(0x47 | (reg & 7) << 3, random.nextInt(8) * 16);
    }

    private void function() {
        while ((code.size() & 15) != 0) {
            write(0x90);
        }
        functions.add(code.size());
        int saved = pick(REGISTERS);
        push(saved);
        int n = SHORTEST + random.nextInt(LONGEST - SHORTEST);
        for (int i = 0; i < n; i++) {
            instruction();
        }
        pop(saved);
        write(0xc3);
    }

    private void push(int r) {
        write(0x40 | r >> 3, 0x50 | r & 7);
    }

    private void pop(int r) {
        write(0x40 | r >> 3, 0x58 | r & 7);
    }

    private void instruction() {
        int r = pick(REGISTERS);
        int m = pick(REGISTERS);
        switch (random.nextInt(16)) {
            case 0, 1, 2 -> write(rex(r, m), pick(ARITHMETIC), registers(r, m));
            case 3, 4, 5, 6 -> {
                write(rex(r, 7), pick(LOADS_AND_STORES));
                data(r);
            }
            case 7 -> write(rex(0, m), 0x83, registers(random.nextInt(8), m), random.nextInt(128)); // arithmetic, imm8
            case 8 -> write(rex(0, m), 0xc1, registers(4 + random.nextInt(2), m), 1 + random.nextInt(30)); // shl, shr
            case 9 -> {
                write(rex(r, 7), 0x0f, 0xb6 + random.nextInt(2)); // movzx
                data(r);
            }
            case 10 -> { // test r, r; jcc over a mov
                write(rex(r, r), 0x85, registers(r, r), 0x70 | random.nextInt(16), 5, 0xb8 | m & 3);
                write4(random.nextInt());
            }
            case 11 -> write(rex(r, m), 0x8d, 0x44 | (r & 7) << 3, 0x80 | (m & 7), random.nextInt(128)); // lea
            case 12 -> {
                push(r);
                pop(m);
            }
            case 13 -> {
                int x = random.nextInt(8);
                write(0x0f, pick(VECTORS));
                data(x);
            }
            case 14 -> write(rex(r, m), 0x0f, 0xaf, registers(r, m)); // imul
            default -> {
                if (functions.size() > 1) { // a call of one that is not far
                    int f = functions.get(Math.max(0, functions.size() - 2 - random.nextInt(4)));
                    if (random.nextInt(12) == 0) {
                        write(0xe8);
                        write4(f - (code.size() + 4));
                    }
                }
                write(rex(r, m), 0x0f, 0x40 | random.nextInt(16), registers(r, m)); // cmovcc
            }
        }
    }
}
