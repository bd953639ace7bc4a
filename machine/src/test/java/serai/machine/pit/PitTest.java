package serai.machine.pit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import serai.machine.FakeLine;
import serai.machine.time.FakeClock;
import serai.machine.time.Timers;

/** By the 8254 datasheet. */
class PitTest {
    private static final int CONTROL = 0x43, GATE = 0x61;

    private final FakeClock clock = new FakeClock();
    private final Timers timers = new Timers(clock);
    private final FakeLine irq = new FakeLine();
    private final Pit pit = new Pit(timers, irq);

    /** The first nanosecond at which so many ticks have passed. */
    private static long ticks(long n) {
        return (n * 1_000_000_000L + Pit.HZ - 1) / Pit.HZ;
    }

    private void out(int port, int value) {
        pit.writePort(port, 1, value);
    }

    private int in(int port) {
        return pit.readPort(port, 1);
    }

    private int count(int channel) {
        out(CONTROL, channel << 6); // latch
        return in(0x40 + channel) | in(0x40 + channel) << 8;
    }

    @Test
    void mode0_interruptOnTerminalCount() {
        out(CONTROL, 0x30);
        out(0x40, 1000 & 0xff);
        out(0x40, 1000 >>> 8);
        assertFalse(irq.high);
        clock.advance(timers, ticks(400));
        assertEquals(600, count(0));
        assertEquals(0, irq.rises);
        clock.advance(timers, ticks(600) + 2);
        assertTrue(irq.high);
        assertEquals(1, irq.rises);
        clock.advance(timers, ticks(100_000));
        assertEquals(1, irq.rises);
        out(CONTROL, 0x30);
        assertFalse(irq.high, "the control word drives the output low");
    }

    @Test
    void mode2_firesOnceAPeriod_alsoAfterHours() {
        out(CONTROL, 0x34);
        out(0x40, 0);
        out(0x40, 0x80);
        irq.rises = 0;
        clock.advance(timers, ticks(0x8000 * 10L));
        assertEquals(10, irq.rises, "at the very nanosecond, too");
        for (int hours : new int[] {1, 3, 24 * 365}) {
            clock.set(hours * 3_600_000_000_000L);
            timers.runDue(); // late: what was missed is dropped
            irq.rises = 0;
            clock.advance(timers, 1_000_000_000L);
            assertEquals(36.4, irq.rises, 1, "after " + hours + " hours");
        }
    }

    @Test
    void reset_lowersTheOutput() {
        out(CONTROL, 0x34);
        assertTrue(irq.high);
        pit.reset();
        assertFalse(irq.high);
    }

    @Test
    void mode2_rateGenerator_countsDownAndReloads() {
        out(CONTROL, 0x34);
        out(0x40, 100);
        out(0x40, 0);
        clock.advance(timers, ticks(30));
        assertEquals(70, count(0));
        clock.advance(timers, ticks(100));
        assertEquals(70, count(0), 1.0);
    }

    @Test
    void mode3_squareWave_countsByTwo() {
        out(CONTROL, 0x76);
        out(0x41, 1000 & 0xff);
        out(0x41, 1000 >>> 8);
        clock.advance(timers, ticks(100));
        assertEquals(800, count(1));
        clock.advance(timers, ticks(500));
        assertEquals(800, count(1), 2.0);
    }

    @Test
    void countOfZero_means65536() {
        out(CONTROL, 0x70);
        out(0x41, 0);
        out(0x41, 0);
        clock.advance(timers, ticks(1));
        assertEquals(0xffff, count(1));
    }

    @Test
    void latch_holdsTheCountUntilItIsRead() {
        out(CONTROL, 0xb0);
        out(0x42, 0x00);
        out(0x42, 0x10);
        clock.advance(timers, ticks(0x100));
        out(CONTROL, 0x80);
        clock.advance(timers, ticks(0x123));
        out(CONTROL, 0x80); // a second latch is ignored
        assertEquals(0x00, in(0x42));
        assertEquals(0x0f, in(0x42));
        assertEquals(0x1000 - 0x223, count(2), 1.0);
    }

    @Test
    void access_lowByteAndHighByteAlone() {
        out(CONTROL, 0x90); // channel 2, low byte
        out(0x42, 0x80);
        assertEquals(0x80, in(0x42));
        out(CONTROL, 0xa0); // high byte
        out(0x42, 0x12);
        assertEquals(0x12, in(0x42));
    }

    @Test
    void readBack_statusThenCount() {
        out(CONTROL, 0xb4); // channel 2, mode 2
        out(0x42, 0x34);
        out(0x42, 0x12);
        out(CONTROL, 0xc0 | 1 << 3);
        int status = in(0x42);
        assertEquals(3 << 4 | 2 << 1, status & 0x3e);
        assertEquals(0x34, in(0x42));
        assertEquals(0x12, in(0x42));
    }

    @Test
    void port61_gateOutputAndRefresh() {
        out(GATE, 0);
        out(CONTROL, 0xb0);
        out(0x42, 100);
        out(0x42, 0);
        out(GATE, 1);
        assertEquals(1, in(GATE) & 0x23);
        clock.advance(timers, ticks(101));
        assertEquals(0x21, in(GATE) & 0x23, "Linux calibrates the TSC by this bit");
        int before = in(GATE) & 0x10;
        clock.advance(timers, 15_085);
        assertTrue((in(GATE) & 0x10) != before, "bit 4 toggles");
    }

    @Test
    void wideAndHostileAccess_throwsNothing() {
        for (int port : new int[] {0x40, 0x41, 0x42, 0x43, 0x61}) {
            for (int v = 0; v < 256; v++) {
                out(CONTROL, v);
                out(port, v ^ 0x5a);
                pit.readPort(port, 4);
                pit.writePort(port, 4, -1);
                clock.advance(timers, 10_000);
            }
        }
    }

    @Test
    void saved_midCountAndMidWrite_goesOnInANewOne() {
        out(CONTROL, 0x30);
        out(0x40, 1000 & 0xff);
        out(0x40, 1000 >>> 8);
        clock.advance(timers, ticks(400));
        out(CONTROL, 0xb0);
        out(0x42, 0x78); // the high byte is to come
        PitState state = pit.save();

        Timers timers2 = new Timers(clock);
        FakeLine irq2 = new FakeLine();
        Pit copy = new Pit(timers2, irq2);
        copy.restore(state);
        copy.writePort(0x42, 1, 0x56);
        copy.writePort(CONTROL, 1, 0x80);
        assertEquals(0x78, copy.readPort(0x42, 1));
        assertEquals(0x56, copy.readPort(0x42, 1));
        clock.advance(timers2, ticks(600) - 3);
        assertEquals(0, irq2.rises);
        clock.advance(timers2, 6);
        assertEquals(1, irq2.rises);
    }

    @Test
    void restore_refusesAnUnknownVersion() {
        PitState s = pit.save();
        PitState unknown = new PitState(
                2,
                s.mode(),
                s.access(),
                s.reload(),
                s.start(),
                s.latched(),
                s.flip(),
                s.status(),
                s.low(),
                0,
                Timers.NEVER,
                false);
        assertThrows(IllegalArgumentException.class, () -> pit.restore(unknown));
    }
}
