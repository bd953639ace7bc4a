package serai.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code serai image} and {@code qemu-img} with the same words: what one does the other finds done, and they end the same way. */
@Tag("e2e")
@SuppressWarnings("try")
class ImageAgainstQemuTest {
    private static final int SIZE = 5 << 20;
    private static final long SEED = Long.getLong("serai.seed", 20261208);

    private final Path dir;

    ImageAgainstQemuTest(@TempDir Path dir) {
        this.dir = dir;
    }

    @BeforeAll
    static void need() {
        for (String t : List.of("qemu-img", "qemu-io")) {
            assumeTrue(Files.isExecutable(Path.of("/usr/bin", t)), "capability: qemu-utils");
        }
        System.out.println("seed " + SEED);
    }

    private record Result(int status, String out, String err) {}

    private String[] words(Path where, String words) {
        return Arrays.stream(words.split(" "))
                .map(w -> w.equals("''") ? "" : w.replace("@", where + "/"))
                .toArray(String[]::new);
    }

    private Result serai(Path where, String words) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int status = Main.execute(
                words(where, "image " + words),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        return new Result(status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private Result tool(Path where, String words) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(words(where, words)));
        Path out = dir.resolve("out");
        Path err = dir.resolve("err");
        Process p = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        try {
            assertTrue(p.waitFor(120, TimeUnit.SECONDS), () -> "hangs: " + command);
            return new Result(p.exitValue(), Files.readString(out), Files.readString(err));
        } finally {
            p.destroyForcibly();
        }
    }

    private Result qemu(Path where, String words) throws IOException, InterruptedException {
        return tool(where, "qemu-img " + words);
    }

    private void assertDone(Result r) {
        assertEquals(0, r.status, r.out + r.err);
    }

    /** A raw disk with data, repeating data, zeros and a hole. */
    private byte[] raw(Path where, String name, long seed) throws IOException {
        byte[] content = new byte[SIZE];
        Random r = new Random(seed);
        try (RandomAccessFile f = new RandomAccessFile(where.resolve(name).toFile(), "rw")) {
            f.setLength(SIZE);
            for (int i = 0; i < 8; i++) {
                byte[] data = new byte[512 * (1 + r.nextInt(500))];
                if (i % 3 == 0) {
                    Arrays.fill(data, (byte) i);
                } else {
                    r.nextBytes(data);
                }
                int at = 512 * r.nextInt((SIZE - data.length) / 512);
                f.seek(at);
                f.write(data);
                System.arraycopy(data, 0, content, at, data.length);
            }
        }
        return content;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "-O qcow2",
                "-c -O qcow2",
                "-c -O qcow2 -o compression_type=zstd",
                "-O qcow2 -o cluster_size=512",
                "-c -O qcow2 -o cluster_size=2M",
                "-O qcow2 -o extended_l2=on,cluster_size=128k",
                "-O qcow2 -o compat=0.10",
                "-O qcow2 -o preallocation=metadata",
                "-S 0 -O qcow2 -o refcount_bits=64",
                "-O raw",
                "-O vmdk -o subformat=streamOptimized"
            })
    void qemuReadsWhatIsConverted(String options) throws Exception {
        raw(dir, "a.raw", SEED);
        assertDone(serai(dir, "convert -f raw " + options + " @a.raw @b"));
        String format = options.replaceAll(".*-O (\\w+).*", "$1");
        Result compared = qemu(dir, "compare -f raw -F " + format + " @a.raw @b");
        assertEquals("Images are identical.\n", compared.out, compared.err);
        if (format.equals("qcow2")) {
            Result checked = qemu(dir, "check -f qcow2 @b");
            assertEquals(0, checked.status, checked.out + checked.err);
            // where both have data it is at the same place; QEMU tells holes of the file, too, as zeros
            long[] them = map(qemu(dir, "map -f qcow2 --output json @b"));
            long[] us = map(serai(dir, "map -f qcow2 --output json @b"));
            int same = 0;
            for (int i = 0; i < us.length; i++) {
                if (us[i] >= 0 && them[i] >= 0) {
                    assertEquals(them[i], us[i], "sector " + i);
                    same++;
                }
            }
            assertTrue(same > 0, "no data in common");
        }
    }

    /** For each sector where in the file its data is: 0 if it is data at no place of its own, -1 if it is none. */
    private static long[] map(Result r) {
        assertEquals(0, r.status, r.err);
        long[] places = new long[SIZE / 512];
        Arrays.fill(places, -1);
        long end = 0;
        for (JsonNode e : new JsonMapper().readTree(r.out)) {
            long start = e.path("start").asLong();
            assertEquals(end, start, "in order, without gaps");
            end = start + e.path("length").asLong();
            if (e.path("data").asBoolean() && !e.path("zero").asBoolean()) {
                for (long p = start; p < end; p += 512) {
                    places[(int) (p / 512)] = e.has("offset") ? e.path("offset").asLong() + p - start : 0;
                }
            }
        }
        assertEquals(SIZE, end);
        return places;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "-O qcow2",
                "-c -O qcow2",
                "-O qcow2 -o cluster_size=512,refcount_bits=1",
                "-O qcow2 -o extended_l2=on",
                "-O qcow2 -o compat=0.10",
                "-O vmdk",
                "-O vmdk -o subformat=streamOptimized",
                "-O vpc -o force_size=on",
                "-O vpc -o subformat=fixed,force_size=on",
                "-O vhdx"
            })
    void whatQemuConvertsIsRead(String options) throws Exception {
        byte[] content = raw(dir, "a.raw", SEED + 1);
        String format = options.replaceAll(".*-O (\\w+).*", "$1");
        assertDone(qemu(dir, "convert -f raw " + options + " @a.raw @b"));
        assertDone(serai(dir, "convert -f " + format + " -O raw @b @c.raw"));
        byte[] read = Files.readAllBytes(dir.resolve("c.raw"));
        assertArrayEquals(content, Arrays.copyOf(read, SIZE));
        assertDone(serai(dir, "compare -f raw -F " + format + " @a.raw @b"));
    }

    /** The same words for both, each in a directory of its own; at the end all images are alike, and so is what is told of them. */
    @ParameterizedTest
    @ValueSource(strings = {"", ",cluster_size=4k", ",extended_l2=on", ",compat=0.10"})
    void theSameWordsDoTheSame(String more) throws Exception {
        Path ours = Files.createDirectory(dir.resolve("ours"));
        Path theirs = Files.createDirectory(dir.resolve("theirs"));
        for (Path p : List.of(ours, theirs)) {
            raw(p, "base.raw", SEED + 2);
            raw(p, "new.raw", SEED + 3);
        }
        String options = more.isEmpty() ? "" : "-o " + more.substring(1) + " ";
        List<String> script = List.of(
                "create -q -f qcow2 " + options + "-b base.raw -F raw @a.qcow2 6M",
                "io write -P 17 1M 300k",
                "snapshot -c first @a.qcow2",
                "io write -P 18 1200k 700k",
                "io write -z -u 0 1M",
                "snapshot -c second @a.qcow2",
                "io discard 3M 512k",
                "convert -f qcow2 -O raw -l first @a.qcow2 @shown.raw",
                "convert -f qcow2 -O raw -l snapshot.name=second @a.qcow2 @shown2.raw",
                "snapshot -d first @a.qcow2",
                "rebase -f qcow2 -b new.raw -F raw @a.qcow2",
                "convert -f qcow2 -O raw @a.qcow2 @rebased.raw",
                "snapshot -a second @a.qcow2",
                "convert -f qcow2 -O raw @a.qcow2 @second.raw",
                "rebase -f qcow2 -u -b base.raw -F raw @a.qcow2",
                "create -q -f qcow2 " + options + "-b a.qcow2 -F qcow2 @top.qcow2",
                "snapshot -d second @a.qcow2",
                "resize -q -f qcow2 @top.qcow2 8M",
                "convert -f qcow2 -O raw @top.qcow2 @top.raw",
                "commit -q -f qcow2 @top.qcow2",
                "convert -f qcow2 -O raw @a.qcow2 @committed.raw",
                "resize -q -f qcow2 --shrink @a.qcow2 2M",
                "check -q -f qcow2 @a.qcow2",
                "check -q -f qcow2 @top.qcow2");
        for (String words : script) {
            if (words.startsWith("io ")) {
                for (Path p : List.of(ours, theirs)) {
                    Path image = p.resolve("a.qcow2");
                    Process io = new ProcessBuilder(
                                    "qemu-io", "-d", "unmap", "-f", "qcow2", "-c", words.substring(3), image.toString())
                            .redirectErrorStream(true)
                            .start();
                    String said = new String(io.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                    assertEquals(0, io.waitFor(), said);
                }
                continue;
            }
            Result us = serai(ours, words);
            Result them = qemu(theirs, words);
            assertEquals(them.status, us.status, () -> words + ": " + us + " and QEMU " + them);
            assertEquals(0, us.status, () -> words + ": " + us);
        }
        for (String name : List.of(
                "rebased.raw",
                "second.raw",
                "top.raw",
                "committed.raw",
                "shown.raw",
                "shown2.raw",
                "base.raw",
                "new.raw")) {
            assertEquals(-1, Files.mismatch(ours.resolve(name), theirs.resolve(name)), name);
        }
        for (String name : List.of("a.qcow2", "top.qcow2")) {
            Result checked = qemu(ours, "check -f qcow2 @" + name);
            assertEquals(0, checked.status, checked.out + checked.err);
            JsonNode us = new JsonMapper().readTree(serai(ours, "info -f qcow2 --output json @" + name).out);
            JsonNode them = new JsonMapper().readTree(qemu(ours, "info -f qcow2 --output json @" + name).out);
            for (String field : List.of("virtual-size", "cluster-size", "format", "backing-filename", "dirty-flag")) {
                assertEquals(them.path(field), us.path(field), name + " " + field);
            }
        }
    }

    @Test
    void statusesAreTheSame() throws Exception {
        raw(dir, "a.raw", SEED);
        raw(dir, "b.raw", SEED + 1);
        assertDone(qemu(dir, "convert -f raw -O qcow2 @a.raw @a.qcow2"));
        byte[] image = Files.readAllBytes(dir.resolve("a.qcow2"));
        byte[] leak = Arrays.copyOf(image, image.length + (64 << 10));
        leak[(2 << 16) + 2 * (image.length >> 16) + 1] = 1;
        Files.write(dir.resolve("leak.qcow2"), leak);
        byte[] wrong = image.clone();
        wrong[(2 << 16) + 2 * 5 + 1] = 0;
        Files.write(dir.resolve("wrong.qcow2"), wrong);
        for (String words : List.of(
                "check -f qcow2 @a.qcow2",
                "check -f qcow2 @leak.qcow2",
                "check -f qcow2 @wrong.qcow2",
                "check -f raw @a.raw",
                "check -f qcow2 @a.raw",
                "check -f qcow2 @none.qcow2",
                "compare -f raw -F qcow2 @a.raw @a.qcow2",
                "compare -f raw -F raw @a.raw @b.raw",
                "check -q -r leaks -f qcow2 @leak.qcow2",
                "check -f qcow2 @leak.qcow2",
                "check -q -r all -f qcow2 @wrong.qcow2",
                "check -f qcow2 @wrong.qcow2")) {
            if (words.contains("-r ")) {
                // each mends its own copy: what one has mended is sound for the other
                String name = words.substring(words.indexOf('@') + 1);
                Files.copy(dir.resolve(name), dir.resolve("copy-" + name));
                Result them = qemu(dir, words.replace(name, "copy-" + name));
                assertEquals(them.status, serai(dir, words).status, words);
                assertDone(qemu(dir, "check -f qcow2 @" + name));
                assertDone(serai(dir, "check -f qcow2 @copy-" + name));
            } else {
                Result them = qemu(dir, words);
                Result us = serai(dir, words);
                assertEquals(them.status, us.status, () -> words + ": " + us + " and QEMU " + them);
            }
        }
    }
}
