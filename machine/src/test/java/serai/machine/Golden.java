package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Files that pin what a guest sees of a machine type: {@code src/test/resources/TYPE}. */
public final class Golden {
    private static final Path FILES = Path.of("src/test/resources", Layout.MACHINE_TYPE);

    /** Compares with the file of that name; with {@code -Dserai.golden.write} it is written instead. */
    public static void check(String name, String text) {
        Path file = FILES.resolve(name);
        try {
            if (Boolean.getBoolean("serai.golden.write")) {
                Files.createDirectories(FILES);
                Files.writeString(file, text);
            }
            assertEquals(
                    Files.readString(file),
                    text,
                    name + ": a guest would see another machine under the name " + Layout.MACHINE_TYPE
                            + ". It must not: a change that guests can see needs a new machine type, with files of its own");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Sixteen bytes a line, lines of zeros left out. */
    public static String hex(byte[] bytes) {
        StringBuilder s = new StringBuilder();
        for (int at = 0; at < bytes.length; at += 16) {
            StringBuilder line = new StringBuilder();
            boolean zero = true;
            for (int i = at; i < Math.min(bytes.length, at + 16); i++) {
                line.append(" %02x".formatted(bytes[i]));
                zero &= bytes[i] == 0;
            }
            if (!zero) {
                s.append("%03x:".formatted(at)).append(line).append('\n');
            }
        }
        return s.toString();
    }

    private Golden() {}
}
