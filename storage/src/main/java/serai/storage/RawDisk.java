package serai.storage;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import serai.linux.Errno;
import serai.linux.HostFile;
import serai.linux.LinuxException;

/**
 * A raw image: byte n of the file is byte n of the disk. While it is open it is locked: by one writer, or by any number of readers (open
 * file description locks, which NFS and other processes' {@code flock} do not see).
 */
public final class RawDisk implements BlockDevice {
    private static final int SECTOR = 512;

    private final HostFile file;
    private final long size;

    private RawDisk(HostFile file, long size) {
        this.file = file;
        this.size = size;
    }

    /**
     * Opens an image and locks it.
     *
     * @throws DiskException if it is missing, no file, not accessible, locked by another VM, or of a size that is no multiple of 512
     */
    public static RawDisk open(Path path, boolean readOnly) throws DiskException {
        if (!Files.exists(path)) {
            throw new DiskException("disk " + path + " does not exist");
        }
        if (Files.isDirectory(path)) {
            throw new DiskException("disk " + path + " is a directory");
        }
        HostFile file;
        try {
            file = HostFile.open(path, readOnly ? HostFile.Access.READ_ONLY : HostFile.Access.READ_WRITE);
        } catch (LinuxException e) {
            String mend = readOnly || !Files.isReadable(path) ? "" : "; give it with ',readonly' if that is meant";
            throw new DiskException(
                    "disk " + path + " can't be opened for " + (readOnly ? "reading" : "writing") + " (" + e.errnoName()
                            + ")" + mend,
                    e);
        }
        try {
            file.lock();
            long size = file.size();
            if (size == 0 || size % SECTOR != 0) {
                throw new DiskException(
                        "disk " + path + " has " + size + " bytes, and a raw disk has a multiple of " + SECTOR);
            }
            return new RawDisk(file, size);
        } catch (LinuxException e) {
            file.close();
            throw new DiskException(
                    e.errno() == Errno.EAGAIN
                            ? "disk " + path + " is in use by another VM"
                            : "disk " + path + " can't be used: " + e.getMessage(),
                    e);
        } catch (DiskException e) {
            file.close();
            throw e;
        }
    }

    private void check(long position, long length) throws IOException {
        if (position < 0 || length < 0 || length > size - position) {
            throw new IOException("%s: %d+%d is past the end".formatted(file.path(), position, length));
        }
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public boolean readOnly() {
        return !file.writable();
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        check(position, length);
        file.readFully(position, hostAddress, length);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        check(position, length);
        file.write(position, hostAddress, length);
    }

    @Override
    public void flush() throws IOException {
        file.flush();
    }

    @Override
    public void discard(long position, long length) throws IOException {
        check(position, length);
        try {
            file.punch(position, length);
        } catch (LinuxException e) {
            if (e.errno() != Errno.EOPNOTSUPP) {
                throw e;
            }
        }
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        check(position, length);
        try {
            if (!mayFree) {
                file.zero(position, length);
                return;
            }
        } catch (LinuxException e) {
            if (e.errno() != Errno.EOPNOTSUPP) {
                throw e;
            }
        }
        try {
            file.punch(position, length); // what tmpfs can, which can't zero a range
        } catch (LinuxException e) {
            if (e.errno() != Errno.EOPNOTSUPP) {
                throw e;
            }
            writeZeros(position, length);
        }
    }

    private void writeZeros(long position, long length) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long chunk = Math.min(length, 1 << 20);
            long zeros = arena.allocate(chunk, 4096).address();
            for (long done = 0; done < length; done += chunk) {
                file.write(position + done, zeros, Math.min(chunk, length - done));
            }
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
