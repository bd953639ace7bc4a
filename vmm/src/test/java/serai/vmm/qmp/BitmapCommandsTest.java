package serai.vmm.qmp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.ImageFormat;
import serai.storage.track.DirtyBitmap;

/** {@code block-dirty-bitmap-*} and {@code transaction} in QEMU's words, on a qcow2 and a raw disk of 1 MiB. */
final class BitmapCommandsTest {
    private static final int MIB = 1 << 20;

    @TempDir
    Path directory;

    private BlockTable t = new BlockTable();

    @BeforeEach
    void disks() throws Exception {
        t.qcow2("q", directory.resolve("q.qcow2"), MIB);
        Path raw = directory.resolve("r.raw");
        Files.write(raw, new byte[MIB]);
        t.open("r", raw, ImageFormat.RAW);
    }

    @AfterEach
    void close() {
        t.close();
    }

    private void reopen() throws Exception {
        t.close();
        t = new BlockTable();
        t.open("q", directory.resolve("q.qcow2"), ImageFormat.QCOW2);
    }

    private String counts(String node) throws QmpException {
        return t.bitmaps(node, "count");
    }

    @Test
    void writesAreCounted_inEachThatIsEnabled() throws Exception {
        t.done("block-dirty-bitmap-add", "{'node': 'r', 'name': 'fine', 'granularity': 512}");
        t.done("block-dirty-bitmap-add", "{'node': 'r', 'name': 'usual'}");
        t.done("block-dirty-bitmap-add", "{'node': 'r', 'name': 'off', 'disabled': true}");
        t.write("r", 66_048, 1024, 1);
        assertEquals(
                "fine 1024 512 true false, usual 65536 65536 true false, off 0 65536 false false",
                t.bitmaps("r", "count", "granularity", "recording", "persistent"));
        t.done("block-dirty-bitmap-enable", "{'node': 'r', 'name': 'off'}");
        t.done("block-dirty-bitmap-disable", "{'node': 'r', 'name': 'usual'}");
        t.write("r", 0, 512, 1);
        assertEquals("fine 1536, usual 65536, off 65536", counts("r"));
        t.done("block-dirty-bitmap-clear", "{'node': 'r', 'name': 'fine'}");
        t.done("block-dirty-bitmap-remove", "{'node': 'r', 'name': 'usual'}");
        assertEquals("fine 0, off 65536", counts("r"));
        t.write("r", 512, 512, 1);
        assertEquals("fine 512, off 65536", counts("r"));
    }

    @Test
    void mergedOnes_areOfAnyGranularityAndNode_butOfTheDisksSize() throws Exception {
        t.done("block-dirty-bitmap-add", "{'node': 'r', 'name': 'a', 'granularity': 4096}");
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'b', 'granularity': 65536}");
        t.done("block-dirty-bitmap-add", "{'node': 'r', 'name': 'all', 'granularity': 32768, 'disabled': true}");
        t.write("r", 0, 4096, 1);
        t.write("q", 524_288, 4096, 1);
        t.done(
                "block-dirty-bitmap-merge",
                "{'node': 'r', 'target': 'all', 'bitmaps': ['a', {'node': 'q', 'name': 'b'}]}");
        assertEquals("a 4096, all 98304", counts("r"));
        t.nodes.resize("q", 2 * MIB);
        t.done("block-dirty-bitmap-clear", "{'node': 'r', 'name': 'all'}");
        t.refused(
                "Bitmaps are of different sizes (destination size is 1048576) and can't be merged",
                "block-dirty-bitmap-merge",
                "{'node': 'r', 'target': 'all', 'bitmaps': ['a', {'node': 'q', 'name': 'b'}]}");
        assertEquals("a 4096, all 0", counts("r"), "nothing of it was done");
    }

    @Test
    void persistentOnes_areInTheImage_asTheyWere() throws Exception {
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'on', 'persistent': true}");
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'off', 'persistent': true, 'disabled': true}");
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'lost'}");
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'gone', 'persistent': true}");
        t.write("q", 65_536, 1024, 1);
        t.done("block-dirty-bitmap-remove", "{'node': 'q', 'name': 'gone'}");
        reopen();
        assertEquals("on 65536 true true, off 0 false true", t.bitmaps("q", "count", "recording", "persistent"));
        t.write("q", 0, 1024, 1);
        reopen();
        assertEquals("on 131072, off 0", counts("q"));
    }

    @Test
    void ofAWriterThatDidNotEnd_theyCanOnlyBeRemoved() throws Exception {
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'b', 'persistent': true}");
        reopen();
        t.write("q", 0, 512, 1);
        t.disk("q").flush();
        Path crashed = directory.resolve("crashed.qcow2");
        Files.copy(directory.resolve("q.qcow2"), crashed);
        t.open("c", crashed, ImageFormat.QCOW2);
        assertEquals("b 0 true", t.bitmaps("c", "count", "inconsistent"));
        String inconsistent = "Bitmap 'b' is inconsistent and cannot be used; block-dirty-bitmap-remove deletes it from"
                + " the disk";
        t.refused(inconsistent, "block-dirty-bitmap-clear", "{'node': 'c', 'name': 'b'}");
        t.refused(inconsistent, "block-dirty-bitmap-enable", "{'node': 'c', 'name': 'b'}");
        t.refused("Bitmap already exists: b", "block-dirty-bitmap-add", "{'node': 'c', 'name': 'b'}");
        t.refused(
                "Transaction aborted using Abort action",
                "transaction",
                "{'actions': [{'type': 'block-dirty-bitmap-remove', 'data': {'node': 'c', 'name': 'b'}},"
                        + " {'type': 'abort', 'data': {}}]}");
        assertEquals("b 0 true", t.bitmaps("c", "count", "inconsistent"));
        t.done("block-dirty-bitmap-remove", "{'node': 'c', 'name': 'b'}");
        assertEquals("", counts("c"));
        t.done("block-dirty-bitmap-add", "{'node': 'c', 'name': 'b', 'persistent': true}");
    }

    @Test
    void whatCantBeIsRefused() throws Exception {
        t.done("block-dirty-bitmap-add", "{'node': 'r', 'name': 'b'}");
        t.refused("Bitmap already exists: b", "block-dirty-bitmap-add", "{'node': 'r', 'name': 'b'}");
        t.refused("Bitmap name cannot be empty", "block-dirty-bitmap-add", "{'node': 'r', 'name': ''}");
        t.refused(
                "Bitmap name too long, or with a zero: it has at most 1023 bytes",
                "block-dirty-bitmap-add",
                "{'node': 'r', 'name': '" + "ü".repeat(512) + "'}");
        for (String g : new String[] {"256", "513", "0"}) {
            t.refused(
                    "Granularity must be a power of 2, and at least 512",
                    "block-dirty-bitmap-add",
                    "{'node': 'r', 'name': 'c', 'granularity': " + g + "}");
        }
        t.refused("Cannot find device='x' nor node-name='x'", "block-dirty-bitmap-add", "{'node': 'x', 'name': 'c'}");
        t.refused("Dirty bitmap 'c' not found", "block-dirty-bitmap-remove", "{'node': 'r', 'name': 'c'}");
        t.refused(
                "Cannot store dirty bitmaps in file '" + directory.resolve("r.raw")
                        + "': format raw has no place for them, qcow2 has",
                "block-dirty-bitmap-add",
                "{'node': 'r', 'name': 'c', 'persistent': true}");
        t.refused(
                "Parameter 'type' does not accept value 'drive-mirror'",
                "transaction",
                "{'actions': [{'type': 'drive-mirror', 'data': {}}]}");
        t.refused(
                "Parameter 'name' is missing",
                "transaction",
                "{'actions': [{'type': 'block-dirty-bitmap-clear', 'data': {'node': 'r'}}]}");
        assertEquals("b 0", counts("r"));
    }

    /** Each kind of change is made, and then taken back. */
    @Test
    void aTransactionThatFails_leavesAllAsItWas() throws Exception {
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'kept', 'persistent': true, 'granularity': 4096}");
        t.done("block-dirty-bitmap-add", "{'node': 'q', 'name': 'off', 'granularity': 4096, 'disabled': true}");
        t.done("block-dirty-bitmap-add", "{'node': 'r', 'name': 'other', 'granularity': 4096}");
        t.write("q", 0, 8192, 1);
        t.write("r", 65_536, 4096, 1);
        String[] fields = {"count", "recording", "persistent"};
        String q = t.bitmaps("q", fields);
        String r = t.bitmaps("r", fields);
        assertEquals("kept 8192 true true, off 0 false false", q);
        t.refused("Transaction aborted using Abort action", "transaction", """
                {'actions': [
                  {'type': 'block-dirty-bitmap-add', 'data': {'node': 'q', 'name': 'new', 'persistent': true}},
                  {'type': 'block-dirty-bitmap-merge', 'data': {'node': 'q', 'target': 'new', 'bitmaps': ['kept']}},
                  {'type': 'block-dirty-bitmap-clear', 'data': {'node': 'q', 'name': 'kept'}},
                  {'type': 'block-dirty-bitmap-remove', 'data': {'node': 'q', 'name': 'off'}},
                  {'type': 'block-dirty-bitmap-add', 'data': {'node': 'q', 'name': 'off', 'persistent': true}},
                  {'type': 'block-dirty-bitmap-disable', 'data': {'node': 'r', 'name': 'other'}},
                  {'type': 'block-dirty-bitmap-merge',
                   'data': {'node': 'r', 'target': 'other', 'bitmaps': [{'node': 'q', 'name': 'new'}]}},
                  {'type': 'abort', 'data': {}}]}""");
        assertEquals(q, t.bitmaps("q", fields));
        assertEquals(r, t.bitmaps("r", fields));
        t.write("q", 65_536, 4096, 1);
        assertEquals("kept 12288, off 0", counts("q"));
        reopen();
        assertEquals("kept 12288 true true", t.bitmaps("q", fields));
    }

    /** Two bitmaps that change places while others write: each write is in exactly one of them, as the disk's is in the same. */
    @Test
    void aTransaction_isOneBoundary() throws Exception {
        for (String node : new String[] {"q", "r"}) {
            t.done("block-dirty-bitmap-add", "{'node': '" + node + "', 'name': 'a', 'granularity': 4096}");
            t.done(
                    "block-dirty-bitmap-add",
                    "{'node': '" + node + "', 'name': 'b', 'granularity': 4096, 'disabled': true}");
        }
        AtomicBoolean stop = new AtomicBoolean();
        CountDownLatch some = new CountDownLatch(50);
        Thread writer = Thread.ofPlatform().start(() -> {
            try {
                for (int i = 0; i < MIB / 4096 && !stop.get(); i++) {
                    t.write("q", i * 4096L, 4096, 1);
                    t.write("r", i * 4096L, 4096, 1);
                    some.countDown();
                    Thread.yield();
                }
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
        some.await();
        StringBuilder actions = new StringBuilder();
        for (String node : new String[] {"q", "r"}) {
            actions.append(
                    "{'type': 'block-dirty-bitmap-disable', 'data': {'node': '%s', 'name': 'a'}},".formatted(node));
            actions.append(
                    "{'type': 'block-dirty-bitmap-enable', 'data': {'node': '%s', 'name': 'b'}},".formatted(node));
        }
        t.done("transaction", "{'actions': [" + actions.substring(0, actions.length() - 1) + "]}");
        stop.set(true);
        writer.join();
        DirtyBitmap a = t.nodes.find("q").bitmap("a").orElseThrow();
        DirtyBitmap b = t.nodes.find("q").bitmap("b").orElseThrow();
        DirtyBitmap c = t.nodes.find("r").bitmap("a").orElseThrow();
        for (long at = 0; at < a.count(); at += 4096) {
            assertEquals(true, a.dirty(at) && !b.dirty(at));
        }
        assertEquals(a.count(), b.nextDirty(0) == MIB ? a.count() : b.nextDirty(0));
        // the writer does one and then the other, so the boundary has at most one more of the first
        assertEquals(true, a.count() == c.count() || a.count() == c.count() + 4096, a.count() + " " + c.count());
    }
}
