package serai.machine.time;

import java.util.PriorityQueue;

/**
 * Deadlines on the guest clock. Devices arm timers; whoever drives the machine runs the due ones: a thread in real
 * time, the vCPU's own loop between two instructions in deterministic mode. Guarded by the machine lock.
 *
 * <p>Timers with equal deadlines fire in the order in which they were made. Devices make theirs when they are built, in the same
 * order in every machine of a kind, so a restored machine goes on exactly as the saved one does, in whatever order its devices
 * take their deadlines over.
 */
public final class Timers {
    /** Nothing is armed. */
    public static final long NEVER = Long.MAX_VALUE;
    /**
     * Deadlines from here on, 146 years, never come. A guest may ask for any (IA32_TSC_DEADLINE), and a clock that jumps ahead to
     * one of them would leave no room to add durations to it.
     */
    public static final long HORIZON = 1L << 62;

    private final Clock clock;
    private final PriorityQueue<Timer> queue = new PriorityQueue<>((a, b) -> {
        int c = Long.compare(a.deadline, b.deadline);
        return c != 0 ? c : Long.compare(a.order, b.order);
    });
    private long made;
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
        return t == null || t.deadline >= HORIZON ? NEVER : t.deadline;
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
        private final long order = made++;
        private long deadline;
        private boolean armed;

        private Timer(Runnable action) {
            this.action = action;
        }

        /** Arms for {@code nanos} on the guest clock, instead of any earlier arming. A past deadline is due at once. */
        public void arm(long nanos) {
            cancel();
            deadline = nanos;
            armed = true;
            queue.add(this);
            if (queue.peek() == this) {
                onEarlier.run();
            }
        }

        /** Takes over what {@link #deadline} gave in a machine that was saved. */
        public void restore(long saved) {
            cancel();
            if (saved != NEVER) {
                arm(saved);
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
