package serai.cpu;

import java.util.List;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.CpuFeature;

/**
 * One form of an instruction: a line of the instruction table.
 *
 * @param number its place in the table, from 0
 * @param mnemonic the manual's name, such as {@code ADD}
 * @param operation the mnemonic without the V of a VEX form: what is done, whatever the encoding
 * @param map 0 one-byte opcodes, 1 after 0F, 2 after 0F 38, 3 after 0F 3A
 * @param opcode the last opcode byte
 * @param plusReg the low three bits of the opcode name a register (the manual's {@code +rd})
 * @param prefix the mandatory prefix: {@link #ANY_PREFIX}, {@link #NO_REPEAT}, 0 for none allowed ({@code NP}), 0x66, 0xf2 or 0xf3
 * @param rexW what REX.W or VEX.W has to be, or {@link #ANY_W}
 * @param modrm whether a ModR/M byte follows
 * @param reg the opcode extension in ModR/M.reg, or -1
 * @param rm a fixed ModR/M.rm with mod = 3, or -1
 * @param mod {@link #ANY_MOD}, {@link #MEMORY} or {@link #REGISTER}
 * @param vex the VEX encoding's specification as in the manual, such as {@code VEX.128.66.0F.WIG}; empty for legacy
 * @param vexLength what VEX.L has to be, or {@link #ANY_LENGTH}
 * @param operands the operand codes of SDM vol. 2, appendix A.2, such as {@code Ev}
 * @param attributes such as {@code lock}, {@code cpl0}, {@code w=oszapc}; see the head of {@code instructions.tab}
 * @param needs the feature that it belongs to; null if it is always there
 * @param source file and line, for messages
 */
record InstructionRow(
        int number,
        String mnemonic,
        String operation,
        int map,
        int opcode,
        boolean plusReg,
        int prefix,
        int rexW,
        boolean modrm,
        int reg,
        int rm,
        int mod,
        String vex,
        int vexLength,
        List<String> operands,
        List<String> attributes,
        @Nullable CpuFeature needs,
        String source) {
    static final int ANY_PREFIX = -1;
    /** Neither F2 nor F3 ({@code NFx}); 66 has its ordinary meaning. */
    static final int NO_REPEAT = -2;

    static final int ANY_W = -1;
    static final int ANY_LENGTH = -1;
    static final int ANY_MOD = 0;
    static final int MEMORY = 1;
    static final int REGISTER = 2;

    boolean isVex() {
        return !vex.isEmpty();
    }

    /** Whether a VEX row takes this length bit. */
    boolean vexFits(int length) {
        return vexLength == ANY_LENGTH || vexLength == length;
    }

    boolean has(String attribute) {
        return attributes.contains(attribute);
    }

    /** The value of an attribute {@code key=value}, or the empty string. */
    String value(String key) {
        for (String a : attributes) {
            if (a.length() > key.length() && a.startsWith(key) && a.charAt(key.length()) == '=') {
                return a.substring(key.length() + 1);
            }
        }
        return "";
    }
}
