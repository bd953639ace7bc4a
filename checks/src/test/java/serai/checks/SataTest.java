package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** SATA disks and CDs with a stock Debian kernel's drivers: ahci, sd_mod, sr_mod, isofs. */
@Tag("e2e")
final class SataTest {
    private static final int BIG = 6 << 20;

    @TempDir
    Path directory;

    private Path iso = Path.of("");
    private Path disk = Path.of("");
    private String sum = "";

    @BeforeAll
    static void tools() throws Exception {
        assumeTrue(new ProcessBuilder("sh", "-c", "command -v xorriso").start().waitFor() == 0, "capability: xorriso");
    }

    @BeforeEach
    void files() throws Exception {
        byte[] big = new byte[BIG];
        new Random(20261130).nextBytes(big);
        sum = HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(big));
        iso = iso("INSTALL", "big", big);
        disk = directory.resolve("disk.raw");
        try (RandomAccessFile f = new RandomAccessFile(disk.toFile(), "rw")) {
            f.setLength(64 << 20);
        }
    }

    /** An image with a volume label and a file. */
    private Path iso(String label, String name, byte[] content) throws Exception {
        Path tree = Files.createDirectories(directory.resolve("tree-" + label));
        Files.write(tree.resolve(name), content);
        Path file = directory.resolve(label + ".iso");
        Process p = new ProcessBuilder(
                        "xorriso",
                        "-as",
                        "mkisofs",
                        "-quiet",
                        "-J",
                        "-R",
                        "-V",
                        label,
                        "-o",
                        file.toString(),
                        tree.toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), said);
        return file;
    }

    private List<String> words(String... more) throws Exception {
        List<String> w = new ArrayList<>(List.of("disk=" + disk + ",bus=sata,id=hd", "cdrom=" + iso + ",id=cd"));
        w.addAll(List.of(more));
        return Tiny.image("generic", w.toArray(String[]::new));
    }

    private void mountsAndSums(Vmm v) throws Exception {
        assertEquals("", Tiny.shell(v, "mount -t iso9660 -o ro /dev/sr0 /mnt"));
        assertTrue(Tiny.shell(v, "md5sum /mnt/big").startsWith(sum));
    }

    private static void unlock(Vmm v) throws Exception {
        assertEquals("", Tiny.shell(v, "umount /mnt"));
    }

    private static void powerOff(Vmm v) throws Exception {
        v.type("poweroff -f\n");
        Vmm.Result r = v.await(60);
        assertEquals(0, r.status(), r.err());
    }

    @Test
    void anIsoIsMounted_andADiskIsWrittenReadAndTrimmed() throws Exception {
        Path seed = iso("cidata", "user-data", "#cloud-config\n".getBytes(StandardCharsets.US_ASCII));
        try (Vmm v = Vmm.start(words("cdrom=" + seed))) {
            Tiny.awaitShell(v);
            String log = Tiny.shell(v, "dmesg | grep -i 'ahci\\|ata1\\|ata2\\|sr0\\|sda'");
            assertTrue(log.contains("AHCI vers 0001.0301") || log.contains("AHCI 0001.0301"), log);
            assertTrue(log.contains("8 ports 6 Gbps 0x7 impl SATA mode"), log);
            assertTrue(log.contains("ATA-9: SERAI HARDDISK, 1.0, max UDMA/133"), log);
            assertTrue(log.contains("NCQ (depth 32)"), log);
            assertTrue(log.contains("ATAPI: SERAI CD-ROM, 1.0, max UDMA/133"), log);
            assertTrue(log.contains("scsi3-mmc drive") && log.contains("tray"), log);
            assertTrue(Tiny.shell(v, "grep ahci /proc/interrupts").contains("PCI-MSI"));
            mountsAndSums(v);
            assertEquals("/dev/sr1", Tiny.shell(v, "findfs LABEL=cidata"));
            assertEquals(
                    "#cloud-config", Tiny.shell(v, "mkdir /seed; mount -o ro /dev/sr1 /seed; cat /seed/user-data"));
            Tiny.shell(v, "dd if=/mnt/big of=/dev/sda bs=64k seek=16 conv=fsync 2>/dev/null");
            byte[] written = new byte[BIG];
            try (RandomAccessFile f = new RandomAccessFile(disk.toFile(), "r")) {
                f.seek(1 << 20);
                f.readFully(written);
            }
            assertEquals(
                    sum,
                    HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(written)));
            Tiny.shell(v, "echo 3 >/proc/sys/vm/drop_caches");
            String read = Tiny.shell(v, "dd if=/dev/sda bs=64k skip=16 count=96 2>/dev/null | md5sum");
            assertTrue(read.startsWith(sum), read);
            assertEquals("", Tiny.shell(v, "blkdiscard -o 1M -l 6M /dev/sda || blkdiscard /dev/sda"));
            Tiny.shell(v, "echo 3 >/proc/sys/vm/drop_caches");
            assertEquals(
                    "0", Tiny.shell(v, "dd if=/dev/sda bs=64k skip=16 count=96 2>/dev/null | tr -d '\\0' | wc -c"));
            log = Tiny.shell(
                    v,
                    "dmesg | grep -i 'ata[123].*\\(error\\|exception\\|failed\\|reset\\)\\|I/O error' || echo sound");
            assertEquals("sound", log);
            powerOff(v);
        }
    }

    @Test
    void byTheInterruptLine() throws Exception {
        try (Vmm v = Vmm.start(words("append=console=ttyS0 pci=nomsi"))) {
            Tiny.awaitShell(v);
            assertTrue(Tiny.shell(v, "grep ahci /proc/interrupts").contains("IO-APIC"));
            mountsAndSums(v);
            powerOff(v);
        }
    }
}
