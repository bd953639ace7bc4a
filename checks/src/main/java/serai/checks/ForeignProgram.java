package serai.checks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One line of checks/foreign/programs.txt, which says what the fields mean.
 *
 * @param suite of the builds: qemu or linux
 * @param name of the binary
 * @param but an extended regular expression for lines that may differ; empty for none
 * @param reason why it may fail, or is not run, or may differ; empty for none
 */
public record ForeignProgram(String suite, String name, Verdict verdict, Where where, String but, String reason) {
    /** What is expected. */
    public enum Verdict {
        SAME,
        PASSES,
        FAILS,
        SKIP
    }

    /** With which kernel. */
    public enum Where {
        TINY,
        GENERIC
    }

    private static final Pattern LINE = Pattern.compile(
            "(qemu|linux)/(\\S+)\\s+(same|passes|fails|skip)\\s+(tiny|generic)(?: but (.*?))?(?:\\s+: (.*))?");

    /** All of them, in the order of the file. */
    public static List<ForeignProgram> all() {
        try {
            return Files.readAllLines(directory().resolve("programs.txt")).stream()
                    .filter(l -> !l.isBlank() && !l.startsWith("#"))
                    .map(ForeignProgram::parse)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The directory of the list and of the scripts. */
    static Path directory() {
        return Guests.root().resolve("checks/foreign");
    }

    static ForeignProgram parse(String line) {
        Matcher m = LINE.matcher(line.strip());
        if (!m.matches()) {
            throw new IllegalArgumentException("programs.txt: " + line);
        }
        Verdict v = Verdict.valueOf(m.group(3).toUpperCase(Locale.ROOT));
        String but = m.group(5) == null ? "" : m.group(5).strip();
        String reason = m.group(6) == null ? "" : m.group(6);
        if (reason.isEmpty() && (v == Verdict.FAILS || v == Verdict.SKIP || !but.isEmpty())) {
            throw new IllegalArgumentException("programs.txt: no reason is given: " + line);
        }
        return new ForeignProgram(
                m.group(1), m.group(2), v, Where.valueOf(m.group(4).toUpperCase(Locale.ROOT)), but, reason);
    }

    @Override
    public String toString() {
        return suite + "/" + name;
    }
}
