package serai.machine.disk;

import serai.machine.time.Timers;

/** Work done at once, its completion after a fixed time of the guest: deterministic mode. */
public final class DeterministicIo implements IoExecutor {
    private final Timers timers;
    private final long latency;

    /**
     * On the machine's timers.
     *
     * @param latencyNanos from submission to completion
     */
    public DeterministicIo(Timers timers, long latencyNanos) {
        this.timers = timers;
        latency = latencyNanos;
    }

    @Override
    public Submitted submit(Runnable work, Runnable completion, long due) {
        work.run();
        long at = due != 0 ? due : timers.clock().nanos() + latency;
        Timers.Timer timer = timers.timer(completion);
        timer.arm(at);
        return new Submitted(at, timer::cancel);
    }
}
