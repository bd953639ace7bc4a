package serai.machine.disk;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.ObjLongConsumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A device's requests under way. Their work runs off the vCPUs' threads; all else is done with the machine lock held.
 *
 * <p>A request that is abandoned (its queue or its device is reset) never completes, and touches guest memory no more when
 * {@link #abandon} has returned: what runs is waited for, what has not begun is dropped.
 *
 * <p>While the device may not write to memory (its bus-master bit is off) requests that are done wait for {@link #resume}; they still
 * count as under way, and a state saved meanwhile has them.
 *
 * <p>The disk's {@link DiskGate} may keep a request from beginning for a while, and may hold one that has failed until it is tried again.
 * A state has those, too: a machine that is restored from it begins them.
 *
 * @param <K> what the device knows a request by; unique among those under way
 */
public final class DiskRequests<K> {
    /** In place of when a request is due: it is done, and waits until the device may write to memory. */
    public static final long DONE = -1;

    /**
     * In place of when a request is due: a saved state has it, and it begins in the machine that is being restored, in which nothing may
     * complete yet.
     */
    public static final long AGAIN = -2;

    /** What a request does to the disk. */
    @FunctionalInterface
    public interface Work {
        /** Does it, without the machine lock. */
        void run() throws IOException;

        /**
         * Does it, if that takes some microseconds and nothing has to be waited for; with the machine lock.
         *
         * @return whether it is done; if not, {@link #run} does all of it
         */
        default boolean now() throws IOException {
            return false;
        }
    }

    private final class Request {
        final K key;
        final Demand demand;
        final Work work;
        final Consumer<@Nullable IOException> done;
        IoExecutor.Submitted submitted = IoExecutor.Submitted.BY_HOST;
        Runnable withdraw = () -> {};

        @Nullable
        IOException failure;

        DiskGate.Verdict verdict = DiskGate.Verdict.REPORT;
        boolean wasHeld;
        /** How often there had been a retry when it failed. */
        int retries;

        /** It is being submitted, by a thread that holds the machine lock. */
        @Nullable
        Thread submitter;

        boolean running;
        boolean abandoned;

        Request(K key, Demand demand, Work work, Consumer<@Nullable IOException> done) {
            this.key = key;
            this.demand = demand;
            this.work = work;
            this.done = done;
        }
    }

    private final IoExecutor io;
    private final DiskGate gate;
    private final BooleanSupplier mayComplete;
    private final Map<K, Request> underWay = new LinkedHashMap<>();
    private final List<Request> waiting = new ArrayList<>();
    private final List<Request> held = new ArrayList<>();
    /** Changed with the machine lock held. */
    private volatile int retries;
    /** Guards {@code running} and {@code abandoned} against the threads that do the work. */
    private final Object working = new Object();

    /**
     * None yet.
     *
     * @param gate the disk's
     * @param mayComplete whether the device may write to memory now
     */
    public DiskRequests(IoExecutor io, DiskGate gate, BooleanSupplier mayComplete) {
        this.io = io;
        this.gate = gate;
        this.mayComplete = mayComplete;
        gate.onRetry(this::retry);
    }

    /** Whether a request of that key is under way. */
    public boolean contains(K key) {
        return underWay.containsKey(key);
    }

    /**
     * Begins a request.
     *
     * @param done takes what went wrong, or null
     * @param due as {@link IoExecutor#submit} has it, {@link #DONE} or {@link #AGAIN}; unless it is 0 or the latter, the work was done when the request was begun, before
     *     the state was saved, and is not done again
     */
    public void submit(K key, Demand demand, Work work, Consumer<@Nullable IOException> done, long due) {
        Request r = new Request(key, demand, work, done);
        underWay.put(key, r);
        if (due == DONE) {
            waiting.add(r);
        } else if (due != 0 && due != AGAIN) {
            r.submitted = io.submit(() -> {}, () -> finished(r), due);
        } else {
            r.submitter = due == AGAIN ? null : Thread.currentThread();
            r.withdraw = gate.admit(demand, () -> begin(r));
            r.submitter = null;
        }
    }

    /**
     * What the host has in memory is read at once, without waking a thread for it, and the vCPU again. bench/fio has a job for it: randread-4k-qd1.
     */
    private boolean now(Request r) {
        if (r.submitter != Thread.currentThread() || !io.allowsNow()) {
            return false;
        }
        try {
            return r.work.now();
        } catch (IOException | RuntimeException e) {
            return false; // it happens again, and is told then
        }
    }

    private void begin(Request r) {
        if (now(r)) {
            complete(r);
            return;
        }
        r.submitted = io.submit(() -> run(r), () -> finished(r), 0);
    }

    private void run(Request r) {
        synchronized (working) {
            if (r.abandoned) {
                return;
            }
            r.running = true;
        }
        r.retries = retries;
        IOException failure = null;
        gate.began(r, r.demand);
        try {
            r.work.run();
        } catch (IOException e) {
            failure = e;
        } catch (RuntimeException | OutOfMemoryError e) {
            failure = new IOException("the disk failed by a mistake of ours: " + e, e);
        } finally {
            gate.ended(r);
            synchronized (working) {
                r.running = false;
                working.notifyAll();
            }
        }
        r.failure = failure;
        if (failure != null) {
            r.verdict = gate.failed(r, r.demand, failure);
        }
    }

    private void finished(Request r) {
        if (r.abandoned) {
            if (r.failure != null && r.verdict == DiskGate.Verdict.HOLD) {
                gate.settled(r); // it failed while it was abandoned
            }
            return;
        }
        if (r.failure != null && r.verdict == DiskGate.Verdict.HOLD) {
            r.wasHeld = true;
            if (r.retries == retries) {
                held.add(r);
            } else {
                begin(r); // all was tried again while this one failed
            }
            return;
        }
        if (r.failure != null && r.verdict == DiskGate.Verdict.IGNORE) {
            r.failure = null;
        }
        settle(r);
        complete(r);
    }

    private void settle(Request r) {
        if (r.wasHeld) {
            r.wasHeld = false;
            gate.settled(r);
        }
    }

    private void complete(Request r) {
        if (!mayComplete.getAsBoolean()) {
            waiting.add(r);
            return;
        }
        underWay.remove(r.key);
        r.done.accept(r.failure);
    }

    private void retry() {
        retries++;
        List<Request> now = List.copyOf(held);
        held.clear();
        now.forEach(this::begin);
    }

    /** Completes what waits, as the device may write to memory again. */
    public void resume() {
        List<Request> now = List.copyOf(waiting);
        waiting.clear();
        now.forEach(this::complete);
    }

    /**
     * Abandons the requests whose keys are {@code which}; they are over when this returns. While one is waited for, the rest of the machine goes on:
     * storage that hangs stops the vCPU that resets the device, and no other. What others begin on this device meanwhile is abandoned, too.
     */
    public void abandon(Predicate<K> which) {
        Set<Request> gone = new LinkedHashSet<>();
        while (true) {
            underWay.values().stream().filter(r -> which.test(r.key)).forEach(gone::add);
            boolean running;
            synchronized (working) {
                gone.forEach(r -> r.abandoned = true);
                running = gone.stream().anyMatch(r -> r.running);
            }
            if (!running) {
                drop(gone);
                return;
            }
            io.apart(() -> await(gone));
        }
    }

    private void await(Set<Request> gone) {
        boolean interrupted = false;
        synchronized (working) {
            while (gone.stream().anyMatch(r -> r.running)) {
                try {
                    working.wait();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void drop(Set<Request> gone) {
        waiting.removeAll(gone);
        held.removeAll(gone);
        for (Request r : gone) {
            r.withdraw.run();
            r.submitted.withdraw().run();
            settle(r);
            underWay.remove(r.key, r);
        }
    }

    /** What a request that a state has is submitted with, by what {@link #forEach} told of it. */
    public static long restored(long due) {
        return due == 0 ? AGAIN : due;
    }

    /** Each request with when it is due, or {@link #DONE} if it waits for {@link #resume}, in the order in which they were begun. */
    public void forEach(ObjLongConsumer<K> action) {
        underWay.forEach((k, r) -> action.accept(k, waiting.contains(r) ? DONE : r.submitted.due()));
    }
}
