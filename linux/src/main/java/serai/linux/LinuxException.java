package serai.linux;

import java.io.IOException;
import java.util.Objects;

/** A system call that the kernel refused. The message is one sentence: what was tried, the reason, the errno's name. */
public final class LinuxException extends IOException {
    private static final long serialVersionUID = 1L;

    private final int errno;

    LinuxException(String what, int errno) {
        super("%s: %s (%s)".formatted(what, Errno.reason(errno), Errno.name(errno)));
        this.errno = errno;
    }

    /** Never null here. */
    @Override
    public String getMessage() {
        return Objects.requireNonNull(super.getMessage());
    }

    /** The number of the error, as in {@code errno.h}. */
    public int errno() {
        return errno;
    }

    /** Its name: {@code "ENOENT"}. */
    public String errnoName() {
        return Errno.name(errno);
    }
}
