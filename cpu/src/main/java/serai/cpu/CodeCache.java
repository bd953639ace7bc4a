package serai.cpu;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The decoded blocks of a vCPU, by physical address and mode; dropped by the page when its bytes change. */
final class CodeCache {
    /** Past so many instructions everything is dropped: about 64 bytes each. */
    private static final int MAX_NODES = 1_000_000;

    private static final int BUCKETS = 1 << 15;

    private final @Nullable Block[] buckets = new Block[BUCKETS];
    private final Map<Long, List<Block>> byPage = new HashMap<>();
    private int nodes;

    private static int bucket(long physical) {
        return (int) (physical ^ physical >>> 13) & BUCKETS - 1;
    }

    @Nullable
    Block get(long physical, int mode) {
        for (Block b = buckets[bucket(physical)]; b != null; b = b.nextInBucket) {
            if (b.physical == physical && b.mode == mode) {
                return b;
            }
        }
        return null;
    }

    /** Whether the cache is full and {@link #clear} is due. */
    boolean full() {
        return nodes > MAX_NODES;
    }

    void put(Block b) {
        int i = bucket(b.physical);
        b.nextInBucket = buckets[i];
        buckets[i] = b;
        nodes += b.nodes.length;
        byPage.computeIfAbsent(b.physical >>> 12, p -> new ArrayList<>(4)).add(b);
        if (b.tailPage >= 0) {
            byPage.computeIfAbsent(b.tailPage >>> 12, p -> new ArrayList<>(4)).add(b);
        }
    }

    /** Drops the blocks with a byte in page {@code page}; false if there are none. */
    boolean dropPage(long page) {
        List<Block> blocks = byPage.remove(page);
        if (blocks == null) {
            return false;
        }
        for (Block b : blocks) {
            remove(b);
        }
        return true;
    }

    private void remove(Block dead) {
        int i = bucket(dead.physical);
        Block previous = null;
        for (Block b = buckets[i]; b != null; previous = b, b = b.nextInBucket) {
            if (b == dead) {
                nodes -= b.nodes.length;
                if (previous == null) {
                    buckets[i] = b.nextInBucket;
                } else {
                    previous.nextInBucket = b.nextInBucket;
                }
                return;
            }
        }
    }

    void clear() {
        java.util.Arrays.fill(buckets, null);
        byPage.clear();
        nodes = 0;
    }
}
