package serai.machine.time;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ClockTest {
    private final FakeClock clock = new FakeClock();
    private final Timers timers = new Timers(clock);
    private final List<String> fired = new ArrayList<>();

    @Test
    void timers_fireByDeadlineThenInTheOrderInWhichTheyWereMade() {
        Timers.Timer late = timers.timer(() -> fired.add("late"));
        Timers.Timer first = timers.timer(() -> fired.add("first"));
        Timers.Timer second = timers.timer(() -> fired.add("second"));
        second.arm(10);
        late.arm(20);
        first.arm(10);
        assertEquals(10, timers.next());
        clock.advance(timers, 10);
        assertEquals(List.of("first", "second"), fired);
        clock.advance(timers, 10);
        assertEquals(List.of("first", "second", "late"), fired);
        assertEquals(Timers.NEVER, timers.next());
    }

    @Test
    void timers_withEqualDeadlinesKeepTheirOrderInARestoredMachine() {
        // armed last to first here, taken over first to last there
        List<Timers.Timer> here = new ArrayList<>();
        Timers there = new Timers(clock);
        List<String> restored = new ArrayList<>();
        List<Timers.Timer> copies = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            String name = "timer " + i;
            here.add(timers.timer(() -> fired.add(name)));
            copies.add(there.timer(() -> restored.add(name)));
        }
        for (int i = 7; i >= 0; i--) {
            here.get(i).arm(10 + i / 4);
        }
        for (int i = 0; i < 8; i++) {
            copies.get(i).restore(here.get(i).deadline());
        }
        clock.set(11);
        timers.runDue();
        there.runDue();
        assertEquals(8, fired.size());
        assertEquals(fired, restored);
    }

    @Test
    void timers_pastTheHorizonNeverCome() {
        timers.timer(() -> fired.add("never")).arm(Timers.NEVER - 1);
        assertEquals(Timers.NEVER, timers.next(), "a clock must not jump there");
        timers.timer(() -> fired.add("soon")).arm(10);
        assertEquals(10, timers.next());
    }

    @Test
    void timer_isMovedByASecondArmingAndStoppedByCancel() {
        Timers.Timer t = timers.timer(() -> fired.add("t"));
        t.arm(10);
        t.arm(30);
        assertEquals(30, t.deadline());
        clock.advance(timers, 29);
        assertTrue(t.armed());
        t.cancel();
        assertFalse(t.armed());
        clock.advance(timers, 100);
        assertEquals(List.of(), fired);
    }

    @Test
    void timer_thatArmsItselfInThePastRunsOncePerPass() {
        int[] runs = {0};
        Timers.Timer[] t = new Timers.Timer[1];
        t[0] = timers.timer(() -> {
            if (++runs[0] < 3) {
                t[0].arm(clock.nanos() + 1);
            }
        });
        t[0].arm(0);
        timers.runDue();
        assertEquals(1, runs[0]);
    }

    @Test
    void timers_tellOfEarlierDeadlinesOnly() {
        int[] told = {0};
        timers.onEarlier(() -> told[0]++);
        timers.timer(() -> {}).arm(10);
        timers.timer(() -> {}).arm(20);
        timers.timer(() -> {}).arm(5);
        assertEquals(2, told[0]);
    }

    @Test
    void virtualClock_isAFunctionOfInstructionsAndSkips() {
        long[] instructions = {0};
        VirtualClock c = new VirtualClock(7, 10);
        c.drivenBy(() -> instructions[0]);
        assertEquals(7, c.epochSeconds());
        instructions[0] = 5;
        assertEquals(50, c.nanos());
        assertEquals(3, c.instructionsUntil(75));
        assertEquals(1, c.instructionsUntil(51));
        assertEquals(0, c.instructionsUntil(50));
        c.skipTo(1000);
        assertEquals(1000, c.nanos());
        c.skipTo(10); // never back
        assertEquals(1000, c.nanos());
        VirtualClock other = new VirtualClock(7, 10);
        other.drivenBy(() -> instructions[0]);
        other.skipped(c.skipped());
        assertEquals(c.nanos(), other.nanos());
    }

    @Test
    void realClock_standsWhilePausedAndGoesOnFromThere() {
        RealClock c = new RealClock();
        c.pause();
        long at = c.nanos();
        c.pause();
        assertEquals(at, c.nanos());
        c.set(1_000_000_000_000L);
        assertEquals(1_000_000_000_000L, c.nanos());
        c.resume();
        long now = c.nanos();
        assertTrue(now >= 1_000_000_000_000L && now < 1_100_000_000_000L, () -> "now " + now);
        assertTrue(c.nanos() >= now);
    }
}
