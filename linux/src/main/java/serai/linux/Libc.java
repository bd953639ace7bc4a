package serai.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The C library's functions, one method each: the result, or {@code -errno} when the call failed. Addresses are plain
 * longs (guest memory is handled by raw address, and a pointer travels in an integer register on every ABI we know).
 *
 * <p>Variadic functions name their first variadic argument: x86-64 wants AL set, AArch64 on other systems the stack. A
 * downcall with errno capture costs 7 ns, so nothing is made {@code critical}: such a call must never block.
 */
final class Libc {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
    private static final ThreadLocal<MemorySegment> CAPTURE =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(Linker.Option.captureStateLayout()));

    private static final MethodHandle OPEN = variadic("open", JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT);
    private static final MethodHandle CLOSE = fixed("close", JAVA_INT, JAVA_INT);
    private static final MethodHandle READ = fixed("read", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle WRITE = fixed("write", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle PREAD = fixed("pread", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle PWRITE = fixed("pwrite", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle FSYNC = fixed("fsync", JAVA_INT, JAVA_INT);
    private static final MethodHandle FDATASYNC = fixed("fdatasync", JAVA_INT, JAVA_INT);
    private static final MethodHandle FTRUNCATE = fixed("ftruncate", JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle FALLOCATE =
            fixed("fallocate", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle LSEEK = fixed("lseek", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT);
    private static final MethodHandle STATX =
            fixed("statx", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle FCNTL = variadic("fcntl", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle IOCTL = variadic("ioctl", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle MMAP =
            fixed("mmap", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle MUNMAP = fixed("munmap", JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle MADVISE = fixed("madvise", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    private static final MethodHandle MINCORE = fixed("mincore", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle MEMFD_CREATE = fixed("memfd_create", JAVA_INT, JAVA_LONG, JAVA_INT);
    private static final MethodHandle EVENTFD = fixed("eventfd", JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle POLL = fixed("poll", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    private static final MethodHandle ISATTY = fixed("isatty", JAVA_INT, JAVA_INT);
    private static final MethodHandle TCGETATTR = fixed("tcgetattr", JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle TCSETATTR = fixed("tcsetattr", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle CFMAKERAW =
            LINKER.downcallHandle(symbol("cfmakeraw"), FunctionDescriptor.ofVoid(JAVA_LONG));
    private static final MethodHandle SIGACTION = fixed("sigaction", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
    /** By number, not by function: glibc has gettid and tgkill only since 2.30. */
    private static final MethodHandle SYSCALL = LINKER.downcallHandle(
            symbol("syscall"),
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
            ERRNO,
            Linker.Option.firstVariadicArg(1));

    private Libc() {}

    static MemorySegment symbol(String name) {
        return LINKER.defaultLookup()
                .find(name)
                .orElseThrow(() -> new UnsatisfiedLinkError("the C library has no function " + name));
    }

    private static MethodHandle fixed(String name, MemoryLayout result, MemoryLayout... args) {
        return LINKER.downcallHandle(symbol(name), FunctionDescriptor.of(result, args), ERRNO);
    }

    private static MethodHandle variadic(String name, MemoryLayout result, MemoryLayout... args) {
        return LINKER.downcallHandle(
                symbol(name), FunctionDescriptor.of(result, args), ERRNO, Linker.Option.firstVariadicArg(2));
    }

    /** Memory for {@code length} bytes at {@code address}: the restricted operation, kept in this module. */
    static MemorySegment segment(long address, long length) {
        return MemorySegment.ofAddress(address).reinterpret(length);
    }

    private static long result(MemorySegment capture, long value) {
        return value == -1 ? -capture.get(JAVA_INT, 0) : value;
    }

    private static AssertionError impossible(Throwable t) {
        return new AssertionError("a downcall threw", t);
    }

    static int open(long path, int flags, int mode) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) OPEN.invokeExact(c, path, flags, mode));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int close(int fd) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) CLOSE.invokeExact(c, fd));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long read(int fd, long address, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) READ.invokeExact(c, fd, address, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long write(int fd, long address, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) WRITE.invokeExact(c, fd, address, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long pread(int fd, long address, long length, long position) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) PREAD.invokeExact(c, fd, address, length, position));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long pwrite(int fd, long address, long length, long position) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) PWRITE.invokeExact(c, fd, address, length, position));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fsync(int fd) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) FSYNC.invokeExact(c, fd));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fdatasync(int fd) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) FDATASYNC.invokeExact(c, fd));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int ftruncate(int fd, long size) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) FTRUNCATE.invokeExact(c, fd, size));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fallocate(int fd, int mode, long position, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) FALLOCATE.invokeExact(c, fd, mode, position, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long lseek(int fd, long position, int whence) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) LSEEK.invokeExact(c, fd, position, whence));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int statx(int fd, long path, int flags, int mask, long into) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) STATX.invokeExact(c, fd, path, flags, mask, into));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fcntl(int fd, int command, long argument) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) FCNTL.invokeExact(c, fd, command, argument));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int ioctl(int fd, long request, long argument) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) IOCTL.invokeExact(c, fd, request, argument));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long mmap(long address, long length, int protection, int flags, int fd, long offset) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) MMAP.invokeExact(c, address, length, protection, flags, fd, offset));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int munmap(long address, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) MUNMAP.invokeExact(c, address, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int madvise(long address, long length, int advice) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) MADVISE.invokeExact(c, address, length, advice));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int mincore(long address, long length, long vector) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) MINCORE.invokeExact(c, address, length, vector));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int memfdCreate(long name, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) MEMFD_CREATE.invokeExact(c, name, flags));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int eventfd(int initial, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) EVENTFD.invokeExact(c, initial, flags));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int poll(long fds, long count, int timeoutMillis) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) POLL.invokeExact(c, fds, count, timeoutMillis));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static boolean isatty(int fd) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) ISATTY.invokeExact(c, fd) == 1;
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int tcgetattr(int fd, long termios) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) TCGETATTR.invokeExact(c, fd, termios));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int tcsetattr(int fd, int when, long termios) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) TCSETATTR.invokeExact(c, fd, when, termios));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static void cfmakeraw(long termios) {
        try {
            CFMAKERAW.invokeExact(termios);
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int sigaction(int signal, long action, long old) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) SIGACTION.invokeExact(c, signal, action, old));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long syscall(long number, long a, long b, long d) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) SYSCALL.invokeExact(c, number, a, b, d));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    /** Address of {@code text} as a C string in {@code arena}. */
    static long cString(Arena arena, String text) {
        return arena.allocateFrom(text).address();
    }

    /** A failed call as an exception, a good one's result otherwise. */
    static int check(int result, String what) throws LinuxException {
        if (result < 0) {
            throw new LinuxException(what, -result);
        }
        return result;
    }
}
