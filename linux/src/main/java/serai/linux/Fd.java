package serai.linux;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An open descriptor of a device, with its ioctls. Closing twice does nothing; using a closed one is an error of the
 * caller that the kernel answers with EBADF, so owners close last.
 */
public final class Fd implements AutoCloseable {
    private static final int O_RDWR = 2;
    private static final int O_CLOEXEC = 0x80000;

    private final int number;
    private final AtomicBoolean closed = new AtomicBoolean();

    /** Takes over a descriptor, for instance one that an ioctl has returned. */
    public Fd(int number) {
        this.number = number;
    }

    /**
     * Opens a device for reading and writing, close-on-exec.
     *
     * @throws LinuxException if it is absent or may not be opened
     */
    public static Fd openDevice(Path path) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            return new Fd(Libc.check(
                    Libc.open(Libc.cString(arena, path.toString()), O_RDWR | O_CLOEXEC, 0), "can't open " + path));
        }
    }

    /** The number, valid until {@link #close}. */
    public int number() {
        return number;
    }

    /** An ioctl: its result, or {@code -errno}. May block as long as the kernel pleases. */
    public int ioctl(long request, long argument) {
        return Libc.ioctl(number, request, argument);
    }

    /**
     * An ioctl: its result.
     *
     * @param what begins the message of the exception: {@code "KVM_CREATE_VM"}
     * @throws LinuxException if the kernel refused
     */
    public int ioctl(long request, long argument, String what) throws LinuxException {
        return Libc.check(Libc.ioctl(number, request, argument), what);
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.close(number);
        }
    }
}
