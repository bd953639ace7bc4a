package serai.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.HostImageFile;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code serai image}, in this process. */
@SuppressWarnings("try")
class ImageCommandsTest {
    private static final int SIZE = 3 << 20;

    private final Path dir;

    ImageCommandsTest(@TempDir Path dir) {
        this.dir = dir;
    }

    /** How a command ended. */
    record Result(int status, String out, String err) {}

    /** Runs {@code serai image} with words, of which those with an at sign name files in the directory. */
    private Result image(String words) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        String[] args = Arrays.stream(("image " + words).split(" "))
                .map(w -> w.equals("''") ? "" : w.replace("@", dir + "/"))
                .toArray(String[]::new);
        int status = Main.execute(
                args,
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        return new Result(status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private String done(String words) {
        Result r = image(words);
        assertEquals(0, r.status, r.err);
        return r.out;
    }

    private void refused(int status, String sentence, String words) {
        Result r = image(words);
        assertEquals(status, r.status, r.err);
        String last = r.err.strip().substring(r.err.strip().lastIndexOf('\n') + 1);
        assertTrue(last.startsWith("serai: ") && last.contains(sentence), r.err);
        assertEquals("", r.out);
    }

    private JsonNode json(String words) {
        return new JsonMapper().readTree(done(words));
    }

    private List<String> names() throws IOException {
        try (Stream<Path> all = Files.list(dir)) {
            return all.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }

    /** A raw disk with data, zeros and a hole. */
    private byte[] raw(String name) throws IOException {
        byte[] content = new byte[SIZE];
        byte[] data = new byte[1 << 20];
        new Random(1).nextBytes(data);
        System.arraycopy(data, 0, content, 12345, data.length);
        try (RandomAccessFile f = new RandomAccessFile(dir.resolve(name).toFile(), "rw")) {
            f.setLength(SIZE);
            f.seek(12345);
            f.write(data);
        }
        return content;
    }

    private byte[] bytes(String name) throws IOException {
        return Files.readAllBytes(dir.resolve(name));
    }

    // ---- create, info, resize ----

    @Test
    void create_makesWhatInfoTells() {
        done("create -o cluster_size=16k,compat=0.10 @a.qcow2 1.5G");
        JsonNode info = json("info --output json @a.qcow2");
        assertEquals("qcow2", info.path("format").asString());
        assertEquals(1536L << 20, info.path("virtual-size").asLong());
        assertEquals(16384, info.path("cluster-size").asInt());
        assertEquals(
                "0.10", info.path("format-specific").path("data").path("compat").asString());
        assertTrue(done("info @a.qcow2").contains("virtual size: 1.5 GiB (1610612736 bytes)"));
    }

    @Test
    void create_uponABackingFile_hasItsSize_andInfoFollowsTheChain() throws IOException {
        raw("base.raw");
        done("create -b base.raw @a.qcow2");
        done("create -o backing_file=a.qcow2,backing_fmt=qcow2 @b.qcow2 8M");
        JsonNode chain = json("info --output json --backing-chain @b.qcow2");
        assertEquals(3, chain.size());
        assertEquals(8 << 20, chain.path(0).path("virtual-size").asLong());
        assertEquals("a.qcow2", chain.path(0).path("backing-filename").asString());
        assertEquals(SIZE, chain.path(1).path("virtual-size").asLong());
        assertEquals("raw", chain.path(1).path("backing-filename-format").asString());
        assertEquals("raw", chain.path(2).path("format").asString());
    }

    @Test
    void create_overwritesOnlyByForce() throws IOException {
        Files.writeString(dir.resolve("a.raw"), "mine");
        refused(6, "exists already", "create @a.raw 1M");
        assertEquals("mine", Files.readString(dir.resolve("a.raw")));
        done("create --force @a.raw 1M");
        assertEquals(1 << 20, bytes("a.raw").length);
    }

    @Test
    void create_withADataFile_makesIt_andTakesItBackIfSomethingFails() throws IOException {
        done("create -o data_file=d,data_file_raw=on @a.qcow2 1M");
        assertEquals(List.of("a.qcow2", "d"), names());
        refused(6, "exists already", "create -o data_file=d @b.qcow2 1M");
        refused(6, "allocated in advance", "create -o data_file=e,preallocation=metadata @b.qcow2 1M");
        assertEquals(List.of("a.qcow2", "d"), names());
    }

    @Test
    void resize_growsAndShrinks() throws IOException {
        done("create @a.qcow2 1M");
        done("resize @a.qcow2 +1M");
        assertEquals(
                2 << 20,
                json("info --output json @a.qcow2").path("virtual-size").asLong());
        refused(2, "--shrink", "resize @a.qcow2 1M");
        refused(2, "--shrink", "resize @a.qcow2 -1M");
        done("resize --shrink @a.qcow2 -512k");
        assertEquals(
                1536 << 10,
                json("info --output json @a.qcow2").path("virtual-size").asLong());
        refused(6, "can't be taken away", "resize --shrink @a.qcow2 -2M");
        done("create @a.raw 1M");
        done("resize @a.raw 3M");
        assertEquals(3 << 20, bytes("a.raw").length);
    }

    // ---- convert ----

    @ParameterizedTest
    @ValueSource(
            strings = {
                "@x.qcow2",
                "-c @x.qcow2",
                "-c -o compression_type=zstd,cluster_size=4k @x.qcow2",
                "-S 0 @x.qcow2",
                "-m 1 -o extended_l2=on,cluster_size=32k @x.qcow2",
                "-t unsafe @x.qcow2",
                "@x.vmdk"
            })
    void convert_thereAndBack(String to) throws IOException {
        byte[] content = raw("a.raw");
        done("convert @a.raw " + to);
        String made = to.endsWith("vmdk") ? "x.vmdk" : "x.qcow2";
        done("compare @a.raw @" + made);
        done("convert @" + made + " @b.raw");
        assertArrayEquals(content, bytes("b.raw"));
        if (made.equals("x.qcow2")) {
            done("check @x.qcow2");
        }
    }

    @Test
    void convert_leavesHolesWhereZerosAre() throws IOException {
        raw("a.raw");
        done("convert @a.raw @b.raw");
        try (HostImageFile f = HostImageFile.open(dir.resolve("b.raw"), true)) {
            assertTrue(f.allocated() < SIZE / 2, "allocated " + f.allocated());
        }
        done("convert -S 0 @a.raw @c.raw");
        try (HostImageFile f = HostImageFile.open(dir.resolve("c.raw"), true)) {
            assertTrue(f.allocated() >= SIZE, "allocated " + f.allocated());
        }
    }

    @Test
    void convert_replacesOnlyWhenItIsDone() throws IOException {
        raw("a.raw");
        done("convert @a.raw @good.qcow2");
        byte[] bad = bytes("good.qcow2");
        Arrays.fill(bad, 3 << 16, (3 << 16) + 8, (byte) 0xff); // the first L1 entry
        Files.write(dir.resolve("bad.qcow2"), bad);
        Files.writeString(dir.resolve("b.raw"), "old");
        Result r = image("convert @bad.qcow2 @b.raw");
        assertEquals(6, r.status, r.err);
        assertEquals("old", Files.readString(dir.resolve("b.raw")));
        assertEquals(List.of("a.raw", "b.raw", "bad.qcow2", "good.qcow2"), names());
        done("convert @good.qcow2 @b.raw");
        assertEquals(SIZE, bytes("b.raw").length);
    }

    @Test
    void convert_inPlace_fillsWhatIsThere() throws IOException {
        raw("a.raw");
        done("create @b.qcow2 4M");
        done("bench -q -w -c 64 -s 64k --pattern 5 @b.qcow2");
        done("convert -n @a.raw @b.qcow2");
        done("compare @a.raw @b.qcow2");
        done("create @small.raw 1M");
        refused(6, "does not go on one of", "convert -n @a.raw @small.raw");
    }

    @Test
    void convert_uponABackingFile_hasOnlyTheDifference() throws IOException {
        raw("base.raw");
        done("convert @base.raw @a.qcow2");
        done("bench -q -w -c 1 -s 64k -o 2M --pattern 5 @a.qcow2");
        done("convert -B base.raw @a.qcow2 @b.qcow2");
        done("compare @a.qcow2 @b.qcow2");
        JsonNode map = json("map --output json @b.qcow2");
        long own = 0;
        for (JsonNode e : map) {
            own += e.path("depth").asInt() == 0 ? e.path("length").asLong() : 0;
        }
        assertEquals(64 << 10, own);
    }

    @Test
    void convert_encrypts_andDecrypts() throws IOException {
        byte[] content = raw("a.raw");
        Files.writeString(dir.resolve("k1"), "one");
        Files.writeString(dir.resolve("k2"), "two");
        String iterations = "iter-time=10";
        done("convert --secret id=one,file=@k1 -o encrypt.format=luks,encrypt.key-secret=one,encrypt." + iterations
                + " @a.raw @a.qcow2");
        assertTrue(done("info @a.qcow2").contains("encrypted: yes"));
        refused(6, "passphrase", "convert @a.qcow2 @b.raw");
        done("convert --secret id=x,file=@k1 --secret id=two,file=@k2 -o key-secret=two," + iterations
                + " @a.qcow2 @a.luks");
        JsonNode luks = json("info --output json @a.luks");
        assertEquals(SIZE, luks.path("virtual-size").asLong());
        done("convert --secret id=s,file=@k2 @a.luks @b.raw");
        assertArrayEquals(content, bytes("b.raw"));
        done("compare --secret id=s,file=@k1,image=@a.qcow2 --secret id=t,file=@k2,image=@a.luks @a.qcow2 @a.luks");
        refused(6, "there is no secret 'y'", "create -o encrypt.format=luks,encrypt.key-secret=y @c.qcow2 1M");
        refused(6, "can't be read", "create --secret id=y,file=@none @c.qcow2 1M");
    }

    // ---- trust ----

    @Test
    void anImageThatOnlyLooksLikeQcow2_mayNameNothing_unlessAllowed() throws IOException {
        raw("secret.raw");
        done("create -b secret.raw @a.qcow2");
        Files.copy(dir.resolve("a.qcow2"), dir.resolve("upload"));
        refused(6, "may name no other file", "convert @upload @b.raw");
        refused(6, "may name no other file", "info --backing-chain @upload");
        assertTrue(image("info @upload").err.contains("read as the qcow2 that it looks like"));
        done("convert --allow @secret.raw @upload @b.raw");
        done("convert -f qcow2 @upload @b.raw");
        done("convert @a.qcow2 @b.raw");
        refused(6, "may name no other file", "convert --untrusted @a.qcow2 @b.raw");
        refused(6, "may name no other file", "map --untrusted --allow @other @a.qcow2");
        done("compare --untrusted --allow @secret.raw @a.qcow2 @secret.raw");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "resize @upload +1M",
                "snapshot -c x @upload",
                "check -r all @upload",
                "bench -w @upload",
                "commit @upload",
                "rebase -b '' @upload"
            })
    void aFormatIsNotGuessed_whenTheImageIsWritten(String words) throws IOException {
        done("create @a.qcow2 1M");
        Files.copy(dir.resolve("a.qcow2"), dir.resolve("upload"));
        byte[] before = bytes("upload");
        refused(words.startsWith("check") ? 1 : 6, "-f qcow2 says so", words);
        assertArrayEquals(before, bytes("upload"));
    }

    @Test
    void anImageInUse_isReadOnlyByForce() throws IOException {
        done("create @a.qcow2 1M");
        try (HostImageFile used = HostImageFile.open(dir.resolve("a.qcow2"), false)) {
            refused(6, "in use", "info @a.qcow2");
            refused(6, "in use", "resize @a.qcow2 +1M");
            refused(6, "in use", "convert @a.qcow2 @b.raw");
            refused(6, "in use", "create --force @a.qcow2 1M");
            done("info -U @a.qcow2");
            done("map -U @a.qcow2");
            done("check -U @a.qcow2");
            done("convert -U @a.qcow2 @b.raw");
        }
    }

    // ---- check ----

    @Test
    void check_hasQemusStatuses() throws IOException {
        raw("a.raw");
        done("convert @a.raw @a.qcow2");
        assertTrue(done("check @a.qcow2").startsWith(dir + "/a.qcow2 is sound\n"));
        refused(63, "only qcow2 images can be checked", "check @a.raw");
        refused(1, "does not exist", "check @none.qcow2");
        refused(1, "unknown option", "check --fly @a.qcow2");

        // more counted than used: the last refcount of the first block
        byte[] leaking = bytes("a.qcow2");
        leaking[(2 << 16) + 2 * 40 + 1] = 1;
        Files.write(dir.resolve("leak.qcow2"), Arrays.copyOf(leaking, 64 << 16));
        Result leak = image("check @leak.qcow2");
        assertEquals(3, leak.status, leak.out + leak.err);
        assertEquals(
                1,
                new JsonMapper()
                        .readTree(image("check --output json @leak.qcow2").out)
                        .path("leaks")
                        .asInt());
        done("check -r leaks @leak.qcow2");
        done("check @leak.qcow2");

        // less counted than used: the refcount of the first data cluster
        byte[] wrong = bytes("a.qcow2");
        wrong[(2 << 16) + 2 * 5 + 1] = 0;
        Files.write(dir.resolve("wrong.qcow2"), wrong);
        assertEquals(2, image("check @wrong.qcow2").status);
        assertEquals(2, image("check -r leaks @wrong.qcow2").status);
        JsonNode mended = json("check -r all --output json @wrong.qcow2");
        assertTrue(mended.path("corruptions-fixed").asInt() > 0, mended.toString());
        done("check @wrong.qcow2");
    }

    // ---- map, compare ----

    @Test
    void map_tellsWhatIsWhere() throws IOException {
        done("create @base.raw 1M");
        done("bench -q -w -c 1 -s 64k --pattern 1 @base.raw");
        done("create -b base.raw @a.qcow2 2M");
        done("bench -q -w -c 1 -s 64k -o 128k --pattern 1 @a.qcow2");
        JsonNode map = json("map --output json @a.qcow2");
        assertEquals(1, map.path(0).path("depth").asInt());
        assertTrue(map.path(0).path("data").asBoolean());
        assertEquals(65536, map.path(0).path("length").asLong());
        JsonNode last = map.path(map.size() - 1);
        assertEquals(0, last.path("depth").asInt(), map.toString());
        assertFalse(last.path("present").asBoolean());
        assertEquals(2 << 20, last.path("start").asLong() + last.path("length").asLong());
        String text = done("map @a.qcow2");
        assertEquals(3, text.lines().count(), text);
        assertTrue(text.contains("0x20000") && text.contains(dir + "/base.raw"), text);
        JsonNode part = json("map --output json -s 128k -l 64k @a.qcow2");
        assertEquals(1, part.size());
    }

    @Test
    void compare_hasThreeStatuses() throws IOException {
        raw("a.raw");
        done("convert @a.raw @b.qcow2");
        assertEquals("The disks are the same.\n", done("compare @a.raw @b.qcow2"));
        done("resize @b.qcow2 +1M");
        assertTrue(image("compare @a.raw @b.qcow2").err.contains("go on with zeros"));
        assertEquals(1, image("compare -s @a.raw @b.qcow2").status);
        done("bench -q -w -c 1 -o 1M --pattern 9 @b.qcow2");
        Result r = image("compare @a.raw @b.qcow2");
        assertEquals(new Result(1, "The disks differ at byte 1048576.\n", r.err), r);
        refused(2, "does not exist", "compare @a.raw @none.raw");
        refused(2, "there is no image format", "compare -F egg @a.raw @b.qcow2");
    }

    // ---- chains ----

    @Test
    void rebase_keepsTheContent() throws IOException {
        raw("old.raw");
        done("create @new.raw 2M");
        done("bench -q -w -c 8 -s 64k --pattern 3 @new.raw");
        done("create -b old.raw @a.qcow2");
        done("convert @a.qcow2 @before.raw");
        done("rebase -b new.raw @a.qcow2");
        done("compare @before.raw @a.qcow2");
        assertEquals(
                "new.raw",
                json("info --output json @a.qcow2").path("backing-filename").asString());
        done("rebase -b '' @a.qcow2");
        done("compare @before.raw @a.qcow2");
        assertFalse(json("info --output json @a.qcow2").has("backing-filename"));
        done("check @a.qcow2");
        refused(6, "its own backing file", "rebase -b a.qcow2 @a.qcow2");
        refused(6, "only qcow2 images have backing files", "rebase -b new.raw @old.raw");
        refused(6, "-F says it", "rebase -b strange @a.qcow2");
    }

    @Test
    void rebase_ofTheNameAlone_looksAtNothing() throws IOException {
        raw("base.raw");
        done("create -b base.raw @a.qcow2");
        Files.move(dir.resolve("base.raw"), dir.resolve("moved"));
        refused(6, "does not exist", "convert @a.qcow2 @b.raw");
        done("rebase -u -b moved -F raw @a.qcow2");
        done("convert @a.qcow2 @b.raw");
        assertArrayEquals(bytes("moved"), bytes("b.raw"));
    }

    @Test
    void commit_writesIntoTheBackingFile_andEmpties() throws IOException {
        raw("base.raw");
        done("create -b base.raw @a.qcow2 4M");
        done("bench -q -w -c 3 -s 64k -o 1M --pattern 4 @a.qcow2");
        done("convert @a.qcow2 @before.raw");
        done("commit -d @a.qcow2");
        done("compare @before.raw @base.raw");
        assertEquals(
                0,
                json("map --output json -s 1M -l 64k @a.qcow2")
                        .path(0)
                        .path("depth")
                        .asInt());
        done("commit @a.qcow2");
        done("compare @before.raw @base.raw");
        done("compare @before.raw @a.qcow2");
        assertEquals(
                1,
                json("map --output json -s 1M -l 64k @a.qcow2")
                        .path(0)
                        .path("depth")
                        .asInt());
        done("check @a.qcow2");
        refused(6, "has no backing file", "commit @base.raw");
    }

    @Test
    void commit_toALowerImage_takesThoseBetweenWithIt() throws IOException {
        raw("base.raw");
        done("create -b base.raw @m.qcow2");
        done("bench -q -w -c 1 -s 64k -o 1M --pattern 4 @m.qcow2");
        done("create -b m.qcow2 @a.qcow2");
        done("bench -q -w -c 1 -s 64k -o 2M --pattern 5 @a.qcow2");
        done("convert @a.qcow2 @before.raw");
        done("commit -b @base.raw @a.qcow2");
        done("compare @before.raw @base.raw");
        done("compare @before.raw @a.qcow2");
        refused(6, "is not below", "commit -b @before.raw @a.qcow2");
    }

    @Test
    void snapshots() throws IOException {
        raw("a.raw");
        done("convert @a.raw @a.qcow2");
        done("snapshot -c first @a.qcow2");
        done("bench -q -w -c 8 -s 64k --pattern 4 @a.qcow2");
        assertEquals(1, image("compare -q @a.raw @a.qcow2").status);
        assertEquals(
                "first",
                json("snapshot -l --output json @a.qcow2").path(0).path("name").asString());
        assertTrue(done("snapshot @a.qcow2").contains("first"));
        done("snapshot -a first @a.qcow2");
        done("compare @a.raw @a.qcow2");
        done("snapshot -d first @a.qcow2");
        assertEquals("", done("snapshot -l @a.qcow2"));
        done("check @a.qcow2");
        refused(6, "has no snapshot with the name or ID 'none'", "convert -l none @a.qcow2 @b.raw");
        refused(6, "only qcow2 images have snapshots", "convert -l none @a.raw @b.raw");
        assertFalse(names().contains("b.raw"));
        refused(2, "exclude each other", "snapshot -l -c x @a.qcow2");
        refused(6, "only qcow2 images have snapshots", "snapshot -l @a.raw");
    }

    @Test
    void bench_tellsWhatItDid() {
        done("create @a.qcow2 1M");
        String text = done("bench -c 100 -d 2 -s 8k @a.qcow2");
        assertTrue(text.startsWith("100 read requests of 8192 bytes, 2 at once: "), text);
    }

    // ---- refusals ----

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            2||no command given
            2|fly|unexpected argument 'fly'
            2|create @a.qcow2|no size given
            6|create @a.qcow2 lots|size 'lots' is no size
            6|create @a.vmdk 1M|only read
            6|create -f egg @a 1M|there is no image format 'egg'
            6|create -o cluster_size @a.qcow2 1M|-o wants KEY=VALUE
            6|create -o colour=red @a.qcow2 1M|no option 'colour'
            6|create -b none.raw @a.qcow2|does not exist
            6|create -b a.qcow2 @a.qcow2 1M|its own backing file
            6|create -b none @a.qcow2 1M|-F says it
            6|create -b base.raw @a.raw 1M|can't have a backing file
            6|create @no/a.raw 1M|can't be made
            2|convert @a.raw|Missing required parameter
            6|convert @a.raw @b.raw|does not exist
            2|convert @a.raw @a.raw|into itself
            2|convert -m 99 @a.raw @b.raw|-m wants a number from 1 to 16
            2|convert -S 5k @a.raw @b.raw|-S wants 0, or a power of two
            2|convert -t never @a.raw @b.raw|-t wants writeback or unsafe
            6|info @none|does not exist
            6|info @|is a directory
            8|info nbd://127.0.0.1:1/x|
            6|resize @none.raw 1M|does not exist
            2|bench -s 100 @a.raw|whole sectors
            2|rebase @a.qcow2|Missing required option
            """)
    void refusals(
            int status,
            @org.jspecify.annotations.Nullable String words,
            @org.jspecify.annotations.Nullable String sentence)
            throws IOException {
        refused(status, sentence == null ? "" : sentence, words == null ? "" : words);
        assertEquals(List.of(), names());
    }
}
