package serai.vmm;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32C;
import serai.linux.Errno;
import serai.linux.HostFile;
import serai.linux.LinuxException;
import serai.machine.disk.Disk;

/** A raw image or a block device, locked against every other user of it. */
final class RawFileDisk implements Disk, AutoCloseable {
    private final HostFile file;
    private final long size;
    private final boolean readOnly;

    private RawFileDisk(HostFile file, long size, boolean readOnly) {
        this.file = file;
        this.size = size;
        this.readOnly = readOnly;
    }

    /**
     * Opens and locks it.
     *
     * @throws VmmException status 6 if it is missing, no file, not to be written, locked, or of an odd size
     */
    static RawFileDisk open(Path path, boolean readOnly) throws VmmException {
        if (!Files.exists(path)) {
            throw refused(path, "there is no such file");
        }
        if (Files.isDirectory(path)) {
            throw refused(path, "it is a directory");
        }
        HostFile f;
        try {
            f = HostFile.open(path, readOnly ? HostFile.Access.READ_ONLY : HostFile.Access.READ_WRITE);
        } catch (LinuxException e) {
            throw switch (e.errno()) {
                case Errno.EACCES, Errno.EPERM, Errno.EROFS ->
                    refused(
                            path,
                            readOnly ? "it may not be read" : "it may not be written; add ,readonly if that will do");
                default -> refused(path, String.valueOf(e.getMessage()));
            };
        }
        boolean good = false;
        try {
            long size = f.size();
            if (size == 0 || size % 512 != 0) {
                throw refused(path, "its size, %d bytes, is not a multiple of 512".formatted(size));
            }
            f.lock();
            good = true;
            return new RawFileDisk(f, size, readOnly);
        } catch (LinuxException e) {
            throw refused(path, e.errno() == Errno.EAGAIN ? "another VM uses it" : String.valueOf(e.getMessage()));
        } finally {
            if (!good) {
                f.close();
            }
        }
    }

    private static VmmException refused(Path path, String why) {
        return new VmmException(VmmException.INPUT, "disk %s was refused: %s".formatted(path, why));
    }

    @Override
    public long sectors() {
        return size / 512;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    /** From the file's name: the guest finds the disk again under it. */
    @Override
    public String id() {
        CRC32C crc = new CRC32C();
        crc.update(file.path().toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8));
        return "serai-%08x".formatted(crc.getValue());
    }

    @Override
    public void read(long offset, long host, int length) throws IOException {
        file.readFully(offset, host, length);
    }

    @Override
    public void write(long offset, long host, int length) throws IOException {
        file.write(offset, host, length);
    }

    @Override
    public void flush() throws IOException {
        file.flush();
    }

    @Override
    public void close() {
        file.close();
    }
}
