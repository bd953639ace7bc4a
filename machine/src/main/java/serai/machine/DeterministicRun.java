package serai.machine;

import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import serai.machine.engine.Exit;
import serai.machine.time.Timers;
import serai.machine.time.VirtualClock;

/**
 * Runs the vCPUs in deterministic mode: all on the caller's thread, in turns. A turn ends after {@value #TURN} instructions or when its
 * vCPU halts, and within it a vCPU is given exactly as many as fit before the next timer or recorded input. The clock counts
 * the instructions of all vCPUs, as if they shared one processor; while all of them wait it jumps ahead to the next timer. Those that are
 * not in the machine have no turn.
 */
final class DeterministicRun {
    /** Live input is looked for this often, in instructions. */
    private static final long SLICE = 1_000_000;
    /** Instructions: short enough that nobody spins long for a lock whose holder has no turn. */
    private static final long TURN = 5_000;

    private final List<MachineCpu> cpus;
    private final VirtualClock clock;
    private final Timers timers;
    private final ReentrantLock lock;
    private final Requests requests;
    private final Inputs inputs;
    private final Condition changed;

    /** Who has the turn, and how many instructions of it are left. With the vCPUs' states they tell all that is to come. */
    private int turn;

    private long turnLeft;

    DeterministicRun(
            List<MachineCpu> cpus,
            VirtualClock clock,
            Timers timers,
            ReentrantLock lock,
            Requests requests,
            Inputs inputs) {
        this.cpus = cpus;
        this.clock = clock;
        this.timers = timers;
        this.lock = lock;
        this.requests = requests;
        this.inputs = inputs;
        changed = lock.newCondition();
        clock.drivenBy(() -> RealTimeRun.instructions(cpus));
        timers.onEarlier(() -> cpus.get(turn).vcpu().kick());
        reset();
    }

    /** The boot CPU begins. */
    void reset() {
        turn = 0;
        turnLeft = TURN;
    }

    /** Which vCPU has the turn. */
    int turn() {
        return turn;
    }

    /** Instructions left of the turn. */
    long turnLeft() {
        return turnLeft;
    }

    /** As in a machine that was saved. */
    void restore(int savedTurn, long savedLeft) {
        if (savedTurn < 0 || savedTurn >= cpus.size() || savedLeft < 0 || savedLeft > TURN) {
            throw new IllegalArgumentException("the state names no turn of this machine");
        }
        turn = savedTurn;
        turnLeft = savedLeft;
    }

    /** Somebody outside has given input or asks for an end. With the lock held. */
    void wake() {
        changed.signalAll();
    }

    /**
     * Runs until something ends it.
     *
     * @param untilInstructions stop when all vCPUs together have completed so many
     */
    Outcome run(long untilInstructions, Schedule schedule) {
        Outcome o = turns(untilInstructions, schedule);
        lock.lock();
        try {
            cpus.forEach(MachineCpu::settle);
        } finally {
            lock.unlock();
        }
        return o;
    }

    /** Those that take turns. */
    private List<MachineCpu> running(Schedule schedule) {
        return cpus.stream()
                .filter(c -> c.present() && !schedule.holds(c.index()))
                .toList();
    }

    private Outcome turns(long untilInstructions, Schedule schedule) {
        int idle = 0; // vCPUs found waiting, one after the other
        while (true) {
            for (int i = 0; !cpus.get(turn).present() || schedule.holds(turn); i++) {
                if (i == cpus.size()) {
                    return new Outcome.Stopped(); // all that are not held have left the machine
                }
                pass();
            }
            MachineCpu cpu = cpus.get(turn);
            long count = RealTimeRun.instructions(cpus);
            long budget = Math.min(SLICE, untilInstructions - count);
            lock.lock();
            try {
                Outcome o = requests.take();
                if (o != null) {
                    return o;
                }
                if (count >= untilInstructions) {
                    return new Outcome.Stopped();
                }
                cpu.settle(); // pulled out and back since its last turn
                inputs.take(count, clock.nanos());
                timers.runDue();
                budget = Math.min(budget, Math.max(1, clock.instructionsUntil(timers.next())));
                budget = Math.min(budget, Math.max(1, inputs.next() - count));
                if (cpus.size() > 1) {
                    budget = Math.min(budget, turnLeft);
                }
                if (turn == schedule.stepping()) {
                    budget = Math.min(budget, 1);
                }
            } finally {
                lock.unlock();
            }
            long before = cpu.vcpu().instructions();
            Exit exit = cpu.vcpu().run(budget);
            long done = cpu.vcpu().instructions() - before;
            if (cpus.size() > 1) {
                turnLeft -= done;
            }
            if (done > 0) {
                idle = 0;
            }
            switch (exit) {
                case HALTED, HALTED_FOR_EVER -> {
                    cpu.haltedForEver = exit == Exit.HALTED_FOR_EVER;
                    pass();
                    if (++idle >= running(schedule).size()) {
                        Outcome end = skip(schedule);
                        if (end != null) {
                            return end;
                        }
                        idle = 0;
                    }
                }
                case BUDGET, KICKED -> {
                    cpu.haltedForEver = false;
                    if (turnLeft <= 0) {
                        pass();
                    }
                }
                case SHUTDOWN, BREAKPOINT, WATCHPOINT, FAILED -> {
                    return end(exit, cpu);
                }
            }
            if (done > 0 && cpu.index() == schedule.stepping()) {
                return new Outcome.Stopped();
            }
        }
    }

    /**
     * The machine is asleep: on from timer to timer, until something wakes it. No instruction is completed.
     *
     * @param wakes whether something has woken it
     * @return what ends the wait otherwise, or null
     */
    @Nullable
    Outcome sleep(BooleanSupplier wakes) {
        long count = RealTimeRun.instructions(cpus);
        lock.lock();
        try {
            while (true) {
                Outcome o = requests.take();
                if (o != null) {
                    return o;
                }
                inputs.take(count, clock.nanos());
                timers.runDue();
                if (requests.waiting()) {
                    continue;
                }
                if (wakes.getAsBoolean()) {
                    return null;
                }
                if (ahead(count)) {
                    if (lock.hasQueuedThreads()) {
                        await(); // a clock that rings without waking must not keep the lock
                    }
                } else if (inputs.replays()) {
                    return new Outcome.NothingToWaitFor();
                } else {
                    changed.awaitUninterruptibly();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /** On to the next timer or recorded input; false if none is to come. */
    private boolean ahead(long count) {
        long next = Math.min(timers.next(), inputs.nextNanos(count));
        if (next == Timers.NEVER) {
            return inputs.takeLate();
        }
        clock.skipTo(next);
        return true;
    }

    private void await() {
        try {
            changed.awaitNanos(1);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void pass() {
        turn = (turn + 1) % cpus.size();
        turnLeft = TURN;
    }

    private Outcome end(Exit exit, MachineCpu cpu) {
        lock.lock();
        try {
            Outcome o = requests.take();
            return o != null ? o : Outcomes.of(exit, cpu);
        } finally {
            lock.unlock();
        }
    }

    private boolean liveInput() {
        return inputs.live(RealTimeRun.instructions(cpus), clock.nanos());
    }

    /** All vCPUs wait: on to the next timer. With none armed only input can wake them. */
    private @Nullable Outcome skip(Schedule schedule) {
        lock.lock();
        try {
            List<MachineCpu> running = running(schedule);
            while (running.stream().noneMatch(MachineCpu::canRun) && !requests.waiting() && !liveInput()) {
                Outcome dead = Outcomes.allDead(running);
                if (dead != null) {
                    // those that are held could wake them
                    return schedule.held() == 0 ? dead : new Outcome.Stopped();
                }
                if (ahead(RealTimeRun.instructions(cpus))) {
                    return null;
                }
                if (inputs.replays()) {
                    return new Outcome.NothingToWaitFor();
                }
                changed.awaitUninterruptibly();
            }
            return null;
        } finally {
            lock.unlock();
        }
    }
}
