package serai.storage.qcow2;

import java.util.Arrays;

/** Clusters, in the order in which they came: those that follow each other take no more room than one. */
final class Runs {
    /** Takes clusters that follow each other. */
    interface Taker {
        void take(long cluster, int count);
    }

    private long[] first = new long[16];
    private int[] count = new int[16];
    private int n;

    void clear() {
        n = 0;
    }

    void add(long cluster) {
        if (n > 0 && cluster == first[n - 1] + count[n - 1] && count[n - 1] < Integer.MAX_VALUE) {
            count[n - 1]++;
            return;
        }
        if (n == first.length) {
            first = Arrays.copyOf(first, 2 * n);
            count = Arrays.copyOf(count, 2 * n);
        }
        first[n] = cluster;
        count[n++] = 1;
    }

    void forEach(Taker taker) {
        for (int i = 0; i < n; i++) {
            taker.take(first[i], count[i]);
        }
    }
}
