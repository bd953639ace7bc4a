package serai.cpu;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Changed and random bytes in the place of a case's instruction: whatever they are, both sides have to find the same
 * instruction, or none.
 */
final class OracleBytes {
    private static final int[] PREFIXES = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x64, 0x48, 0x41};

    private OracleBytes() {}

    /**
     * Whether bytes that don't decode may be an instruction of a feature that the table has not, but this processor: AVX-512 with its VEX forms of
     * opmasks, VAES, VPCLMULQDQ, GFNI, XSAVES, SSE4a and what AMD added to 0F 01.
     */
    static boolean foreign(OracleCase c) {
        byte[] code = Arrays.copyOf(c.code(), c.code().length + 4);
        int at = 0;
        boolean lock = false;
        while (at < c.code().length - 1 && prefix(c.mode(), code[at] & 0xff)) {
            lock |= (code[at] & 0xff) == 0xf0;
            at++;
        }
        int first = code[at] & 0xff;
        int second = code[at + 1] & 0xff;
        boolean vex = c.mode() == OracleMode.LONG || second >= 0xc0;
        return switch (first) {
            case 0x0f ->
                switch (second) {
                    case 0x01, 0x2b, 0x78, 0x79, 0xc7 -> true;
                    case 0x00, 0x20, 0x22 -> lock; // VERW, which takes it; MOV to and from CR8
                    case 0x38, 0x3a -> (code[at + 2] & 0xfe) == 0xce;
                    default -> false;
                };
            case 0x62 -> vex;
            case 0xc5 -> vex && vex(1, code[at + 2] & 0xff);
            case 0xc4 -> vex && vex(second & 31, code[at + 3] & 0xff);
            default -> false;
        };
    }

    private static boolean prefix(OracleMode mode, int b) {
        return switch (b) {
            case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 -> true;
            default -> mode == OracleMode.LONG && (b & 0xf0) == 0x40;
        };
    }

    private static boolean vex(int map, int opcode) {
        return switch (map) {
            case 1 -> opcode >= 0x41 && opcode <= 0x4b || (opcode & 0xf4) == 0x90;
            case 2 -> opcode >= 0xdc && opcode <= 0xdf || opcode == 0xcf;
            case 3 -> opcode >= 0x30 && opcode <= 0x33 || opcode == 0x44 || (opcode & 0xfe) == 0xce;
            default -> false;
        };
    }

    /** The case with other bytes, by its own seed. */
    static OracleCase change(OracleCase c) {
        SplittableRandom random = new SplittableRandom(c.seed() * 31 + 7);
        byte[] code = c.code().clone();
        switch (random.nextInt(4)) {
            case 0 -> {
                code = new byte[15];
                random.nextBytes(code);
            }
            case 1 -> code[random.nextInt(code.length)] ^= (byte) (1 << random.nextInt(8));
            case 2 -> code[random.nextInt(code.length)] = (byte) random.nextInt(256);
            default -> {
                int prefixes = 1 + random.nextInt(random.nextInt(8) == 0 ? 14 : 3);
                byte[] longer = new byte[code.length + prefixes];
                System.arraycopy(code, 0, longer, prefixes, code.length);
                for (int i = 0; i < prefixes; i++) {
                    longer[i] = (byte) PREFIXES[random.nextInt(PREFIXES.length)];
                }
                code = Arrays.copyOf(longer, Math.min(longer.length, 16));
            }
        }
        return new OracleCase(c.row(), c.mode(), c.seed(), code, c.codeAt(), c.before(), c.dataAt(), -1);
    }
}
