package serai.checks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Disks that grow under a running stock Debian kernel, by the control socket. */
@Tag("e2e")
final class ResizeTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path directory;

    private Path disk(String name) throws Exception {
        Path p = directory.resolve(name);
        try (RandomAccessFile f = new RandomAccessFile(p.toFile(), "rw")) {
            f.setLength(16 * MIB);
        }
        return p;
    }

    private static void resize(Qmp q, String device, long bytes) throws Exception {
        assertEquals(
                "{}",
                q.execute("{'execute': 'block_resize', 'arguments': {'device': '" + device + "', 'size': " + bytes
                                + "}}")
                        .toString());
    }

    private static void hasSize(Vmm v, String device, long bytes) throws Exception {
        Tiny.awaitShell(v, "blockdev --getsize64 /dev/" + device, String.valueOf(bytes));
    }

    /** Writes at the end that is new, which the host finds there. */
    private static void endIsUsable(Vmm v, String device, Path file, long bytes) throws Exception {
        long mib = bytes / MIB - 1;
        Tiny.shell(
                v,
                "printf '" + device + " grew' | dd of=/dev/" + device + " bs=1M seek=" + mib
                        + " conv=sync,fsync 2>/dev/null");
        byte[] expected = (device + " grew").getBytes(StandardCharsets.US_ASCII);
        byte[] there = new byte[expected.length];
        try (RandomAccessFile f = new RandomAccessFile(file.toFile(), "r")) {
            f.seek(mib * MIB);
            f.readFully(there);
        }
        assertArrayEquals(expected, there);
    }

    @Test
    void virtioAndNvmeDisks_growUnderLoad() throws Exception {
        Path socket = directory.resolve("qmp");
        Path virtio = disk("virtio.raw");
        Path nvme = disk("nvme.raw");
        try (Vmm v =
                Vmm.start(Tiny.words("qmp=" + socket, "disk=" + virtio + ",id=v", "disk=" + nvme + ",bus=nvme,id=n"))) {
            Tiny.awaitShell(v);
            hasSize(v, "vda", 16 * MIB);
            hasSize(v, "nvme0n1", 16 * MIB);
            Tiny.shell(
                    v,
                    "for d in vda nvme0n1; do (while [ ! -e /stop ]; do dd if=/dev/zero of=/dev/$d bs=64k count=128"
                            + " conv=fsync || echo >>/failed; done) >/dev/null 2>&1 & done");
            try (Qmp q = new Qmp(socket)) {
                for (long size = 24 * MIB; size <= 64 * MIB; size += 8 * MIB) {
                    resize(q, "v", size);
                    resize(q, "n", size);
                    hasSize(v, "vda", size);
                    hasSize(v, "nvme0n1", size);
                }
                Tiny.shell(v, "echo >/stop; wait");
                assertEquals("sound", Tiny.shell(v, "[ -e /failed ] || echo sound"));
                String log = Tiny.shell(v, "dmesg | grep -i 'capacity change\\|new size'");
                assertTrue(log.contains("vda: detected capacity change from 32768 to 49152"), log);
                assertTrue(log.contains("nvme0n1: detected capacity change from 32768 to 49152"), log);
                endIsUsable(v, "vda", virtio, 64 * MIB);
                endIsUsable(v, "nvme0n1", nvme, 64 * MIB);
                q.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
        }
    }

    private static List<String> deterministic(String... more) throws Exception {
        List<String> w = new ArrayList<>(Tiny.words("deterministic=1", "hash-every=1000000000000"));
        w.addAll(List.of(more));
        return w;
    }

    private static String end(Vmm.Result r) {
        assertEquals(0, r.status(), r.err());
        return r.err()
                .lines()
                .filter(l -> l.startsWith("serai: final"))
                .findFirst()
                .orElseThrow(() -> new AssertionError(r.err()));
    }

    /** Recorded, replayed to the same end on a disk as it was, saved behind the resize, and gone on from there. */
    @Test
    void deterministically_replayedSavedAndRestored() throws Exception {
        Path socket = directory.resolve("qmp");
        Path inputs = directory.resolve("inputs");
        Path snapshot = directory.resolve("snapshot");
        Path disk = disk("d.raw");
        String recorded;
        try (Vmm v = Vmm.start(deterministic("record=" + inputs, "qmp=" + socket, "disk=" + disk + ",id=d"))) {
            Tiny.awaitShell(v);
            try (Qmp q = new Qmp(socket)) {
                resize(q, "d", 40 * MIB);
            }
            hasSize(v, "vda", 40 * MIB);
            endIsUsable(v, "vda", disk, 40 * MIB);
            for (int i = 0; i < 20; i++) {
                Tiny.shell(v, "dd if=/dev/vda bs=64k count=16 2>/dev/null | md5sum");
            }
            v.type("poweroff -f\n");
            recorded = end(v.await(120));
        }
        Files.delete(disk);
        disk("d.raw");
        assertEquals(recorded, end(Vmm.run(deterministic("replay=" + inputs, "disk=" + disk + ",id=d"))));
        assertEquals(40 * MIB, Files.size(disk));
        Matcher m = Pattern.compile("instructions (\\d+)").matcher(recorded);
        assertTrue(m.find(), recorded);
        long at = Long.parseLong(m.group(1)) - 10_000_000;
        Files.delete(disk);
        disk("d.raw");
        Vmm.Result saved = Vmm.run(
                deterministic("replay=" + inputs, "disk=" + disk + ",id=d", "save-at=" + at, "snapshot=" + snapshot));
        assertEquals(0, saved.status(), saved.err());
        try (Vmm v = Vmm.start(List.of(
                "engine=java",
                "load=" + snapshot,
                "deterministic=1",
                "disk=" + disk + ",id=d",
                "qmp=" + socket,
                "timeout=200"))) {
            v.type("\n");
            v.awaitOutput(o -> o.contains("~ # "), 60);
            hasSize(v, "vda", 40 * MIB);
            try (Qmp q = new Qmp(socket)) {
                resize(q, "d", 48 * MIB);
                hasSize(v, "vda", 48 * MIB);
                q.execute("{'execute': 'quit'}");
            }
            assertEquals(0, v.await(60).status());
        }
    }
}
