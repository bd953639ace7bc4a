package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** When the heap is collected, on a heap that is made up. */
class HeapWatchTest {
    private static final long MIB = 1 << 20;

    private long used = 20 * MIB;
    private long alive;
    private int collections;

    private final HeapWatch watch = new HeapWatch(() -> used, () -> {
        used = alive;
        collections++;
    });

    @Test
    void isCollectedOnlyWhenMoreThanHalfOfWhatWasAliveMayBeDead() {
        used = 30 * MIB + HeapWatch.ROOM;
        watch.look();
        assertEquals(0, collections);
        used++;
        watch.look();
        assertEquals(1, collections);
    }

    @Test
    void whatIsAliveAfterACollectionIsWhatTheNextGoesBy() {
        used = 100 * MIB;
        alive = 60 * MIB;
        watch.look();
        used = 90 * MIB + HeapWatch.ROOM;
        watch.look();
        assertEquals(1, collections);
        used++;
        alive = 4 * MIB;
        watch.look();
        used = 6 * MIB + HeapWatch.ROOM + 1;
        watch.look();
        assertEquals(3, collections);
    }
}
