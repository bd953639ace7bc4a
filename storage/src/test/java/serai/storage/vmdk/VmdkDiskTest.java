package serai.storage.vmdk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.BlockDevice;
import serai.storage.Extent;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.imported.Disks;
import serai.storage.imported.FakeFile;

class VmdkDiskTest {
    private static final int GRAIN = 8;
    private static final int GRAIN_BYTES = GRAIN * 512;
    private static final int PLAIN = VmdkImage.NEWLINES | VmdkImage.FLAG_REDUNDANT;
    private static final int STREAM = VmdkImage.NEWLINES | VmdkImage.COMPRESSED | VmdkImage.MARKERS;

    @TempDir
    private Path directory;

    /** The second to the seventh grain are zeros: the rest of the first table and the most of the second. */
    static byte[] disk(int sectors, long seed) {
        byte[] disk = new byte[sectors * 512];
        new Random(seed).nextBytes(disk);
        Arrays.fill(disk, Math.min(GRAIN_BYTES, disk.length), Math.min(7 * GRAIN_BYTES, disk.length), (byte) 0);
        for (int i = 0; i < disk.length; i += 3) {
            disk[i] = 0; // compresses a little
        }
        return disk;
    }

    static BlockDevice open(byte[] image) throws IOException {
        return VmdkDisk.on(new FakeFile("disk.vmdk", image), Opening.with(References.NONE, Opening.Passphrases.NONE));
    }

    private BlockDevice open(String name) throws IOException {
        return Opening.trusted().open(directory.resolve(name), ImageFormat.VMDK, true);
    }

    @Test
    void sparseExtentsRead() throws Exception {
        byte[] disk = disk(75, 1);
        for (int grain : new int[] {1, 8, 16, 128}) {
            for (int flags : new int[] {0, PLAIN, PLAIN | VmdkImage.ZEROED, STREAM, VmdkImage.COMPRESSED}) {
                byte[] image = VmdkImage.of(disk, grain, flags);
                for (byte[] i : List.of(image, VmdkImage.withFooter(image))) {
                    try (BlockDevice d = open(i)) {
                        assertArrayEquals(disk, Disks.all(d), grain + " " + flags);
                        Disks.assertStatusIsTrue(d, new FakeFile("disk.vmdk", i));
                        Disks.assertThreadsRead(d, disk);
                    }
                }
            }
        }
    }

    @Test
    void theStatusIsThatOfGrains() throws IOException {
        try (BlockDevice d = open(VmdkImage.of(disk(75, 1), GRAIN, PLAIN))) {
            assertEquals(Extent.data(GRAIN_BYTES, 8 * 512), d.status(0, d.size()));
            assertEquals(Extent.nowhere(6 * GRAIN_BYTES), d.status(GRAIN_BYTES, d.size() - GRAIN_BYTES));
            assertEquals(Extent.data(100, 8 * 512 + 1000), d.status(1000, 100));
        }
        try (BlockDevice d = open(VmdkImage.of(disk(75, 1), GRAIN, STREAM))) {
            assertEquals(new Extent(GRAIN_BYTES, false, true, true, 0, Extent.NOWHERE), d.status(0, d.size()));
        }
    }

    /** VMDK 5.0: an entry of 1 is zeros if the flag is set, and a place if it isn't. */
    @Test
    void zeroedGrains() throws IOException {
        byte[] disk = disk(75, 1);
        byte[] image = VmdkImage.of(disk, GRAIN, PLAIN | VmdkImage.ZEROED);
        ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        b.putInt(VmdkImage.TABLES + 4, 1).putInt(VmdkImage.DIRECTORY + 4, 1);
        try (BlockDevice d = open(image)) {
            Arrays.fill(disk, 4 * GRAIN_BYTES, 8 * GRAIN_BYTES, (byte) 0);
            assertArrayEquals(disk, Disks.all(d));
            assertEquals(Extent.zeros(GRAIN_BYTES), d.status(GRAIN_BYTES, d.size() - GRAIN_BYTES));
            assertEquals(Extent.zeros(4 * GRAIN_BYTES), d.status(4 * GRAIN_BYTES, d.size() - 4 * GRAIN_BYTES));
        }
        b.putInt(8, PLAIN);
        Disks.assertRefused("would be at sector 1, outside the file or over its tables", () -> open(image));
    }

    @Test
    void theRedundantDirectoryStandsIn() throws IOException {
        byte[] disk = disk(75, 1);
        byte[] image = VmdkImage.of(disk, GRAIN, PLAIN);
        ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        b.putLong(56, 1 << 20).put(VmdkImage.DIRECTORY, new byte[512]);
        try (BlockDevice d = open(image)) {
            assertArrayEquals(disk, Disks.all(d));
        }
        b.putInt(8, VmdkImage.NEWLINES);
        Disks.assertRefused("its grain directory would have 1 sectors at sector 1048576", () -> open(image));
    }

    private void write(String name, byte[] bytes) throws IOException {
        Files.write(directory.resolve(name), bytes);
    }

    static String descriptor(String... extents) {
        return "# Disk DescriptorFile\r\nversion=1\r\nCID=00000001\r\nparentCID=ffffffff\r\ncreateType=\"custom\"\r\n\r\n"
                + String.join("\r\n", extents) + "\r\nddb.virtualHWVersion = \"4\"\r\n";
    }

    @Test
    void extentsOfEachTypeAreOneDisk() throws Exception {
        byte[] flat = disk(100, 1);
        byte[] sparse = disk(75, 2);
        write("a flat one.vmdk", flat);
        write("sparse.vmdk", VmdkImage.of(sparse, GRAIN, PLAIN, ""));
        write("stream.vmdk", VmdkImage.of(sparse, GRAIN, STREAM));
        write(
                "disk.vmdk",
                descriptor(
                                "RW 20 FLAT \"a flat one.vmdk\" 3",
                                "RDONLY 75 SPARSE \"sparse.vmdk\"",
                                "RW 30 ZERO",
                                "RW 100 VMFS \"a flat one.vmdk\"",
                                "RW 70 SPARSE \"stream.vmdk\"")
                        .getBytes(StandardCharsets.UTF_8));
        byte[] expected = new byte[(20 + 75 + 30 + 100 + 70) * 512];
        System.arraycopy(flat, 3 * 512, expected, 0, 20 * 512);
        System.arraycopy(sparse, 0, expected, 20 * 512, 75 * 512);
        System.arraycopy(flat, 0, expected, 125 * 512, 100 * 512);
        System.arraycopy(sparse, 0, expected, 225 * 512, 70 * 512);
        try (BlockDevice d = open("disk.vmdk")) {
            assertArrayEquals(expected, Disks.all(d));
            Disks.assertStatusIsTrue(d);
            Disks.assertThreadsRead(d, expected);
            assertEquals(Extent.zeros(30 * 512), d.status(95 * 512, 30 * 512));
        }
        Opening none = Opening.with(References.NONE, Opening.Passphrases.NONE);
        Disks.assertRefused(
                "a flat one.vmdk' as its extent, and may name no other file",
                () -> none.open(directory.resolve("disk.vmdk"), ImageFormat.VMDK, true));
        Opening some =
                Opening.with(References.only(List.of(directory.resolve("a flat one.vmdk"))), Opening.Passphrases.NONE);
        Disks.assertRefused(
                "sparse.vmdk' as its extent, and may name no other file",
                () -> some.open(directory.resolve("disk.vmdk"), ImageFormat.VMDK, true));
    }

    /** So many that some of them share places in memory for their tables, which are not the same. */
    @Test
    void manyExtents() throws IOException {
        int extents = 200;
        byte[] expected = new byte[extents * 16 * 512];
        String[] lines = new String[extents];
        for (int i = 0; i < extents; i++) {
            byte[] part = new byte[16 * 512];
            Arrays.fill(part, i % 2 * GRAIN_BYTES, (i % 2 + 1) * GRAIN_BYTES, (byte) (i + 1));
            System.arraycopy(part, 0, expected, i * part.length, part.length);
            write("s%d.vmdk".formatted(i), VmdkImage.of(part, GRAIN, PLAIN, ""));
            lines[i] = "RW 16 SPARSE \"s%d.vmdk\"".formatted(i);
        }
        write("disk.vmdk", descriptor(lines).getBytes(StandardCharsets.UTF_8));
        try (BlockDevice d = open("disk.vmdk")) {
            assertArrayEquals(expected, Disks.all(d));
            assertArrayEquals(expected, Disks.all(d));
        }
    }

    /** The second file goes on at the offset where the first one ends. */
    @Test
    void whatIsInAnotherFileDoesNotContinue() throws IOException {
        byte[] a = disk(100, 1);
        byte[] b = disk(100, 2);
        write("a.vmdk", a);
        write("b.vmdk", b);
        write(
                "disk.vmdk",
                descriptor("RW 40 FLAT \"a.vmdk\" 10", "RW 50 FLAT \"b.vmdk\" 50")
                        .getBytes(StandardCharsets.UTF_8));
        byte[] expected = Arrays.copyOf(Arrays.copyOfRange(a, 10 * 512, 50 * 512), 90 * 512);
        System.arraycopy(b, 50 * 512, expected, 40 * 512, 50 * 512);
        try (BlockDevice d = open("disk.vmdk")) {
            assertArrayEquals(expected, Disks.all(d));
            assertEquals(Extent.data(30 * 512, 20 * 512), d.status(10 * 512, 80 * 512));
        }
    }

    @Test
    void aDescriptorMadeToTakeLong() {
        String spaces = " ".repeat(250_000);
        String text = "version=1\nCID=1\nkey=" + spaces + "\"x\"y\"\nRW 1 ZERO" + spaces + "\"x\"" + spaces + "\"\n"
                + "k".repeat(250_000) + "\n";
        Disks.assertRefused("its descriptor has an extent", () -> open(text.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void aDescriptorOfWindows() throws IOException {
        byte[] flat = disk(10, 1);
        write("Fl\u00e4che.vmdk", flat);
        String text = "encoding=\"windows-1252\"\n" + descriptor("RW 10 FLAT \"Fl\u00e4che.vmdk\" 0");
        write("disk.vmdk", text.getBytes(Charset.forName("windows-1252")));
        try (BlockDevice d = open("disk.vmdk")) {
            assertArrayEquals(flat, Disks.all(d));
        }
    }

    /** A file with a header that has no capacity carries a descriptor alone. */
    @Test
    void aHeaderWithoutCapacity() throws IOException {
        byte[] flat = disk(10, 1);
        write("flat.vmdk", flat);
        byte[] image = VmdkImage.of(new byte[512], GRAIN, PLAIN, descriptor("RW 10 FLAT \"flat.vmdk\" 0"));
        ByteBuffer.wrap(image).putLong(12, 0);
        write("disk.vmdk", image);
        try (BlockDevice d = open("disk.vmdk")) {
            assertArrayEquals(flat, Disks.all(d));
        }
    }

    @Test
    void aChildIsReadWithItsParent() throws IOException {
        byte[] below = disk(80, 1);
        byte[] above = disk(96, 2);
        Arrays.fill(above, 0, GRAIN_BYTES, (byte) 0);
        write("base.vmdk", VmdkImage.of(below, GRAIN, PLAIN));
        String text = VmdkImage.TEXT
                .replace("parentCID=ffffffff", "parentCID=12345678\nparentFileNameHint=\"base.vmdk\"")
                .formatted(96);
        byte[] image = VmdkImage.of(above, GRAIN, PLAIN | VmdkImage.ZEROED, text);
        ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN).putInt(VmdkImage.TABLES + 512 + 3 * 4, 1);
        write("child.vmdk", image);
        byte[] expected = above.clone();
        System.arraycopy(below, 0, expected, 0, GRAIN_BYTES);
        Arrays.fill(expected, 7 * GRAIN_BYTES, 8 * GRAIN_BYTES, (byte) 0);
        try (BlockDevice d = open("child.vmdk")) {
            assertArrayEquals(expected, Disks.all(d));
            Disks.assertStatusIsTrue(d, new FakeFile("child.vmdk", image));
            assertEquals(1, d.status(0, 1).depth());
            assertEquals(Extent.NOWHERE, d.status(GRAIN_BYTES, 1).depth());
            assertEquals(Extent.zeros(GRAIN_BYTES), d.status(7 * GRAIN_BYTES, 2 * GRAIN_BYTES));
            assertEquals(0, d.status(8 * GRAIN_BYTES, 1).depth());
        }
        Opening none = Opening.with(References.NONE, Opening.Passphrases.NONE);
        Disks.assertRefused(
                "base.vmdk' as its backing file, and may name no other file",
                () -> none.open(directory.resolve("child.vmdk"), ImageFormat.VMDK, true));
        write(
                "base.vmdk",
                VmdkImage.of(below, GRAIN, PLAIN, VmdkImage.TEXT.formatted(80).replace("=1234", "=1235")));
        Disks.assertRefused(
                "is not as it was when that was made from it: it is to have CID 12345678", () -> open("child.vmdk"));
        write("base.vmdk", image);
        Disks.assertRefused("leads back to", () -> open("child.vmdk"));
        write("child.vmdk", VmdkImage.of(above, GRAIN, PLAIN, text.replace("parentFileNameHint", "hint")));
        Disks.assertRefused("has a parent and does not say where it is", () -> open("child.vmdk"));
    }
}
