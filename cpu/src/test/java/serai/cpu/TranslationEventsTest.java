package serai.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A recording of JDK Flight Recorder has the units that were made meanwhile, and the evictions. */
final class TranslationEventsTest {
    private static final int SMALL = 192 << 10;
    private static final int PROGRAMS = 300;

    @Test
    void aRecordingHasTheUnitsAndTheEvictions(@TempDir Path directory) throws Exception {
        assumeTrue(TranslationMode.obstacle().isEmpty(), "capability: translation");
        Path file = directory.resolve("recording.jfr");
        long units;
        long evictions;
        long idle;
        try (Recording recording = new Recording();
                Lockstep lockstep = new Lockstep(SMALL)) {
            recording.enable("serai.Translation").withoutThreshold();
            recording.enable("serai.Eviction");
            recording.start();
            for (int i = 0; i < PROGRAMS; i++) {
                assertEquals("", lockstep.run(20261125L + i));
            }
            recording.stop();
            recording.dump(file);
            units = lockstep.units();
            evictions = lockstep.evictions();
            idle = lockstep.idleEvictions();
        }
        List<RecordedEvent> events = RecordingFile.readAllEvents(file);
        List<RecordedEvent> made = events.stream()
                .filter(e -> e.getEventType().getName().equals("serai.Translation"))
                .toList();
        assertEquals(units, made.size());
        for (RecordedEvent e : made) {
            int instructions = e.getInt("instructions");
            assertTrue(instructions > 0 && instructions <= TranslationUnit.MAX, e::toString);
            assertTrue(e.getInt("bytes") > instructions, e::toString);
        }
        assertTrue(evictions > 0, "none");
        assertEquals(evictions, evictions(events, false));
        assertTrue(idle > 0, "none while idle");
        assertEquals(idle, evictions(events, true));
    }

    private static long evictions(List<RecordedEvent> events, boolean idle) {
        return events.stream()
                .filter(e -> e.getEventType().getName().equals("serai.Eviction") && e.getBoolean("idle") == idle)
                .count();
    }
}
