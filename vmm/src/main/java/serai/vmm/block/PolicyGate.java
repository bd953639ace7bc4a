package serai.vmm.block;

import java.io.IOException;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import serai.linux.Errno;
import serai.linux.LinuxException;
import serai.machine.disk.Demand;
import serai.machine.disk.DiskGate;
import serai.storage.nbd.NbdException;
import serai.storage.throttle.Alarm;
import serai.storage.throttle.Throttle;

/**
 * What requests of a disk pass: its throttle, and the {@link DiskPolicy}.
 *
 * <h2>How a VM stops and goes on</h2>
 *
 * A request in <em>trouble</em> has failed and is held, or has been under way for longer than the policy's patience. While there is one,
 * the VM is stopped with this gate as the cause. Held requests are tried again: by {@code cont}, or, if the action is to pause, after 1,
 * 2, 4 … 30 seconds. Those that hang come back by themselves, when the storage does. When none is in trouble any more the cause is gone;
 * if the action was to stop, only {@code cont} takes it away. Nothing of it is seen in the guest, whose clock stands while it is stopped.
 *
 * <p>Calls come with the machine lock and without, and never wait: what has to do with the run of the VM is left to a thread of its own,
 * in its order.
 */
final class PolicyGate implements DiskGate {
    private static final long FIRST_RETRY = TimeUnit.SECONDS.toNanos(1);
    private static final long LAST_RETRY = TimeUnit.SECONDS.toNanos(30);
    /** Failures that are told: one in this time, and all that stop the VM. */
    private static final long TELL_EVERY = TimeUnit.SECONDS.toNanos(1);

    /** What {@code query-block} says of the disk. */
    enum Health {
        OK("ok"),
        FAILED("failed"),
        NO_SPACE("nospace");

        final String word;

        Health(String word) {
            this.word = word;
        }
    }

    private record Started(long nanos, boolean write) {}

    private final String name;
    private final DiskPolicy policy;
    private final boolean attended;
    private final Alarm alarm;
    private final Executor thread;
    private final Troubles troubles;
    private volatile Throttling throttling = new Throttling(null);

    /** Requests whose work is under way. */
    private final Map<Object, Started> running = new ConcurrentHashMap<>();

    private final AtomicBoolean watching = new AtomicBoolean();

    // guarded by this
    private final Set<Object> held = new HashSet<>();
    private final Set<Object> stalled = new HashSet<>();
    private boolean needsContinue;
    private boolean stopped;
    private long nextRetry = FIRST_RETRY;
    private boolean retrying;
    private Health health = Health.OK;
    private long told;
    private Runnable retry = () -> {};

    /**
     * Lets all pass until something fails.
     *
     * @param name the disk's node
     * @param attended whether somebody can tell a VM that is stopped to go on
     * @param thread where the VM is stopped and told to go on; one action after the other
     */
    PolicyGate(String name, DiskPolicy policy, boolean attended, Alarm alarm, Executor thread, Troubles troubles) {
        this.name = name;
        this.policy = policy;
        this.attended = attended;
        this.alarm = alarm;
        this.thread = thread;
        this.troubles = troubles;
        told = alarm.nanos() - TELL_EVERY;
    }

    // ---- limits ----

    /** A throttle, and a flow for each queue that has come by. */
    private record Throttling(@Nullable Throttle throttle, Map<Integer, Throttle.Flow> flows) {
        Throttling(@Nullable Throttle throttle) {
            this(throttle, new ConcurrentHashMap<>());
        }
    }

    /** Requests that come from now on pass a throttle, or none. */
    void throttle(@Nullable Throttle throttle) {
        throttling = new Throttling(throttle);
    }

    @Override
    public Runnable admit(Demand demand, Runnable begin) {
        Throttling t = throttling;
        Throttle throttle = t.throttle;
        if (throttle == null || demand.kind() == Demand.Kind.FLUSH) {
            begin.run();
            return () -> {};
        }
        return t.flows
                .computeIfAbsent(demand.queue(), q -> throttle.flow())
                .admit(
                        demand.kind().writes() ? Throttle.Direction.WRITE : Throttle.Direction.READ,
                        demand.bytes(),
                        begin);
    }

    // ---- requests that hang ----

    @Override
    public void began(Object request, Demand demand) {
        running.put(request, new Started(alarm.nanos(), demand.kind().writes()));
        watch();
    }

    private void watch() {
        if (!watching.get() && watching.compareAndSet(false, true)) {
            alarm.at(alarm.nanos() + policy.patience().toNanos(), this::look);
        }
    }

    /** Looks for requests that hang, and again when the next could. */
    private void look() {
        long now = alarm.nanos();
        long patience = policy.patience().toNanos();
        long oldest = Long.MAX_VALUE;
        for (Map.Entry<Object, Started> e : running.entrySet()) {
            long left = e.getValue().nanos + patience - now;
            if (left > 0) {
                oldest = Math.min(oldest, left);
            } else {
                stalls(e.getKey(), e.getValue());
            }
        }
        if (oldest != Long.MAX_VALUE) {
            alarm.at(now + oldest, this::look);
            return;
        }
        watching.set(false);
        synchronized (this) {
            if (!stalled.containsAll(running.keySet())) {
                watch(); // one began meanwhile
            }
        }
    }

    private void stalls(Object request, Started s) {
        synchronized (this) {
            if (!running.containsKey(request) || !stalled.add(request)) {
                return;
            }
            String reason = "a %s has been under way for %d seconds"
                    .formatted(s.write ? "write" : "read", policy.patience().toSeconds());
            if (policy.onStall() == DiskPolicy.Action.REPORT) {
                System.getLogger("serai.disk").log(System.Logger.Level.WARNING, "disk {0}: {1}", name, reason);
                tell(s.write, Troubles.Done.REPORT, false, reason);
            } else {
                stop(policy.onStall(), Health.FAILED, s.write, false, reason);
            }
        }
    }

    @Override
    public void ended(Object request) {
        running.remove(request);
        synchronized (this) {
            if (stalled.remove(request)) {
                over();
            }
        }
    }

    // ---- requests that fail ----

    @Override
    public Verdict failed(Object request, Demand demand, IOException failure) {
        boolean write = demand.kind().writes();
        boolean noSpace = errno(failure).filter(e -> e == Errno.ENOSPC).isPresent();
        DiskPolicy.Action action = write ? policy.onWrite() : policy.onRead();
        if (action == DiskPolicy.Action.ENOSPC) {
            action = noSpace ? DiskPolicy.Action.STOP : DiskPolicy.Action.REPORT;
        }
        String reason = String.valueOf(failure.getMessage());
        synchronized (this) {
            return switch (action) {
                case REPORT, ENOSPC -> {
                    tell(write, Troubles.Done.REPORT, noSpace, reason);
                    yield Verdict.REPORT;
                }
                case IGNORE -> {
                    tell(write, Troubles.Done.IGNORE, noSpace, reason);
                    yield Verdict.IGNORE;
                }
                case STOP, PAUSE -> {
                    held.add(request);
                    stop(action, noSpace ? Health.NO_SPACE : Health.FAILED, write, noSpace, reason);
                    retryLater();
                    yield Verdict.HOLD;
                }
            };
        }
    }

    private static Optional<Integer> errno(@Nullable Throwable failure) {
        for (Throwable t = failure; t != null; t = t.getCause()) {
            if (t instanceof LinuxException e) {
                return Optional.of(e.errno());
            }
            if (t instanceof NbdException e) {
                return Optional.of(e.error()); // the protocol's numbers are Linux's
            }
        }
        return Optional.empty();
    }

    @Override
    public synchronized void settled(Object request) {
        if (held.remove(request)) {
            over();
        }
    }

    @Override
    public synchronized void onRetry(Runnable action) {
        retry = action;
    }

    private void retryLater() {
        if (!retrying && !needsContinue) {
            retrying = true;
            alarm.at(alarm.nanos() + nextRetry, this::retry);
            nextRetry = Math.min(2 * nextRetry, LAST_RETRY);
        }
    }

    private void retry() {
        synchronized (this) {
            retrying = false;
            if (held.isEmpty()) {
                return;
            }
            again();
        }
    }

    /** Has all that is held done again. */
    private void again() {
        Runnable r = retry;
        thread.execute(() -> troubles.locked(r));
    }

    // ---- the VM ----

    private void stop(DiskPolicy.Action action, Health how, boolean write, boolean noSpace, String reason) {
        needsContinue |= action == DiskPolicy.Action.STOP && attended;
        health = how;
        if (!stopped) {
            stopped = true;
            tellAlways(write, Troubles.Done.STOP, noSpace, reason);
            thread.execute(() -> troubles.stop(this));
        }
    }

    /** A request is in trouble no more. */
    private void over() {
        if (stopped && !needsContinue && held.isEmpty() && stalled.isEmpty()) {
            stopped = false;
            health = Health.OK;
            nextRetry = FIRST_RETRY;
            thread.execute(() -> troubles.release(this));
        }
    }

    /**
     * Somebody has told the VM to go on: what failed is done again, and what hangs is given as long as at first.
     */
    synchronized void continued() {
        needsContinue = false;
        stopped = false;
        health = Health.OK;
        nextRetry = FIRST_RETRY;
        long now = alarm.nanos();
        for (Object r : stalled) {
            running.computeIfPresent(r, (k, s) -> new Started(now, s.write));
        }
        stalled.clear();
        if (!running.isEmpty()) {
            watch();
        }
        if (!held.isEmpty()) {
            again();
        }
    }

    synchronized Health health() {
        return health;
    }

    DiskPolicy policy() {
        return policy;
    }

    private void tell(boolean write, Troubles.Done done, boolean noSpace, String reason) {
        long now = alarm.nanos();
        if (now - told >= TELL_EVERY) {
            told = now;
            tellAlways(write, done, noSpace, reason);
        }
    }

    private void tellAlways(boolean write, Troubles.Done done, boolean noSpace, String reason) {
        Troubles.Failure f = new Troubles.Failure(name, write, done, noSpace, reason);
        thread.execute(() -> troubles.tell(f));
    }
}
