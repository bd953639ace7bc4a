package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class Atomic16Test {
    private final MemorySegment memory = Arena.ofAuto().allocate(32, 16);
    private final Atomic16 atomic = new Atomic16();

    @BeforeEach
    void onAHostThatCan() {
        assumeTrue(Atomic16.COMPARES, "capability: x86-64");
    }

    private long at(long offset) {
        return memory.get(ValueLayout.JAVA_LONG, offset);
    }

    @Test
    void setsBothHalvesIfBothAreAsExpected() {
        memory.set(ValueLayout.JAVA_LONG, 0, 1);
        memory.set(ValueLayout.JAVA_LONG, 8, -2);
        assertTrue(atomic.compareAndSet(memory.address(), 1, -2, 0x1111_2222_3333_4444L, Long.MIN_VALUE));
        assertEquals(0x1111_2222_3333_4444L, at(0));
        assertEquals(Long.MIN_VALUE, at(8));
        assertEquals(0, at(16));
    }

    @Test
    void tellsWhatItFoundAndChangesNothingOtherwise() {
        memory.set(ValueLayout.JAVA_LONG, 0, 5);
        memory.set(ValueLayout.JAVA_LONG, 8, 6);
        assertFalse(atomic.compareAndSet(memory.address(), 5, 7, 8, 9));
        assertFalse(atomic.compareAndSet(memory.address(), 4, 6, 8, 9));
        assertEquals(5, atomic.foundLow());
        assertEquals(6, atomic.foundHigh());
        assertEquals(5, at(0));
        assertEquals(6, at(8));
    }

    @Test
    void isAtomicBetweenThreads() throws InterruptedException {
        Runnable count = () -> {
            Atomic16 mine = new Atomic16();
            for (int i = 0; i < 100_000; i++) {
                long low = at(0);
                long high = at(8);
                while (!mine.compareAndSet(memory.address(), low, high, low + 1, high - 1)) {
                    low = mine.foundLow();
                    high = mine.foundHigh();
                }
            }
        };
        Thread other = Thread.ofPlatform().start(count);
        count.run();
        other.join();
        assertEquals(200_000, at(0));
        assertEquals(-200_000, at(8));
    }

    @Test
    void refusesAnAddressThatIsNotAligned() {
        assertThrows(IllegalStateException.class, () -> atomic.compareAndSet(memory.address() + 8, 0, 0, 0, 0));
    }

    @Test
    void movesAreInOnePiece() throws InterruptedException {
        assumeTrue(Atomic16.MOVES, "capability: avx");
        Thread writer = Thread.ofPlatform().start(() -> {
            Atomic16 mine = new Atomic16();
            for (long i = 0; i < 1_000_000; i++) {
                mine.store(memory.address(), i, ~i);
            }
            mine.store(memory.address(), -1, 0);
        });
        do {
            atomic.load(memory.address());
            if (atomic.foundHigh() != 0) {
                assertEquals(~atomic.foundLow(), atomic.foundHigh());
            }
        } while (atomic.foundLow() != -1);
        writer.join();
        assertEquals(0, atomic.foundHigh());
    }
}
