package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;

final class ExitCountsTest {
    private static final InstructionRow CPUID = InstructionTable.INSTANCE.rows().stream()
            .filter(r -> r.mnemonic().equals("CPUID"))
            .findFirst()
            .orElseThrow();
    private static final InstructionRow HLT = InstructionTable.INSTANCE.rows().stream()
            .filter(r -> r.mnemonic().equals("HLT"))
            .findFirst()
            .orElseThrow();

    @Test
    void frequentInstructionsAreNamedAndRareOnesOnlyCounted() {
        ExitCounts counts = new ExitCounts();
        for (int i = 0; i < 1000; i++) {
            counts.count(ExitCounts.INSTRUCTION, CPUID.number(), 0x1000);
        }
        counts.count(ExitCounts.INSTRUCTION, HLT.number(), 0x2000);
        counts.count(ExitCounts.POLL, 0x3000);
        Map<String, Long> report = counts.report();
        assertEquals(1000, report.get("exit-instruction CPUID"));
        assertFalse(report.containsKey("exit-instruction HLT"));
        assertEquals(1001, report.get("exit-instruction"));
        assertEquals(1, report.get("exit-poll"));
    }

    @Test
    void sitesAreThoseThatComeMostOften() {
        ExitCounts counts = new ExitCounts();
        for (int i = 0; i < 100_000; i++) {
            // in the same slot as a thousand others that come once each
            counts.count(ExitCounts.JUMP, 0x7000);
            counts.count(ExitCounts.JUMP, 0x7000);
            counts.count(ExitCounts.JUMP, 0x7000);
            counts.count(ExitCounts.JUMP, 0x7000L + ((i % 1000L + 1) << 22));
        }
        Map<String, Long> report = counts.report();
        assertTrue(report.containsKey("exit-site 0x7000"), report::toString);
        assertEquals(400_000, report.get("exit-jump"));
    }
}
