package serai.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A program of the benchmark: a C source that begins with {@code // GROUP: what it does}, or a shell script whose second line is
 * {@code # GROUP: what it does}.
 *
 * @param name of the executable, and of the source with {@code .c} or {@code .sh} added
 */
record Program(String name, Group group) {
    private static final Pattern HEAD = Pattern.compile("(?://|#!/bin/sh\n#) ([^:\n]+): .");

    /** All sources of a directory, by group and name. */
    static List<Program> all(Path sources) throws IOException {
        List<Program> programs = new ArrayList<>();
        try (Stream<Path> files = Files.list(sources)) {
            for (Path f : files.toList()) {
                String name = String.valueOf(f.getFileName());
                if (name.endsWith(".c") || name.endsWith(".sh")) {
                    programs.add(of(name, Files.readString(f)));
                }
            }
        }
        programs.sort(Comparator.comparing(Program::group).thenComparing(Program::name));
        return programs;
    }

    /** @param file its name */
    static Program of(String file, String source) {
        Matcher m = HEAD.matcher(source);
        if (!m.lookingAt()) {
            throw new IllegalArgumentException(file + " does not begin with a comment 'GROUP: what it does'");
        }
        return new Program(file.substring(0, file.lastIndexOf('.')), Group.of(m.group(1)));
    }

    /** Whether a name is this program's or its group's. */
    boolean is(String wanted) {
        return wanted.equals(name) || wanted.equals(group.title());
    }
}
