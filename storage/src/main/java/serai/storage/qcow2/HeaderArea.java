package serai.storage.qcow2;

import java.io.IOException;
import java.nio.file.Path;
import serai.storage.DiskException;
import serai.storage.ImageFile;

/** The part of an image's file that holds its LUKS header, as a file of its own. */
record HeaderArea(ImageFile file, long offset, long length) implements ImageFile {
    private void check(long position, long bytes) throws DiskException {
        if (position < 0 || bytes < 0 || bytes > length - position) {
            throw new DiskException(file.path() + " has an encryption header that doesn't end where it should");
        }
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public long size() {
        return length;
    }

    @Override
    public boolean writable() {
        return file.writable();
    }

    @Override
    public void read(long position, long hostAddress, long bytes) throws IOException {
        check(position, bytes);
        file.read(offset + position, hostAddress, bytes);
    }

    @Override
    public void write(long position, long hostAddress, long bytes) throws IOException {
        check(position, bytes);
        file.write(offset + position, hostAddress, bytes);
    }

    @Override
    public void flush() throws IOException {
        file.flush();
    }

    @Override
    public void resize(long size) throws IOException {
        check(0, size);
    }

    @Override
    public void punch(long position, long bytes) throws IOException {
        check(position, bytes);
        file.punch(offset + position, bytes);
    }

    @Override
    public void zero(long position, long bytes) throws IOException {
        check(position, bytes);
        file.zero(offset + position, bytes);
    }

    @Override
    public long allocated() {
        return length;
    }

    @Override
    public long nextData(long position) {
        return position;
    }

    @Override
    public long nextHole(long position) {
        return length;
    }

    @Override
    public void close() {}
}
