package serai.storage.luks;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
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
        List<String> words = Arrays.stream(command).map(Object::toString).toList();
        Path out = Files.createTempFile("luks", ".out");
        try {
            Process p = new ProcessBuilder(words)
                    .redirectErrorStream(true)
                    .redirectOutput(out.toFile())
                    .redirectInput(
                            ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                    .start();
            int status = p.waitFor();
            String said = Files.readString(out);
            if (status != 0) {
                throw new AssertionError(words + " ended with " + status + ": " + said);
            }
            return said;
        } finally {
            Files.delete(out);
        }
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
