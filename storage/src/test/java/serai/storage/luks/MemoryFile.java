package serai.storage.luks;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import serai.storage.ImageFile;
import serai.storage.NativeBuffer;

/** A file that is an array, and zeros behind it up to its size. */
final class MemoryFile implements ImageFile {
    private byte[] bytes;
    private long size;

    MemoryFile(byte[] bytes, long size) {
        this.bytes = bytes.clone();
        this.size = size;
    }

    byte[] bytes() {
        return bytes.clone();
    }

    @Override
    public Path path() {
        return Path.of("a.luks");
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public boolean writable() {
        return true;
    }

    @Override
    public void read(long position, long hostAddress, long length) {
        MemorySegment to = NativeBuffer.at(hostAddress, length).fill((byte) 0);
        if (position < bytes.length) {
            int n = (int) Math.min(length, bytes.length - position);
            MemorySegment.copy(bytes, (int) position, to, ValueLayout.JAVA_BYTE, 0, n);
        }
    }

    @Override
    public void write(long position, long hostAddress, long length) {
        int end = Math.toIntExact(position + length);
        if (end > bytes.length) {
            bytes = Arrays.copyOf(bytes, end);
        }
        MemorySegment.copy(
                NativeBuffer.at(hostAddress, length), ValueLayout.JAVA_BYTE, 0, bytes, (int) position, (int) length);
        size = Math.max(size, end);
    }

    @Override
    public void flush() {}

    @Override
    public void resize(long to) {
        bytes = Arrays.copyOf(bytes, (int) Math.min(bytes.length, to));
        size = to;
    }

    @Override
    public void punch(long position, long length) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void zero(long position, long length) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long allocated() {
        return bytes.length;
    }

    @Override
    public long nextData(long position) {
        return position;
    }

    @Override
    public long nextHole(long position) {
        return size;
    }

    @Override
    public void close() {}
}
