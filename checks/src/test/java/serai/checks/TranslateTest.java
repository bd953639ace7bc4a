package serai.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import serai.cpu.TranslationMode;

/** Whether code is translated is what was asked for. */
@Tag("e2e")
final class TranslateTest {
    /** Less than codegen.s makes in a round or two. */
    private static final int CODE_BYTES = 256 << 10;

    private static Vmm.Result run(String... words) throws Exception {
        return run(Guests.named("hello64"), words);
    }

    private static Vmm.Result run(Guest guest, String... words) throws Exception {
        List<String> w = new ArrayList<>(List.of(
                "kernel=" + Guests.binary(guest),
                "memory=64M",
                "serial=null",
                "debugcon=stdio",
                "debug-exit=0xf4",
                "stats=true",
                "timeout=60"));
        w.addAll(guest.options());
        w.addAll(List.of(words));
        Vmm.Result r = Vmm.run(w);
        if (r.status() != 2) {
            assertEquals(guest.transcript(), r.out(), r.err());
            assertEquals(guest.status(), r.status(), r.err());
        }
        return r;
    }

    @Test
    void offInterpretsAll() throws Exception {
        Vmm.Result r = run("engine=java,translate=off");
        assertTrue(r.err().startsWith("serai: engine java: as asked for\n"), r.err());
        assertTrue(!r.err().contains("units"), r.err());
    }

    @Test
    void autoTranslatesWhereItCan() throws Exception {
        Vmm.Result r = run("engine=java,translate=auto");
        boolean can = TranslationMode.obstacle().isEmpty();
        assertEquals(!can, r.err().contains("it interprets: "), r.err());
        assertEquals(can, r.err().contains("serai: exits units "), r.err());
    }

    @Test
    void onTranslates() throws Exception {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        Vmm.Result r = run("engine=java,translate=on");
        assertTrue(r.err().matches("(?s).*serai: exits units [1-9].*"), r.err());
    }

    @Test
    void whatCountsInstructionsIsInterpreted() throws Exception {
        Vmm.Result r = run("engine=java,translate=on", "deterministic=1");
        assertEquals(2, r.status(), r.err());
        assertTrue(r.lastError().contains("don't go with translate=on"), r.err());
        r = run("engine=java,translate=auto", "deterministic=1");
        assertTrue(!r.err().contains("units"), r.err());
    }

    @Test
    void vcpusThatUseUpTheCodeMemoryTogetherGoOnRight() throws Exception {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        String property = "serai.translate.bytes";
        String before = System.getProperty(property, "");
        System.setProperty(property, Integer.toString(CODE_BYTES));
        try {
            Vmm.Result r = run(Guests.named("codegen"), "engine=java,translate=on");
            assertTrue(r.err().matches("(?s).*serai: exits code-evictions [1-9].*"), r.err());
        } finally {
            System.setProperty(property, before);
        }
    }
}
