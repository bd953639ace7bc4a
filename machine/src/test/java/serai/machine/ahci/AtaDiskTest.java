package serai.machine.ahci;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static serai.machine.ahci.AhciDriver.CI;
import static serai.machine.ahci.AhciDriver.IS;
import static serai.machine.ahci.AhciDriver.SACT;
import static serai.machine.ahci.AhciDriver.TFD;
import static serai.machine.ahci.AhciDriver.WRITE;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import serai.machine.disk.ArrayDisk;

/** The ATA command set, by the sections of ACS-3. */
class AtaDiskTest {
    private static final int SECTORS = 70000;

    private final ArrayDisk disk = new ArrayDisk("serial-1", SECTORS);
    private final AhciFixture f = new AhciFixture(new AtaDisk(disk)).start();
    private final AhciDriver d = f.driver;

    /** Status and error of a command without data. */
    private int nonData(int opcode, int count, int features) {
        d.start(0);
        d.command(0, 0, opcode, 0, count, features, 0);
        return f.finish();
    }

    private byte[] pattern(int length) {
        byte[] b = new byte[length];
        new Random(length).nextBytes(b);
        return b;
    }

    /** By PIO and DMA, with 28 and 48 bits, queued. */
    @ParameterizedTest
    @CsvSource({
        "0x20, 0x30, false",
        "0x24, 0x34, false",
        "0xc4, 0xc5, false",
        "0x29, 0x39, false",
        "0x29, 0xce, false",
        "0xc8, 0xca, false",
        "0x25, 0x35, false",
        "0x25, 0x3d, false",
        "0x60, 0x61, true"
    })
    void whatIsWrittenIsReadBack(int read, int write, boolean queued) {
        byte[] data = pattern(8 * 512);
        f.memory.write(d.data(0), data);
        if (queued) {
            d.putQueued(0, 0, true, 100, 8);
        } else {
            d.put(0, 0, WRITE, write, 100, 8, 0, 4096);
        }
        d.issue(0, 1, queued);
        assertEquals(0x50, f.finish());
        assertArrayEquals(data, Arrays.copyOfRange(disk.bytes, 100 * 512, 108 * 512));
        assertEquals(0, d.port(0, CI));
        assertEquals(queued ? 8 : 1, d.port(0, IS));
        f.memory.zero(d.data(0), 4096);
        d.start(0);
        if (queued) {
            d.putQueued(0, 0, false, 100, 8);
        } else {
            d.put(0, 0, 0, read, 100, 8, 0, 4096);
        }
        d.issue(0, 1, queued);
        assertEquals(0x50, f.finish());
        assertArrayEquals(data, f.memory.read(d.data(0), 4096));
        boolean pio = read != 0x60 && read != 0xc8 && read != 0x25;
        assertEquals(queued ? 8 : pio ? 2 : 1, d.port(0, IS), "the FIS that tells the end");
        assertEquals(queued ? 0 : 4096, d.transferred(0));
        assertEquals(pio ? 0x5f : 0, f.memory.readByte(d.fis(0, 0x20)), "PIO is set up, DMA is not");
        assertEquals(write == 0x3d || write == 0xce ? 1 : 0, disk.flushes, "FUA");
    }

    @Test
    void s7_27_noCount_isTheMost() {
        byte[] data = pattern(256 * 512);
        System.arraycopy(data, 0, disk.bytes, 0, data.length);
        d.put(0, 0, 0, 0xc8, 0, 0, 0, new long[][] {{0x200000, data.length}});
        d.issue(0, 1, false);
        assertEquals(0x50, f.finish());
        assertArrayEquals(data, f.memory.read(0x200000, data.length));
        // 32 MiB, from 16 times the same 2 MiB
        long[][] buffers = new long[16][];
        Arrays.fill(buffers, new long[] {0x200000, 2 << 20});
        d.put(0, 0, WRITE, 0x35, 4000, 0, 0, buffers);
        d.issue(0, 1, false);
        assertEquals(0x50, f.finish());
        assertEquals(32 << 20, d.transferred(0));
        assertArrayEquals(
                f.memory.read(0x200000, 2 << 20),
                Arrays.copyOfRange(disk.bytes, (4000 + 61440) * 512, (4000 + 65536) * 512));
    }

    @Test
    void buffersOfAnyLength() {
        byte[] data = pattern(8 * 512);
        System.arraycopy(data, 0, disk.bytes, 0, data.length);
        d.put(0, 0, 0, 0x25, 0, 8, 0, new long[][] {{0x200002, 1000}, {0x210000, 2}, {0x220000, 3000}, {0x230000, 5000}
        });
        d.issue(0, 1, false);
        assertEquals(0x50, f.finish());
        assertArrayEquals(Arrays.copyOf(data, 1000), f.memory.read(0x200002, 1000));
        assertArrayEquals(Arrays.copyOfRange(data, 1000, 1002), f.memory.read(0x210000, 2));
        assertArrayEquals(Arrays.copyOfRange(data, 4002, 4096), f.memory.read(0x230000, 94));
        assertEquals(0, f.memory.readByte(0x230000 + 94));
    }

    /** Opcode, first sector, sectors, error; the disk has 70000. */
    @ParameterizedTest
    @CsvSource({
        "0x25, 69999, 1, 0",
        "0x25, 70000, 1, 0x10",
        "0x25, 69999, 2, 0x10",
        "0x25, 0xffffffffffff, 1, 0x10",
        "0x35, 70000, 1, 0x10",
        "0x20, 69990, 11, 0x10",
        "0xc8, 0xfffffff, 1, 0x10",
        "0x40, 69990, 10, 0",
        "0x40, 69990, 11, 0x10",
        "0x42, 69990, 10, 0",
        "0x42, 69990, 11, 0x10",
        "0x47, 0, 1, 4", // READ LOG DMA EXT
        "0xb0, 0, 1, 4", // SMART
        "0, 0, 0, 4", // NOP
        "0xa0, 0, 0, 4", // PACKET
        "0x64, 0, 0, 4", // SEND FPDMA QUEUED
    })
    void whatIsNotThere(int opcode, long lba, int count, int error) {
        d.command(0, 0, opcode, lba, count, 0, Math.max(count, 0) * 512);
        assertEquals(error == 0 ? 0x50 : error << 8 | 0x51, f.finish());
        if (error == 0x10) {
            assertEquals((int) lba & 0xffffff, f.memory.readInt(d.fis(0, 0x44)) & 0xffffff);
        }
    }

    @Test
    void addressesByCylinders_areNotTaken() {
        d.put(0, 0, 0, 0xc8, 0, 1, 0, 512);
        f.memory.writeByte(d.table(0, 0) + 7, 0);
        d.issue(0, 1, false);
        assertEquals(0x451, f.finish());
    }

    @Test
    void s7_12_identify() {
        d.command(0, 0, 0xec, 0, 0, 0, 512);
        assertEquals(0x50, f.finish());
        byte[] b = f.memory.read(d.data(0), 512);
        assertEquals("serial-1            ", text(b, 10, 20));
        assertEquals("SERAI HARDDISK", text(b, 27, 40).strip());
        assertEquals(SECTORS, word(60) | word(61) << 16);
        assertEquals(SECTORS, word(100) | word(101) << 16);
        assertEquals(31, word(75));
        assertEquals(0x10e, word(76));
        assertEquals(1, word(169));
        assertEquals(0x68, word(85));
        assertEquals(0x207f, word(88), "Ultra DMA 5");
        int sum = 0;
        for (byte v : b) {
            sum += v;
        }
        assertEquals(0xa5, b[510] & 0xff);
        assertEquals(0, sum & 0xff);
        assertEquals(512, d.transferred(0));
        assertEquals(2, d.port(0, IS), "by PIO");
        assertEquals(0x50, f.memory.readByte(d.fis(0, 0x2f)), "the status it ends in");
        assertEquals(512, f.memory.readShort(d.fis(0, 0x30)));
    }

    private int word(int n) {
        return f.memory.readShort(d.data(0) + n * 2);
    }

    private static String text(byte[] b, int word, int length) {
        byte[] t = new byte[length];
        for (int i = 0; i < length; i++) {
            t[i] = b[word * 2 + (i ^ 1)];
        }
        return new String(t, StandardCharsets.US_ASCII);
    }

    @Test
    void s7_45_features() {
        assertEquals(0x50, nonData(0xef, 0x42, 3));
        assertEquals(0x50, nonData(0xef, 0, 0x55));
        assertEquals(0x50, nonData(0xef, 0, 0x82));
        assertEquals(1, disk.flushes, "what the cache held");
        assertEquals(0x50, nonData(0xc6, 8, 0));
        d.command(0, 0, 0xec, 0, 0, 0, 512);
        assertEquals(0x47f, word(88));
        assertEquals(8, word(85));
        assertEquals(0x108, word(59));
        d.command(0, WRITE, 0x35, 0, 1, 0, 512);
        f.finish();
        assertEquals(2, disk.flushes, "no cache");
        assertEquals(0x50, nonData(0xef, 0, 2));
        assertEquals(0x50, nonData(0xef, 0, 0xaa));
        assertEquals(0x50, nonData(0xef, 0xc, 3), "a PIO mode");
        assertEquals(0x451, nonData(0xef, 0x47, 3));
        assertEquals(0x451, nonData(0xef, 0, 0x99));
        assertEquals(0x451, nonData(0xc6, 3, 0));
        assertEquals(0x451, nonData(0xc6, 32, 0));
    }

    @ParameterizedTest
    @ValueSource(ints = {0xe7, 0xea, 0xe0})
    void s7_11_flush(int opcode) {
        assertEquals(0x50, nonData(opcode, 0, 0));
        assertEquals(1, disk.flushes);
        disk.failing = true;
        assertEquals(0x451, nonData(opcode, 0, 0));
    }

    @Test
    void powerModes() {
        assertEquals(0x50, nonData(0xe5, 0, 0));
        assertEquals(0xff, f.memory.readByte(d.fis(0, 0x4c)), "active");
        assertEquals(0x150, nonData(0x90, 0, 0));
        assertEquals(1, f.memory.readInt(d.fis(0, 0x44)), "the signature");
    }

    @Test
    void s7_10_trim() {
        Arrays.fill(disk.bytes, (byte) 1);
        f.memory.zero(d.data(0), 1024);
        f.memory.writeLong(d.data(0), 20 | 2L << 48);
        f.memory.writeLong(d.data(0) + 512, 30 | 1L << 48);
        f.memory.writeLong(d.data(0) + 520, 40); // of no sectors
        d.command(0, WRITE, 6, 0, 2, 1, 1024);
        assertEquals(0x50, f.finish());
        assertEquals(1, disk.bytes[20 * 512 - 1]);
        assertEquals(0, disk.bytes[20 * 512]);
        assertEquals(0, disk.bytes[22 * 512 - 1]);
        assertEquals(1, disk.bytes[22 * 512]);
        assertEquals(0, disk.bytes[30 * 512]);
        assertEquals(1, disk.bytes[40 * 512]);
        f.memory.writeLong(d.data(0), SECTORS - 1 | 2L << 48);
        d.command(0, WRITE, 6, 0, 1, 1, 512);
        assertEquals(0x1451, f.finish(), "past the end");
        for (int[] bad : new int[][] {{0, 1, 512}, {9, 1, 4608}, {1, 0, 512}, {2, 1, 512}}) {
            d.start(0);
            d.command(0, WRITE, 6, 0, bad[0], bad[1], bad[2]);
            assertEquals(0x451, f.finish(), Arrays.toString(bad));
        }
    }

    @Test
    void s7_24_theLogOfQueuedErrors() {
        d.command(0, 0, 0x2f, 0, 1, 0, 512);
        assertEquals(0x50, f.finish());
        assertEquals(1, word(0x10), "the directory has it");
        d.command(0, 0, 0x2f, 0x10, 1, 0, 512);
        assertEquals(0x80, f.memory.readByte(d.data(0)), "no queued command has failed");
        disk.failing = true;
        for (int slot = 2; slot < 5; slot++) {
            d.putQueued(0, slot, slot == 3, 1000 + slot, 1);
        }
        d.issue(0, 0b11100, true);
        assertEquals(0x4051, f.finish());
        assertEquals(0b11100, d.port(0, SACT), "none of them is done");
        assertEquals(0x51, f.memory.readByte(d.fis(0, 0x5a)));
        disk.failing = false;
        d.start(0);
        d.command(0, 0, 0x2f, 0x10, 1, 0, 512);
        assertEquals(0x50, f.finish());
        byte[] log = f.memory.read(d.data(0), 512);
        assertEquals(2, log[0]);
        assertEquals(0x51, log[2]);
        assertEquals(0x40, log[3]);
        assertEquals(1002, word(2));
        int sum = 0;
        for (byte v : log) {
            sum += v;
        }
        assertEquals(0, sum & 0xff);
        d.command(0, 0, 0x2f, 0x30, 1, 0, 512);
        assertEquals(0x451, f.finish(), "no such log");
    }

    @Test
    void queuedOnesPastTheEnd_failAndAreLogged() {
        d.putQueued(0, 1, false, SECTORS, 1);
        d.issue(0, 2, true);
        assertEquals(0x1051, d.port(0, TFD));
        d.start(0);
        d.command(0, 0, 0x2f, 0x10, 1, 0, 512);
        assertEquals(1, f.memory.readByte(d.data(0)));
        assertEquals(0x10, f.memory.readByte(d.data(0) + 3));
    }
}
