package serai.storage.throttle;

import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** A clock, and what is to be done at a time of it. */
public interface Alarm {
    /** Now, in nanoseconds from any beginning. */
    long nanos();

    /**
     * Runs an action at a time, or soon if that is over, on a thread that it must not keep.
     *
     * @return cancels it, unless it has begun
     */
    Runnable at(long nanos, Runnable action);

    /** The time of {@link System#nanoTime}, and one thread for all that use it. */
    static Alarm real() {
        return Real.ALARM;
    }

    /** Made when it is first asked for. */
    final class Real implements Alarm {
        private static final Real ALARM = new Real();

        private final ScheduledThreadPoolExecutor thread = new ScheduledThreadPoolExecutor(
                1, Thread.ofPlatform().daemon().name("serai-alarm").factory());

        private Real() {
            thread.setRemoveOnCancelPolicy(true);
        }

        @Override
        public long nanos() {
            return System.nanoTime();
        }

        @Override
        public Runnable at(long nanos, Runnable action) {
            ScheduledFuture<?> f =
                    thread.schedule(action, Math.max(0, nanos - System.nanoTime()), TimeUnit.NANOSECONDS);
            return () -> f.cancel(false);
        }
    }
}
