package serai.storage.throttle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;
import serai.storage.throttle.Throttle.Direction;

class ThrottleTest {
    private static final Limits NONE = Limits.NONE;

    private final TestAlarm alarm = new TestAlarm();

    /** Keeps so many requests waiting in a flow, as a guest's queue does. */
    private static final class Load {
        private final Throttle.Flow flow;
        private final Direction direction;
        private final LongSupplier size;
        private boolean stop;
        private boolean inside;
        private int again;
        long requests;
        long bytes;
        double normalized;

        Load(Throttle throttle, Direction direction, int depth, LongSupplier size) {
            flow = throttle.flow();
            this.direction = direction;
            this.size = size;
            for (int i = 0; i < depth; i++) {
                submit();
            }
        }

        private void submit() {
            again++;
            if (inside) {
                return; // begun at once: no recursion
            }
            inside = true;
            for (; again > 0 && !stop; again--) {
                long n = size.getAsLong();
                flow.admit(direction, n, () -> {
                    requests++;
                    bytes += n;
                    normalized += Math.max(1, Math.ceil(n / 8192.0));
                    submit();
                });
            }
            inside = false;
        }

        void stop() {
            stop = true;
        }
    }

    private static void within5Percent(double expected, double actual) {
        assertEquals(expected, actual, expected * 0.05);
    }

    private Load load(Throttle t, Direction d, int depth, long size) {
        return new Load(t, d, depth, () -> size);
    }

    @Test
    void bytesASecondHoldForRequestsOfAllSizes() {
        Random random = new Random(5);
        for (long bps : new long[] {100_000, 3 << 20, 1L << 30}) {
            Throttle t = new Throttle(NONE.withBps(Limit.of(bps)), alarm);
            Load reads = new Load(t, Direction.READ, 8, () -> 512L << random.nextInt(8));
            Load writes = new Load(t, Direction.WRITE, 8, () -> 512L << random.nextInt(8));
            alarm.pass(20);
            within5Percent(20.0 * bps, reads.bytes + writes.bytes);
            assertEquals(reads.requests, writes.requests, 1 + reads.requests * 0.05, "they take turns");
            reads.stop();
            writes.stop();
        }
    }

    @Test
    void requestsASecondHoldAndASmallDepthIsEnoughForThem() {
        Throttle t = new Throttle(NONE.withIops(Limit.of(250)), alarm);
        Load l = load(t, Direction.READ, 1, 1 << 20);
        alarm.pass(60);
        within5Percent(60 * 250, l.requests);
    }

    @Test
    void longRequestsCountAsSeveral() {
        Throttle t = new Throttle(NONE.withIops(Limit.of(1000)).withIopsSize(65536), alarm);
        Load l = load(t, Direction.READ, 4, 65537);
        alarm.pass(60);
        within5Percent(60 * 500, l.requests);
    }

    @Test
    void normalizedRequestsAreOf8KiB() {
        Random random = new Random(6);
        Throttle t = new Throttle(NONE.withNormalized(Limit.of(400)), alarm);
        Load l = new Load(t, Direction.WRITE, 4, () -> 512L * random.nextInt(100));
        alarm.pass(100);
        within5Percent(100 * 400, l.normalized);
    }

    @Test
    void readsAndWritesHaveLimitsOfTheirOwn() {
        Limits limits = new Limits(
                Limit.NONE, Limit.of(1 << 20), Limit.NONE, Limit.NONE, Limit.NONE, Limit.of(100), 0, Limit.NONE);
        Throttle t = new Throttle(limits, alarm);
        Load reads = load(t, Direction.READ, 16, 4096);
        Load writes = load(t, Direction.WRITE, 16, 4096);
        alarm.pass(20);
        within5Percent(20 << 20, reads.bytes);
        within5Percent(2000, writes.requests);
    }

    @Test
    void aBurstLastsAsLongAsItMayAndThenTheAverageHolds() {
        Throttle t = new Throttle(NONE.withIops(new Limit(100, 1000, 10)), alarm);
        Load l = load(t, Direction.READ, 32, 4096);
        alarm.pass(10);
        within5Percent(10 * 1000, l.requests);
        long first = l.requests;
        alarm.pass(2); // 10,000 units leak at 100 a second while they come at 1000
        alarm.pass(40);
        within5Percent(11_000 + 41 * 100, l.requests);
        l.stop();
        alarm.pass(200); // the bucket is empty again
        Load again = load(t, Direction.READ, 32, 4096);
        alarm.pass(10);
        within5Percent(first, again.requests);
    }

    @Test
    void flowsTakeTurnsHoweverManyRequestsTheyHave() {
        Throttle t = new Throttle(NONE.withIops(Limit.of(300)), alarm);
        Load greedy = load(t, Direction.READ, 256, 4096);
        Load other = load(t, Direction.READ, 2, 4096);
        Load third = load(t, Direction.WRITE, 1, 4096);
        alarm.pass(30);
        within5Percent(9000, greedy.requests + other.requests + third.requests);
        within5Percent(greedy.requests, other.requests);
        within5Percent(4500, third.requests); // the other direction
    }

    @Test
    void otherLimitsHoldAtOnceForWhatWaits() {
        Throttle t = new Throttle(NONE.withIops(Limit.of(1)), alarm);
        Load l = load(t, Direction.READ, 64, 4096);
        alarm.pass(10);
        assertEquals(10, l.requests, 1);
        t.limits(NONE.withIops(Limit.of(1000)));
        alarm.pass(10);
        within5Percent(10_000, l.requests);
        long before = l.requests;
        t.limits(NONE.withIops(Limit.of(10)));
        alarm.pass(10);
        assertEquals(100, l.requests - before, 5);
        for (int i = 0; i < 100; i++) {
            t.limits(NONE.withIops(Limit.of(100 + i % 2))); // each change is no new tenth of a second
            alarm.pass(0.1);
        }
        assertEquals(1100, l.requests - before, 55);
        l.stop();
        t.limits(NONE);
        assertEquals(0, alarm.waiting());
        List<Integer> begun = new ArrayList<>();
        t.flow().admit(Direction.READ, 1L << 40, () -> begun.add(1));
        t.flow().admit(Direction.READ, 1L << 40, () -> begun.add(2));
        assertEquals(List.of(1, 2), begun);
    }

    @Test
    void aRequestThatIsTakenBackDoesNotBegin() {
        Throttle t = new Throttle(NONE.withIops(Limit.of(1)), alarm);
        List<Integer> begun = new ArrayList<>();
        Throttle.Flow flow = t.flow();
        Runnable first = flow.admit(Direction.READ, 512, () -> begun.add(1));
        Runnable second = flow.admit(Direction.READ, 512, () -> begun.add(2));
        flow.admit(Direction.READ, 512, () -> begun.add(3));
        second.run();
        first.run(); // has begun
        alarm.pass(10);
        assertEquals(List.of(1, 3), begun);
        assertEquals(2, t.delayed());
    }

    @Test
    void aRequestLongerThanALimitPassesAndIsPaidForAfterwards() {
        Throttle t = new Throttle(NONE.withBps(Limit.of(1000)), alarm);
        Load l = load(t, Direction.WRITE, 1, 1_000_000);
        alarm.pass(5500);
        assertEquals(6, l.requests);
    }

    @Test
    void whatCanBeNoLimitIsRefusedInASentence() {
        refused("a burst (max) needs the limit that it is a burst of", () -> new Limit(0, 5, 1));
        refused("a burst of 5 a second is lower than the limit of 6", () -> new Limit(6, 5, 1));
        refused("a burst lasts at least 1 second (max-length)", () -> new Limit(6, 7, 0));
        refused("a length of bursts (max-length) needs a burst (max)", () -> new Limit(6, 0, 2));
        refused(
                "a burst of 10 a second for 1000000000000000 seconds is too long",
                () -> new Limit(6, 10, 1_000_000_000_000_000L));
        refused("a limit of bps or iops is a number from 0 to 1000000000000000", () -> Limit.of(-1));
        refused(
                "a limit is for reads and writes together, or for each, not both",
                () -> new Limits(
                        Limit.of(1), Limit.of(1), Limit.NONE, Limit.NONE, Limit.NONE, Limit.NONE, 0, Limit.NONE));
        refused("iops-size is a number of bytes", () -> NONE.withIopsSize(-1));
    }

    private static void refused(String sentence, org.junit.jupiter.api.function.Executable e) {
        assertEquals(sentence, assertThrows(IllegalArgumentException.class, e).getMessage());
    }
}
