package serai.cpu;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Set;
import java.util.SplittableRandom;
import serai.machine.engine.CpuFeature;

/**
 * Makes random cases from rows of the instruction table: any encoding of the row (registers, REX, operand and address
 * sizes, addressing forms), values with a liking for corners.
 */
final class OracleCases {
    /** Not to be run in ring 3 of a Linux process, or with an answer that depends on the machine. */
    private static final Set<String> EXCLUDED = Set.of(
            "SYSCALL",
            "SYSENTER",
            "SYSEXIT",
            "SYSRET",
            "INT",
            "INT3",
            "INT1",
            "IRET",
            "CALLFM",
            "JMPFM",
            "RETF",
            "MOVRS",
            "MOVSR",
            "POPSR",
            "LFS",
            "LGS",
            "LSS",
            "CPUID",
            "RDTSC",
            "RDTSCP",
            "RDPMC",
            "IN",
            "OUT",
            "INS",
            "OUTS",
            "SGDT",
            "SIDT",
            "SLDT",
            "STR",
            "SMSW",
            "LAR",
            "LSL",
            "VERR",
            "VERW",
            "CLI",
            "STI",
            "HLT",
            "MONITOR",
            "MWAIT",
            "RSM",
            "RDRAND",
            "RDSEED",
            "RDPID",
            "XGETBV",
            "RDFSBASE",
            "RDGSBASE",
            "WRFSBASE",
            "WRGSBASE");

    private static final long[] INTEGERS = {
        0,
        1,
        2,
        -1,
        -2,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000L,
        0xffffffffL,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        0x5555555555555555L,
        0xaaaaaaaaaaaaaaaaL,
        0x0123456789abcdefL,
        10,
        63,
        64,
        31,
        32
    };
    private static final int[] CHARACTERS = {0, 1, 'a', 'a', 'b', 'b', 'c', 'z', 0x80, 0xff};
    private static final double[] DOUBLES = {
        0.0,
        -0.0,
        1.0,
        -1.0,
        1.5,
        2.0,
        0.5,
        3.0,
        10.0,
        1.0 / 3,
        -2.0 / 3,
        Math.PI,
        1e10,
        1e-10,
        1e300,
        -1e300,
        1e-300,
        Double.MIN_VALUE,
        -Double.MIN_VALUE,
        Double.MIN_NORMAL,
        Double.MAX_VALUE,
        -Double.MAX_VALUE,
        Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY,
        Double.NaN,
        2147483647.0,
        2147483647.5,
        2147483648.0,
        -2147483648.5,
        -2147483649.0,
        0x1p63,
        -0x1p63,
        32767.5,
        -32768.5,
        0.499999,
        2.5,
        -2.5,
        0x1.8p52,
        Float.MIN_VALUE,
        Float.MIN_NORMAL,
        Float.MAX_VALUE,
        1.0000000001,
        16777217.0,
        3.5e38
    };

    private final SplittableRandom random;

    OracleCases(long seed) {
        random = new SplittableRandom(seed);
    }

    /** Whether the host's processor has a feature of the table; "" is always there. */
    private static boolean hostHas(String feature) {
        return feature.isEmpty()
                || Oracle.hostHas(
                        switch (feature) {
                            case "SSE3" -> "pni";
                            case "CLFSH" -> "clflush";
                            case "LAHF" -> "lahf_lm";
                            case "LZCNT" -> "abm";
                            case "PREFETCHW" -> "3dnowprefetch";
                            case "SHA" -> "sha_ni";
                            default -> feature.toLowerCase(java.util.Locale.ROOT);
                        });
    }

    /** Whether cases can be made from a row. */
    static boolean usable(InstructionRow row) {
        return hostHas(row.value("cpuid"))
                && !row.has("i64")
                && !row.has("cpl0")
                && !EXCLUDED.contains(row.mnemonic())
                && row.operands().stream()
                        .noneMatch(o -> o.startsWith("S") && !o.startsWith("ST") || o.equals("FS") || o.equals("GS"));
    }

    private boolean chance(int oneIn) {
        return random.nextInt(oneIn) == 0;
    }

    // ---- values ----

    private long integer() {
        return switch (random.nextInt(4)) {
            case 0 -> INTEGERS[random.nextInt(INTEGERS.length)];
            case 1 -> random.nextLong() >> random.nextInt(64);
            case 2 -> INTEGERS[random.nextInt(INTEGERS.length)] + random.nextInt(-2, 3);
            default -> random.nextLong();
        };
    }

    private long doubleBits() {
        return switch (random.nextInt(8)) {
            case 0, 1, 2 -> Double.doubleToRawLongBits(DOUBLES[random.nextInt(DOUBLES.length)]);
            case 3 -> random.nextLong();
            case 4 -> Double.doubleToRawLongBits(random.nextInt(-100, 100));
            case 5 -> Double.doubleToRawLongBits(random.nextDouble(-4, 4));
            // near the ends of the range of exponents, and special: NaN payloads, denormals
            case 6 -> random.nextLong() & 0x800fffffffffffffL | (long) special(11) << 52;
            default ->
                random.nextLong() & 0x8000000000000000L
                        | (long) (1023 + random.nextInt(-70, 70)) << 52
                        | random.nextLong() & 0xfffffffffffffL & -1L << random.nextInt(52);
        };
    }

    private int floatBits() {
        return switch (random.nextInt(8)) {
            case 0, 1, 2 -> Float.floatToRawIntBits((float) DOUBLES[random.nextInt(DOUBLES.length)]);
            case 3 -> random.nextInt();
            case 4 -> Float.floatToRawIntBits(random.nextInt(-100, 100));
            case 5 -> Float.floatToRawIntBits((float) random.nextDouble(-4, 4));
            case 6 -> random.nextInt() & 0x807fffff | special(8) << 23;
            default ->
                random.nextInt() & 0x80000000
                        | 127 + random.nextInt(-35, 35) << 23
                        | random.nextInt() & 0x7fffff & -1 << random.nextInt(23);
        };
    }

    /** A biased exponent near the bottom, the top or half-way to either (so that products come near the ends). */
    private int special(int bits) {
        int max = (1 << bits) - 1;
        int near = random.nextInt(0, 4);
        return switch (random.nextInt(6)) {
            case 0 -> 0;
            case 1 -> max;
            case 2 -> near;
            case 3 -> max - near;
            case 4 -> max / 4 + near;
            default -> max * 3 / 4 - near;
        };
    }

    private void extended(ByteBuffer b, int at) {
        long significand;
        int exponent;
        switch (random.nextInt(8)) {
            case 0, 1 -> {
                double d = DOUBLES[random.nextInt(DOUBLES.length)];
                long bits = Double.doubleToRawLongBits(d);
                int e = (int) (bits >>> 52) & 0x7ff;
                boolean zero = e == 0;
                significand = zero ? 0 : bits << 11 | Long.MIN_VALUE;
                exponent = zero ? 0 : e == 0x7ff ? 0x7fff : e - 1023 + 16383;
                exponent |= (int) (bits >>> 48) & 0x8000;
            }
            case 2 -> {
                significand = random.nextLong() | Long.MIN_VALUE;
                exponent = special(15) | (random.nextBoolean() ? 0x8000 : 0);
            }
            case 3 -> {
                // unnormal, pseudo-denormal, pseudo-NaN and their like
                significand = random.nextLong() & (random.nextBoolean() ? Long.MAX_VALUE : -1);
                exponent = special(15) | (random.nextBoolean() ? 0x8000 : 0);
            }
            case 4 -> {
                long n = random.nextLong(1, 1000);
                int shift = Long.numberOfLeadingZeros(n);
                significand = n << shift;
                exponent = 16383 + 63 - shift | (random.nextBoolean() ? 0x8000 : 0);
            }
            case 5 -> {
                significand = Long.MIN_VALUE >> random.nextInt(64);
                exponent = 16383 + random.nextInt(-70, 70) | (random.nextBoolean() ? 0x8000 : 0);
            }
            case 6 -> {
                significand = random.nextBoolean() ? 0 : Long.MIN_VALUE;
                exponent = (significand == 0 ? 0 : special(15)) | (random.nextBoolean() ? 0x8000 : 0);
            }
            default -> {
                significand = random.nextLong() | Long.MIN_VALUE;
                exponent = 16383 + random.nextInt(-70, 70) | (random.nextBoolean() ? 0x8000 : 0);
            }
        }
        b.putLong(at, significand).putShort(at + 8, (short) exponent);
    }

    /** Eight bytes for a vector register or memory, of the kind that the row computes with. */
    private long word(char kind) {
        return switch (chance(8) ? 'i' : kind) {
            case 's' -> floatBits() & 0xffffffffL | (long) floatBits() << 32;
            case 'd' -> doubleBits();
            case 'h' -> {
                // half precision: every kind of value is frequent among random ones but infinities and NaNs
                long a = random.nextLong();
                yield chance(3) ? a | 0x7c00L << 16 * random.nextInt(4) : a;
            }
            case 'b' -> {
                // bytes near zero and near the ends of their range
                long a = random.nextLong();
                long b = random.nextLong();
                long signs = random.nextLong() & 0x8080808080808080L;
                yield a & b & 0x7f7f7f7f7f7f7f7fL | signs;
            }
            case 't' -> {
                // strings: few different characters, zeros among them
                long v = 0;
                for (int i = 0; i < 64; i += 8) {
                    v |= (long) (chance(10) ? random.nextInt(256) : CHARACTERS[random.nextInt(CHARACTERS.length)]) << i;
                }
                yield chance(2) ? v : v & 0x00ff00ff00ff00ffL;
            }
            default -> integer();
        };
    }

    private static char kind(InstructionRow row) {
        String m = row.operation();
        if (m.equals("CVTPH2PS")) {
            return 'h';
        }
        if (m.matches("FN?M(ADD|SUB).*|GATHER.*|PERMIL.*|MASKMOVP.*|BROADCASTS.*|TESTP.")) {
            return m.endsWith("D") ? 'd' : 's';
        }
        if (m.startsWith("PCMPE") && m.contains("STR") || m.startsWith("PCMPISTR")) {
            return 't';
        }
        if (m.matches("ROUND.*|DPP.|BLENDV?P.")) {
            return m.endsWith("D") ? 'd' : 's';
        }
        if (m.startsWith("CVT")) {
            String from = m.substring(m.startsWith("CVTT") ? 4 : 3).replaceAll("2.*", "");
            return from.endsWith("I") || from.equals("DQ") ? 'i' : from.endsWith("D") ? 'd' : 's';
        }
        if (row.map() == 1 && (m.endsWith("PD") || m.endsWith("SD"))) {
            return 'd';
        }
        if (row.map() == 1 && (m.endsWith("PS") || m.endsWith("SS"))) {
            return 's';
        }
        return row.map() == 2 || row.map() == 3 || m.startsWith("P") ? 'b' : 'i';
    }

    // ---- encoding ----

    /** A random case of a row. */
    OracleCase make(InstructionRow row) {
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        boolean address32 = chance(12);
        boolean gs = chance(24);
        // AMD's processors cut near branches to 16 bits with it in 64-bit mode, Intel's (and ours) ignore it
        boolean vex = !row.vex().isEmpty();
        boolean may66 = row.prefix() < 0 && !(row.has("f64") && !Oracle.INTEL);
        boolean has66 = may66 && chance(4) || row.prefix() == 0x66 && !vex;
        boolean lock = row.has("lock") && chance(4);
        int rex = chance(2) ? 0x40 | random.nextInt(16) : 0;
        if (row.rexW() != InstructionRow.ANY_W) {
            rex = row.rexW() == 1 ? 0x48 | random.nextInt(8) : rex & ~8;
        }
        if (row.mnemonic().equals("PAUSE") && !Oracle.INTEL) {
            rex &= ~1; // with REX.B it is an XCHG on AMD's processors
        }
        boolean repeat = string(row) && chance(2);
        boolean plain = !row.modrm();
        boolean memory = row.modrm() && memory(row);

        if (lock) {
            code.write(0xf0);
        }
        if (address32) {
            code.write(0x67);
        }
        if (gs) {
            code.write(0x65);
        }
        if (has66) {
            code.write(0x66);
        }
        if (row.prefix() > 0 && row.prefix() != 0x66 && !vex) {
            code.write(row.prefix());
        } else if (repeat) {
            code.write(chance(2) ? 0xf3 : 0xf2);
        }
        int opSize = (rex & 8) != 0 ? 8 : has66 && row.prefix() != 0x66 ? 2 : 4;
        if (row.has("f64") || row.has("d64") && opSize == 4) {
            opSize = 8;
        }

        long[] gpr = new long[16];
        for (int i = 0; i < 16; i++) {
            gpr[i] = integer();
        }
        gpr[CpuRegisters.RSP] = Oracle.WINDOW_START + 8 * random.nextInt(8, 100);
        int implied = implied(row);
        if (implied != 0) {
            gpr[CpuRegisters.RSI] = near(implied == 2);
            gpr[CpuRegisters.RDI] = near(implied == 2);
            gpr[CpuRegisters.RCX] = chance(8) ? random.nextInt(40) : random.nextInt(6);
            if (implied == 3) {
                gpr[CpuRegisters.RBX] = Oracle.WINDOW_START + random.nextInt(256);
            }
            if (row.mnemonic().equals("LEAVE") || row.mnemonic().equals("ENTER")) {
                gpr[CpuRegisters.RBP] = Oracle.WINDOW_START + 8 * random.nextInt(20, 100);
            }
        }
        if (xsave(row)) {
            gpr[CpuRegisters.RAX] = random.nextInt(8); // the components that the interpreter has
            gpr[CpuRegisters.RDX] = 0;
        }
        if (row.mnemonic().startsWith("PCMPESTR") && !chance(8)) {
            gpr[CpuRegisters.RAX] = random.nextInt(-20, 20);
            gpr[CpuRegisters.RDX] = random.nextInt(-20, 20);
        }
        if (row.operands().contains("CL") && chance(2)) {
            gpr[CpuRegisters.RCX] = gpr[CpuRegisters.RCX] & ~0xffL | random.nextInt(70);
        }
        if (row.mnemonic().contains("DIV") && chance(2)) {
            gpr[CpuRegisters.RDX] = chance(2) ? 0 : gpr[CpuRegisters.RAX] >> 63;
        }

        int vexLength = vexLength(row);
        int alignment = vexLength == 0 ? 16 : 32;
        long target = row.has("align") && !chance(6)
                ? Oracle.WINDOW_START + alignment * random.nextInt(2, Oracle.WINDOW / alignment - 2)
                : row.mnemonic().startsWith("FX") && row.operands().contains("M") && !chance(6)
                        ? Oracle.WINDOW_START + 16 * random.nextInt(2, 20)
                        : xsave(row) && !chance(16) ? Oracle.WINDOW_START + 64 * random.nextInt(0, 4) : near(false);
        int displacementAt = -1;
        ByteArrayOutputStream tail = new ByteArrayOutputStream();
        int modrm = 0;
        if (row.modrm()) {
            int reg = row.reg() >= 0 ? row.reg() : random.nextInt(8);
            if (!memory) {
                modrm = 0xc0 | reg << 3 | (row.rm() >= 0 ? row.rm() : random.nextInt(8));
            } else {
                if (row.rm() >= 0) {
                    rex &= ~1;
                }
                long base = gs ? Oracle.GS_BASE : 0;
                int form = row.has("vsib") ? 3 : random.nextInt(5);
                int b = random.nextInt(8) | (rex & 1) << 3;
                if ((b & 7) == 4) {
                    form = Math.max(form, 3);
                }
                if (bitString(row)) {
                    // the offset in the register reaches past the operand: not too far here
                    int r = reg | (rex & 4) << 1;
                    gpr[r] = random.nextInt(-1000, 1000);
                }
                if (b == CpuRegisters.RSP && form != 0) {
                    b = b ^ 1;
                    // RSP as a base would lose its stack address
                }
                if ((b & 7) == 4) {
                    form = 3;
                }
                switch (form) {
                    case 0 -> { // RIP-relative
                        modrm = reg << 3 | 5;
                        displacementAt = 0;
                        tail.writeBytes(new byte[4]);
                    }
                    case 1 -> { // [base], or with disp8 0 for RBP and R13
                        boolean needs = (b & 7) == 5;
                        modrm = (needs ? 0x40 : 0) | reg << 3 | b & 7;
                        if (needs) {
                            tail.write(0);
                        }
                        gpr[b] = target - base;
                    }
                    case 2 -> { // [base + disp8]
                        int disp = random.nextInt(-128, 128);
                        modrm = 0x40 | reg << 3 | b & 7;
                        tail.write(disp);
                        gpr[b] = target - base - disp;
                    }
                    default -> { // [base + index * scale + disp32]
                        int disp = random.nextInt(-0x8000, 0x8000);
                        int scale = random.nextInt(4);
                        int index = random.nextInt(8) | (rex & 2) << 2;
                        modrm = 0x80 | reg << 3 | 4;
                        tail.write(scale << 6 | (index & 7) << 3 | b & 7);
                        for (int i = 0; i < 4; i++) {
                            tail.write(disp >> i * 8);
                        }
                        if (index == 4 || row.has("vsib")) {
                            gpr[b] = target - base - disp;
                        } else if (index == b) {
                            long factor = 1 + (1L << scale);
                            // the target moves to where the sum can be divided
                            long v = (target - base - disp) / factor;
                            gpr[b] = v;
                            target = v * factor + disp + base;
                        } else {
                            gpr[index] = address32 ? random.nextInt(0x10000) : random.nextInt(-0x8000, 0x8000);
                            gpr[b] = target - base - disp - (gpr[index] << scale);
                        }
                    }
                }
                if (address32 && form != 0) {
                    for (int i = 0; i < 16; i++) {
                        // upper halves have no meaning then
                        if (i == b) {
                            gpr[i] = gpr[i] & 0xffffffffL | (long) random.nextInt() << 32;
                        }
                    }
                    if (gs) {
                        gpr[b] &= 0xffffffffL;
                    }
                }
            }
        }
        if (plain) {
            target = -1;
        }

        if (vex) {
            vex(code, row, rex, vexLength);
        } else if (rex != 0) {
            code.write(rex);
        }
        if (row.map() > 0 && !vex) {
            code.write(0x0f);
            if (row.map() > 1) {
                code.write(row.map() == 2 ? 0x38 : 0x3a);
            }
        }
        code.write(row.opcode() + (row.plusReg() ? random.nextInt(8) : 0));
        if (row.modrm()) {
            code.write(modrm);
        }
        int tailAt = code.size();
        code.writeBytes(tail.toByteArray());
        for (String operand : row.operands()) {
            int size =
                    switch (operand) {
                        case "Ib", "Ibs", "Ib2", "Jb" -> 1;
                        case "Iw" -> 2;
                        case "Iz", "Jz" -> Math.min(opSize, 4);
                        case "Iv" -> opSize;
                        default -> operand.startsWith("L") ? 1 : 0; // a register in an immediate's upper half
                    };
            long v = operand.equals("Ib") && chance(2) ? random.nextInt(70) : integer();
            if (operand.equals("Iw") && row.mnemonic().equals("ENTER")) {
                v = random.nextInt(64);
            } else if (operand.equals("Ib2")) {
                v = random.nextInt(4);
            } else if (operand.startsWith("J")) {
                v = (int) v & 0x7fffff7f | 1; // never back to itself
            } else if (operand.startsWith("O")) {
                target = near(false);
                v = target - (gs ? Oracle.GS_BASE : 0);
                size = address32 ? 4 : 8;
            }
            for (int i = 0; i < size; i++) {
                code.write((int) (v >> i * 8));
            }
        }
        byte[] bytes = code.toByteArray();
        if (displacementAt >= 0) {
            long d = target - (gs ? Oracle.GS_BASE : 0) - (Oracle.CODE_START + bytes.length);
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(tailAt + displacementAt, (int) d);
        }
        boolean addresses = xsave(row) && (gpr[CpuRegisters.RAX] >>> 3 != 0 || gpr[CpuRegisters.RDX] != 0);
        if (bytes.length > 15 || addresses) {
            return make(row);
        }
        byte[] fx = image(row);
        if (xsave(row)) {
            // components with their initial values
            if (chance(2)) {
                java.util.Arrays.fill(fx, Oracle.YMM_HIGH, Oracle.XSAVE, (byte) 0);
            }
            if (chance(3)) {
                java.util.Arrays.fill(fx, 160, 416, (byte) 0);
            }
            if (chance(3)) {
                XsaveImage.initialMxcsr(fx);
            }
            if (chance(3)) {
                XsaveImage.initialX87(fx);
            }
        }
        if (row.has("vsib")) {
            // indices that stay in the window
            ByteBuffer b = ByteBuffer.wrap(fx).order(ByteOrder.LITTLE_ENDIAN);
            boolean quad = (row.opcode() & 1) != 0;
            for (int i = 0; i < 32; i++) {
                if (chance(2)) {
                    for (int at : new int[] {160 + i * 8, Oracle.YMM_HIGH + i * 8}) {
                        b.putInt(at, random.nextInt(-18, 18)).putInt(at + 4, random.nextInt(-18, 18));
                        if (quad) {
                            b.putLong(at, random.nextInt(-18, 18));
                        }
                    }
                }
            }
        }
        byte[] data = window(row, target);
        long rflags = 0x302 | random.nextInt(0x1000) & 0x8d5 | (chance(3) ? CpuRegisters.DF : 0);
        return new OracleCase(row, bytes, new Oracle.State(-1, Oracle.CODE_START, rflags, gpr, fx, data), target);
    }

    /** VEX.L of a case of this row: as the row asks, seldom the other. */
    private int vexLength(InstructionRow row) {
        int length = row.vexLength() == InstructionRow.ANY_LENGTH ? random.nextInt(2) : row.vexLength();
        // with 256 bits these are a feature of their own (VAES, VPCLMULQDQ)
        boolean only128 = row.needs() == CpuFeature.AES || row.needs() == CpuFeature.PCLMULQDQ;
        return !only128 && chance(40) ? length ^ 1 : length;
    }

    /** A VEX prefix for the REX it stands for, in two bytes where they can say it. */
    private void vex(ByteArrayOutputStream code, InstructionRow row, int rex, int length) {
        int pp = row.prefix() == 0 ? 0 : row.prefix() == 0x66 ? 1 : row.prefix() == 0xf3 ? 2 : 3;
        boolean uses = row.operands().stream().anyMatch(o -> o.startsWith("B") || o.startsWith("H"));
        int vvvv = uses || chance(40) ? random.nextInt(16) : 0;
        int w = row.rexW() == InstructionRow.ANY_W ? rex & 8 : row.rexW() << 3;
        // AMD's processors ignore it in these two
        boolean ignored = row.mnemonic().matches("VPERM(Q|PD)") && !Oracle.INTEL;
        w = !ignored && chance(40) ? w ^ 8 : w;
        if (row.map() == 1 && w == 0 && (rex & 3) == 0 && chance(2)) {
            code.write(0xc5);
            code.write((~rex & 4) << 5 | (~vvvv & 15) << 3 | length << 2 | pp);
        } else {
            code.write(0xc4);
            code.write((~rex & 7) << 5 | row.map());
            code.write(w << 4 | (~vvvv & 15) << 3 | length << 2 | pp);
        }
    }

    private static boolean xsave(InstructionRow row) {
        return row.mnemonic().startsWith("XSAVE") || row.mnemonic().equals("XRSTOR");
    }

    private static boolean string(InstructionRow row) {
        return row.operands().stream().anyMatch(o -> o.startsWith("X") || o.startsWith("Y"));
    }

    /** Whether a case gets a memory operand; where the operands allow but one of the forms, the other is rare. */
    private boolean memory(InstructionRow row) {
        if (row.mod() != InstructionRow.ANY_MOD) {
            return row.mod() == InstructionRow.MEMORY;
        }
        boolean register = row.operands().stream().anyMatch(o -> o.startsWith("U") || o.startsWith("N"));
        boolean only = row.operands().stream().anyMatch(o -> o.startsWith("M"));
        return register || only ? only != chance(32) : chance(2);
    }

    private static boolean bitString(InstructionRow row) {
        return row.mnemonic().startsWith("BT") && row.operands().contains("Gv");
    }

    /** 0: no implied memory, 1: RSI and RDI, 2: MASKMOV, 3: XLAT, 4: frames. */
    private static int implied(InstructionRow row) {
        return string(row)
                ? 1
                : row.operation().equals("MASKMOVQ") || row.operation().equals("MASKMOVDQU")
                        ? 2
                        : row.mnemonic().equals("XLAT")
                                ? 3
                                : row.mnemonic().equals("LEAVE")
                                                || row.mnemonic().equals("ENTER")
                                        ? 4
                                        : 0;
    }

    /** An address in the window, often at the boundary of the two pages. */
    private long near(boolean anywhere) {
        return !anywhere && chance(3)
                ? Oracle.DATA + 4096 - random.nextInt(36)
                : Oracle.WINDOW_START + random.nextInt(160, Oracle.WINDOW - 160);
    }

    // ---- x87, SSE and memory ----

    private byte[] image(InstructionRow row) {
        char kind = kind(row);
        ByteBuffer b = ByteBuffer.allocate(Oracle.XSAVE).order(ByteOrder.LITTLE_ENDIAN);
        boolean x87 = row.source().startsWith("instructions-x87");
        int control = chance(2)
                ? 0x37f
                : chance(4) ? random.nextInt(0x10000) & 0x1f7f | 0x40 : random.nextInt(0x10000) & 0xf00 | 0x7f;
        b.putShort(0, (short) control);
        int top = random.nextInt(8);
        int flags = chance(2) ? 0 : random.nextInt(64) & (chance(16) ? 0x3f : control);
        b.putShort(2, (short) (top << 11 | flags | random.nextInt(0x10000) & 0x4700));
        b.putShort(4, (short) (x87 && !chance(4) ? 0xff : random.nextInt(256)));
        b.putInt(
                24,
                chance(2)
                        ? 0x1f80 | random.nextInt(64)
                        : chance(3) ? random.nextInt(0x10000) : 0x1f80 | random.nextInt(0x10000) & 0xe07f);
        b.putInt(28, 0xffff);
        for (int i = 0; i < 8; i++) {
            if (x87 || chance(2)) {
                extended(b, 32 + i * 16);
            } else {
                b.putLong(32 + i * 16, word(kind)).putShort(32 + i * 16 + 8, (short) -1);
            }
        }
        for (int i = 0; i < 32; i++) {
            b.putLong(160 + i * 8, word(kind));
            b.putLong(Oracle.YMM_HIGH + i * 8, word(kind));
        }
        if (chance(4)) {
            // equal operands
            int from = random.nextInt(16);
            for (int i = 0; i < 16; i += chance(2) ? 1 : 2) {
                b.putLong(160 + i * 16, b.getLong(160 + from * 16));
                b.putLong(168 + i * 16, b.getLong(168 + from * 16));
                b.putLong(Oracle.YMM_HIGH + i * 16, b.getLong(Oracle.YMM_HIGH + from * 16));
            }
        }
        return b.array();
    }

    private byte[] window(InstructionRow row, long target) {
        char kind = kind(row);
        ByteBuffer b = ByteBuffer.allocate(Oracle.WINDOW).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < Oracle.WINDOW; i += 8) {
            b.putLong(i, word(kind));
        }
        int at = (int) (target - Oracle.WINDOW_START);
        if (target < 0 || at < 0 || at > Oracle.WINDOW - 16) {
            return b.array();
        }
        String m = row.mnemonic();
        if (row.source().startsWith("instructions-x87")) {
            String size = row.operands().isEmpty() ? "" : row.operands().getFirst();
            if (m.equals("FBLD") && !chance(8)) {
                for (int i = 0; i < 9; i++) {
                    b.put(at + i, (byte) (chance(4) ? 0 : random.nextInt(10) << 4 | random.nextInt(10)));
                }
                b.put(at + 9, (byte) (random.nextInt(256) & 0x80));
            } else if (size.equals("Mt")) {
                extended(b, at);
            } else if (m.startsWith("FI") || m.equals("FLDCW")) {
                b.putLong(at, integer());
            } else if (size.equals("Md")) {
                b.putInt(at, floatBits());
            } else if (size.equals("Mq")) {
                b.putLong(at, doubleBits());
            }
        } else if (m.equals("LDMXCSR")) {
            b.putInt(at, random.nextInt(chance(4) ? 0x20000 : 0x10000));
        } else if (m.equals("FXRSTOR") && at + 512 <= Oracle.WINDOW) {
            b.put(at, image(row), 0, 512);
            b.putLong(at + 8, 0).putLong(at + 16, 0);
        } else if (xsave(row) && at + Oracle.XSAVE <= Oracle.WINDOW) {
            b.put(at, image(row));
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
        } else if (m.startsWith("CMPXCHG") && chance(2)) {
            b.putLong(at, integer());
        } else {
            b.putLong(at, word(kind));
            if (at <= Oracle.WINDOW - 16) {
                b.putLong(at + 8, word(kind));
            }
        }
        return b.array();
    }
}
