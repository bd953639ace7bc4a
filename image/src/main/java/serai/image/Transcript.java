package serai.image;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What a program said: enough to tell in a sentence why it failed. */
final class Transcript implements Consumer<String> {
    private static final int LINES = 50;
    private static final int LONGEST = 300;

    private final Deque<String> last = new ArrayDeque<>();
    private @Nullable String error;
    private boolean diskFull;

    @Override
    public void accept(String line) {
        if (line.contains("No space left on device")) {
            diskFull = true;
        }
        // apt and mmdebstrap: the first is the cause, those behind it say who gave up
        if (error == null && line.startsWith("E: ")) {
            error = line.substring(3).strip();
        }
        if (!line.isBlank()) {
            last.add(line.strip());
            if (last.size() > LINES) {
                last.remove();
            }
        }
    }

    /** Whether the host's disk was the reason. */
    boolean diskFull() {
        return diskFull;
    }

    /** The programs' own words for what went wrong, on one line. */
    String error() {
        String e = error != null ? error : last.isEmpty() ? "it said nothing" : last.getLast();
        return e.length() > LONGEST ? e.substring(0, LONGEST) + "…" : e;
    }
}
