package serai.storage.nbd;

import java.io.IOException;
import serai.linux.Errno;
import serai.linux.LinuxException;

/**
 * Why a request fails, as its client is told.
 *
 * @param number an error value of the protocol, 0 if it doesn't fail
 * @param message a sentence that names nothing of the host
 */
record RequestError(int number, String message) {
    private static final int EDQUOT = 122;

    static final RequestError NONE = new RequestError(0, "");
    static final RequestError SHUTDOWN = new RequestError(Nbd.ESHUTDOWN, "the export has been removed");

    /** What the disk has thrown. */
    static RequestError of(Exception thrown) {
        for (Throwable t = thrown; t != null; t = t.getCause()) {
            if (t instanceof LinuxException e) {
                return switch (e.errno()) {
                    case Errno.ENOSPC, Errno.EFBIG, EDQUOT ->
                        new RequestError(Nbd.ENOSPC, "there is no space left for the disk");
                    case Errno.EPERM, Errno.EROFS -> new RequestError(Nbd.EPERM, "the disk can't be written");
                    default -> new RequestError(Nbd.EIO, "the disk reports " + e.errnoName());
                };
            }
            if (t instanceof NbdException e) {
                return new RequestError(e.error(), "the disk reports " + Nbd.error(e.error()));
            }
        }
        return new RequestError(
                Nbd.EIO, thrown instanceof IOException ? "the disk reports an error" : "the disk fails");
    }
}
