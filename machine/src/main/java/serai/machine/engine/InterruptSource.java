package serai.machine.engine;

/** One vCPU's view of its interrupt controllers. Thread-safe; the checks are cheap enough for every basic block. */
public interface InterruptSource {
    /**
     * Whether something waits for the CPU that it could take now: an external interrupt above the task priority, an
     * NMI, INIT or SIPI. IF and shadows are the CPU's own affair.
     */
    boolean pending();

    /** Whether an external (maskable) interrupt above the task priority waits. */
    boolean externalPending();

    /** Takes the highest external interrupt into service: its vector, 0 to 255, or -1 if it has gone. */
    int acknowledge();

    /** Takes a waiting NMI; false if there is none. */
    boolean takeNmi();

    /** Takes a waiting INIT; false if there is none. */
    boolean takeInit();

    /** Takes a waiting start-up IPI: its vector, or -1 if there is none. Only a vCPU that waits for one asks. */
    int takeStartup();

    /** CR8: the task-priority class, 0 to 15. */
    int taskPriority();

    /** Sets CR8. */
    void taskPriority(int priority);

    /** Runs {@code action}, from any thread, when {@link #pending} may have become true. At most one listener. */
    void onPending(Runnable action);
}
