package serai.machine;

import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import serai.machine.pm.PowerSwitch;

/** What asks a run to end: the guest, by a device, or somebody outside. The first of the guest's requests counts. */
final class Requests {
    private final ReentrantLock lock;
    private final Runnable rouse;
    private @Nullable Outcome outcome;
    private boolean stop;

    /**
     * No requests.
     *
     * @param rouse makes all vCPUs look here soon; called with the machine lock held
     */
    Requests(ReentrantLock lock, Runnable rouse) {
        this.lock = lock;
        this.rouse = rouse;
    }

    /** The guest ends the run. With the machine lock held. */
    void end(Outcome o) {
        if (outcome == null) {
            outcome = o;
        }
        rouse.run();
    }

    /** What the guest does by its power management. */
    PowerSwitch powerSwitch() {
        return new PowerSwitch() {
            @Override
            public void off() {
                end(new Outcome.PowerOff());
            }

            @Override
            public void hibernate() {
                end(new Outcome.Hibernated());
            }

            @Override
            public void suspend() {
                end(new Outcome.Suspended());
            }

            @Override
            public void wake() {
                rouse.run();
            }

            @Override
            public void reset() {
                end(new Outcome.Reset());
            }
        };
    }

    /** Somebody wants the run to return. From any thread; it is not lost if there is no run yet. */
    void stop() {
        lock.lock();
        try {
            stop = true;
            rouse.run();
        } finally {
            lock.unlock();
        }
    }

    /** Whether {@link #take} would give something. With the machine lock held. */
    boolean waiting() {
        return outcome != null || stop;
    }

    /** What ends the run, if anything; it is asked for once. With the machine lock held. */
    @Nullable
    Outcome take() {
        Outcome o = outcome;
        if (o != null) {
            outcome = null;
            return o;
        }
        if (stop) {
            stop = false;
            return new Outcome.Stopped();
        }
        return null;
    }

    /** The guest's request is void: the machine is reset or another one's state. With the machine lock held. */
    void forget() {
        outcome = null;
    }
}
