package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class OracleTableTest {
    @Test
    void everyGroupOfTheTableOfInstructionsStandsInTheReadmeWithAllItsForms() throws IOException {
        Path readme = Files.exists(Path.of("README.md")) ? Path.of("README.md") : Path.of("../README.md");
        String text = Files.readString(readme);
        String block = text.substring(text.indexOf(OracleTable.BEGIN), text.indexOf(OracleTable.END));
        for (Map.Entry<String, List<InstructionRow>> group :
                OracleTable.groups().entrySet()) {
            String start =
                    "| %s | %d |".formatted(group.getKey(), group.getValue().size());
            assertTrue(block.contains(start), "run bench/oracle table: the README has not " + start);
        }
    }

    @Test
    void everyRowIsInOneGroup() {
        int rows = OracleTable.groups().values().stream().mapToInt(List::size).sum();
        assertEquals(InstructionTable.INSTANCE.rows().size(), rows);
    }

    @Test
    void whatIsNotComparedAtAllHasAReasonAndWhatNeedsRing0IsComparedByItsFault() {
        for (InstructionRow row : InstructionTable.INSTANCE.rows()) {
            OracleCoverage.Kind kind = OracleCoverage.kind(row);
            assertEquals(
                    kind == OracleCoverage.Kind.NONE,
                    !OracleCoverage.reason(row).isEmpty(),
                    row.toString());
            assertFalse(row.has("cpl0") && kind == OracleCoverage.Kind.FULL, row.toString());
        }
    }
}
