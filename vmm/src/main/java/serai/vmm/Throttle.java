package serai.vmm;

import java.time.Duration;
import java.util.function.LongConsumer;

/**
 * Passes values on, the first at once and then one a second at most, the last in any case: a guest can change some things far faster than
 * a client of the control socket wants to hear of them. From any thread; what it passes to must not wait.
 */
final class Throttle implements LongConsumer {
    /** Waits for a period. */
    @FunctionalInterface
    interface Pause {
        void await() throws InterruptedException;
    }

    private final LongConsumer to;
    private final Pause pause;
    private long passed;
    private long latest;
    private boolean waiting;

    Throttle(LongConsumer to) {
        this(to, () -> Thread.sleep(Duration.ofSeconds(1)));
    }

    Throttle(LongConsumer to, Pause pause) {
        this.to = to;
        this.pause = pause;
    }

    @Override
    public synchronized void accept(long value) {
        latest = value;
        if (!waiting) {
            waiting = true;
            pass();
            Thread.ofVirtual().name("serai-throttle").start(this::later);
        }
    }

    private void pass() {
        passed = latest;
        to.accept(latest);
    }

    private void later() {
        boolean more = true;
        while (more) {
            try {
                pause.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
            synchronized (this) {
                more = latest != passed;
                if (more) {
                    pass();
                }
                waiting = more;
            }
        }
    }
}
