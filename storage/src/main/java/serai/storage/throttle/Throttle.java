package serai.storage.throttle;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/**
 * Says when requests may begin, so that limits hold.
 *
 * <p>Requests come by {@link Flow}s: the queues of a disk, of several disks if they share the throttle. Those that have to wait do so
 * without a thread. A direction whose limit is used up does not hold the other one back. Within a direction the flows take turns,
 * request by request, and each has its own in their order; so a flow with many requests waiting gets no more than one with a few.
 *
 * <p>For any number of threads. A request that may begin does so on the thread that brings it, or on one that another request or the
 * {@link Alarm} is on; so what begins must not wait.
 */
public final class Throttle {
    /** Reads, or what changes the disk: writes, zeroes, discards. */
    public enum Direction {
        /** Reads. */
        READ,
        /** All else. */
        WRITE
    }

    /** A queue of requests that takes its turn with the others. */
    public final class Flow {
        private final List<Queue<Waiting>> waiting = List.of(new ArrayDeque<>(), new ArrayDeque<>());

        private Flow() {}

        /**
         * Begins a request when it may.
         *
         * @param bytes that it transfers, or zeroes
         * @param begin is run once, now or later
         * @return takes the request back if it has not begun
         */
        public Runnable admit(Direction direction, long bytes, Runnable begin) {
            return Throttle.this.admit(new Waiting(this, direction.ordinal(), bytes, begin));
        }
    }

    private static final class Waiting {
        final Flow flow;
        final int direction;
        final long bytes;
        final Runnable begin;

        Waiting(Flow flow, int direction, long bytes, Runnable begin) {
            this.flow = flow;
            this.direction = direction;
            this.bytes = bytes;
            this.begin = begin;
        }
    }

    /** The buckets in their order, and which of them a request in a direction has to pass. */
    private static final int BYTES = 0, REQUESTS = 1, NORMALIZED = 2;

    private static final int[][] PASSED = {{0, 1, 2, 3, 4}, {0, 1, 2, 5, 6}};
    private static final int[] COUNTS = {BYTES, REQUESTS, NORMALIZED, BYTES, REQUESTS, BYTES, REQUESTS};

    private final Alarm alarm;
    private Limits limits;
    private Bucket[] buckets;
    /** The flows with requests that wait, by direction; the first has the next turn. */
    private final List<ArrayDeque<Flow>> turns = List.of(new ArrayDeque<>(), new ArrayDeque<>());

    private long leaked;
    /** The direction that has the next turn, if both may. */
    private int turn;

    private boolean armed;
    private long due;
    private Runnable cancel = () -> {};
    private long delayed;

    /** With limits. */
    public Throttle(Limits limits, Alarm alarm) {
        this.limits = limits;
        this.alarm = alarm;
        leaked = alarm.nanos();
        buckets = all(limits).stream().map(Bucket::new).toArray(Bucket[]::new);
    }

    private static List<Limit> all(Limits l) {
        return List.of(l.bps(), l.iops(), l.normalized(), l.bpsRead(), l.iopsRead(), l.bpsWrite(), l.iopsWrite());
    }

    /** A queue of requests. */
    public Flow flow() {
        return new Flow();
    }

    /** The limits. */
    public synchronized Limits limits() {
        return limits;
    }

    /** Requests that had to wait until now. */
    public synchronized long delayed() {
        return delayed;
    }

    /** Sets other limits, also for the requests that wait. What has passed under the old ones counts. */
    public void limits(Limits now) {
        List<Waiting> begin;
        synchronized (this) {
            leak();
            limits = now;
            List<Limit> l = all(now);
            for (int i = 0; i < buckets.length; i++) {
                buckets[i] = new Bucket(l.get(i), buckets[i]);
            }
            begin = next();
        }
        begin.forEach(w -> w.begin.run());
    }

    private Runnable admit(Waiting w) {
        List<Waiting> begin;
        synchronized (this) {
            leak();
            if (turns.get(0).isEmpty() && turns.get(1).isEmpty() && delay(w.direction) == 0) {
                pass(w);
                begin = List.of(w);
            } else {
                Queue<Waiting> queue = w.flow.waiting.get(w.direction);
                if (queue.isEmpty()) {
                    turns.get(w.direction).add(w.flow);
                }
                queue.add(w);
                begin = next();
                delayed += begin.contains(w) ? 0 : 1;
            }
        }
        begin.forEach(b -> b.begin.run());
        return () -> withdraw(w);
    }

    private synchronized void withdraw(Waiting w) {
        Queue<Waiting> queue = w.flow.waiting.get(w.direction);
        if (queue.remove(w) && queue.isEmpty()) {
            turns.get(w.direction).remove(w.flow);
        }
    }

    private void ring() {
        List<Waiting> begin;
        synchronized (this) {
            armed = false;
            leak();
            begin = next();
        }
        begin.forEach(w -> w.begin.run());
    }

    /** Takes out what may begin now, and sets the alarm for the rest. */
    private List<Waiting> next() {
        List<Waiting> begin = new ArrayList<>();
        for (int d = admissible(); d >= 0; d = admissible()) {
            Flow f = turns.get(d).remove();
            Queue<Waiting> queue = f.waiting.get(d);
            Waiting w = queue.remove();
            if (!queue.isEmpty()) {
                turns.get(d).add(f);
            }
            pass(w);
            begin.add(w);
            turn = d ^ 1;
        }
        arm();
        return begin;
    }

    /** A direction in which a request waits that may begin, or -1. */
    private int admissible() {
        for (int d : new int[] {turn, turn ^ 1}) {
            if (!turns.get(d).isEmpty() && delay(d) == 0) {
                return d;
            }
        }
        return -1;
    }

    private void arm() {
        double delay = Double.POSITIVE_INFINITY;
        for (int d = 0; d < turns.size(); d++) {
            if (!turns.get(d).isEmpty()) {
                delay = Math.min(delay, delay(d));
            }
        }
        long at = delay == Double.POSITIVE_INFINITY ? 0 : leaked + (long) Math.ceil(delay * 1e9);
        if (armed && (delay == Double.POSITIVE_INFINITY || at < due)) {
            cancel.run();
            armed = false;
        }
        if (!armed && delay != Double.POSITIVE_INFINITY) {
            armed = true;
            due = at;
            cancel = alarm.at(at, this::ring);
        }
    }

    private void leak() {
        long now = alarm.nanos();
        for (Bucket b : buckets) {
            b.leak((now - leaked) / 1e9);
        }
        leaked = now;
    }

    /** Seconds until a request in a direction may begin; 0 also if that is less than a nanosecond, which an alarm can't wait for. */
    private double delay(int direction) {
        double d = 0;
        for (int i : PASSED[direction]) {
            d = Math.max(d, buckets[i].delay());
        }
        return d < 1e-9 ? 0 : d;
    }

    private void pass(Waiting w) {
        for (int i : PASSED[w.direction]) {
            buckets[i].pass(
                    switch (COUNTS[i]) {
                        case BYTES -> w.bytes;
                        case REQUESTS -> limits.iopsSize() == 0 ? 1 : begun(w.bytes, limits.iopsSize());
                        default -> begun(w.bytes, Limits.NORMAL);
                    });
        }
    }

    /** Units that are begun, at least one. */
    private static double begun(long bytes, long unit) {
        return Math.max(1, (bytes + unit - 1) / unit);
    }
}
