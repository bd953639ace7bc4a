package serai.storage.vmdk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.imported.Disks;

/** Images that are damaged or were made to do harm. */
class VmdkDamageTest {
    private static final int GRAIN = 8;
    private static final int PLAIN = VmdkImage.NEWLINES | VmdkImage.FLAG_REDUNDANT;
    private static final int STREAM = VmdkImage.NEWLINES | VmdkImage.COMPRESSED | VmdkImage.MARKERS;

    @TempDir
    private Path directory;

    private BlockDevice open(String name) throws IOException {
        return Opening.trusted().open(directory.resolve(name), ImageFormat.VMDK, true);
    }

    private void write(String name, byte[] bytes) throws IOException {
        Files.write(directory.resolve(name), bytes);
    }

    /** A damage of a header, table or grain, and a part of what is said about it. */
    record Damage(String what, int flags, Consumer<ByteBuffer> change, String says) {
        @Override
        public String toString() {
            return what;
        }
    }

    private static Damage plain(String what, Consumer<ByteBuffer> change, String says) {
        return new Damage(what, PLAIN, change, says);
    }

    private static Damage stream(String what, Consumer<ByteBuffer> change, String says) {
        return new Damage(what, STREAM, change, says);
    }

    /** Where the first grain is. */
    private static final int FIRST = 8 * 512;

    private static void text(ByteBuffer b, String from, String to) {
        String s = VmdkImage.TEXT.formatted(75).replace(from, to);
        b.put(VmdkImage.DESCRIPTOR, new byte[1024]).put(VmdkImage.DESCRIPTOR, s.getBytes(StandardCharsets.UTF_8));
    }

    static final List<Damage> DAMAGES = List.of(
            plain("COWD", b -> b.putInt(0, 0x44574f43), "is a COWD (vmfsSparse) extent of ESX, which is not read"),
            plain("seSparse", b -> b.putLong(0, 0xcafebabeL), "is a seSparse extent of ESX, which is not read"),
            plain("version 0", b -> b.putInt(4, 0), "is a VMDK of version 0"),
            plain("version 4", b -> b.putInt(4, 4), "is a VMDK of version 4"),
            plain("changed line ends", b -> b.put(75, (byte) '\n'), "was transferred as if it were text"),
            plain("an unknown flag", b -> b.putInt(8, 1 << 18), "has VMDK flags 0x40000"),
            stream("another algorithm", b -> b.putShort(77, (short) 2), "is compressed by algorithm 2"),
            plain(
                    "no capacity and no descriptor",
                    b -> b.putLong(12, 0).putLong(28, 0),
                    "claims a capacity of 0 sectors"),
            plain("the largest capacity", b -> b.putLong(12, -1), "claims a capacity of 18446744073709551615 sectors"),
            plain("a capacity of 2 PiB", b -> b.putLong(12, 1L << 42), "claims a capacity of 4398046511104 sectors"),
            plain("a capacity of 1 PiB", b -> b.putLong(12, 1L << 41), "its grain directory would have"),
            plain("grains of 0", b -> b.putLong(20, 0), "its grains have 0 sectors"),
            plain("grains of 12", b -> b.putLong(20, 12), "its grains have 12 sectors"),
            plain("grains of 2 GiB", b -> b.putLong(20, 1 << 22), "its grains have 4194304 sectors"),
            plain("grains of 2^63", b -> b.putLong(20, Long.MIN_VALUE), "its grains have 9223372036854775808 sectors"),
            stream("compressed grains of 16 MiB", b -> b.putLong(20, 1 << 15), "its grains have 32768 sectors"),
            plain("tables of 0", b -> b.putInt(44, 0), "its grain tables have 0 entries"),
            plain("tables of 513", b -> b.putInt(44, 513), "its grain tables have 513 entries"),
            plain("tables of 4294967295", b -> b.putInt(44, -1), "its grain tables have 4294967295 entries"),
            plain("more overhead than file", b -> b.putLong(64, 1 << 20), "its grains would begin at sector 1048576"),
            plain("negative overhead", b -> b.putLong(64, -1), "its grains would begin at sector 1844674407370955"),
            plain(
                    "the descriptor outside",
                    b -> b.putLong(28, 1 << 20),
                    "its descriptor has 2 sectors at sector 1048576"),
            plain(
                    "the descriptor before the file",
                    b -> b.putLong(28, -1),
                    "its descriptor has 2 sectors at sector 1844"),
            plain("a descriptor of 2 GiB", b -> b.putLong(36, 1 << 22), "its descriptor has 4194304 sectors"),
            plain("no descriptor", b -> b.putLong(28, 0), "is one extent of a VMDK"),
            plain(
                    "an empty descriptor",
                    b -> b.put(VmdkImage.DESCRIPTOR, new byte[1024]),
                    "has no descriptor, which would say"),
            plain("descriptor version 4", b -> text(b, "version=1", "version=4"), "has a VMDK descriptor of version 4"),
            plain("no content id", b -> text(b, "CID=12345678", ""), "has no descriptor, which would say"),
            plain("a content id that is no number", b -> text(b, "CID=12345678", "CID=xyz"), "its content id is 'xyz'"),
            plain(
                    "two extents in an extent",
                    b -> text(b, "# Extent", "RW 8 FLAT \"/etc/shadow\" 0\n# Extent"),
                    "it is an extent itself, and its descriptor has 2"),
            plain(
                    "the directory in the header",
                    b -> b.putLong(56, 0).putLong(48, 0),
                    "its grain directory would have 1 sectors at sector 0"),
            plain(
                    "the directory before the file",
                    b -> b.putLong(56, -2).putLong(48, -2),
                    "at sector 18446744073709551614"),
            plain(
                    "a table outside",
                    b -> b.putInt(VmdkImage.DIRECTORY, 1 << 20),
                    "the grain table for byte 0 would be at sector 1048576"),
            plain(
                    "a table far outside",
                    b -> b.putInt(VmdkImage.DIRECTORY + 4, -1),
                    "the grain table for byte 16384 would be at sector 4294967295"),
            plain(
                    "a grain outside",
                    b -> b.putInt(VmdkImage.TABLES, 1 << 20),
                    "the grain for byte 0 would be at sector 1048576"),
            plain(
                    "a grain far outside",
                    b -> b.putInt(VmdkImage.TABLES, -1),
                    "the grain for byte 0 would be at sector 4294967295"),
            plain(
                    "a grain half outside",
                    b -> b.putInt(VmdkImage.TABLES, b.capacity() / 512 - 1),
                    "the grain for byte 0 would be"),
            plain(
                    "a grain over the header",
                    b -> b.putInt(VmdkImage.TABLES, 1),
                    "the grain for byte 0 would be at sector 1"),
            plain(
                    "a grain over the tables",
                    b -> b.putInt(VmdkImage.TABLES, 5),
                    "the grain for byte 0 would be at sector 5"),
            stream(
                    "a compressed grain outside",
                    b -> b.putInt(VmdkImage.TABLES, b.capacity() / 512),
                    "the grain for byte 0 would be"),
            stream("a grain of 0 bytes", b -> b.putInt(FIRST + 8, 0), "would have 0 bytes"),
            stream("a grain of 4 GiB", b -> b.putInt(FIRST + 8, -1), "would have 4294967295 bytes"),
            stream(
                    "a grain of another sector",
                    b -> b.putLong(FIRST, 8),
                    "is for sector 8, and the table has it for sector 0"),
            stream("a grain that is no zlib stream", b -> b.putInt(FIRST + 12, 0), "can't be decompressed"),
            stream("a grain that is damaged", b -> b.putInt(FIRST + 500, ~b.getInt(FIRST + 500)), "compress"),
            stream(
                    "a grain that is cut off",
                    b -> b.putInt(FIRST + 8, 100),
                    "decompresses to more or less than a grain"),
            stream("a grain that is too long", b -> b.putLong(20, GRAIN / 2), "compress"));

    @ParameterizedTest
    @FieldSource("DAMAGES")
    void whatIsDamagedIsRefusedInOneSentence(Damage damage) {
        byte[] image = VmdkImage.of(VmdkDiskTest.disk(75, 3), GRAIN, damage.flags);
        damage.change.accept(ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN));
        Disks.assertRefused(damage.says, () -> VmdkDiskTest.open(image));
    }

    @Test
    void footersThatAreNoneAreRefused() {
        byte[] image = VmdkImage.withFooter(VmdkImage.of(VmdkDiskTest.disk(75, 3), GRAIN, STREAM));
        ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        int footer = image.length - 1024;
        Disks.assertRefused(
                "there is no footer at its end", () -> VmdkDiskTest.open(Arrays.copyOf(image, image.length - 512)));
        Disks.assertRefused(
                "its end, where its footer should be, is missing",
                () -> VmdkDiskTest.open(Arrays.copyOf(image, image.length - 7)));
        b.putLong(footer + 56, -1);
        Disks.assertRefused("its footer contradicts its header", () -> VmdkDiskTest.open(image));
        b.putLong(footer + 56, 3).putLong(footer + 12, 76);
        Disks.assertRefused("its footer contradicts its header", () -> VmdkDiskTest.open(image));
        b.putLong(footer + 12, 75).putInt(footer, 0);
        Disks.assertRefused("there is no footer at its end", () -> VmdkDiskTest.open(image));
    }

    /** A line of a descriptor and a part of what is said about it. */
    record Line(String text, String says) {}

    static final List<Line> LINES = List.of(
            new Line("", "its descriptor has no extent"),
            new Line("RW 10 FLAT \"none.vmdk\" 0", "does not exist"),
            new Line("RW 10 FLAT \".\" 0", "is a directory"),
            new Line("RW 10 FLAT", "its descriptor has an extent 'RW 10 FLAT'"),
            new Line("RW 10 FLAT \"flat.vmdk", "its descriptor has an extent 'RW 10 FLAT"),
            new Line("RW x FLAT \"flat.vmdk\" 0", "its descriptor has an extent 'RW x FLAT"),
            new Line("RW -1 FLAT \"flat.vmdk\" 0", "its descriptor has an extent 'RW -1 FLAT"),
            new Line("RW 0 FLAT \"flat.vmdk\" 0", "its descriptor has an extent 'RW 0 FLAT"),
            new Line("RW 10 FLAT \"\" 0", "its descriptor has an extent 'RW 10 FLAT"),
            new Line("RW 99999999999999999999 ZERO", "its descriptor has an extent 'RW 99999999999999999999 ZERO'"),
            new Line("RW 999999999999999999 ZERO", "its descriptor has an extent 'RW 999999999999999999 ZERO'"),
            new Line("RW 2199023255552 ZERO\nRW 2199023255552 ZERO", "its extents claim more than 1 PiB"),
            new Line("RW 11 FLAT \"flat.vmdk\" 0", "this extent is to have 5632 bytes and has 5120"),
            new Line("RW 10 FLAT \"flat.vmdk\" 999999999999", "this extent is to have"),
            new Line("RW 10 FLAT \"flat.vmdk\" 999999999999999999", "its descriptor has an extent"),
            new Line("RW 10 ZERO \"flat.vmdk\"", "its descriptor has an extent 'RW 10 ZERO"),
            new Line("RW 10 SPARSE \"flat.vmdk\"", "this extent is to be sparse and has no header"),
            new Line("RW 10 SPARSE \"disk.vmdk\"", "this extent is to be sparse and has no header"),
            new Line("RW 76 SPARSE \"sparse.vmdk\"", "this extent is to have 76 sectors and has 75"),
            new Line("RW 10 SPARSE \"cowd.vmdk\"", "is a COWD (vmfsSparse) extent"),
            new Line("NOACCESS 10 FLAT \"flat.vmdk\" 0", "says itself that it can't be accessed"),
            new Line("RW 10 VMFSSPARSE \"sparse.vmdk\"", "has an extent of type VMFSSPARSE"),
            new Line("RW 10 VMFSRDM \"flat.vmdk\"", "has an extent of type VMFSRDM"),
            new Line("RW 10 FLAT \"nbd://localhost\" 0", "only files can be that"),
            new Line("RW 10 FLAT \"fl\u0000at.vmdk\" 0", "its descriptor has an extent"),
            new Line("RW 10 FLAT \"fl\u0007at.vmdk\" 0", "its descriptor has an extent"),
            new Line("RW 1 ZERO\n".repeat(2049), "has 2049 extents, and we open at most 2048"));

    @ParameterizedTest
    @FieldSource("LINES")
    void extentsThatCantBeAreRefusedInOneSentence(Line line) throws IOException {
        write("flat.vmdk", new byte[5120]);
        write("cowd.vmdk", "COWD and so on".getBytes(StandardCharsets.UTF_8));
        write("sparse.vmdk", VmdkImage.of(VmdkDiskTest.disk(75, 3), GRAIN, PLAIN));
        write("disk.vmdk", VmdkDiskTest.descriptor(line.text.split("\n")).getBytes(StandardCharsets.UTF_8));
        Disks.assertRefused(line.says, () -> open("disk.vmdk"));
    }

    @Test
    void whatIsNoVmdkIsRefusedInOneSentence() {
        Disks.assertRefused("0 bytes are no descriptor", () -> VmdkDiskTest.open(new byte[0]));
        Disks.assertRefused("4194304 bytes are no descriptor", () -> VmdkDiskTest.open(new byte[4 << 20]));
        Disks.assertRefused("it has no descriptor", () -> VmdkDiskTest.open(new byte[4096]));
        Disks.assertRefused("it has no descriptor", () -> VmdkDiskTest.open(VmdkDiskTest.disk(10, 5)));
        byte[] image = VmdkImage.of(VmdkDiskTest.disk(75, 3), GRAIN, PLAIN);
        // of the last grain the disk needs three sectors of eight
        for (int length = 512; length <= image.length - 6 * 512; length += 512) {
            byte[] cut = Arrays.copyOf(image, length);
            Disks.assertRefused("is no sound VMDK", () -> VmdkDiskTest.open(cut));
        }
    }
}
