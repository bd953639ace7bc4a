package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import serai.machine.cpuid.X86Model;
import serai.machine.engine.CpuModel.Leaf;

/** CPUID promises exactly what works: checks/cpuid.txt names the proof of each bit. */
final class CpuidProofsTest {
    private static final Pattern LINE =
            Pattern.compile("(?<bit>[0-9a-f]+\\.[0-9] e[abcd]x [0-9]+) (?<name>\\w+): (?<proofs>.+)");

    /** Registers that are feature bits; the others of these leaves are numbers. */
    private static final Map<String, String> FEATURE_WORDS = Map.of(
            "1.0", "ecx edx",
            "6.0", "eax",
            "7.0", "ebx ecx edx",
            "7.1", "eax ebx edx",
            "d.1", "eax",
            "80000001.0", "ecx edx",
            "80000007.0", "edx",
            "80000008.0", "ebx");

    private record Proof(String name, String proofs) {}

    private static Map<String, Proof> proofs() throws IOException {
        Map<String, Proof> all = new TreeMap<>();
        for (String line : Files.readAllLines(Guests.root().resolve("checks/cpuid.txt"))) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            Matcher m = LINE.matcher(line);
            assertTrue(m.matches(), line);
            all.put(m.group("bit"), new Proof(m.group("name"), m.group("proofs")));
        }
        return all;
    }

    /** The files under src of every module. */
    private static List<Path> sources() throws IOException {
        List<Path> all = new ArrayList<>();
        try (DirectoryStream<Path> modules = Files.newDirectoryStream(Guests.root())) {
            for (Path module : modules) {
                if (Files.isDirectory(module.resolve("src"))) {
                    try (Stream<Path> files = Files.walk(module.resolve("src"))) {
                        all.addAll(files.toList());
                    }
                }
            }
        }
        return all;
    }

    @Test
    void everyBitOfEveryModelHasAProof_andNoProofIsLeftOver() throws IOException {
        Set<String> promised = new TreeSet<>();
        for (String model : new String[] {"x86-64-v1", "x86-64-v2", "x86-64-v3"}) {
            // with several CPUs, for the bits that tell of those
            X86Model m = X86Model.named(model, 4);
            FEATURE_WORDS.forEach((leaf, registers) -> {
                String[] part = leaf.split("\\.", -1);
                Leaf l = m.cpuid(Integer.parseUnsignedInt(part[0], 16), Integer.parseInt(part[1]), 0);
                for (String register : registers.split(" ", -1)) {
                    int word =
                            switch (register) {
                                case "eax" -> l.eax();
                                case "ebx" -> l.ebx();
                                case "ecx" -> l.ecx();
                                default -> l.edx();
                            };
                    for (int bit = 0; bit < 32; bit++) {
                        if ((word >>> bit & 1) != 0) {
                            promised.add("%s %s %d".formatted(leaf, register, bit));
                        }
                    }
                }
            });
        }
        assertEquals(promised, proofs().keySet());
    }

    @Test
    void everyProofIsThere() throws IOException {
        StringBuilder tables = new StringBuilder();
        Set<String> tests = new TreeSet<>();
        for (Path p : sources()) {
            String name = p.getFileName().toString();
            if (name.endsWith(".tab")) {
                tables.append(Files.readString(p));
            } else if (name.endsWith("Test.java")) {
                tests.add(name.substring(0, name.length() - ".java".length()));
            }
        }
        for (Proof p : proofs().values()) {
            for (String proof : p.proofs.split(", ", -1)) {
                String word = proof.substring(proof.indexOf(' ') + 1);
                boolean there =
                        switch (proof.split(" ", -1)[0]) {
                            case "oracle" ->
                                tests.contains("OracleTest")
                                        && Pattern.compile("cpuid=" + p.name + "\\b")
                                                .matcher(tables)
                                                .find();
                            case "guest" ->
                                Guests.all().stream().anyMatch(g -> g.name().equals(word));
                            case "test" -> tests.contains(word);
                            default -> false;
                        };
                assertTrue(there, p.name + ": " + proof);
            }
        }
    }
}
