package serai.vmm;

import java.util.function.LongSupplier;

/**
 * Has the Java heap collected when much of what is in its old generation may be dead.
 *
 * <p>The serial collector lets the old generation grow to the heap's bound before it looks at it. What gets there and dies is what the
 * engine has cached of guest code, and drops when the guest writes that or the cache is full: {@code bench/load} makes 10 to 40 MiB of it a
 * minute, and has 25 MiB alive.
 */
final class HeapWatch {
    /** How often it looks. */
    private static final int SECONDS = 5;
    /** So much may be dead before anything is done, besides half of what was alive. */
    static final long ROOM = 12L << 20;

    private final LongSupplier used;
    private final Runnable collect;
    private long alive;

    /**
     * @param used bytes of the heap, dead or alive
     * @param collect collects all of it
     */
    HeapWatch(LongSupplier used, Runnable collect) {
        this.used = used;
        this.collect = collect;
        alive = used.getAsLong();
    }

    /** Watches this process's heap for as long as it runs. To be called after a collection. */
    static void start() {
        Runtime r = Runtime.getRuntime();
        HeapWatch watch = new HeapWatch(() -> r.totalMemory() - r.freeMemory(), System::gc);
        Thread.ofPlatform().daemon().name("serai-heap").start(() -> {
            try {
                while (true) {
                    Thread.sleep(SECONDS * 1000L);
                    watch.look();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    /** Collects if there may be enough to collect. */
    void look() {
        if (used.getAsLong() > alive + alive / 2 + ROOM) {
            collect.run();
            alive = used.getAsLong();
        }
    }
}
