package serai.machine;

import java.util.concurrent.locks.ReentrantLock;
import serai.machine.time.Clock;

/**
 * How a vCPU waits in HLT: at first it looks for an interrupt, then its thread parks. A thread that is parked takes the host some 50 microseconds to wake, about
 * what a disk in the page cache or a peer on the same host takes to answer.
 *
 * <p>How long it looks follows KVM's halt polling: nothing at first; after a wait that was short, but longer than it had looked, twice as long, up to
 * {@value #MOST} nanoseconds; after a longer one not at all. So a guest that idles costs nothing, its timer ticks being milliseconds apart. It looks only while
 * a processor of the host is left for those who do what it waits for, and gives way to all others.
 *
 * <p>All is done with the machine lock held, which is given up while a vCPU waits.
 */
final class HaltPolling {
    static final long FIRST = 10_000, MOST = 200_000;

    /** Who waits. */
    interface Sleeper {
        /** Which vCPU it is. */
        int index();

        /** Changes when it is roused, or an interrupt may have come. From any thread. */
        int rouses();

        /** Waits for that; spurious returns are possible. With the machine lock held. */
        void await();
    }

    private final ReentrantLock lock;
    private final Clock clock;
    private final int processors;
    /** By vCPU: nanoseconds for which it looks. */
    private final long[] window;
    /** vCPUs that run, and those that look. */
    private int busy;

    HaltPolling(int cpus, ReentrantLock lock, Clock clock, int processors) {
        this.lock = lock;
        this.clock = clock;
        this.processors = processors;
        window = new long[cpus];
        busy = cpus;
    }

    /** Waits until it is roused, or an interrupt may have come; spurious returns are possible. */
    void await(Sleeper cpu) {
        long begin = clock.nanos();
        long look = window[cpu.index()];
        if (look > 0 && busy < processors && look(cpu, begin + look)) {
            return;
        }
        busy--;
        cpu.await();
        busy++;
        long took = clock.nanos() - begin;
        if (took > MOST) {
            window[cpu.index()] = 0;
        } else if (took > look) {
            window[cpu.index()] = Math.min(MOST, Math.max(FIRST, 2 * look));
        }
    }

    /** Whether it was roused before {@code end}; the clock may stand still, but then the machine is being stopped and all are roused. */
    private boolean look(Sleeper cpu, long end) {
        int before = cpu.rouses();
        lock.unlock();
        try {
            while (cpu.rouses() == before && clock.nanos() < end) {
                Thread.yield();
            }
        } finally {
            lock.lock();
        }
        return cpu.rouses() != before;
    }

    /** For how long a vCPU would look. */
    long window(int index) {
        return window[index];
    }
}
