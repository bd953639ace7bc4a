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
 *
 * <p>A class for each handle: linking one costs 2 to 5 ms in a cold JVM, and most processes need a third of them.
 */
final class Libc {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
    private static final ThreadLocal<MemorySegment> CAPTURE =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(Linker.Option.captureStateLayout()));

    private static final class Open {
        static final MethodHandle H = variadic("open", JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT);
    }

    private static final class Close {
        static final MethodHandle H = fixed("close", JAVA_INT, JAVA_INT);
    }

    private static final class Read {
        static final MethodHandle H = fixed("read", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
    }

    private static final class Write {
        static final MethodHandle H = fixed("write", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG);
    }

    private static final class Pread {
        static final MethodHandle H = fixed("pread", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    }

    private static final class Pwrite {
        static final MethodHandle H = fixed("pwrite", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    }

    /** The offset goes by whole in a register of 64 bits; glibc has it since 2.26. */
    private static final class Preadv2 {
        static final MethodHandle H = fixed("preadv2", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class Fsync {
        static final MethodHandle H = fixed("fsync", JAVA_INT, JAVA_INT);
    }

    private static final class Fdatasync {
        static final MethodHandle H = fixed("fdatasync", JAVA_INT, JAVA_INT);
    }

    private static final class Ftruncate {
        static final MethodHandle H = fixed("ftruncate", JAVA_INT, JAVA_INT, JAVA_LONG);
    }

    private static final class Fallocate {
        static final MethodHandle H = fixed("fallocate", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
    }

    private static final class Linkat {
        static final MethodHandle H = fixed("linkat", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class Openat {
        static final MethodHandle H = LINKER.downcallHandle(
                symbol("openat"),
                FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT),
                ERRNO,
                Linker.Option.firstVariadicArg(3));
    }

    private static final class Readlinkat {
        static final MethodHandle H = fixed("readlinkat", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    }

    private static final class Fstatfs {
        static final MethodHandle H = fixed("fstatfs", JAVA_INT, JAVA_INT, JAVA_LONG);
    }

    private static final class Mkdirat {
        static final MethodHandle H = fixed("mkdirat", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class Unlinkat {
        static final MethodHandle H = fixed("unlinkat", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class Renameat {
        static final MethodHandle H = fixed("renameat", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG);
    }

    private static final class Symlinkat {
        static final MethodHandle H = fixed("symlinkat", JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG);
    }

    private static final class Fchmodat {
        static final MethodHandle H = fixed("fchmodat", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT);
    }

    private static final class Utimensat {
        static final MethodHandle H = fixed("utimensat", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    }

    private static final class Lseek {
        static final MethodHandle H = fixed("lseek", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class Statx {
        static final MethodHandle H = fixed("statx", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_LONG);
    }

    private static final class Fcntl {
        static final MethodHandle H = variadic("fcntl", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    }

    private static final class Ioctl {
        static final MethodHandle H = variadic("ioctl", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
    }

    private static final class Mmap {
        static final MethodHandle H =
                fixed("mmap", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    }

    private static final class Munmap {
        static final MethodHandle H = fixed("munmap", JAVA_INT, JAVA_LONG, JAVA_LONG);
    }

    private static final class Mprotect {
        static final MethodHandle H = fixed("mprotect", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    }

    private static final class Madvise {
        static final MethodHandle H = fixed("madvise", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    }

    private static final class Mincore {
        static final MethodHandle H = fixed("mincore", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    }

    private static final class MemfdCreate {
        static final MethodHandle H = fixed("memfd_create", JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class Eventfd {
        static final MethodHandle H = fixed("eventfd", JAVA_INT, JAVA_INT, JAVA_INT);
    }

    private static final class Poll {
        static final MethodHandle H = fixed("poll", JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    }

    private static final class Socket {
        static final MethodHandle H = fixed("socket", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);
    }

    private static final class Sendto {
        static final MethodHandle H =
                fixed("sendto", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class Isatty {
        static final MethodHandle H = fixed("isatty", JAVA_INT, JAVA_INT);
    }

    private static final class Tcgetattr {
        static final MethodHandle H = fixed("tcgetattr", JAVA_INT, JAVA_INT, JAVA_LONG);
    }

    private static final class Tcsetattr {
        static final MethodHandle H = fixed("tcsetattr", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    }

    private static final class Cfmakeraw {
        static final MethodHandle H = LINKER.downcallHandle(symbol("cfmakeraw"), FunctionDescriptor.ofVoid(JAVA_LONG));
    }

    private static final class Sigaction {
        static final MethodHandle H = fixed("sigaction", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
    }

    /** By number, not by function: glibc has gettid and tgkill only since 2.30. */
    private static final class Syscall {
        static final MethodHandle H = LINKER.downcallHandle(
                symbol("syscall"),
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
                ERRNO,
                Linker.Option.firstVariadicArg(1));
    }

    private static final class Syscall4 {
        static final MethodHandle H = LINKER.downcallHandle(
                symbol("syscall"),
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
                ERRNO,
                Linker.Option.firstVariadicArg(1));
    }

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
            return (int) result(c, (int) Open.H.invokeExact(c, path, flags, mode));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int close(int fd) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Close.H.invokeExact(c, fd));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long read(int fd, long address, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Read.H.invokeExact(c, fd, address, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long write(int fd, long address, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Write.H.invokeExact(c, fd, address, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long pread(int fd, long address, long length, long position) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Pread.H.invokeExact(c, fd, address, length, position));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long pwrite(int fd, long address, long length, long position) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Pwrite.H.invokeExact(c, fd, address, length, position));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    /** {@code -ENOSYS} where the C library lacks it. */
    static long preadv2(int fd, long vector, int count, long position, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Preadv2.H.invokeExact(c, fd, vector, count, position, flags));
        } catch (UnsatisfiedLinkError | ExceptionInInitializerError | NoClassDefFoundError e) {
            return -Errno.ENOSYS;
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fsync(int fd) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Fsync.H.invokeExact(c, fd));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fdatasync(int fd) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Fdatasync.H.invokeExact(c, fd));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int ftruncate(int fd, long size) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Ftruncate.H.invokeExact(c, fd, size));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fallocate(int fd, int mode, long position, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Fallocate.H.invokeExact(c, fd, mode, position, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int linkat(int fromDirectory, long from, int toDirectory, long to, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Linkat.H.invokeExact(c, fromDirectory, from, toDirectory, to, flags));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int openat(int directory, long path, int flags, int mode) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Openat.H.invokeExact(c, directory, path, flags, mode));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long readlinkat(int directory, long path, long into, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Readlinkat.H.invokeExact(c, directory, path, into, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fstatfs(int fd, long into) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Fstatfs.H.invokeExact(c, fd, into));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int mkdirat(int directory, long path, int mode) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Mkdirat.H.invokeExact(c, directory, path, mode));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int unlinkat(int directory, long path, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Unlinkat.H.invokeExact(c, directory, path, flags));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int renameat(int fromDirectory, long from, int toDirectory, long to) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Renameat.H.invokeExact(c, fromDirectory, from, toDirectory, to));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int symlinkat(long target, int directory, long path) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Symlinkat.H.invokeExact(c, target, directory, path));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fchmodat(int directory, long path, int mode, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Fchmodat.H.invokeExact(c, directory, path, mode, flags));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int utimensat(int directory, long path, long times, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Utimensat.H.invokeExact(c, directory, path, times, flags));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long lseek(int fd, long position, int whence) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Lseek.H.invokeExact(c, fd, position, whence));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int statx(int fd, long path, int flags, int mask, long into) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Statx.H.invokeExact(c, fd, path, flags, mask, into));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int fcntl(int fd, int command, long argument) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Fcntl.H.invokeExact(c, fd, command, argument));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int ioctl(int fd, long request, long argument) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Ioctl.H.invokeExact(c, fd, request, argument));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long mmap(long address, long length, int protection, int flags, int fd, long offset) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Mmap.H.invokeExact(c, address, length, protection, flags, fd, offset));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int munmap(long address, long length) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Munmap.H.invokeExact(c, address, length));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int mprotect(long address, long length, int protection) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Mprotect.H.invokeExact(c, address, length, protection));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int madvise(long address, long length, int advice) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Madvise.H.invokeExact(c, address, length, advice));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int mincore(long address, long length, long vector) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Mincore.H.invokeExact(c, address, length, vector));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int memfdCreate(long name, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) MemfdCreate.H.invokeExact(c, name, flags));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int eventfd(int initial, int flags) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Eventfd.H.invokeExact(c, initial, flags));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int poll(long fds, long count, int timeoutMillis) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Poll.H.invokeExact(c, fds, count, timeoutMillis));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int socket(int family, int type, int protocol) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Socket.H.invokeExact(c, family, type, protocol));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long sendto(int fd, long bytes, long length, int flags, long address, int addressLength) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Sendto.H.invokeExact(c, fd, bytes, length, flags, address, addressLength));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static boolean isatty(int fd) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) Isatty.H.invokeExact(c, fd) == 1;
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int tcgetattr(int fd, long termios) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Tcgetattr.H.invokeExact(c, fd, termios));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int tcsetattr(int fd, int when, long termios) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Tcsetattr.H.invokeExact(c, fd, when, termios));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static void cfmakeraw(long termios) {
        try {
            Cfmakeraw.H.invokeExact(termios);
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static int sigaction(int signal, long action, long old) {
        MemorySegment c = CAPTURE.get();
        try {
            return (int) result(c, (int) Sigaction.H.invokeExact(c, signal, action, old));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long syscall(long number, long a, long b, long d) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Syscall.H.invokeExact(c, number, a, b, d));
        } catch (Throwable t) {
            throw impossible(t);
        }
    }

    static long syscall(long number, long a, long b, long d, long e) {
        MemorySegment c = CAPTURE.get();
        try {
            return result(c, (long) Syscall4.H.invokeExact(c, number, a, b, d, e));
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
