package serai.vmm.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import serai.storage.throttle.Limit;
import serai.storage.throttle.Limits;

class LimitWordsTest {
    private static Limits of(Object... words) {
        LimitWords w = new LimitWords();
        for (int i = 0; i < words.length; i += 2) {
            assertTrue(LimitWords.isName((String) words[i]), (String) words[i]);
            w.take((String) words[i], (int) words[i + 1]);
        }
        return w.limits();
    }

    @Test
    void allNamesOfQemuAndTheShortOnes() {
        Limits all = new Limits(
                Limit.NONE,
                new Limit(1, 2, 3),
                Limit.of(4),
                new Limit(5, 6, 1),
                Limit.NONE,
                Limit.NONE,
                7,
                new Limit(8, 9, 10));
        assertEquals(
                all,
                of(
                        "throttling.bps-read",
                        1,
                        "throttling.bps-read-max",
                        2,
                        "throttling.bps-read-max-length",
                        3,
                        "throttling.bps-write",
                        4,
                        "throttling.iops-total",
                        5,
                        "throttling.iops-total-max",
                        6,
                        "throttling.iops-size",
                        7,
                        "throttling.iops-normalized",
                        8,
                        "throttling.iops-normalized-max",
                        9,
                        "throttling.iops-normalized-max-length",
                        10));
        assertEquals(
                all,
                of(
                        "bps_rd",
                        1,
                        "bps_rd_max",
                        2,
                        "bps_rd_max_length",
                        3,
                        "bps_wr",
                        4,
                        "iops",
                        5,
                        "iops_max",
                        6,
                        "iops_size",
                        7,
                        "iops-normalized",
                        8,
                        "iops-normalized-max",
                        9,
                        "iops-normalized-max-length",
                        10));
        for (String n : LimitWords.qmpNames()) {
            assertTrue(LimitWords.isName(n.replaceFirst("^x-", "")), n);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "bps-",
                "bps-length",
                "bps-normalized",
                "bps-size",
                "iops-sizes",
                "throttling.",
                "throttling.id",
                "iops-total-",
                "iops-max-max",
                "xiops"
            })
    void otherNamesAreNone(String name) {
        assertFalse(LimitWords.isName(name));
    }

    @Test
    void whatIsWrongIsSaidWithItsName() {
        assertEquals(
                "iops-read: a burst of 5 a second is lower than the limit of 6",
                assertThrows(IllegalArgumentException.class, () -> of("iops-read", 6, "iops-read-max", 5))
                        .getMessage());
    }
}
