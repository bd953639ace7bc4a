package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A stock Debian kernel on a machine with an HPET. */
@Tag("e2e")
final class HpetTest {
    @Test
    void theKernelTicksByItAndTellsTimeByIt() throws Exception {
        try (Vmm v = Vmm.start(Tiny.words("hpet=true", "append=console=ttyS0 clocksource=hpet"))) {
            Tiny.awaitShell(v);
            String log = Tiny.shell(v, "dmesg | grep -i hpet");
            assertTrue(log.contains("hpet0: at MMIO 0xfed00000, IRQs 2, 8"), log);
            assertTrue(log.contains("hpet0: 8 comparators, 64-bit 100.000000 MHz counter"), log);
            assertEquals("hpet", Tiny.shell(v, "cat /sys/devices/system/clocksource/clocksource0/current_clocksource"));
            String interrupts = Tiny.shell(v, "grep -w timer /proc/interrupts");
            int first = Integer.parseInt(interrupts.strip().split("\\s+")[1]);
            assertTrue(first > 0, () -> "IRQ 0 by the HPET in the 8254's place: " + interrupts);
            assertEquals("on", Tiny.shell(v, "a=$(date +%s); sleep 2; [ $(date +%s) -gt $a ] && echo on"));
            v.type("poweroff -f\n");
            assertEquals(0, v.await(60).status());
        }
    }
}
