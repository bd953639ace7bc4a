package serai.storage.nbd;

import java.io.IOException;

/** What a server has refused, or could not do. */
public final class NbdException extends IOException {
    private static final long serialVersionUID = 1L;

    private final int error;

    NbdException(String message, int error) {
        super(message);
        this.error = error;
    }

    /** The number that the server gave: 1 EPERM, 5 EIO, 12 ENOMEM, 22 EINVAL, 28 ENOSPC, 75 EOVERFLOW, 95 ENOTSUP, 108 ESHUTDOWN. */
    public int error() {
        return error;
    }
}
