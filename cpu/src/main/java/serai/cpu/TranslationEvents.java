package serai.cpu;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** What JDK Flight Recorder is told of the translator. Without a recording none of its classes is loaded: a start would pay for that. */
final class TranslationEvents {
    private TranslationEvents() {}

    /** A unit has been made. */
    @Name("serai.Translation")
    @Label("Translation")
    @Description("A run of guest instructions has been translated")
    @Category({"Serai", "Translator"})
    @StackTrace(false)
    static final class Translation extends Event {
        @Label("Physical address")
        @Description("Of the first instruction")
        long address;

        @Label("Instructions")
        int instructions;

        @Label("Code")
        @DataAmount
        int bytes;
    }

    /** Code memory is full, or the guest idles. */
    @Name("serai.Eviction")
    @Label("Eviction")
    @Description(
            "A region of code memory has been emptied: the oldest, as there was no room, or any, as the guest idles")
    @Category({"Serai", "Translator"})
    @StackTrace(false)
    static final class Eviction extends Event {
        @Label("Region")
        int region;

        @Label("Idle")
        @Description("Whether it was emptied because the guest idles")
        boolean idle;
    }

    /** The event of a translation that begins now; null if nobody wants it. */
    static @Nullable Translation translation() {
        if (!FlightRecorder.isInitialized()) {
            return null;
        }
        Translation e = new Translation();
        e.begin();
        return e;
    }

    static void evicted(int region, boolean idle) {
        if (FlightRecorder.isInitialized()) {
            Eviction e = new Eviction();
            e.region = region;
            e.idle = idle;
            e.commit();
        }
    }
}
