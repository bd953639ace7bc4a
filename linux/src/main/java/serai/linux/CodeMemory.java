package serai.linux;

import java.lang.foreign.Arena;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Memory for machine code that is written while it runs: one memfd mapped twice, writable here and executable there, so that
 * no address is ever both (hosts that forbid that allow this). Pages come into being when they are first touched.
 */
public final class CodeMemory implements AutoCloseable {
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int PROT_EXEC = 4;
    private static final int MAP_SHARED = 1;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MFD_CLOEXEC = 1;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_REMOVE = 9;
    private static final long PAGE = 4096;

    private final long writable;
    private final long executable;
    private final long size;
    private final AtomicBoolean closed = new AtomicBoolean();

    private CodeMemory(long writable, long executable, long size) {
        this.writable = writable;
        this.executable = executable;
        this.size = size;
    }

    /**
     * Zeroed code memory.
     *
     * @param size bytes, a positive multiple of 4,096
     * @throws LinuxException if the host forbids executable memory or has no address space
     */
    public static CodeMemory create(long size) throws LinuxException {
        if (size <= 0 || size % PAGE != 0) {
            throw new IllegalArgumentException("code memory of %d bytes is not of whole pages".formatted(size));
        }
        int fd;
        try (Arena arena = Arena.ofConfined()) {
            fd = Libc.check(
                    Libc.memfdCreate(Libc.cString(arena, "serai-code"), MFD_CLOEXEC), "can't create memory for code");
        }
        long writable = -1;
        try {
            Libc.check(Libc.ftruncate(fd, size), "can't give code %d bytes".formatted(size));
            writable = map(fd, size, PROT_READ | PROT_WRITE);
            return new CodeMemory(writable, map(fd, size, PROT_READ | PROT_EXEC), size);
        } catch (LinuxException e) {
            if (writable != -1) {
                Libc.munmap(writable, size);
            }
            throw e;
        } finally {
            Libc.close(fd);
        }
    }

    private static long map(int fd, long size, int protection) throws LinuxException {
        long address = Libc.mmap(0, size, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (address < 0 && address > -PAGE) {
            throw new LinuxException(
                    (protection & PROT_EXEC) != 0 ? "this host forbids executable memory" : "can't map memory for code",
                    (int) -address);
        }
        return address;
    }

    /** Where the code is written. */
    public long writable() {
        return writable;
    }

    /** Where it runs. */
    public long executable() {
        return executable;
    }

    /** Bytes. */
    public long size() {
        return size;
    }

    /**
     * Says that part of it has been written, for the time being: the host may take the pages out of this process's table where they are
     * writable, so that they count once in its resident memory. They can be written as before.
     *
     * @param from address where code is written, rounded up to a page
     * @param to the same of its end, rounded down
     */
    public void written(long from, long to) {
        advise(from, to, MADV_DONTNEED);
    }

    /**
     * Gives part of it back to the host, contents and all: a hole in the file, as each mapping alone would keep its pages. It reads as
     * zero then and can be written again. A host that can't do that keeps it.
     *
     * @param from address where code is written, rounded up to a page
     * @param to the same of its end, rounded down
     */
    public void discard(long from, long to) {
        advise(from, to, MADV_REMOVE);
    }

    private void advise(long from, long to, int advice) {
        long first = Math.max(from, writable) + PAGE - 1 & -PAGE;
        long last = Math.min(to, writable + size) & -PAGE;
        if (first < last) {
            Libc.madvise(first, last - first, advice);
        }
    }

    /** Unmaps it; nobody may run or write it any more. Does nothing the second time. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.munmap(writable, size);
            Libc.munmap(executable, size);
        }
    }
}
