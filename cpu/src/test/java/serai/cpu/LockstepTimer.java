package serai.cpu;

import java.util.concurrent.locks.LockSupport;

/**
 * Interrupts at random times, by a thread of its own, while it is armed. Where they come is not repeatable; that they leave nothing
 * behind is what is looked at.
 */
final class LockstepTimer extends OracleCpu.Quiet implements AutoCloseable {
    static final int VECTOR = 0x21;
    private static final int PERIOD_NS = 20_000;

    private final Thread thread = new Thread(this::tick, "lockstep-timer");
    private volatile Runnable action = () -> {};
    private volatile boolean armed;
    private volatile boolean pending;

    /** Interrupts taken. */
    long taken;

    LockstepTimer() {
        thread.setDaemon(true);
        thread.start();
    }

    private void tick() {
        while (!Thread.currentThread().isInterrupted()) {
            LockSupport.parkNanos(PERIOD_NS);
            if (armed) {
                pending = true;
                action.run();
            }
        }
    }

    /** Whether interrupts come; one that waits goes if not. */
    void arm(boolean on) {
        armed = on;
        if (!on) {
            pending = false;
        }
    }

    @Override
    public void close() {
        thread.interrupt();
    }

    @Override
    public boolean pending() {
        return pending && armed;
    }

    @Override
    public boolean externalPending() {
        return pending();
    }

    @Override
    public int acknowledge() {
        if (!pending()) {
            return -1;
        }
        pending = false;
        taken++;
        return VECTOR;
    }

    @Override
    public void onPending(Runnable r) {
        action = r;
    }
}
