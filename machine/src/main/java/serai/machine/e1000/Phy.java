package serai.machine.e1000;

import java.util.Arrays;

/**
 * The transceiver in the chip, at address 1 of its management bus: the registers of IEEE 802.3, clause 22, and some of Marvell's 88E1011 (SDM, chapters 11 and 13). It
 * has agreed on 1000 Mbit/s whenever the link is there.
 *
 * <pre>
 * MDIC   0 data (16) | 16 register (5) | 21 address (5) | 26 1 write, 2 read | 28 ready | 29 interrupt | 30 error
 * </pre>
 */
final class Phy {
    private static final int CONTROL = 0, STATUS = 1, PARTNER = 5, GIGABIT_STATUS = 10, SPECIFIC_STATUS = 17;
    private static final int RESET = 1 << 15, RESTART = 1 << 9;
    private static final int LINK = 1 << 2, AGREED = 1 << 5;
    private static final int ADDRESS = 1, REGISTERS = 32;
    private static final int READY = 1 << 28, ERROR = 1 << 30;

    /** Register, value after a reset, bits that can be written. */
    private static final int[][] INITIAL = {
        {CONTROL, 0x1140, 0x5dff},
        {STATUS, 0x7949, 0},
        {2, 0x0141, 0},
        {3, 0x0c20, 0},
        {4, 0x01e1, 0xffff},
        {6, 0x0004, 0},
        {9, 0x0300, 0xffff},
        {15, 0x3000, 0},
        {16, 0x0068, 0xffff},
        {18, 0, 0xffff},
        {20, 0x0c60, 0xffff},
        {24, 0x4100, 0xffff},
        {29, 0, 0xffff},
        {30, 0, 0xffff},
    };

    private static final int[] WRITABLE = new int[REGISTERS];

    static {
        for (int[] r : INITIAL) {
            WRITABLE[r[0]] = r[2];
        }
    }

    private final int[] registers = new int[REGISTERS];
    private boolean link = true;

    Phy() {
        reset();
    }

    void link(boolean up) {
        link = up;
    }

    void reset() {
        Arrays.fill(registers, 0);
        for (int[] r : INITIAL) {
            registers[r[0]] = r[1];
        }
    }

    private int read(int register) {
        int v = registers[register];
        return switch (register) {
            case STATUS -> link ? v | LINK | AGREED : v;
            case PARTNER -> link ? 0x41e1 : 0;
            case GIGABIT_STATUS -> link ? 0x3800 : 0;
            // 1000 Mbit/s, full duplex, resolved, link
            case SPECIFIC_STATUS -> link ? 0xac00 : 0x8000;
            default -> v;
        };
    }

    /** Whether a write to MDIC has the transceiver agree with its partner anew. */
    static boolean restarts(int mdic) {
        return operation(mdic) == 1 && register(mdic) == CONTROL && (mdic & (RESET | RESTART)) != 0;
    }

    private static int operation(int mdic) {
        return mdic >>> 26 & 3;
    }

    private static int register(int mdic) {
        return mdic >>> 16 & 31;
    }

    /** Does what has been written to MDIC, at once; what is to be read there. */
    int mdic(int written) {
        int v = written & ~(READY | ERROR);
        int register = register(v);
        if ((v >>> 21 & 31) != ADDRESS || operation(v) == 0 || operation(v) == 3) {
            return v | READY | ERROR;
        }
        if (operation(v) == 2) {
            return v & ~0xffff | read(register) | READY;
        }
        if (register == CONTROL && (v & RESET) != 0) {
            reset();
        } else {
            registers[register] = registers[register] & ~WRITABLE[register] | v & WRITABLE[register];
        }
        return v | READY;
    }

    int[] save() {
        return registers.clone();
    }

    void restore(int[] saved) {
        if (saved.length != REGISTERS) {
            throw new IllegalArgumentException("a transceiver of " + saved.length + " registers");
        }
        for (int i = 0; i < REGISTERS; i++) {
            registers[i] = saved[i] & 0xffff;
        }
    }
}
