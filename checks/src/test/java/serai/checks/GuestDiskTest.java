package serai.checks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A qcow2 image as a stock Debian kernel has it: what fio writes is verified, what the guest frees is freed on the host, and it grows
 * while the guest runs. In the end qemu-img finds the image sound, and in it what the guest wrote last.
 */
@Tag("e2e")
final class GuestDiskTest {
    private static final long MIB = 1 << 20;
    private static final long SIZE = 256 * MIB, GROWN = 320 * MIB;
    private static final int FILE = 32, LAST = 8;
    /** Header, refcounts and L1 table of an empty image of this size have 256 KiB, and a few L2 tables may be left. */
    private static final long METADATA = MIB;

    private record Job(String name, String pattern, int blockKib, int depth, int kib) {}

    @TempDir
    Path directory;

    private final byte[] last = new byte[LAST << 20];

    @BeforeAll
    static void tools() throws Exception {
        String path = "PATH=$PATH:/usr/sbin:/sbin; ";
        assumeTrue(0 == host(path + "command -v fio mke2fs fstrim blkdiscard").status, "capability: fio");
        assumeTrue(0 == host("command -v qemu-img").status, "capability: qemu-utils");
    }

    private record Said(int status, String text) {}

    private static Said host(String command, Object... arguments) throws Exception {
        List<String> words = new ArrayList<>(List.of("sh", "-c", command, "sh"));
        for (Object a : arguments) {
            words.add(a.toString());
        }
        Process p = new ProcessBuilder(words).redirectErrorStream(true).start();
        String text = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Said(p.waitFor(), text);
    }

    private static String done(String command, Object... arguments) throws Exception {
        Said s = host(command, arguments);
        assertEquals(0, s.status, command + ": " + s.text);
        return s.text;
    }

    private static List<Job> jobs() {
        List<Job> jobs = new ArrayList<>();
        for (String pattern : List.of("write", "randwrite")) {
            for (int block : List.of(4, 64, 1024)) {
                for (int depth : List.of(1, 32)) {
                    int kib = block == 4 ? 1024 : block == 64 ? 4096 : 16384;
                    jobs.add(new Job(pattern + "-" + block + "k-" + depth, pattern, block, depth, kib));
                }
            }
        }
        return jobs;
    }

    /** The disk with the guest's programs, the jobs, and bytes to write. */
    private Path toolsDisk(String device) throws Exception {
        new Random(20261130).nextBytes(last);
        Path tree = Files.createDirectories(directory.resolve("tree"));
        Files.write(tree.resolve("last"), last);
        StringBuilder b = new StringBuilder("""
                [global]
                filename=/dev/%s
                ioengine=libaio
                direct=1
                thread
                verify=crc32c
                verify_fatal=1
                stonewall
                """.formatted(device));
        for (Job j : jobs()) {
            b.append("[%s]\nrw=%s\nbs=%dk\niodepth=%d\nsize=%dk\noffset=%dm\n"
                    .formatted(j.name, j.pattern, j.blockKib, j.depth, j.kib, 100));
        }
        Files.writeString(tree.resolve("verify.fio"), b);
        Path disk = directory.resolve("tools.raw");
        done("\"$1\" \"$2\" \"$3\"", Guests.root().resolve("bench/fio.d/tools"), disk, tree);
        return disk;
    }

    private static long allocated(Path file) throws Exception {
        return 512 * Long.parseLong(done("stat -c %b \"$1\"", file).strip());
    }

    @Test
    void virtio() throws Exception {
        verifiedTrimmedAndGrown("virtio", "vda");
    }

    @Test
    void nvme() throws Exception {
        verifiedTrimmedAndGrown("nvme", "nvme0n1");
    }

    private void verifiedTrimmedAndGrown(String bus, String device) throws Exception {
        Path image = directory.resolve("disk.qcow2");
        done("qemu-img create -q -f qcow2 \"$1\" \"$2\"", image, SIZE);
        Path socket = directory.resolve("qmp");
        List<String> words = Tiny.words(
                "disk=" + image + ",bus=" + bus + ",id=d",
                "disk=" + toolsDisk(device) + ",readonly=true",
                "qmp=" + socket);
        try (Vmm v = Vmm.start(words)) {
            Tiny.awaitShell(v);
            String tools = device.equals("vda") ? "/dev/vdb" : "/dev/vda";
            String mounted = Tiny.shell(
                    v,
                    "dmesg -n 1; mkdir /t /d; mount -o ro " + tools + " /t && ln -s /t/lib /lib64"
                            + " && export PATH=/t/bin:$PATH LD_LIBRARY_PATH=/t/lib");
            assertEquals("", mounted);
            verifies(v);
            trims(v, device, image);
            grows(v, device, socket);
            v.type("poweroff -f\n");
            Vmm.Result r = v.await(60);
            assertEquals(0, r.status(), r.err());
        }
        String check = done("qemu-img check -f qcow2 \"$1\"", image);
        assertTrue(check.contains("No errors were found on the image."), check);
        hasWhatWasWrittenLast(image);
    }

    private static void verifies(Vmm v) throws Exception {
        v.type("fio --minimal /t/verify.fio; echo 'fio ''ends' $?\n");
        String out = v.awaitOutput(o -> o.contains("fio ends "), 240);
        for (Job j : jobs()) {
            // terse format 3: version, fio's, name, group, error, KiB read ...; the 47th field is KiB written
            Matcher m = Pattern.compile("(?m)^3;fio-[^;]+;" + j.name + ";.*$").matcher(out);
            assertTrue(m.find(), j + ": " + out);
            String[] f = m.group().split(";");
            assertEquals("0", f[4], m.group());
            assertEquals(j.kib, Long.parseLong(f[5]), m.group());
            assertEquals(j.kib, Long.parseLong(f[46]), m.group());
        }
        assertEquals("0", Tiny.shell(v, "dmesg | grep -c 'I/O error'"));
    }

    private static void trims(Vmm v, String device, Path image) throws Exception {
        String made = Tiny.shell(v, "mkfs.ext4 -q /dev/" + device + " && mount /dev/" + device + " /d && echo made");
        assertEquals("made", made);
        long empty = allocated(image);
        assertTrue(empty < 24 * MIB, empty + " bytes with an empty file system");
        Tiny.shell(v, "dd if=/dev/zero bs=1M count=" + FILE + " 2>/dev/null | tr '\\0' x >/d/big; sync");
        long full = allocated(image);
        assertTrue(full >= empty + FILE * MIB, empty + ", and with the file " + full);
        String said = Tiny.shell(v, "rm /d/big; sync; /t/bin/fstrim -v /d; sync");
        assertTrue(said.contains("bytes) trimmed"), said);
        long trimmed = allocated(image);
        assertTrue(trimmed <= full - (FILE - 1) * MIB, full + ", and trimmed " + trimmed);
        said = Tiny.shell(v, "umount /d; /t/bin/blkdiscard -f /dev/" + device + " 2>&1 && sync && echo freed");
        assertTrue(said.endsWith("freed"), said);
        assertTrue(allocated(image) <= METADATA, allocated(image) + " bytes of an empty disk");
    }

    private static void grows(Vmm v, String device, Path socket) throws Exception {
        assertEquals(String.valueOf(SIZE), Tiny.shell(v, "/t/bin/blockdev --getsize64 /dev/" + device));
        try (Qmp q = new Qmp(socket)) {
            String grown = q.execute("{'execute': 'block_resize', 'arguments': {'device': 'd', 'size': " + GROWN + "}}")
                    .toString();
            assertEquals("{}", grown);
        }
        Tiny.awaitShell(v, "/t/bin/blockdev --getsize64 /dev/" + device, String.valueOf(GROWN));
        long seek = GROWN / MIB - LAST;
        Tiny.shell(v, "dd if=/t/last of=/dev/" + device + " bs=1M seek=" + seek + " conv=fsync 2>/dev/null");
    }

    /** All else was discarded. */
    private void hasWhatWasWrittenLast(Path image) throws Exception {
        Path raw = directory.resolve("disk.raw");
        done("qemu-img convert -f qcow2 -O raw \"$1\" \"$2\"", image, raw);
        assertEquals(GROWN, Files.size(raw));
        byte[] there = new byte[last.length];
        try (RandomAccessFile f = new RandomAccessFile(raw.toFile(), "r")) {
            f.seek(GROWN - last.length);
            f.readFully(there);
        }
        assertArrayEquals(last, there);
        done("cmp -n \"$2\" \"$1\" /dev/zero", raw, GROWN - last.length);
    }
}
