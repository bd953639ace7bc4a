package serai.vmm;

/** Why a VM can't be started or can't go on, as one sentence for the user and an exit status. */
public final class VmmException extends Exception {
    /** Usage: an unknown option or value. */
    public static final int USAGE = 2;
    /** The guest stopped abnormally: triple fault, halted for ever, an engine that can't go on. */
    public static final int GUEST = 4;
    /** An input was refused: kernel, initrd, disk, snapshot. */
    public static final int INPUT = 6;
    /** The host failed us. */
    public static final int HOST = 8;
    /** {@code --timeout} ran out. */
    public static final int TIMEOUT = 124;

    private final int status;

    VmmException(int status, String message) {
        super(message);
        this.status = status;
    }

    VmmException(int status, String message, Throwable cause) {
        super(message, cause);
        this.status = status;
    }

    /** The exit status, even. */
    public int status() {
        return status;
    }
}
