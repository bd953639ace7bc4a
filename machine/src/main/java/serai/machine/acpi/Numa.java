package serai.machine.acpi;

import java.util.List;
import java.util.stream.IntStream;

/**
 * The NUMA nodes that a guest is told of: which CPUs and how much memory each has, and how far they are apart (ACPI 6.5, 5.2.16 and
 * 5.2.17). Memory is dealt out by address, node 0 first.
 *
 * @param nodes none, if the guest is told of none
 * @param distances by node, then by node: 10 within a node, 11 to 254 between nodes
 */
public record Numa(List<Node> nodes, List<List<Integer>> distances) {
    /** A machine without nodes. */
    public static final Numa NONE = new Numa(List.of(), List.of());

    /** One node that has all. */
    static Numa one(int cpus, long memory) {
        return new Numa(List.of(new Node(IntStream.range(0, cpus).boxed().toList(), memory)), List.of(List.of(LOCAL)));
    }

    /** The distance within a node. */
    public static final int LOCAL = 10;
    /** The distance between two nodes of which nothing else is said, QEMU's default. */
    public static final int REMOTE = 20;

    private static final int MAX_DISTANCE = 254;

    /**
     * A node.
     *
     * @param cpus indices of its vCPUs
     * @param memory bytes, a multiple of 4,096; 0 for none
     */
    public record Node(List<Integer> cpus, long memory) {}

    /** The node that a vCPU is in, or -1. */
    public int nodeOf(int cpu) {
        for (int n = 0; n < nodes.size(); n++) {
            if (nodes.get(n).cpus.contains(cpu)) {
                return n;
            }
        }
        return -1;
    }

    /**
     * Whether the nodes divide a machine up.
     *
     * @param cpus the machine's vCPUs, each of which has to be in one node
     * @param memory the machine's RAM in bytes, which has to be the nodes' together
     * @throws IllegalArgumentException if not, with a sentence
     */
    public void check(int cpus, long memory) {
        if (nodes.isEmpty()) {
            return;
        }
        int[] times = new int[cpus];
        long sum = 0;
        for (Node n : nodes) {
            for (int c : n.cpus) {
                if (c < 0 || c >= cpus) {
                    throw new IllegalArgumentException(
                            "a NUMA node has vCPU %d, the machine 0 to %d".formatted(c, cpus - 1));
                }
                times[c]++;
            }
            sum += n.memory;
        }
        for (int c = 0; c < cpus; c++) {
            if (times[c] != 1) {
                throw new IllegalArgumentException(
                        "vCPU %d is in %s NUMA node".formatted(c, times[c] == 0 ? "no" : "more than one"));
            }
        }
        if (sum != memory) {
            throw new IllegalArgumentException(
                    "the NUMA nodes have %d MiB together, the machine has %d MiB".formatted(sum >> 20, memory >> 20));
        }
        for (int i = 0; i < nodes.size(); i++) {
            for (int j = 0; j < nodes.size(); j++) {
                int d = distances.get(i).get(j);
                if (i == j ? d != LOCAL : d <= LOCAL || d > MAX_DISTANCE) {
                    throw new IllegalArgumentException(
                            "the distance of NUMA nodes %d and %d is %d; it is 10 within a node and 11 to 254 between two"
                                    .formatted(i, j, d));
                }
            }
        }
    }
}
