package serai.machine.acpi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import serai.machine.memory.RamRegion;

/** The bodies of SRAT and SLIT: which CPUs and memory belong together, and how far the nodes are apart. */
final class AffinityTables {
    private static final int CPU = 16, MEMORY = 40;
    private static final int ENABLED = 1;

    private AffinityTables() {}

    /** ACPI 6.5, 5.2.16, revision 3: a structure for each CPU, one for each piece of memory of a node. */
    static byte[] srat(Numa numa, List<RamRegion> ram) {
        int cpus = numa.nodes().stream().mapToInt(n -> n.cpus().size()).sum();
        // each node ends in one region or goes on in the next
        ByteBuffer b = buffer(12 + cpus * CPU + (numa.nodes().size() + ram.size()) * MEMORY);
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
                // 5.2.16.2: domain, reserved, base, length, reserved, flags, reserved
                b.put((byte) 1).put((byte) MEMORY).putInt(node).putShort((short) 0);
                b.putLong(r.base() + used)
                        .putLong(piece)
                        .putInt(0)
                        .putInt(ENABLED)
                        .putLong(0);
                left -= piece;
                used += piece;
                if (used == r.size()) {
                    region++;
                    used = 0;
                }
            }
        }
        return java.util.Arrays.copyOf(b.array(), b.position());
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
