package serai.storage.vpc;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import serai.storage.BlockDevice;
import serai.storage.DiskException;
import serai.storage.Extent;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.References;
import serai.storage.imported.Disks;
import serai.storage.imported.FakeFile;
import serai.storage.imported.Oracle;

class VpcDiskTest {
    private static final int BLOCK = 4096;
    private static final UUID ID = new UUID(1, 2);
    private static final UUID CHILD = new UUID(3, 4);

    @TempDir
    private Path directory;

    private static byte[] disk(int sectors, long seed) {
        byte[] disk = new byte[sectors * 512];
        new Random(seed).nextBytes(disk);
        Arrays.fill(disk, Math.min(BLOCK, disk.length), Math.min(3 * BLOCK, disk.length), (byte) 0);
        return disk;
    }

    private static BlockDevice open(byte[] image) throws IOException {
        return VpcDisk.on(new FakeFile("disk.vhd", image), Opening.with(References.NONE, Opening.Passphrases.NONE));
    }

    @Test
    void fixedAndDynamicDisksRead() throws Exception {
        byte[] disk = disk(61, 1);
        for (byte[] image :
                List.of(VhdImage.fixed(disk, ID), VhdImage.dynamic(disk, BLOCK, ID), VhdImage.dynamic(disk, 512, ID))) {
            try (BlockDevice d = open(image)) {
                assertTrue(d.readOnly());
                assertArrayEquals(disk, Disks.all(d));
                Disks.assertStatusIsTrue(d, new FakeFile("disk.vhd", image));
                Disks.assertThreadsRead(d, disk);
                for (long bad : new long[] {-512, 1, d.size()}) {
                    assertThrows(IOException.class, () -> Disks.read(d, bad, 512));
                }
                assertThrows(IOException.class, () -> d.status(d.size(), 1));
            }
        }
    }

    @Test
    void blocksThatAreNotThereAreInNoImage() throws IOException {
        try (BlockDevice d = open(VhdImage.dynamic(disk(61, 1), BLOCK, ID))) {
            assertEquals(Extent.nowhere(2 * BLOCK), d.status(BLOCK, 5 * BLOCK));
            assertEquals(Extent.nowhere(BLOCK - 7), d.status(2 * BLOCK + 7, 5 * BLOCK));
            Extent first = d.status(0, d.size());
            assertEquals(Extent.data(BLOCK, 2048 + 512), first);
            assertEquals(Extent.data(99, 2048 + 512 + 100), d.status(100, 99));
        }
    }

    @Test
    void itIsOnlyRead() throws IOException {
        try (BlockDevice d = open(VhdImage.fixed(disk(8, 1), ID))) {
            String refused = "disk.vhd is a VHD image, which is only read: 'serai image convert' makes another of it";
            assertEquals(
                    refused,
                    assertThrows(DiskException.class, () -> d.write(0, 0, 0)).getMessage());
            assertEquals(
                    refused,
                    assertThrows(DiskException.class, () -> d.discard(0, 0)).getMessage());
            assertEquals(
                    refused,
                    assertThrows(DiskException.class, () -> d.zero(0, 0, true)).getMessage());
            assertEquals(
                    refused,
                    assertThrows(DiskException.class, () -> d.resize(512)).getMessage());
            d.flush();
        }
    }

    /** VHD, Hard Disk Footer Format: creators before Virtual PC 2004 wrote 511 bytes. */
    @Test
    void aFooterOf511Bytes() throws IOException {
        byte[] disk = disk(9, 2);
        byte[] image = VhdImage.fixed(disk, ID);
        try (BlockDevice d = open(Arrays.copyOf(image, image.length - 1))) {
            assertArrayEquals(disk, Disks.all(d));
        }
    }

    /** Virtual PC's and QEMU's size is the geometry's, unless that is the largest; others' is the current size. */
    @Test
    void theSizeIsTheCreators() throws IOException {
        int bytes = 3 * 4 * 17 * 512;
        byte[] image = VhdImage.fixed(new byte[bytes + 5 * 512], ID);
        int footer = image.length - 512;
        for (String creator : List.of("vpc ", "qemu", "qem2", "win ", "d2v\0", "tap\0", "CTXS", "wa\0\0", "vbox")) {
            ByteBuffer.wrap(image).put(footer + 28, creator.getBytes(StandardCharsets.ISO_8859_1));
            try (BlockDevice d = open(VhdImage.seal(image))) {
                boolean geometry = creator.equals("vpc ") || creator.equals("qemu");
                assertEquals(bytes + (geometry ? 0 : 5 * 512), d.size(), creator);
            }
        }
        ByteBuffer.wrap(image)
                .put(footer + 28, "vpc ".getBytes(StandardCharsets.ISO_8859_1))
                .putShort(footer + 56, (short) 65535)
                .put(footer + 58, (byte) 16)
                .put(footer + 59, (byte) 255);
        try (BlockDevice d = open(VhdImage.seal(image))) {
            assertEquals(bytes + 5 * 512, d.size());
        }
    }

    @Test
    void theCopyAtTheStartStandsInForALostFooter() throws IOException {
        byte[] disk = disk(40, 3);
        byte[] image = VhdImage.dynamic(disk, BLOCK, ID);
        image[image.length - 100]++;
        try (BlockDevice d = open(image)) {
            assertArrayEquals(disk, Disks.all(d));
        }
        image = VhdImage.dynamic(disk, BLOCK, ID);
        image[100]++;
        try (BlockDevice d = open(image)) {
            assertArrayEquals(disk, Disks.all(d));
        }
    }

    /** The start of a fixed disk is the guest's: it must not be able to make another disk of it. */
    @Test
    void aGuestCantWriteAFooterIntoAFixedDisk() throws IOException {
        byte[] forged = VhdImage.dynamic(disk(40, 3), BLOCK, ID);
        byte[] image = VhdImage.fixed(forged, ID);
        try (BlockDevice d = open(image)) {
            assertArrayEquals(forged, Disks.all(d));
        }
    }

    @Test
    void aDifferencingDiskIsReadWithItsParent() throws Exception {
        byte[] below = disk(64, 4);
        byte[] above = disk(72, 5);
        boolean[] present = new boolean[72];
        Random random = new Random(6);
        for (int i = 0; i < present.length; i++) {
            present[i] = i / 8 != 3 && random.nextInt(3) == 0; // of one block nothing
        }
        Path base = directory.resolve("base.vhd");
        Path child = directory.resolve("child.vhd");
        Files.write(base, VhdImage.dynamic(below, 512 * 4, ID));
        byte[] image = VhdImage.differencing(above, BLOCK, present, CHILD, ID, ".\\base.vhd");
        Files.write(child, image);
        byte[] expected = Arrays.copyOf(below, above.length);
        for (int i = 0; i < present.length; i++) {
            if (present[i]) {
                System.arraycopy(above, i * 512, expected, i * 512, 512);
            }
        }
        try (BlockDevice d = Opening.trusted().open(child, ImageFormat.VPC, true)) {
            assertArrayEquals(expected, Disks.all(d));
            Disks.assertStatusIsTrue(d, new FakeFile("child.vhd", image));
            Disks.assertThreadsRead(d, expected);
            for (int i = 0; i < present.length; i++) {
                Extent e = d.status(i * 512L, 512);
                boolean hole = i >= 64 || i >= 8 && i < 24;
                assertEquals(present[i] ? 0 : hole ? Extent.NOWHERE : 1, e.depth(), "sector " + i);
            }
        }
        Opening none = Opening.with(References.NONE, Opening.Passphrases.NONE);
        DiskException e = assertThrows(DiskException.class, () -> none.open(child, ImageFormat.VPC, true));
        assertTrue(String.valueOf(e.getMessage()).contains("as its backing file, and may name no other file"));
        Files.write(base, VhdImage.dynamic(below, 512 * 4, CHILD));
        Disks.assertRefused(
                "is not the one that it was made from", () -> Opening.trusted().open(child, ImageFormat.VPC, true));
        Files.write(base, image);
        Disks.assertRefused("leads back to", () -> Opening.trusted().open(child, ImageFormat.VPC, true));
    }

    @Test
    @Tag("e2e")
    void aDifferencingDiskReadsAs7zReadsIt() throws Exception {
        int sectors = 3 * 4096 + 100;
        boolean[] present = new boolean[sectors];
        Random random = new Random(8);
        for (int i = 0; i < sectors; i++) {
            present[i] = i / 4096 != 1 && random.nextInt(3) == 0;
        }
        Files.write(directory.resolve("base.vhd"), VhdImage.dynamic(disk(sectors, 1), 2 << 20, ID));
        Path child = directory.resolve("child.vhd");
        Files.write(child, VhdImage.differencing(disk(sectors, 2), 2 << 20, present, CHILD, ID, ".\\base.vhd"));
        Path raw = Oracle.sevenZip(child, directory.resolve("7z"));
        try (BlockDevice d = Opening.trusted().open(child, ImageFormat.VPC, true)) {
            Oracle.assertBytes(d, raw);
        }
    }

    /** The file name alone, beside the image: that of the header if there is no locator. */
    @Test
    void anAbsoluteNameOfWindowsIsLookedForBesideTheImage() throws IOException {
        byte[] below = disk(64, 4);
        Files.write(directory.resolve("base.vhd"), VhdImage.fixed(below, ID));
        for (int locator : new int[] {0x57326b75, 0x4d616358, 0}) { // W2ku, MacX, none
            byte[] image = VhdImage.differencing(
                    disk(64, 5),
                    BLOCK,
                    new boolean[64],
                    CHILD,
                    ID,
                    locator == 0x57326b75 ? "D:\\vm\\base.vhd" : "base.vhd");
            ByteBuffer.wrap(image).putInt(VhdImage.HEADER + 576, locator);
            Path child = directory.resolve("child.vhd");
            Files.write(child, VhdImage.seal(image));
            try (BlockDevice d = Opening.trusted().open(child, ImageFormat.VPC, true)) {
                assertArrayEquals(below, Disks.all(d));
            }
        }
    }

    /** A damage and a part of what is said about it. */
    record Damage(String what, Change change, String says) {
        @Override
        public String toString() {
            return what;
        }
    }

    /** Makes another image of a sound one of 40 sectors in 5 blocks, the second and the third of which are not there. */
    @FunctionalInterface
    interface Change {
        byte[] of(ByteBuffer image);
    }

    private static Damage sealed(String what, java.util.function.Consumer<ByteBuffer> change, String says) {
        return new Damage(
                what,
                b -> {
                    change.accept(b);
                    return VhdImage.seal(b.array());
                },
                says);
    }

    private static void footers(ByteBuffer b, int at, long value) {
        b.putLong(at, value).putLong(b.capacity() - 512 + at, value);
    }

    private static void footers(ByteBuffer b, int at, int value) {
        b.putInt(at, value).putInt(b.capacity() - 512 + at, value);
    }

    static final List<Damage> DAMAGES = List.of(
            new Damage("empty", b -> new byte[0], "neither at its end nor at its start is a footer"),
            new Damage("a few bytes", b -> new byte[100], "neither at its end nor at its start is a footer"),
            new Damage("zeros", b -> new byte[4096], "neither at its end nor at its start is a footer"),
            new Damage(
                    "both footers damaged",
                    b -> {
                        b.put(90, (byte) 1).put(b.capacity() - 512 + 90, (byte) 1);
                        return b.array();
                    },
                    "neither at its end nor at its start is a footer"),
            sealed("footers that differ", b -> b.putLong(48, 512 * 39), "contradict each other"),
            sealed("footers of two types", b -> b.putInt(60, 4), "contradict each other"),
            sealed("a reserved type", b -> footers(b, 60, 5), "has VHD disk type 5"),
            sealed("version 2", b -> footers(b, 12, 0x20000), "neither at its end nor at its start is a footer"),
            sealed("no sectors", b -> footers(b, 48, 511L), "says its disk has 0 sectors"),
            sealed("3 TiB", b -> footers(b, 48, 3L << 40), "says its disk has 6442450944 sectors"),
            sealed("the largest size", b -> footers(b, 48, -1L), "says its disk has 36028797018963967 sectors"),
            sealed(
                    "more blocks than entries",
                    b -> footers(b, 48, 512L * 49),
                    "has 5 entries, and its disk has 7 blocks"),
            sealed("the header outside", b -> footers(b, 16, 1L << 40), "would be at byte 1099511627776"),
            sealed("the header before the file", b -> footers(b, 16, -512L), "would be at byte 18446744073709551104"),
            sealed("the header at no sector", b -> footers(b, 16, 513L), "would be at byte 513"),
            sealed("the header at the footer", b -> footers(b, 16, 0L), "is no dynamic disk header"),
            sealed("another cookie", b -> b.putLong(512, 1), "is no dynamic disk header"),
            new Damage(
                    "a damaged header",
                    b -> {
                        b.put(512 + 800, (byte) 1);
                        return b.array();
                    },
                    "is no dynamic disk header"),
            sealed("version 2 of the header", b -> b.putInt(512 + 24, 0x20000), "is no dynamic disk header"),
            sealed("blocks of 0 bytes", b -> b.putInt(512 + 32, 0), "its blocks have 0 bytes"),
            sealed("blocks of 4097 bytes", b -> b.putInt(512 + 32, 4097), "its blocks have 4097 bytes"),
            sealed("blocks of 2 GiB", b -> b.putInt(512 + 32, 1 << 31), "its blocks have 2147483648 bytes"),
            sealed("the BAT outside", b -> b.putLong(512 + 16, 1 << 20), "its BAT would be at byte 1048576"),
            sealed(
                    "the BAT before the file",
                    b -> b.putLong(512 + 16, -1024),
                    "its BAT would be at byte 18446744073709550592"),
            sealed("the BAT at no sector", b -> b.putLong(512 + 16, 1540), "its BAT would be at byte 1540"),
            sealed("a block outside", b -> b.putInt(VhdImage.BAT, 1000), "its block 0 would be at byte 512000"),
            sealed(
                    "a block far outside",
                    b -> b.putInt(VhdImage.BAT + 16, -2),
                    "its block 4 would be at byte 2199023254528"),
            sealed("a block half outside", b -> b.putInt(VhdImage.BAT, 25), "its block 0 would be at byte 12800"),
            sealed("a block over the footer", b -> b.putInt(VhdImage.BAT, 0), "its block 0 would be at byte 0"),
            sealed("a block over the header", b -> b.putInt(VhdImage.BAT, 2), "its block 0 would be at byte 1024"),
            sealed("a block over the BAT", b -> b.putInt(VhdImage.BAT, 3), "its block 0 would be at byte 1536"),
            new Damage("cut off", b -> Arrays.copyOf(b.array(), 4096), "its block 0 would be at byte 2048"),
            new Damage(
                    "a fixed disk that is cut off",
                    b -> {
                        byte[] f = VhdImage.fixed(new byte[8 * 512], ID);
                        return Arrays.copyOfRange(f, 512, f.length);
                    },
                    "its disk has 4096 bytes, and the file 4096"),
            new Damage(
                    "a parent in no way that we know",
                    b -> {
                        byte[] d = VhdImage.differencing(new byte[4096], 4096, new boolean[8], CHILD, ID, "x");
                        ByteBuffer.wrap(d).putInt(512 + 576, 0x4d616320).putInt(512 + 64, 0);
                        return VhdImage.seal(d);
                    },
                    "names it neither by locator"),
            new Damage(
                    "a locator outside",
                    b -> {
                        byte[] d = VhdImage.differencing(new byte[4096], 4096, new boolean[8], CHILD, ID, "x");
                        ByteBuffer.wrap(d).putLong(512 + 592, 1 << 20);
                        return VhdImage.seal(d);
                    },
                    "a parent locator has 2 bytes at byte 1048576"),
            new Damage(
                    "a locator of 4 GiB",
                    b -> {
                        byte[] d = VhdImage.differencing(new byte[4096], 4096, new boolean[8], CHILD, ID, "x");
                        ByteBuffer.wrap(d).putInt(512 + 584, -2);
                        return VhdImage.seal(d);
                    },
                    "a parent locator has 4294967294 bytes"),
            new Damage(
                    "a parent of several lines",
                    b -> VhdImage.differencing(new byte[4096], 4096, new boolean[8], CHILD, ID, "x\ny"),
                    "names its parent 'x?y', which is no path"),
            new Damage(
                    "a parent that is a directory of Windows",
                    b -> VhdImage.differencing(new byte[4096], 4096, new boolean[8], CHILD, ID, "C:\\vm\\"),
                    "names its parent 'C:\\vm\\', which is no path"),
            new Damage(
                    "a parent",
                    b -> VhdImage.differencing(new byte[4096], 4096, new boolean[8], CHILD, ID, "..\\..\\etc\\shadow"),
                    "names '../../etc/shadow' as its backing file, and may name no other file"));

    @ParameterizedTest
    @FieldSource("DAMAGES")
    void whatIsDamagedIsRefusedInOneSentence(Damage damage) {
        byte[] sound = VhdImage.dynamic(disk(40, 7), BLOCK, ID);
        assertEquals(2048 + 3 * (512 + BLOCK) + 512, sound.length);
        Disks.assertRefused(damage.says, () -> open(damage.change.of(ByteBuffer.wrap(sound))));
    }
}
