package serai.machine.disk;

/** Runs the work of devices that would make a vCPU wait. */
public interface IoExecutor {
    /**
     * Work under way.
     *
     * @param due when the completion will run, on the guest clock; 0 if that depends on the host
     * @param withdraw called with the machine lock when the completion has nothing to do any more: it need not run
     */
    record Submitted(long due, Runnable withdraw) {
        /** Done when the host has done it. */
        public static final Submitted BY_HOST = new Submitted(0, () -> {});
    }

    /** Whether work that needs no waiting may be done, and completed, at once in place of {@link #submit}. */
    default boolean allowsNow() {
        return false;
    }

    /**
     * Runs {@code work} without the machine lock, then {@code completion} with it.
     *
     * @param due when the completion is due on the guest clock, for work taken over from a saved state; 0 for new work
     */
    Submitted submit(Runnable work, Runnable completion, long due);

    /**
     * Runs something that waits for work. The caller holds the machine lock, which is given up meanwhile where work is done by others: they and the
     * rest of the machine go on.
     */
    default void apart(Runnable wait) {
        wait.run();
    }
}
