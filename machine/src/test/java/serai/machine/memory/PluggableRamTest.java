package serai.machine.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import serai.machine.disk.GuestBuffers;

class PluggableRamTest {
    private static final long BASE = 0x10_0000, BLOCK = 0x2000;

    private final GuestMemory m = TestMemory.growing(0x10000, BASE, BLOCK, 8);
    private final PluggableRam p = Objects.requireNonNull(m.pluggable());

    @Test
    void whatIsNotPluggedIsNotThere() {
        assertEquals(0x10000, m.ramSize());
        assertEquals(1, m.regions().size());
        assertEquals(0, m.host(BASE));
        assertFalse(m.writable(BASE));
        assertThrows(GuestAddressException.class, () -> m.readByte(BASE));
        p.plug(1, 2);
        assertEquals(2 * BLOCK, p.pluggedSize());
        assertEquals(0x10000, m.ramSize(), "what is plugged is no part of it");
        m.writeLong(BASE + BLOCK, -2);
        assertEquals(-2, GuestMemory.getLong(m.host(BASE + BLOCK)));
        assertTrue(m.writable(BASE + 3 * BLOCK - 1));
        assertEquals(0, m.host(BASE + BLOCK - 1));
        assertEquals(0, m.host(BASE + 3 * BLOCK));
    }

    @Test
    void anAccessOfADeviceHasToBePluggedAsAWhole() {
        p.plug(1, 2);
        p.plug(4, 1);
        m.write(BASE + BLOCK, new byte[(int) (2 * BLOCK)]);
        m.hostRange(BASE + 2 * BLOCK - 1, 2, true);
        for (long[] bad : new long[][] {
            {BASE + BLOCK - 1, 2},
            {BASE + 3 * BLOCK - 1, 2},
            {BASE + BLOCK, 2 * BLOCK + 1},
            {BASE + 2 * BLOCK, 3 * BLOCK}
        }) {
            assertThrows(GuestAddressException.class, () -> m.hostRange(bad[0], bad[1], false));
            assertThrows(GuestAddressException.class, () -> m.hostRange(bad[0], Long.MAX_VALUE, false));
        }
        assertThrows(IndexOutOfBoundsException.class, () -> p.plug(7, 2));
    }

    @Test
    void aBlockReadsZeroesWhenItIsPluggedAgain_whateverWasWrittenMeanwhile() {
        p.plug(0, 1);
        m.writeLong(BASE, 42);
        long host = m.host(BASE);
        p.unplug(0, 1);
        assertEquals(0, GuestMemory.getLong(host), "nothing of it is kept");
        GuestMemory.putLong(host, 43); // who still had the address
        p.plug(0, 1);
        assertEquals(0, m.readLong(BASE));
    }

    @Test
    void unplugging_forgetsCodeAndTellsWhoKeepsAddresses() {
        List<Object> told = new ArrayList<>();
        m.addCodeListener(told::add);
        p.onUnplugged(() -> told.add("unplugged"));
        p.plug(0, 2);
        m.markCode(BASE + BLOCK + 4096);
        p.unplug(1, 1);
        assertEquals(List.of((BASE + BLOCK) / 4096 + 1, "unplugged"), told);
        assertEquals(0, m.pageFlags(BASE + BLOCK + 4096));
    }

    @Test
    void dirtyLog_isToldOfWhatIsUnpluggedWhileItCanStillBeRead() {
        p.plug(0, 1);
        m.writeByte(BASE, 7);
        m.startDirtyLog();
        List<String> told = new ArrayList<>();
        m.onFirstWrite(page -> told.add("%x: %d".formatted(page, m.readByte(page))));
        p.unplug(0, 1);
        assertEquals(List.of("100000: 7", "101000: 0"), told);
        m.allCodeWritten();
        m.writeByte(0, 1);
        p.plug(0, 1);
        m.writeByte(BASE, 1);
        assertEquals(2 + 16, told.size(), "those that are not there are not told of, nor a page twice");
    }

    @Test
    void present_hasRunsOfPluggedBlocks() {
        p.plug(0, 1);
        p.plug(2, 1);
        p.plug(3, 1);
        p.plug(7, 1);
        assertEquals(
                List.of("0 10000", "100000 2000", "104000 4000", "10e000 2000"),
                m.present().stream()
                        .map(r -> "%x %x".formatted(r.base(), r.size()))
                        .toList());
        assertEquals(m.host(BASE + 2 * BLOCK), m.present().get(2).host());
    }

    @Test
    void aRestoredStateKeepsWhatIsInPluggedBlocksOnly() {
        p.plugAll();
        byte[] all = new byte[(int) (8 * BLOCK)];
        java.util.Arrays.fill(all, (byte) 5);
        m.write(BASE, all);
        BitSet plugged = new BitSet();
        plugged.set(1, 3);
        plugged.set(7);
        p.become(plugged);
        assertEquals(3 * BLOCK, p.pluggedSize());
        assertEquals(5, m.readByte(BASE + 3 * BLOCK - 1));
        assertEquals(5, m.readByte(BASE + 8 * BLOCK - 1));
        assertEquals(0, m.host(BASE));
        p.plug(0, 1);
        assertArrayEquals(new byte[(int) BLOCK], m.read(BASE, (int) BLOCK));
    }

    @Test
    void aTransferUnderWayMayEndWhenItsBlockIsGone() throws Exception {
        p.plug(0, 1);
        GuestBuffers b = new GuestBuffers(m, true);
        b.add(BASE, 512);
        p.unplug(0, 1);
        assertEquals(512, b.done());
    }

    @Test
    void aRegionIsOfWholeBlocksAboveAllOthers() {
        RamRegion r = new RamRegion(BASE, 0x3000, TestMemory.allocate(0x3000), false, -1, 0);
        for (long block : new long[] {0x2000, 0x3000, 0x800, 0}) {
            assertThrows(IllegalArgumentException.class, () -> new PluggableRam(r, block, 0, (o, l) -> {}));
        }
        RamRegion above = new RamRegion(BASE, 0x1000, TestMemory.allocate(0x1000), false, -1, 0);
        assertThrows(
                IllegalArgumentException.class,
                () -> new GuestMemory(List.of(above), new PluggableRam(r, 0x1000, 0, (o, l) -> {})));
    }
}
