package serai.machine.ahci;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** IDENTIFY DEVICE and IDENTIFY PACKET DEVICE data: 256 words (ACS-3, 7.12 and 7.13). */
final class Identify {
    static final int BYTES = 512;
    /** Blocks of DATA SET MANAGEMENT at most, each of 64 ranges; and sectors of a block of READ MULTIPLE. */
    static final int TRIM_BLOCKS = 8;

    static final int MAX_MULTIPLE = 16;

    /** Words 64 to 68: PIO modes 3 and 4, cycles of 120 ns. */
    private static final int[] PIO = {3, 120, 120, 120, 120};

    private static final int VERSIONS = 0x3f0; // ATA/ATAPI-4 to ACS-2
    private static final int SATA_SPEEDS = 0xe;

    private final ByteBuffer b = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);

    private Identify() {}

    private void word(int n, int v) {
        b.putShort(n * 2, (short) v);
    }

    /** ASCII, filled up with spaces, the first character of a word in its upper byte. */
    private void text(int n, int length, String s) {
        byte[] t = new byte[length];
        Arrays.fill(t, (byte) ' ');
        byte[] a = s.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(a, 0, t, 0, Math.min(length, a.length));
        for (int i = 0; i < length; i++) {
            b.put(n * 2 + (i ^ 1), t[i]);
        }
    }

    private void common(String serial, String model, int transferMode) {
        text(10, 20, serial);
        text(23, 8, "1.0");
        text(27, 40, model);
        word(49, 0xf00); // IORDY that can be switched off, LBA, DMA
        word(50, 0x4000);
        word(63, 7 | ((transferMode & 0xf8) == 0x20 ? 0x100 << (transferMode & 7) : 0));
        for (int i = 0; i < PIO.length; i++) {
            word(64 + i, PIO[i]);
        }
        word(76, SATA_SPEEDS);
        word(77, 3 << 1); // now at the third speed
        word(80, VERSIONS);
        word(88, 0x7f | ((transferMode & 0xf8) == 0x40 ? 0x100 << (transferMode & 7) : 0));
        word(222, 0x107f); // serial, up to SATA 3.1
    }

    private byte[] finished() {
        byte[] a = b.array();
        a[510] = (byte) 0xa5;
        int sum = 0;
        for (byte v : a) {
            sum += v;
        }
        a[511] = (byte) -sum;
        return a;
    }

    /**
     * Of a disk.
     *
     * @param multiple sectors that READ MULTIPLE takes at once, or 0
     */
    static byte[] disk(String serial, long sectors, int transferMode, int multiple, boolean cache, boolean lookAhead) {
        Identify i = new Identify();
        i.common(serial, "SERAI HARDDISK", transferMode);
        i.word(0, 0x40);
        // 16 heads and 63 sectors a track, for who still asks
        int cylinders = (int) Math.min(16383, sectors / (16 * 63));
        int chs = cylinders * 16 * 63;
        for (int at : new int[] {1, 54}) {
            i.word(at, cylinders);
            i.word(at == 1 ? 3 : 55, 16);
            i.word(at == 1 ? 6 : 56, 63);
        }
        i.word(57, chs);
        i.word(58, chs >>> 16);
        i.word(47, 0x8000 | MAX_MULTIPLE);
        i.word(53, 7);
        i.word(59, multiple == 0 ? 0 : 0x100 | multiple);
        int lba28 = (int) Math.min(sectors, 0xfffffff);
        i.word(60, lba28);
        i.word(61, lba28 >>> 16);
        i.word(75, 31);
        i.word(76, SATA_SPEEDS | 1 << 8); // native command queuing
        i.word(82, 0x68); // look-ahead, write cache, power management
        i.word(83, 0x7400); // FLUSH CACHE EXT, FLUSH CACHE, 48 bits
        i.word(84, 0x4060); // WRITE DMA FUA EXT, general purpose logging
        i.word(85, 8 | (cache ? 0x20 : 0) | (lookAhead ? 0x40 : 0));
        i.word(86, 0x3400);
        i.word(87, 0x4060);
        for (int k = 0; k < 4; k++) {
            i.word(100 + k, (int) (sectors >>> 16 * k));
        }
        i.word(105, TRIM_BLOCKS);
        i.word(106, 0x4000);
        i.word(169, 1); // TRIM
        i.word(217, 1); // does not rotate
        return i.finished();
    }

    /** Of a CD-ROM drive. */
    static byte[] drive(String serial, int transferMode) {
        Identify i = new Identify();
        i.common(serial, "SERAI CD-ROM", transferMode);
        i.word(0, 0x85c0); // ATAPI, a CD-ROM device, removable, answers within 50 µs, commands of 12 bytes
        i.word(53, 6);
        i.word(82, 0x218); // DEVICE RESET, PACKET, power management
        i.word(83, 0x4000);
        i.word(84, 0x4000);
        i.word(85, 0x218);
        i.word(87, 0x4000);
        return i.finished();
    }
}
