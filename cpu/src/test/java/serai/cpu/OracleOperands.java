package serai.cpu;

import java.nio.ByteBuffer;
import java.util.SplittableRandom;

/** Memory operands that an instruction finds sense in: frames, far pointers, saved states, numbers. */
final class OracleOperands {
    private static final int[] GDT_SELECTORS = {
        0,
        3,
        OracleSegments.USER_CS32,
        OracleSegments.USER_DS,
        OracleSegments.USER_CS,
        OracleSegments.KERNEL_CS,
        0x08,
        0x18,
        OracleSegments.TSS,
        OracleSegments.LDT,
        0x48,
        0x63,
        0x80,
        0xfff8
    };

    private final InstructionRow row;
    private final OracleValues values;
    private final SplittableRandom random;
    private final int opSize;
    private final OracleMode mode;
    private final boolean flatStack;

    OracleOperands(
            InstructionRow row,
            OracleValues values,
            SplittableRandom random,
            int opSize,
            OracleMode mode,
            boolean flatStack) {
        this.row = row;
        this.values = values;
        this.random = random;
        this.opSize = opSize;
        this.mode = mode;
        this.flatStack = flatStack;
    }

    private boolean chance(int oneIn) {
        return random.nextInt(oneIn) == 0;
    }

    /** What the address of a row's memory operand has to be a multiple of. */
    static int alignment(InstructionRow row, int vexLength) {
        String m = row.mnemonic();
        if (savesState(row)) {
            return 64;
        }
        return row.has("align") ? vexLength == 0 ? 16 : 32 : m.startsWith("FXSAVE") || m.startsWith("FXRSTOR") ? 16 : 1;
    }

    /** Bytes that a row's memory operand has at most. */
    static int room(InstructionRow row) {
        String m = row.mnemonic();
        return savesState(row)
                ? OracleState.XSAVE
                : m.startsWith("FXSAVE") || m.startsWith("FXRSTOR") ? XsaveImage.LEGACY_SIZE : 32;
    }

    /** XSAVE, XRSTOR and their like. */
    static boolean savesState(InstructionRow row) {
        return row.mnemonic().startsWith("XSAVE") || row.mnemonic().startsWith("XRSTOR");
    }

    /** Whether a row's source operand is a selector. */
    static boolean readsSelector(InstructionRow row) {
        return switch (row.mnemonic()) {
            case "MOVRS", "LAR", "LSL", "VERR", "VERW", "ARPL" -> true;
            default -> false;
        };
    }

    /**
     * A selector for a far transfer. Far CALLs from compatibility mode to 64-bit code push by the rules of the new mode on AMD's processors, with
     * a base that is not zero somewhere else, and with a 16-bit stack they do not end.
     */
    static int codeSelector(SplittableRandom random, boolean flatStack) {
        int sel = selector(random);
        return !flatStack && (sel & 0xfffc) == (OracleSegments.USER_CS & 0xfffc) ? OracleSegments.USER_CS32 : sel;
    }

    /** A selector of any kind; often one that ring 3 may load. */
    static int selector(SplittableRandom random) {
        int sel = random.nextBoolean()
                ? GDT_SELECTORS[random.nextInt(GDT_SELECTORS.length)]
                : random.nextInt(OracleSegments.ENTRIES.size() + 1) * 8 + 7;
        return random.nextInt(8) == 0 && (sel & 0xfff8) != 0 ? sel & 0xfffc | random.nextInt(4) : sel;
    }

    /**
     * The window's bytes.
     *
     * @param target where in it the memory operand is
     * @param stack where in it the stack pointer points
     */
    byte[] window(long target, long stack) {
        char kind = OracleValues.kind(row);
        ByteBuffer b = OracleState.view(new byte[OracleMemory.WINDOW]);
        for (int i = 0; i < OracleMemory.WINDOW; i += 8) {
            b.putLong(i, values.word(kind));
        }
        if (target >= 0 && target <= OracleMemory.WINDOW - 32) {
            operand(b, (int) target, kind);
        }
        if (stack >= 0 && stack <= OracleMemory.WINDOW - 48) {
            frame(b, (int) stack);
        }
        return b.array();
    }

    private void operand(ByteBuffer b, int at, char kind) {
        String m = row.mnemonic();
        if (row.source().startsWith("instructions-x87")) {
            x87(b, at);
        } else if (m.endsWith("LDMXCSR")) {
            b.putInt(at, random.nextInt(chance(4) ? 0x20000 : 0x10000));
        } else if (m.startsWith("FXRSTOR") && at + XsaveImage.LEGACY_SIZE <= OracleMemory.WINDOW) {
            b.put(at, values.image(row), 0, XsaveImage.LEGACY_SIZE);
            b.putLong(at + 8, 0).putLong(at + 16, 0);
        } else if (savesState(row) && at + OracleState.XSAVE <= OracleMemory.WINDOW) {
            xsave(b, at);
        } else if (m.startsWith("CMPXCHG") && chance(2)) {
            b.putLong(at, values.integer());
        } else if (row.operands().contains("Mp")) {
            store(b, at, opSize, chance(2) ? OracleMemory.CODE_START : values.integer());
            b.putShort(at + opSize, (short) codeSelector(random, flatStack));
        } else if (readsSelector(row)) {
            b.putShort(at, (short) selector(random));
        } else if (m.equals("BOUND")) {
            store(b, at, opSize, values.integer() >> 40);
            store(b, at + opSize, opSize, values.integer() >>> 40);
        } else {
            for (int i = 0; i < 32; i += 8) {
                b.putLong(at + i, values.word(kind));
            }
        }
    }

    /** An XSAVE image, compacted or not, seldom with something wrong. */
    private void xsave(ByteBuffer b, int at) {
        b.put(at, values.image(row), 0, OracleState.XSAVE);
        b.putLong(at + 8, 0).putLong(at + 16, 0);
        if (chance(8)) {
            b.putInt(at + 24, random.nextInt(0x20000));
        }
        for (int i = 512; i < 576; i += 8) {
            b.putLong(at + i, i > 520 && chance(64) ? 1L << random.nextInt(64) : 0);
        }
        long format = chance(2) ? 0 : Long.MIN_VALUE | random.nextInt(8);
        b.putLong(at + 520, chance(16) ? 1 : format);
        b.putLong(at + 512, random.nextInt(8) & (format == 0 || chance(8) ? 7 : format));
    }

    private void x87(ByteBuffer b, int at) {
        String m = row.mnemonic();
        String size = row.operands().isEmpty() ? "" : row.operands().getFirst();
        if (m.equals("FBLD") && !chance(8)) {
            for (int i = 0; i < 9; i++) {
                b.put(at + i, (byte) (chance(4) ? 0 : random.nextInt(10) << 4 | random.nextInt(10)));
            }
            b.put(at + 9, (byte) (random.nextInt(256) & 0x80));
        } else if (size.equals("Mt")) {
            values.extended(b, at);
        } else if (m.startsWith("FI") || m.equals("FLDCW")) {
            b.putLong(at, values.integer());
        } else if (size.equals("Md")) {
            b.putInt(at, values.floatBits());
        } else if (size.equals("Mq")) {
            b.putLong(at, values.doubleBits());
        }
    }

    /** What returns and pops of system state find on the stack. */
    private void frame(ByteBuffer b, int at) {
        String m = row.mnemonic();
        boolean iret = m.equals("IRET");
        if (m.equals("POPSR")) {
            b.putShort(at, (short) selector(random));
        } else if (iret || m.equals("RETF")) {
            store(b, at, opSize, chance(3) ? values.integer() : OracleMemory.CODE_START & mask(opSize));
            store(b, at + opSize, opSize, selector(random));
            if (iret) {
                store(b, at + 2 * opSize, opSize, values.integer());
                store(b, at + 3 * opSize, opSize, values.integer());
                boolean good = !chance(3);
                store(b, at + 4 * opSize, opSize, good ? OracleSegments.USER_DS : selector(random));
            }
        } else if (mode == OracleMode.LONG && m.startsWith("RET") && chance(2)) {
            b.putLong(at, values.integer() << 16 >> 16);
        }
    }

    private static long mask(int size) {
        return size == 8 ? -1 : (1L << size * 8) - 1;
    }

    private static void store(ByteBuffer b, int at, int size, long v) {
        for (int i = 0; i < size; i++) {
            b.put(at + i, (byte) (v >> i * 8));
        }
    }
}
