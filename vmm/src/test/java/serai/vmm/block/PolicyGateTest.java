package serai.vmm.block;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import org.junit.jupiter.api.Test;
import serai.linux.HostFile;
import serai.linux.LinuxException;
import serai.machine.disk.Demand;
import serai.machine.disk.DiskGate.Verdict;
import serai.storage.throttle.Alarm;
import serai.storage.throttle.Limit;
import serai.storage.throttle.Limits;
import serai.storage.throttle.Throttle;
import serai.vmm.block.DiskPolicy.Action;

class PolicyGateTest {
    private static final Demand READ = new Demand(Demand.Kind.READ, 0, 512);
    private static final Demand WRITE = new Demand(Demand.Kind.WRITE, 1, 512);

    /** Time that a test moves. */
    private static final class Time implements Alarm {
        private record Entry(long at, Runnable action) {}

        private final PriorityQueue<Entry> entries = new PriorityQueue<>((a, b) -> Long.compare(a.at, b.at));
        private long now;

        @Override
        public long nanos() {
            return now;
        }

        @Override
        public Runnable at(long nanos, Runnable action) {
            Entry e = new Entry(nanos, action);
            entries.add(e);
            return () -> entries.remove(e);
        }

        void pass(double seconds) {
            long end = now + (long) (seconds * 1e9);
            while (!entries.isEmpty() && entries.peek().at <= end) {
                Entry e = entries.remove();
                now = Math.max(now, e.at);
                e.action.run();
            }
            now = end;
        }
    }

    private final Time time = new Time();
    private final List<String> seen = new ArrayList<>();
    private int retries;

    private final Troubles vm = new Troubles() {
        @Override
        public void stop(Object cause) {
            seen.add("stop");
        }

        @Override
        public void release(Object cause) {
            seen.add("go on");
        }

        @Override
        public void tell(Failure f) {
            seen.add("%s %s%s: %s"
                    .formatted(f.done(), f.write() ? "write" : "read", f.noSpace() ? " no space" : "", f.reason()));
        }

        @Override
        public void locked(Runnable action) {
            action.run();
        }
    };

    private PolicyGate gate(Action onRead, Action onWrite, Action onStall, boolean attended) {
        PolicyGate g = new PolicyGate(
                "d",
                new DiskPolicy(onRead, onWrite, onStall, Duration.ofSeconds(20)),
                attended,
                time,
                Runnable::run,
                vm);
        g.onRetry(() -> retries++);
        return g;
    }

    private List<String> seen() {
        List<String> l = List.copyOf(seen);
        seen.clear();
        return l;
    }

    private static final IOException BROKEN = new IOException("broken");

    private static IOException full() {
        try (HostFile f = HostFile.open(java.nio.file.Path.of("/dev/full"), HostFile.Access.READ_WRITE);
                serai.storage.NativeBuffer b = new serai.storage.NativeBuffer(512)) {
            f.write(0, b.address(), 512);
        } catch (LinuxException e) {
            return new IOException("no room for it", e); // as a format may say it
        }
        throw new AssertionError("/dev/full has room");
    }

    @Test
    void errorsAreReportedAsQemuHasIt() {
        PolicyGate g = gate(Action.REPORT, Action.ENOSPC, Action.PAUSE, true);
        assertEquals(Verdict.REPORT, g.failed("r", READ, BROKEN));
        time.pass(2);
        assertEquals(Verdict.REPORT, g.failed("w", WRITE, BROKEN));
        assertEquals(List.of("REPORT read: broken", "REPORT write: broken"), seen());
        assertEquals(Verdict.HOLD, g.failed("w", WRITE, full()));
        assertEquals(List.of("STOP write no space: no room for it", "stop"), seen());
        assertEquals("nospace", g.health().word);
    }

    @Test
    void aStopEndsByCont() {
        PolicyGate g = gate(Action.STOP, Action.STOP, Action.PAUSE, true);
        Object r = "r";
        assertEquals(Verdict.HOLD, g.failed(r, READ, BROKEN));
        assertEquals(List.of("STOP read: broken", "stop"), seen());
        assertEquals("failed", g.health().word);
        time.pass(1000);
        assertEquals(0, retries);
        g.continued();
        assertEquals(1, retries);
        g.failed(r, READ, BROKEN); // again
        assertEquals(List.of("STOP read: broken", "stop"), seen());
        g.continued();
        g.settled(r);
        assertEquals(List.of(), seen());
        assertEquals("ok", g.health().word);
    }

    @Test
    void aPauseTriesAgainAndEndsWhenAllAreDone() {
        PolicyGate g = gate(Action.PAUSE, Action.PAUSE, Action.PAUSE, true);
        g.failed("a", READ, BROKEN);
        g.failed("b", WRITE, BROKEN);
        assertEquals(List.of("STOP read: broken", "stop"), seen());
        time.pass(1);
        assertEquals(1, retries);
        g.failed("a", READ, BROKEN);
        g.settled("b");
        time.pass(1.9);
        assertEquals(1, retries);
        time.pass(0.2);
        assertEquals(2, retries);
        for (int i = 0; i < 20; i++) {
            g.failed("a", READ, BROKEN);
            time.pass(30);
            assertEquals(3 + i, retries, "twice a minute at last");
        }
        assertEquals(List.of(), seen());
        g.settled("a");
        assertEquals(List.of("go on"), seen());
        time.pass(100);
        assertEquals(22, retries);
    }

    @Test
    void withoutASocketAStopIsAPause() {
        PolicyGate g = gate(Action.STOP, Action.STOP, Action.STOP, false);
        g.failed("a", READ, BROKEN);
        time.pass(1);
        assertEquals(1, retries);
        g.settled("a");
        assertEquals(List.of("STOP read: broken", "stop", "go on"), seen());
    }

    @Test
    void anErrorMayBeIgnored() {
        assertEquals(
                Verdict.IGNORE,
                gate(Action.IGNORE, Action.STOP, Action.PAUSE, true).failed("a", READ, BROKEN));
        assertEquals(List.of("IGNORE read: broken"), seen());
    }

    @Test
    void whatIsReportedOverAndOverIsToldOnceASecond() {
        PolicyGate g = gate(Action.REPORT, Action.REPORT, Action.PAUSE, true);
        for (int i = 0; i < 1000; i++) {
            g.failed("a" + i, READ, BROKEN);
            time.pass(0.01);
        }
        assertEquals(10, seen().size());
    }

    @Test
    void requestsThatHangPauseTheVmUntilTheyComeBack() {
        PolicyGate g = gate(Action.REPORT, Action.REPORT, Action.PAUSE, true);
        g.began("a", READ);
        time.pass(15);
        g.began("b", WRITE);
        g.ended("a");
        g.began("c", READ);
        time.pass(19);
        assertEquals(List.of(), seen());
        time.pass(2);
        assertEquals(List.of("STOP write: a write has been under way for 20 seconds", "stop"), seen());
        g.ended("b");
        assertEquals(List.of(), seen());
        g.ended("c");
        assertEquals(List.of("go on"), seen());
        time.pass(100);
        assertEquals(List.of(), seen());
        g.began("d", READ);
        time.pass(19.9);
        g.ended("d");
        time.pass(100);
        assertEquals(List.of(), seen());
    }

    @Test
    void aVmThatIsToldToGoOnWhileRequestsHangIsPausedAgainLater() {
        PolicyGate g = gate(Action.REPORT, Action.REPORT, Action.STOP, true);
        g.began("a", READ);
        time.pass(21);
        assertEquals(2, seen().size());
        g.continued();
        time.pass(19);
        assertEquals(List.of(), seen());
        time.pass(2);
        assertEquals(List.of("STOP read: a read has been under way for 20 seconds", "stop"), seen());
        g.ended("a");
        assertEquals(List.of(), seen(), "it was to stop, not to pause");
        g.continued();
        g.began("b", READ);
        g.ended("b");
        time.pass(100);
        assertEquals(List.of(), seen());
    }

    @Test
    void requestsThatHangMayBeReportedOnly() {
        PolicyGate g = gate(Action.STOP, Action.STOP, Action.REPORT, true);
        g.began("a", READ);
        time.pass(100);
        assertEquals(List.of("REPORT read: a read has been under way for 20 seconds"), seen());
        assertEquals("ok", g.health().word);
        g.ended("a");
        assertEquals(List.of(), seen());
    }

    @Test
    void requestsPassTheThrottleButFlushesDont() {
        PolicyGate g = gate(Action.REPORT, Action.REPORT, Action.PAUSE, true);
        g.throttle(new Throttle(Limits.NONE.withIops(Limit.of(1)), time));
        List<Integer> begun = new ArrayList<>();
        g.admit(READ, () -> begun.add(1));
        g.admit(READ, () -> begun.add(2)).run(); // taken back
        g.admit(WRITE, () -> begun.add(3));
        g.admit(new Demand(Demand.Kind.FLUSH, 0, 0), () -> begun.add(4));
        assertEquals(List.of(1, 4), begun);
        time.pass(1);
        assertEquals(List.of(1, 4, 3), begun);
        g.throttle(null);
        g.admit(READ, () -> begun.add(5));
        assertEquals(List.of(1, 4, 3, 5), begun);
    }
}
