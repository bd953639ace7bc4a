package serai.machine.pm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import serai.machine.FakeLine;
import serai.machine.time.FakeClock;
import serai.machine.time.Timers;

/** By ACPI 6.5, 4.8.3. */
class PowerManagementTest {
    private static final int BASE = 0x600;
    private static final int STATUS = BASE, ENABLE = BASE + 2, CONTROL = BASE + 4, TIMER = BASE + 8;
    private static final int GPE_STATUS = BASE + 0x20, GPE_ENABLE = BASE + 0x22;
    private static final int POWER_BUTTON = 1 << 8, RTC = 1 << 10, WAKE = 1 << 15;

    private final FakeClock clock = new FakeClock();
    private final Timers timers = new Timers(clock);
    private final FakeLine sci = new FakeLine();
    private int powerOffs;
    private int hibernations;
    private int suspensions;
    private int wakes;
    private int resets;
    private final PowerManagement pm = new PowerManagement(BASE, timers, sci, new Counter());

    private final class Counter implements PowerSwitch {
        @Override
        public void off() {
            powerOffs++;
        }

        @Override
        public void hibernate() {
            hibernations++;
        }

        @Override
        public void suspend() {
            suspensions++;
        }

        @Override
        public void wake() {
            wakes++;
        }

        @Override
        public void reset() {
            resets++;
        }
    }

    private void suspend() {
        pm.writePort(CONTROL, 2, PowerManagement.SLEEP_S3 << 10 | 1);
        assertEquals(0, suspensions, "not without SLP_EN");
        pm.writePort(CONTROL, 2, PowerManagement.SLEEP_S3 << 10 | 1 << 13 | 1);
        assertEquals(1, suspensions);
        assertTrue(pm.sleeping());
        assertFalse(pm.asleep());
    }

    @Test
    void s4_8_3_2_1_sleepTypesS3AndS4() {
        suspend();
        assertEquals(0, wakes);
        pm.fallenAsleep();
        assertTrue(pm.asleep());
        pm.awake();
        assertFalse(pm.sleeping());
        assertEquals(WAKE, pm.readPort(STATUS, 2));
        assertEquals(0, pm.readPort(CONTROL, 2) & 1 << 13, "SLP_EN reads as zero");
        pm.writePort(STATUS, 2, WAKE);
        assertEquals(0, pm.readPort(STATUS, 2));
        pm.writePort(CONTROL, 2, PowerManagement.SLEEP_S4 << 10 | 1 << 13);
        assertEquals(1, hibernations);
        assertFalse(pm.sleeping());
        assertEquals(0, powerOffs);
    }

    @Test
    void s4_8_3_1_1_powerButton_wakesWhetherEnabledOrNot() {
        suspend();
        pm.fallenAsleep();
        pm.pressPowerButton();
        assertEquals(1, wakes);
        assertTrue(pm.wakes());
        pm.pressPowerButton();
        assertEquals(1, wakes, "once");
        pm.awake();
        assertFalse(pm.wakes());
        assertEquals(WAKE | POWER_BUTTON, pm.readPort(STATUS, 2), "and the guest sees what it was");
    }

    @Test
    void s4_8_2_4_alarm_isAnEventAndWakesWhereEnabled() {
        pm.alarm();
        assertEquals(RTC, pm.readPort(STATUS, 2));
        assertFalse(sci.high);
        pm.writePort(ENABLE, 2, RTC);
        assertTrue(sci.high);
        pm.writePort(STATUS, 2, RTC);
        pm.writePort(ENABLE, 2, 0);
        suspend();
        pm.alarm();
        assertEquals(0, wakes);
        pm.writePort(STATUS, 2, RTC);
        pm.writePort(ENABLE, 2, RTC);
        pm.alarm();
        assertEquals(1, wakes);
    }

    @Test
    void s4_8_4_1_generalPurposeEvent_wakesWhereEnabled() {
        suspend();
        pm.raiseEvent(3);
        assertEquals(0, wakes);
        pm.writePort(GPE_ENABLE, 1, 1 << 4);
        pm.raiseEvent(4);
        assertEquals(1, wakes);
    }

    @Test
    void anEventThatWaitsWhenTheGuestSuspends_wakesAtOnce() {
        pm.writePort(ENABLE, 2, RTC);
        pm.alarm();
        suspend();
        assertTrue(pm.wakes());
    }

    @Test
    void wakeUp_isForWhoSleeps() {
        pm.wakeUp();
        assertEquals(0, wakes);
        suspend();
        pm.wakeUp();
        assertEquals(1, wakes);
        pm.reset();
        assertFalse(pm.sleeping() || pm.wakes());
    }

    @Test
    void sleep_isInTheState() {
        suspend();
        pm.fallenAsleep();
        pm.sleep();
        PmState asleep = pm.save();
        pm.wakeUp();
        PmState waking = pm.save();
        pm.reset();
        pm.restore(asleep);
        assertTrue(pm.asleep());
        assertFalse(pm.wakes());
        pm.restore(waking);
        assertTrue(pm.wakes());
    }

    @Test
    void s4_8_3_2_1_timer_runsAtItsFrequency() {
        assertEquals(0, pm.readPort(TIMER, 4));
        clock.advance(timers, 1_000_000_000L);
        assertEquals(3_579_545, pm.readPort(TIMER, 4));
        assertEquals(3_579_545 & 0xff, pm.readPort(TIMER, 1));
        pm.writePort(TIMER, 4, 0);
        assertEquals(3_579_545, pm.readPort(TIMER, 4), "read-only");
        clock.set(100L * 365 * 86_400 * 1_000_000_000L / 2);
        pm.readPort(TIMER, 4); // 50 years: no overflow, no exception
    }

    @Test
    void s4_8_3_2_1_timer_interruptsWhenItsTopBitChanges() {
        pm.writePort(ENABLE, 2, 1);
        long half = (1L << 31) * 1_000_000_000L / PowerManagement.TIMER_HZ;
        clock.advance(timers, half - 1_000);
        assertFalse(sci.high);
        clock.advance(timers, 3_000);
        assertTrue(sci.high);
        assertEquals(1, pm.readPort(STATUS, 2) & 1);
        pm.writePort(STATUS, 2, 1);
        assertFalse(sci.high);
        clock.advance(timers, half);
        assertTrue(sci.high);
    }

    @Test
    void s4_8_3_2_1_timerStatus_isThereForWhoPollsItWithTheEventDisabled() {
        long half = (1L << 31) * 1_000_000_000L / PowerManagement.TIMER_HZ;
        clock.advance(timers, half + 1_000);
        assertEquals(1, pm.readPort(STATUS, 2) & 1);
        assertFalse(sci.high);
    }

    @Test
    void save_keepsAChangeOfTheTimersTopBitNotYetSeen() {
        long half = (1L << 31) * 1_000_000_000L / PowerManagement.TIMER_HZ;
        clock.set(half + 1_000);
        PmState s = pm.save();
        PowerManagement other = new PowerManagement(BASE, timers, sci, new Counter());
        other.restore(s);
        assertEquals(1, other.readPort(STATUS, 2) & 1);
    }

    @Test
    void s4_8_2_2_1_powerButton_raisesTheSciUntilItsStatusIsCleared() {
        pm.pressPowerButton();
        assertFalse(sci.high, "not enabled");
        assertEquals(POWER_BUTTON, pm.readPort(STATUS, 2));
        pm.writePort(ENABLE, 2, POWER_BUTTON);
        assertTrue(sci.high);
        pm.writePort(STATUS, 2, 1 << 5);
        assertTrue(sci.high, "another bit");
        pm.writePort(STATUS, 2, POWER_BUTTON);
        assertFalse(sci.high);
        assertEquals(0, pm.readPort(STATUS, 2));
    }

    @Test
    void s4_8_3_1_registersTakeBytesAndWords() {
        pm.writePort(ENABLE + 1, 1, 1);
        assertEquals(POWER_BUTTON, pm.readPort(ENABLE, 2));
        pm.pressPowerButton();
        assertEquals(1, pm.readPort(STATUS + 1, 1));
        pm.writePort(STATUS, 4, POWER_BUTTON | 0x20 << 16);
        assertEquals(0, pm.readPort(STATUS, 2));
        assertEquals(0x20, pm.readPort(ENABLE, 2));
        pm.writePort(GPE_ENABLE, 2, 0x1234);
        assertEquals(0x1234, pm.readPort(GPE_ENABLE, 2));
        assertEquals(0x1234 << 16, pm.readPort(GPE_STATUS, 4));
    }

    @Test
    void s4_8_3_2_control_startsInAcpiModeAndSlpEnReadsZero() {
        assertEquals(1, pm.readPort(CONTROL, 2));
        pm.writePort(CONTROL, 2, 1 | 1 << 13);
        assertEquals(1, pm.readPort(CONTROL, 2));
        assertEquals(0, powerOffs, "no S5");
        assertTrue((pm.readPort(STATUS, 2) & 1 << 15) != 0, "awake at once");
    }

    @Test
    void s4_8_3_2_control_s5PowersOff() {
        pm.writePort(CONTROL, 2, 1 | PowerManagement.SLEEP_S5 << 10);
        assertEquals(0, powerOffs, "SLP_EN is not set yet");
        pm.writePort(CONTROL, 2, 1 | PowerManagement.SLEEP_S5 << 10 | 1 << 13);
        assertEquals(1, powerOffs);
    }

    @Test
    void s4_8_3_2_control_byByteWrites() {
        pm.writePort(CONTROL + 1, 1, (PowerManagement.SLEEP_S5 << 10 | 1 << 13) >>> 8);
        assertEquals(1, powerOffs);
    }

    @Test
    void s4_8_3_6_resetRegister() {
        pm.writePort(PowerManagement.RESET_PORT, 1, 2);
        assertEquals(0, resets);
        assertEquals(2, pm.readPort(PowerManagement.RESET_PORT, 1));
        pm.writePort(PowerManagement.RESET_PORT, 1, 6);
        assertEquals(1, resets);
    }

    @Test
    void hostileAccess_throwsNothing() {
        for (int port = BASE; port < BASE + PowerManagement.PORTS; port++) {
            for (int size : new int[] {1, 2, 4}) {
                for (int v : new int[] {0, -1, 0x55555555, 0x2000}) {
                    pm.writePort(port, size, v);
                    pm.readPort(port, size);
                }
            }
        }
    }

    @Test
    void saved_withTheButtonPressed_goesOnInANewOne() {
        pm.writePort(ENABLE, 2, POWER_BUTTON);
        pm.pressPowerButton();
        pm.writePort(GPE_ENABLE, 2, 0x8001);
        pm.writePort(PowerManagement.RESET_PORT, 1, 2);
        FakeLine sci2 = new FakeLine();
        PowerManagement copy = new PowerManagement(BASE, timers, sci2, new Counter());
        copy.restore(pm.save());
        assertTrue(sci2.high);
        assertEquals(0x8001, copy.readPort(GPE_ENABLE, 2));
        assertEquals(2, copy.readPort(PowerManagement.RESET_PORT, 1));
        copy.writePort(STATUS, 2, POWER_BUTTON);
        assertFalse(sci2.high);
    }

    @Test
    void restore_refusesAnUnknownVersion() {
        assertThrows(
                IllegalArgumentException.class, () -> pm.restore(new PmState(1, 0, 0, 0, 0, 0, 0, 0, false, 0, 0)));
    }
}
