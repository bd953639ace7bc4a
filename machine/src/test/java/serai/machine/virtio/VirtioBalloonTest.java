package serai.machine.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.TestMemory;

/** The memory balloon, virtio 1.2, 5.5. */
class VirtioBalloonTest {
    private static final int INFLATE = 0, DEFLATE = 1, STATS = 2;
    private static final long F_POISON = 16, F_REPORTING = 32, F_ALL = 0x36;
    private static final long PAGE = 4096, BASE = 0x1_0000_0000L, BLOCK = 0x4000;
    /** Bytes of RAM, and where the driver's buffers are. */
    private static final int RAM = 1 << 20;

    private static final long DATA = 0x30000;
    private static final int BROKEN = 0x40;

    private final List<String> given = new ArrayList<>();
    private final GuestMemory memory = TestMemory.givingBack(
            RAM, BASE, BLOCK, 2, (offset, length) -> given.add("%x+%x".formatted(offset / PAGE, length / PAGE)));
    private final VirtioBalloon device = new VirtioBalloon();
    private final VirtioPci pci = device.onPci("virtio-balloon0", memory, (a, d) -> {});
    private final GuestDriver d = new GuestDriver(memory, pci, 5);
    private final List<Long> sizes = new ArrayList<>();
    private final List<List<Long>> statistics = new ArrayList<>();

    VirtioBalloonTest() {
        device.listener(new VirtioBalloon.Listener() {
            @Override
            public void actual(long pages) {
                sizes.add(pages);
            }

            @Override
            public void statistics(long[] values) {
                statistics.add(java.util.Arrays.stream(values).boxed().toList());
            }
        });
        start(F_ALL);
    }

    private void start(long features) {
        assertTrue(d.initialize(GuestDriver.F_VERSION_1 | features, 5));
    }

    private static GuestDriver.Part out(int length) {
        return new GuestDriver.Part(DATA, length, false);
    }

    private void numbers(int queue, long... pages) {
        for (int i = 0; i < pages.length; i++) {
            memory.writeInt(DATA + i * 4L, (int) pages[i]);
        }
        d.submit(queue, out(pages.length * 4));
    }

    private long config(int at) {
        return d.mmio.read(d.bar + 0x2000 + at, 4);
    }

    private void config(int at, long v) {
        d.mmio.write(d.bar + 0x2000 + at, 4, v);
    }

    @Test
    void sec5_5_1_to_4_idQueuesFeaturesConfiguration() {
        assertEquals(0x1af4 | 0x1045 << 16, d.config(0));
        assertEquals(5, d.common(18, 2));
        d.common(0, 4, 0);
        assertEquals(F_ALL, d.common(4, 4) & 0xff, "STATS_VQ, DEFLATE_ON_OOM, PAGE_POISON, PAGE_REPORTING");
        d.isr();
        device.want(0x8000_0001L);
        assertEquals(2, d.isr());
        device.want(0x8000_0001L);
        assertEquals(0, d.isr(), "it was that before");
        assertEquals(0x8000_0001L, config(0));
        config(0, 5);
        config(8, 5);
        config(16, 5);
        assertEquals(
                List.of(0x8000_0001L, 0L, 0L, 0L, 0L),
                List.of(config(0), config(4), config(8), config(12), config(16)));
        config(4, 0xffff_fffeL);
        config(4, 0xffff_fffeL);
        assertEquals(List.of(0xffff_fffeL), sizes);
        assertEquals(0xffff_fffeL, device.actual());
        d.mmio.write(d.bar + 0x2000 + 5, 2, 0x1234);
        assertEquals(0xff12_34feL, config(4), "parts of it");
        d.mmio.write(d.bar + 0x2000 + 8, 8, 0xaaaa_bbbb_0000_1111L);
        assertEquals(0xaaaa_bbbbL, config(12));
        for (long bad : new long[] {-1, 1L << 32, Long.MIN_VALUE}) {
            assertThrows(IllegalArgumentException.class, () -> device.want(bad));
        }
    }

    @Test
    void sec5_5_6_inflatedPagesGoBackToTheHost_neighboursTogether() {
        numbers(INFLATE, 0x52, 0x51, 0x50, 0x60, 0x40, 0x53, 0x60);
        assertEquals(List.of("40+1", "50+4", "60+1"), given.stream().sorted().toList());
        assertEquals(List.of(0, 0), d.used(INFLATE));
        given.clear();
        numbers(DEFLATE, 0x52, 0x51);
        assertEquals(List.of(), given, "they come back by themselves");
        assertEquals(2, d.used(DEFLATE).size());
    }

    @Test
    void sec5_5_6_pagesThatAreNoRamAreNobodys() {
        numbers(INFLATE, RAM / PAGE - 1, RAM / PAGE, 0xffff_ffffL, 0x8000_0000L, BASE / PAGE);
        assertEquals(List.of("ff+1"), given);
        assertEquals(0, d.status() & BROKEN);
    }

    @Test
    void pagesOfPluggedMemoryGoBackAsWell() {
        PluggableRam ram = Objects.requireNonNull(memory.pluggable());
        ram.plug(0, 1);
        memory.writeLong(BASE + PAGE, 7);
        memory.writeLong(BASE + 2 * PAGE, 8);
        numbers(INFLATE, BASE / PAGE + 1);
        assertEquals(0, memory.readLong(BASE + PAGE));
        assertEquals(8, memory.readLong(BASE + 2 * PAGE));
    }

    @Test
    void whatWasDerivedFromAPageIsToldThatItIsGone() {
        List<Long> written = new ArrayList<>();
        memory.addCodeListener(written::add);
        memory.markCode(0x50 * PAGE);
        memory.startDirtyLog();
        numbers(INFLATE, 0x50, 0x51);
        assertEquals(List.of(0x50L), written);
        assertTrue(memory.dirty(0x51 * PAGE));
    }

    @Test
    void sec5_5_6_3_statisticsWaitForTheHost() {
        device.requestStatistics();
        memory.writeShort(DATA, 4);
        memory.writeLong(DATA + 2, 1L << 40);
        memory.writeShort(DATA + 10, 0xfff0);
        memory.writeLong(DATA + 12, 3);
        memory.writeShort(DATA + 20, 5);
        memory.writeLong(DATA + 22, -2);
        d.submit(STATS, out(33)); // and a piece of another
        assertEquals(List.of(), d.used(STATS));
        assertEquals(1, statistics.size());
        List<Long> got = statistics.getFirst();
        assertEquals(VirtioBalloon.STATISTICS, got.size());
        assertEquals(List.of(-1L, 1L << 40, -2L, -1L), List.of(got.get(3), got.get(4), got.get(5), got.get(6)));
        device.requestStatistics();
        assertEquals(2, d.used(STATS).size());
        device.requestStatistics();
        assertEquals(List.of(), d.used(STATS), "it is the driver's turn");
        d.submit(STATS, out(0));
        d.submit(STATS, out(0));
        assertEquals(2, d.used(STATS).size(), "one is enough");
        assertEquals(3, statistics.size());
    }

    @Test
    void statisticsThatAreThereBeforeTheDeviceListens() {
        memory.zero(d.queue(STATS), 0x1000);
        GuestDriver other = new GuestDriver(memory, pci, 5);
        assertTrue(other.initialize(GuestDriver.F_VERSION_1 | F_ALL, 5));
        other.descriptor(STATS, 0, DATA, 10, 0, 0);
        other.offer(STATS, 0);
        assertEquals(List.of(), statistics);
        device.requestStatistics();
        assertEquals(2, other.used(STATS).size());
        assertEquals(List.of(), statistics, "they are old");
    }

    private static GuestDriver.Part free(long address, long length) {
        return new GuestDriver.Part(address, (int) length, true);
    }

    @Test
    void sec5_5_6_7_reportedPagesGoBackToTheHost() {
        for (int queue : new int[] {3, 4}) { // Linux's number for it, and the specification's
            given.clear();
            d.submit(queue, free(0x50 * PAGE, 4 * PAGE), free(0x60 * PAGE, PAGE));
            assertEquals(List.of("50+4", "60+1"), given);
            assertEquals(2, d.used(queue).size());
        }
        given.clear();
        d.submit(4, free(0x50 * PAGE + 1, 3 * PAGE), free(0x60 * PAGE + 8, PAGE), free(0x70 * PAGE, PAGE - 1));
        assertEquals(List.of("51+2"), given, "whole pages");
    }

    @Test
    void sec5_5_6_7_2_pagesWithPoisonKeepIt() {
        config(12, 0xaaaa_aaaaL);
        d.submit(4, free(0x50 * PAGE, PAGE));
        assertEquals(List.of(), given);
        assertEquals(2, d.used(4).size());
        config(12, 0);
        d.submit(4, free(0x50 * PAGE, PAGE));
        assertEquals(List.of("50+1"), given, "zeros will do");
        GuestDriver other = new GuestDriver(memory, pci, 5);
        assertTrue(other.initialize(GuestDriver.F_VERSION_1 | F_REPORTING, 5));
        memory.zero(other.queue(0), 0x5000);
        other.mmio.write(other.bar + 0x200c, 4, 1);
        other.submit(2, free(0x51 * PAGE, PAGE));
        assertEquals(List.of("50+1", "51+1"), given, "poison was not negotiated, nor statistics");
    }

    @Test
    void sec5_5_5_whatADriverHasNotNegotiatedIsNotDone() {
        start(F_POISON);
        memory.zero(d.queue(0), 0x5000);
        GuestDriver other = new GuestDriver(memory, pci, 5);
        assertTrue(other.initialize(GuestDriver.F_VERSION_1, 5));
        other.submit(STATS, out(10));
        other.submit(4, free(0x50 * PAGE, PAGE));
        assertEquals(List.of(), given);
        assertEquals(List.of(), statistics);
    }

    @Test
    void aDriverThatSaysTooMuchAtOnceIsStopped() {
        GuestDriver.Part[][] all = {
            {new GuestDriver.Part(0, (64 << 10) + 1, false)},
            {free(0, Integer.MAX_VALUE)},
            {free(0xf_0000, 0x2_0000)},
            {free(-PAGE, PAGE)},
        };
        for (int i = 0; i < all.length; i++) {
            GuestDriver bad = new GuestDriver(memory, pci, 5);
            assertTrue(bad.initialize(GuestDriver.F_VERSION_1 | F_ALL, 5));
            memory.zero(bad.queue(0), 0x5000);
            bad.submit(i == 0 ? INFLATE : 4, all[i]);
            assertEquals(BROKEN, bad.status() & BROKEN, "case " + i);
        }
    }

    @Test
    void aResetEmptiesTheBalloon_theHostsWishStays() {
        device.want(10);
        config(4, 10);
        d.submit(STATS, out(0));
        pci.reset();
        assertEquals(0, device.actual());
        assertEquals(10, device.wanted());
        device.requestStatistics(); // of whose driver nothing is left
    }

    @Test
    void aRestoredDeviceGoesOnWhereItWas() {
        device.want(10);
        config(4, 7);
        config(12, 0x55);
        d.submit(STATS, out(20));
        VirtioState s = pci.save();
        pci.reset();
        pci.restore(s);
        assertEquals(List.of(10L, 7L, 0x55L), List.of(config(0), config(4), config(12)));
        device.requestStatistics();
        assertEquals(2, d.used(STATS).size());
        for (long[] bad : new long[][] {{}, {2, 0, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0, 1}, {1, 0, 0, 0, 1, -1}}) {
            VirtioState b = new VirtioState(
                    s.version(), s.pci(), s.driverFeatures(), 0, 0, 0, s.status(), 0, 0, 0, false, s.queues(), bad);
            assertThrows(IllegalArgumentException.class, () -> pci.restore(b));
        }
    }
}
