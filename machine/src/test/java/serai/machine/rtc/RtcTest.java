package serai.machine.rtc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.machine.FakeLine;
import serai.machine.time.FakeClock;
import serai.machine.time.Timers;

/** By the MC146818A datasheet. */
class RtcTest {
    private static final long SECOND = 1_000_000_000L;
    private static final int A = 0xa, B = 0xb, C = 0xc, D = 0xd, CENTURY = 0x32;

    private final FakeClock clock = new FakeClock();
    private final Timers timers = new Timers(clock);
    private final FakeLine irq = new FakeLine();
    private final Rtc rtc = new Rtc(timers, irq, 512L << 20);

    private static int read(Rtc r, int register) {
        r.writePort(0x70, 1, register);
        return r.readPort(0x71, 1);
    }

    private int read(int register) {
        return read(rtc, register);
    }

    private void write(int register, int value) {
        rtc.writePort(0x70, 1, register);
        rtc.writePort(0x71, 1, value);
    }

    private String date() {
        return "%02x%02x-%02x-%02x %02x:%02x:%02x, day %d"
                .formatted(read(CENTURY), read(9), read(8), read(7), read(4), read(2), read(0), read(6));
    }

    @Test
    void cmos_tellsOfNoMemoryAbove16MiBWhereThereIsNone() {
        Rtc small = new Rtc(timers, irq, 8L << 20);
        assertEquals(0, read(small, 0x34) | read(small, 0x35));
        assertEquals((8 - 1) * 1024, read(small, 0x30) | read(small, 0x31) << 8);
    }

    @Test
    void save_keepsThePhaseOfThePeriodicInterruptAndWhatIsOverdue() {
        write(A, 0x2f); // twice a second
        write(B, 0x42);
        clock.set(300_000_000L);
        RtcState early = rtc.save();
        FakeLine line = new FakeLine();
        Rtc other = new Rtc(timers, line, 512L << 20);
        other.restore(early);
        clock.advance(timers, 200_000_000L);
        assertEquals(1, line.rises, "half a second after it was set, not after it was restored");
        read(other, C);
        clock.set(1_100_000_000L);
        FakeLine late = new FakeLine();
        Rtc third = new Rtc(timers, late, 512L << 20);
        third.restore(other.save());
        timers.runDue();
        assertEquals(1, late.rises);
    }

    @Test
    void date_isTheClocksInBcdAnd24Hours() {
        assertEquals("2026-01-02 03:04:05, day 6", date());
        clock.advance(timers, 86_400 * SECOND + 61 * SECOND);
        assertEquals("2026-01-03 03:05:06, day 7", date());
    }

    @Test
    void registerB_binaryAndTwelveHours() {
        clock.advance(timers, 12 * 3600 * SECOND);
        write(B, 4 | 2);
        assertEquals(15, read(4));
        write(B, 4);
        assertEquals(0x80 | 3, read(4), "3 pm");
        write(B, 0);
        clock.advance(timers, 9 * 3600 * SECOND);
        assertEquals(0x12, read(4), "midnight is 12 am");
    }

    @Test
    void registerB_setStopsTheClockAndTakesADate() {
        write(B, 0x82);
        int[] registers = {CENTURY, 9, 8, 7, 4, 2, 0};
        int[] values = {0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58};
        for (int i = 0; i < registers.length; i++) {
            write(registers[i], values[i]);
        }
        clock.advance(timers, 10 * SECOND);
        assertEquals(0x58, read(0));
        write(B, 2);
        assertEquals("1999-12-31 23:59:58, day 6", date());
        clock.advance(timers, 2 * SECOND);
        assertEquals("2000-01-01 00:00:00, day 7", date());
    }

    @Test
    void registerB_aDateThatDoesNotExistIsIgnored() {
        write(B, 0x82);
        write(8, 0x13);
        write(7, 0xff);
        write(B, 2);
        assertEquals("2026-01-02 03:04:05, day 6", date());
    }

    @Test
    void registerA_updateInProgressBeforeTheSecondEnds() {
        assertEquals(0, read(A) & 0x80);
        clock.advance(timers, SECOND - 100_000);
        assertEquals(0x80, read(A) & 0x80);
        int seconds = read(0);
        clock.advance(timers, 100_001);
        assertEquals(0, read(A) & 0x80);
        assertEquals(seconds + 1, read(0));
    }

    @Test
    void registerB_updateEndedInterrupt_isClearedByReadingC() {
        write(B, 0x12);
        clock.advance(timers, SECOND);
        assertTrue(irq.high);
        assertEquals(0x90, read(C) & 0x90);
        assertFalse(irq.high);
        assertEquals(0, read(C));
        clock.advance(timers, 3 * SECOND);
        assertEquals(2, irq.rises);
    }

    @Test
    void alarm_atTheSecondAndWithDontCareBytes() {
        write(5, 0x03);
        write(3, 0x04);
        write(1, 0x08);
        write(B, 0x22);
        clock.advance(timers, 2 * SECOND);
        assertEquals(0, irq.rises);
        clock.advance(timers, SECOND);
        assertEquals(0xb0, read(C) & 0xb0);
        write(1, 0xff);
        clock.advance(timers, SECOND);
        assertTrue((read(C) & 0x20) != 0, "every second of that minute");
    }

    @ParameterizedTest
    @CsvSource({"1,3906250", "2,7812500", "3,122071", "6,976563", "10,15625000", "15,500000000"})
    void registerA_periodicRates(int rate, long nanos) {
        write(A, 0x20 | rate);
        write(B, 0x42);
        clock.advance(timers, nanos - 1);
        assertEquals(0, irq.rises);
        clock.advance(timers, 1);
        assertEquals(0xc0, read(C) & 0xc0);
        clock.advance(timers, nanos);
        assertEquals(0xc0, read(C) & 0xc0);
    }

    @Test
    void periodic_lateHostsMakeItLateButNeverSlow() {
        write(A, 0x26); // 1,024 times a second
        write(B, 0x42);
        for (int n = 1; n <= 1024; n++) {
            // the interrupt is run a third of a period late each time
            clock.set(n * SECOND / 1024 + 300_000);
            timers.runDue();
            assertEquals(0xc0, read(C) & 0xc0, "period " + n);
        }
        assertEquals(1024, irq.rises);
        clock.set(SECOND + 5 * SECOND / 1024);
        timers.runDue();
        assertEquals(0xc0, read(C));
        assertEquals(1025, irq.rises, "those that nobody had time for are one");
    }

    @Test
    void flags_areThereForAGuestThatPolls() {
        write(5, 0x03);
        write(3, 0x04);
        write(1, 0x07);
        assertEquals(0, read(C));
        clock.set(SECOND);
        assertEquals(0x50, read(C), "an update and a period, no interrupt");
        assertEquals(0, read(C));
        clock.set(2 * SECOND + 1);
        assertEquals(0x70, read(C), "the alarm, too");
        assertEquals(0, irq.rises);
        write(1, 0x06); // tomorrow
        clock.set(90_000 * SECOND);
        assertEquals(0x70, read(C), "somewhere in between");
    }

    @Test
    void alarm_inTwelveHoursAndBinary() {
        write(B, 4);
        write(5, 0x80 | 3);
        write(3, 4);
        write(1, 5);
        write(B, 4 | 0x20);
        clock.advance(timers, 12 * 3600 * SECOND - 1);
        assertEquals(0, irq.rises);
        clock.advance(timers, 1);
        assertEquals(1, irq.rises, "3:04:05 pm");
    }

    @Test
    void alarm_everyDayAnew() {
        write(5, 0x03);
        write(3, 0x04);
        write(1, 0x06);
        write(B, 0x22);
        for (int day = 1; day <= 3; day++) {
            clock.advance(timers, 86_400 * SECOND);
            assertEquals(0xb0, read(C) & 0xb0);
            assertEquals(day, irq.rises);
        }
    }

    @Test
    void registerB_setTurnsTheUpdateInterruptOff() {
        write(B, 0x92);
        assertEquals(0x82, read(B));
        clock.advance(timers, 2 * SECOND);
        assertEquals(0, read(C) & 0x10);
    }

    @Test
    void registerA_theFirstUpdateIsHalfASecondAfterTheDividerIsLetGo() {
        clock.advance(timers, 300_000_000L);
        write(A, 0x76);
        read(C);
        clock.advance(timers, 5 * SECOND);
        assertEquals(0x05, read(0), "held");
        assertEquals(0, read(C));
        write(0, 0x30);
        write(A, 0x26);
        assertEquals(0x30, read(0));
        clock.advance(timers, SECOND / 2 - 1);
        assertEquals(0x30, read(0));
        clock.advance(timers, 1);
        assertEquals(0x31, read(0));
        assertEquals("2026-01-02 03:04:31, day 6", date());
    }

    @Test
    void registerD_theBatteryIsGood() {
        assertEquals(0x80, read(D));
        write(D, 0);
        assertEquals(0x80, read(D));
    }

    @Test
    void cmos_memorySizesAsFirmwareLeavesThem() {
        assertEquals(640, read(0x15) | read(0x16) << 8);
        assertEquals(0xffff, read(0x17) | read(0x18) << 8, "KiB above 1 MiB, at most 64 MiB");
        assertEquals(0xffff, read(0x30) | read(0x31) << 8);
        assertEquals(496 << 4, read(0x34) | read(0x35) << 8, "64-KiB blocks above 16 MiB");
    }

    @Test
    void cmos_keepsWhatTheGuestStores() {
        write(0x40, 0xa5);
        assertEquals(0xa5, read(0x40));
        write(0x40 | 0x80, 0x5a); // bit 7 masks NMIs, not the address
        assertEquals(0x5a, read(0x40));
    }

    @Test
    void hostileAccess_throwsNothing() {
        for (int i = 0; i < 256; i++) {
            for (int v : new int[] {0, 0x7f, 0x80, 0xff, 0x3a}) {
                write(i, v);
                read(i);
                rtc.readPort(0x70, 4);
                rtc.writePort(0x71, 4, -1);
            }
            clock.advance(timers, 1_000_000);
        }
    }

    @Test
    void saved_withASetDateAndAnInterruptWaiting_goesOnInANewOne() {
        write(B, 0x82);
        write(9, 0x30);
        write(B, 0x12);
        clock.advance(timers, 1_300_000_000L);
        assertTrue(irq.high);
        rtc.writePort(0x70, 1, 9);
        RtcState state = rtc.save();

        Timers timers2 = new Timers(clock);
        FakeLine irq2 = new FakeLine();
        Rtc copy = new Rtc(timers2, irq2, 512L << 20);
        copy.restore(state);
        assertEquals(0x30, copy.readPort(0x71, 1), "the register selected");
        assertEquals(0x90, read(copy, C) & 0x90);
        clock.advance(timers2, 699_999_999L);
        assertFalse(irq2.high);
        clock.advance(timers2, 1);
        assertTrue(irq2.high);
    }

    @Test
    void restore_refusesAnUnknownVersion() {
        assertThrows(
                IllegalArgumentException.class,
                () -> rtc.restore(new RtcState(9, 0, new byte[128], 0, 0, 0, false, 0, 0)));
        assertThrows(
                IllegalArgumentException.class,
                () -> rtc.restore(new RtcState(2, 0, new byte[64], 0, 0, 0, false, 0, 0)));
    }
}
