package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The kernel's name of a platform thread, by which another thread can interrupt its system call.
 *
 * <p>The signal is a real-time one that glibc (from 34) and musl (from 35) leave free; the JVM uses none of those. Its handler is the C
 * library's {@code abs}: a function of one int without effect, so no native code of ours is needed. It is installed
 * without SA_RESTART, so a blocking call ends with EINTR. A signal that arrives just before the call is made interrupts
 * nothing: whoever kicks needs a second means for that (KVM's {@code immediate_exit}).
 */
public final class HostThread {
    private static final int SIGNAL = 35;
    private static final boolean AARCH64 = System.getProperty("os.arch", "").equals("aarch64");
    private static final long SYS_GETTID = AARCH64 ? 178 : 186;
    private static final long SYS_TGKILL = AARCH64 ? 131 : 234;

    static {
        try (Arena arena = Arena.ofConfined()) {
            // struct sigaction, glibc and musl: handler, mask (128 bytes), flags, restorer
            MemorySegment action = arena.allocate(152, 8);
            action.set(ValueLayout.JAVA_LONG, 0, Libc.symbol("abs").address());
            int r = Libc.sigaction(SIGNAL, action.address(), 0);
            if (r < 0) {
                throw new ExceptionInInitializerError("can't install a signal handler: " + Errno.name(-r));
            }
        }
    }

    private final int tid;

    private HostThread(int tid) {
        this.tid = tid;
    }

    /** The calling platform thread. Useless once it has ended. */
    public static HostThread current() {
        if (Thread.currentThread().isVirtual()) {
            throw new IllegalStateException("a virtual thread has no thread of the kernel for itself");
        }
        return new HostThread((int) Libc.syscall(SYS_GETTID, 0, 0, 0));
    }

    /** Its number in the kernel. */
    public int tid() {
        return tid;
    }

    /** Interrupts the system call that it is in, if any; nothing if the thread has ended. From any thread. */
    public void interruptSystemCall() {
        Libc.syscall(SYS_TGKILL, ProcessHandle.current().pid(), tid, SIGNAL);
    }
}
