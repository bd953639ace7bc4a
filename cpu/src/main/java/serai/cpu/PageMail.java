package serai.cpu;

import java.util.Arrays;
import java.util.function.LongConsumer;

/**
 * Numbers of pages that other threads leave for a vCPU. Bounded, because a vCPU that is never started never looks: past
 * {@value #ROOM} pages only the fact remains that there were too many.
 */
final class PageMail {
    private static final int ROOM = 256;

    private final long[] pages = new long[ROOM];
    private int count;
    private boolean overflown;
    /** Read without the lock: most looks find nothing. */
    private volatile boolean some;

    /** Leaves a page. From any thread. */
    synchronized void add(long page) {
        if (count == ROOM) {
            overflown = true;
        } else {
            pages[count++] = page;
        }
        some = true;
    }

    /** Whether all that was left has been dealt with. */
    boolean isEmpty() {
        return !some;
    }

    /** Deals with what was left; {@link #isEmpty} is true only after that. */
    void drain(LongConsumer each, Runnable tooMany) {
        if (!some) {
            return;
        }
        long[] taken;
        boolean all;
        synchronized (this) {
            taken = Arrays.copyOf(pages, count);
            all = overflown;
            count = 0;
            overflown = false;
        }
        if (all) {
            tooMany.run();
        } else {
            for (long page : taken) {
                each.accept(page);
            }
        }
        synchronized (this) {
            some = count > 0 || overflown;
        }
    }
}
