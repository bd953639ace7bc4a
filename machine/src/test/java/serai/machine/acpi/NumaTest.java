package serai.machine.acpi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import serai.machine.Layout;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;

class NumaTest {
    private static final long MIB = 1 << 20;

    private static final List<RamRegion> RAM = List.of(
            new RamRegion(0, Layout.LOW_RAM_END, 4096, false, -1, 0),
            new RamRegion(Layout.HIGH_RAM, 1024 * MIB, 4096, false, -1, 0));

    private static Numa two(long first, long second, int distance) {
        return new Numa(
                List.of(new Numa.Node(List.of(0, 2), first), new Numa.Node(List.of(1), second)),
                List.of(List.of(Numa.LOCAL, distance), List.of(distance, Numa.LOCAL)));
    }

    /** "node cpu" and "node base length" in MiB, as the SRAT has them. */
    private static List<String> structures(byte[] srat) {
        ByteBuffer b = ByteBuffer.wrap(srat).order(ByteOrder.LITTLE_ENDIAN).position(12);
        List<String> all = new ArrayList<>();
        while (b.hasRemaining()) {
            int at = b.position();
            if (b.get(at) == 0) {
                assertEquals(1, b.getInt(at + 4), "enabled");
                all.add(b.get(at + 2) + " cpu " + b.get(at + 3));
            } else {
                assertEquals(1, b.getInt(at + 28) & ~2, "enabled");
                all.add(b.getInt(at + 2) + " memory " + b.getLong(at + 8) / MIB + " " + b.getLong(at + 16) / MIB
                        + (b.getInt(at + 28) == 3 ? " hot-pluggable" : ""));
            }
            b.position(at + b.get(at + 1));
        }
        return all;
    }

    @Test
    void srat_5_2_16_dealsMemoryOutAcrossTheHoleBelow4GiB() {
        GuestMemory ram = new GuestMemory(RAM);
        assertEquals(
                List.of("0 cpu 0", "0 cpu 2", "1 cpu 1", "0 memory 0 2048", "1 memory 2048 1024", "1 memory 4096 1024"),
                structures(AffinityTables.srat(two(2048 * MIB, 2048 * MIB, 20), ram)));
        assertEquals(
                List.of("0 cpu 0", "0 cpu 2", "1 cpu 1", "0 memory 0 3072", "0 memory 4096 1024"),
                structures(AffinityTables.srat(two(4096 * MIB, 0, 20), ram)));
    }

    @Test
    void srat_5_2_16_2_saysWhereMemoryCanBePlugged() {
        RamRegion region = new RamRegion(Layout.pluggableRam(4096 * MIB), 512 * MIB, 4096, false, -1, 0);
        GuestMemory memory = new GuestMemory(RAM, new PluggableRam(region, 2 * MIB, 1, (offset, length) -> {}));
        assertEquals(
                "1 memory 5120 512 hot-pluggable",
                structures(AffinityTables.srat(two(4096 * MIB, 0, 20), memory)).getLast());
        assertEquals(
                List.of("0 cpu 0", "0 memory 0 3072", "0 memory 4096 1024"),
                structures(AffinityTables.srat(Numa.one(1, 4096 * MIB), new GuestMemory(RAM))));
    }

    @Test
    void slit_5_2_17_hasTheMatrix() {
        assertArrayEquals(new byte[] {2, 0, 0, 0, 0, 0, 0, 0, 10, 31, 31, 10}, AffinityTables.slit(two(MIB, MIB, 31)));
    }

    @Test
    void check_wantsEachCpuInOneNodeAndAllMemory() {
        two(MIB, 2 * MIB, 20).check(3, 3 * MIB);
        Numa.NONE.check(5, MIB);
        for (Runnable bad : List.<Runnable>of(
                () -> two(MIB, MIB, 20).check(3, 3 * MIB),
                () -> two(MIB, 2 * MIB, 20).check(4, 3 * MIB),
                () -> two(MIB, 2 * MIB, 20).check(2, 3 * MIB),
                () -> two(MIB, 2 * MIB, 10).check(3, 3 * MIB),
                () -> two(MIB, 2 * MIB, 255).check(3, 3 * MIB))) {
            assertThrows(IllegalArgumentException.class, bad::run);
        }
    }
}
