package serai.storage.vhdx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.function.Consumer;
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

class VhdxDiskTest {
    private static final int MIB = VhdxImage.MIB;
    private static final byte[] NONE = {};

    @TempDir
    private Path directory;

    private static byte[] random(int bytes, long seed) {
        byte[] b = new byte[bytes];
        new Random(seed).nextBytes(b);
        return b;
    }

    private static VhdxDisk open(byte[] image) throws IOException {
        return VhdxDisk.on(new FakeFile("disk.vhdx", image), Opening.with(References.NONE, Opening.Passphrases.NONE));
    }

    /** Seven blocks, one of each state, the last of which is cut short. */
    private static VhdxImage eachState(int sector) {
        return new VhdxImage(6L * MIB + 4096, sector, 6)
                .block(0, 6, random(MIB, 1))
                .block(1, 0, NONE)
                .block(2, 1, NONE)
                .block(3, 2, NONE)
                .block(4, 3, NONE)
                .block(6, 6, random(MIB, 2));
    }

    @Test
    void blocksAreWhatTheirStateSays() throws Exception {
        byte[] expected = new byte[6 * MIB + 4096];
        System.arraycopy(random(MIB, 1), 0, expected, 0, MIB);
        System.arraycopy(random(MIB, 2), 0, expected, 6 * MIB, 4096);
        for (int sector : new int[] {512, 4096}) {
            byte[] image = eachState(sector).build();
            try (VhdxDisk d = open(image)) {
                assertEquals(sector, d.sector());
                assertArrayEquals(expected, Disks.all(d));
                Disks.assertStatusIsTrue(d, new FakeFile("disk.vhdx", image));
                Disks.assertThreadsRead(d, expected);
                assertEquals(Extent.data(MIB, VhdxImage.DATA), d.status(0, d.size()));
                assertEquals(Extent.nowhere(MIB), d.status(MIB, d.size() - MIB));
                assertEquals(Extent.zeros(3 * MIB), d.status(2 * MIB, d.size() - 2 * MIB));
                assertEquals(Extent.data(4096, VhdxImage.DATA + MIB), d.status(6 * MIB, MIB));
            }
        }
    }

    /** VHDX 2.4: a chunk has 4096 blocks of 1 MiB and sectors of 512 bytes, and its bitmap's entry follows them. */
    @Test
    void theBatHasEntriesForBitmapsBetween() throws IOException {
        byte[] image = new VhdxImage(9000L * MIB, 512, 7)
                .block(4095, 6, random(MIB, 3))
                .block(4096, 6, random(MIB, 4))
                .block(8999, 6, random(MIB, 5))
                .build();
        // QEMU before 8.0 leaves anything in the entries of bitmaps
        ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN).putLong(VhdxImage.BAT + 8 * 4096, -1);
        try (BlockDevice d = open(image)) {
            assertArrayEquals(random(MIB, 3), Disks.read(d, 4095L * MIB, MIB));
            assertArrayEquals(random(MIB, 4), Disks.read(d, 4096L * MIB, MIB));
            assertArrayEquals(random(MIB, 5), Disks.read(d, 8999L * MIB, MIB));
            assertEquals(Extent.nowhere(4095L * MIB), d.status(0, d.size()));
            assertEquals(5, Disks.map(d).size());
        }
    }

    /** VHDX 2.2.2: the header with the greater number counts; disk2vhd writes the same twice. */
    @Test
    void oneHeaderIsEnough() throws IOException {
        byte[] image = eachState(512).build();
        image[VhdxImage.HEADER_2 + 100]++;
        open(image).close();
        image = eachState(512).build();
        image[VhdxImage.HEADER_1 + 100]++;
        open(image).close();
        image = eachState(512).build();
        System.arraycopy(image, VhdxImage.HEADER_1, image, VhdxImage.HEADER_2, 4096);
        open(image).close();
        image = eachState(512).build();
        image[VhdxImage.REGIONS + 100]++;
        open(image).close();
    }

    @Test
    void aDifferencingDiskIsReadWithItsParent() throws Exception {
        for (int sector : new int[] {512, 4096}) {
            byte[] below = random(4 * MIB, 1);
            VhdxImage base = new VhdxImage(4L * MIB, sector, 7);
            for (int i = 0; i < 3; i++) {
                base.block(i, 6, Arrays.copyOfRange(below, i * MIB, (i + 1) * MIB));
            }
            Arrays.fill(below, 3 * MIB, 4 * MIB, (byte) 0);
            int perBlock = MIB / sector;
            byte[] bits = new byte[MIB];
            new Random(9).nextBytes(bits);
            Arrays.fill(bits, 100, 200, (byte) 0xff);
            byte[] part = random(MIB, 11);
            byte[] image = new VhdxImage(5L * MIB, sector, 9)
                    .locator(
                            "parent_linkage",
                            "{" + VhdxImage.DATA_WRITE.toString().toUpperCase() + "}")
                    .locator("relative_path", ".\\base.vhdx")
                    .locator("a key of somebody else, which is longer than any of ours, and means nothing", "x")
                    .block(0, 7, part)
                    .block(1, 0, NONE)
                    .block(2, 2, NONE)
                    .block(3, 7, part)
                    .block(4, 6, random(MIB, 12))
                    .bitmap(0, bits)
                    .build();
            byte[] expected = Arrays.copyOf(below, 5 * MIB);
            Arrays.fill(expected, 2 * MIB, 3 * MIB, (byte) 0);
            System.arraycopy(random(MIB, 12), 0, expected, 4 * MIB, MIB);
            for (int block : new int[] {0, 3}) {
                for (int s = 0; s < perBlock; s++) {
                    int bit = block * perBlock + s;
                    if ((bits[bit / 8] >> bit % 8 & 1) != 0) {
                        System.arraycopy(part, s * sector, expected, block * MIB + s * sector, sector);
                    }
                }
            }
            Path directory = Files.createDirectory(this.directory.resolve("" + sector));
            Path child = directory.resolve("child.avhdx");
            Files.write(directory.resolve("base.vhdx"), base.build());
            Files.write(child, image);
            try (BlockDevice d = Opening.trusted().open(child, ImageFormat.VHDX, true)) {
                assertArrayEquals(expected, Disks.all(d));
                Disks.assertStatusIsTrue(d, new FakeFile("child", image));
                Disks.assertThreadsRead(d, expected);
                assertEquals(1, d.status(MIB, MIB).depth());
                assertEquals(Extent.zeros(MIB), d.status(2 * MIB, MIB));
            }
            Opening none = Opening.with(References.NONE, Opening.Passphrases.NONE);
            DiskException e = assertThrows(DiskException.class, () -> none.open(child, ImageFormat.VHDX, true));
            assertTrue(String.valueOf(e.getMessage()).contains("as its backing file, and may name no other file"));
            Files.write(directory.resolve("base.vhdx"), new VhdxImage(4L * MIB, 4608 - sector, 7).build());
            Disks.assertRefused("is not as it was when that was made from it", () -> Opening.trusted()
                    .open(child, ImageFormat.VHDX, true));
            Files.write(directory.resolve("base.vhdx"), image);
            Disks.assertRefused("leads back to", () -> Opening.trusted().open(child, ImageFormat.VHDX, true));
        }
    }

    @Test
    @Tag("e2e")
    void aDifferencingDiskReadsAs7zReadsIt() throws Exception {
        for (int sector : new int[] {512, 4096}) {
            Path directory = Files.createDirectory(this.directory.resolve("7z" + sector));
            VhdxImage base = new VhdxImage(4L * MIB, sector, 8);
            for (int i = 0; i < 4; i++) {
                base.block(i, 6, random(MIB, i));
            }
            Files.write(directory.resolve("base.vhdx"), base.build());
            Path child = directory.resolve("child.vhdx");
            Files.write(
                    child,
                    new VhdxImage(4L * MIB, sector, 7)
                            .locator("parent_linkage", "{" + VhdxImage.DATA_WRITE + "}")
                            .locator("relative_path", ".\\base.vhdx")
                            .block(0, 7, random(MIB, 10))
                            .block(2, 2, NONE)
                            .block(3, 7, random(MIB, 11))
                            .bitmap(0, random(MIB, 12))
                            .build());
            Path raw = Oracle.sevenZip(child, directory.resolve("out"));
            try (BlockDevice d = Opening.trusted().open(child, ImageFormat.VHDX, true)) {
                Oracle.assertBytes(d, raw);
            }
        }
    }

    @Test
    void anAbsoluteNameOfWindowsIsLookedForBesideTheImage() throws IOException {
        Path child = directory.resolve("child.vhdx");
        Files.write(directory.resolve("base.vhdx"), eachState(512).build());
        for (String key : List.of("absolute_win32_path", "volume_path")) {
            Files.write(
                    child,
                    new VhdxImage(4L * MIB, 512, 4)
                            .locator("parent_linkage2", "{" + VhdxImage.DATA_WRITE + "}")
                            .locator(key, "\\\\?\\D:\\vm\\base.vhdx")
                            .build());
            try (BlockDevice d = Opening.trusted().open(child, ImageFormat.VHDX, true)) {
                assertArrayEquals(random(MIB, 1), Disks.read(d, 0, MIB));
            }
        }
    }

    /** A damage and a part of what is said about it. */
    record Damage(String what, Consumer<ByteBuffer> change, String says) {
        @Override
        public String toString() {
            return what;
        }
    }

    private static Damage header(String what, Consumer<ByteBuffer> at0, String says) {
        return new Damage(
                what,
                b -> {
                    at0.accept(b.slice(VhdxImage.HEADER_1, 4096).order(ByteOrder.LITTLE_ENDIAN));
                    at0.accept(b.slice(VhdxImage.HEADER_2, 4096).order(ByteOrder.LITTLE_ENDIAN));
                },
                says);
    }

    private static Damage regions(String what, Consumer<ByteBuffer> at0, String says) {
        return new Damage(
                what,
                b -> {
                    at0.accept(b.slice(VhdxImage.REGIONS, 65536).order(ByteOrder.LITTLE_ENDIAN));
                    at0.accept(b.slice(VhdxImage.REGIONS_COPY, 65536).order(ByteOrder.LITTLE_ENDIAN));
                },
                says);
    }

    private static Damage metadata(String what, Consumer<ByteBuffer> at0, String says) {
        return new Damage(what, b -> at0.accept(b.slice(VhdxImage.METADATA, MIB).order(ByteOrder.LITTLE_ENDIAN)), says);
    }

    private static Damage bat(String what, int block, long entry, String says) {
        return new Damage(what, b -> b.putLong(VhdxImage.BAT + 8 * block, entry), says);
    }

    private static final int ITEM = VhdxImage.ITEMS;
    private static final long M = 1 << 20;

    static final List<Damage> DAMAGES = List.of(
            new Damage("no identifier", b -> b.putLong(0, 0), "does not begin with 'vhdxfile'"),
            new Damage(
                    "both headers damaged",
                    b -> b.putInt(VhdxImage.HEADER_1, 0).putInt(VhdxImage.HEADER_2, 0),
                    "neither of its headers"),
            new Damage(
                    "two headers of the same number that differ",
                    b -> b.putLong(VhdxImage.HEADER_1 + 8, 2).putInt(VhdxImage.HEADER_1 + 200, 1),
                    "neither of its headers is current"),
            header("version 2", b -> b.putShort(66, (short) 2), "is a VHDX of version 2"),
            header("a log of version 1", b -> b.putShort(64, (short) 1).putInt(48, 1), "has a log of version 1"),
            header("a log at no megabyte", b -> b.putLong(72, M + 4096), "its log has 1048576 bytes at byte 1052672"),
            header("a log of half a megabyte", b -> b.putInt(68, 1 << 19), "its log has 524288 bytes"),
            header("a log before the file", b -> b.putLong(72, -M), "its log has 1048576 bytes at byte 1844674407"),
            header("a log over the BAT", b -> b.putLong(72, VhdxImage.BAT), "overlap another part of it"),
            header("a log over the headers", b -> b.putLong(72, 0), "overlap another part of it"),
            header(
                    "a log outside",
                    b -> b.putLong(72, 1L << 40).putInt(48, 1),
                    "would be 1048576 bytes at byte 1099511627776"),
            header(
                    "a log of nothing",
                    b -> b.putInt(68, 0).putInt(48, 1),
                    "its log, which has to be replayed, would be 0 bytes"),
            header("a log without an entry", b -> b.putInt(48, 1), "has no complete sequence of entries"),
            new Damage(
                    "both region tables damaged",
                    b -> b.putInt(VhdxImage.REGIONS, 0).putInt(VhdxImage.REGIONS_COPY, 0),
                    "neither copy of its region table"),
            regions("2048 regions", b -> b.putInt(8, 2048), "neither copy of its region table"),
            regions("4294967295 regions", b -> b.putInt(8, -1), "neither copy of its region table"),
            regions("no metadata", b -> b.putInt(8, 1), "it has no metadata region"),
            regions("no BAT", b -> b.putInt(16, 7).putInt(44, 0), "it has no BAT"),
            regions(
                    "the BAT twice",
                    b -> b.put(48, b, 16, 16),
                    "it has region 2dc27766-f623-4200-9d64-115e9bfd4a08 twice"),
            regions("an unknown region that is needed", b -> b.putInt(16, 7), "needs region 00000007-f623"),
            regions("the BAT over the metadata", b -> b.putLong(32, VhdxImage.METADATA), "overlap another part of it"),
            regions("the BAT over the headers", b -> b.putLong(32, 0), "where the file has no such megabytes"),
            regions("the BAT over the log", b -> b.putLong(32, VhdxImage.LOG), "overlap another part of it"),
            regions("the BAT outside", b -> b.putLong(32, 100 * M), "where the file has no such megabytes"),
            regions("the BAT far outside", b -> b.putLong(32, -M), "where the file has no such megabytes"),
            regions("the BAT of 3 GiB", b -> b.putInt(40, 3 << 30), "where the file has no such megabytes"),
            regions("the BAT of nothing", b -> b.putInt(40, 0), "has 0 bytes"),
            metadata("no metadata table", b -> b.putLong(0, 0), "does not begin with 'metadata'"),
            metadata("2048 items", b -> b.putShort(10, (short) 2048), "does not begin with 'metadata'"),
            metadata("no items", b -> b.putShort(10, (short) 0), "has no item caa16737"),
            metadata(
                    "an item twice",
                    b -> b.put(64, b, 32, 16),
                    "it has metadata item caa16737-fa36-4d43-b3b6-33f0aa44e76b twice"),
            metadata("an unknown item that is needed", b -> b.putInt(32, 9), "needs metadata item 00000009-fa36"),
            metadata("a user's item that is needed", b -> b.putInt(56, 5), "needs metadata item caa16737"),
            metadata("an item in the table", b -> b.putInt(48, 32), "outside its region or over another"),
            metadata("an item outside", b -> b.putInt(48, 1 << 20), "outside its region or over another"),
            metadata("an item over another", b -> b.putInt(80, ITEM), "outside its region or over another"),
            metadata("an item of 2 MiB", b -> b.putInt(52, 2 << 20), "outside its region or over another"),
            metadata(
                    "an item that is too short",
                    b -> b.putInt(52, 4),
                    "has no item caa16737-fa36-4d43-b3b6-33f0aa44e76b of 8"),
            metadata("blocks of 512 KiB", b -> b.putInt(ITEM, 1 << 19), "its blocks have 524288 bytes"),
            metadata("blocks of 512 MiB", b -> b.putInt(ITEM, 1 << 29), "its blocks have 536870912 bytes"),
            metadata("blocks of 3 MiB", b -> b.putInt(ITEM, 3 << 20), "its blocks have 3145728 bytes"),
            metadata("no bytes", b -> b.putLong(ITEM + 64, 0), "its disk has 0 bytes"),
            metadata("65 TiB", b -> b.putLong(ITEM + 64, 65L << 40), "its disk has 71468255805440 bytes"),
            metadata("the largest size", b -> b.putLong(ITEM + 64, -512), "its disk has 18446744073709551104 bytes"),
            metadata("half a sector", b -> b.putLong(ITEM + 64, 256), "its disk has 256 bytes"),
            metadata(
                    "more than the BAT has",
                    b -> b.putLong(ITEM + 64, 1L << 40),
                    "its BAT has 1048576 bytes, and its disk needs 1048831"),
            metadata("sectors of 1024", b -> b.putInt(ITEM + 128, 1024), "its sectors have 1024 bytes"),
            metadata("a parent and no locator", b -> b.putInt(ITEM + 4, 2), "has a parent and no parent locator"),
            bat("state 4", 0, 4, "its block 0 has state 4"),
            bat("state 5", 6, 5, "its block 6 has state 5"),
            bat("part of a block without a parent", 0, VhdxImage.DATA | 7, "its block 0 is present in part"),
            bat("reserved bits", 0, VhdxImage.DATA | 6 | 1 << 7, "its block 0 has state 6 at megabyte 4"),
            bat("a block in the headers", 0, 6, "its block 0 has state 6 at megabyte 0"),
            bat("a block in the log", 0, VhdxImage.LOG | 6, "its block 0 has state 6 at megabyte 1"),
            bat("a block in the metadata", 0, VhdxImage.METADATA | 6, "its block 0 has state 6 at megabyte 2"),
            bat("a block in the BAT", 6, VhdxImage.BAT | 6, "its block 6 has state 6 at megabyte 3"),
            bat("a block outside", 0, 6 * M | 6, "its block 0 has state 6 at megabyte 6"),
            bat("a block far outside", 0, -1L << 20 | 6, "its block 0 has state 6 at megabyte 17592186044415"));

    @ParameterizedTest
    @FieldSource("DAMAGES")
    void whatIsDamagedIsRefusedInOneSentence(Damage damage) {
        byte[] image = eachState(512).build();
        damage.change.accept(ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN));
        VhdxImage.seal(image);
        Disks.assertRefused(damage.says, () -> open(image));
    }

    @Test
    void whatIsCutOffIsRefusedInOneSentence() {
        byte[] image = eachState(512).build();
        for (int length : new int[] {0, 7, 100, 65536, 200 << 10, MIB, 3 * MIB, 5 * MIB}) {
            Disks.assertRefused(
                    length < 8 ? "is no VHDX" : "is no sound VHDX", () -> open(Arrays.copyOf(image, length)));
        }
    }

    @Test
    void parentsThatCantBeAreRefused() {
        String linkage = "{" + new UUID(1, 1) + "}";
        Disks.assertRefused(
                "does not say where it is",
                () -> open(new VhdxImage(M, 512, 4)
                        .locator("parent_linkage", linkage)
                        .build()));
        Disks.assertRefused(
                "names its parent 'x?y', which is no path",
                () -> open(new VhdxImage(M, 512, 4)
                        .locator("relative_path", "x\ny")
                        .build()));
        byte[] image =
                new VhdxImage(M, 512, 4).locator("relative_path", "base.vhdx").build();
        ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        int locator = VhdxImage.METADATA + ITEM + 64 * 5;
        b.putInt(locator + 20 + 4, 4000).putShort(locator + 20 + 10, (short) 98);
        Disks.assertRefused("its parent locator has a text outside itself", () -> open(image));
        b.putInt(locator + 20 + 4, -5);
        Disks.assertRefused("its parent locator has a text outside itself", () -> open(image));
        b.putShort(locator + 18, (short) -1);
        Disks.assertRefused("its parent locator has no room for 65535 entries", () -> open(image));
        b.putInt(locator, 1);
        Disks.assertRefused("has a parent that is no VHDX", () -> open(image));
    }
}
