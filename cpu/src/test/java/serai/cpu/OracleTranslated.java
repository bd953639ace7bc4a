package serai.cpu;

import java.util.Objects;
import serai.cpu.Templates.Template;

/** Translated code against the physical CPU: what the translator writes itself, in 64-bit mode and in 32-bit code with flat segments. */
final class OracleTranslated {
    private static final int LONGEST = 15;

    private final OracleCpu cpu = new OracleCpu(new OracleCpu.Quiet(), TranslationMode.ON, CpuGroup.CODE_SIZE);
    private final Templates templates = new Templates(HostCpu.FEATURES);

    /** Whether the translator writes instructions of a row, if their operands allow it. */
    boolean translates(InstructionRow row) {
        Template t = templates.of(row);
        return t != Template.INTERPRET && t != Template.LAST;
    }

    /** Whether a case of a row can be run to a breakpoint behind it. */
    boolean takes(OracleCase c, OracleState want) {
        boolean flat = c.mode() == OracleMode.LONG || c.mode() == OracleMode.CODE32 && OracleSegments.flat(c.before());
        if (!flat || !translates(c.row())) {
            return false;
        }
        switch (templates.of(c.row())) {
            case STRING, PUSH_FLAGS, SYSCALL, SYSRET -> {
                return false; // that they are stepped on the physical CPU shows in what they leave
            }
            default -> {}
        }
        // not at the end of the code, nor a jump into itself
        long at = c.before().rip();
        boolean inside = c.codeAt() + 2 * LONGEST < OracleMemory.CODE + OracleMemory.CODE_SIZE && at == c.codeAt();
        boolean itself = want.vector() < 0 && want.rip() >= at && want.rip() < at + c.code().length;
        return inside && !itself;
    }

    OracleState execute(OracleCase c) {
        long before = units();
        OracleState s = cpu.executeToBreakpoint(c);
        if (units() == before) {
            throw new IllegalStateException("nothing was translated");
        }
        return s;
    }

    private long units() {
        return Objects.requireNonNull(cpu.cpu.stats().exits().get("units"));
    }
}
