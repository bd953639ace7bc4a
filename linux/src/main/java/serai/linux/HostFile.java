package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A regular file or block device, transferred by raw host address: a disk's data goes straight between the page cache
 * and guest memory. Thread-safe as far as the kernel is: transfers take their position with them.
 *
 * <p>By pread and pwrite: with what is in the page cache io_uring did fewer requests of 4 KiB a second, even from C ({@code bench/uring}).
 */
public final class HostFile implements AutoCloseable {
    /** How a file is opened. */
    public enum Access {
        /** Must exist. */
        READ_ONLY(0),
        /** Must exist. */
        READ_WRITE(2),
        /** Must not exist; mode 0600. */
        CREATE_NEW(2 | 0x40 | 0x80);

        private final int flags;

        Access(int flags) {
            this.flags = flags;
        }
    }

    static final int FALLOC_KEEP_SIZE = 1;
    static final int FALLOC_PUNCH_HOLE = 2;
    private static final int FALLOC_ZERO_RANGE = 0x10;
    private static final int O_CLOEXEC = 0x80000;
    /** With O_DIRECTORY in it, which is elsewhere on ARM. */
    private static final int O_TMPFILE =
            0x400000 | (System.getProperty("os.arch").equals("aarch64") ? 0x4000 : 0x10000);

    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int AT_FDCWD = -100;
    private static final int AT_SYMLINK_FOLLOW = 0x400;
    private static final int SEEK_END = 2;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int STATX_BLOCKS = 0x400;
    private static final int F_OFD_SETLK = 37;
    private static final int RWF_NOWAIT = 8;
    private static final ThreadLocal<MemorySegment> VECTOR =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(16, 8));
    private static final short F_RDLCK = 0;
    private static final short F_WRLCK = 1;
    private static final short F_UNLCK = 2;

    /** The open file description, which the descriptors of {@link #again} have in common, as they have its lock. */
    private static final class Description {
        private final AtomicInteger descriptors = new AtomicInteger(1);
        private volatile boolean locked;
    }

    private final Path path;
    private final int fd;
    private final boolean writable;
    private final Description description;
    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile boolean canReadNow = true;

    private HostFile(Path path, int fd, boolean writable) {
        this(path, fd, writable, new Description());
    }

    private HostFile(Path path, int fd, boolean writable, Description description) {
        this.path = path;
        this.fd = fd;
        this.writable = writable;
        this.description = description;
    }

    /**
     * Opens a file, close-on-exec.
     *
     * @throws LinuxException with the path in its message
     */
    public static HostFile open(Path path, Access access) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            String verb =
                    switch (access) {
                        case READ_ONLY -> "read ";
                        case READ_WRITE -> "write ";
                        case CREATE_NEW -> "create ";
                    };
            int fd = Libc.check(
                    Libc.open(Libc.cString(arena, path.toString()), access.flags | O_CLOEXEC, 0600),
                    "can't " + verb + path);
            return new HostFile(path, fd, access != Access.READ_ONLY);
        }
    }

    /**
     * Makes a file without a name, open for reading and writing, mode 0600: it is gone when it is closed, or the process ends, unless
     * {@link #link} has given it one.
     *
     * @param directory where its name will be
     * @param name what it is called in messages
     * @throws LinuxException EOPNOTSUPP if the file system has no such files
     */
    public static HostFile unnamed(Path directory, Path name) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            int fd = Libc.open(Libc.cString(arena, directory.toString()), O_TMPFILE | 2 | O_CLOEXEC, 0600);
            if (fd == -Errno.EISDIR) { // a file system, or kernel, that does not know the flag
                fd = -Errno.EOPNOTSUPP;
            }
            return new HostFile(name, Libc.check(fd, "can't create " + name), true);
        }
    }

    /** The same open file once more: with the same lock, which is held until both are closed. */
    public HostFile again() throws LinuxException {
        int other = Libc.check(Libc.fcntl(fd, F_DUPFD_CLOEXEC, 0), "can't open once more " + path);
        description.descriptors.incrementAndGet();
        return new HostFile(path, other, writable, description);
    }

    /**
     * Gives an {@link #unnamed} file a name.
     *
     * @throws LinuxException EEXIST if there is one of that name
     */
    public void link(Path target) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            Libc.check(
                    Libc.linkat(
                            AT_FDCWD,
                            Libc.cString(arena, "/proc/self/fd/" + fd),
                            AT_FDCWD,
                            Libc.cString(arena, target.toString()),
                            AT_SYMLINK_FOLLOW),
                    "can't create " + target);
        }
    }

    /** The descriptor, valid until {@link #close}. */
    public int fd() {
        return fd;
    }

    /** What it was opened by. */
    public Path path() {
        return path;
    }

    /** Whether it was opened for writing. */
    public boolean writable() {
        return writable;
    }

    /** Gives the descriptor away; {@link #close} does nothing then. */
    int release() {
        closed.set(true);
        return fd;
    }

    /** Bytes in it; of a block device its capacity. */
    public long size() throws LinuxException {
        long n = Libc.lseek(fd, 0, SEEK_END);
        if (n < 0) {
            throw failed("can't tell the size of ", n);
        }
        return n;
    }

    /** Where the next data at or after {@code position} begins, as far as the file system knows; the file's size if there is none. */
    public long nextData(long position) throws LinuxException {
        return seek(position, SEEK_DATA);
    }

    /** Where the next hole at or after {@code position} begins; the file's size if there is none, or {@code position} lies past it. */
    public long nextHole(long position) throws LinuxException {
        return seek(position, SEEK_HOLE);
    }

    private long seek(long position, int whence) throws LinuxException {
        long n = Libc.lseek(fd, position, whence);
        if (n == -Errno.ENXIO) {
            return size();
        }
        if (n == -Errno.EINVAL) { // block devices don't know
            return whence == SEEK_DATA ? position : size();
        }
        if (n < 0) {
            throw failed("can't tell the holes of ", n);
        }
        return n;
    }

    /** Bytes that the file system has allocated for it. */
    public long allocated() throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment statx = arena.allocate(256, 8);
            int r = Libc.statx(fd, Libc.cString(arena, ""), AT_EMPTY_PATH, STATX_BLOCKS, statx.address());
            if (r < 0) {
                throw failed("can't tell the allocation of ", r);
            }
            return statx.get(ValueLayout.JAVA_LONG, 48) * 512; // stx_blocks
        }
    }

    /**
     * Reads until {@code length} bytes are there or the file ends.
     *
     * @param hostAddress where to, in this process; {@code length} bytes from there must be mapped
     * @return the bytes read, fewer only at the end of the file
     */
    public long read(long position, long hostAddress, long length) throws LinuxException {
        long done = 0;
        while (done < length) {
            long n = Libc.pread(fd, hostAddress + done, length - done, position + done);
            if (n == 0) {
                break;
            }
            if (n > 0) {
                done += n;
            } else if (n != -Errno.EINTR) {
                throw failed("can't read ", n);
            }
        }
        return done;
    }

    /**
     * Reads what the host has in memory, and waits for nothing (preadv2(2), RWF_NOWAIT).
     *
     * @param hostAddress as for {@link #read}; it may have been written in part if this fails
     * @return whether all of it has been read; if not, {@link #read} tells why
     */
    public boolean readNow(long position, long hostAddress, long length) {
        if (!canReadNow) {
            return false;
        }
        MemorySegment vector = VECTOR.get(); // struct iovec: base, length
        vector.set(ValueLayout.JAVA_LONG, 0, hostAddress);
        vector.set(ValueLayout.JAVA_LONG, 8, length);
        long n = Libc.preadv2(fd, vector.address(), 1, position, RWF_NOWAIT);
        if (n == -Errno.EOPNOTSUPP || n == -Errno.ENOSYS) {
            canReadNow = false; // the file system can't, or the kernel
        }
        return n == length;
    }

    /**
     * Reads exactly {@code length} bytes.
     *
     * @throws LinuxException EIO if the file ends before
     */
    public void readFully(long position, long hostAddress, long length) throws LinuxException {
        if (read(position, hostAddress, length) < length) {
            throw new LinuxException("%s ends before byte %d".formatted(path, position + length), Errno.EIO);
        }
    }

    /** Writes all of {@code length} bytes at {@code hostAddress}. */
    public void write(long position, long hostAddress, long length) throws LinuxException {
        long done = 0;
        while (done < length) {
            long n = Libc.pwrite(fd, hostAddress + done, length - done, position + done);
            if (n > 0) {
                done += n;
            } else if (n == 0) {
                throw failed("can't write ", -Errno.EIO);
            } else if (n != -Errno.EINTR) {
                throw failed("can't write ", n);
            }
        }
    }

    /** Makes the data durable, and as much of the metadata as is needed to find it (fdatasync). */
    public void flush() throws LinuxException {
        int r = Libc.fdatasync(fd);
        if (r < 0) {
            throw failed("can't flush ", r);
        }
    }

    /** Makes data and metadata durable (fsync). */
    public void sync() throws LinuxException {
        int r = Libc.fsync(fd);
        if (r < 0) {
            throw failed("can't flush ", r);
        }
    }

    /** Sets the size; what is added reads as zeros. */
    public void truncate(long size) throws LinuxException {
        int r = Libc.ftruncate(fd, size);
        if (r < 0) {
            throw failed("can't resize ", r);
        }
    }

    /** Allocates blocks for a range, growing the file where needed. */
    public void allocate(long position, long length) throws LinuxException {
        fallocate(0, position, length, "can't allocate ");
    }

    /** Frees the blocks of a range; it reads as zeros. The size stays. */
    public void punch(long position, long length) throws LinuxException {
        fallocate(FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, position, length, "can't discard in ");
    }

    /** Makes a range read as zeros and keeps its blocks where the file system can. The size stays. */
    public void zero(long position, long length) throws LinuxException {
        fallocate(FALLOC_ZERO_RANGE | FALLOC_KEEP_SIZE, position, length, "can't zero in ");
    }

    private void fallocate(int mode, long position, long length, String what) throws LinuxException {
        if (length <= 0) {
            return;
        }
        int r;
        do {
            r = Libc.fallocate(fd, mode, position, length);
        } while (r == -Errno.EINTR);
        if (r < 0) {
            throw failed(what, r);
        }
    }

    /**
     * Locks the whole file until it is closed: exclusively if it is open for writing, else shared. An open-file-description
     * lock: it holds against other descriptors of this process as against other processes (QEMU's locks included).
     *
     * @throws LinuxException EAGAIN if another holds a lock that conflicts
     */
    public void lock() throws LinuxException {
        int r = setLock(writable ? F_WRLCK : F_RDLCK);
        if (r == -Errno.EAGAIN || r == -Errno.EACCES) {
            throw new LinuxException("%s is locked by another user of it".formatted(path), Errno.EAGAIN);
        }
        if (r < 0) {
            throw failed("can't lock ", r);
        }
        description.locked = true;
    }

    /** Gives the lock up. */
    public void unlock() throws LinuxException {
        int r = setLock(F_UNLCK);
        if (r < 0) {
            throw failed("can't unlock ", r);
        }
        description.locked = false;
    }

    private int setLock(short type) {
        try (Arena arena = Arena.ofConfined()) {
            // struct flock: l_type, l_whence, l_start @8, l_len @16 (0: to the end, wherever it moves), l_pid @24
            MemorySegment flock = arena.allocate(32, 8);
            flock.set(ValueLayout.JAVA_SHORT, 0, type);
            return Libc.fcntl(fd, F_OFD_SETLK, flock.address());
        }
    }

    private LinuxException failed(String what, long result) {
        return new LinuxException(what + path, (int) -result);
    }

    /**
     * Closes it; with the last of its descriptors the lock is given up. Does nothing the second time.
     *
     * <p>Closing alone would not do: a process that another thread starts at that moment has the descriptor, and with it the lock, from its
     * fork to its exec.
     */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            if (description.descriptors.decrementAndGet() == 0 && description.locked) {
                int ignored = setLock(F_UNLCK); // closing gives it up, too, if late
            }
            Libc.close(fd);
        }
    }
}
