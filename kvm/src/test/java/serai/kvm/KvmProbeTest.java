package serai.kvm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class KvmProbeTest {
    @Test
    void measure_isQuickAndSaysWhy() {
        KvmProbe.measure(); // classes
        long start = System.nanoTime();
        KvmProbe p = KvmProbe.measure();
        long millis = (System.nanoTime() - start) / 1_000_000;
        System.out.println(p + " in " + millis + " ms");
        assertTrue(millis < 150, millis + " ms");
        assertFalse(p.reason().isBlank());
        assertEquals(p.present(), p.mips() > 0);
        assertTrue(p.present() || !p.available());
        assertTrue(!p.available() || p.mips() >= KvmProbe.WORTHWHILE_MIPS);
    }
}
