package serai.machine.hpet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import serai.machine.FakeLine;
import serai.machine.time.FakeClock;
import serai.machine.time.Timers;

/** By the IA-PC HPET specification 1.0a. */
class HpetTest {
    private static final int CONFIGURATION = 0x10, STATUS = 0x20, COUNTER = 0xf0;
    private static final int LEVEL = 2, INTERRUPT = 4, PERIODIC = 8, VALUE_SET = 0x40, MODE_32 = 0x100, FSB = 0x4000;

    private final FakeClock clock = new FakeClock();
    private final Timers timers = new Timers(clock);
    private final FakeLine irq0 = new FakeLine();
    private final FakeLine irq8 = new FakeLine();
    private final FakeLine[] gsi = new FakeLine[32];
    private final List<String> messages = new ArrayList<>();
    private final Hpet hpet = make();

    private Hpet make() {
        for (int i = 0; i < gsi.length; i++) {
            gsi[i] = new FakeLine();
        }
        return new Hpet(
                timers,
                irq0,
                irq8,
                n -> i -> gsi[i],
                (address, data) -> messages.add(Long.toHexString(address) + " " + Integer.toHexString(data)));
    }

    private static int configuration(int n) {
        return 0x100 + n * 0x20;
    }

    private static int comparator(int n) {
        return configuration(n) + 8;
    }

    private static int route(int input) {
        return input << 9;
    }

    private void write(int at, long value) {
        hpet.writeMmio(at, 8, value);
    }

    private long read(int at) {
        return hpet.readMmio(at, 8);
    }

    private void ticks(long n) {
        clock.advance(timers, n * Hpet.TICK);
    }

    @Test
    void capabilities_2_3_4() {
        long v = read(0);
        assertEquals(10_000_000, v >>> 32, "femtoseconds of a tick");
        assertTrue(v >>> 32 <= 0x05f5e100, "10 MHz at least");
        assertEquals(0x8086, v >>> 16 & 0xffff);
        assertEquals(1, v >>> 15 & 1, "legacy replacement");
        assertEquals(1, v >>> 13 & 1, "64 bits");
        assertEquals(Hpet.TIMERS - 1, v >>> 8 & 31);
        assertTrue((v & 0xff) != 0, "the revision is never 0");
        write(0, 0);
        assertEquals(v, read(0));
    }

    @Test
    void mainCounter_2_3_7_countsWhileEnabledAndKeepsItsValue() {
        ticks(50);
        assertEquals(0, read(COUNTER));
        write(COUNTER, 0xffff_fff0L);
        write(CONFIGURATION, 1);
        ticks(0x20);
        assertEquals(0x1_0000_0010L, read(COUNTER));
        assertEquals(0x10, hpet.readMmio(COUNTER, 4));
        assertEquals(1, hpet.readMmio(COUNTER + 4, 4));
        write(CONFIGURATION, 0);
        ticks(1000);
        assertEquals(0x1_0000_0010L, read(COUNTER));
        hpet.writeMmio(COUNTER + 4, 4, 7);
        assertEquals(0x7_0000_0010L, read(COUNTER));
    }

    @Test
    void accesses_2_3_1_areAligned_andWritesOf32Or64Bits() {
        write(COUNTER, 0x1122334455667788L);
        hpet.writeMmio(COUNTER, 1, 0);
        hpet.writeMmio(COUNTER, 2, 0);
        hpet.writeMmio(COUNTER + 2, 4, 0);
        hpet.writeMmio(COUNTER + 4, 8, 0);
        assertEquals(0x1122334455667788L, read(COUNTER));
        assertEquals(0, hpet.readMmio(COUNTER + 1, 4));
        assertEquals(0x66, hpet.readMmio(COUNTER + 2, 1));
        assertEquals(0, read(0x40), "reserved");
        write(0x3f8, -1);
        assertEquals(0, read(0x3f8), "behind the last timer");
    }

    @Test
    void timerConfiguration_2_3_8_hasItsCapabilitiesAndRoutes() {
        for (int n = 0; n < Hpet.TIMERS; n++) {
            write(configuration(n), -1L & ~route(31) | route(23));
            long v = read(configuration(n));
            assertEquals(0xf0_0000, v >>> 32, "inputs");
            assertEquals(1 << 4 | 1 << 5 | 1 << 15, v & (1 << 4 | 1 << 5 | 1 << 15), "periodic, 64 bits, FSB");
            assertEquals(23, v >>> 9 & 31);
            write(configuration(n), route(5));
            assertEquals(23, read(configuration(n)) >>> 9 & 31, "no way there");
            assertEquals(0, read(configuration(n)) & 0x4f7f & ~(1 << 4 | 1 << 5 | 31 << 9));
        }
    }

    @Test
    void oneShot_edge_firesOnceWhenTheCounterReachesTheComparator() {
        write(configuration(2), INTERRUPT | route(20));
        write(comparator(2), 100);
        write(CONFIGURATION, 1);
        ticks(99);
        assertEquals(0, gsi[20].rises);
        ticks(1);
        assertEquals(1, gsi[20].rises);
        assertFalse(gsi[20].high, "an edge: others share the input");
        assertEquals(0, read(STATUS), "2.3.6: of level-triggered ones only");
        ticks(1L << 33);
        assertEquals(1, gsi[20].rises);
    }

    @Test
    void oneShot_ofATimePassed_waitsForTheCounterToComeRound() {
        write(configuration(2), INTERRUPT | MODE_32 | route(20));
        write(CONFIGURATION, 1);
        ticks(100);
        write(comparator(2), 99);
        ticks((1L << 32) - 2);
        assertEquals(0, gsi[20].rises);
        ticks(1);
        assertEquals(1, gsi[20].rises);
        ticks(1L << 32);
        assertEquals(2, gsi[20].rises, "and again when it comes round again");
    }

    @Test
    void mode32_2_3_8_comparesAndHoldsTheLowHalf() {
        write(configuration(1), MODE_32);
        write(comparator(1), 0x1234_0000_0010L);
        assertEquals(0x10, read(comparator(1)));
        write(configuration(1), MODE_32 | INTERRUPT | route(21));
        write(COUNTER, 0x5_0000_0000L);
        write(CONFIGURATION, 1);
        ticks(0x10);
        assertEquals(1, gsi[21].rises);
    }

    @Test
    void levelTriggered_2_3_6_staysUntilItsBitIsWritten() {
        write(configuration(3), INTERRUPT | LEVEL | route(22));
        write(comparator(3), 10);
        write(CONFIGURATION, 1);
        ticks(10);
        assertTrue(gsi[22].high);
        assertEquals(8, read(STATUS));
        write(STATUS, ~8L);
        assertTrue(gsi[22].high);
        write(CONFIGURATION, 0);
        assertFalse(gsi[22].high, "2.3.5: no interrupts while it is off");
        assertEquals(8, read(STATUS), "but the status stays");
        write(CONFIGURATION, 1);
        assertTrue(gsi[22].high);
        hpet.writeMmio(STATUS, 4, 8);
        assertFalse(gsi[22].high);
        assertEquals(0, read(STATUS));
    }

    @Test
    void levelTriggered_withItsInterruptOff_2_3_8_setsTheStatusOnly() {
        write(configuration(3), LEVEL | route(22));
        write(comparator(3), 10);
        write(CONFIGURATION, 1);
        ticks(20);
        assertEquals(8, read(STATUS));
        assertFalse(gsi[22].high);
        write(configuration(3), LEVEL | INTERRUPT | route(22));
        assertTrue(gsi[22].high);
        write(configuration(3), LEVEL | INTERRUPT | route(20));
        assertFalse(gsi[22].high);
        assertTrue(gsi[20].high, "it follows the route");
    }

    @Test
    void periodic_2_3_9_2_addsThePeriodAtEachMatch() {
        write(configuration(0), INTERRUPT | PERIODIC | VALUE_SET | route(20));
        write(comparator(0), 1000); // the first match
        assertEquals(0, read(configuration(0)) & VALUE_SET, "it clears itself");
        write(comparator(0), 300); // the period
        assertEquals(1000, read(comparator(0)));
        write(CONFIGURATION, 1);
        ticks(999);
        assertEquals(0, gsi[20].rises);
        ticks(1);
        assertEquals(1, gsi[20].rises);
        assertEquals(1300, read(comparator(0)));
        ticks(300 * 1000);
        assertEquals(1001, gsi[20].rises);
        assertEquals(1300 + 300 * 1000, read(comparator(0)));
    }

    @Test
    void periodic_withValueSet_takesBothHalvesOneByOne() {
        write(configuration(0), INTERRUPT | PERIODIC | VALUE_SET | route(20));
        hpet.writeMmio(comparator(0), 4, 0x500);
        write(configuration(0), INTERRUPT | PERIODIC | VALUE_SET | route(20));
        hpet.writeMmio(comparator(0) + 4, 4, 2);
        assertEquals(0x2_0000_0500L, read(comparator(0)));
        write(COUNTER, 0x2_0000_0000L);
        write(CONFIGURATION, 1);
        ticks(0x500);
        assertEquals(1, gsi[20].rises);
        assertEquals(0x4_0000_0a00L, read(comparator(0)), "one value is both");
    }

    @Test
    void periodic_thatTheHostSleptThrough_firesOnceAndGoesOnInStep() {
        write(configuration(0), INTERRUPT | PERIODIC | VALUE_SET | route(20));
        write(comparator(0), 100);
        write(CONFIGURATION, 1);
        clock.set(1050 * Hpet.TICK);
        assertEquals(1100, read(comparator(0)), "who looks sees what time has made of it");
        assertEquals(1, gsi[20].rises);
        ticks(50);
        assertEquals(2, gsi[20].rises);
    }

    @Test
    void periodic_ofNoTicks_isNoStorm() {
        write(configuration(0), INTERRUPT | PERIODIC | VALUE_SET | route(20));
        write(comparator(0), 0);
        write(CONFIGURATION, 1);
        ticks(1000);
        assertEquals(1, gsi[20].rises);
    }

    @Test
    void legacyReplacement_2_3_5_givesTimers0And1TheLinesOfPitAndRtc() {
        hpet.pitLine().set(true);
        assertTrue(irq0.high);
        write(configuration(0), INTERRUPT);
        write(configuration(1), INTERRUPT);
        write(comparator(0), 10);
        write(comparator(1), 20);
        write(CONFIGURATION, 2);
        assertTrue(irq0.high, "both bits have to be set");
        write(CONFIGURATION, 3);
        assertFalse(irq0.high, "the 8254 is cut off");
        hpet.rtcLine().set(true);
        assertFalse(irq8.high);
        ticks(10);
        assertTrue(irq0.high, "until the 8259 has been acknowledged");
        assertEquals(2, irq0.rises);
        ticks(10);
        assertEquals(1, irq8.rises);
        write(comparator(0), 30);
        ticks(10);
        assertEquals(3, irq0.rises, "an edge each time");
        hpet.rtcLine().set(false);
        write(CONFIGURATION, 1);
        assertTrue(irq0.high);
        assertFalse(irq8.high, "those of before are back");
        for (FakeLine l : gsi) {
            assertEquals(0, l.rises);
        }
    }

    @Test
    void fsb_2_3_10_sendsAMessageInsteadOfTheLine() {
        write(configuration(4), INTERRUPT | FSB | LEVEL | PERIODIC | VALUE_SET | route(20));
        write(configuration(4) + 0x10, 0xfee0_1000_0000_4041L);
        write(comparator(4), 10);
        write(CONFIGURATION, 1);
        ticks(25);
        assertEquals(List.of("fee01000 4041", "fee01000 4041"), messages);
        assertEquals(0, gsi[20].rises);
        write(configuration(4), 0);
        ticks(25);
        assertEquals(2, messages.size());
    }

    @Test
    void counterThatIsSet_movesTheMatches() {
        write(configuration(2), INTERRUPT | route(20));
        write(comparator(2), 1000);
        write(CONFIGURATION, 1);
        ticks(10);
        write(COUNTER, 995);
        ticks(4);
        assertEquals(0, gsi[20].rises);
        ticks(1);
        assertEquals(1, gsi[20].rises);
    }

    @Test
    void reset_isPowerOn() {
        HpetState fresh = hpet.save();
        for (int n = 0; n < Hpet.TIMERS; n++) {
            write(configuration(n), INTERRUPT | LEVEL | PERIODIC | VALUE_SET | MODE_32 | route(20 + n % 4));
            write(comparator(n), 5);
        }
        write(CONFIGURATION, 3);
        ticks(12);
        assertTrue(irq0.high);
        hpet.reset();
        assertFalse(irq0.high);
        for (FakeLine l : gsi) {
            assertFalse(l.high);
        }
        assertEquals(fresh, hpet.save());
        assertEquals(Timers.NEVER, timers.next());
    }

    @Test
    void restored_inTheMidstOfAPeriod_matchesWhereItWouldHave() {
        write(configuration(0), INTERRUPT | PERIODIC | VALUE_SET);
        write(comparator(0), 100);
        write(CONFIGURATION, 3);
        ticks(250);
        HpetState s = hpet.save();
        hpet.reset();
        hpet.restore(s);
        assertEquals(s, hpet.save());
        int before = irq0.rises;
        ticks(49);
        assertEquals(before, irq0.rises);
        ticks(1);
        assertEquals(before + 1, irq0.rises);
    }

    @Test
    void restore_refusesAnotherVersion() {
        HpetState s = hpet.save();
        assertThrows(IllegalArgumentException.class, () -> hpet.restore(new HpetState(2, 0, 0, 0, s.timers())));
        assertThrows(IllegalArgumentException.class, () -> hpet.restore(new HpetState(1, 0, 0, 0, List.of())));
    }
}
