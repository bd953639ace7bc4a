package serai.storage;

import java.io.IOException;
import java.util.Objects;

/** A disk image is refused; the message is one sentence for its owner. */
public final class DiskException extends IOException {
    /** With the sentence. */
    public DiskException(String message) {
        super(message);
    }

    /** With the sentence and the cause. */
    public DiskException(String message, Throwable cause) {
        super(message, cause);
    }

    /** Never null here. */
    @Override
    public String getMessage() {
        return Objects.requireNonNull(super.getMessage());
    }
}
