package serai.cli;

/** A command ends here: with one sentence for the user and an even status. */
final class CliException extends Exception {
    private final int status;

    CliException(int status, String message) {
        super(message);
        this.status = status;
    }

    CliException(int status, String message, Throwable cause) {
        super(message, cause);
        this.status = status;
    }

    static CliException usage(String message) {
        return new CliException(Status.USAGE, message);
    }

    int status() {
        return status;
    }
}
