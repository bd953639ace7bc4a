package serai.machine;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What the host does to the machine from outside, on its way in: lines of text, so that the input log holds them as they are. Guarded by the
 * machine lock.
 */
final class HostEvents {
    static final String POWER_BUTTON = "power-button";
    static final String RESET_BUTTON = "reset-button";
    static final String WAKE_UP = "wake-up";

    private final Deque<String> waiting = new ArrayDeque<>();
    private Consumer<String> handler = event -> {
        throw new IllegalArgumentException("nobody here does '" + event + "'");
    };

    private final Map<String, Consumer<String>> byWord = new HashMap<>();

    /** Who does those that begin with a word; it is given the rest. */
    void handler(String word, Consumer<String> h) {
        byWord.put(word, h);
    }

    void handler(Consumer<String> h) {
        handler = h;
    }

    /** Does one that is not the machine's own. */
    void handle(String event) {
        int space = event.indexOf(' ');
        Consumer<String> own = space < 0 ? null : byWord.get(event.substring(0, space));
        if (own != null) {
            own.accept(event.substring(space + 1));
        } else {
            handler.accept(event);
        }
    }

    void add(String event) {
        if (event.indexOf('\n') >= 0) {
            throw new IllegalArgumentException("an event of the host is one line");
        }
        waiting.add(event);
    }

    /** A reset: a button that was pressed before is not pressed after; what is on its way to be plugged is. */
    void reset() {
        waiting.removeIf(e -> e.equals(POWER_BUTTON) || e.equals(RESET_BUTTON) || e.equals(WAKE_UP));
    }

    /** Forgets all: those of another life of the machine. */
    void clear() {
        waiting.clear();
    }

    boolean none() {
        return waiting.isEmpty();
    }

    /** Those that wait, in their order; each is gone before it is done. */
    void takeAll(Consumer<String> action) {
        String e;
        while ((e = waiting.poll()) != null) {
            action.accept(e);
        }
    }
}
