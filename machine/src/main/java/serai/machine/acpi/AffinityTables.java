package serai.machine.acpi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import serai.machine.memory.GuestMemory;
import serai.machine.memory.PluggableRam;
import serai.machine.memory.RamRegion;

/** The bodies of SRAT and SLIT: which CPUs and memory belong together, and how far the nodes are apart. */
final class AffinityTables {
    private static final int CPU = 16, MEMORY = 40;
    private static final int ENABLED = 1, HOT_PLUGGABLE = 2;

    private AffinityTables() {}

    /**
     * ACPI 6.5, 5.2.16, revision 3: a structure for each CPU, one for each piece of memory of a node, one for what can be plugged. Linux learns
     * from the last how far its memory may reach.
     *
     * @param numa with a node at least
     */
    static byte[] srat(Numa numa, GuestMemory memory) {
        List<RamRegion> ram = memory.regions();
        PluggableRam pluggable = memory.pluggable();
        int cpus = numa.nodes().stream().mapToInt(n -> n.cpus().size()).sum();
        // each node ends in one region or goes on in the next
        ByteBuffer b = buffer(12 + cpus * CPU + (numa.nodes().size() + ram.size() + 1) * MEMORY);
        b.putInt(1).putLong(0);
        for (int node = 0; node < numa.nodes().size(); node++) {
            for (int cpu : numa.nodes().get(node).cpus()) {
                // 5.2.16.1: domain bits 7:0, APIC id, flags, SAPIC EID, domain bits 31:8, clock domain
                b.put((byte) 0).put((byte) CPU).put((byte) node).put((byte) cpu).putInt(ENABLED);
                b.putInt(0).putInt(0);
            }
        }
        int region = 0;
        long used = 0;
        for (int node = 0; node < numa.nodes().size(); node++) {
            long left = numa.nodes().get(node).memory();
            while (left > 0) {
                RamRegion r = ram.get(region);
                long piece = Math.min(left, r.size() - used);
                memory(b, node, r.base() + used, piece, ENABLED);
                left -= piece;
                used += piece;
                if (used == r.size()) {
                    region++;
                    used = 0;
                }
            }
        }
        if (pluggable != null) {
            RamRegion r = pluggable.region();
            memory(b, pluggable.node(), r.base(), r.size(), ENABLED | HOT_PLUGGABLE);
        }
        return java.util.Arrays.copyOf(b.array(), b.position());
    }

    /** 5.2.16.2: domain, reserved, base, length, reserved, flags, reserved. */
    private static void memory(ByteBuffer b, int node, long base, long length, int flags) {
        b.put((byte) 1).put((byte) MEMORY).putInt(node).putShort((short) 0);
        b.putLong(base).putLong(length).putInt(0).putInt(flags).putLong(0);
    }

    /** ACPI 6.5, 5.2.17: the number of nodes and the matrix of distances. */
    static byte[] slit(Numa numa) {
        int n = numa.nodes().size();
        ByteBuffer b = buffer(8 + n * n);
        b.putLong(n);
        numa.distances().forEach(row -> row.forEach(d -> b.put(d.byteValue())));
        return b.array();
    }

    private static ByteBuffer buffer(int n) {
        return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
    }
}
