package serai.cpu;

import java.util.HexFormat;

/**
 * One instruction with the state to run it in.
 *
 * @param row the row of the table it was made from
 * @param code its bytes
 * @param before registers, flags (TF set), FXSAVE image and window
 * @param target address of the memory operand, or -1
 */
record OracleCase(InstructionRow row, byte[] code, Oracle.State before, long target) {
    @Override
    public String toString() {
        return "%s %s %s [%s]"
                .formatted(
                        row.mnemonic(),
                        String.join(",", row.operands()),
                        HexFormat.of().formatHex(code),
                        row.source());
    }
}
