package serai.machine.disk;

/** Runs the work of devices that would make a vCPU wait. */
public interface IoExecutor {
    /**
     * Runs {@code work} without the machine lock, then {@code completion} with it.
     *
     * @param due when the completion is due on the guest clock, for work taken over from a saved state; 0 for new work
     * @return when the completion will run, on the guest clock; 0 if that depends on the host
     */
    long submit(Runnable work, Runnable completion, long due);
}
