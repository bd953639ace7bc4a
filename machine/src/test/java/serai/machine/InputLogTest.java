package serai.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** A log in memory, for a machine that goes back. */
final class InputLogTest {
    private static InputLog log() {
        InputLog log = InputLog.remember();
        log.note(100, 500, new byte[] {1});
        log.note(200, 1000, "power-button");
        return log;
    }

    @Test
    void whatCameInComesInAgainAtItsMoment() {
        InputLog log = log();
        assertEquals(2, log.position());
        assertNull(log.due(300, 1500));
        log.back(0, 300, 1500);
        assertEquals(100, log.next());
        assertNull(log.due(99, 495));
        assertInstanceOf(InputLog.Typed.class, log.due(100, 500));
        assertNull(log.due(100, 500));
        assertEquals(200, log.next());
        assertEquals(new InputLog.Event(200, 1000, "power-button"), log.due(200, 1000));
        assertEquals(Long.MAX_VALUE, log.next());
    }

    @Test
    void momentsBeforeTheOneThatWasLeftArePast() {
        InputLog log = log();
        assertFalse(log.past(200, 1000));
        log.back(1, 300, 1500);
        assertTrue(log.past(200, 1000));
        log.due(200, 1000);
        assertTrue(log.past(299, 1495));
        assertTrue(log.past(300, 1499));
        assertFalse(log.past(300, 1500));
        // going back from the past does not make the past end there
        log.back(1, 250, 1250);
        log.due(200, 1000);
        assertTrue(log.past(299, 1495));
    }

    @Test
    void afterAChangeWhatCameInLaterIsForgotten() {
        InputLog log = log();
        log.back(1, 300, 1500);
        log.forget(1, 150, 750);
        assertFalse(log.past(150, 750));
        assertEquals(Long.MAX_VALUE, log.next());
        log.note(160, 800, new byte[] {2});
        assertEquals(2, log.position());
    }

    @Test
    void aLogThatDoesNotRememberKeepsNothing() {
        InputLog log = InputLog.none();
        log.note(100, 500, new byte[] {1});
        assertEquals(0, log.position());
    }
}
