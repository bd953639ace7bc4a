package serai.machine.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.machine.disk.ArrayDisk;
import serai.machine.disk.IoExecutor;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.TestMemory;

/** Packed virtqueues and what else virtio 1.2 added, by its sections. */
class PackedRingTest {
    private static final long DATA = 0x20000;
    private static final int NEEDS_RESET = 0x40;
    private static final long PACKED = GuestDriver.F_VERSION_1 | GuestDriver.F_PACKED;

    private final GuestMemory memory = TestMemory.ram(1 << 20);
    private final ArrayDisk disk = new ArrayDisk("fake", 64);

    /** Requests in the order in which the test wants them done. */
    private static final class AnyOrder implements IoExecutor {
        final List<Runnable> held = new ArrayList<>();

        @Override
        public Submitted submit(Runnable work, Runnable completion, long due) {
            held.add(() -> {
                work.run();
                completion.run();
            });
            return Submitted.BY_HOST;
        }

        void finish(int n) {
            held.remove(n).run();
        }
    }

    private final AnyOrder io = new AnyOrder();

    private VirtioPci blk(int queues) {
        return VirtioBlk.create("virtio-blk0", disk, io, queues, memory, (a, d) -> {});
    }

    private GuestDriver driver(long features) {
        GuestDriver d = new GuestDriver(memory, blk(1));
        assertTrue(d.initialize(features, 1));
        return d;
    }

    private static GuestDriver.Part in(long address, int length) {
        return new GuestDriver.Part(address, length, true);
    }

    private static GuestDriver.Part out(long address, int length) {
        return new GuestDriver.Part(address, length, false);
    }

    /** A request at a place of its own. */
    private int request(GuestDriver d, int n, int type, long sector) {
        long at = DATA + n * 0x1000L;
        memory.writeInt(at, type);
        memory.writeLong(at + 8, sector);
        GuestDriver.Part data = new GuestDriver.Part(at + 0x100, 512, type == 0);
        return type == 4 ? d.submit(0, out(at, 16), in(at + 16, 1)) : d.submit(0, out(at, 16), data, in(at + 16, 1));
    }

    @Test
    void sec2_8_requestsComeBackInTheOrderInWhichTheyAreDone() {
        GuestDriver d = driver(PACKED);
        for (int i = 0; i < disk.bytes.length; i++) {
            disk.bytes[i] = (byte) (i / 512);
        }
        int first = request(d, 0, 0, 5);
        int second = request(d, 1, 4, 0);
        io.finish(1);
        assertEquals(List.of(second, 1), d.used(0), "where the first request's descriptors were");
        io.finish(0);
        assertEquals(List.of(first, 513), d.used(0));
        assertEquals(5, memory.readByte(DATA + 0x100));
    }

    /** Many rounds of the ring, chains of several lengths, any order of completion: as a split ring does it. */
    @Test
    void sec2_8_bothKindsOfRingDoTheSame() {
        long seed = 20261126;
        System.out.println("seed " + seed);
        String[] results = new String[2];
        for (int kind = 0; kind < 2; kind++) {
            Random random = new Random(seed);
            GuestDriver d = driver(GuestDriver.F_VERSION_1 | (kind == 0 ? 0 : GuestDriver.F_PACKED));
            StringBuilder seen = new StringBuilder();
            Deque<Integer> free = new ArrayDeque<>(List.of(0, 1));
            java.util.Map<Integer, Integer> places = new java.util.HashMap<>();
            for (int i = 0; i < 500; i++) {
                if (!free.isEmpty() && random.nextBoolean()) {
                    int n = free.remove();
                    d.nextDescriptor = n * 4; // none that is under way
                    int type = List.of(0, 1, 4).get(random.nextInt(3));
                    memory.writeLong(DATA + n * 0x1000L + 0x100, i);
                    places.put(request(d, n, type, random.nextInt(66)), n);
                } else if (!io.held.isEmpty()) {
                    io.finish(random.nextInt(io.held.size()));
                }
                List<Integer> used = d.used(0);
                for (int u = 0; u < used.size(); u += 2) {
                    int n = places.remove(used.get(u));
                    free.add(n);
                    long at = DATA + n * 0x1000L;
                    seen.append(n)
                            .append(' ')
                            .append(used.get(u + 1))
                            .append(' ')
                            .append(memory.readByte(at + 16))
                            .append(' ')
                            .append(memory.readLong(at + 0x100))
                            .append('\n');
                }
                seen.append(d.isr()).append('\n');
            }
            assertEquals(0, d.status() & NEEDS_RESET);
            while (!io.held.isEmpty()) {
                io.finish(0);
            }
            java.util.Arrays.fill(disk.bytes, (byte) 0);
            results[kind] = seen.toString();
        }
        assertEquals(results[0], results[1]);
    }

    @Test
    void sec2_8_7_indirectDescriptors() {
        GuestDriver d = driver(PACKED | GuestDriver.F_INDIRECT);
        long table = DATA + 0x4000;
        memory.writeInt(DATA, 8);
        long[][] rows = {{DATA, 16, 0}, {DATA + 0x1000, 20, 2}, {DATA + 0x100, 1, 2}};
        for (int i = 0; i < rows.length; i++) {
            memory.writeLong(table + i * 16, rows[i][0]);
            memory.writeInt(table + i * 16 + 8, (int) rows[i][1]);
            memory.writeShort(table + i * 16 + 14, (int) rows[i][2]);
        }
        indirect(d, table, 48, 4);
        assertEquals(List.of(0, 21), d.used(0));
        assertEquals('f', memory.readByte(DATA + 0x1000));
    }

    /** One descriptor with those flags, as the first in the ring. */
    private void indirect(GuestDriver d, long address, int length, int flags) {
        d.putPacked(0, out(address, length));
        memory.writeShort(d.queue(0) + 14, flags | 0x80);
        d.notify(0);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8, 17, 1025 * 16, -16})
    void sec2_8_19_tablesThatAreNoneStopTheDevice(int length) {
        GuestDriver d = driver(PACKED | GuestDriver.F_INDIRECT);
        indirect(d, DATA, length, 4);
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET);
    }

    @Test
    void sec2_8_19_aTableInATableOrAChainStopsTheDevice() {
        GuestDriver d = driver(PACKED | GuestDriver.F_INDIRECT);
        memory.writeShort(DATA + 14, 4);
        indirect(d, DATA, 16, 4);
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET);
        d = driver(PACKED | GuestDriver.F_INDIRECT);
        memory.zero(DATA, 32);
        indirect(d, DATA, 16, 5);
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET);
        d = driver(PACKED);
        indirect(d, DATA, 16, 4);
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET, "not negotiated");
    }

    @Test
    void sec2_8_5_aChainWithoutAnEndStopsTheDevice() {
        GuestDriver d = driver(PACKED);
        for (int i = 0; i < GuestDriver.SIZE; i++) {
            memory.writeLong(d.queue(0) + i * 16, DATA);
            memory.writeInt(d.queue(0) + i * 16 + 8, 16);
            memory.writeShort(d.queue(0) + i * 16 + 14, 0x81);
        }
        d.notify(0);
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET);
    }

    @Test
    void descriptorsThatAreStillTheDevices_canNotBeOffered() {
        GuestDriver d = driver(PACKED);
        for (int n = 0; n < 2; n++) {
            request(d, n, 0, n);
        }
        assertEquals(2, io.held.size());
        // a round and more, none given back
        request(d, 2, 0, 2);
        assertEquals(NEEDS_RESET, d.status() & NEEDS_RESET);
        assertEquals(2, io.held.size());
    }

    @Test
    void sec2_8_10_interruptsAsTheDriverWantsThem() {
        GuestDriver d = driver(PACKED | GuestDriver.F_EVENT_IDX);
        long driverArea = d.queue(0) + 0x400;
        memory.writeShort(driverArea + 2, 1);
        request(d, 0, 77, 0);
        assertEquals(0, d.isr(), "none");
        memory.writeShort(driverArea + 2, 2);
        memory.writeShort(driverArea, 0x8000 | 5);
        request(d, 1, 77, 0);
        assertEquals(1, d.isr(), "descriptors 3 to 5 are used");
        memory.writeShort(driverArea, 2); // in the next round
        request(d, 2, 77, 0);
        assertEquals(0, d.isr());
        request(d, 3, 77, 0);
        assertEquals(1, d.isr());
        memory.writeShort(driverArea + 2, 0);
        request(d, 4, 77, 0);
        assertEquals(1, d.isr());
    }

    @Test
    void sec2_8_sizesNeedNotBePowersOfTwo() {
        VirtioPci f = blk(1);
        GuestDriver d = new GuestDriver(memory, f);
        d.initialize(PACKED, 0);
        d.common(22, 2, 0);
        d.common(24, 2, 7);
        assertEquals(7, d.common(24, 2));
        d.initialize(GuestDriver.F_VERSION_1, 0);
        d.common(24, 2, 7);
        assertEquals(256, d.common(24, 2));
    }

    @Test
    void saveInTheMiddle_evenWhenOverwrittenDescriptorsAreUnderWay() {
        VirtioPci first = blk(1);
        GuestDriver d = new GuestDriver(memory, first);
        assertTrue(d.initialize(PACKED, 1));
        disk.bytes[5 * 512] = 42;
        int slow = request(d, 0, 0, 5);
        int quick = request(d, 1, 4, 0);
        io.finish(1);
        assertEquals(List.of(quick, 1), d.used(0));
        VirtioState state = first.save();
        io.held.clear();
        VirtioPci second = blk(1);
        new GuestDriver(memory, second);
        second.restore(state);
        io.finish(0);
        assertEquals(List.of(slow, 513), d.used(0));
        assertEquals(42, memory.readByte(DATA + 0x100));
        VirtioState s = second.save();
        QueueState q = s.queues().getFirst();
        QueueState bad = new QueueState(8, true, 0, 0, 0, 9, 0, 0, 0);
        assertThrows(
                IllegalArgumentException.class,
                () -> second.restore(new VirtioState(
                        2, s.pci(), s.driverFeatures(), 0, 0, 0, 15, 0, 0, 0, false, List.of(bad), new long[0])));
        assertEquals(5 + 0x8000, q.nextUsed());
    }

    @Test
    void sec2_6_1_aQueueResetAlone_dropsWhatIsUnderWay() {
        GuestDriver d = driver(PACKED | GuestDriver.F_RING_RESET);
        disk.bytes[0] = 42;
        request(d, 0, 0, 0);
        d.common(22, 2, 0);
        d.common(58, 2, 1);
        assertEquals(0, d.common(58, 2), "done");
        assertEquals(0, d.common(28, 2), "not enabled");
        io.finish(0);
        assertEquals(0, memory.readByte(DATA + 0x100));
        assertEquals(15, d.status());
    }

    @Test
    void sec4_1_withoutBusMastering_nothingIsReadOrWritten() {
        GuestDriver d = driver(PACKED);
        int first = request(d, 0, 0, 0);
        d.ports.write(0xcf8, 4, 0x80000804);
        d.ports.write(0xcfc, 2, 2);
        io.finish(0);
        assertEquals(List.of(), d.used(0));
        int second = request(d, 1, 4, 0);
        assertEquals(0, io.held.size());
        d.ports.write(0xcfc, 2, 6);
        assertEquals(List.of(first, 513), d.used(0));
        assertEquals(1, io.held.size(), "the second one is seen now");
        io.finish(0);
        assertEquals(List.of(second, 1), d.used(0));
    }

    /** Type, flags, sector, sectors; the status. */
    @ParameterizedTest
    @org.junit.jupiter.params.provider.CsvSource({
        "11, 0, 3, 2, 0",
        "11, 1, 3, 2, 2",
        "13, 0, 3, 2, 0",
        "13, 1, 3, 2, 0",
        "13, 2, 3, 2, 2",
        "11, 0, 63, 2, 1",
        "13, 0, -1, 1, 1",
        "13, 0, 0, 4194305, 1",
    })
    void sec5_2_6_discardAndWriteZeroes(int type, int flags, long sector, int sectors, int status) {
        java.util.Arrays.fill(disk.bytes, (byte) 1);
        GuestDriver d = driver(PACKED);
        memory.writeInt(DATA, type);
        memory.writeLong(DATA + 16, sector);
        memory.writeInt(DATA + 24, sectors);
        memory.writeInt(DATA + 28, flags);
        int id = d.submit(0, out(DATA, 32), in(DATA + 64, 1));
        if (!io.held.isEmpty()) {
            io.finish(0);
        }
        assertEquals(List.of(id, 1), d.used(0));
        assertEquals(status, memory.readByte(DATA + 64));
        for (int s = 0; s < 64; s++) {
            boolean gone = status == 0 && s >= sector && s < sector + sectors;
            assertEquals(gone ? 0 : 1, disk.bytes[s * 512], "sector " + s);
        }
    }

    @Test
    void sec5_2_severalQueues_eachWithItsOwnRing() {
        GuestDriver d = new GuestDriver(memory, blk(4));
        assertTrue(d.initialize(PACKED | 1 << 12, 4));
        assertEquals(4, d.mmio.read(d.bar + 0x2000 + 34, 2));
        memory.writeInt(DATA, 4);
        int[] ids = new int[4];
        for (int q = 0; q < 4; q++) {
            ids[q] = d.submit(q, out(DATA, 16), in(DATA + 16, 1));
        }
        for (int q = 3; q >= 0; q--) {
            io.finish(q);
            assertEquals(List.of(ids[q], 1), d.used(q));
        }
    }

    @Test
    void sec5_2_aDiskOfAnotherSizeIsTold() {
        VirtioPci f = blk(1);
        GuestDriver d = new GuestDriver(memory, f);
        d.initialize(PACKED, 1);
        assertEquals(0, d.common(21, 1));
        f.configChanged();
        assertEquals(2, d.isr());
        assertEquals(1, d.common(21, 1), "the configuration's generation");
    }
}
