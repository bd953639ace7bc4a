package serai.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

final class ThrottleTest {
    private final BlockingQueue<Long> passed = new LinkedBlockingQueue<>();
    private final Semaphore periods = new Semaphore(0);
    private final Semaphore waiting = new Semaphore(0);
    private final Throttle throttle = new Throttle(passed::add, () -> {
        waiting.release();
        periods.acquire();
    });

    @Test
    @Timeout(60)
    void theFirstAtOnce_thenTheLastOfAPeriod() throws InterruptedException {
        throttle.accept(1);
        assertEquals(1, passed.take());
        throttle.accept(2);
        throttle.accept(3);
        waiting.acquire();
        assertTrue(passed.isEmpty());
        periods.release();
        assertEquals(3, passed.take());
        waiting.acquire();
        throttle.accept(3); // as it was
        periods.release();
        throttle.accept(4); // in the period's last moment, or after it
        periods.release();
        assertEquals(4, passed.take());
        assertTrue(passed.isEmpty());
    }
}
