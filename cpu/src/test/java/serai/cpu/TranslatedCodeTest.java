package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Units go with each page that they have bytes of. */
final class TranslatedCodeTest {
    private static final int HOW = 1;
    private static final int LAST = 0xffc;
    private static final long ENTRY = 0x100;

    private final TranslatedCode units = new TranslatedCode();

    /** A unit of one instruction at the end of a page that ends in another. */
    private void across(int how, int place, long page, long next) {
        TranslatedCode.Page p = units.getOrCreate(page);
        p.of(how).entry(place, ENTRY);
        p.tail(how, place, next << 12);
        units.getOrCreate(next).reachedFrom(page);
    }

    /** The pages that have no units any more. */
    private List<Long> drop(long page) {
        List<Long> gone = new ArrayList<>();
        units.drop(page, gone::add);
        return gone;
    }

    private long code(int how, long page, int place) {
        TranslatedCode.Page p = units.get(page);
        return p == null ? 0 : p.code(how, place);
    }

    @Test
    void aUnitGoesWithEitherOfItsPages() {
        across(HOW, LAST, 5, 6);
        assertEquals(ENTRY, code(HOW, 5, LAST));
        assertEquals(List.of(6L, 5L), drop(6));
        assertEquals(0, code(HOW, 5, LAST));
        across(HOW, LAST, 5, 6);
        assertEquals(List.of(5L), drop(5));
        assertNull(units.get(5));
        assertEquals(List.of(), drop(5));
    }

    @Test
    void aPageThatIsEmptiedForItsNeighbourKnowsWhoReachesIntoIt() {
        across(HOW, LAST, 4, 5);
        across(HOW, LAST, 5, 6);
        drop(6);
        assertEquals(0, code(HOW, 5, LAST));
        assertEquals(ENTRY, code(HOW, 4, LAST), "its bytes have not changed");
        drop(5);
        assertEquals(0, code(HOW, 4, LAST));
    }

    @Test
    void eachInstructionAtThePagesEndHasASecondPageOfItsOwn() {
        across(HOW, LAST, 4, 5);
        across(HOW, LAST + 1, 4, 6);
        across(HOW + 1, LAST, 4, 7);
        TranslatedCode.Page p = units.get(4);
        assertNotNull(p);
        assertEquals(5 << 12, p.tail(HOW, LAST));
        assertEquals(6 << 12, p.tail(HOW, LAST + 1));
        assertEquals(7 << 12, p.tail(HOW + 1, LAST));
        assertEquals(-1, p.tail(HOW, LAST - 1));
    }
}
