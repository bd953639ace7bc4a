package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicBoolean;

/** A counter in the kernel that wakes whoever polls it (eventfd, non-blocking). */
public final class EventFd implements AutoCloseable {
    private static final int EFD_CLOEXEC = 0x80000;
    private static final int EFD_NONBLOCK = 0x800;

    private final int fd;
    private final AtomicBoolean closed = new AtomicBoolean();

    private EventFd(int fd) {
        this.fd = fd;
    }

    /** A new one, at 0. */
    public static EventFd create() throws LinuxException {
        return new EventFd(Libc.check(Libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "can't create an eventfd"));
    }

    /** The descriptor, to poll or to hand to the kernel (ioeventfd, irqfd). */
    public int fd() {
        return fd;
    }

    /** Adds one: it polls readable from now on. From any thread. */
    public void signal() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocateFrom(ValueLayout.JAVA_LONG, 1);
            long r;
            do {
                r = Libc.write(fd, one.address(), 8);
            } while (r == -Errno.EINTR);
            // EAGAIN: the counter is at its limit and so signalled already
        }
    }

    /** Takes the count and sets it to 0; 0 if nothing was signalled. */
    public long take() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(8, 8);
            long r;
            do {
                r = Libc.read(fd, count.address(), 8);
            } while (r == -Errno.EINTR);
            return r == 8 ? count.get(ValueLayout.JAVA_LONG, 0) : 0;
        }
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.close(fd);
        }
    }
}
