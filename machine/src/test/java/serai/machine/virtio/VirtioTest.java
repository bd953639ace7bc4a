package serai.machine.virtio;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.Test;
import serai.machine.disk.ArrayDisk;
import serai.machine.disk.Disk;
import serai.machine.disk.HeldIo;
import serai.machine.disk.IoExecutor;
import serai.machine.disk.ThreadIo;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;
import serai.machine.pci.PciFunction;

/** Virtio 1.2, by its sections. */
class VirtioTest {
    private static final long DATA = 0x20000;

    private final GuestMemory memory = TestMemory.ram(1 << 20);
    private final ArrayDisk disk = new ArrayDisk("fake", 64);
    private final HeldIo io = new HeldIo();

    private PciFunction<VirtioState> blk(IoExecutor executor) {
        return VirtioBlk.create("virtio-blk0", disk, executor, 1, memory, (address, data) -> {});
    }

    private GuestDriver driver(PciFunction<VirtioState> f) {
        GuestDriver d = new GuestDriver(memory, f);
        assertTrue(d.initialize(GuestDriver.F_VERSION_1, 1));
        return d;
    }

    private GuestDriver.Part header(int type, long sector) {
        memory.writeInt(DATA, type);
        memory.writeInt(DATA + 4, 0);
        memory.writeLong(DATA + 8, sector);
        return new GuestDriver.Part(DATA, 16, false);
    }

    private static GuestDriver.Part in(long address, int length) {
        return new GuestDriver.Part(address, length, true);
    }

    private static GuestDriver.Part out(long address, int length) {
        return new GuestDriver.Part(address, length, false);
    }

    @Test
    void sec3_1_1_featuresWithoutVersion1AreRefused() {
        GuestDriver d = new GuestDriver(memory, blk(io));
        assertFalse(d.initialize(0, 1));
        assertFalse(d.initialize(GuestDriver.F_VERSION_1 | 1L << 50, 1), "a feature that was not offered");
        assertTrue(d.initialize(GuestDriver.F_VERSION_1, 1));
    }

    @Test
    void sec4_1_4_capabilitiesPointIntoTheBar() {
        GuestDriver d = new GuestDriver(memory, blk(io));
        assertEquals(0x10421af4, d.config(0));
        int found = 0;
        for (int at = d.config(0x34) & 0xff; at != 0; at = d.config(at) >>> 8 & 0xff) {
            if ((d.config(at) & 0xff) == 9) {
                found |= 1 << (d.config(at) >>> 24);
                assertTrue((d.config(at + 4) & 0xff) == 4 || d.config(at) >>> 24 == 5);
            }
        }
        assertEquals(0b111110, found, "common, notify, ISR, device, PCI access");
    }

    @Test
    void sec5_2_writtenSectorsAreReadBack() {
        GuestDriver d = driver(blk(io));
        memory.write(DATA + 0x1000, "eight by".repeat(64).getBytes(java.nio.charset.StandardCharsets.US_ASCII));
        memory.writeByte(DATA + 0x100, 0xee);
        int head = d.submit(0, header(1, 3), out(DATA + 0x1000, 512), in(DATA + 0x100, 1));
        assertEquals(List.of(), d.used(0), "under way");
        io.doAll();
        assertEquals(List.of(head, 1), d.used(0));
        assertEquals(0, memory.readByte(DATA + 0x100));
        assertEquals(1, d.isr());
        assertEquals(0, d.isr(), "reading clears it");
        head = d.submit(0, header(0, 3), in(DATA + 0x2000, 200), in(DATA + 0x3000, 312), in(DATA + 0x100, 1));
        io.doAll();
        assertEquals(List.of(head, 513), d.used(0));
        assertArrayEquals(memory.read(DATA + 0x1000, 200), memory.read(DATA + 0x2000, 200));
        assertArrayEquals(memory.read(DATA + 0x1000 + 200, 312), memory.read(DATA + 0x3000, 312));
    }

    @Test
    void sec5_2_6_errorsAreToldInTheStatus() {
        GuestDriver d = driver(blk(io));
        d.submit(0, header(0, 64), in(DATA + 0x1000, 512), in(DATA + 0x100, 1));
        assertEquals(1, memory.readByte(DATA + 0x100), "past the end");
        d.submit(0, header(77, 0), in(DATA + 0x100, 1));
        assertEquals(2, memory.readByte(DATA + 0x100), "an unknown request");
        disk.failing = true;
        d.submit(0, header(4, 0), in(DATA + 0x100, 1));
        io.doAll();
        assertEquals(1, memory.readByte(DATA + 0x100), "the disk fails");
        disk.failing = false;
        d.submit(0, header(4, 0), in(DATA + 0x100, 1));
        io.doAll();
        assertEquals(0, memory.readByte(DATA + 0x100));
        assertEquals(1, disk.flushes);
        assertEquals(0, d.status() & 0x40);
    }

    @Test
    void sec2_7_5_3_indirectDescriptors() {
        GuestDriver d = new GuestDriver(memory, blk(io));
        assertTrue(d.initialize(GuestDriver.F_VERSION_1 | GuestDriver.F_INDIRECT, 1));
        header(8, 0);
        long table = DATA + 0x4000;
        long[][] rows = {{DATA, 16, 1, 1}, {DATA + 0x1000, 20, 3, 2}, {DATA + 0x100, 1, 2, 0}};
        for (int i = 0; i < rows.length; i++) {
            memory.writeLong(table + i * 16, rows[i][0]);
            memory.writeInt(table + i * 16 + 8, (int) rows[i][1]);
            memory.writeShort(table + i * 16 + 12, (int) rows[i][2]);
            memory.writeShort(table + i * 16 + 14, (int) rows[i][3]);
        }
        d.descriptor(0, 5, table, 48, 4, 0);
        d.offer(0, 5);
        d.notify(0);
        assertEquals(List.of(5, 21), d.used(0));
        assertEquals("fake", new String(memory.read(DATA + 0x1000, 4), java.nio.charset.StandardCharsets.US_ASCII));
    }

    @Test
    void sec2_7_7_2_usedEventSuppressesInterrupts() {
        GuestDriver d = new GuestDriver(memory, blk(io));
        assertTrue(d.initialize(GuestDriver.F_VERSION_1 | GuestDriver.F_EVENT_IDX, 1));
        memory.writeShort(d.queue(0) + 0x400 + 4 + 8 * 2, 1); // used_event: after the second
        d.submit(0, header(77, 0), in(DATA + 0x100, 1));
        assertEquals(0, d.isr());
        d.submit(0, header(77, 0), in(DATA + 0x100, 1));
        assertEquals(1, d.isr());
    }

    @Test
    void aChainThatLoopsStopsTheDeviceUntilItIsReset() {
        GuestDriver d = driver(blk(io));
        d.descriptor(0, 0, DATA, 16, 1, 1);
        d.descriptor(0, 1, DATA, 16, 1, 0);
        d.offer(0, 0);
        d.notify(0);
        assertEquals(0x40, d.status() & 0x40, "NEEDS_RESET");
        d.submit(0, header(77, 0), in(DATA + 0x100, 1));
        assertEquals(List.of(), d.used(0));
        assertTrue(d.initialize(GuestDriver.F_VERSION_1, 1));
        assertEquals(0, d.status() & 0x40);
    }

    @Test
    void saveInTheMiddle_aNewDeviceDoesTheRequestAgain() {
        PciFunction<VirtioState> first = blk(io);
        GuestDriver d = driver(first);
        disk.bytes[512] = 42;
        int head = d.submit(0, header(0, 1), in(DATA + 0x1000, 512), in(DATA + 0x100, 1));
        VirtioState state = first.save();
        HeldIo second = new HeldIo();
        PciFunction<VirtioState> restored = blk(second);
        GuestDriver e = new GuestDriver(memory, restored);
        restored.restore(state);
        second.doAll();
        assertEquals(List.of(head, 513), d.used(0));
        assertEquals(42, memory.readByte(DATA + 0x1000));
        assertEquals(1, e.isr());
        assertEquals(restored.save().queues(), blkAfter(state, restored));
    }

    @Test
    void reset_dropsWorkThatHasNotBegun() {
        GuestDriver d = driver(blk(io));
        disk.bytes[512] = 42;
        d.submit(0, header(0, 1), in(DATA + 0x1000, 512), in(DATA + 0x100, 1));
        d.common(20, 1, 0);
        io.doAll();
        assertEquals(0, memory.readByte(DATA + 0x1000), "the guest may use this memory for something else now");
    }

    @Test
    void reset_waitsForWorkThatRuns() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        Disk slow = new Disk() {
            @Override
            public long sectors() {
                return 8;
            }

            @Override
            public boolean readOnly() {
                return false;
            }

            @Override
            public String id() {
                return "slow";
            }

            @Override
            public void read(long offset, long host, int length) throws IOException {
                begun.countDown();
                try {
                    go.await();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
                GuestMemory.putByte(host, (byte) 42);
            }

            @Override
            public void write(long offset, long host, int length) {}

            @Override
            public void flush() {}

            @Override
            public void discard(long offset, long length) {}

            @Override
            public void zero(long offset, long length, boolean mayFree) {}
        };
        ReentrantLock lock = new ReentrantLock();
        try (ThreadIo threads = new ThreadIo(lock, System::nanoTime, 2)) {
            GuestDriver d = driver(VirtioBlk.create("virtio-blk0", slow, threads.lane(1), 1, memory, (a, v) -> {}));
            d.submit(0, header(0, 1), in(DATA + 0x1000, 512), in(DATA + 0x100, 1));
            begun.await();
            Thread opens = new Thread(go::countDown);
            lock.lock(); // as the machine does around all that a guest does to a device
            try {
                opens.start();
                d.common(20, 1, 0);
            } finally {
                lock.unlock();
            }
            assertEquals(42, memory.readByte(DATA + 0x1000), "it is over when the reset is");
            opens.join();
        }
        assertEquals(0, memory.readShort(0x10802), "and does not come back");
    }

    @Test
    void aUsedRingOutsideRam_stopsTheDeviceWhenTheRequestIsDone() {
        GuestDriver d = new GuestDriver(memory, blk(io));
        assertTrue(d.initialize(GuestDriver.F_VERSION_1, 0));
        d.common(32, 8, d.queue(0));
        d.common(40, 8, d.queue(0) + 0x400);
        d.common(48, 8, 0xfee00000L);
        d.common(28, 2, 1);
        d.submit(0, header(0, 1), in(DATA + 0x1000, 512), in(DATA + 0x100, 1));
        assertEquals(0, d.status() & 0x40);
        io.doAll();
        assertEquals(0x40, d.status() & 0x40, "NEEDS_RESET");
    }

    @Test
    void aChainOfferedAgainWhileUnderWay_stopsTheDevice() {
        GuestDriver d = driver(blk(io));
        int head = d.submit(0, header(0, 1), in(DATA + 0x1000, 512), in(DATA + 0x100, 1));
        d.offer(0, head);
        d.notify(0);
        assertEquals(0x40, d.status() & 0x40, "NEEDS_RESET");
        assertEquals(1, io.size());
    }

    @Test
    void sec5_4_oneNotificationServesAllThatIsOffered() {
        GuestDriver d = new GuestDriver(memory, VirtioRng.create("virtio-rng0", () -> 1, memory, (a, v) -> {}));
        assertTrue(d.initialize(GuestDriver.F_VERSION_1, 0));
        d.common(32, 8, 0x40000);
        d.common(40, 8, 0x42000);
        d.common(48, 8, 0x44000);
        d.common(28, 2, 1);
        for (int n = 0; n < 200; n++) {
            memory.writeLong(0x40000 + n * 16L, DATA);
            memory.writeInt(0x40008 + n * 16L, 8);
            memory.writeShort(0x4000c + n * 16L, 2);
            memory.writeShort(0x42004 + n * 2L, n);
        }
        memory.writeShort(0x42002, 200);
        d.notify(0);
        assertEquals(200, memory.readShort(0x44002));
    }

    /** The queue went on from where it was: one chain used. */
    private static List<QueueState> blkAfter(VirtioState before, PciFunction<VirtioState> after) {
        QueueState q = before.queues().getFirst();
        assertEquals(q.nextUsed() + 1, after.save().queues().getFirst().nextUsed());
        assertEquals(0, after.save().work().length);
        return after.save().queues();
    }

    @Test
    void sec5_3_consoleTransmits() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        GuestDriver d = new GuestDriver(
                memory,
                new VirtioConsole(List.of(ConsolePort.console(out::writeBytes)))
                        .onPci("virtio-console0", memory, (a, v) -> {}));
        assertTrue(d.initialize(GuestDriver.F_VERSION_1, 2));
        memory.write(DATA, new byte[] {'h', 'i'});
        int head = d.submit(1, out(DATA, 1), out(DATA + 1, 1));
        assertEquals("hi", out.toString(java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(List.of(head, 0), d.used(1));
    }

    @Test
    void sec5_4_entropyFillsBuffers() {
        GuestDriver d = new GuestDriver(
                memory, VirtioRng.create("virtio-rng0", () -> 0x0807060504030201L, memory, (a, v) -> {}));
        assertTrue(d.initialize(GuestDriver.F_VERSION_1, 1));
        int head = d.submit(0, in(DATA, 3), in(DATA + 16, 2));
        assertEquals(List.of(head, 5), d.used(0));
        assertArrayEquals(new byte[] {1, 2, 3}, memory.read(DATA, 3));
        assertArrayEquals(new byte[] {4, 5}, memory.read(DATA + 16, 2));
    }

    @Test
    void randomRingsNeitherHangNorThrow() {
        long seed = 20261123;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int round = 0; round < 300; round++) {
            IoExecutor now = (work, completion, due) -> {
                work.run();
                completion.run();
                return IoExecutor.Submitted.BY_HOST;
            };
            PciFunction<VirtioState> f =
                    switch (round % 3) {
                        case 0 -> blk(now);
                        case 1 -> VirtioRng.create("r", random::nextLong, memory, (a, v) -> {});
                        default ->
                            new VirtioConsole(List.of(ConsolePort.console(b -> {}))).onPci("c", memory, (a, v) -> {});
                    };
            GuestDriver d = new GuestDriver(memory, f);
            d.initialize(GuestDriver.F_VERSION_1 | GuestDriver.F_INDIRECT | (random.nextBoolean() ? 1L << 29 : 0), 2);
            for (int q = 0; q < 2; q++) {
                for (int n = 0; n < 8; n++) {
                    long address = random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(1 << 20);
                    int length = random.nextInt(8) == 0 ? random.nextInt() : random.nextInt(2048);
                    d.descriptor(q, n, address, length, random.nextInt(8), random.nextInt(10));
                }
                memory.writeShort(d.queue(q) + 0x402, random.nextInt(16));
                d.notify(q);
            }
            for (int i = 0; i < 50; i++) {
                int size = 1 << random.nextInt(4);
                long at = random.nextInt(0x4000 / size) * (long) size;
                d.mmio.write(d.bar + at, size, random.nextLong() & (size == 8 ? -1 : (1L << size * 8) - 1));
                d.mmio.read(d.bar + at, size);
                d.ports.write(0xcf8, 4, 0x80000800 | random.nextInt(256));
                if (random.nextBoolean()) {
                    d.ports.read(0xcfc, 4);
                } else {
                    d.ports.write(0xcfc, 1 << random.nextInt(3), random.nextInt());
                }
            }
        }
    }
}
