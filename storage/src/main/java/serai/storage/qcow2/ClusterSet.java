package serai.storage.qcow2;

import java.util.Arrays;

/** A set of cluster numbers: open addressing, as it is asked for each write. Guarded by the image's lock. */
final class ClusterSet {
    private static final long NONE = -1;

    private long[] slots = filled(64);
    private int size;

    private static long[] filled(int n) {
        long[] a = new long[n];
        Arrays.fill(a, NONE);
        return a;
    }

    void clear() {
        slots = filled(64);
        size = 0;
    }

    private int home(long cluster) {
        return (int) (cluster * 0x9e3779b97f4a7c15L >>> 32) & slots.length - 1;
    }

    /** Where a cluster is, or the free place where it would be. */
    private int find(long cluster) {
        int i = home(cluster);
        while (slots[i] != NONE && slots[i] != cluster) {
            i = i + 1 & slots.length - 1;
        }
        return i;
    }

    boolean contains(long cluster) {
        return slots[find(cluster)] != NONE;
    }

    /**
     * Adds one.
     *
     * @param cluster 0 or more
     * @return whether it is new
     */
    boolean add(long cluster) {
        int i = find(cluster);
        if (slots[i] == cluster) {
            return false;
        }
        slots[i] = cluster;
        if (++size > slots.length / 2) {
            long[] old = slots;
            slots = filled(2 * old.length);
            for (long c : old) {
                if (c != NONE) {
                    slots[find(c)] = c;
                }
            }
        }
        return true;
    }

    void remove(long cluster) {
        int free = find(cluster);
        if (slots[free] == NONE) {
            return;
        }
        size--;
        // what follows without a gap may have been put further on because of it (Knuth, The Art of Computer Programming
        // 3, 6.4, algorithm R)
        for (int i = free + 1 & slots.length - 1; slots[i] != NONE; i = i + 1 & slots.length - 1) {
            int home = home(slots[i]);
            boolean between = free <= i ? free < home && home <= i : free < home || home <= i;
            if (!between) {
                slots[free] = slots[i];
                free = i;
            }
        }
        slots[free] = NONE;
    }
}
