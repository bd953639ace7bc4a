package serai.vmm;

import java.util.ArrayList;
import java.util.List;
import serai.machine.acpi.Numa;

/** The NUMA nodes as the words give them: {@code numa=cpus=0-1,memory=256M} for each, {@code numa-distance=0,1,25} for a pair. */
final class NumaWords {
    private record Pair(int from, int to, int distance) {}

    private final List<Numa.Node> nodes = new ArrayList<>();
    private final List<Pair> pairs = new ArrayList<>();

    /** One more node. {@code cpus} and {@code memory} in any order; cpus a number or a range, several times if need be. */
    void node(String v) throws VmmException {
        List<Integer> cpus = new ArrayList<>();
        long memory = 0;
        for (String part : v.split(",", -1)) {
            String value = part.substring(part.indexOf('=') + 1);
            if (part.startsWith("memory=")) {
                memory = Words.memory(value);
            } else if (part.startsWith("cpus=") && value.matches("\\d{1,3}(-\\d{1,3})?")) {
                int dash = value.indexOf('-');
                int first = Integer.parseInt(dash < 0 ? value : value.substring(0, dash));
                int last = dash < 0 ? first : Integer.parseInt(value.substring(dash + 1));
                for (int c = first; c <= last; c++) {
                    cpus.add(c);
                }
            } else {
                throw new VmmException(
                        VmmException.USAGE, "numa '" + v + "' is no node; try numa=cpus=0-1,memory=256M");
            }
        }
        nodes.add(new Numa.Node(List.copyOf(cpus), memory));
    }

    /** The distance of two nodes, both ways. */
    void distance(String v) throws VmmException {
        if (!v.matches("\\d{1,3},\\d{1,3},\\d{1,3}")) {
            throw new VmmException(
                    VmmException.USAGE,
                    "numa-distance '" + v + "' is not NODE,NODE,DISTANCE; try numa-distance=0,1,20");
        }
        String[] n = v.split(",", -1);
        pairs.add(new Pair(Integer.parseInt(n[0]), Integer.parseInt(n[1]), Integer.parseInt(n[2])));
    }

    /** All of them, checked against the machine. */
    Numa finish(int cpus, long memory) throws VmmException {
        int n = nodes.size();
        List<List<Integer>> distances = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            List<Integer> row = new ArrayList<>();
            for (int j = 0; j < n; j++) {
                row.add(i == j ? Numa.LOCAL : Numa.REMOTE);
            }
            distances.add(row);
        }
        for (Pair p : pairs) {
            if (p.from >= n || p.to >= n) {
                throw new VmmException(
                        VmmException.USAGE,
                        "numa-distance names node %d, and there are %d".formatted(Math.max(p.from, p.to), n));
            }
            distances.get(p.from).set(p.to, p.distance);
            distances.get(p.to).set(p.from, p.distance);
        }
        Numa numa = new Numa(
                List.copyOf(nodes), distances.stream().map(List::copyOf).toList());
        try {
            numa.check(cpus, memory);
        } catch (IllegalArgumentException e) {
            throw new VmmException(VmmException.USAGE, String.valueOf(e.getMessage()), e);
        }
        return numa;
    }
}
