package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PageMailTest {
    private final PageMail mail = new PageMail();
    private final List<Long> got = new ArrayList<>();
    private int tooMany;

    private void drain() {
        mail.drain(got::add, () -> tooMany++);
    }

    @Test
    void givesWhatWasLeftOnceAndInOrder() {
        mail.add(7);
        mail.add(3);
        drain();
        drain();
        assertEquals(List.of(7L, 3L), got);
        assertTrue(mail.isEmpty());
    }

    @Test
    void isEmptyOnlyWhenAllHasBeenDealtWith() {
        mail.add(1);
        mail.drain(page -> assertFalse(mail.isEmpty()), () -> tooMany++);
        assertTrue(mail.isEmpty());
    }

    @Test
    void keepsWhatComesWhileItIsDealtWith() {
        mail.add(1);
        mail.drain(page -> mail.add(2), () -> tooMany++);
        assertFalse(mail.isEmpty());
        drain();
        assertEquals(List.of(2L), got);
    }

    @Test
    void saysThatThereWereTooMany() {
        for (long p = 0; p < 10_000; p++) {
            mail.add(p);
        }
        drain();
        assertEquals(1, tooMany);
        assertEquals(List.of(), got);
        assertTrue(mail.isEmpty());
        mail.add(5);
        drain();
        assertEquals(List.of(5L), got);
    }
}
