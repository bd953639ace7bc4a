package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Waiting for descriptors. */
public final class Poll {
    private static final short POLLIN = 1;

    private Poll() {}

    /**
     * Waits until one of the descriptors can be read, has ended or failed.
     *
     * @param timeoutMillis at most so long; -1 for ever, 0 not at all
     * @param fds at most 64 descriptors; a negative one is passed over
     * @return a bit for each that is ready, bit 0 the first; 0 after the time-out
     */
    public static long readable(int timeoutMillis, int... fds) throws LinuxException {
        if (fds.length > 64) {
            throw new IllegalArgumentException(fds.length + " descriptors are more than 64");
        }
        long deadline = System.nanoTime() + timeoutMillis * 1_000_000L;
        int left = timeoutMillis;
        try (Arena arena = Arena.ofConfined()) {
            // struct pollfd: fd, events @4, revents @6
            MemorySegment p = arena.allocate(8L * fds.length, 8);
            for (int i = 0; i < fds.length; i++) {
                p.set(ValueLayout.JAVA_INT, 8L * i, fds[i]);
                p.set(ValueLayout.JAVA_SHORT, 8L * i + 4, POLLIN);
            }
            while (true) {
                int r = Libc.poll(p.address(), fds.length, left);
                if (r >= 0) {
                    break;
                }
                if (r != -Errno.EINTR) {
                    throw new LinuxException("can't poll", -r);
                }
                if (timeoutMillis > 0) {
                    left = (int) Math.max(0, (deadline - System.nanoTime()) / 1_000_000);
                }
            }
            long ready = 0;
            for (int i = 0; i < fds.length; i++) {
                ready |= p.get(ValueLayout.JAVA_SHORT, 8L * i + 6) != 0 ? 1L << i : 0;
            }
            return ready;
        }
    }
}
