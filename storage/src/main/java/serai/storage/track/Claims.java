package serai.storage.track;

import java.util.ArrayList;
import java.util.List;

/** Ranges that one thread at a time works on. */
final class Claims {
    private record Range(long from, long to) {}

    private final List<Range> held = new ArrayList<>();

    /** Waits until nobody holds a part of the range, and holds it until the result is closed. */
    synchronized Claim take(long from, long to) {
        boolean interrupted = false;
        while (held.stream().anyMatch(r -> r.from < to && from < r.to)) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        Range r = new Range(from, to);
        held.add(r);
        return () -> release(r);
    }

    private synchronized void release(Range r) {
        held.remove(r);
        notifyAll();
    }

    /** A range held. */
    interface Claim extends AutoCloseable {
        @Override
        void close();
    }
}
