package serai.vmm;

/**
 * How a run ends.
 *
 * @param status the process's exit status
 * @param message a sentence for standard error, or empty
 */
record End(int status, String message) {
    /** The guest has powered itself off. */
    static final End POWER_OFF = new End(0, "");
    /** Ended by Ctrl-A X: 128 + SIGINT, as for a program that Ctrl-C ends. */
    static final End QUIT = new End(130, "");
    /** Ended by the control socket's {@code quit}. */
    static final End QUIT_COMMAND = new End(0, "");
}
