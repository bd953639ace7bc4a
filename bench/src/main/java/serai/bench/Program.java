package serai.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * A program of the benchmark: a C source whose first line is {@code // GROUP: what it does}.
 *
 * @param name of the source and of the executable
 */
record Program(String name, Group group) {

    /** All sources of a directory, by group and name. */
    static List<Program> all(Path sources) throws IOException {
        List<Program> programs = new ArrayList<>();
        try (Stream<Path> files = Files.list(sources)) {
            for (Path f : files.filter(f -> f.toString().endsWith(".c")).toList()) {
                try (Stream<String> lines = Files.lines(f)) {
                    programs.add(of(
                            String.valueOf(f.getFileName()), lines.findFirst().orElse("")));
                }
            }
        }
        programs.sort(Comparator.comparing(Program::group).thenComparing(Program::name));
        return programs;
    }

    /**
     * @param file with {@code .c}
     * @param line the first
     */
    static Program of(String file, String line) {
        int colon = line.indexOf(':');
        if (!line.startsWith("// ") || colon < 0) {
            throw new IllegalArgumentException(file + " does not begin with '// GROUP: what it does'");
        }
        return new Program(file.substring(0, file.length() - 2), Group.of(line.substring(3, colon)));
    }

    /** Whether a name is this program's or its group's. */
    boolean is(String wanted) {
        return wanted.equals(name) || wanted.equals(group.title());
    }
}
