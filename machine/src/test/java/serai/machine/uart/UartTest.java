package serai.machine.uart;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import serai.machine.FakeLine;
import serai.machine.time.FakeClock;
import serai.machine.time.Timers;

/** By the PC16550D datasheet. */
class UartTest {
    private static final int BASE = 0x3f8;
    private static final int DATA = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7;
    private static final int OUT2 = 8, LOOP = 0x10;

    private final FakeClock clock = new FakeClock();
    private final Timers timers = new Timers(clock);
    private final FakeLine irq = new FakeLine();
    private final ByteArrayOutputStream sent = new ByteArrayOutputStream();
    private final Uart uart = new Uart("uart0", BASE, timers, irq, sent::write);

    private void out(int register, int value) {
        uart.writePort(BASE + register, 1, value);
    }

    private int in(int register) {
        return uart.readPort(BASE + register, 1);
    }

    private int receive(String s) {
        byte[] b = s.getBytes(StandardCharsets.ISO_8859_1);
        return uart.receive(b, 0, b.length);
    }

    @Test
    void transmitter_isEmptyAtOnce() {
        assertEquals(0x60, in(LSR));
        out(DATA, 'h');
        out(DATA, 0xe9);
        assertEquals("h\u00e9", sent.toString(StandardCharsets.ISO_8859_1));
        assertEquals(0x60, in(LSR));
    }

    @Test
    void listening_fromTheReceiveInterruptOrByPolling() {
        int[] told = {0};
        uart.onRoom(() -> told[0]++);
        assertFalse(uart.listening());
        out(IER, 1);
        assertFalse(uart.listening());
        UartState settling = uart.save();
        clock.advance(timers, 1_000_000);
        timers.runDue();
        assertTrue(uart.listening());
        assertEquals(1, told[0]);
        uart.restore(settling);
        assertFalse(uart.listening());
        timers.runDue();
        assertTrue(uart.listening());
        out(IER, 0);
        assertFalse(uart.listening());
        for (int i = 0; i < 100; i++) {
            in(LSR); // a console that sends looks at the same register
            out(DATA, 'x');
        }
        assertFalse(uart.listening());
        for (int i = 0; i < 15; i++) {
            in(LSR);
        }
        assertFalse(uart.listening());
        UartState waiting = uart.save();
        told[0] = 0;
        in(LSR);
        assertTrue(uart.listening());
        assertEquals(1, told[0]);
        uart.restore(waiting);
        assertFalse(uart.listening());
        in(LSR);
        assertTrue(uart.listening());
    }

    @Test
    void divisorLatch_hidesDataAndInterruptEnable() {
        out(IER, 5);
        out(LCR, 0x83);
        out(DATA, 0x34);
        out(IER, 0x12);
        assertEquals(0x34, in(DATA));
        assertEquals(0x12, in(IER));
        out(LCR, 3);
        assertEquals(5, in(IER));
        assertEquals(3, in(LCR));
        assertEquals(0, sent.size());
    }

    @Test
    void scratchRegister_isHowA8250IsToldFromNothing() {
        out(SCR, 0xa5);
        assertEquals(0xa5, in(SCR));
    }

    @Test
    void iir_tellsA16550AOnceFifosAreOn() {
        assertEquals(0x01, in(IIR));
        out(FCR, 1);
        assertEquals(0xc1, in(IIR));
    }

    @Test
    void ier_enablingTheTransmitterInterruptRaisesItAndReadingIirClearsIt() {
        out(MCR, OUT2);
        out(IER, 2);
        assertTrue(irq.high);
        assertEquals(2, in(IIR) & 15);
        assertFalse(irq.high);
        assertEquals(1, in(IIR) & 15);
        out(DATA, 'x');
        assertTrue(irq.high, "sent already");
        out(IER, 0);
        assertFalse(irq.high);
        out(IER, 2);
        assertTrue(irq.high, "Linux tests for this");
    }

    @Test
    void mcr_out2GatesTheInterrupt() {
        out(IER, 2);
        assertFalse(irq.high);
        out(MCR, OUT2);
        assertTrue(irq.high);
    }

    @Test
    void receiver_withoutFifoTakesOneByte() {
        out(MCR, OUT2);
        out(IER, 1);
        assertEquals(1, receive("ab"));
        assertEquals(0x61, in(LSR));
        assertEquals(4, in(IIR) & 15);
        assertTrue(irq.high);
        assertEquals('a', in(DATA));
        assertFalse(irq.high);
        assertEquals(0x60, in(LSR));
        assertEquals(0, in(DATA));
    }

    @Test
    void receiver_fifoTakesSixteenAndAsksForMoreWhenEmpty() {
        int[] asked = {0};
        out(FCR, 1);
        uart.onRoom(() -> asked[0]++);
        assertEquals(16, uart.room());
        assertEquals(16, receive("0123456789abcdefXYZ"));
        assertEquals(0, uart.room());
        assertEquals(0, receive("X"));
        for (char c : "0123456789abcde".toCharArray()) {
            assertEquals(c, in(DATA));
        }
        assertEquals(0, asked[0]);
        assertEquals('f', in(DATA));
        assertEquals(1, asked[0]);
        assertEquals(0x60, in(LSR), "no overrun: the line waits");
    }

    @ParameterizedTest
    @CsvSource({"0x01,1", "0x41,4", "0x81,8", "0xc1,14"})
    void receiver_triggerLevelsAndTimeout(String fcr, int level) {
        out(MCR, OUT2);
        out(IER, 1);
        out(FCR, Integer.decode(fcr));
        for (int i = 1; i < level; i++) {
            receive("x");
            assertEquals(0xc, in(IIR) & 15, "timeout: below the trigger");
        }
        receive("x");
        assertEquals(4, in(IIR) & 15);
        for (int i = 0; i < level; i++) {
            assertTrue(irq.high, "down to the last byte");
            in(DATA);
        }
        assertFalse(irq.high);
    }

    @Test
    void fcr_clearsTheReceiver() {
        out(FCR, 1);
        receive("abc");
        out(FCR, 3);
        assertEquals(0x60, in(LSR));
        assertEquals(0xc1, in(IIR), "the clear bits clear themselves");
    }

    @Test
    void iir_lineStatusComesBeforeDataBeforeTransmitter() {
        out(MCR, LOOP);
        out(IER, 7);
        out(DATA, 'a');
        out(DATA, 'b'); // overrun: no FIFO
        assertEquals(6, in(IIR) & 15);
        assertEquals(0x63, in(LSR));
        assertEquals(4, in(IIR) & 15);
        assertEquals('a', in(DATA));
        assertEquals(2, in(IIR) & 15);
        assertEquals(1, in(IIR) & 15);
    }

    @Test
    void mcr_loopBackConnectsOutputsToInputs() {
        assertEquals(0xb0, in(MSR), "carrier, ready, clear to send");
        out(MCR, LOOP | 0xa);
        assertEquals(0x90, in(MSR) & 0xf0, "Linux finds the chip by this");
        out(MCR, LOOP | 0x5);
        assertEquals(0x60, in(MSR) & 0xf0);
        out(DATA, 0x5a);
        assertEquals(0x5a, in(DATA));
        assertEquals(0, sent.size());
        assertEquals(0, uart.room(), "the line is cut");
    }

    @Test
    void hostileAccess_throwsNothing() {
        uart.onRoom(() -> receive("some more input"));
        for (int round = 0; round < 4; round++) {
            for (int register = 0; register < 8; register++) {
                for (int v = 0; v < 256; v++) {
                    out(register, v);
                    in(v & 7);
                    uart.readPort(BASE + register, 4);
                    uart.writePort(BASE + register, 2, -1);
                }
            }
        }
    }

    @Test
    void saved_withInputWaitingAndAnInterruptRaised_goesOnInANewOne() {
        out(MCR, OUT2);
        out(FCR, 0x81);
        out(IER, 3);
        out(SCR, 0x77);
        receive("abcdefghij");
        assertTrue(irq.high);
        UartState state = uart.save();
        FakeLine irq2 = new FakeLine();
        Uart copy = new Uart("uart0", BASE, timers, irq2, b -> {});
        copy.restore(state);
        assertTrue(irq2.high);
        assertEquals(4, copy.readPort(BASE + IIR, 1) & 15);
        for (char c : "abcdefghij".toCharArray()) {
            assertEquals(c, copy.readPort(BASE, 1));
        }
        assertEquals(2, copy.readPort(BASE + IIR, 1) & 15, "the transmitter's waits behind");
        assertFalse(irq2.high);
        assertEquals(0x77, copy.readPort(BASE + SCR, 1));
        assertEquals('a', in(DATA), "the record shares nothing");
    }

    @Test
    void restore_refusesWhatIsNotAState() {
        assertThrows(
                IllegalArgumentException.class,
                () -> uart.restore(new UartState(2, new byte[8], new byte[0], false, false, 0, Long.MAX_VALUE)));
        assertThrows(
                IllegalArgumentException.class,
                () -> uart.restore(new UartState(1, new byte[8], new byte[17], false, false, 0, Long.MAX_VALUE)));
    }
}
