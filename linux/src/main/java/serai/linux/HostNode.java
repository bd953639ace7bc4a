package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A file, directory, symbolic link or whatever it is, held by a descriptor that only names it (openat(2), O_PATH). Others are found from it by one
 * name at a time, never through a symbolic link and never upward: so whoever has the root of a tree gets nothing but what is in the tree,
 * whatever is renamed or replaced meanwhile. Nothing is opened by finding it, so a device, FIFO or socket does not notice.
 */
public final class HostNode implements AutoCloseable {
    /** The type in a mode: these and no others can be {@link #open}ed or read as a link. */
    public static final int TYPE = 0170000, DIRECTORY = 0040000, REGULAR = 0100000, LINK = 0120000;

    /** Bytes of a name at most. */
    public static final int MAX_NAME = 255;

    private static final int O_CLOEXEC = 0x80000,
            O_PATH = 0x200000,
            O_NONBLOCK = 0x800,
            O_NOCTTY = 0x100,
            O_CREAT = 0x40,
            O_EXCL = 0x80;
    private static final boolean ARM = System.getProperty("os.arch").equals("aarch64");
    private static final int O_DIRECTORY = ARM ? 0x4000 : 0x10000, O_NOFOLLOW = ARM ? 0x8000 : 0x20000;
    private static final int AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000, AT_REMOVEDIR = 0x200, AT_SYMLINK_FOLLOW = 0x400;
    private static final int STATX_BASIC = 0x7ff, STATX_BTIME = 0x800;
    private static final int MAX_LINK = 4096;

    /**
     * What the host says of it (statx(2)).
     *
     * @param device its file system's number
     * @param inode its number there
     * @param mode type and permissions
     * @param special the device's number, of a device
     * @param size bytes
     * @param blocks of 512 bytes
     */
    public record Status(
            long device,
            long inode,
            int mode,
            int links,
            int user,
            int group,
            long special,
            long size,
            int blockSize,
            long blocks,
            Time accessed,
            Time modified,
            Time changed,
            Time created) {
        /** The type alone. */
        public int type() {
            return mode & TYPE;
        }
    }

    /** In place of nanoseconds. */
    public static final int NOW = (1 << 30) - 1, OMIT = (1 << 30) - 2;

    /** Seconds since 1970, and nanoseconds. */
    public record Time(long seconds, int nanos) {}

    /** A file system's sizes (statfs(2)), in its own words. */
    public record Space(
            long type, long blockSize, long blocks, long free, long available, long files, long freeFiles) {}

    private final int fd;
    private final AtomicBoolean closed = new AtomicBoolean();

    private HostNode(int fd) {
        this.fd = fd;
    }

    static HostNode of(int fd) {
        return new HostNode(fd);
    }

    /** The directory at a path of the host's. */
    public static HostNode directory(Path path) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            return new HostNode(Libc.check(
                    Libc.open(Libc.cString(arena, path.toString()), O_PATH | O_DIRECTORY | O_CLOEXEC, 0),
                    "can't open the directory " + path));
        }
    }

    /** The same once more. */
    public HostNode again() throws LinuxException {
        return new HostNode(Libc.check(Libc.fcntl(fd, 1030, 0), "can't hold a file once more")); // F_DUPFD_CLOEXEC
    }

    /**
     * What has a name in this directory.
     *
     * @param name bytes as the host has them; EINVAL if it is empty, {@code .} or {@code ..}, or has a slash or a zero in it
     */
    public HostNode child(byte[] name) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            return new HostNode(Libc.check(
                    Libc.openat(fd, nameIn(arena, name), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0), "can't find a file"));
        }
    }

    /** The address of a name that is one. */
    private static long nameIn(Arena arena, byte[] name) throws LinuxException {
        if (!isName(name)) {
            throw new LinuxException("that is no name", Errno.EINVAL);
        }
        return bytesIn(arena, name);
    }

    private static long bytesIn(Arena arena, byte[] text) {
        MemorySegment n = arena.allocate(text.length + 1L);
        MemorySegment.copy(text, 0, n, ValueLayout.JAVA_BYTE, 0, text.length);
        return n.address();
    }

    /** Whether bytes can be the name of something in a directory. */
    public static boolean isName(byte[] name) {
        if (name.length == 0 || name.length > MAX_NAME || name[0] == '.' && name.length == 1) {
            return false;
        }
        for (byte b : name) {
            if (b == 0 || b == '/') {
                return false;
            }
        }
        return name.length != 2 || name[0] != '.' || name[1] != '.';
    }

    /** What it is. */
    public Status status() throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment s = arena.allocate(256, 8);
            Libc.check(
                    Libc.statx(fd, Libc.cString(arena, ""), AT_EMPTY_PATH, STATX_BASIC | STATX_BTIME, s.address()),
                    "can't look at a file");
            return new Status(
                    number(s, 136),
                    s.get(ValueLayout.JAVA_LONG, 32),
                    s.get(ValueLayout.JAVA_SHORT, 28) & 0xffff,
                    s.get(ValueLayout.JAVA_INT, 16),
                    s.get(ValueLayout.JAVA_INT, 20),
                    s.get(ValueLayout.JAVA_INT, 24),
                    number(s, 128),
                    s.get(ValueLayout.JAVA_LONG, 40),
                    s.get(ValueLayout.JAVA_INT, 4),
                    s.get(ValueLayout.JAVA_LONG, 48),
                    time(s, 64),
                    time(s, 112),
                    time(s, 96),
                    time(s, 80));
        }
    }

    /** A device's number as Linux puts it into 32 bits: 12 bits major, 20 minor. */
    private static long number(MemorySegment s, int at) {
        int major = s.get(ValueLayout.JAVA_INT, at);
        int minor = s.get(ValueLayout.JAVA_INT, at + 4);
        return (minor & 0xff | major << 8 | (minor & ~0xff) << 12) & 0xffff_ffffL;
    }

    private static Time time(MemorySegment s, int at) {
        return new Time(s.get(ValueLayout.JAVA_LONG, at), s.get(ValueLayout.JAVA_INT, at + 8));
    }

    /** The file system that it is in. */
    public Space space() throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment s = arena.allocate(256, 8);
            Libc.check(Libc.fstatfs(fd, s.address()), "can't look at a file system");
            return new Space(
                    s.get(ValueLayout.JAVA_LONG, 0),
                    s.get(ValueLayout.JAVA_LONG, 8),
                    s.get(ValueLayout.JAVA_LONG, 16),
                    s.get(ValueLayout.JAVA_LONG, 24),
                    s.get(ValueLayout.JAVA_LONG, 32),
                    s.get(ValueLayout.JAVA_LONG, 40),
                    s.get(ValueLayout.JAVA_LONG, 48));
        }
    }

    /** The text of a symbolic link; EINVAL if it is none. */
    public byte[] link() throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment s = arena.allocate(MAX_LINK);
            long n = Libc.readlinkat(fd, Libc.cString(arena, ""), s.address(), MAX_LINK);
            if (n < 0) {
                throw new LinuxException(
                        "can't read a link",
                        n == -Errno.ENOENT ? Errno.EINVAL : (int) -n); // so it says that it is none
            }
            return s.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    // ---- changes: in a directory, of a name in it, which is never followed if it is a link ----

    /**
     * Makes a regular file and opens it.
     *
     * @param permissions 0 to 01777, of which the host's umask takes some
     * @throws LinuxException EEXIST if there is something of that name
     */
    public HostReader create(byte[] name, int permissions, boolean read, boolean write) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            return new HostReader(Libc.check(
                    Libc.openat(
                            fd,
                            nameIn(arena, name),
                            access(read, write) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                            permissions & 0777),
                    "can't create a file"));
        }
    }

    private static int access(boolean read, boolean write) {
        return write ? read ? 2 : 1 : 0;
    }

    /** Makes a directory. */
    public void makeDirectory(byte[] name, int permissions) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            int unused =
                    Libc.check(Libc.mkdirat(fd, nameIn(arena, name), permissions & 01777), "can't create a directory");
        }
    }

    /** Makes a symbolic link, whose text nobody looks at here; EINVAL if it is empty, too long or has a zero in it. */
    public void makeLink(byte[] name, byte[] text) throws LinuxException {
        if (text.length == 0
                || text.length >= MAX_LINK
                || new String(text, StandardCharsets.ISO_8859_1).indexOf(0) >= 0) {
            throw new LinuxException("that is no text of a link", Errno.EINVAL);
        }
        try (Arena arena = Arena.ofConfined()) {
            int unused =
                    Libc.check(Libc.symlinkat(bytesIn(arena, text), fd, nameIn(arena, name)), "can't create a link");
        }
    }

    /** Gives a regular file of the same tree another name. */
    public void addName(byte[] name, HostNode of) throws LinuxException {
        if (of.status().type() != REGULAR) {
            throw new LinuxException("only files get another name", Errno.EPERM);
        }
        try (Arena arena = Arena.ofConfined()) {
            int unused = Libc.check(
                    Libc.linkat(AT_FDCWD, of.self(arena), fd, nameIn(arena, name), AT_SYMLINK_FOLLOW),
                    "can't create a name");
        }
    }

    /** Removes a name, of a directory or of something else. */
    public void remove(byte[] name, boolean directory) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            int unused = Libc.check(
                    Libc.unlinkat(fd, nameIn(arena, name), directory ? AT_REMOVEDIR : 0), "can't remove a file");
        }
    }

    /** Renames something of this directory to a name in another, which goes away if there is something. */
    public void rename(byte[] name, HostNode to, byte[] newName) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            int unused = Libc.check(
                    Libc.renameat(fd, nameIn(arena, name), to.fd, nameIn(arena, newName)), "can't rename a file");
        }
    }

    /** Changes the permissions of a regular file or directory. */
    public void permissions(int mode) throws LinuxException {
        plain();
        try (Arena arena = Arena.ofConfined()) {
            int unused = Libc.check(Libc.fchmodat(AT_FDCWD, self(arena), mode & 01777, 0), "can't change permissions");
        }
    }

    /** Changes the times of a regular file or directory; a time of nanoseconds {@value #NOW} or {@value #OMIT} is now or is left. */
    public void times(Time accessed, Time modified) throws LinuxException {
        plain();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment t = arena.allocate(32, 8);
            t.set(ValueLayout.JAVA_LONG, 0, accessed.seconds());
            t.set(ValueLayout.JAVA_LONG, 8, accessed.nanos());
            t.set(ValueLayout.JAVA_LONG, 16, modified.seconds());
            t.set(ValueLayout.JAVA_LONG, 24, modified.nanos());
            int unused =
                    Libc.check(Libc.utimensat(AT_FDCWD, self(arena), t.address(), 0), "can't change a file's times");
        }
    }

    private void plain() throws LinuxException {
        int type = status().type();
        if (type != REGULAR && type != DIRECTORY) {
            throw new LinuxException("only files and directories are changed", Errno.EPERM);
        }
    }

    private long self(Arena arena) {
        return Libc.cString(arena, "/proc/self/fd/" + fd);
    }

    /** Opens a regular file for reading, writing or both; ENXIO if it is none. */
    public HostReader open(boolean read, boolean write) throws LinuxException {
        if (!write) {
            return open();
        }
        if (status().type() != REGULAR) {
            throw new LinuxException("only files are written", Errno.ENXIO);
        }
        try (Arena arena = Arena.ofConfined()) {
            return new HostReader(Libc.check(
                    Libc.openat(AT_FDCWD, self(arena), access(read, true) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0),
                    "can't open a file"));
        }
    }

    /**
     * Opens a regular file or a directory for reading. The type of what is held can't change, so nothing else is ever opened.
     *
     * @throws LinuxException ENXIO if it is neither
     */
    public HostReader open() throws LinuxException {
        int type = status().type();
        if (type != REGULAR && type != DIRECTORY) {
            throw new LinuxException("only files and directories are opened", Errno.ENXIO);
        }
        try (Arena arena = Arena.ofConfined()) {
            // the one way to more than a name; the link leads to what is held, and nowhere else
            return new HostReader(Libc.check(
                    Libc.openat(
                            AT_FDCWD, Libc.cString(arena, "/proc/self/fd/" + fd), O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0),
                    "can't open a file"));
        }
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.close(fd);
        }
    }
}
