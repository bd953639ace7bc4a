package serai.machine.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class DiskRequestsTest {
    private static final Demand READ = new Demand(Demand.Kind.READ, 0, 512);

    /** Keeps requests from beginning, and holds those that fail, as a test wants it. */
    private static final class Gate implements DiskGate {
        final Queue<Runnable> waiting = new ArrayDeque<>();
        final Set<Object> troubled = new HashSet<>();
        final List<String> seen = new ArrayList<>();
        Runnable retry = () -> {};
        Runnable whileFailing = () -> {};
        Verdict verdict = Verdict.HOLD;
        boolean open = true;

        @Override
        public Runnable admit(Demand demand, Runnable begin) {
            if (open) {
                begin.run();
            } else {
                waiting.add(begin);
            }
            return () -> waiting.remove(begin);
        }

        @Override
        public void began(Object request, Demand demand) {
            seen.add("began");
        }

        @Override
        public void ended(Object request) {
            seen.add("ended");
        }

        @Override
        public Verdict failed(Object request, Demand demand, IOException failure) {
            seen.add(String.valueOf(failure.getMessage()));
            if (verdict == Verdict.HOLD) {
                troubled.add(request);
            }
            whileFailing.run();
            return verdict;
        }

        @Override
        public void settled(Object request) {
            troubled.remove(request);
        }

        @Override
        public void onRetry(Runnable action) {
            retry = action;
        }
    }

    private final Gate gate = new Gate();
    private final HeldIo io = new HeldIo();
    private final List<String> done = new ArrayList<>();
    private boolean failing = true;
    private boolean mayComplete = true;
    private int runs;
    private final DiskRequests<String> requests = new DiskRequests<>(io, gate, () -> mayComplete);

    private void submit(String key) {
        requests.submit(key, READ, this::work, f -> done.add(key + ": " + (f == null ? "ok" : f.getMessage())), 0);
    }

    /** What has its data in memory, or not. */
    private final class Short implements DiskRequests.Work {
        boolean inMemory = true;

        @Override
        public void run() throws IOException {
            work();
        }

        @Override
        public boolean now() throws IOException {
            if (failing) {
                throw new IOException("no");
            }
            return inMemory;
        }
    }

    private final Short quick = new Short();

    private void submitQuick(String key, long due) {
        requests.submit(key, READ, quick, f -> done.add(key + ": " + (f == null ? "ok" : f.getMessage())), due);
    }

    @Test
    void whatIsInMemory_isDoneWhenItIsSubmitted() {
        failing = false;
        io.allowsNow = true;
        submitQuick("a", 0);
        assertEquals(List.of("a: ok"), done);
        assertFalse(requests.contains("a"));
        assertEquals(0, runs);
        assertEquals(0, io.size());
        quick.inMemory = false;
        submitQuick("b", 0);
        assertEquals(1, io.size());
        io.doAll();
        assertEquals(List.of("a: ok", "b: ok"), done);
        assertEquals(1, runs);
    }

    @Test
    void whatIsInMemory_isNotDoneAtOnceWhereTimeIsTheGuests_norInAMachineThatIsBeingRestored() {
        failing = false;
        submitQuick("a", 0);
        assertEquals(1, io.size(), "the executor says when");
        io.allowsNow = true;
        submitQuick("b", DiskRequests.restored(0));
        assertEquals(2, io.size());
        assertEquals(List.of(), done);
        io.doAll();
        assertEquals(List.of("a: ok", "b: ok"), done);
    }

    @Test
    void whatIsInMemory_waitsForTheGate_andForTheDeviceToBeAllowedToWrite() {
        failing = false;
        io.allowsNow = true;
        gate.open = false;
        submitQuick("a", 0);
        assertEquals(List.of(), done);
        gate.waiting.remove().run();
        assertEquals(1, io.size(), "whoever opens the gate need not have the machine lock");
        io.doAll();
        gate.open = true;
        mayComplete = false;
        submitQuick("b", 0);
        assertEquals(List.of("a: ok"), done);
        mayComplete = true;
        requests.resume();
        assertEquals(List.of("a: ok", "b: ok"), done);
    }

    @Test
    void whatFailsAtOnce_failsInTheWayThatTheGateSees() {
        io.allowsNow = true;
        gate.verdict = DiskGate.Verdict.REPORT;
        submitQuick("a", 0);
        assertEquals(List.of(), done);
        io.doAll();
        assertEquals(List.of("a: no"), done);
        assertEquals(List.of("began", "ended", "no"), gate.seen);
    }

    private void work() throws IOException {
        runs++;
        if (failing) {
            throw new IOException("no");
        }
    }

    @Test
    void aRequestThatFailsMayBeHeldAndDoneAgain() {
        submit("a");
        submit("b");
        io.doAll();
        assertEquals(List.of(), done);
        assertEquals(2, gate.troubled.size());
        gate.retry.run();
        io.doAll();
        assertEquals(List.of(), done, "it failed again");
        failing = false;
        io.doAll();
        assertEquals(4, runs, "it is done again when it is told to, not before");
        gate.retry.run();
        io.doAll();
        assertEquals(List.of("a: ok", "b: ok"), done);
        assertEquals(0, gate.troubled.size());
        assertEquals(List.of("began", "ended", "no"), gate.seen.subList(0, 3));
    }

    @Test
    void aRetryBetweenAFailureAndItsHoldIsNotLost() {
        gate.whileFailing = () -> {
            failing = false;
            gate.retry.run();
        };
        submit("a");
        io.doAll();
        assertEquals(List.of("a: ok"), done);
    }

    @Test
    void whatIsHeldIsInTheStateAsNotBegun() {
        submit("a");
        io.doAll();
        List<String> state = new ArrayList<>();
        requests.forEach((k, due) -> state.add(k + due));
        assertEquals(List.of("a0"), state);
    }

    @Test
    void whatIsHeldIsSettledWhenItIsAbandoned() {
        submit("a");
        submit("b");
        io.doAll();
        requests.abandon(k -> k.equals("a"));
        assertEquals(1, gate.troubled.size());
        failing = false;
        gate.retry.run();
        io.doAll();
        assertEquals(List.of("b: ok"), done);
        assertEquals(0, gate.troubled.size());
    }

    @Test
    void anErrorMayBeReportedOrIgnored() {
        gate.verdict = DiskGate.Verdict.REPORT;
        submit("a");
        io.doAll();
        gate.verdict = DiskGate.Verdict.IGNORE;
        submit("b");
        io.doAll();
        assertEquals(List.of("a: no", "b: ok"), done);
    }

    @Test
    void aRequestBeginsWhenTheGateLetsItAndNotIfItIsAbandonedBefore() {
        gate.open = false;
        failing = false;
        submit("a");
        submit("b");
        io.doAll();
        assertEquals(0, runs);
        requests.abandon(k -> k.equals("a"));
        assertEquals(1, gate.waiting.size());
        gate.waiting.remove().run();
        io.doAll();
        assertEquals(List.of("b: ok"), done);
        assertEquals(1, runs);
    }

    @Test
    void whatWasHeldWaitsForTheDeviceToo() {
        submit("a");
        io.doAll();
        failing = false;
        mayComplete = false;
        gate.retry.run();
        io.doAll();
        assertEquals(List.of(), done);
        assertEquals(0, gate.troubled.size());
        mayComplete = true;
        requests.resume();
        assertEquals(List.of("a: ok"), done);
    }

    @Test
    void aMistakeInADiskIsAFailureOfTheRequest() {
        gate.verdict = DiskGate.Verdict.REPORT;
        requests.submit(
                "a",
                READ,
                () -> {
                    throw new IllegalStateException("oops");
                },
                f -> done.add(String.valueOf(f)),
                0);
        io.doAll();
        assertEquals(
                List.of("java.io.IOException: the disk failed by a mistake of ours: java.lang.IllegalStateException:"
                        + " oops"),
                done);
    }

    /** A vCPU resets a device while a request hangs: others have the machine lock meanwhile, and what they begin is given up, too. */
    @Test
    @Timeout(60)
    void whatWaitsForARequestThatHangs_holdsNoLock() throws Exception {
        ReentrantLock lock = new ReentrantLock();
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch hanging = new CountDownLatch(1);
        List<String> over = new ArrayList<>();
        try (ThreadIo threads = new ThreadIo(lock, System::nanoTime, 2)) {
            DiskRequests<String> real = new DiskRequests<>(threads.lane(1), DiskGate.OPEN, () -> true);
            lock.lock();
            real.submit("hangs", READ, () -> hang(begun, hanging), f -> over.add("hangs"), 0);
            lock.unlock();
            begun.await();
            Thread vcpu = Thread.ofPlatform().start(() -> {
                lock.lock();
                lock.lock(); // as a device that was called by another
                try {
                    real.abandon(k -> true);
                    over.add("reset, with " + lock.getHoldCount());
                } finally {
                    lock.unlock();
                    lock.unlock();
                }
            });
            while (vcpu.getState() != Thread.State.WAITING || lock.isLocked()) {
                Thread.onSpinWait();
            }
            lock.lock();
            assertEquals(List.of(), over);
            real.submit("late", READ, () -> over.add("worked"), f -> over.add("late"), 0);
            lock.unlock();
            hanging.countDown();
            vcpu.join();
            assertFalse(real.contains("hangs") || real.contains("late"));
        }
        // the late one may be over in time
        over.removeAll(List.of("worked", "late"));
        assertEquals(List.of("reset, with 2"), over);
    }

    private static void hang(CountDownLatch begun, CountDownLatch hanging) {
        begun.countDown();
        try {
            hanging.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
