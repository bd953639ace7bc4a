package serai.machine;

import serai.machine.time.Clock;

/**
 * Finds out that a guest idles, for whoever can give memory back to the host then.
 *
 * <p>It idles when its vCPUs, all together, have been awake for at most 3 per cent of {@link #QUIET} on end: an idle Linux needs about half a
 * per cent, a server that answers a request now and then is not to find its code gone each time. A time that has
 * used up its 3 per cent is over, and the next one begins. Told once, it is told again no sooner than after {@link #PAUSE}, and
 * only if the guest has done {@link #WORK} meanwhile. So what is made anew for it, a second of work at the very most, costs a guest that wakes at the worst
 * times under two per cent.
 *
 * <p>A vCPU whose thread waits for the host's processor counts as awake: a host that is short of it gets no work from this. All is done with the machine's
 * lock held, and nothing for a vCPU that doesn't halt.
 */
final class IdleWatch {
    /** Nanoseconds of quiet that are asked for. */
    static final long QUIET = 8_000_000_000L;
    /** Nanoseconds that vCPUs may be awake in that time. */
    static final long AWAKE = QUIET / 100 * 3;
    /** Nanoseconds between two times that it is told. */
    static final long PAUSE = 60_000_000_000L;
    /** Nanoseconds that vCPUs are awake between them. */
    static final long WORK = 2_000_000_000L;

    private final Clock clock;
    private int awake;
    private long at;
    /** Nanoseconds that vCPUs have been awake, until {@link #at}. */
    private long busy;

    private long quietSince;
    private long busyBefore;

    private boolean told;
    private long toldAt;
    private long busyWhenTold;

    /** Of so many vCPUs, all awake. */
    IdleWatch(int cpus, Clock clock) {
        this.clock = clock;
        awake = cpus;
        at = clock.nanos();
        quietSince = at;
    }

    private void count() {
        long now = clock.nanos();
        busy += (now - at) * awake;
        at = now;
    }

    /** A vCPU waits from now on, in HLT or for its start. */
    void sleeps() {
        count();
        awake--;
    }

    /** It does not any more. */
    void wakes() {
        count();
        awake++;
    }

    /** Whether somebody is to be told, now: the guest idles. To be asked about once a second, or more often. */
    boolean due() {
        count();
        if (busy - busyBefore > AWAKE) {
            quietSince = at;
            busyBefore = busy;
            return false;
        }
        if (at - quietSince < QUIET || told && (at - toldAt < PAUSE || busy - busyWhenTold < WORK)) {
            return false;
        }
        told = true;
        toldAt = at;
        busyWhenTold = busy;
        return true;
    }
}
