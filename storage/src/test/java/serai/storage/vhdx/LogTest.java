package serai.storage.vhdx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import serai.storage.BlockDevice;
import serai.storage.ImageFormat;
import serai.storage.Opening;
import serai.storage.imported.Disks;
import serai.storage.imported.FakeFile;
import serai.storage.imported.Oracle;

/** VHDX 2.3: a log is replayed for reading, and the file stays as it is. */
class LogTest {
    private static final int MIB = VhdxImage.MIB;

    private static byte[] random(int bytes, long seed) {
        byte[] b = new byte[bytes];
        new Random(seed).nextBytes(b);
        return b;
    }

    /** Two blocks of data, neither of which the BAT knows. */
    private static byte[] image() {
        byte[] image = new VhdxImage(2L * MIB, 512, 6).build();
        System.arraycopy(random(MIB, 1), 0, image, 4 * MIB, MIB);
        System.arraycopy(random(MIB, 2), 0, image, 5 * MIB, MIB);
        return image;
    }

    /** The BAT's first sector with places for both blocks; zero if it has none. */
    private static byte[] bat(int first, int second) {
        ByteBuffer b = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        b.putLong(0, first == 0 ? 0 : (long) first << 20 | 6).putLong(8, second == 0 ? 0 : (long) second << 20 | 6);
        return b.putInt(4092, 0x12345678).array();
    }

    private static byte[] disk(byte[] image) throws IOException {
        VhdxImage.dirty(image);
        byte[] before = image.clone();
        try (BlockDevice d = VhdxDisk.on(new FakeFile("disk.vhdx", image), Opening.trusted())) {
            byte[] all = Disks.all(d);
            assertArrayEquals(before, image);
            return all;
        }
    }

    private static byte[] blocks(long first, long second) {
        byte[] all = new byte[2 * MIB];
        System.arraycopy(first == 0 ? new byte[MIB] : random(MIB, first), 0, all, 0, MIB);
        System.arraycopy(second == 0 ? new byte[MIB] : random(MIB, second), 0, all, MIB, MIB);
        return all;
    }

    private static VhdxImage.LogWriter log(byte[] image, int position, long sequence) {
        return new VhdxImage.LogWriter(image, position, sequence);
    }

    @Test
    void aChangeOfTheBatIsReplayed() throws IOException {
        byte[] image = image();
        log(image, 0, 1).begin().data(VhdxImage.BAT, bat(4, 5)).end(0, 6 * MIB, 6 * MIB);
        assertArrayEquals(blocks(1, 2), disk(image));
    }

    @Test
    void theLaterOfTwoChangesCounts() throws IOException {
        byte[] image = image();
        log(image, 0, 1)
                .begin()
                .data(VhdxImage.BAT, bat(5, 4))
                .end(0, 0, 0)
                .begin()
                .data(VhdxImage.BAT, bat(4, 0))
                .end(0, 0, 0);
        assertArrayEquals(blocks(1, 0), disk(image));
    }

    @Test
    void zerosGoOverDataAndDataOverZeros() throws IOException {
        byte[] image = image();
        ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN).putLong(VhdxImage.BAT, 4 * MIB | 6);
        log(image, 0, 1)
                .begin()
                .data(4 * MIB + 8192, random(4096, 3))
                .zeros(4 * MIB, 5 * 4096)
                .data(4 * MIB + 4096, random(4096, 4))
                .end(0, 0, 0);
        byte[] expected = blocks(1, 0);
        Arrays.fill(expected, 0, 5 * 4096, (byte) 0);
        System.arraycopy(random(4096, 4), 0, expected, 4096, 4096);
        assertArrayEquals(expected, disk(image));
    }

    /** More descriptors than the first sector has, around the end of the log. */
    @Test
    void anEntryOfSeveralSectorsAroundTheEnd() throws IOException {
        byte[] image = image();
        ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN).putLong(VhdxImage.BAT, 4 * MIB | 6);
        VhdxImage.LogWriter log = log(image, MIB - 8 * 4096, 1L << 33).begin();
        byte[] expected = blocks(1, 0);
        for (int i = 0; i < 130; i++) {
            log.data(4 * MIB + i * 4096, random(4096, 100 + i));
            System.arraycopy(random(4096, 100 + i), 0, expected, i * 4096, 4096);
        }
        log.end(MIB - 8 * 4096, 0, 0);
        assertArrayEquals(expected, disk(image));
    }

    /** VHDX 2.3.3: the sequence whose head has the greatest number, from the tail that this names. */
    @Test
    void theNewestCompleteSequenceIsReplayedAndNoOther() throws IOException {
        byte[] image = image();
        // an older sequence, an entry of the newer one that is before its tail, and two from there on
        log(image, 400 << 10, 90).begin().data(VhdxImage.BAT + 4096, bat(9, 9)).end(400 << 10, 0, 0);
        VhdxImage.LogWriter log = log(image, 100 << 10, 200)
                .begin()
                .data(VhdxImage.BAT, bat(9, 9))
                .end(100 << 10, 0, 0);
        int tail = log.position();
        log.begin().data(VhdxImage.BAT, bat(4, 0)).end(tail, 0, 0);
        log.begin().zeros(VhdxImage.METADATA + (512 << 10), 4096).end(tail, 0, 0);
        assertArrayEquals(blocks(1, 0), disk(image));
        // of a head whose tail is not in its sequence nothing counts
        log.begin().data(VhdxImage.BAT, bat(9, 9)).end(0, 0, 0);
        log(image, 600 << 10, 95).begin().data(VhdxImage.BAT, bat(4, 5)).end(600 << 10, 0, 0);
        assertArrayEquals(blocks(1, 2), disk(image));
    }

    @Test
    void anEntryThatWasTornIsNone() throws IOException {
        for (int damaged : new int[] {4, 70, 4096 + 5, 8191}) {
            byte[] image = image();
            VhdxImage.LogWriter log =
                    log(image, 0, 1).begin().data(VhdxImage.BAT, bat(4, 5)).end(0, 0, 0);
            int second = VhdxImage.LOG + log.position();
            log.begin().data(VhdxImage.BAT, bat(0, 0)).end(0, 0, 0);
            image[second + damaged]++;
            assertArrayEquals(blocks(1, 2), disk(image));
        }
    }

    @Test
    void entriesOfAnEarlierLogAreNone() throws IOException {
        byte[] image = image();
        log(image, 0, 1).begin().data(VhdxImage.BAT, bat(4, 5)).end(0, 0, 0);
        log(image, 64 << 10, 9).begin().data(VhdxImage.BAT, bat(0, 0)).end(64 << 10, 0, 0);
        image[VhdxImage.LOG + (64 << 10) + 32]++;
        VhdxImage.crc(image, VhdxImage.LOG + (64 << 10), 8192, "loge");
        assertArrayEquals(blocks(1, 2), disk(image));
    }

    @Test
    void theFileMayEndInTheLogAlone() throws IOException {
        byte[] image = Arrays.copyOf(image(), 5 * MIB);
        log(image, 0, 1).begin().data(VhdxImage.BAT, bat(4, 5)).end(0, 5 * MIB, 6 * MIB);
        assertArrayEquals(blocks(1, 0), disk(image));
    }

    /** QEMU's log as if QEMU had been killed before it wrote the BAT and marked the log as done. */
    @Test
    @Tag("e2e")
    void qemusLogIsReplayedAsQemuDoes(@TempDir Path directory) throws Exception {
        Oracle.need();
        for (String options : List.of("block_size=1M", "block_size=8M,log_size=3M")) {
            Path image = directory.resolve(options + ".vhdx");
            Path mended = directory.resolve("mended.vhdx");
            Path raw = directory.resolve("raw");
            Oracle.run("qemu-img", "create", "-q", "-f", "vhdx", "-o", options, image, "300M");
            String[] writes = {"write -P 1 0 3M", "write -P 2 200M 2M", "write -P 3 100M 700k"};
            for (String w : writes) {
                Oracle.run("qemu-io", "-f", "vhdx", "-c", w, image);
            }
            byte[] bytes = Files.readAllBytes(image);
            FakeFile file = new FakeFile("disk.vhdx", bytes);
            int bat = (int) Regions.of(file, Header.of(file)).bat().offset();
            Arrays.fill(bytes, bat, bat + 4096, (byte) 0);
            // each run has a log of its own at the start of the ring: that of the last is there
            for (int header : new int[] {VhdxImage.HEADER_1, VhdxImage.HEADER_2}) {
                System.arraycopy(bytes, VhdxImage.LOG + 32, bytes, header + 48, 16);
            }
            VhdxImage.seal(bytes);
            Files.write(image, bytes);
            Files.write(mended, bytes);
            Oracle.run("qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", mended);
            Oracle.run("qemu-img", "convert", "-f", "vhdx", "-O", "raw", mended, raw);
            try (BlockDevice d = Opening.trusted().open(image, ImageFormat.VHDX, true)) {
                Oracle.assertBytes(d, raw);
                Disks.assertStatusIsTrue(d, new FakeFile("disk.vhdx", bytes));
                assertEquals(3, Disks.read(d, 100 * MIB, 512)[0]);
            }
            assertArrayEquals(bytes, Files.readAllBytes(image));
        }
    }

    @Test
    void aFileThatWasCutOffAfterTheLogIsRefused() {
        byte[] image = image();
        log(image, 0, 1).begin().end(0, 7 * MIB, 7 * MIB);
        Disks.assertRefused(
                "it has been cut off: it has 6291456 bytes, and had 7340032 when its log was written",
                () -> VhdxDisk.on(new FakeFile("disk.vhdx", VhdxImage.dirty(image)), Opening.trusted()));
    }

    /** Entries that would have to be looked at in full from each of 16384 positions, if all were tried. */
    @Test
    void aLogMadeToTakeLongIsNotSearchedForLong() {
        byte[] image = new VhdxImage(MIB, 512, 66).build();
        ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        for (int h : new int[] {VhdxImage.HEADER_1, VhdxImage.HEADER_2}) {
            b.putInt(h + 68, 62 * MIB).putLong(h + 72, 4 * MIB);
        }
        for (int at = 4 * MIB; at < 66 * MIB; at += 4096) {
            b.putInt(at, 0x65676f6c).putInt(at + 8, 62 * MIB).putLong(at + 16, 1);
            VhdxImage.guid(b, at + 32, VhdxImage.LOG_ID);
        }
        Disks.assertRefused(
                "has no complete sequence of entries",
                () -> VhdxDisk.on(new FakeFile("disk.vhdx", VhdxImage.dirty(image)), Opening.trusted()));
    }

    @Test
    void aLogThatIsTooLargeIsRefused() {
        byte[] image = image();
        ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        for (int h : new int[] {VhdxImage.HEADER_1, VhdxImage.HEADER_2}) {
            b.putInt(h + 68, 65 * MIB).putLong(h + 72, 8L * MIB);
        }
        Disks.assertRefused(
                "has a log of 68157440 bytes to be replayed, and we replay at most 67108864",
                () -> VhdxDisk.on(new FakeFile("disk.vhdx", VhdxImage.dirty(image), 100L * MIB), Opening.trusted()));
    }

    /** 520 entries of 126 descriptors: few bytes, but more changes than are kept. */
    @Test
    void aLogOfTooManyChangesIsRefused() {
        byte[] image = new VhdxImage(MIB, 512, 8).build();
        ByteBuffer b = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        for (int h : new int[] {VhdxImage.HEADER_1, VhdxImage.HEADER_2}) {
            b.putInt(h + 68, 4 * MIB).putLong(h + 72, 4 * MIB);
        }
        for (int i = 0; i < 600; i++) {
            VhdxImage.LogWriter log = log(image, 0, 1 + i).begin();
            for (int d = 0; d < 126; d++) {
                log.zeros((1000L + 2 * d) * MIB, 4096);
            }
            log.end(0, 0, 0);
            System.arraycopy(image, VhdxImage.LOG, image, 4 * MIB + 4096 * i, 4096);
        }
        Disks.assertRefused(
                "has a log of more than 65536 changes to be replayed",
                () -> VhdxDisk.on(new FakeFile("disk.vhdx", VhdxImage.dirty(image)), Opening.trusted()));
    }
}
