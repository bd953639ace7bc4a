package serai.linux;

import java.util.Map;

/** Error numbers, as {@code asm-generic/errno.h} has them on every architecture that Java runs on. */
public final class Errno {
    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int EINTR = 4;
    public static final int EIO = 5;
    public static final int ENXIO = 6;
    public static final int E2BIG = 7;
    public static final int EBADF = 9;
    public static final int EAGAIN = 11;
    public static final int ENOMEM = 12;
    public static final int EACCES = 13;
    public static final int EFAULT = 14;
    public static final int EBUSY = 16;
    public static final int EEXIST = 17;
    public static final int ENODEV = 19;
    public static final int EISDIR = 21;
    public static final int EINVAL = 22;
    public static final int EMFILE = 24;
    public static final int ENOTTY = 25;
    public static final int EFBIG = 27;
    public static final int ENOSPC = 28;
    public static final int EROFS = 30;
    public static final int ENOSYS = 38;
    public static final int EOPNOTSUPP = 95;

    private record Entry(String name, String reason) {}

    private static final Map<Integer, Entry> KNOWN = Map.ofEntries(
            Map.entry(EPERM, new Entry("EPERM", "not permitted")),
            Map.entry(ENOENT, new Entry("ENOENT", "no such file")),
            Map.entry(3, new Entry("ESRCH", "no such process or thread")),
            Map.entry(EINTR, new Entry("EINTR", "interrupted by a signal")),
            Map.entry(EIO, new Entry("EIO", "input or output error of the device")),
            Map.entry(ENXIO, new Entry("ENXIO", "no such device or address")),
            Map.entry(E2BIG, new Entry("E2BIG", "list too long")),
            Map.entry(EBADF, new Entry("EBADF", "not an open descriptor, or not open for this")),
            Map.entry(EAGAIN, new Entry("EAGAIN", "busy or locked by another")),
            Map.entry(ENOMEM, new Entry("ENOMEM", "not enough memory")),
            Map.entry(EACCES, new Entry("EACCES", "access denied")),
            Map.entry(EFAULT, new Entry("EFAULT", "bad address")),
            Map.entry(EBUSY, new Entry("EBUSY", "in use")),
            Map.entry(EEXIST, new Entry("EEXIST", "exists already")),
            Map.entry(ENODEV, new Entry("ENODEV", "the device does not offer this")),
            Map.entry(20, new Entry("ENOTDIR", "a part of the path is not a directory")),
            Map.entry(EISDIR, new Entry("EISDIR", "a directory")),
            Map.entry(EINVAL, new Entry("EINVAL", "invalid argument")),
            Map.entry(23, new Entry("ENFILE", "the system has too many open files")),
            Map.entry(EMFILE, new Entry("EMFILE", "too many open files")),
            Map.entry(ENOTTY, new Entry("ENOTTY", "not a terminal, or an unknown request")),
            Map.entry(26, new Entry("ETXTBSY", "a program that is running")),
            Map.entry(EFBIG, new Entry("EFBIG", "file too large")),
            Map.entry(ENOSPC, new Entry("ENOSPC", "no space left on the file system")),
            Map.entry(29, new Entry("ESPIPE", "not seekable")),
            Map.entry(EROFS, new Entry("EROFS", "read-only file system")),
            Map.entry(ENOSYS, new Entry("ENOSYS", "this kernel does not have the call")),
            Map.entry(40, new Entry("ELOOP", "too many symbolic links")),
            Map.entry(EOPNOTSUPP, new Entry("EOPNOTSUPP", "not supported here")),
            Map.entry(122, new Entry("EDQUOT", "disk quota used up")));

    private Errno() {}

    /** {@code "ENOENT"}, or {@code "errno 200"}. */
    public static String name(int errno) {
        Entry e = KNOWN.get(errno);
        return e == null ? "errno " + errno : e.name;
    }

    static String reason(int errno) {
        Entry e = KNOWN.get(errno);
        return e == null ? "refused by the kernel" : e.reason;
    }
}
