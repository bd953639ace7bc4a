package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.nbd.NbdDisk;
import serai.storage.nbd.NbdUri;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Backups of a running guest's disks, with the tools that others have for it. A guest writes to a qcow2 and a raw disk without end. What the disks
 * are at a checkpoint is known because the VM stands while that is made; then the guest goes on, and the copies are made.
 */
@Tag("e2e")
final class BackupTest {
    private static final long MIB = 1 << 20;
    private static final List<String> DISKS = List.of("q", "r");

    @TempDir
    Path directory;

    private Path path(String name) {
        return directory.resolve(name);
    }

    private List<String> words() throws Exception {
        return Tiny.words("qmp=" + path("qmp"), "disk=" + path("q.qcow2") + ",id=q", "disk=" + path("r.raw") + ",id=r");
    }

    private static void done(Qmp q, String message) throws IOException {
        assertEquals("{}", q.execute(message).toString(), message);
    }

    private static void export(Qmp q, String node, String more) throws IOException {
        done(
                q,
                "{'execute': 'block-export-add', 'arguments': {'type': 'nbd', 'id': 'e-%s', 'node-name': '%s'%s}}"
                        .formatted(node, node, more));
    }

    private static void withdraw(Qmp q, String node) throws IOException {
        done(q, "{'execute': 'block-export-del', 'arguments': {'id': 'e-" + node + "', 'mode': 'hard'}}");
        assertEquals("e-" + node, q.await("BLOCK_EXPORT_DELETED").path("id").asString(""));
    }

    private String uri(String export) {
        return "nbd+unix:///" + export + "?socket=" + path("nbd");
    }

    /** The disks as they are while the VM stands, once what was under way is over. */
    private void reference(Qmp q, String name) throws Exception {
        done(q, "{'execute': 'stop'}");
        for (String d : DISKS) {
            export(q, d, "");
            Path now = path(name + "-" + d);
            Path before = path("before");
            Files.write(before, new byte[0]);
            for (int i = 0; i == 0 || Files.mismatch(now, before) >= 0; i++) {
                assertTrue(i < 20, "the disks of a VM that stands go on changing");
                if (i > 0) {
                    Files.move(now, before, StandardCopyOption.REPLACE_EXISTING);
                }
                Tool.run("nbdcopy", uri(d), now.toString());
            }
            withdraw(q, d);
        }
        assertEquals(-1, Files.mismatch(path("r.raw"), path(name + "-r")), "our exports tell what is in the file");
    }

    /** Both disks at once. */
    private static void checkpoint(Qmp q) throws IOException {
        List<String> actions = new ArrayList<>();
        for (String d : DISKS) {
            actions.add(
                    "{'type': 'x-blockdev-checkpoint', 'data': {'node': '%s', 'node-name': 'then-%s', 'rotate': ['b']}}"
                            .formatted(d, d));
        }
        done(q, "{'execute': 'transaction', 'arguments': {'actions': [" + String.join(",", actions) + "]}}");
        for (String d : DISKS) {
            export(q, "then-" + d, ", 'bitmaps': ['b']");
        }
    }

    private static void forget(Qmp q) throws IOException {
        for (String d : DISKS) {
            withdraw(q, "then-" + d);
            done(q, "{'execute': 'blockdev-del', 'arguments': {'node-name': 'then-" + d + "'}}");
        }
    }

    /** Bytes that are marked in a bitmap; -1 if there is none of that name. */
    private static long count(Qmp q, String node, String bitmap) throws IOException {
        for (JsonNode n : q.execute("{'execute': 'query-named-block-nodes'}")) {
            if (n.path("node-name").asString("").equals(node)) {
                for (JsonNode b : n.path("dirty-bitmaps")) {
                    if (b.path("name").asString("").equals(bitmap)) {
                        return b.path("count").asLong();
                    }
                }
            }
        }
        return -1;
    }

    /** Until the guest has written so much more to both. */
    private static void guestWrites(Qmp q, long bytes) throws Exception {
        for (String d : DISKS) {
            for (int i = 0; count(q, d, "b") < bytes; i++) {
                assertTrue(i < 600, "the guest does not write");
                Thread.sleep(50);
            }
        }
    }

    /** Takes what of an export is dirty over into a copy; how many bytes. */
    private long copyDirty(String export, Path copy) throws Exception {
        JsonNode map =
                new JsonMapper().readTree(Tool.run("nbdinfo", "--json", "--map=qemu:dirty-bitmap:b", uri(export)));
        long bytes = 0;
        try (NbdDisk disk = NbdDisk.connect(NbdUri.parse(uri(export)), NbdDisk.Options.DEFAULT);
                RandomAccessFile f = new RandomAccessFile(copy.toFile(), "rw")) {
            for (JsonNode e : map) {
                if (e.path("type").asInt() == 1) {
                    long at = e.path("offset").asLong();
                    long n = e.path("length").asLong();
                    try (Arena arena = Arena.ofConfined()) {
                        MemorySegment m = arena.allocate(n, 4096);
                        disk.read(at, m.address(), n);
                        f.seek(at);
                        f.write(m.toArray(ValueLayout.JAVA_BYTE));
                    }
                    bytes += n;
                }
            }
        }
        return bytes;
    }

    @Test
    void aFullAndAnIncrementalCopy_areTheDisksAtTheirCheckpoints_andTheBitmapOutlivesTheVm() throws Exception {
        Tool.need();
        Tool.run("qemu-img", "create", "-q", "-f", "qcow2", path("q.qcow2").toString(), "32M");
        Tool.run("qemu-img", "create", "-q", "-f", "raw", path("r.raw").toString(), "32M");
        long left;
        try (Vmm v = Vmm.start(words())) {
            Tiny.awaitShell(v);
            Tiny.shell(
                    v,
                    "for d in vda vdb; do (n=0; while [ ! -e /stop ]; do n=$((n+1)); dd if=/dev/urandom of=/dev/$d bs=4k"
                            + " count=4 seek=$((n*37%2000*4)) conv=notrunc,fsync || echo >>/failed; done) >/dev/null 2>&1 &"
                            + " done");
            try (Qmp q = new Qmp(path("qmp"))) {
                for (String d : DISKS) {
                    done(
                            q,
                            "{'execute': 'block-dirty-bitmap-add', 'arguments': {'node': '%s', 'name': 'b', 'granularity':"
                                            .formatted(d)
                                    + " 4096, 'persistent': " + d.equals("q") + "}}");
                }
                done(
                        q,
                        "{'execute': 'nbd-server-start', 'arguments': {'addr': {'type': 'unix', 'data': {'path': '"
                                + path("nbd") + "'}}}}");
                guestWrites(q, MIB);
                reference(q, "first");
                checkpoint(q);
                done(q, "{'execute': 'cont'}");
                guestWrites(q, MIB / 2); // what it overwrites the copies must not have
                for (String d : DISKS) {
                    Tool.run("nbdcopy", uri("then-" + d), path("copy-" + d).toString());
                    assertEquals(-1, Files.mismatch(path("copy-" + d), path("first-" + d)), "disk " + d);
                }
                assertNotEquals(-1, Files.mismatch(path("r.raw"), path("first-r")));
                forget(q);

                reference(q, "second");
                checkpoint(q);
                done(q, "{'execute': 'cont'}");
                guestWrites(q, MIB / 2);
                for (String d : DISKS) {
                    long copied = copyDirty("then-" + d, path("copy-" + d));
                    assertTrue(copied >= MIB / 2 && copied < 16 * MIB, copied + " bytes");
                    assertEquals(-1, Files.mismatch(path("copy-" + d), path("second-" + d)), "disk " + d);
                }
                forget(q);
                Tiny.shell(v, "echo >/stop; wait; sync");
                assertEquals("sound", Tiny.shell(v, "[ -e /failed ] || echo sound"));
                left = count(q, "q", "b");
                assertTrue(left >= MIB / 2);
            }
            v.type("poweroff -f\n");
            Vmm.Result r = v.await(60);
            assertEquals(0, r.status(), r.err());
        }
        String info = Tool.run("qemu-img", "info", path("q.qcow2").toString());
        assertTrue(
                info.replaceAll("\\s+", " ").contains("bitmaps: [0]: flags: [0]: auto name: b granularity: 4096"),
                info);
        String check = Tool.run("qemu-img", "check", path("q.qcow2").toString());
        assertTrue(check.contains("No errors were found"), check);
        try (Vmm v = Vmm.start(words())) {
            v.awaitOutput(o -> o.contains("Linux version"), 60);
            try (Qmp q = new Qmp(path("qmp"))) {
                assertEquals(left, count(q, "q", "b"));
                assertEquals(-1, count(q, "r", "b"));
                q.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
        }
    }
}
