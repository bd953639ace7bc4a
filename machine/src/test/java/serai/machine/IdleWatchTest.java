package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import serai.machine.time.Clock;

/** When a guest is held to be idle, on a clock that is set by hand. */
final class IdleWatchTest {
    private static final long MILLI = 1_000_000;
    private static final long SECOND = 1_000 * MILLI;

    private static final class HandClock implements Clock {
        long now = 5 * SECOND;

        @Override
        public long nanos() {
            return now;
        }

        @Override
        public long epochSeconds() {
            return 0;
        }
    }

    private final HandClock clock = new HandClock();

    /** Seconds of so many milliseconds of work each, and then of sleep, of one vCPU; how often it was told. */
    private int seconds(IdleWatch w, int seconds, int work) {
        int told = 0;
        for (int i = 0; i < seconds; i++) {
            w.wakes();
            clock.now += work * MILLI;
            w.sleeps();
            clock.now += SECOND - work * MILLI;
            told += w.due() ? 1 : 0;
        }
        return told;
    }

    private IdleWatch asleep(int cpus) {
        IdleWatch w = new IdleWatch(cpus, clock);
        for (int i = 0; i < cpus; i++) {
            w.sleeps();
        }
        return w;
    }

    @Test
    void aGuestThatSleepsIsIdleAfterEightSecondsAndIsToldOnce() {
        IdleWatch w = asleep(1);
        assertEquals(0, seconds(w, 7, 0));
        assertEquals(1, seconds(w, 1, 0));
        assertEquals(0, seconds(w, 1_000_000, 0));
    }

    @Test
    void aVcpuThatNeverHaltsIsBusyWithoutBeingAsked() {
        IdleWatch w = new IdleWatch(1, clock);
        for (int i = 0; i < 100; i++) {
            clock.now += SECOND;
            assertFalse(w.due());
        }
    }

    @Test
    void oneBusyVcpuOfSeveralKeepsTheGuestBusy() {
        IdleWatch w = new IdleWatch(3, clock);
        w.sleeps();
        w.sleeps();
        for (int i = 0; i < 100; i++) {
            clock.now += SECOND;
            assertFalse(w.due());
        }
        w.sleeps();
        assertEquals(1, seconds(w, 9, 0));
    }

    @Test
    void theTimeIsThatOfAllVcpusTogether() {
        IdleWatch w = asleep(4);
        for (int i = 0; i < 100; i++) {
            for (int k = 0; k < 4; k++) {
                w.wakes();
            }
            clock.now += 10 * MILLI; // one per cent of each, four together
            for (int k = 0; k < 4; k++) {
                w.sleeps();
            }
            clock.now += 990 * MILLI;
            assertFalse(w.due());
        }
    }

    @Test
    void threePerCentAreIdleAndMoreAreNot() {
        assertEquals(1, seconds(asleep(1), 10, 30));
        assertEquals(0, seconds(asleep(1), 1_000, 31));
    }

    @Test
    void workBeginsTheTimeAnew() {
        IdleWatch w = asleep(1);
        assertEquals(0, seconds(w, 7, 0));
        assertEquals(0, seconds(w, 1, 500));
        assertEquals(0, seconds(w, 7, 0));
        assertEquals(1, seconds(w, 1, 0));
    }

    @Test
    void itIsToldAgainAfterAMinuteIfTheGuestHasWorked() {
        IdleWatch w = asleep(1);
        assertEquals(1, seconds(w, 8, 0));
        assertEquals(0, seconds(w, 3, 1_000));
        assertEquals(0, seconds(w, 56, 0));
        assertEquals(1, seconds(w, 1, 0));
        assertEquals(0, seconds(w, 2, 990));
        assertEquals(0, seconds(w, 10_000, 0), "not enough work");
        assertEquals(1, seconds(w, 1, 20), "now it is");
    }

    @Test
    void aGuestThatWakesForAnHourAtTheWorstTimesIsToldOnceAMinuteAtMost() {
        IdleWatch w = asleep(1);
        int told = 0;
        for (int i = 0; i < 360; i++) {
            told += seconds(w, 1, 999) + seconds(w, 9, 0);
        }
        assertTrue(told > 1 && told <= 60, told + " times");
    }
}
