package serai.cpu;

import java.util.HexFormat;

/**
 * One instruction with the state to run it in.
 *
 * @param row the row of the table it was made from
 * @param mode the mode it runs in
 * @param seed what it was made from
 * @param code its bytes
 * @param codeAt their linear address
 * @param before the state to begin with; TF is set
 * @param dataAt linear address of the window
 * @param target linear address of the memory operand, or -1
 */
record OracleCase(
        InstructionRow row,
        OracleMode mode,
        long seed,
        byte[] code,
        long codeAt,
        OracleState before,
        long dataAt,
        long target) {
    /** Whether the instruction may have more than one round, with a trap after each. */
    boolean repeats() {
        if (row.has("vsib")) {
            return true;
        }
        for (byte b : code) {
            int u = b & 0xff;
            if (u == 0xf2 || u == 0xf3) {
                return true;
            }
        }
        return false;
    }

    /** What {@code bench/oracle} takes, {@code kind} telling whether its bytes are changed, to make and run it again. */
    String command(String kind) {
        return "bench/oracle %s %s %s %d"
                .formatted(kind, row.source().replaceAll("^instructions-|\\.tab", ""), mode, seed);
    }

    @Override
    public String toString() {
        return "%s %s %s %s [%s]"
                .formatted(
                        row.mnemonic(),
                        String.join(",", row.operands()),
                        HexFormat.of().formatHex(code),
                        mode,
                        row.source());
    }
}
