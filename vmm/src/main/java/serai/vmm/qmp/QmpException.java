package serai.vmm.qmp;

/** A command that was refused: what the client gets as {@code error}. */
public final class QmpException extends Exception {
    /** The classes of errors that QMP has left; all but a few are generic. */
    public enum ErrorClass {
        /** {@code GenericError}. */
        GENERIC_ERROR("GenericError"),
        /** {@code CommandNotFound}: no such command, or not in this state of the connection. */
        COMMAND_NOT_FOUND("CommandNotFound"),
        /** {@code DeviceNotFound}. */
        DEVICE_NOT_FOUND("DeviceNotFound"),
        /** {@code DeviceNotActive}: the VM was started without it. */
        DEVICE_NOT_ACTIVE("DeviceNotActive");

        final String word;

        ErrorClass(String word) {
            this.word = word;
        }
    }

    private final ErrorClass errorClass;

    /** With a sentence that says what is wrong. */
    public QmpException(String sentence) {
        this(ErrorClass.GENERIC_ERROR, sentence);
    }

    /** Of a class that clients tell apart. */
    public QmpException(ErrorClass errorClass, String sentence) {
        super(sentence);
        this.errorClass = errorClass;
    }

    /** The class. */
    public ErrorClass errorClass() {
        return errorClass;
    }
}
