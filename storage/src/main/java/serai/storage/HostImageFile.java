package serai.storage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import serai.linux.Errno;
import serai.linux.HostFile;
import serai.linux.LinuxException;

/**
 * A file or block device of the host. While it is open it is locked: by one writer, or by any number of readers (open file description
 * locks, which NFS and other processes' {@code flock} do not see).
 */
public final class HostImageFile implements ImageFile {
    private final HostFile file;
    /** What the file system can't do is not tried again. */
    private volatile boolean canPunch = true;

    private volatile boolean canZero = true;
    /** After a flush that failed the kernel counts what it could not write as written: a later one that succeeds would prove nothing. */
    private volatile @Nullable LinuxException lost;

    private HostImageFile(HostFile file) {
        this.file = file;
    }

    /**
     * Opens and locks one that exists.
     *
     * @throws DiskException if it is missing, no file, not accessible, or locked by another
     */
    public static HostImageFile open(Path path, boolean readOnly) throws DiskException {
        return lock(openFile(path, readOnly));
    }

    /**
     * Opens one that exists, and does not lock it: others may write it meanwhile.
     *
     * @throws DiskException if it is missing, no file, or not accessible
     */
    public static HostImageFile openUnlocked(Path path, boolean readOnly) throws DiskException {
        return new HostImageFile(openFile(path, readOnly));
    }

    private static HostFile openFile(Path path, boolean readOnly) throws DiskException {
        if (!Files.exists(path)) {
            throw new DiskException("disk " + path + " does not exist");
        }
        if (Files.isDirectory(path)) {
            throw new DiskException("disk " + path + " is a directory");
        }
        if (!Files.isRegularFile(path) && !isBlockDevice(path)) {
            // a FIFO would hang, a terminal would be read
            throw new DiskException("disk " + path + " is neither a file nor a block device");
        }
        try {
            return HostFile.open(path, readOnly ? HostFile.Access.READ_ONLY : HostFile.Access.READ_WRITE);
        } catch (LinuxException e) {
            String mend = readOnly || !Files.isReadable(path) ? "" : "; give it with ',readonly' if that is meant";
            throw new DiskException(
                    "disk " + path + " can't be opened for " + (readOnly ? "reading" : "writing") + " (" + e.errnoName()
                            + ")" + mend,
                    e);
        }
    }

    /**
     * One that is open already, and is locked now.
     *
     * @throws DiskException if another has locked it; then it is closed
     */
    public static HostImageFile on(HostFile file) throws DiskException {
        return lock(file);
    }

    /** The same file open once more, for who closes it; it stays locked until all are closed. */
    public HostImageFile again() throws IOException {
        return new HostImageFile(file.again());
    }

    /**
     * Makes a new one, empty, and locks it.
     *
     * @throws DiskException if there is one already, or it can't be made
     */
    public static HostImageFile create(Path path) throws DiskException {
        try {
            return on(HostFile.open(path, HostFile.Access.CREATE_NEW));
        } catch (LinuxException e) {
            throw new DiskException(
                    e.errno() == Errno.EEXIST
                            ? "disk " + path + " exists already"
                            : "disk " + path + " can't be made (" + e.errnoName() + ")",
                    e);
        }
    }

    private static boolean isBlockDevice(Path path) {
        try {
            return (((Integer) Files.getAttribute(path, "unix:mode")) & 0170000) == 0060000;
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    private static HostImageFile lock(HostFile file) throws DiskException {
        try {
            file.lock();
            return new HostImageFile(file);
        } catch (LinuxException e) {
            file.close();
            throw new DiskException(
                    e.errno() == Errno.EAGAIN
                            ? "disk " + file.path() + " is in use by another VM"
                            : "disk " + file.path() + " can't be used: " + e.getMessage(),
                    e);
        }
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public long size() throws IOException {
        return file.size();
    }

    @Override
    public boolean writable() {
        return file.writable();
    }

    @Override
    public void read(long position, long hostAddress, long length) throws IOException {
        long n = file.read(position, hostAddress, length);
        if (n < length) {
            NativeBuffer.at(hostAddress + n, length - n).fill((byte) 0);
        }
    }

    @Override
    public boolean readNow(long position, long hostAddress, long length) {
        return file.readNow(position, hostAddress, length);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        file.write(position, hostAddress, length);
    }

    @Override
    public void flush() throws IOException {
        LinuxException before = lost;
        if (before != null) {
            throw new IOException(
                    "what was written to %s may be lost, as it could not be flushed (%s)"
                            .formatted(file.path(), before.errnoName()),
                    before);
        }
        try {
            file.flush();
        } catch (LinuxException e) {
            lost = e;
            throw e;
        }
    }

    @Override
    public void resize(long size) throws IOException {
        file.truncate(size);
    }

    @Override
    public void punch(long position, long length) throws IOException {
        if (canPunch) {
            try {
                file.punch(position, length);
                return;
            } catch (LinuxException e) {
                if (e.errno() != Errno.EOPNOTSUPP) {
                    throw e;
                }
                canPunch = false;
            }
        }
        writeZeros(position, Math.min(length, Math.max(0, size() - position)));
    }

    @Override
    public void zero(long position, long length) throws IOException {
        if (canZero) {
            try {
                file.zero(position, length);
                grow(position + length);
                return;
            } catch (LinuxException e) {
                if (e.errno() != Errno.EOPNOTSUPP) {
                    throw e;
                }
                canZero = false; // tmpfs can't, which can punch
            }
        }
        punch(position, length);
        grow(position + length);
    }

    private void grow(long end) throws IOException {
        if (size() < end) {
            file.truncate(end);
        }
    }

    private void writeZeros(long position, long length) throws IOException {
        try (NativeBuffer zeros = new NativeBuffer(Math.max(1, Math.min(length, 1 << 20)))) {
            for (long done = 0; done < length; done += 1 << 20) {
                file.write(position + done, zeros.address(), Math.min(1 << 20, length - done));
            }
        }
    }

    @Override
    public long allocated() throws IOException {
        return file.allocated();
    }

    @Override
    public long nextData(long position) throws IOException {
        return file.nextData(position);
    }

    @Override
    public long nextHole(long position) throws IOException {
        return file.nextHole(position);
    }

    @Override
    public void close() {
        file.close();
    }
}
