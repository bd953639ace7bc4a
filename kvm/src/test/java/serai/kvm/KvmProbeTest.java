package serai.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class KvmProbeTest {
    @Test
    void measure_isQuickAndSaysWhy() {
        long millis = Long.MAX_VALUE;
        KvmProbe p = KvmProbe.measure();
        for (int i = 0; i < 20 && millis >= 150; i++) { // the best of some: other tests keep the host busy
            long start = System.nanoTime();
            p = KvmProbe.measure();
            millis = Math.min(millis, (System.nanoTime() - start) / 1_000_000);
        }
        assertTrue(millis < 150, millis + " ms");
        assertFalse(p.reason().isBlank());
        assertEquals(p.present(), p.mips() > 0);
        assertTrue(p.present() || !p.available());
        assertTrue(!p.available() || p.mips() >= KvmProbe.WORTHWHILE_MIPS);
    }
}
