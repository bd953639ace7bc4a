package serai.vmm.block;

/** Who runs the VM, as disks in trouble need it. Called from a thread that may wait a little. */
public interface Troubles {
    /** What is told of a failure, by the words of QEMU's event {@code BLOCK_IO_ERROR}. */
    enum Done {
        /** The guest got the error. */
        REPORT,
        /** The guest was told that it is done. */
        IGNORE,
        /** The VM stops. */
        STOP
    }

    /**
     * A failure, or a request that hangs.
     *
     * @param node the disk's name
     * @param write whether it is no read
     * @param noSpace whether there was no space
     * @param reason why, for people
     */
    record Failure(String node, boolean write, Done done, boolean noSpace, String reason) {}

    /** Stops the VM until {@link #release} of the same cause, or until somebody tells it to go on. */
    void stop(Object cause);

    /** The cause is gone; the VM goes on if there is no other. */
    void release(Object cause);

    /** Tells of a failure. */
    void tell(Failure failure);

    /** Runs something with the machine lock. */
    void locked(Runnable action);
}
