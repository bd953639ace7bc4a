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

/** The memory device, virtio 1.3, 5.15. */
class VirtioMemTest {
    private static final int PLUG = 0, UNPLUG = 1, UNPLUG_ALL = 2, STATE = 3;
    private static final int ACK = 0, NACK = 1, ERROR = 3;
    private static final long BASE = 0x1_0000_0000L, BLOCK = 0x4000;
    private static final int BLOCKS = 8;
    private static final long DATA = 0x30000;

    private final GuestMemory memory = TestMemory.growing(1 << 20, BASE, BLOCK, BLOCKS);
    private final PluggableRam ram = Objects.requireNonNull(memory.pluggable());
    private final VirtioMem device = new VirtioMem(ram);
    private final VirtioPci pci = device.onPci("virtio-mem0", memory, (a, d) -> {});
    private final GuestDriver d = new GuestDriver(memory, pci, 1);
    private final List<Long> sizes = new ArrayList<>();

    VirtioMemTest() {
        assertTrue(d.initialize(GuestDriver.F_VERSION_1 | 3, 1));
        device.onSizeChanged(sizes::add);
    }

    private static GuestDriver.Part out(int length) {
        return new GuestDriver.Part(DATA, length, false);
    }

    private static GuestDriver.Part in(int length) {
        return new GuestDriver.Part(DATA + 0x100, length, true);
    }

    /** Sends a request with rubbish where nothing is to be looked at; the response's type, and 10 times the state. */
    private int request(int type, long address, int count) {
        memory.writeLong(DATA, type | 0xabcd_1234_5678_0000L);
        memory.writeLong(DATA + 8, address);
        memory.writeLong(DATA + 16, count | 0xabcd_1234_5678_0000L);
        memory.zero(DATA + 0x100, 16);
        d.submit(0, out(24), in(10));
        assertEquals(10, d.used(0).get(1));
        assertEquals(0, memory.readInt(DATA + 0x102));
        assertEquals(0, memory.readShort(DATA + 0x106));
        return memory.readShort(DATA + 0x100) + 10 * memory.readShort(DATA + 0x108);
    }

    private int blocks(int type, int first, int count) {
        return request(type, BASE + first * BLOCK, count);
    }

    private long config(int at) {
        return d.mmio.read(d.bar + 0x2000 + at, 8);
    }

    private String plugged() {
        StringBuilder s = new StringBuilder();
        for (int b = 0; b < BLOCKS; b++) {
            s.append(ram.plugged(b) ? '+' : '-');
        }
        return s.toString();
    }

    @Test
    void sec5_15_2_to_4_idQueueFeaturesConfiguration() {
        assertEquals(0x1af4 | 0x1058 << 16, d.config(0));
        assertEquals(1, d.common(18, 2), "one queue");
        d.common(0, 4, 0);
        assertEquals(7, d.common(4, 4) & 0xff, "ACPI_PXM, UNPLUGGED_INACCESSIBLE, PERSISTENT_SUSPEND");
        device.request(3 * BLOCK);
        blocks(PLUG, 2, 2);
        assertEquals(
                List.of(BLOCK, 3L, BASE, BLOCKS * BLOCK, BLOCKS * BLOCK, 2 * BLOCK, 3 * BLOCK, 0L),
                java.util.stream.IntStream.range(0, 8)
                        .mapToObj(i -> config(i * 8))
                        .toList());
        d.mmio.write(d.bar + 0x2030, 8, 0);
        assertEquals(3 * BLOCK, config(48), "the driver can't write it");
    }

    @Test
    void sec5_15_4_aNewRequestedSizeIsNotified_aNewPluggedSizeIsNot() {
        d.isr();
        device.request(2 * BLOCK);
        assertEquals(2, d.isr());
        long generation = d.common(21, 1);
        device.request(2 * BLOCK);
        assertEquals(0, d.isr(), "it was that before");
        blocks(PLUG, 0, 2);
        assertEquals(1, d.isr(), "the used buffer alone");
        assertEquals(generation, d.common(21, 1));
        assertEquals(List.of(2 * BLOCK), sizes);
        for (long bad : new long[] {-BLOCK, 1, BLOCK - 1, (BLOCKS + 1) * BLOCK, Long.MIN_VALUE}) {
            assertThrows(IllegalArgumentException.class, () -> device.request(bad));
        }
    }

    @Test
    void sec5_15_6_1_plug() {
        device.request(4 * BLOCK);
        assertEquals(ACK, blocks(PLUG, 6, 2));
        assertEquals("------++", plugged());
        assertEquals(ERROR, blocks(PLUG, 5, 2), "one of them is plugged");
        assertEquals(NACK, blocks(PLUG, 0, 3), "more than requested");
        assertEquals(ERROR, blocks(PLUG, 5, 3), "an error is told before what is too much");
        assertEquals(ACK, blocks(PLUG, 0, 2));
        assertEquals(NACK, blocks(PLUG, 3, 1));
        assertEquals("++----++", plugged());
        memory.writeLong(BASE + 2 * BLOCK - 8, 1);
        device.request(0);
        assertEquals("++----++", plugged(), "only the driver unplugs");
        assertEquals(NACK, blocks(PLUG, 2, 1));
    }

    @Test
    void sec5_15_6_whatIsNotOfWholeBlocksOfTheRegionIsAnError() {
        device.request(BLOCKS * BLOCK);
        assertEquals(ACK, blocks(PLUG, 0, 4));
        for (int type : new int[] {PLUG, UNPLUG, STATE}) {
            assertEquals(ERROR, blocks(type, 1, 0));
            assertEquals(ERROR, blocks(type, -1, 1));
            assertEquals(ERROR, blocks(type, -1, 2));
            assertEquals(ERROR, blocks(type, 0, BLOCKS + 1));
            assertEquals(ERROR, blocks(type, BLOCKS - 1, 2));
            assertEquals(ERROR, blocks(type, BLOCKS, 1));
            assertEquals(ERROR, blocks(type, 0, 0xffff));
            for (long address :
                    new long[] {BASE + 1, BASE + BLOCK / 2, 0, -1, Long.MIN_VALUE, Long.MAX_VALUE, -BLOCK}) {
                assertEquals(ERROR, request(type, address, 1), Long.toHexString(address));
            }
        }
        assertEquals(ERROR, blocks(4, 0, 1), "no such request");
        assertEquals(ERROR, blocks(0xffff, 0, 1));
        assertEquals("++++----", plugged());
    }

    @Test
    void sec5_15_6_2_unplugGivesMemoryBack() {
        device.request(4 * BLOCK);
        blocks(PLUG, 0, 4);
        memory.writeLong(BASE + BLOCK, 77);
        memory.writeLong(BASE + 3 * BLOCK, 78);
        assertEquals(ACK, blocks(UNPLUG, 1, 2));
        assertEquals("+--+----", plugged());
        assertEquals(ERROR, blocks(UNPLUG, 0, 2), "one of them is not plugged");
        assertEquals(ERROR, blocks(UNPLUG, 1, 1));
        assertEquals(2 * BLOCK, config(40));
        assertEquals(ACK, blocks(PLUG, 1, 1));
        assertEquals(0, memory.readLong(BASE + BLOCK));
        assertEquals(78, memory.readLong(BASE + 3 * BLOCK));
        assertEquals(List.of(4 * BLOCK, 2 * BLOCK, 3 * BLOCK), sizes);
    }

    @Test
    void sec5_15_6_3_unplugAll() {
        device.request(4 * BLOCK);
        assertEquals(ACK, request(UNPLUG_ALL, 5, 0), "nothing is, and nothing but the type is looked at");
        blocks(PLUG, 0, 1);
        blocks(PLUG, 3, 3);
        assertEquals(ACK, request(UNPLUG_ALL, -1, 0));
        assertEquals("--------", plugged());
        assertEquals(0, config(40));
        assertEquals(4 * BLOCK, config(48));
    }

    @Test
    void sec5_15_6_4_state() {
        device.request(4 * BLOCK);
        blocks(PLUG, 2, 2);
        assertEquals(ACK, blocks(STATE, 2, 2), "plugged");
        assertEquals(ACK + 10, blocks(STATE, 4, 4), "unplugged");
        assertEquals(ACK + 20, blocks(STATE, 0, 8), "mixed");
        assertEquals(ACK + 20, blocks(STATE, 3, 2));
    }

    @Test
    void sec5_15_5_aResetOfTheDeviceLeavesWhatIsPlugged_oneOfTheMachineDoesNot() {
        device.request(4 * BLOCK);
        blocks(PLUG, 2, 2);
        memory.writeLong(BASE + 2 * BLOCK, 9);
        d.common(20, 1, 0);
        assertEquals("--++----", plugged());
        assertEquals(9, memory.readLong(BASE + 2 * BLOCK));
        pci.sleep();
        assertEquals("--++----", plugged(), "PERSISTENT_SUSPEND");
        assertEquals(9, memory.readLong(BASE + 2 * BLOCK));
        pci.reset();
        assertEquals("--------", plugged());
        assertEquals(4 * BLOCK, device.requested(), "what the host wants, it still wants");
        assertEquals(List.of(2 * BLOCK, 0L), sizes);
    }

    @Test
    void aRequestThatIsNoneStopsTheDevice() {
        for (GuestDriver.Part[] parts :
                new GuestDriver.Part[][] {{out(23), in(10)}, {out(24), in(9)}, {out(24)}, {in(40)}}) {
            GuestDriver bad = new GuestDriver(memory, pci, 1);
            assertTrue(bad.initialize(GuestDriver.F_VERSION_1, 1));
            memory.zero(bad.queue(0), 0x1000);
            bad.submit(0, parts);
            assertEquals(0x40, bad.status() & 0x40);
        }
    }

    @Test
    void aDeviceThatDoesDmaIntoUnpluggedMemoryStops() {
        device.request(BLOCK);
        d.submit(0, new GuestDriver.Part(BASE, 24, false), in(10));
        assertEquals(0x40, d.status() & 0x40);
    }

    @Test
    void requestsAndResponsesMayLieInPluggedMemory() {
        device.request(2 * BLOCK);
        blocks(PLUG, 0, 1);
        memory.writeLong(BASE, PLUG);
        memory.writeLong(BASE + 8, BASE + BLOCK);
        memory.writeLong(BASE + 16, 1);
        memory.writeShort(BASE + 32, 7);
        d.submit(0, new GuestDriver.Part(BASE, 24, false), new GuestDriver.Part(BASE + 32, 10, true));
        assertEquals(ACK, memory.readShort(BASE + 32));
        assertEquals("++------", plugged());
    }

    @Test
    void aRestoredDeviceHasTheSameBlocksAndTheSameWish() {
        device.request(5 * BLOCK);
        blocks(PLUG, 1, 2);
        blocks(PLUG, 7, 1);
        VirtioState s = pci.save();
        GuestMemory other = TestMemory.growing(1 << 20, BASE, BLOCK, BLOCKS);
        VirtioMem copy = new VirtioMem(Objects.requireNonNull(other.pluggable()));
        VirtioPci copied = copy.onPci("virtio-mem0", other, (a, b) -> {});
        new GuestDriver(other, copied, 1);
        copy.ram().plugAll();
        other.writeLong(BASE + BLOCK, 5);
        copied.restore(s);
        assertEquals(5, other.readLong(BASE + BLOCK));
        assertEquals(5 * BLOCK, copy.requested());
        assertEquals(3 * BLOCK, copy.ram().pluggedSize());
        assertEquals(s.work().length, copied.save().work().length);
        for (long[] bad : new long[][] {
            {}, {2, 0, 0}, {1, 1, 0}, {1, -BLOCK, 0}, {1, (BLOCKS + 1) * BLOCK, 0}, {1, 0, 1 << BLOCKS}, {1, 0, 0, 1}
        }) {
            VirtioState b = new VirtioState(
                    s.version(), s.pci(), s.driverFeatures(), 0, 0, 0, s.status(), 0, 0, 0, false, s.queues(), bad);
            assertThrows(IllegalArgumentException.class, () -> copied.restore(b));
        }
    }
}
