package serai.storage.luks;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import serai.storage.BlockDevice;
import serai.storage.NativeBuffer;

/** What the tests of LUKS have in common. */
final class LuksTools {
    private LuksTools() {}

    static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    /** Runs a program, which has to succeed; what it said. */
    static String run(Object... command) throws IOException, InterruptedException {
        return tell("", command);
    }

    /** The same, with something on its standard input. */
    static String tell(String input, Object... command) throws IOException, InterruptedException {
        List<String> words =
                Arrays.stream(command).map(Object::toString).collect(Collectors.toCollection(ArrayList::new));
        words.set(0, found(words.getFirst()));
        Path out = Files.createTempFile("luks", ".out");
        try {
            Process p = new ProcessBuilder(words)
                    .redirectErrorStream(true)
                    .redirectOutput(out.toFile())
                    .start();
            try (OutputStream to = p.getOutputStream()) {
                to.write(bytes(input));
            }
            int status = p.waitFor();
            String said = Files.readString(out, StandardCharsets.ISO_8859_1);
            if (status != 0) {
                throw new AssertionError(words + " ended with " + status + ": " + said);
            }
            return said;
        } finally {
            Files.delete(out);
        }
    }

    /** A program, or the test is skipped. */
    private static String found(String program) {
        for (String directory : (System.getenv("PATH") + ":/usr/sbin:/sbin").split(":")) {
            Path p = Path.of(directory, program);
            if (Files.isExecutable(p)) {
                return p.toString();
            }
        }
        String capability =
                switch (program) {
                    case "qemu-img" -> "qemu-utils";
                    case "grub-fstest" -> "grub";
                    default -> program;
                };
        assumeTrue(false, "capability: " + capability);
        return program;
    }

    static byte[] read(BlockDevice d, long position, int length) throws IOException {
        byte[] bytes = new byte[length];
        try (NativeBuffer b = new NativeBuffer(length)) {
            d.read(position, b.address(), length);
            MemorySegment.copy(b.segment(), ValueLayout.JAVA_BYTE, 0, bytes, 0, length);
        }
        return bytes;
    }

    static void write(BlockDevice d, long position, byte[] from, int at, int length) throws IOException {
        try (NativeBuffer b = new NativeBuffer(length)) {
            MemorySegment.copy(from, at, b.segment(), ValueLayout.JAVA_BYTE, 0, length);
            d.write(position, b.address(), length);
        }
    }
}
