package serai.machine.time;

import java.util.PriorityQueue;

/**
 * Deadlines on the guest clock. Devices arm timers; whoever drives the machine runs the due ones: a thread in real
 * time, the vCPU's own loop between two instructions in deterministic mode. Guarded by the machine lock.
 *
 * <p>Timers with equal deadlines fire in the order in which they were armed, so that a run repeats.
 */
public final class Timers {
    /** Nothing is armed. */
    public static final long NEVER = Long.MAX_VALUE;

    private final Clock clock;
    private final PriorityQueue<Timer> queue = new PriorityQueue<>((a, b) -> {
        int c = Long.compare(a.deadline, b.deadline);
        return c != 0 ? c : Long.compare(a.sequence, b.sequence);
    });
    private long sequence;
    private Runnable onEarlier = () -> {};

    /** A queue on {@code clock}. */
    public Timers(Clock clock) {
        this.clock = clock;
    }

    /** The clock that deadlines refer to. */
    public Clock clock() {
        return clock;
    }

    /** Calls {@code action} whenever the earliest deadline has moved nearer (to wake whoever waits for it). */
    public void onEarlier(Runnable action) {
        onEarlier = action;
    }

    /** A timer, not yet armed, that runs {@code action} with the machine lock held. */
    public Timer timer(Runnable action) {
        return new Timer(action);
    }

    /** The earliest deadline in nanoseconds of the clock, or {@link #NEVER}. */
    public long next() {
        Timer t = queue.peek();
        return t == null ? NEVER : t.deadline;
    }

    /** Runs what is due at the clock's present time. */
    public void runDue() {
        long now = clock.nanos();
        Timer t;
        while ((t = queue.peek()) != null && t.deadline <= now) {
            queue.poll();
            t.armed = false;
            t.action.run();
        }
    }

    /** One deadline. */
    public final class Timer {
        private final Runnable action;
        private long deadline;
        private long sequence;
        private boolean armed;

        private Timer(Runnable action) {
            this.action = action;
        }

        /** Arms for {@code nanos} on the guest clock, instead of any earlier arming. A past deadline is due at once. */
        public void arm(long nanos) {
            cancel();
            deadline = nanos;
            sequence = Timers.this.sequence++;
            armed = true;
            queue.add(this);
            if (queue.peek() == this) {
                onEarlier.run();
            }
        }

        /** Disarms. */
        public void cancel() {
            if (armed) {
                queue.remove(this);
                armed = false;
            }
        }

        /** Whether it is armed. */
        public boolean armed() {
            return armed;
        }

        /** The deadline, or {@link #NEVER} when not armed. */
        public long deadline() {
            return armed ? deadline : NEVER;
        }
    }
}
