package serai.storage.qcow2;

import java.util.HashMap;
import java.util.Map;

/** How many times each cluster of the file is in use, as a walk finds it. Memory follows what is in use, not the file's size. */
final class UseCounts {
    private static final int PAGE = 4096;

    private final Map<Long, int[]> pages = new HashMap<>();
    private long end;

    void add(long cluster, long count) {
        for (long c = cluster; c < cluster + count; c++) {
            pages.computeIfAbsent(c / PAGE, k -> new int[PAGE])[(int) (c % PAGE)]++;
        }
        end = Math.max(end, cluster + count);
    }

    int get(long cluster) {
        int[] p = pages.get(cluster / PAGE);
        return p == null ? 0 : p[(int) (cluster % PAGE)];
    }

    /** The first cluster behind all that are in use. */
    long end() {
        return end;
    }
}
