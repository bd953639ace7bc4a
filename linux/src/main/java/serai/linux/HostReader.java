package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/** A file or directory of a {@link HostNode}, open for reading or, a file, for writing. */
public final class HostReader implements AutoCloseable {
    private static final long GETDENTS64 = System.getProperty("os.arch").equals("aarch64") ? 61 : 217;
    private static final int SEEK_SET = 0;
    /** A directory entry: 0 inode (8) | 8 where the next is (8) | 16 length (2) | 18 type (1) | 19 name, ended by a zero (getdents64(2)). */
    private static final int INODE = 0, NEXT = 8, LENGTH = 16, KIND = 18, NAME = 19;

    private static final int CHUNK = 32 << 10;

    /**
     * An entry of a directory.
     *
     * @param next where the reading goes on after it
     * @param type as readdir(3) has it: 4 a directory, 8 a file, 10 a symbolic link, …
     * @param name bytes as the host has them
     */
    public record Entry(long inode, long next, int type, byte[] name) {}

    private final int fd;
    private final AtomicBoolean closed = new AtomicBoolean();

    HostReader(int fd) {
        this.fd = fd;
    }

    /** Bytes of a file from a position on, fewer than {@code length} only at its end. */
    public byte[] read(long position, int length) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment s = arena.allocate(Math.max(1, length));
            int done = 0;
            while (done < length) {
                long n = Libc.pread(fd, s.address() + done, length - done, position + done);
                if (n == 0) {
                    break;
                }
                if (n > 0) {
                    done += (int) n;
                } else if (n != -Errno.EINTR) {
                    throw new LinuxException("can't read a file", (int) -n);
                }
            }
            return s.asSlice(0, done).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** What it is of, held on its own. */
    public HostNode node() throws LinuxException {
        return HostNode.of(Libc.check(Libc.fcntl(fd, 1030, 0), "can't hold a file once more")); // F_DUPFD_CLOEXEC
    }

    /** Writes all of these bytes. */
    public void write(long position, byte[] bytes) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment s = arena.allocate(Math.max(1, bytes.length));
            MemorySegment.copy(bytes, 0, s, ValueLayout.JAVA_BYTE, 0, bytes.length);
            int done = 0;
            while (done < bytes.length) {
                long n = Libc.pwrite(fd, s.address() + done, bytes.length - done, position + done);
                if (n > 0) {
                    done += (int) n;
                } else if (n != -Errno.EINTR) {
                    throw new LinuxException("can't write a file", n == 0 ? Errno.EIO : (int) -n);
                }
            }
        }
    }

    /** Changes a file's size. */
    public void truncate(long size) throws LinuxException {
        int unused = Libc.check(Libc.ftruncate(fd, size), "can't change a file's size");
    }

    /** Waits until what was written is on the host's disk. */
    public void sync() throws LinuxException {
        int unused = Libc.check(Libc.fsync(fd), "can't write a file to disk");
    }

    /** Some entries of a directory from {@code next} of one on, or 0; none at its end. */
    public List<Entry> entries(long from) throws LinuxException {
        try (Arena arena = Arena.ofConfined()) {
            long at = Libc.lseek(fd, from, SEEK_SET);
            if (at < 0) {
                throw new LinuxException("can't read a directory", (int) -at);
            }
            MemorySegment s = arena.allocate(CHUNK, 8);
            long n = Libc.syscall(GETDENTS64, fd, s.address(), CHUNK);
            if (n < 0) {
                throw new LinuxException("can't read a directory", (int) -n);
            }
            List<Entry> all = new ArrayList<>();
            for (long e = 0; e < n; ) {
                int length = s.get(ValueLayout.JAVA_SHORT_UNALIGNED, e + LENGTH) & 0xffff;
                int end = NAME;
                while (end < length && s.get(ValueLayout.JAVA_BYTE, e + end) != 0) {
                    end++;
                }
                all.add(new Entry(
                        s.get(ValueLayout.JAVA_LONG_UNALIGNED, e + INODE),
                        s.get(ValueLayout.JAVA_LONG_UNALIGNED, e + NEXT),
                        s.get(ValueLayout.JAVA_BYTE, e + KIND) & 0xff,
                        s.asSlice(e + NAME, end - NAME).toArray(ValueLayout.JAVA_BYTE)));
                e += Math.max(NAME, length);
            }
            return all;
        }
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.close(fd);
        }
    }
}
