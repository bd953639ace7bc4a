package serai.machine;

import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.Exit;
import serai.machine.time.Timers;

/**
 * Runs the vCPUs in real time: the boot CPU on the caller's thread, each other one on a platform thread of its own, the timers on one
 * more. What ends the run of one vCPU ends it for all: the others are roused and come back, and nobody runs any more when
 * {@link #run} returns. Between two runs the threads wait; so does, all the time, that of a vCPU that is not in the machine.
 */
final class RealTimeRun implements AutoCloseable {
    /** In nanoseconds. */
    private static final long OVERLOAD_PAUSE = 50_000;

    private final List<MachineCpu> cpus;
    private final Timers timers;
    private final ReentrantLock lock;
    private final Requests requests;
    private final Condition timerMoved;
    private final Condition roundBegins;
    private final Condition roundEnds;
    private final Condition sleeper;

    // guarded by the lock
    private boolean threads;
    private boolean closed;
    private long round;
    private int running;
    private @Nullable Outcome outcome;
    private long until;
    private Schedule schedule = Schedule.ALL;
    private final IdleWatch idle;
    private final HaltPolling polling;
    private Runnable onIdle = () -> {};

    RealTimeRun(List<MachineCpu> cpus, Timers timers, ReentrantLock lock, Requests requests) {
        this.cpus = cpus;
        this.timers = timers;
        this.lock = lock;
        this.requests = requests;
        timerMoved = lock.newCondition();
        roundBegins = lock.newCondition();
        roundEnds = lock.newCondition();
        sleeper = lock.newCondition();
        idle = new IdleWatch(cpus.size(), timers.clock());
        polling = new HaltPolling(
                cpus.size(), lock, timers.clock(), Runtime.getRuntime().availableProcessors());
        timers.onEarlier(timerMoved::signalAll);
    }

    /** What is done, on a thread of its own, when {@link IdleWatch} says that the guest idles. With the lock held. */
    void onIdle(Runnable action) {
        onIdle = action;
    }

    /**
     * Runs all vCPUs until something ends it.
     *
     * @param untilInstructions of all vCPUs together; exact if there is one and its engine counts
     */
    Outcome run(long untilInstructions, Schedule newSchedule) {
        lock.lock();
        try {
            startThreads();
            outcome = null;
            schedule = newSchedule;
            until = untilInstructions;
            round++;
            running = cpus.size();
            roundBegins.signalAll();
        } finally {
            lock.unlock();
        }
        drive(cpus.getFirst());
        lock.lock();
        try {
            while (running > 0) {
                roundEnds.awaitUninterruptibly();
            }
            cpus.forEach(MachineCpu::settle);
            Outcome o = outcome;
            return o != null ? o : new Outcome.Stopped();
        } finally {
            lock.unlock();
        }
    }

    /** Runs one vCPU for one instruction while the others stand still. */
    Outcome step(MachineCpu cpu) {
        lock.lock();
        try {
            startThreads();
            Outcome o = requests.take();
            if (o != null) {
                return o;
            }
        } finally {
            lock.unlock();
        }
        Exit exit = cpu.vcpu().run(1);
        lock.lock();
        try {
            cpus.forEach(MachineCpu::settle);
            Outcome o = requests.take();
            return o != null ? o : Outcomes.of(exit, cpu);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits while the machine is asleep.
     *
     * @param wakes whether something has woken it
     * @return what ends the wait otherwise, or null
     */
    @Nullable
    Outcome sleep(BooleanSupplier wakes) {
        lock.lock();
        try {
            startThreads();
            while (true) {
                Outcome o = requests.take();
                if (o != null || wakes.getAsBoolean()) {
                    return o;
                }
                sleeper.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    /** {@link #sleep} looks again. With the lock held. */
    void rouse() {
        sleeper.signalAll();
    }

    private void startThreads() {
        if (threads) {
            return;
        }
        threads = true;
        thread("serai-timers", this::runTimers);
        for (MachineCpu c : cpus.subList(1, cpus.size())) {
            thread("serai-vcpu" + c.index(), () -> serve(c));
        }
    }

    private static void thread(String name, Runnable body) {
        Thread.ofPlatform().daemon().name(name).start(body);
    }

    /** The thread of an application processor. */
    private void serve(MachineCpu cpu) {
        long seen = 0;
        while (true) {
            lock.lock();
            try {
                while (round == seen && !closed) {
                    roundBegins.awaitUninterruptibly();
                }
                if (closed) {
                    return;
                }
                seen = round;
            } finally {
                lock.unlock();
            }
            drive(cpu);
        }
    }

    private void drive(MachineCpu cpu) {
        try {
            while (true) {
                long budget;
                boolean steps;
                lock.lock();
                try {
                    cpu.settle();
                    if (over()) {
                        return;
                    }
                    if (schedule.holds(cpu.index())) {
                        cpu.await();
                        continue;
                    }
                    steps = schedule.stepping() == cpu.index();
                    budget = steps ? 1 : budget(cpu);
                } finally {
                    lock.unlock();
                }
                long before = cpu.vcpu().instructions();
                Exit exit = cpu.vcpu().run(budget);
                if (steps && (exit == Exit.BUDGET || cpu.vcpu().instructions() != before)) {
                    end(exit == Exit.HALTED_FOR_EVER ? new Outcome.Stopped() : Outcomes.of(exit, cpu));
                    return;
                }
                switch (exit) {
                    case BUDGET, KICKED -> {}
                    case HALTED, HALTED_FOR_EVER -> sleep(cpu, exit == Exit.HALTED_FOR_EVER);
                    case SHUTDOWN, BREAKPOINT, WATCHPOINT, FAILED -> {
                        end(Outcomes.of(exit, cpu));
                        return;
                    }
                }
            }
        } catch (RuntimeException | Error e) {
            end(new Outcome.Failed("vCPU %d: %s".formatted(cpu.index(), e), cpu.index()));
            throw e;
        } finally {
            lock.lock();
            try {
                running--;
                roundEnds.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }

    /** Whether this run has ended; takes a request that ends it. With the lock held. */
    private boolean over() {
        if (outcome == null) {
            Outcome o = requests.take();
            if (o == null && until != Long.MAX_VALUE && instructions(cpus) >= until) {
                o = new Outcome.Stopped();
            }
            if (o != null) {
                outcome = o;
                cpus.forEach(MachineCpu::rouse);
            }
        }
        return outcome != null;
    }

    private long budget(MachineCpu cpu) {
        if (until == Long.MAX_VALUE || !cpu.vcpu().countsInstructions()) {
            return Long.MAX_VALUE;
        }
        return Math.max(1, (until - instructions(cpus)) / cpus.size());
    }

    /** The instructions completed by all vCPUs together. */
    static long instructions(List<MachineCpu> cpus) {
        long n = 0;
        for (MachineCpu c : cpus) {
            n += c.vcpu().instructions();
        }
        return n;
    }

    private void end(Outcome o) {
        lock.lock();
        try {
            if (outcome == null) {
                Outcome guests = requests.take(); // a request that the exit came with goes before it
                outcome = guests != null ? guests : o;
            }
            cpus.forEach(MachineCpu::rouse);
        } finally {
            lock.unlock();
        }
    }

    private void sleep(MachineCpu cpu, boolean forEver) {
        lock.lock();
        try {
            cpu.haltedForEver = forEver;
            while (outcome == null && !requests.waiting() && !cpu.canRun() && !cpu.unsettled()) {
                Outcome dead = Outcomes.allDead(cpus);
                if (dead != null) {
                    end(dead);
                    return;
                }
                idle.sleeps();
                polling.await(cpu);
                idle.wakes();
            }
            cpu.haltedForEver = false;
        } finally {
            lock.unlock();
        }
    }

    private void runTimers() {
        lock.lock();
        try {
            while (!closed) {
                timers.runDue();
                if (idle.due()) {
                    thread("serai-idle", onIdle);
                }
                long left = timers.next() - timers.clock().nanos();
                // timers that are always due (a period shorter than its handling) must not keep the lock from the vCPUs
                timerMoved.awaitNanos(left > 0 ? Math.min(left, 1_000_000_000L) : OVERLOAD_PAUSE);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            timerMoved.signalAll();
            roundBegins.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
