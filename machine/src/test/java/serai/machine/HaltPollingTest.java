package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import serai.machine.time.Clock;

final class HaltPollingTest {
    private final ReentrantLock lock = new ReentrantLock();
    private long now = 1_000_000_000;
    private final Vcpu cpu = new Vcpu();

    /** Each look at the time takes a microsecond. */
    private final Clock clock = new Clock() {
        @Override
        public long nanos() {
            return now += 1_000;
        }

        @Override
        public long epochSeconds() {
            return 0;
        }
    };

    /** An interrupt comes so many nanoseconds after it has begun to wait, whether it looks or sleeps. */
    private final class Vcpu implements HaltPolling.Sleeper {
        private long interruptAt;
        private int slept;

        @Override
        public int index() {
            return 0;
        }

        @Override
        public int rouses() {
            return now >= interruptAt ? 1 : 0;
        }

        @Override
        public void await() {
            assertTrue(lock.isHeldByCurrentThread());
            now = Math.max(now, interruptAt);
            slept++;
        }
    }

    @BeforeEach
    void locked() {
        lock.lock();
    }

    private boolean sleeps(HaltPolling p, long nanos) {
        int before = cpu.slept;
        cpu.interruptAt = now + nanos;
        p.await(cpu);
        assertTrue(lock.isHeldByCurrentThread());
        return cpu.slept > before;
    }

    @Test
    void shortWaitsAreLookedThroughAfterSome() {
        HaltPolling p = new HaltPolling(1, lock, clock, 2);
        int slept = 0;
        for (int i = 0; i < 100; i++) {
            slept += sleeps(p, 60_000) ? 1 : 0;
        }
        assertEquals(4, slept, "10, 20, 40, 80 microseconds");
        assertEquals(80_000, p.window(0));
    }

    @Test
    void aGuestThatIdlesIsNotLookedAt() {
        HaltPolling p = new HaltPolling(1, lock, clock, 2);
        for (int i = 0; i < 10; i++) {
            sleeps(p, 100_000);
        }
        assertTrue(p.window(0) > 0);
        assertTrue(sleeps(p, 4_000_000));
        assertEquals(0, p.window(0));
        long begin = now;
        assertTrue(sleeps(p, 4_000_000));
        assertTrue(now - begin < 4_010_000, "no time is spent on looking");
        assertEquals(0, p.window(0));
    }

    @Test
    void theWindowHasAnEnd() {
        HaltPolling p = new HaltPolling(1, lock, clock, 2);
        for (int i = 0; i < 20; i++) {
            sleeps(p, HaltPolling.MOST - 5_000);
        }
        assertTrue(p.window(0) <= HaltPolling.MOST, p.window(0) + " ns");
    }

    @Test
    void withoutAProcessorToSpareNobodyLooks() {
        for (int[] cpusAndProcessors : new int[][] {{1, 1}, {2, 2}, {3, 2}}) {
            HaltPolling p = new HaltPolling(cpusAndProcessors[0], lock, clock, cpusAndProcessors[1]);
            for (int i = 0; i < 20; i++) {
                assertTrue(sleeps(p, 60_000), cpusAndProcessors[0] + " vCPUs");
            }
        }
    }
}
