package serai.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

/** What is made of the programs' times, on times that are made up. */
class ProgramsTest {
    private static final Path ROOT = Path.of("..");

    private static Measured seconds(double... hot) {
        double[] first = hot.clone();
        for (int i = 0; i < first.length; i++) {
            first[i] *= 2;
        }
        return new Measured(first, hot, "");
    }

    private static Row row(String name, Group group, Measured qemu, Measured serai) {
        return new Row(
                new Program(name, group), Map.of(Place.NATIVE, seconds(0.001), Place.TCG, qemu, Place.SERAI, serai));
    }

    private static final List<Row> ROWS = List.of(
            row("half", Group.MEMORY, seconds(0.03, 0.02, 0.04), seconds(0.01, 0.05, 0.02)),
            row("twice", Group.MEMORY, seconds(0.1), new Measured(new double[] {0.8}, new double[] {0.2}, "")),
            row("fast", Group.CALLS, seconds(0.4), seconds(0.01)),
            row("late", Group.CALLS, seconds(0.2), Measured.failed("> 60 s")));

    @Test
    void theTableHasLeastAndMedianAndTheRatioOfTheLeast() {
        assertTrue(
                ProgramTable.markdown(ROWS)
                        .contains(
                                "| half | 1.0 (1.0) | 20.0 (30.0) | 10.0 (20.0) | 0.50 | 40.0 (60.0) | 20.0 (40.0) | 0.50 |\n"));
    }

    @Test
    void eachGroupAndAllHaveTheirGeometricMean() {
        String table = ProgramTable.markdown(ROWS);
        // 0.5 and 2 hot; 0.5 and 4 in the first run
        assertTrue(table.contains("| **memory** | | | | **1.00** | | | **1.41** |\n"), table);
        // 0.5, 2 and 0.025: the cube root of 0.025
        assertTrue(table.contains("| **all** | | | | **0.29** (3 of 4) | | | **0.37** (3 of 4) |\n"), table);
    }

    @Test
    void aProgramWithoutAFigureSaysWhyAndIsNotedAtTheMeans() {
        String table = ProgramTable.markdown(ROWS);
        assertTrue(table.contains("| late | 1.0 (1.0) | 200 (200) | > 60 s | – | 400 (400) |  | – |\n"), table);
        assertTrue(table.contains("| **calls** | | | | **0.03** (1 of 2) | | | **0.03** (1 of 2) |\n"), table);
    }

    @Test
    void eachLineOfTheTableHasTheColumnsOfItsHead() {
        for (String line : ProgramTable.markdown(ROWS).split("\n")) {
            assertEquals(9, line.chars().filter(c -> c == '|').count(), line);
        }
    }

    @Test
    void barsBeginAtOneAndGoToTheLeftWhereSeraiIsFaster() throws Exception {
        Document svg = chart(ROWS);
        List<double[]> bars = new ArrayList<>(); // from, to
        NodeList rectangles = svg.getElementsByTagName("rect");
        for (int i = 1; i < rectangles.getLength(); i++) { // the first is the ground
            Element r = (Element) rectangles.item(i);
            double x = Double.parseDouble(r.getAttribute("x"));
            bars.add(new double[] {x, x + Double.parseDouble(r.getAttribute("width"))});
        }
        assertEquals(6, bars.size()); // hot and first of three
        // of memory: half and twice; of calls: fast
        double one = bars.get(0)[1];
        assertEquals(one, bars.get(2)[0], 0.11);
        assertEquals(one, bars.get(4)[1], 0.11);
        // logarithmic: as far to 0.5 as to 2, and to 4 twice as far
        double octave = bars.get(0)[1] - bars.get(0)[0];
        assertEquals(octave, bars.get(2)[1] - bars.get(2)[0], 0.3);
        assertEquals(2 * octave, bars.get(3)[1] - bars.get(3)[0], 0.3);
        assertTrue(texts(svg).contains("> 60 s"));
    }

    @Test
    void aChartOfFailuresAloneHasTheirNames() throws Exception {
        List<Row> failed = List.of(row("a<b", Group.KERNEL, Measured.failed("signal 11"), seconds(1)));
        assertTrue(texts(chart(failed)).containsAll(List.of("a<b", "signal 11", "kernel")));
    }

    private static Document chart(List<Row> rows) throws Exception {
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(ProgramChart.svg(rows, "made up & not measured"))));
    }

    private static List<String> texts(Document svg) {
        List<String> out = new ArrayList<>();
        NodeList texts = svg.getElementsByTagName("text");
        for (int i = 0; i < texts.getLength(); i++) {
            out.add(texts.item(i).getTextContent());
        }
        return out;
    }

    @Test
    void programsAreChosenByNameOrGroupInTheTablesOrder() {
        List<Program> all = List.of(
                new Program("a", Group.INTEGER), new Program("b", Group.MEMORY), new Program("c", Group.MEMORY));
        assertEquals(all, Programs.chosen(all));
        assertEquals(all, Programs.chosen(all, "memory", "a"));
        assertEquals(all.subList(1, 2), Programs.chosen(all, "b"));
        assertThrows(IllegalArgumentException.class, () -> Programs.chosen(all, "a", "d"));
    }

    @Test
    void eachSourceNamesItsGroup() throws Exception {
        List<Program> all = new ArrayList<>(Suite.PROGRAMS.programs(ROOT));
        all.addAll(Suite.DEBIAN.programs(ROOT));
        for (Group g : Group.values()) {
            assertFalse(Programs.chosen(all, g.title()).isEmpty(), g.title());
        }
        assertEquals(new Program("x", Group.CALLS), Program.of("x.c", "// calls: something\nint x;"));
        assertEquals(new Program("x.y", Group.DEBIAN), Program.of("x.y.sh", "#!/bin/sh\n# Debian: something\n"));
        assertThrows(IllegalArgumentException.class, () -> Program.of("x.c", "// nothing: at all"));
        assertThrows(IllegalArgumentException.class, () -> Program.of("x.c", "#include <stdio.h>"));
    }

    @ParameterizedTest
    @EnumSource
    void theTableOfThePageIsReplacedAndNothingElse(Suite suite) {
        String page = "a\n" + suite.begin() + "old\n" + suite.end() + "b\n";
        assertEquals("a\n" + suite.begin() + "new\n" + suite.end() + "b\n", Programs.replaced(page, suite, "new\n"));
        String wrong = suite.end() + suite.begin();
        assertThrows(IllegalArgumentException.class, () -> Programs.replaced(wrong, suite, "new\n"));
    }

    @ParameterizedTest
    @EnumSource
    void theReadmesTableHasAllPrograms(Suite suite) throws Exception {
        String readme = Files.readString(ROOT.resolve("README.md"));
        String table = readme.substring(readme.indexOf(suite.begin()), readme.indexOf(suite.end()));
        for (Program p : suite.programs(ROOT)) {
            assertTrue(table.contains("\n| " + p.name() + " | "), p.name() + ": write the table anew");
        }
    }

    @Test
    void aProgramThatEndsBadlyIsNoFigure() throws Exception {
        assertEquals(new Guest.Outcome(1.5, "00ff"), Guest.outcome(1.5, "0 00ff"));
        for (String line : List.of("11 ", "32512 ", "", "0", "x 00ff")) {
            assertThrows(Guest.FailedException.class, () -> Guest.outcome(1, line), line);
        }
        assertEquals(
                "signal 11",
                assertThrows(Guest.FailedException.class, () -> Guest.outcome(1, "139 "))
                        .getMessage());
        assertEquals(
                "status 127",
                assertThrows(Guest.FailedException.class, () -> Guest.outcome(1, "32512 "))
                        .getMessage());
    }

    @Test
    void statistics() {
        assertEquals(2, Times.median(new double[] {3, 1, 2}));
        assertEquals(2.5, Times.median(new double[] {4, 1, 2, 3}));
        assertEquals(1, Times.min(new double[] {3, 1, 2}));
        assertEquals(4, Times.geometricMean(new double[] {2, 8}), 1e-12);
        assertTrue(Double.isNaN(Times.geometricMean(new double[0])));
        double[] given = {3, 1, 2};
        Times.median(given);
        assertArrayEquals(new double[] {3, 1, 2}, given);
    }
}
