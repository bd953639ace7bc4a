package serai.storage;

import java.io.IOException;
import java.nio.file.Path;

/** A raw image: byte n of the file is byte n of the disk. What the last sector lacks at the file's end reads as zeros. */
public final class RawDisk implements BlockDevice {
    private final ImageFile file;
    private volatile long size;

    private RawDisk(ImageFile file, long size) {
        this.file = file;
        this.size = size;
    }

    /**
     * Opens an image and locks it.
     *
     * @throws DiskException if it is missing, no file, not accessible, locked by another VM, or of a size that is no multiple of 512
     */
    public static RawDisk open(Path path, boolean readOnly) throws DiskException {
        HostImageFile file = HostImageFile.open(path, readOnly);
        try {
            long size = file.size();
            if (size == 0 || size % SECTOR != 0) {
                throw new DiskException(
                        "disk " + path + " has " + size + " bytes, and a raw disk has a multiple of " + SECTOR);
            }
            return new RawDisk(file, size);
        } catch (IOException e) {
            file.close();
            throw e instanceof DiskException d
                    ? d
                    : new DiskException("disk " + path + " can't be used: " + e.getMessage(), e);
        }
    }

    /** On any file, which is closed with it. A size that is no multiple of 512 is rounded up. */
    public static RawDisk on(ImageFile file) throws IOException {
        return new RawDisk(file, (file.size() + SECTOR - 1) & -SECTOR);
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
        BlockDevice.check(this, position, length);
        file.read(position, hostAddress, length);
    }

    @Override
    public boolean readNow(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        return file.readNow(position, hostAddress, length);
    }

    @Override
    public void write(long position, long hostAddress, long length) throws IOException {
        BlockDevice.check(this, position, length);
        file.write(position, hostAddress, length);
    }

    @Override
    public void flush() throws IOException {
        file.flush();
    }

    @Override
    public void discard(long position, long length) throws IOException {
        BlockDevice.check(this, position, length);
        file.punch(position, length);
    }

    @Override
    public void zero(long position, long length, boolean mayFree) throws IOException {
        BlockDevice.check(this, position, length);
        if (mayFree) {
            file.punch(position, length);
        } else {
            file.zero(position, length);
        }
    }

    @Override
    public Extent status(long position, long length) throws IOException {
        long end = Math.min(position + length, file.size());
        if (position >= end) {
            return Extent.zeros(length);
        }
        long data = file.nextData(position);
        if (data > position) {
            return Extent.zeros(Math.min(data, end) - position);
        }
        return Extent.data(Math.min(file.nextHole(position), end) - position, position);
    }

    @Override
    public void resize(long bytes) throws IOException {
        file.resize(bytes);
        size = bytes;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
