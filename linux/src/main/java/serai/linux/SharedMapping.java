package serai.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A shared mapping of a file or a memfd in this process: guest memory, or a ring shared with the kernel.
 *
 * <p>Pages come into being when they are first touched, so 2 GiB cost milliseconds to map and nothing more; another
 * process that gets {@link #fd} (over a socket, or by {@code /proc/PID/fd}) maps the same pages; {@link #discard} gives
 * pages back to the host. After {@link #close} the addresses are invalid and touching them ends the process: owners
 * stop everyone who may touch it first.
 */
public final class SharedMapping implements AutoCloseable {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int MAP_SHARED = 1;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;
    private static final int F_ADD_SEALS = 1033;
    private static final int F_SEAL_SHRINK = 2;
    private static final int F_SEAL_GROW = 4;
    private static final int MADV_DONTDUMP = 16;
    private static final int MADV_HUGEPAGE = 14;
    private static final long PAGE = 4096;

    private final long address;
    private final long size;
    private final int fd;
    private final long fileOffset;
    private final boolean ownsFd;
    private final AtomicBoolean closed = new AtomicBoolean();

    private SharedMapping(long address, long size, int fd, long fileOffset, boolean ownsFd) {
        this.address = address;
        this.size = size;
        this.fd = fd;
        this.fileOffset = fileOffset;
        this.ownsFd = ownsFd;
    }

    /**
     * New zeroed memory in a memfd whose size is sealed: nobody who gets the descriptor can shrink it under us, which
     * would end this process by SIGBUS.
     *
     * @param name shown in {@code /proc/PID/maps} as {@code /memfd:NAME}
     * @param size bytes, a positive multiple of 4,096
     * @throws LinuxException if the host has no memory or address space for it
     */
    public static SharedMapping create(String name, long size) throws LinuxException {
        checkSize(size, 0);
        int fd;
        try (Arena arena = Arena.ofConfined()) {
            fd = Libc.check(
                    Libc.memfdCreate(Libc.cString(arena, name), MFD_CLOEXEC | MFD_ALLOW_SEALING),
                    "can't create memory " + name);
        }
        try {
            Libc.check(Libc.ftruncate(fd, size), "can't give memory %s %d bytes".formatted(name, size));
            // a kernel without seals is no worse than a file
            Libc.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
            return map(fd, 0, size, true, true);
        } catch (LinuxException e) {
            Libc.close(fd);
            throw e;
        }
    }

    /**
     * Maps an open descriptor, which stays the caller's and may be closed at once.
     *
     * @param offset bytes into the file, a multiple of 4,096
     * @param size bytes, a positive multiple of 4,096
     */
    public static SharedMapping map(int fd, long offset, long size, boolean writable) throws LinuxException {
        checkSize(size, offset);
        return map(fd, offset, size, writable, false);
    }

    /** Maps the whole of an existing file, whose size is a positive multiple of 4,096; the mapping keeps it open. */
    public static SharedMapping map(Path file, boolean writable) throws LinuxException {
        HostFile f = HostFile.open(file, writable ? HostFile.Access.READ_WRITE : HostFile.Access.READ_ONLY);
        try {
            long size = f.size();
            if (size <= 0 || size % PAGE != 0) {
                throw new LinuxException(
                        "can't map %s of %d bytes, not a multiple of %d".formatted(file, size, PAGE), Errno.EINVAL);
            }
            return map(f.release(), 0, size, writable, true);
        } finally {
            f.close();
        }
    }

    private static void checkSize(long size, long offset) {
        if (size <= 0 || size % PAGE != 0 || offset < 0 || offset % PAGE != 0) {
            throw new IllegalArgumentException("mapping %d+%d is not of whole pages".formatted(offset, size));
        }
    }

    private static SharedMapping map(int fd, long offset, long size, boolean writable, boolean ownsFd)
            throws LinuxException {
        long address = Libc.mmap(
                0, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, offset);
        if (address < 0 && address > -PAGE) {
            throw new LinuxException("can't map %d bytes".formatted(size), (int) -address);
        }
        return new SharedMapping(address, size, fd, offset, ownsFd);
    }

    /** Where it starts in this process; page-aligned. */
    public long address() {
        return address;
    }

    /** Bytes. */
    public long size() {
        return size;
    }

    /** The descriptor behind it; meaningless once the caller of {@link #map(int, long, long, boolean)} closed his. */
    public int fd() {
        return fd;
    }

    /** The mapping as a segment, for structures shared with the kernel. Not bound to {@link #close}. */
    public MemorySegment segment() {
        return Libc.segment(address, size);
    }

    /** Keeps it out of core dumps and asks for huge pages where the host has them for shared memory. Best effort. */
    public void adviseGuestMemory() {
        Libc.madvise(address, size, MADV_DONTDUMP);
        Libc.madvise(address, size, MADV_HUGEPAGE);
    }

    /**
     * Gives pages back to the host, in every process that maps them: they read as zeros afterwards.
     *
     * @param offset bytes from the start, a multiple of 4,096
     * @param length bytes, a multiple of 4,096
     * @throws LinuxException if the file system can't punch holes
     */
    public void discard(long offset, long length) throws LinuxException {
        if (offset < 0 || length < 0 || offset > size - length || (offset | length) % PAGE != 0) {
            throw new IllegalArgumentException("range %d+%d is not whole pages of %d".formatted(offset, length, size));
        }
        if (length > 0) {
            Libc.check(
                    Libc.fallocate(
                            fd, HostFile.FALLOC_PUNCH_HOLE | HostFile.FALLOC_KEEP_SIZE, fileOffset + offset, length),
                    "can't give memory back");
        }
    }

    /** Bytes of the range that the host keeps in memory now (mincore). */
    public long resident() throws LinuxException {
        long n = 0;
        long step = 256L << 20;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment vector = arena.allocate(Math.min(size, step) / PAGE);
            for (long at = 0; at < size; at += step) {
                long length = Math.min(step, size - at);
                Libc.check(Libc.mincore(address + at, length, vector.address()), "can't ask for resident pages");
                for (long i = 0; i < length / PAGE; i++) {
                    n += vector.get(ValueLayout.JAVA_BYTE, i) & 1;
                }
            }
        }
        return n * PAGE;
    }

    /** Unmaps it, and closes the descriptor if the mapping opened it. Does nothing the second time. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.munmap(address, size);
            if (ownsFd) {
                Libc.close(fd);
            }
        }
    }
}
