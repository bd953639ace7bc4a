package serai.vmm.share;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.fuzz.GuidedFuzz;
import serai.linux.HostNode;
import serai.machine.virtio.FileServer;

/** A fuzz target: whatever a guest sends, each message gets an answer of a bounded length, and none has what lies outside of the share. */
public final class P9ServerFuzzTest {
    private static final String SECRET = "nobody's business";

    @TempDir
    Path dir = Path.of("");

    private static final Path TREE = tree();

    private static Path tree() {
        try {
            Path outside = Files.createTempDirectory("serai-share");
            Path tree = outside.resolve("tree");
            Files.createDirectories(tree.resolve("a/b"));
            Files.writeString(outside.resolve("secret"), SECRET);
            Files.writeString(tree.resolve("f"), "hello");
            Files.createSymbolicLink(tree.resolve("l"), Path.of("../secret"));
            Files.createSymbolicLink(tree.resolve("d"), Path.of(".."));
            return tree;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What Jazzer calls in a JVM of its own. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        try (P9Server server = new P9Server(HostNode.directory(TREE), true)) {
            for (int at = 0; at < input.length; ) {
                int n = Math.min(1 + (input[at] & 0xff), input.length - at - 1);
                byte[] m = Arrays.copyOfRange(input, at + 1, at + 1 + n);
                at += 1 + n;
                byte[] a = server.answer(m);
                assertTrue(a.length >= P9Writer.HEADER && a.length <= FileServer.MAX_ANSWER, a.length + " bytes");
                assertTrue(!new String(a, StandardCharsets.ISO_8859_1).contains(SECRET));
            }
        }
    }

    /** A message with the byte before it that says how long it is. */
    private static byte[] input(byte[]... messages) {
        P9Writer w = new P9Writer();
        for (byte[] m : messages) {
            w.u8(m.length - 1).bytes(m);
        }
        byte[] all = w.message(0, 0);
        return Arrays.copyOfRange(all, P9Writer.HEADER, all.length);
    }

    private static byte[] seed(String name, int open) {
        return input(
                new P9Writer().u32(8192).string(P9Client.name("9P2000.L")).message(100, 0xffff),
                new P9Writer()
                        .u32(1)
                        .u32(-1)
                        .string(P9Client.name(""))
                        .string(P9Client.name(""))
                        .u32(0)
                        .message(104, 1),
                new P9Writer().u32(1).u32(2).u16(1).string(P9Client.name(name)).message(110, 1),
                new P9Writer().u32(2).u32(0).message(12, 1),
                new P9Writer().u32(2).u64(0).u32(1000).message(open, 1),
                new P9Writer().u32(2).u64(-1).message(24, 1),
                new P9Writer().u32(2).message(22, 1),
                new P9Writer().u32(2).message(120, 1));
    }

    @Test
    void seeds() throws IOException {
        for (String name : new String[] {"f", "a", "l", "d", ".."}) {
            fuzzerTestOneInput(seed(name, 116));
            fuzzerTestOneInput(seed(name, 40));
        }
    }

    private GuidedFuzz guided() throws IOException {
        Path seeds = Files.createDirectory(dir.resolve("seeds"));
        for (String name : new String[] {"f", "a", "l", "d", ".."}) {
            Files.write(seeds.resolve("read-" + name.length() + name.charAt(0)), seed(name, 116));
            Files.write(seeds.resolve("list-" + name.length() + name.charAt(0)), seed(name, 40));
        }
        return new GuidedFuzz(P9ServerFuzzTest.class, "serai.vmm.share.**", dir).seeds(seeds);
    }

    @Test
    @Tag("e2e")
    void aFewSeconds() throws Exception {
        guided().run(GuidedFuzz.BRIEFLY);
    }

    @Test
    @Tag("soak")
    void forLong() throws Exception {
        guided().run(GuidedFuzz.LONG);
    }
}
