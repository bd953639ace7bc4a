package serai.machine.disk;

import java.util.ArrayDeque;
import java.util.Deque;

/** Holds work until it is told to do it. */
public final class HeldIo implements IoExecutor {
    private final Deque<Runnable> held = new ArrayDeque<>();

    /** Whether what needs no waiting may be done at once. */
    public boolean allowsNow;

    @Override
    public boolean allowsNow() {
        return allowsNow;
    }

    @Override
    public Submitted submit(Runnable work, Runnable completion, long due) {
        held.add(() -> {
            work.run();
            completion.run();
        });
        return Submitted.BY_HOST;
    }

    /** Does the first of it. */
    public void doOne() {
        held.remove().run();
    }

    /** Does all of it. */
    public void doAll() {
        Runnable r;
        while ((r = held.poll()) != null) {
            r.run();
        }
    }

    /** How much is held. */
    public int size() {
        return held.size();
    }

    /** Whether nothing is. */
    public boolean isEmpty() {
        return held.isEmpty();
    }
}
