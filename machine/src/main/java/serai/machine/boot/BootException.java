package serai.machine.boot;

/** A kernel or initrd was refused. The message is one sentence for the user: which file, and what is wrong with it. */
public final class BootException extends Exception {
    /** With the sentence to show. */
    public BootException(String message) {
        super(message);
    }

    /** With the sentence to show and what led to it. */
    public BootException(String message, Throwable cause) {
        super(message, cause);
    }
}
