package serai.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A timer that runs while a platform thread uses the processor, and has a handler in machine code run on that thread, wherever it is:
 * timer_create(2) with the thread's CPU clock and SIGEV_THREAD_ID. The kernel looks at such clocks at its own tick, so a timer expires once in a
 * tick at most.
 *
 * <p>A handler in Java would not do: the signal may find the thread in Java, the JVM or native code. The signal is a real-time one next to {@link
 * HostThread}'s. x86-64 alone, as the handler is.
 */
public final class CpuTimeTimer implements AutoCloseable {
    /** From the handler's second argument, siginfo_t: why the signal was sent (32 bits), and what {@link #start} was given. */
    public static final int SI_CODE = 8, SI_VALUE = 24;
    /** The code of signals that come from a timer. */
    public static final int SI_TIMER = -2;
    /** From its third argument, ucontext_t: registers R11, RSP and RIP of the thread. */
    public static final int UCONTEXT_R11 = 64, UCONTEXT_RSP = 160, UCONTEXT_RIP = 168;

    private static final int SIGNAL = 36;
    private static final int SA_SIGINFO = 4, SA_RESTART = 0x10000000;
    private static final int CLOCK_THREAD_CPUTIME_ID = 3;
    private static final int SIGEV_THREAD_ID = 4;
    private static final long SYS_TIMER_CREATE = 222, SYS_TIMER_SETTIME = 223, SYS_TIMER_DELETE = 226;

    private final int id;
    private final AtomicBoolean closed = new AtomicBoolean();

    private CpuTimeTimer(int id) {
        this.id = id;
    }

    /**
     * Installs the handler of all timers, for as long as the process lives: a function of a signal's number, its siginfo_t and ucontext_t by the
     * System V ABI. It may touch no memory but what it was made for, and should look whether the signal is a timer's.
     *
     * @param code position-independent, at most 4,096 bytes
     * @throws LinuxException if the host forbids executable memory
     */
    public static void handler(byte[] code) throws LinuxException {
        long address = MachineCode.place(code);
        try (Arena arena = Arena.ofConfined()) {
            // struct sigaction, glibc and musl: handler, mask (128 bytes), flags, restorer
            MemorySegment action = arena.allocate(152, 8);
            action.set(JAVA_LONG, 0, address);
            action.set(JAVA_INT, 136, SA_SIGINFO | SA_RESTART);
            Libc.check(Libc.sigaction(SIGNAL, action.address(), 0), "can't install a signal handler");
        }
    }

    /**
     * Starts one for the calling thread, after {@link #handler}.
     *
     * @param nanos of the thread's CPU time between two signals, at least
     * @param value what the handler finds in siginfo_t
     * @throws LinuxException if the host has no timer left
     */
    public static CpuTimeTimer start(long nanos, long value) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            // struct sigevent: value, signal, how, thread
            MemorySegment event = arena.allocate(64, 8);
            event.set(JAVA_LONG, 0, value);
            event.set(JAVA_INT, 8, SIGNAL);
            event.set(JAVA_INT, 12, SIGEV_THREAD_ID);
            event.set(JAVA_INT, 16, HostThread.current().tid());
            MemorySegment number = arena.allocate(8, 8);
            Libc.check(
                    (int) Libc.syscall(SYS_TIMER_CREATE, CLOCK_THREAD_CPUTIME_ID, event.address(), number.address()),
                    "can't make a timer");
            CpuTimeTimer timer = new CpuTimeTimer(number.get(JAVA_INT, 0));
            // struct itimerspec: interval and first time, seconds and nanoseconds each
            MemorySegment times = arena.allocate(32, 8);
            for (int i = 0; i < 2; i++) {
                times.set(JAVA_LONG, 16 * i, nanos / 1_000_000_000);
                times.set(JAVA_LONG, 16 * i + 8, nanos % 1_000_000_000);
            }
            int r = (int) Libc.syscall(SYS_TIMER_SETTIME, timer.id, 0, times.address(), 0);
            if (r < 0) {
                timer.close();
            }
            Libc.check(r, "can't start a timer");
            return timer;
        }
    }

    /** Ends it; a signal may be under way still. Does nothing the second time. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.syscall(SYS_TIMER_DELETE, id, 0, 0);
        }
    }
}
