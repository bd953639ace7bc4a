package serai.machine.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.machine.bus.MmioBus;
import serai.machine.bus.PortBus;
import serai.machine.disk.ArrayDisk;
import serai.machine.disk.HeldIo;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;
import serai.machine.pci.PciBus;

/** By the sections of the NVM Express base specification 1.4. */
class NvmeTest {
    private static final int CC = 0x14, CSTS = 0x1c, NVME_READ = NvmeDriver.READ, NVME_WRITE = NvmeDriver.WRITE;
    private static final long AREA = 0x40000;
    private static final int EVENT_REQUEST = 0xc, IDENTIFY = 6, SET_FEATURES = 9, GET_FEATURES = 10, GET_LOG = 2;

    private final GuestMemory memory = TestMemory.ram(2 << 20);
    private final ArrayDisk disk = new ArrayDisk("serial-1", 4096);
    private final HeldIo io = new HeldIo();
    private final List<Integer> messages = new ArrayList<>();
    private final List<Boolean> line = new ArrayList<>();
    private final Nvme nvme = new Nvme("nvme0", disk, io, memory, (address, data) -> messages.add(data));
    private final PortBus ports = new PortBus();
    private final MmioBus mmio = new MmioBus();
    private final NvmeDriver driver = on(nvme, ports, mmio);

    private NvmeDriver on(Nvme controller, PortBus p, MmioBus m) {
        PciBus bus = new PciBus(p, m, gsi -> line::add);
        bus.add(1, controller);
        controller.reset();
        bus.assignBars();
        return driverOf(p, m);
    }

    private NvmeDriver driverOf(PortBus p, MmioBus m) {
        p.write(0xcf8, 4, 0x80000804);
        p.write(0xcfc, 2, 6);
        p.write(0xcf8, 4, 0x80000810);
        long low = p.read(0xcfc, 4) & 0xfffffff0L;
        p.write(0xcf8, 4, 0x80000814);
        NvmeDriver.Access access = new NvmeDriver.Access() {
            @Override
            public long read(long address, int size) {
                return m.read(address, size);
            }

            @Override
            public void write(long address, int size, long value) {
                m.write(address, size, value);
            }
        };
        return new NvmeDriver(memory, access, low | (long) p.read(0xcfc, 4) << 32, AREA);
    }

    private void msix() {
        p(0x40, 0x80000000); // enable
        p(0x20, 0);
        long table = 0xd000_0000L;
        p(0x20, (int) table);
        for (int v = 0; v < 17; v++) {
            mmio.write(table + v * 16L, 8, 0xfee00000L);
            mmio.write(table + v * 16L + 8, 8, 0x30 + v);
        }
    }

    private void p(int offset, int value) {
        ports.write(0xcf8, 4, 0x80000800 | offset);
        ports.write(0xcfc, 4, value);
    }

    private int status(int queue) {
        return NvmeDriver.status(driver.take(queue));
    }

    /** The status of an admin command. */
    private int admin(int opcode, int namespace, long prp1, int cdw10, int cdw11) {
        driver.command(0, opcode, namespace, prp1, 0, cdw10, cdw11, 0);
        return status(0);
    }

    private int transfer(int opcode, long lba, int blocks) {
        driver.transfer(opcode, 0, lba, blocks);
        io.doAll();
        return status(1);
    }

    @Test
    void s3_1_1_capabilities() {
        assertEquals(255 | 1 << 16 | 1 << 24, driver.register(0), "256 entries, contiguous, ready within 500 ms");
        assertEquals(1 << 5, driver.register(4), "NVM command set, 4-byte doorbells, pages of 4 KiB");
        assertEquals(0x10400, driver.register(8));
    }

    @Test
    void s7_6_1_becomesReadyAndAReset_forgetsQueuesButNotTheirAddresses() {
        assertEquals(0, driver.register(CSTS));
        driver.start();
        assertEquals(1, driver.register(CSTS));
        driver.register(CC, 0x460000);
        assertEquals(0, driver.register(CSTS));
        assertEquals(AREA, driver.register(0x28));
        driver.register(CC, 0x460001);
        assertEquals(1, driver.register(CSTS));
        driver.transfer(NVME_READ, 0, 0, 1);
        assertTrue(io.isEmpty(), "queue 1 is gone");
    }

    @ParameterizedTest
    @CsvSource({"0x4600f1, 0x0f000f", "0x460081, 0x0f000f", "0x460801, 0x0f000f", "0x460001, 0x0f0000", "0x460001, 15"})
    void s3_1_5_whatCanNotBe_isFatal(int configuration, int sizes) {
        driver.register(0x24, sizes);
        driver.register(CC, configuration);
        assertEquals(2, driver.register(CSTS));
        driver.register(CC, 0);
        assertEquals(0, driver.register(CSTS), "until a reset");
        driver.start();
        assertEquals(1, driver.register(CSTS));
    }

    @Test
    void s6_9_s6_15_whatIsWrittenIsReadBack() {
        driver.start();
        byte[] data = new byte[8192];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) (i * 7 + i / 256);
        }
        memory.write(driver.data(0), data);
        assertEquals(0, transfer(NVME_WRITE, 5, 16));
        assertArrayEquals(data, Arrays.copyOfRange(disk.bytes, 5 * 512, 21 * 512));
        memory.zero(driver.data(0), 8192);
        driver.transfer(NVME_READ, 0, 5, 16);
        assertEquals(0x7ff, NvmeDriver.status(driver.take(1)), "under way");
        io.doAll();
        assertEquals(0, status(1));
        assertArrayEquals(data, memory.read(driver.data(0), 8192));
    }

    @Test
    void s4_3_prpLists_acrossPagesOfTheList() {
        driver.start();
        // 512 KiB, the most, to pages in falling order; the list begins at the last entry but two of its page
        long data = 0x80000;
        long list = AREA + 0x8000;
        int blocks = 1024;
        for (int i = 0; i < disk.bytes.length; i++) {
            disk.bytes[i] = (byte) (i / 4096 + i);
        }
        long at = list + 0xff0;
        memory.writeLong(at, data + 126 * 4096);
        memory.writeLong(at + 8, list);
        for (int i = 2; i < 128; i++) {
            memory.writeLong(list + (i - 2) * 8L, data + (127 - i) * 4096L);
        }
        driver.command(1, NVME_READ, 1, data + 127 * 4096, at, 0, 0, blocks - 1);
        io.doAll();
        assertEquals(0, status(1));
        for (int i = 0; i < 128; i++) {
            assertArrayEquals(
                    Arrays.copyOfRange(disk.bytes, i * 4096, (i + 1) * 4096),
                    memory.read(data + (127 - i) * 4096L, 4096),
                    "page " + i);
        }
    }

    @Test
    void s4_3_prp1_mayBeginInsideItsPage() {
        driver.start();
        Arrays.fill(disk.bytes, (byte) 0x5a);
        driver.command(1, NVME_READ, 1, driver.data(0) + 0xf00, driver.data(3), 0, 0, 0);
        io.doAll();
        assertEquals(0, status(1));
        assertEquals(0x5a, memory.readByte(driver.data(0) + 0xfff));
        assertEquals(0x5a, memory.readByte(driver.data(3) + 255));
        assertEquals(0, memory.readByte(driver.data(3) + 256));
    }

    /** Opcode, namespace, offset of PRP 1, offset of PRP 2, first block, blocks, status. */
    @ParameterizedTest
    @CsvSource({
        "2, 1, 0, 0, 4095, 1, 0",
        "2, 1, 0, 0, 4096, 1, 0x80",
        "2, 1, 0, 0, 4095, 2, 0x80",
        "2, 1, 0, 0, -1, 1, 0x80",
        "8, 1, 0, 0, 4000, 97, 0x80",
        "2, 2, 0, 0, 0, 1, 0xb",
        "2, -1, 0, 0, 0, 1, 0xb",
        "0, -1, 0, 0, 0, 1, 0",
        "0, 3, 0, 0, 0, 1, 0xb",
        "2, 1, 2, 0, 0, 1, 0x13",
        "2, 1, 0, 8, 0, 16, 0x13",
        "2, 1, 0, 4, 0, 17, 0x13",
        "1, 1, 0, 0, 0, 1025, 2",
        "2, 1, 0x7ffffff000, 0, 0, 1, 4",
        "2, 1, 0, 0x7ffffff000, 0, 32, 4",
        "4, 1, 0, 0, 0, 1, 1",
        "5, 1, 0, 0, 0, 1, 1",
        "0x7f, 1, 0, 0, 0, 1, 1",
    })
    void s4_6_1_errorsAreToldByTheStatus(int opcode, int ns, long prp1, long prp2, long lba, int blocks, int status) {
        driver.start();
        driver.command(
                1, opcode, ns, driver.data(0) + prp1, driver.data(1) + prp2, (int) lba, (int) (lba >>> 32), blocks - 1);
        io.doAll();
        long[] c = driver.take(1);
        assertEquals(status, NvmeDriver.status(c));
        assertEquals(status != 0, c[1] < 0, "do not retry");
        assertEquals(1, driver.register(CSTS), "and all goes on");
        assertEquals(0, transfer(NVME_READ, 0, 1));
    }

    @Test
    void s4_3_aListOfItself_endsWithTheData() {
        driver.start();
        disk.bytes[127 * 4096] = 42;
        memory.writeLong(driver.data(0) + 0xff8, driver.data(0));
        driver.command(1, NVME_READ, 1, driver.data(1), driver.data(0) + 0xff8, 0, 0, 1023);
        io.doAll();
        assertEquals(0, status(1), "its first entries are zero: page 0, again and again");
        assertArrayEquals(Arrays.copyOfRange(disk.bytes, 127 * 4096, 128 * 4096), memory.read(0, 4096));
    }

    @Test
    void s4_6_1_2_3_mediaErrors_mayBeRetried() {
        driver.start();
        disk.failing = true;
        driver.transfer(NVME_READ, 0, 0, 1);
        io.doAll();
        long[] c = driver.take(1);
        assertEquals(0x281, NvmeDriver.status(c));
        assertTrue(c[1] > 0);
        assertEquals(0x280, transfer(NVME_WRITE, 0, 1));
        assertEquals(6, transfer(NvmeDriver.FLUSH, 0, 1));
        disk.failing = false;
        assertEquals(0, transfer(NVME_READ, 0, 1));
    }

    @Test
    void s6_9_forceUnitAccessAndAWriteCacheThatIsOff_flush() {
        driver.start();
        driver.command(1, NVME_WRITE, 1, driver.data(0), 0, 0, 0, 1 << 30);
        io.doAll();
        assertEquals(0, status(1));
        assertEquals(1, disk.flushes);
        assertEquals(0, transfer(NVME_WRITE, 0, 1));
        assertEquals(1, disk.flushes);
        assertEquals(0, admin(SET_FEATURES, 0, 0, 6, 0));
        assertEquals(0, transfer(NVME_WRITE, 0, 1));
        assertEquals(2, disk.flushes);
        assertEquals(0, transfer(NvmeDriver.FLUSH, 0, 1));
        assertEquals(3, disk.flushes);
    }

    @Test
    void s6_7_s6_17_datasetManagementAndWriteZeroes() {
        driver.start();
        Arrays.fill(disk.bytes, (byte) 1);
        assertEquals(0, transfer(NvmeDriver.WRITE_ZEROES, 10, 3));
        assertEquals(1, disk.bytes[10 * 512 - 1]);
        assertEquals(0, disk.bytes[10 * 512]);
        assertEquals(0, disk.bytes[13 * 512 - 1]);
        assertEquals(1, disk.bytes[13 * 512]);
        memory.writeLong(driver.data(0), 2L << 32);
        memory.writeLong(driver.data(0) + 8, 20);
        memory.writeLong(driver.data(0) + 16, 1L << 32);
        memory.writeLong(driver.data(0) + 24, 30);
        driver.command(1, NvmeDriver.DATASET_MANAGEMENT, 1, driver.data(0), 0, 1, 4, 0);
        io.doAll();
        assertEquals(0, status(1));
        assertEquals(0, disk.bytes[20 * 512]);
        assertEquals(1, disk.bytes[22 * 512]);
        assertEquals(0, disk.bytes[30 * 512]);
        memory.writeLong(driver.data(0) + 24, 4096);
        driver.command(1, NvmeDriver.DATASET_MANAGEMENT, 1, driver.data(0), 0, 1, 4, 0);
        assertEquals(0x80, status(1));
    }

    @Test
    void s5_15_identify() {
        driver.start();
        assertEquals(0, admin(IDENTIFY, 0, driver.data(0), 1, 0));
        byte[] c = memory.read(driver.data(0), 4096);
        assertEquals("serial-1            ", new String(c, 4, 20, StandardCharsets.US_ASCII));
        assertEquals(0x66, c[512]);
        assertEquals(0x44, c[513]);
        assertEquals(1, memory.readInt(driver.data(0) + 516));
        assertTrue(new String(c, 768, 256, StandardCharsets.US_ASCII).startsWith("nqn.2014-08.org.nvmexpress:uuid:"));
        assertEquals(0, admin(IDENTIFY, 1, driver.data(0), 0, 0));
        assertEquals(4096, memory.readLong(driver.data(0)));
        assertEquals(9 << 16, memory.readInt(driver.data(0) + 128));
        assertEquals(0, admin(IDENTIFY, 0, driver.data(0), 2, 0));
        assertEquals(1, memory.readLong(driver.data(0)));
        assertEquals(0, admin(IDENTIFY, 1, driver.data(0), 2, 0));
        assertEquals(0, memory.readLong(driver.data(0)), "none behind the first");
        assertEquals(0, admin(IDENTIFY, 1, driver.data(0), 3, 0));
        assertEquals(0x1003, memory.readInt(driver.data(0)), "a UUID");
        assertEquals(0xb, admin(IDENTIFY, 2, driver.data(0), 0, 0));
        assertEquals(0xb, admin(IDENTIFY, -1, driver.data(0), 2, 0));
        assertEquals(2, admin(IDENTIFY, 1, driver.data(0), 0x77, 0));
    }

    @Test
    void s5_21_features() {
        driver.enable();
        driver.command(0, SET_FEATURES, 0, 0, 0, 7, 0x3f003f, 0);
        long[] c = driver.take(0);
        assertEquals(0, NvmeDriver.status(c));
        assertEquals(0xf000f, (int) c[0], "16 of each, whatever is asked for");
        assertEquals(2, admin(SET_FEATURES, 0, 0, 7, 0xffff));
        driver.start();
        assertEquals(0xc, admin(SET_FEATURES, 0, 0, 7, 0), "too late");
        assertEquals(0, admin(SET_FEATURES, 0, 0, 5, 0x1234));
        driver.command(0, GET_FEATURES, 0, 0, 0, 5, 0, 0);
        assertEquals(0x1234, (int) driver.take(0)[0]);
        assertEquals(0x10d, admin(SET_FEATURES, 0, 0, 1 << 31 | 5, 0), "not saveable");
        assertEquals(2, admin(SET_FEATURES, 0, 0, 0xc0, 0));
        assertEquals(2, admin(GET_FEATURES, 0, 0, 0x35, 0));
        driver.start();
        driver.command(0, GET_FEATURES, 0, 0, 0, 5, 0, 0);
        assertEquals(0, (int) driver.take(0)[0], "a reset restores them");
    }

    /** Create and delete; opcode, dword 10, dword 11, status. */
    @ParameterizedTest
    @CsvSource({
        "5, 0xf0001, 3, 0x101", // there is one
        "5, 0xf0000, 3, 0x101",
        "5, 0xf0011, 3, 0x101",
        "5, 0x2, 3, 0x102",
        "5, 0x1000002, 3, 0x102",
        "5, 0xf0002, 2, 2",
        "5, 0xf0002, 0x110003, 0x108",
        "5, 0xff0010, 0x100003, 0",
        "1, 0xf0001, 0x10001, 0x101",
        "1, 0xf0002, 0x00001, 0x101",
        "1, 0xf0002, 0x20001, 0x100",
        "1, 0xf0002, 0x10001, 0",
        "4, 1, 0, 0x10c", // its submission queue first
        "4, 0, 0, 0x101",
        "4, 7, 0, 0x101",
        "0, 0, 0, 0x101",
        "0, 2, 0, 0x101",
        "0, 1, 0, 0",
        "8, 0x10001, 0, 0",
    })
    void s5_3_to_5_6_queues(int opcode, int cdw10, int cdw11, int status) {
        driver.start();
        assertEquals(status, admin(opcode, 0, driver.data(0), cdw10, cdw11));
    }

    @Test
    void s5_6_deletingASubmissionQueue_abortsWhatIsUnderWay() {
        driver.start();
        disk.bytes[0] = 42;
        driver.transfer(NVME_READ, 0, 0, 1);
        assertEquals(0, admin(0, 0, 0, 1, 0));
        assertEquals(8, status(1));
        io.doAll();
        assertEquals(0, memory.readByte(driver.data(0)), "and does nothing any more");
        assertEquals(0, admin(4, 0, 0, 1, 0), "now the completion queue may go");
    }

    @Test
    void s5_2_asyncEvents_onceUntilTheLogIsRead() {
        driver.start();
        for (int i = 0; i < 4; i++) {
            driver.command(0, EVENT_REQUEST, 0, 0, 0, 0, 0, 0);
        }
        assertEquals(0x105, admin(EVENT_REQUEST, 0, 0, 0, 0), "a fifth");
        driver.register(0x1000 + 8 * 5, 1); // no such queue
        long[] c = driver.take(0);
        assertEquals(0x10000, (int) c[0], "error, invalid doorbell, log page 1");
        driver.register(0x1008, 16);
        assertEquals(0x7ff, NvmeDriver.status(driver.take(0)), "masked");
        driver.command(0, GET_LOG, -1, driver.data(0), 0, 15 << 16 | 1, 0, 0);
        assertEquals(0x10100, (int) driver.take(0)[0], "behind the log's own completion");
        assertEquals(2, memory.readLong(driver.data(0)), "errors");
    }

    @Test
    void s5_14_1_logPages() {
        driver.start();
        transfer(NVME_READ, 0, 8);
        assertEquals(0, admin(GET_LOG, -1, driver.data(0), 127 << 16 | 2, 0));
        assertEquals(1, memory.readLong(driver.data(0) + 32), "thousands of units, rounded up");
        assertEquals(1, memory.readLong(driver.data(0) + 64));
        assertEquals(0, admin(GET_LOG, -1, driver.data(0), 127 << 16 | 3, 0));
        assertEquals(1, memory.readByte(driver.data(0)));
        assertEquals(0x109, admin(GET_LOG, -1, driver.data(0), 127 << 16 | 9, 0));
        driver.command(0, GET_LOG, -1, driver.data(0), 0, 127 << 16 | 2, 0, 513);
        assertEquals(2, status(0), "past its end");
    }

    @Test
    void resized_isTold() {
        driver.start();
        driver.command(0, EVENT_REQUEST, 0, 0, 0, 0, 0, 0);
        nvme.resized();
        assertEquals(0x7ff, NvmeDriver.status(driver.take(0)), "nobody asked");
        assertEquals(0, admin(SET_FEATURES, 0, 0, 11, 0x100));
        nvme.resized();
        assertEquals(0x40002, (int) driver.take(0)[0]);
        assertEquals(0, admin(GET_LOG, -1, driver.data(0), 1023 << 16 | 4, 0));
        assertEquals(1, memory.readInt(driver.data(0)));
        assertEquals(0, admin(GET_LOG, -1, driver.data(0), 1023 << 16 | 4, 0));
        assertEquals(0, memory.readInt(driver.data(0)));
    }

    @Test
    void s7_6_2_shutdown_flushesAndStops() {
        driver.start();
        driver.register(CC, 0x464001);
        assertEquals(5, driver.register(CSTS), "under way");
        io.doAll();
        assertEquals(9, driver.register(CSTS));
        assertEquals(1, disk.flushes);
        driver.transfer(NVME_READ, 0, 0, 1);
        assertTrue(io.isEmpty());
        driver.start();
        assertEquals(0, transfer(NVME_READ, 0, 1));
        driver.register(CC, 0x468001);
        assertEquals(9, driver.register(CSTS), "abrupt");
    }

    @Test
    void s7_1_fullCompletionQueues_letCommandsWait() {
        driver.start();
        for (int i = 0; i < 15; i++) {
            driver.put(1, NvmeDriver.FLUSH, 1, 0, 0, 0, 0, 0);
        }
        driver.ring(1);
        assertEquals(15, io.size());
        io.doAll();
        for (int i = 0; i < 10; i++) {
            driver.put(1, NvmeDriver.FLUSH, 1, 0, 0, 0, 0, 0);
        }
        driver.ring(1);
        assertTrue(io.isEmpty(), "no room");
        assertEquals(14, NvmeDriver.id(driver.take(1)));
        assertEquals(10, io.size());
        io.doAll();
        assertEquals(24, NvmeDriver.id(driver.take(1)));
    }

    @Test
    void s4_2_aCommandIdUnderWay_isAConflict() {
        driver.start();
        driver.put(1, NvmeDriver.FLUSH, 1, 0, 0, 0, 0, 0);
        int id = driver.put(1, NvmeDriver.FLUSH, 1, 0, 0, 0, 0, 0);
        memory.writeShort(AREA + 0x2000 + 64 + 2, id - 1);
        driver.ring(1);
        assertEquals(1, io.size());
        assertEquals(3, status(1));
    }

    @Test
    void s7_5_1_interruptLine_andItsMask() {
        driver.start();
        line.clear();
        driver.command(0, IDENTIFY, 0, driver.data(0), 0, 1, 0, 0);
        assertEquals(true, line.getLast());
        driver.register(0xc, 1);
        assertEquals(false, line.getLast());
        driver.register(0x10, 1);
        assertEquals(true, line.getLast());
        driver.take(0);
        assertEquals(false, line.getLast());
    }

    @Test
    void s7_5_1_msix_aVectorForEachQueue() {
        msix();
        driver.start();
        messages.clear();
        driver.command(0, IDENTIFY, 0, driver.data(0), 0, 1, 0, 0);
        assertEquals(List.of(0x30), messages);
        transfer(NVME_READ, 0, 1);
        assertEquals(List.of(0x30, 0x31), messages);
    }

    @Test
    void queuesOutsideRam_areFatalAndNoMore() {
        driver.start();
        assertEquals(0, admin(5, 0, 0x7ffffff000L, 0xf0002, 1));
        assertEquals(0, admin(1, 0, 0x7ffffff000L, 0xf0002, 2 << 16 | 1));
        driver.register(0x1010, 1);
        assertEquals(3, driver.register(CSTS));
        driver.start();
        assertEquals(0, transfer(NVME_READ, 0, 1));
    }

    @Test
    void withoutBusMastering_nothingIsReadOrWritten() {
        driver.start();
        driver.transfer(NVME_READ, 0, 0, 1);
        p(4, 2);
        io.doAll();
        assertEquals(0x7ff, NvmeDriver.status(driver.take(1)));
        driver.transfer(NVME_READ, 0, 0, 1);
        assertTrue(io.isEmpty());
        p(4, 6);
        assertEquals(0, NvmeDriver.id(driver.take(1)), "the first waited");
        assertEquals(1, io.size(), "and so did the second");
        io.doAll();
        assertEquals(1, NvmeDriver.id(driver.take(1)));
    }

    @Test
    void saveInTheMiddle_aNewControllerDoesTheCommandsAgain() {
        driver.start();
        driver.command(0, EVENT_REQUEST, 0, 0, 0, 0, 0, 0);
        Arrays.fill(disk.bytes, 512, 1024, (byte) 42);
        driver.transfer(NVME_READ, 0, 1, 1);
        driver.transfer(NVME_READ, 2, 1, 1);
        NvmeState state = nvme.save();
        HeldIo second = new HeldIo();
        Nvme copy = new Nvme("nvme0", disk, second, memory, (a, d) -> {});
        PortBus p = new PortBus();
        MmioBus m = new MmioBus();
        on(copy, p, m);
        copy.restore(state);
        NvmeDriver goesOn = driverOf(p, m);
        assertEquals(2, second.size());
        second.doAll();
        assertEquals(1, NvmeDriver.id(goesOn.take(1)));
        assertEquals(42, memory.readByte(driver.data(2)));
        goesOn.register(0x1000 + 8 * 5, 1);
        assertEquals(0x10000, (int) goesOn.take(0)[0], "the request for an event is there, too");
        assertEquals(0, copy.save().commands().length);
    }

    @Test
    void saveDuringTheShutdown_flushesAgain() {
        driver.start();
        driver.register(CC, 0x464001);
        NvmeState state = nvme.save();
        HeldIo second = new HeldIo();
        Nvme copy = new Nvme("nvme0", disk, second, memory, (a, d) -> {});
        PortBus p = new PortBus();
        MmioBus m = new MmioBus();
        on(copy, p, m);
        copy.restore(state);
        second.doAll();
        assertEquals(9, driverOf(p, m).register(CSTS));
    }

    @Test
    void restore_refusesWhatCanNotBe() {
        driver.start();
        NvmeState s = nvme.save();
        List<NvmeState.Submission> bad = List.of(new NvmeState.Submission(1, 0, 16, 2, 0, 0));
        for (List<NvmeState.Submission> sqs : List.of(
                bad,
                List.of(new NvmeState.Submission(17, 0, 16, 0, 0, 0)),
                List.of(new NvmeState.Submission(1, 0, 257, 1, 0, 0)),
                List.of(new NvmeState.Submission(1, 0, 16, 1, 16, 0)))) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> nvme.restore(new NvmeState(
                            1,
                            s.pci(),
                            s.configuration(),
                            s.status(),
                            s.adminSizes(),
                            0,
                            0,
                            0,
                            s.features(),
                            sqs,
                            s.completions(),
                            s.events(),
                            s.counters(),
                            s.commands())));
        }
        nvme.reset();
    }
}
