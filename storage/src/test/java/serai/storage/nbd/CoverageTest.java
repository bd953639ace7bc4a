package serai.storage.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CoverageTest {
    @Test
    void agreesWithAModel() {
        long seed = 20261204;
        Random random = new Random(seed);
        for (int round = 0; round < 2000; round++) {
            int size = 1 + random.nextInt(40);
            Coverage coverage = new Coverage(1000, size);
            BitSet model = new BitSet();
            for (int i = 0; i < 60 && model.cardinality() < size; i++) {
                int at = random.nextInt(size + 4) - 2;
                int n = random.nextInt(6);
                boolean wrong = n == 0
                        || at < 0
                        || at + n > size
                        || !model.get(Math.max(0, at), Math.max(0, at + n)).isEmpty();
                String what = "seed %d, round %d: %s, %d+%d".formatted(seed, round, model, at, n);
                boolean refused;
                try {
                    coverage.add(1000 + at, n);
                    refused = false;
                } catch (Violation e) {
                    refused = true;
                }
                assertEquals(wrong, refused, what);
                if (!wrong) {
                    model.set(at, at + n);
                }
                assertEquals(model.cardinality() == size, coverage.isComplete(), what);
            }
        }
    }

    @Test
    void rangesPastTheEndOfNumbersAreRefused() {
        Coverage coverage = new Coverage(1000, 512);
        assertThrows(Violation.class, () -> coverage.add(1001, Long.MAX_VALUE));
        assertThrows(Violation.class, () -> coverage.add(-1, 512));
        assertThrows(Violation.class, () -> coverage.add(Long.MIN_VALUE, 1));
        assertTrue(!coverage.isComplete());
    }

    @Test
    void partsHereAndThereAreBounded() throws Violation {
        Coverage coverage = new Coverage(0, 1 << 20);
        for (int i = 0; i < 4096; i++) {
            coverage.add(2 * i + 1, 1);
        }
        Violation e = assertThrows(Violation.class, () -> coverage.add(10_001, 1));
        assertEquals("a reply in too many parts", e.getMessage());
    }
}
