package serai.storage.throttle;

import java.util.PriorityQueue;

/** Time that goes on when a test says so. */
final class TestAlarm implements Alarm {
    private record Entry(long at, Runnable action) {}

    private final PriorityQueue<Entry> entries = new PriorityQueue<>((a, b) -> Long.compare(a.at, b.at));
    private long now = 1_000_000;

    @Override
    public long nanos() {
        return now;
    }

    @Override
    public Runnable at(long nanos, Runnable action) {
        Entry e = new Entry(nanos, action);
        entries.add(e);
        return () -> entries.remove(e);
    }

    /** Goes on for so long, ringing on the way. */
    void pass(double seconds) {
        long end = now + (long) (seconds * 1e9);
        while (!entries.isEmpty() && entries.peek().at <= end) {
            Entry e = entries.remove();
            now = Math.max(now, e.at);
            e.action.run();
        }
        now = end;
    }

    int waiting() {
        return entries.size();
    }
}
